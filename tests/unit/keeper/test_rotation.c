#include "tests/unit/keeper/sealed.h"

static struct keys *
next_root(void)
{
	struct keys *next = NULL;

	assert_int_equal(keys_next(keys, &next), 0);
	return next;
}

/*
 * The customer's row "from" changed, one generation later.
 */
static struct customer_row
change(const struct keys *k, const struct customer_row *from,
    enum customer_change how, uint8_t *body)
{
	struct customer_row row = {.at = from->at};
	size_t len = 0;

	row.at.generation++;
	assert_int_equal(
	    keys_change_customer(k, from, how, &row.at, body, &len), 0);
	assert_true(len <= KEYS_CUSTOMER_MAX);
	row.sealed = slice_of(body, len);
	return row;
}

static struct slice
seal_secret(const struct customer_row *cu, const struct row_place *at,
    const char *text, uint8_t *out)
{
	size_t n = 0;

	assert_int_equal(
	    keys_seal_secret(keys, cu, at, bound, slice_str(text), out, &n), 0);
	return slice_of(out, n);
}

static void
keys_root_is_replaced(void **state)
{
	static uint8_t out[3][SEALED_MAX];
	struct keys *next = next_root();
	uint8_t a[ROW_ID_LEN], b[ROW_ID_LEN];
	struct slice old, new;
	size_t n = 0;

	(void)state;
	assert_int_equal(keys_epoch(keys), 1);
	assert_int_equal(keys_epoch(next), 2);
	assert_memory_equal(
	    keys_vault_id(next), keys_vault_id(keys), VAULT_ID_LEN);
	for (int kind = ROW_SLOT; kind <= ROW_SWEEP; kind++) {
		keys_row_id(keys, (enum row_kind)kind, slice_str("x"), a);
		keys_row_id(next, (enum row_kind)kind, slice_str("x"), b);
		assert_memory_equal(a, b, ROW_ID_LEN);
	}
	assert_int_equal(
	    keys_seal_row(keys, &profile_at, slice_str("old"), out[0], &n), 0);
	old = slice_of(out[0], n);
	assert_int_equal(
	    keys_seal_row(next, &profile_at, slice_str("new"), out[1], &n), 0);
	new = slice_of(out[1], n);
	/* Both can be read by the new one, only the old one by the old. */
	assert_int_equal(open_row_with(next, &profile_at, old), 0);
	assert_int_equal(open_row_with(next, &profile_at, new), 0);
	assert_int_equal(open_row_with(keys, &profile_at, old), 0);
	assert_int_equal(open_row_with(keys, &profile_at, new), VERR_FORMAT);
	assert_true(keys_is_old(next, old));
	assert_false(keys_is_old(next, new));
	assert_false(keys_is_old(keys, old));
	/* Nor does it help to say that it was the other epoch. */
	memcpy(out[2], new.p, new.n);
	put_le(out[2] + 1, 1, 4);
	assert_int_equal(
	    open_row_with(keys, &profile_at, slice_of(out[2], new.n)),
	    VERR_AUTH);
	assert_int_equal(
	    open_row_with(next, &profile_at, slice_of(out[2], new.n)),
	    VERR_AUTH);

	keys_drop_old(next);
	assert_int_equal(open_row_with(next, &profile_at, old), VERR_FORMAT);
	assert_int_equal(open_row_with(next, &profile_at, new), 0);
	/* There is no epoch 0 by which what was dropped could be read. */
	memcpy(out[2], old.p, old.n);
	put_le(out[2] + 1, 0, 4);
	assert_int_equal(
	    open_row_with(next, &profile_at, slice_of(out[2], old.n)),
	    VERR_FORMAT);
	keys_free(next);
}

/* A customer's key under the old root: moved to the new one, or lost. */
static void
keys_root_takes_customers_along(void **state)
{
	static uint8_t sealed[SEALED_MAX], body[KEYS_CUSTOMER_MAX];
	struct keys *next = next_root();
	struct slice secret =
	    seal_secret(&customer, &credential_at, "hunter2", sealed);
	struct customer_row moved;

	(void)state;
	assert_true(keys_is_old(next, customer.sealed));
	assert_int_equal(
	    open_secret_with(next, &customer, &credential_at, secret), 0);
	moved = change(next, &customer, CUSTOMER_REWRAP, body);
	assert_false(keys_is_old(next, moved.sealed));
	/* The secrets stay as they are. */
	assert_false(keys_is_old_secret(&moved, secret));
	assert_int_equal(
	    open_secret_with(next, &moved, &credential_at, secret), 0);
	assert_int_equal(open_secret_with(keys, &moved, &credential_at, secret),
	    VERR_FORMAT);
	keys_drop_old(next);
	assert_int_equal(
	    open_secret_with(next, &moved, &credential_at, secret), 0);
	assert_int_equal(
	    open_secret_with(next, &customer, &credential_at, secret),
	    VERR_FORMAT);
	keys_free(next);
}

/* A restart while the root is being replaced: the old one is in its row. */
static void
keys_root_comes_back_from_its_row(void **state)
{
	static uint8_t row[SEALED_MAX];
	struct row_place at = place(ROW_OLD_ROOT, "root", 1);
	uint8_t body[SLOT_BODY_LEN], key[SLOT_KEY_LEN], sealed[512];
	uint8_t root[SLOT_ROOT_LEN];
	struct keys *next = next_root(), *again = NULL;
	size_t n = 0, len = 0;

	(void)state;
	make_slot(next, key_file, key, body);
	assert_int_equal(
	    keys_seal_row(keys, &profile_at, slice_str("old"), row, &n), 0);
	keys_seal_old(next, &at, sealed, &len);
	assert_true(len <= sizeof(sealed));
	assert_int_equal(keys_open(body, key, &again), 0);
	assert_int_equal(keys_epoch(again), 2);
	assert_int_equal(
	    open_row_with(again, &profile_at, slice_of(row, n)), VERR_FORMAT);
	assert_int_equal(keys_open_old(again, &at, slice_of(sealed, len)), 0);
	assert_int_equal(
	    open_row_with(again, &profile_at, slice_of(row, n)), 0);
	assert_int_equal(keys_epoch(again), 2);
	/* What is dropped is not there any more. */
	assert_int_equal(slot_open(slot, slot_opens, root), 0);
	assert_non_null(memmem(again, KEYS_BYTES, root, KEY_LEN));
	keys_drop_old(again);
	assert_null(memmem(again, KEYS_BYTES, root, KEY_LEN));
	assert_int_equal(
	    open_row_with(again, &profile_at, slice_of(row, n)), VERR_FORMAT);
	keys_free(again);
	keys_free(next);
}

static void
keys_root_row_damaged_or_moved(void **state)
{
	static uint8_t row[SEALED_MAX];
	const struct row_place at = place(ROW_OLD_ROOT, "root", 1);
	uint8_t body[SLOT_BODY_LEN], key[SLOT_KEY_LEN], sealed[512] = {0};
	struct keys *next = next_root(), *again = NULL, *other;
	struct row_place bad;
	size_t n = 0, len = 0;

	(void)state;
	make_slot(next, key_file, key, body);
	assert_int_equal(
	    keys_seal_row(keys, &profile_at, slice_str("old"), row, &n), 0);
	keys_seal_old(next, &at, sealed, &len);
	assert_int_equal(keys_open(body, key, &again), 0);
	for (size_t bit = 0; bit < len * 8; bit++) {
		sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_true(
		    keys_open_old(again, &at, slice_of(sealed, len)) != 0);
		sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
		/* And what was tried is not used. */
		assert_int_equal(
		    open_row_with(again, &profile_at, slice_of(row, n)),
		    VERR_FORMAT);
	}
	for (size_t m = 0; m <= len + 1; m++)
		if (m != len)
			assert_int_equal(
			    keys_open_old(again, &at, slice_of(sealed, m)),
			    VERR_FORMAT);
	for (size_t bit = 0; bit < ROW_ID_LEN * 8; bit++) {
		bad = at;
		bad.id[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(
		    keys_open_old(again, &bad, slice_of(sealed, len)),
		    VERR_AUTH);
	}
	bad = at;
	bad.generation++;
	assert_int_equal(
	    keys_open_old(again, &bad, slice_of(sealed, len)), VERR_AUTH);
	bad = at;
	bad.kind = ROW_CUSTOMER;
	assert_int_equal(
	    keys_open_old(again, &bad, slice_of(sealed, len)), VERR_AUTH);
	/* Another vault's with the same root; another root's. */
	other = world_other_vault(next, 0);
	assert_int_equal(
	    keys_open_old(other, &at, slice_of(sealed, len)), VERR_AUTH);
	keys_free(other);
	other = next_root();
	assert_int_equal(
	    keys_open_old(other, &at, slice_of(sealed, len)), VERR_AUTH);
	keys_free(other);
	/* A customer's key is no root, though it is wrapped alike. */
	bad = at;
	assert_int_equal(keys_make_customer(next, &bad, sealed, &len), 0);
	assert_true(keys_open_old(again, &bad, slice_of(sealed, len)) != 0);
	assert_int_equal(
	    open_row_with(again, &profile_at, slice_of(row, n)), VERR_FORMAT);
	keys_free(again);
	keys_free(next);
}

/* A new key in force beside the old one; then alone. */
static void
keys_customers_key_is_replaced(void **state)
{
	static uint8_t out[3][SEALED_MAX], body[3][KEYS_CUSTOMER_MAX];
	struct customer_row two =
	    change(keys, &customer, CUSTOMER_NEW_KEY, body[0]);
	struct customer_row moved =
	    change(keys, &two, CUSTOMER_REWRAP, body[1]);
	struct customer_row one = change(keys, &two, CUSTOMER_ONE_KEY, body[2]);
	struct slice old =
	    seal_secret(&customer, &credential_at, "old", out[0]);
	struct slice new = seal_secret(&two, &credential_at, "new", out[1]);
	struct slice last = seal_secret(&one, &credential_at, "last", out[2]);
	size_t none = 77;

	(void)state;
	assert_true(two.sealed.n > customer.sealed.n);
	assert_int_equal(one.sealed.n, customer.sealed.n);
	assert_false(keys_is_old_secret(&customer, old));
	assert_true(keys_is_old_secret(&two, old));
	assert_true(keys_is_old_secret(&one, old));
	assert_false(keys_is_old_secret(&two, new));
	assert_false(keys_is_old_secret(&one, new));
	assert_false(keys_is_old_secret(&two, last));

	assert_int_equal(open_secret_with(keys, &two, &credential_at, old), 0);
	assert_int_equal(open_secret_with(keys, &two, &credential_at, new), 0);
	assert_int_equal(open_secret_with(keys, &two, &credential_at, last), 0);
	assert_int_equal(
	    open_secret_with(keys, &moved, &credential_at, old), 0);
	assert_int_equal(
	    open_secret_with(keys, &moved, &credential_at, new), 0);
	assert_int_equal(open_secret_with(keys, &one, &credential_at, new), 0);
	assert_int_equal(
	    open_secret_with(keys, &one, &credential_at, old), VERR_AUTH);
	assert_int_equal(
	    open_secret_with(keys, &customer, &credential_at, new), VERR_AUTH);
	/* It does not help to say that it was the other key. */
	put_le(out[0] + 1, 2, 4);
	put_le(out[1] + 1, 1, 4);
	assert_int_equal(
	    open_secret_with(keys, &two, &credential_at, old), VERR_AUTH);
	assert_int_equal(
	    open_secret_with(keys, &two, &credential_at, new), VERR_AUTH);

	/* There are two at most; nothing is written of a third. */
	assert_int_equal(keys_change_customer(keys, &two, CUSTOMER_NEW_KEY,
	                     &two.at, out[0], &none),
	    VERR_EXISTS);
	assert_int_equal(none, 77);
}

/*
 * Every flip in a row with two keys shows in what it opens, and none is
 * carried over into the next row.
 */
static void
keys_customers_two_keys_damaged(void **state)
{
	static uint8_t out[2][SEALED_MAX], body[KEYS_CUSTOMER_MAX];
	struct customer_row two =
	    change(keys, &customer, CUSTOMER_NEW_KEY, body);
	struct slice old =
	    seal_secret(&customer, &credential_at, "old", out[0]);
	struct slice new = seal_secret(&two, &credential_at, "new", out[1]);
	struct row_place at = two.at;
	uint8_t none[KEYS_CUSTOMER_MAX];
	size_t len = 77, n = two.sealed.n;

	(void)state;
	for (size_t bit = 0; bit < n * 8; bit++) {
		body[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_true(
		    open_secret_with(keys, &two, &credential_at, old) != 0 ||
		    open_secret_with(keys, &two, &credential_at, new) != 0);
		assert_true(keys_change_customer(keys, &two, CUSTOMER_REWRAP,
		                &at, none, &len) != 0);
		body[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t m = 0; m < n; m++) {
		two.sealed.n = m;
		assert_int_equal(keys_change_customer(keys, &two,
		                     CUSTOMER_ONE_KEY, &at, none, &len),
		    VERR_FORMAT);
	}
	two.sealed.n = n;
	two.at.generation++;
	assert_int_equal(
	    keys_change_customer(keys, &two, CUSTOMER_REWRAP, &at, none, &len),
	    VERR_AUTH);
	assert_int_equal(len, 77);
}

static void
keys_secret_is_rewrapped(void **state)
{
	static uint8_t out[4][SEALED_MAX], body[2][KEYS_CUSTOMER_MAX];
	struct customer_row two =
	    change(keys, &customer, CUSTOMER_NEW_KEY, body[0]);
	struct customer_row one = change(keys, &two, CUSTOMER_ONE_KEY, body[1]);
	struct slice old =
	    seal_secret(&customer, &credential_at, "hunter2", out[0]);
	struct row_place at = credential_at, elsewhere, later;
	uint8_t *plain = NULL, link[LINK_LEN];
	struct slice new;
	size_t n = 0, same = 0;

	(void)state;
	at.generation++;
	assert_int_equal(keys_rewrap_secret(
	                     keys, &two, &credential_at, old, &at, out[1], &n),
	    0);
	new = slice_of(out[1], n);
	assert_int_equal(new.n, old.n);
	/* The same link and text, at the new generation only. */
	assert_int_equal(
	    keys_open_secret(keys, &one, &at, bound, new, &plain, &n), 0);
	assert_true(slice_is(slice_of(plain, n), "hunter2"));
	secret_free(plain);
	assert_int_equal(open_secret_with(keys, &two, &at, new), 0);
	assert_int_equal(
	    open_secret_with(keys, &two, &credential_at, new), VERR_AUTH);
	assert_int_equal(
	    open_secret_with(keys, &customer, &at, new), VERR_AUTH);
	for (size_t bit = 0; bit < LINK_LEN * 8; bit++) {
		memcpy(link, bound, LINK_LEN);
		link[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(
		    open_secret(&one, &at, link, new.p, new.n), VERR_AUTH);
	}
	/* The old copy: where it was, while its key is there; nowhere else. */
	assert_int_equal(open_secret_with(keys, &two, &credential_at, old), 0);
	assert_int_equal(open_secret_with(keys, &two, &at, old), VERR_AUTH);
	assert_int_equal(
	    open_secret_with(keys, &one, &credential_at, old), VERR_AUTH);
	assert_int_equal(open_secret_with(keys, &one, &at, old), VERR_AUTH);
	/* The secret itself was not touched; the key's wrap is another. */
	assert_memory_equal(
	    old.p + SECRET_HEAD, new.p + SECRET_HEAD, old.n - SECRET_HEAD);
	for (size_t i = 13; i < SECRET_HEAD; i++)
		same += old.p[i] == new.p[i];
	assert_true(same < SECRET_HEAD / 8);
	assert_false(keys_is_old_secret(&two, new));
	for (size_t bit = 0; bit < new.n * 8; bit++) {
		out[1][bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_true(open_secret(&one, &at, bound, new.p, new.n) != 0);
		out[1][bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	/* Once more is as good. */
	later = at;
	later.generation += 7;
	assert_int_equal(
	    keys_rewrap_secret(keys, &one, &at, new, &later, out[2], &n), 0);
	assert_int_equal(
	    open_secret_with(keys, &one, &later, slice_of(out[2], n)), 0);
	/* In the place of another profile it is nothing. */
	elsewhere = place(ROW_CREDENTIAL, "acme/other", 4);
	assert_int_equal(
	    keys_rewrap_secret(keys, &one, &at, new, &elsewhere, out[3], &n),
	    0);
	assert_int_equal(
	    open_secret_with(keys, &one, &elsewhere, slice_of(out[3], n)),
	    VERR_AUTH);
}

/* What does not open is not rewrapped. */
static void
keys_secret_is_not_rewrapped(void **state)
{
	static uint8_t out[2][SEALED_MAX], body[2][KEYS_CUSTOMER_MAX];
	struct customer_row two =
	    change(keys, &customer, CUSTOMER_NEW_KEY, body[0]);
	struct customer_row one = change(keys, &two, CUSTOMER_ONE_KEY, body[1]);
	struct slice old =
	    seal_secret(&customer, &credential_at, "hunter2", out[0]);
	struct row_place at = credential_at, from = credential_at;
	size_t n = 77;

	(void)state;
	at.generation++;
	assert_int_equal(
	    keys_rewrap_secret(keys, &one, &from, old, &at, out[1], &n),
	    VERR_AUTH); /* its key is gone */
	from.generation++;
	assert_int_equal(
	    keys_rewrap_secret(keys, &two, &from, old, &at, out[1], &n),
	    VERR_AUTH);
	from = place(ROW_CREDENTIAL, "acme/other", 3);
	assert_int_equal(
	    keys_rewrap_secret(keys, &two, &from, old, &at, out[1], &n),
	    VERR_AUTH);
	for (size_t m = 0; m < SECRET_HEAD + 40; m++)
		assert_int_equal(keys_rewrap_secret(keys, &two, &credential_at,
		                     slice_of(old.p, m), &at, out[1], &n),
		    VERR_FORMAT);
	for (size_t bit = 13 * 8; bit < SECRET_HEAD * 8; bit++) {
		out[0][bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(keys_rewrap_secret(keys, &two, &credential_at,
		                     old, &at, out[1], &n),
		    VERR_AUTH);
		out[0][bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_int_equal(n, 77);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(keys_root_is_replaced),
	    cmocka_unit_test(keys_root_takes_customers_along),
	    cmocka_unit_test(keys_root_comes_back_from_its_row),
	    cmocka_unit_test(keys_root_row_damaged_or_moved),
	    cmocka_unit_test(keys_customers_key_is_replaced),
	    cmocka_unit_test(keys_customers_two_keys_damaged),
	    cmocka_unit_test(keys_secret_is_rewrapped),
	    cmocka_unit_test(keys_secret_is_not_rewrapped),
	};

	return cmocka_run_group_tests_name("rotation", tests, setup, NULL);
}
