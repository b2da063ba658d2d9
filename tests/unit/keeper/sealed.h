/*
 * sealed - a hierarchy of keys, a customer under it, and what tells whether a
 *	    row or a secret opens in a given place.
 */
#ifndef TESTS_UNIT_KEEPER_SEALED_H
#define TESTS_UNIT_KEEPER_SEALED_H

#include "tests/unit/keeper/world.h"
#include "vaultd/keeper/keys.h"

static const uint8_t key_file[KEY_LEN] = "0123456789abcdef0123456789abcde";
/* head || u64 generation || wrap: in front of the secret itself, see keys.c. */
#define SECRET_HEAD (5 + 8 + 24 + KEY_LEN + 16)

/* Of struct keys, at least: two roots with their subkeys. */
#define KEYS_BYTES (2 * (4 + 3 * KEY_LEN))

static const uint8_t bound[LINK_LEN] = "where it may go, and how";
static uint8_t slot[SLOT_BODY_LEN], slot_opens[SLOT_KEY_LEN];
static struct keys *keys;

static struct row_place customer_at, credential_at, profile_at;
static uint8_t customer_body[SEALED_MAX];
static struct customer_row customer;

static inline struct row_place
place(enum row_kind kind, const char *name, uint64_t generation)
{
	struct row_place at = {.kind = kind, .generation = generation};

	keys_row_id(keys, kind, slice_str(name), at.id);
	return at;
}

static inline struct customer_row
make_customer(const char *name, uint64_t generation, uint8_t *body)
{
	struct customer_row row = {.at = place(ROW_CUSTOMER, name, generation)};
	size_t len = 0;

	assert_int_equal(keys_make_customer(keys, &row.at, body, &len), 0);
	row.sealed = slice_of(body, len);
	return row;
}

/*
 * "body" is a slot of "k" that the key file opens; "ret_key" opens it, too.
 */
static inline void
make_slot(
    const struct keys *k, const uint8_t *file, uint8_t *ret_key, uint8_t *body)
{
	struct slot s = {.kind = SLOT_KEYFILE};

	assert_int_equal(
	    slot_key(SLOT_KEYFILE, slice_of(file, SLOT_FILE_LEN), ret_key), 0);
	keys_seal_slot(k, &s, ret_key, body);
}

static inline int
setup(void **state)
{
	if (world_memory(state) != 0 || keys_make(&keys) != 0)
		return -1;
	make_slot(keys, key_file, slot_opens, slot);
	customer_at = place(ROW_CUSTOMER, "acme", 1);
	credential_at = place(ROW_CREDENTIAL, "acme/shop", 3);
	profile_at = place(ROW_PROFILE, "acme/shop", 2);
	customer = make_customer("acme", 1, customer_body);
	return 0;
}

/*
 * A sealed row or secret, opened in a given place.
 */
static inline int
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

static inline int
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

/* open_row() and open_secret() with other keys. */
static inline int
open_row_with(struct keys *k, const struct row_place *at, struct slice sealed)
{
	struct keys *ours = keys;
	int r;

	keys = k;
	r = open_row(at, sealed.p, sealed.n);
	keys = ours;
	return r;
}

static inline int
open_secret_with(struct keys *k, const struct customer_row *cu,
    const struct row_place *at, struct slice sealed)
{
	struct keys *ours = keys;
	int r;

	keys = k;
	r = open_secret(cu, at, bound, sealed.p, sealed.n);
	keys = ours;
	return r;
}

#endif /* TESTS_UNIT_KEEPER_SEALED_H */
