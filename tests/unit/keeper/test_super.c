#include "tests/unit/keeper/world.h"
#include "vaultd/keeper/super.h"

static struct keys *keys;
static struct super sample;
static uint8_t sealed[SEALED_MAX];
static size_t len;

static int
setup(void **state)
{
	static const uint8_t key_file[KEY_LEN] = "any";
	uint8_t slot[SLOT_BODY_LEN];

	if (world_memory(state) != 0 || keys_make(key_file, slot, &keys) != 0)
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
	static const uint8_t another[VAULT_ID_LEN] = "another";
	struct super s;

	(void)state;
	memset(&s, 0, sizeof(s));
	/* It says which vault this is, so it opens before that is known. */
	keys_set_vault_id(keys, another);
	assert_int_equal(
	    super_open(keys, sample.generation, slice_of(sealed, len), &s), 0);
	keys_set_vault_id(keys, s.vault_id);
	assert_memory_equal(&s, &sample, sizeof(s));
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

/* Sealed as a super row should be, but with something else in it. */
static void
keys_super_of_another_shape(void **state)
{
	struct row_place at = {.kind = ROW_SUPER, .generation = 5};
	uint8_t plain[200] = {0}, *opened = NULL;
	size_t n = 0, plain_len = 0;
	struct super s = {.generation = 77};

	(void)state;
	super_id(keys, at.id);
	for (size_t m = 0; m < sizeof(plain); m++) {
		assert_int_equal(
		    keys_seal_row(keys, &at, slice_of(plain, m), sealed, &n),
		    0);
		assert_int_equal(
		    super_open(keys, 5, slice_of(sealed, n), &s), VERR_FORMAT);
	}
	/* A generation inside that is not the row's */
	assert_int_equal(super_seal(keys, &sample, sealed, &n), 0);
	at.generation = sample.generation;
	assert_int_equal(
	    keys_open_row(keys, &at, slice_of(sealed, n), &opened, &plain_len),
	    0);
	at.generation = 5;
	assert_int_equal(
	    keys_seal_row(keys, &at, slice_of(opened, plain_len), sealed, &n),
	    0);
	free(opened);
	assert_int_equal(
	    super_open(keys, 5, slice_of(sealed, n), &s), VERR_FORMAT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(keys_super_round_trip),
	    cmocka_unit_test(keys_super_damaged),
	    cmocka_unit_test(keys_super_of_another_shape),
	};

	return cmocka_run_group_tests_name("super", tests, setup, NULL);
}
