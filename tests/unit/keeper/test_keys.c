#include "tests/unit/keeper/world.h"

#include "vaultd/keeper/keys.h"

static const uint8_t key_file[KEY_LEN] = "0123456789abcdef0123456789abcde";
static const uint8_t bound[LINK_LEN] = "where it may go, and how";
static uint8_t slot[SLOT_BODY_LEN];
static struct keys *keys;

static struct row_place customer_at, credential_at, profile_at;
static uint8_t customer_body[SEALED_MAX];
static struct customer_row customer;

static struct row_place
place(enum row_kind kind, const char *name, uint64_t generation)
{
	struct row_place at = {.kind = kind, .generation = generation};

	keys_row_id(keys, kind, slice_str(name), at.id);
	return at;
}

static struct customer_row
make_customer(const char *name, uint64_t generation, uint8_t *body)
{
	struct customer_row row = {.at = place(ROW_CUSTOMER, name, generation)};
	size_t len = 0;

	assert_int_equal(keys_make_customer(keys, &row.at, body, &len), 0);
	row.sealed = slice_of(body, len);
	return row;
}

static int
setup(void **state)
{
	if (world_memory(state) != 0 || keys_make(key_file, slot, &keys) != 0)
		return -1;
	customer_at = place(ROW_CUSTOMER, "acme", 1);
	credential_at = place(ROW_CREDENTIAL, "acme/shop", 3);
	profile_at = place(ROW_PROFILE, "acme/shop", 2);
	customer = make_customer("acme", 1, customer_body);
	return 0;
}

static void
keys_slot_opens_with_its_file_alone(void **state)
{
	struct row_place at = profile_at;
	uint8_t other[KEY_LEN], sealed[SEALED_MAX], *plain;
	struct keys *again = NULL;
	size_t len;

	(void)state;
	assert_int_equal(
	    keys_open(key_file, slice_of(slot, sizeof(slot)), &again), 0);
	/* The same hierarchy: rows of one open under the other. */
	keys_set_vault_id(again, keys_vault_id(keys));
	assert_int_equal(
	    keys_seal_row(keys, &at, slice_str("row"), sealed, &len), 0);
	assert_int_equal(
	    keys_open_row(again, &at, slice_of(sealed, len), &plain, &len), 0);
	assert_true(slice_is(slice_of(plain, len), "row"));
	free(plain);
	secret_free(again);

	for (size_t bit = 0; bit < KEY_LEN * 8; bit++) {
		struct keys *untouched = keys;

		memcpy(other, key_file, KEY_LEN);
		other[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(
		    keys_open(other, slice_of(slot, sizeof(slot)), &untouched),
		    VERR_AUTH);
		assert_ptr_equal(untouched, keys);
	}
}

static void
keys_slot_damaged(void **state)
{
	uint8_t bad[SLOT_BODY_LEN + 1] = {0};
	struct keys *untouched = keys;

	(void)state;
	for (size_t bit = 0; bit < SLOT_BODY_LEN * 8; bit++) {
		memcpy(bad, slot, SLOT_BODY_LEN);
		bad[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(keys_open(key_file,
		                     slice_of(bad, SLOT_BODY_LEN), &untouched),
		    bit < 16 ? VERR_FORMAT : VERR_AUTH);
	}
	memcpy(bad, slot, SLOT_BODY_LEN);
	for (size_t n = 0; n <= SLOT_BODY_LEN + 1; n++)
		if (n != SLOT_BODY_LEN)
			assert_int_equal(
			    keys_open(key_file, slice_of(bad, n), &untouched),
			    VERR_FORMAT);
	assert_ptr_equal(untouched, keys);
}

/* No two vaults, and no two makings, have a key in common. */
static void
keys_vaults_differ(void **state)
{
	uint8_t other_slot[SLOT_BODY_LEN], sealed[SEALED_MAX], *plain = NULL;
	struct row_place at = profile_at;
	struct keys *other;
	size_t len;

	(void)state;
	assert_int_equal(keys_make(key_file, other_slot, &other), 0);
	assert_memory_not_equal(slot, other_slot, SLOT_BODY_LEN);
	assert_memory_not_equal(
	    keys_vault_id(keys), keys_vault_id(other), VAULT_ID_LEN);
	keys_set_vault_id(other, keys_vault_id(keys));
	assert_int_equal(
	    keys_seal_row(keys, &at, slice_str("row"), sealed, &len), 0);
	assert_int_equal(
	    keys_open_row(other, &at, slice_of(sealed, len), &plain, &len),
	    VERR_AUTH);
	keys_row_id(other, ROW_PROFILE, slice_str("acme/shop"), at.id);
	assert_memory_not_equal(at.id, profile_at.id, ROW_ID_LEN);
	secret_free(other);
}

static void
keys_row_ids(void **state)
{
	struct row_place a = place(ROW_PROFILE, "acme/shop", 1);
	struct row_place b = place(ROW_PROFILE, "acme/shop", 2);

	(void)state;
	assert_memory_equal(a.id, b.id, ROW_ID_LEN);
	b = place(ROW_PROFILE, "acme/shoq", 1);
	assert_memory_not_equal(a.id, b.id, ROW_ID_LEN);
	b = place(ROW_CREDENTIAL, "acme/shop", 1);
	assert_memory_not_equal(a.id, b.id, ROW_ID_LEN);
	/* The slot's is found before there is a key. */
	keys_slot_id(a.id);
	keys_slot_id(b.id);
	assert_memory_equal(a.id, b.id, ROW_ID_LEN);
}

/* Secrets of 0 to SECRET_MAX bytes show at most ten lengths. */
static void
keys_lengths_are_buckets(void **state)
{
	static uint8_t plain[SECRET_MAX + 1], out[SEALED_MAX];
	size_t seen[16], nseen = 0, len, before = 0;
	uint8_t *secret;

	(void)state;
	memset(plain, 's', sizeof(plain));
	for (size_t n = 0; n <= SECRET_MAX; n = n < 300 ? n + 1 : n + n / 7) {
		assert_int_equal(
		    keys_seal_secret(keys, &customer, &credential_at, bound,
		        slice_of(plain, n), out, &len),
		    0);
		assert_true(len <= SEALED_MAX && len > n);
		if (len != before)
			seen[nseen++] = before = len;
		assert_true(nseen <= 10);
		assert_int_equal(
		    keys_open_secret(keys, &customer, &credential_at, bound,
		        slice_of(out, len), &secret, &len),
		    0);
		assert_int_equal(len, n);
		assert_memory_equal(secret, plain, n);
		secret_free(secret);
	}
	(void)seen;
	len = 77;
	assert_int_equal(keys_seal_secret(keys, &customer, &credential_at,
	                     bound, slice_of(plain, SECRET_MAX + 1), out, &len),
	    VERR_TOOBIG);
	assert_int_equal(keys_seal_row(keys, &profile_at,
	                     slice_of(plain, SECRET_MAX + 1), out, &len),
	    VERR_TOOBIG);
	assert_int_equal(len, 77);
	assert_int_equal(keys_seal_row(keys, &profile_at,
	                     slice_of(plain, SECRET_MAX), out, &len),
	    0);
}

static void
keys_seal_is_never_the_same_twice(void **state)
{
	uint8_t a[SEALED_MAX], b[SEALED_MAX];
	size_t n = 0, m = 0, same = 0;

	(void)state;
	assert_int_equal(keys_seal_secret(keys, &customer, &credential_at,
	                     bound, slice_str("hunter2"), a, &n),
	    0);
	assert_int_equal(keys_seal_secret(keys, &customer, &credential_at,
	                     bound, slice_str("hunter2"), b, &m),
	    0);
	assert_int_equal(n, m);
	for (size_t i = 5; i < n; i++)
		same += a[i] == b[i];
	assert_true(same < n / 16);
	assert_null(memmem(a, n, "hunter2", 7));
}

/*
 * A sealed row or secret, opened in a given place.
 */
static int
open_row(const struct row_place *at, const uint8_t *p, size_t n)
{
	uint8_t *copy = malloc(n + (n == 0)), *plain = slot;
	size_t len = 77;
	int r;

	assert_non_null(copy);
	memcpy(copy, p, n);
	r = keys_open_row(keys, at, slice_of(copy, n), &plain, &len);
	free(copy);
	if (r == 0) {
		free(plain);
	} else {
		assert_ptr_equal(plain, slot);
		assert_int_equal(len, 77);
	}
	return r;
}

static int
open_secret(const struct customer_row *cu, const struct row_place *at,
    const uint8_t *to, const uint8_t *p, size_t n)
{
	uint8_t *copy = malloc(n + (n == 0)), *plain = slot;
	size_t len = 77;
	int r;

	assert_non_null(copy);
	memcpy(copy, p, n);
	r = keys_open_secret(keys, cu, at, to, slice_of(copy, n), &plain, &len);
	free(copy);
	if (r == 0) {
		secret_free(plain);
	} else {
		assert_ptr_equal(plain, slot);
		assert_int_equal(len, 77);
	}
	return r;
}

static void
keys_row_damaged_or_moved(void **state)
{
	uint8_t sealed[SEALED_MAX];
	struct row_place at;
	uint8_t vault[VAULT_ID_LEN];
	size_t n = 0;

	(void)state;
	assert_int_equal(
	    keys_seal_row(keys, &profile_at, slice_str("plain"), sealed, &n),
	    0);
	assert_int_equal(open_row(&profile_at, sealed, n), 0);
	for (size_t bit = 0; bit < n * 8; bit++) {
		sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_true(open_row(&profile_at, sealed, n) != 0);
		sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t len = 0; len < n; len++)
		assert_true(open_row(&profile_at, sealed, len) != 0);
	assert_true(open_row(&profile_at, sealed, n + 1) != 0);

	at = profile_at;
	at.generation++;
	assert_int_equal(open_row(&at, sealed, n), VERR_AUTH);
	at = profile_at;
	at.kind = ROW_CREDENTIAL;
	assert_int_equal(open_row(&at, sealed, n), VERR_AUTH);
	for (size_t bit = 0; bit < ROW_ID_LEN * 8; bit++) {
		at = profile_at;
		at.id[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(open_row(&at, sealed, n), VERR_AUTH);
	}
	memcpy(vault, keys_vault_id(keys), VAULT_ID_LEN);
	vault[0] ^= 1;
	keys_set_vault_id(keys, vault);
	assert_int_equal(open_row(&profile_at, sealed, n), VERR_AUTH);
	vault[0] ^= 1;
	keys_set_vault_id(keys, vault);
	assert_int_equal(open_row(&profile_at, sealed, n), 0);
}

static void
keys_secret_damaged_or_moved(void **state)
{
	uint8_t sealed[SEALED_MAX], other_link[LINK_LEN], vault[VAULT_ID_LEN];
	struct row_place at;
	size_t n = 0;

	(void)state;
	assert_int_equal(keys_seal_secret(keys, &customer, &credential_at,
	                     bound, slice_str("hunter2"), sealed, &n),
	    0);
	assert_int_equal(
	    open_secret(&customer, &credential_at, bound, sealed, n), 0);
	for (size_t bit = 0; bit < n * 8; bit++) {
		sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_true(open_secret(&customer, &credential_at, bound,
		                sealed, n) != 0);
		sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t len = 0; len < n; len++)
		assert_true(open_secret(&customer, &credential_at, bound,
		                sealed, len) != 0);
	for (size_t bit = 0; bit < LINK_LEN * 8; bit++) {
		memcpy(other_link, bound, LINK_LEN);
		other_link[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(open_secret(&customer, &credential_at,
		                     other_link, sealed, n),
		    VERR_AUTH);
	}
	at = credential_at;
	at.generation--;
	assert_int_equal(
	    open_secret(&customer, &at, bound, sealed, n), VERR_AUTH);
	at = place(ROW_CREDENTIAL, "acme/shoq", 3);
	assert_int_equal(
	    open_secret(&customer, &at, bound, sealed, n), VERR_AUTH);
	at = credential_at;
	at.kind = ROW_PROFILE;
	assert_int_equal(
	    open_secret(&customer, &at, bound, sealed, n), VERR_AUTH);
	memcpy(vault, keys_vault_id(keys), VAULT_ID_LEN);
	vault[15] ^= 0x80;
	keys_set_vault_id(keys, vault);
	assert_int_equal(
	    open_secret(&customer, &credential_at, bound, sealed, n),
	    VERR_AUTH);
	vault[15] ^= 0x80;
	keys_set_vault_id(keys, vault);
	/* A row without a secret is no secret, and the other way round. */
	assert_true(open_row(&credential_at, sealed, n) != 0);
}

static void
keys_customers_row_damaged_or_anothers(void **state)
{
	static uint8_t other_body[SEALED_MAX];
	struct customer_row other = make_customer("globex", 1, other_body), bad;
	uint8_t sealed[SEALED_MAX], body[256];
	size_t n = 0, len = customer.sealed.n, none = 77;

	(void)state;
	assert_int_equal(keys_seal_secret(keys, &customer, &credential_at,
	                     bound, slice_str("hunter2"), sealed, &n),
	    0);
	assert_int_equal(
	    open_secret(&other, &credential_at, bound, sealed, n), VERR_AUTH);
	/* Another customer's key in this one's place, and its own elsewhere */
	bad = other;
	bad.at = customer.at;
	assert_int_equal(
	    open_secret(&bad, &credential_at, bound, sealed, n), VERR_AUTH);
	bad = customer;
	bad.at.generation++;
	assert_int_equal(
	    open_secret(&bad, &credential_at, bound, sealed, n), VERR_AUTH);
	bad = make_customer("acme", 2, other_body);
	assert_int_equal(
	    open_secret(&bad, &credential_at, bound, sealed, n), VERR_AUTH);

	bad = customer;
	memcpy(body, customer.sealed.p, len);
	for (size_t bit = 0; bit < len * 8; bit++) {
		body[bit / 8] ^= (uint8_t)(1 << bit % 8);
		bad.sealed = slice_of(body, len);
		assert_true(
		    open_secret(&bad, &credential_at, bound, sealed, n) != 0);
		assert_true(keys_seal_secret(keys, &bad, &credential_at, bound,
		                slice_str("x"), sealed + n, &none) != 0);
		body[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t m = 0; m < len; m++) {
		bad.sealed = slice_of(body, m);
		assert_int_equal(
		    open_secret(&bad, &credential_at, bound, sealed, n),
		    VERR_FORMAT);
	}
	assert_int_equal(none, 77);
}

/* Nothing is left in the arena by what failed: it can be had as a whole. */
static void
keys_arena_is_given_back(void **state)
{
	uint8_t sealed[SEALED_MAX], *all[64], *secret = NULL;
	size_t n = 0, len = 0, most = 0;

	(void)state;
	assert_int_equal(keys_seal_secret(keys, &customer, &credential_at,
	                     bound, slice_str("hunter2"), sealed, &n),
	    0);
	sealed[n - 1] ^= 1;
	for (int i = 0; i < 20000; i++)
		assert_int_equal(
		    keys_open_secret(keys, &customer, &credential_at, bound,
		        slice_of(sealed, n), &secret, &len),
		    VERR_AUTH);
	sealed[n - 1] ^= 1;
	/* And where there is none left, that is what is said. */
	for (size_t size = 1 << 20; size >= 32; size /= 2)
		while (most < 64 && (all[most] = secret_alloc(size)) != NULL)
			most++;
	assert_int_equal(keys_open_secret(keys, &customer, &credential_at,
	                     bound, slice_of(sealed, n), &secret, &len),
	    VERR_NOMEM);
	assert_int_equal(keys_seal_secret(keys, &customer, &credential_at,
	                     bound, slice_str("x"), sealed, &len),
	    VERR_NOMEM);
	assert_int_equal(keys_open(key_file, slice_of(slot, sizeof(slot)),
	                     &(struct keys *){NULL}),
	    VERR_NOMEM);
	assert_null(secret);
	while (most > 0)
		secret_free(all[--most]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(keys_slot_opens_with_its_file_alone),
	    cmocka_unit_test(keys_slot_damaged),
	    cmocka_unit_test(keys_vaults_differ),
	    cmocka_unit_test(keys_row_ids),
	    cmocka_unit_test(keys_lengths_are_buckets),
	    cmocka_unit_test(keys_seal_is_never_the_same_twice),
	    cmocka_unit_test(keys_row_damaged_or_moved),
	    cmocka_unit_test(keys_secret_damaged_or_moved),
	    cmocka_unit_test(keys_customers_row_damaged_or_anothers),
	    cmocka_unit_test(keys_arena_is_given_back),
	};

	return cmocka_run_group_tests_name("keys", tests, setup, NULL);
}
