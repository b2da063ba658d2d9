#include "tests/unit/keeper/sealed.h"

static void
keys_slot_opens_with_its_file_alone(void **state)
{
	uint8_t other[KEY_LEN], key[SLOT_KEY_LEN], sealed[SEALED_MAX], *plain;
	struct row_place at = profile_at;
	struct keys *again = NULL;
	size_t len;

	(void)state;
	assert_int_equal(keys_open(slot, slot_opens, &again), 0);
	/* The same hierarchy: rows of one open under the other. */
	assert_memory_equal(
	    keys_vault_id(again), keys_vault_id(keys), VAULT_ID_LEN);
	assert_int_equal(keys_epoch(again), keys_epoch(keys));
	assert_int_equal(
	    keys_seal_row(keys, &at, slice_str("row"), sealed, &len), 0);
	assert_int_equal(
	    keys_open_row(again, &at, slice_of(sealed, len), &plain, &len), 0);
	assert_true(slice_is(slice_of(plain, len), "row"));
	free(plain);
	keys_free(again);

	for (size_t bit = 0; bit < KEY_LEN * 8; bit++) {
		struct keys *untouched = keys;

		memcpy(other, key_file, KEY_LEN);
		other[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(
		    slot_key(SLOT_KEYFILE, slice_of(other, KEY_LEN), key), 0);
		assert_int_equal(keys_open(slot, key, &untouched), VERR_AUTH);
		assert_ptr_equal(untouched, keys);
	}
}

static void
keys_slot_damaged(void **state)
{
	uint8_t bad[SLOT_BODY_LEN];
	struct keys *untouched = keys;

	(void)state;
	for (size_t bit = 0; bit < SLOT_BODY_LEN * 8; bit++) {
		int r;

		memcpy(bad, slot, SLOT_BODY_LEN);
		bad[bit / 8] ^= (uint8_t)(1 << bit % 8);
		r = keys_open(bad, slot_opens, &untouched);
		assert_true(r == VERR_AUTH || r == VERR_FORMAT);
	}
	assert_ptr_equal(untouched, keys);
}

/* No two vaults, and no two makings, have a key in common. */
static void
keys_vaults_differ(void **state)
{
	uint8_t other_slot[SLOT_BODY_LEN], key[SLOT_KEY_LEN];
	uint8_t root[2][SLOT_ROOT_LEN], id[ROW_ID_LEN];
	struct keys *other;

	(void)state;
	assert_int_equal(keys_make(&other), 0);
	make_slot(other, key_file, key, other_slot);
	assert_memory_not_equal(
	    keys_vault_id(keys), keys_vault_id(other), VAULT_ID_LEN);
	assert_int_equal(slot_open(slot, slot_opens, root[0]), 0);
	assert_int_equal(slot_open(other_slot, key, root[1]), 0);
	assert_memory_not_equal(root[0], root[1], KEY_LEN);
	assert_memory_not_equal(root[0] + KEY_LEN, root[1] + KEY_LEN, KEY_LEN);
	assert_memory_not_equal(root[0], root[0] + KEY_LEN, KEY_LEN);
	keys_row_id(other, ROW_PROFILE, slice_str("acme/shop"), id);
	assert_memory_not_equal(id, profile_at.id, ROW_ID_LEN);
	keys_free(other);
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
	/* The slots' are found before there is a key. */
	for (uint32_t i = 0; i < SLOTS_MAX; i++) {
		keys_slot_id(i, a.id);
		keys_slot_id(i, b.id);
		assert_memory_equal(a.id, b.id, ROW_ID_LEN);
		for (uint32_t j = 0; j < i; j++) {
			keys_slot_id(j, b.id);
			assert_memory_not_equal(a.id, b.id, ROW_ID_LEN);
		}
	}
}

/*
 * SECURITY.md: 256, 512, 1k, 2k ... 64k, the rest is always the same.
 */
static void
is_bucket(size_t n, size_t sealed, size_t overhead)
{
	size_t bucket = 256;

	while (bucket <= n) /* one byte says where the padding begins */
		bucket *= 2;
	assert_int_equal(sealed, overhead + bucket);
}

static size_t
edge_after(size_t n)
{
	size_t edge = 1;

	while (edge <= n)
		edge *= 2;
	return edge;
}

static void
keys_lengths_are_buckets(void **state)
{
	static uint8_t plain[SECRET_MAX + 1], out[SEALED_MAX];
	size_t len;
	uint8_t *secret;

	(void)state;
	memset(plain, 's', sizeof(plain));
	/* All short ones, then each edge of a bucket. */
	for (size_t n = 0; n <= SECRET_MAX;
	     n += n < 300 || (n & (n + 1)) == 0 || (n & (n - 1)) == 0
	         ? 1
	         : edge_after(n) - 1 - n) {
		assert_int_equal(
		    keys_seal_secret(keys, &customer, &credential_at, bound,
		        slice_of(plain, n), out, &len),
		    0);
		assert_true(len <= SEALED_MAX && len > n);
		is_bucket(n, len, SECRET_HEAD + 40);
		assert_int_equal(
		    keys_open_secret(keys, &customer, &credential_at, bound,
		        slice_of(out, len), &secret, &len),
		    0);
		assert_int_equal(len, n);
		assert_memory_equal(secret, plain, n);
		secret_free(secret);
		assert_int_equal(keys_seal_row(keys, &profile_at,
		                     slice_of(plain, n), out, &len),
		    0);
		is_bucket(n, len, 5 + 40);
		assert_int_equal(keys_open_row(keys, &profile_at,
		                     slice_of(out, len), &secret, &len),
		    0);
		assert_int_equal(len, n);
		free(secret);
	}
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

static void
keys_row_damaged_or_moved(void **state)
{
	uint8_t sealed[SEALED_MAX];
	struct keys *ours = keys;
	struct row_place at;
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
	keys = world_other_vault(ours, 0);
	assert_int_equal(open_row(&profile_at, sealed, n), VERR_AUTH);
	keys_free(keys);
	/* Nor what the same root sealed as of another epoch. */
	keys = world_other_vault(ours, 2);
	assert_int_equal(open_row(&profile_at, sealed, n), VERR_FORMAT);
	put_le(sealed + 1, 2, 4);
	assert_int_equal(open_row(&profile_at, sealed, n), VERR_AUTH);
	put_le(sealed + 1, 1, 4);
	keys_free(keys);
	keys = ours;
	assert_int_equal(open_row(&profile_at, sealed, n), 0);
}

static uint8_t theirs_body[KEYS_CUSTOMER_MAX];

static void
keys_secret_damaged_or_moved(void **state)
{
	uint8_t sealed[SEALED_MAX], other_link[LINK_LEN];
	struct customer_row theirs;
	struct keys *ours = keys;
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
	/* Another vault's: by the customer's row, and by itself. */
	keys = world_other_vault(ours, 0);
	assert_int_equal(
	    open_secret(&customer, &credential_at, bound, sealed, n),
	    VERR_AUTH);
	theirs = make_customer("acme", 1, theirs_body);
	assert_int_equal(
	    open_secret(&theirs, &credential_at, bound, sealed, n), VERR_AUTH);
	keys_free(keys);
	keys = ours;
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
	assert_int_equal(
	    keys_open(slot, slot_opens, &(struct keys *){NULL}), VERR_NOMEM);
	assert_int_equal(keys_make(&(struct keys *){NULL}), VERR_NOMEM);
	assert_int_equal(keys_next(keys, &(struct keys *){NULL}), VERR_NOMEM);
	assert_int_equal(
	    keys_make_customer(keys, &customer_at, sealed, &len), VERR_NOMEM);
	assert_int_equal(keys_change_customer(keys, &customer, CUSTOMER_NEW_KEY,
	                     &customer_at, sealed, &len),
	    VERR_NOMEM);
	assert_int_equal(keys_rewrap_secret(keys, &customer, &credential_at,
	                     slice_of(sealed, n), &credential_at, sealed, &len),
	    VERR_NOMEM);
	assert_null(secret);
	while (most > 0)
		secret_free(all[--most]);
}

/* Each thing that is sealed, in each place but its own. */
static void
keys_rows_swapped(void **state)
{
	struct keys *vault[2] = {keys, world_other_vault(keys, 0)};
	struct {
		struct keys *k;
		struct row_place at;
		uint8_t body[512];
		size_t n;
	} rows[32];
	size_t nrows = 0;

	(void)state;
	for (int v = 0; v < 2; v++)
		for (int kind = ROW_PROFILE; kind <= ROW_SWEEP; kind += 3)
			for (int name = 0; name < 2; name++)
				for (uint64_t g = 1; g <= 2; g++) {
					rows[nrows].k = vault[v];
					rows[nrows].at =
					    place((enum row_kind)kind,
					        name ? "acme/a" : "acme/b", g);
					assert_int_equal(keys_seal_row(vault[v],
					                     &rows[nrows].at,
					                     slice_str("row"),
					                     rows[nrows].body,
					                     &rows[nrows].n),
					    0);
					nrows++;
				}
	assert_int_equal(nrows, 16);
	for (size_t i = 0; i < nrows; i++)
		for (size_t j = 0; j < nrows; j++)
			assert_int_equal(open_row_with(rows[j].k, &rows[j].at,
			                     slice_of(rows[i].body, rows[i].n)),
			    i == j ? 0 : VERR_AUTH);
	/* A customer's key at its place, as a row: of another shape. */
	assert_true(open_row_with(keys, &customer.at, customer.sealed) != 0);
	keys_free(vault[1]);
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
	    cmocka_unit_test(keys_rows_swapped),
	    cmocka_unit_test(keys_arena_is_given_back),
	};

	return cmocka_run_group_tests_name("keys", tests, setup, NULL);
}
