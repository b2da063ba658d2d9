#include "tests/unit/keeper/world.h"
#include "vaultd/keeper/super.h"

static struct keys *keys;
static struct super sample;
static uint8_t sealed[SEALED_MAX];
static size_t len;

static int
setup(void **state)
{
	if (world_memory(state) != 0 || keys_make(&keys) != 0)
		return -1;
	memset(&sample, 0, sizeof(sample));
	memcpy(sample.vault_id, keys_vault_id(keys), VAULT_ID_LEN);
	sample.generation = UINT64_C(0x0102030405060708);
	memset(sample.root, 0xaa, sizeof(sample.root));
	sample.audit_size = UINT64_C(0x1112131415161718);
	memset(sample.audit_root, 0xbb, sizeof(sample.audit_root));
	return super_seal(keys, &sample, sealed, &len);
}

static void
keys_super_round_trip(void **state)
{
	struct super s;

	(void)state;
	memset(&s, 0, sizeof(s));
	assert_int_equal(
	    super_open(keys, sample.generation, slice_of(sealed, len), &s), 0);
	assert_memory_equal(&s, &sample, sizeof(s));
	/* How long the log is has to be known before there are keys. */
	assert_true(
	    super_audit_size(slice_of(sealed, len)) == sample.audit_size);
	for (size_t n = 0; n < 8; n++)
		assert_true(super_audit_size(slice_of(sealed, n)) == 0);
}

/* Another vault's, with the same root key: by its place, and by its text. */
static void
keys_super_of_another_vault(void **state)
{
	struct keys *other = world_other_vault(keys, 0);
	struct super s = sample;
	size_t n = 0;

	(void)state;
	assert_int_equal(
	    super_open(other, sample.generation, slice_of(sealed, len), &s),
	    VERR_AUTH);
	assert_int_equal(super_seal(other, &sample, sealed, &n), 0);
	assert_int_equal(
	    super_open(other, sample.generation, slice_of(sealed, n), &s),
	    VERR_FORMAT);
	assert_int_equal(super_seal(keys, &sample, sealed, &len), 0);
	keys_free(other);
}

/* The root is being replaced: the new one reads it, the old one does not. */
static void
keys_super_under_the_next_root(void **state)
{
	struct super s = {.generation = 0};
	uint8_t next_sealed[SEALED_MAX];
	struct keys *next;
	size_t n = 0;

	(void)state;
	assert_int_equal(keys_next(keys, &next), 0);
	assert_int_equal(
	    super_open(next, sample.generation, slice_of(sealed, len), &s), 0);
	assert_int_equal(super_seal(next, &sample, next_sealed, &n), 0);
	assert_int_equal(
	    super_open(next, sample.generation, slice_of(next_sealed, n), &s),
	    0);
	assert_true(super_open(keys, sample.generation,
	                slice_of(next_sealed, n), &s) != 0);
	keys_drop_old(next);
	assert_true(super_open(next, sample.generation, slice_of(sealed, len),
	                &s) != 0);
	keys_free(next);
}

static void
keys_super_damaged(void **state)
{
	uint8_t copy[SEALED_MAX];
	struct super s, before;

	(void)state;
	memset(&s, 0x5a, sizeof(s));
	before = s;
	for (size_t bit = 0; bit < len * 8; bit++) {
		memcpy(copy, sealed, len);
		copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_true(super_open(keys, sample.generation,
		                slice_of(copy, len), &s) != 0);
	}
	for (size_t n = 0; n < len; n++)
		assert_true(super_open(keys, sample.generation,
		                slice_of(sealed, n), &s) != 0);
	assert_int_equal(
	    super_open(keys, sample.generation + 1, slice_of(sealed, len), &s),
	    VERR_AUTH);
	assert_int_equal(
	    super_open(keys, sample.generation - 1, slice_of(sealed, len), &s),
	    VERR_AUTH);
	assert_memory_equal(&s, &before, sizeof(s));
}

/*
 * What a keeper would seal there: the size in clear, and "plain".
 */
static size_t
seal_as_super(uint64_t generation, struct slice plain)
{
	struct row_place at = {.kind = ROW_SUPER, .generation = generation};
	size_t n = 0;

	super_id(keys, at.id);
	put_le(sealed, sample.audit_size, 8);
	assert_int_equal(keys_seal_row(keys, &at, plain, sealed + 8, &n), 0);
	return 8 + n;
}

/* Sealed as a super row should be, but with something else in it. */
static void
keys_super_of_another_shape(void **state)
{
	struct row_place at = {
	    .kind = ROW_SUPER, .generation = sample.generation};
	uint8_t plain[200] = {0}, *opened = NULL;
	size_t n = 0, plain_len = 0;
	struct super s = {.generation = 77};

	(void)state;
	for (size_t m = 0; m < sizeof(plain); m++) {
		n = seal_as_super(5, slice_of(plain, m));
		assert_int_equal(
		    super_open(keys, 5, slice_of(sealed, n), &s), VERR_FORMAT);
	}
	/* A generation inside that is not the row's */
	super_id(keys, at.id);
	assert_int_equal(super_seal(keys, &sample, sealed, &n), 0);
	assert_int_equal(keys_open_row(keys, &at, slice_of(sealed + 8, n - 8),
	                     &opened, &plain_len),
	    0);
	n = seal_as_super(5, slice_of(opened, plain_len));
	assert_int_equal(
	    super_open(keys, 5, slice_of(sealed, n), &s), VERR_FORMAT);
	/* It was that, and not how it is sealed here. */
	n = seal_as_super(sample.generation, slice_of(opened, plain_len));
	assert_int_equal(
	    super_open(keys, sample.generation, slice_of(sealed, n), &s), 0);
	free(opened);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(keys_super_round_trip),
	    cmocka_unit_test(keys_super_of_another_vault),
	    cmocka_unit_test(keys_super_under_the_next_root),
	    cmocka_unit_test(keys_super_damaged),
	    cmocka_unit_test(keys_super_of_another_shape),
	};

	return cmocka_run_group_tests_name("super", tests, setup, NULL);
}
