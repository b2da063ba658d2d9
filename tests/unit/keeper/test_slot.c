#include "tests/unit/keeper/world.h"

#define HALF (SLOT_KEY_LEN / 2)

/* Offsets in the head, as slot.h has them. */
enum {
	AT_FORMAT,
	AT_KIND,
	AT_NUMBER,
	AT_ZERO,
	AT_EPOCH,
	AT_CREATED = 8,
	AT_VAULT = 16,
	AT_PASSES = 32,
	AT_MEMORY = 36,
	AT_SALT = 40,
	AT_NAME = 56,
	AT_COMMITMENT = 88,
	AT_NONCE = 120,
	AT_BOX = 144,
};

static struct slot sample;
static uint8_t key[SLOT_KEY_LEN], root[SLOT_ROOT_LEN], body[SLOT_BODY_LEN];

static int
setup(void **state)
{
	if (world_memory(state) != 0)
		return -1;
	sample = (struct slot){.kind = SLOT_PASSPHRASE,
	    .number = 5,
	    .epoch = 0x01020304,
	    .created = UINT64_C(0x1112131415161718),
	    .passes = 3,
	    .memory = 0x00040000,
	    .name = "the safe in the cellar"};
	for (size_t i = 0; i < SLOT_ID_LEN; i++) {
		sample.vault_id[i] = (uint8_t)(0xa0 + i);
		sample.salt[i] = (uint8_t)(0xb0 + i);
	}
	for (size_t i = 0; i < SLOT_KEY_LEN; i++) {
		key[i] = (uint8_t)(i + 1);
		root[i] = (uint8_t)(0xff - i);
	}
	slot_seal(&sample, key, root, body);
	return 0;
}

/*
 * What becomes of "b" with "with": VERR_FORMAT, VERR_AUTH, or 0 and the root
 * as it was.
 */
static int
open_with(const uint8_t *b, const uint8_t *with)
{
	uint8_t got[SLOT_ROOT_LEN];
	struct slot s;
	int r;

	if ((r = slot_parse(slice_of(b, SLOT_BODY_LEN), &s)) != 0)
		return r;
	memset(got, 0x5a, sizeof(got));
	if ((r = slot_open(b, with, got)) == 0)
		assert_memory_equal(got, root, SLOT_ROOT_LEN);
	else
		assert_memory_not_equal(got, root, SLOT_ROOT_LEN);
	return r;
}

/* By hand: a slot that was written must open for ever. */
static void
keys_slot_layout(void **state)
{
	static const uint8_t head[AT_COMMITMENT] = {2, 2, 5, 0, 4, 3, 2, 1,
	    0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11, 0xa0, 0xa1, 0xa2,
	    0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xad,
	    0xae, 0xaf, 3, 0, 0, 0, 0, 0, 4, 0, 0xb0, 0xb1, 0xb2, 0xb3, 0xb4,
	    0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xbb, 0xbc, 0xbd, 0xbe, 0xbf,
	    't', 'h', 'e', ' ', 's', 'a', 'f', 'e', ' ', 'i', 'n', ' ', 't',
	    'h', 'e', ' ', 'c', 'e', 'l', 'l', 'a', 'r'};
	uint8_t plain[SLOT_ROOT_LEN];
	unsigned long long n = 0;
	struct slot s;

	(void)state;
	assert_int_equal(SLOT_BODY_LEN, AT_BOX + SLOT_ROOT_LEN + 16);
	assert_memory_equal(body, head, sizeof(head));
	assert_memory_equal(body + AT_COMMITMENT, key + HALF, HALF);
	assert_int_equal(crypto_aead_xchacha20poly1305_ietf_decrypt(plain, &n,
	                     NULL, body + AT_BOX, SLOT_ROOT_LEN + 16, body,
	                     AT_NONCE, body + AT_NONCE, key),
	    0);
	assert_memory_equal(plain, root, SLOT_ROOT_LEN);

	memset(&s, 0, sizeof(s));
	assert_int_equal(slot_parse(slice_of(body, SLOT_BODY_LEN), &s), 0);
	assert_memory_equal(&s, &sample, sizeof(s));
	assert_int_equal(open_with(body, key), 0);
}

static void
keys_slot_every_bit_of_the_body_counts(void **state)
{
	uint8_t bad[SLOT_BODY_LEN];

	(void)state;
	for (size_t bit = 0; bit < SLOT_BODY_LEN * 8; bit++) {
		int r;

		memcpy(bad, body, sizeof(bad));
		bad[bit / 8] ^= (uint8_t)(1 << bit % 8);
		r = open_with(bad, key);
		if (r != VERR_FORMAT && r != VERR_AUTH)
			fail_msg("bit %zu: %d", bit, r);
		/* What is not said of the format, is what was sealed. */
		if (bit / 8 >= AT_COMMITMENT)
			assert_int_equal(r, VERR_AUTH);
	}
}

static void
keys_slot_every_bit_of_the_key_counts(void **state)
{
	uint8_t bad[SLOT_KEY_LEN];

	(void)state;
	for (size_t bit = 0; bit < SLOT_KEY_LEN * 8; bit++) {
		memcpy(bad, key, sizeof(bad));
		bad[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(open_with(body, bad), VERR_AUTH);
	}
}

/*
 * Poly1305 alone would open: the commitment is another key's, and nothing is
 * decrypted.  So no slot can be made that several passphrases open.
 */
static void
keys_slot_commits_to_its_key(void **state)
{
	uint8_t other[SLOT_KEY_LEN], bad[SLOT_BODY_LEN], got[SLOT_ROOT_LEN];
	uint8_t before[SLOT_ROOT_LEN];

	(void)state;
	memset(before, 0x5a, sizeof(before));
	memcpy(got, before, sizeof(got));
	memcpy(other, key, sizeof(other));
	for (size_t bit = 0; bit < HALF * 8; bit++) {
		other[HALF + bit / 8] ^= (uint8_t)(1 << bit % 8);
		slot_seal(&sample, other, root, bad);
		assert_int_equal(open_with(bad, other), 0);
		assert_int_equal(slot_open(bad, key, got), VERR_AUTH);
		assert_memory_equal(got, before, sizeof(got));
		other[HALF + bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

static void
keys_slot_length(void **state)
{
	uint8_t *copy = malloc(SLOT_BODY_LEN + 1);
	struct slot s = sample;

	(void)state;
	assert_non_null(copy);
	memcpy(copy, body, SLOT_BODY_LEN);
	copy[SLOT_BODY_LEN] = 0;
	for (size_t n = 0; n <= SLOT_BODY_LEN + 1; n++) {
		uint8_t *exact = malloc(n + (n == 0));

		assert_non_null(exact);
		memcpy(exact, copy, n);
		s.number = 77;
		assert_int_equal(slot_parse(slice_of(exact, n), &s),
		    n == SLOT_BODY_LEN ? 0 : VERR_FORMAT);
		assert_int_equal(s.number, n == SLOT_BODY_LEN ? 5 : 77);
		free(exact);
	}
	free(copy);
}

/* Damage that a sealed slot could have, too: it is not even tried. */
static void
keys_slot_bounds(void **state)
{
	static const struct {
		size_t at, n;
		uint64_t value;
		int r; /* of a passphrase's slot, and of a key file's */
		int r_file;
	} cases[] = {
	    {AT_FORMAT, 1, 1, VERR_FORMAT, VERR_FORMAT},
	    {AT_FORMAT, 1, 3, VERR_FORMAT, VERR_FORMAT},
	    {AT_KIND, 1, 0, VERR_FORMAT, VERR_FORMAT},
	    {AT_KIND, 1, 4, VERR_FORMAT, VERR_FORMAT},
	    {AT_KIND, 1, 255, VERR_FORMAT, VERR_FORMAT},
	    {AT_KIND, 1, SLOT_CREDENTIAL, VERR_FORMAT, 0},
	    {AT_NUMBER, 1, 0, 0, 0},
	    {AT_NUMBER, 1, SLOTS_MAX - 1, 0, 0},
	    {AT_NUMBER, 1, SLOTS_MAX, VERR_FORMAT, VERR_FORMAT},
	    {AT_NUMBER, 1, 255, VERR_FORMAT, VERR_FORMAT},
	    {AT_ZERO, 1, 1, VERR_FORMAT, VERR_FORMAT},
	    {AT_EPOCH, 4, 0, VERR_FORMAT, VERR_FORMAT},
	    {AT_EPOCH, 4, 1, 0, 0},
	    {AT_EPOCH, 4, UINT32_MAX, 0, 0},
	    {AT_PASSES, 4, 0, VERR_FORMAT, 0},
	    {AT_PASSES, 4, 1, VERR_FORMAT, VERR_FORMAT},
	    {AT_PASSES, 4, 2, 0, VERR_FORMAT},
	    {AT_PASSES, 4, 20, 0, VERR_FORMAT},
	    {AT_PASSES, 4, 21, VERR_FORMAT, VERR_FORMAT},
	    {AT_PASSES, 4, UINT32_MAX, VERR_FORMAT, VERR_FORMAT},
	    {AT_MEMORY, 4, 0, VERR_FORMAT, 0},
	    {AT_MEMORY, 4, 65535, VERR_FORMAT, VERR_FORMAT},
	    {AT_MEMORY, 4, 65536, 0, VERR_FORMAT},
	    {AT_MEMORY, 4, 4U << 20, 0, VERR_FORMAT},
	    {AT_MEMORY, 4, (4U << 20) + 1, VERR_FORMAT, VERR_FORMAT},
	    {AT_MEMORY, 4, UINT32_MAX, VERR_FORMAT, VERR_FORMAT},
	    {AT_NAME, 1, '\n', VERR_FORMAT, VERR_FORMAT},
	    {AT_NAME + 21, 1, 0x1f, VERR_FORMAT, VERR_FORMAT},
	    {AT_NAME, 1, 0x7f, VERR_FORMAT, VERR_FORMAT},
	    {AT_NAME, 1, 0x20, 0, 0},
	    {AT_NAME, 1, 0, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		for (int file = 0; file < 2; file++) {
			uint8_t bad[SLOT_BODY_LEN];
			struct slot s;
			int r;

			memcpy(bad, body, sizeof(bad));
			if (file) {
				bad[AT_KIND] = SLOT_KEYFILE;
				memset(bad + AT_PASSES, 0, 8);
			}
			put_le(bad + cases[i].at, cases[i].value, cases[i].n);
			r = slot_parse(slice_of(bad, sizeof(bad)), &s);
			if (r != (file ? cases[i].r_file : cases[i].r))
				fail_msg("case %zu %d: %d", i, file, r);
		}
}

static void
keys_slot_names(void **state)
{
	struct slot s = sample, got;
	uint8_t out[SLOT_BODY_LEN];

	(void)state;
	for (size_t n = 0; n <= SLOT_NAME_MAX; n++) {
		memset(s.name, 0, sizeof(s.name));
		memset(s.name, 'n', n);
		slot_seal(&s, key, root, out);
		assert_int_equal(
		    slot_parse(slice_of(out, sizeof(out)), &got), 0);
		assert_string_equal(got.name, s.name);
		assert_int_equal(open_with(out, key), 0);
	}
}

/* The same root, and the same slot, never look the same. */
static void
keys_slot_is_never_the_same_twice(void **state)
{
	uint8_t other[SLOT_BODY_LEN];
	size_t same = 0;

	(void)state;
	slot_seal(&sample, key, root, other);
	assert_memory_equal(other, body, AT_NONCE);
	for (size_t i = AT_NONCE; i < SLOT_BODY_LEN; i++)
		same += other[i] == body[i];
	assert_true(same < (SLOT_BODY_LEN - AT_NONCE) / 4);
	assert_null(memmem(body, sizeof(body), root, 8));
	assert_null(memmem(body, sizeof(body), key, 8));
}

/*
 * What secrets come to: BLAKE2b-512 of the kind's name, keyed with the file
 * (computed by another implementation); so a file in two roles gives two keys.
 */
static void
keys_slot_key_of_a_file(void **state)
{
	static const struct {
		enum slot_kind kind;
		const char *hex;
	} cases[] = {
	    {SLOT_KEYFILE,
	        "0011526d32b75dcacda2704014b1ac45f980cd4f4b8c0797"
	        "815977e6eb81f855a2bff4021508b832785675b3e5d31621"
	        "f092e6883972138843f70cf9d865eb2b"},
	    {SLOT_CREDENTIAL,
	        "76ff1bfa7a815392691372c2e1983623ed83d1aceb85a31c"
	        "ef014ecfa210c822c97ac70aaa252211af499305be2c427d"
	        "a32daf7371a65914bac56c35c04bbdf0"},
	};
	uint8_t file[SLOT_FILE_LEN + 1], got[2][SLOT_KEY_LEN];
	uint8_t untouched[SLOT_KEY_LEN];
	char hex[2 * SLOT_KEY_LEN + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(file); i++)
		file[i] = (uint8_t)i;
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(slot_key(cases[i].kind,
		                     slice_of(file, SLOT_FILE_LEN), got[i]),
		    0);
		sodium_bin2hex(hex, sizeof(hex), got[i], SLOT_KEY_LEN);
		assert_string_equal(hex, cases[i].hex);
		memcpy(untouched, got[i], SLOT_KEY_LEN);
		for (size_t n = 0; n <= sizeof(file); n++)
			if (n != SLOT_FILE_LEN)
				assert_int_equal(slot_key(cases[i].kind,
				                     slice_of(file, n), got[i]),
				    VERR_FORMAT);
		assert_memory_equal(got[i], untouched, SLOT_KEY_LEN);
	}
	assert_memory_not_equal(got[0], got[1], HALF);
	assert_memory_not_equal(got[0] + HALF, got[1] + HALF, HALF);
}

/* A passphrase was stretched where it was typed. */
static void
keys_slot_key_of_a_passphrase(void **state)
{
	uint8_t stretched[SLOT_KEY_LEN + 1], got[SLOT_KEY_LEN] = {0};

	(void)state;
	memset(stretched, 's', sizeof(stretched));
	for (size_t n = 0; n <= sizeof(stretched); n++)
		assert_int_equal(
		    slot_key(SLOT_PASSPHRASE, slice_of(stretched, n), got),
		    n == SLOT_KEY_LEN ? 0 : VERR_FORMAT);
	assert_memory_equal(got, stretched, SLOT_KEY_LEN);
}

static void
keys_slot_kinds(void **state)
{
	static const char *const names[] = {
	    NULL, "keyfile", "passphrase", "credential"};
	static const char *const wrong[] = {"", "keyfil", "keyfiles", "KEYFILE",
	    "tpm2", "passphrase ", "credential\n"};
	enum slot_kind kind = SLOT_KEYFILE;

	(void)state;
	for (int i = SLOT_KEYFILE; i <= SLOT_CREDENTIAL; i++) {
		assert_string_equal(
		    slot_kind_name((enum slot_kind)i), names[i]);
		assert_int_equal(
		    slot_kind_parse(slice_str(names[i]), &kind), 0);
		assert_int_equal(kind, i);
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		assert_int_equal(
		    slot_kind_parse(slice_str(wrong[i]), &kind), VERR_NOTFOUND);
		assert_int_equal(kind, SLOT_CREDENTIAL);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(keys_slot_layout),
	    cmocka_unit_test(keys_slot_every_bit_of_the_body_counts),
	    cmocka_unit_test(keys_slot_every_bit_of_the_key_counts),
	    cmocka_unit_test(keys_slot_commits_to_its_key),
	    cmocka_unit_test(keys_slot_length),
	    cmocka_unit_test(keys_slot_bounds),
	    cmocka_unit_test(keys_slot_names),
	    cmocka_unit_test(keys_slot_is_never_the_same_twice),
	    cmocka_unit_test(keys_slot_key_of_a_file),
	    cmocka_unit_test(keys_slot_key_of_a_passphrase),
	    cmocka_unit_test(keys_slot_kinds),
	};

	return cmocka_run_group_tests_name("slot", tests, setup, NULL);
}
