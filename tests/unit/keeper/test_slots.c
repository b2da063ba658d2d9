#include "tests/unit/keeper/world.h"

static const uint8_t credential[] = "and those of another: the system";
static struct keys *keys;
static uint8_t stretched[SLOT_KEY_LEN] = "what Argon2id made of a passphrase";

static int
setup(void **state)
{
	return world_memory(state) != 0 || keys_make(&keys) != 0 ? -1 : 0;
}

static struct slots *
slots_of(const uint8_t *key_file, const uint8_t *other)
{
	struct slots *ss = NULL;

	assert_int_equal(slots_new(world_file(key_file, SLOT_FILE_LEN),
	                     world_file(other, SLOT_FILE_LEN), &ss),
	    0);
	return ss;
}

static void
slots_end(struct slots *ss)
{
	slots_clear(ss);
	/* As in life they are never freed; what they were given is. */
	secret_free((void *)(uintptr_t)slots_file(ss, SLOT_KEYFILE));
	secret_free((void *)(uintptr_t)slots_file(ss, SLOT_CREDENTIAL));
	free(ss);
}

/*
 * Put a slot for "secret" of "kind" into "ss": its body.
 */
static const uint8_t *
put(struct slots *ss, const struct keys *of, enum slot_kind kind,
    uint32_t number, const uint8_t *secret)
{
	static uint8_t body[SLOT_BODY_LEN];
	struct slot s = {.kind = kind,
	    .number = number,
	    .created = WORLD_TIME,
	    .name = "its name"};
	bool file = kind != SLOT_PASSPHRASE;
	uint8_t key[SLOT_KEY_LEN];

	if (!file) {
		s.passes = 3;
		s.memory = 262144;
		memset(s.salt, 0xc5, sizeof(s.salt));
	}
	assert_int_equal(
	    slot_key(kind,
	        slice_of(secret, file ? SLOT_FILE_LEN : SLOT_KEY_LEN), key),
	    0);
	keys_seal_slot(of, &s, key, body);
	assert_int_equal(slots_set(ss, slice_of(body, sizeof(body))), 0);
	return body;
}

/* Is it the hierarchy of "keys"? */
static void
is_ours(struct keys *k)
{
	uint8_t a[ROW_ID_LEN], b[ROW_ID_LEN], sealed[SEALED_MAX], *plain;
	struct row_place at = {.kind = ROW_PROFILE, .generation = 1};
	size_t len;

	assert_memory_equal(
	    keys_vault_id(k), keys_vault_id(keys), VAULT_ID_LEN);
	keys_row_id(k, ROW_PROFILE, slice_str("x"), a);
	keys_row_id(keys, ROW_PROFILE, slice_str("x"), b);
	assert_memory_equal(a, b, ROW_ID_LEN);
	assert_int_equal(
	    keys_seal_row(keys, &at, slice_str("row"), sealed, &len), 0);
	assert_int_equal(
	    keys_open_row(k, &at, slice_of(sealed, len), &plain, &len), 0);
	free(plain);
	keys_free(k);
}

/* The files: given, not given, empty, of another length. */
static void
keys_slots_files(void **state)
{
	static const uint8_t bytes[SLOT_FILE_LEN + 2];
	uint8_t key[SLOT_KEY_LEN];
	struct slots *ss = NULL;
	size_t fds = peer_open_fds();

	(void)state;
	for (int both = 0; both < 4; both++) {
		ss = slots_of(both & 1 ? world_key_file : NULL,
		    both & 2 ? credential : NULL);
		assert_true(
		    (slots_file(ss, SLOT_KEYFILE) != NULL) == (both & 1));
		assert_true(
		    (slots_file(ss, SLOT_CREDENTIAL) != NULL) == (both >> 1));
		assert_null(slots_file(ss, SLOT_PASSPHRASE));
		assert_int_equal(slots_count(ss), 0);
		if (both == 3) {
			assert_int_equal(
			    slot_key(SLOT_KEYFILE,
			        slice_of(world_key_file, SLOT_FILE_LEN), key),
			    0);
			assert_memory_equal(
			    slots_file(ss, SLOT_KEYFILE), key, SLOT_KEY_LEN);
			assert_int_equal(
			    slot_key(SLOT_CREDENTIAL,
			        slice_of(credential, SLOT_FILE_LEN), key),
			    0);
			assert_memory_equal(
			    slots_file(ss, SLOT_CREDENTIAL), key, SLOT_KEY_LEN);
		}
		slots_end(ss);
	}
	ss = NULL;
	for (size_t n = 0; n <= SLOT_FILE_LEN + 2; n++)
		for (int which = 0; which < 2; which++) {
			int r, fd = world_file(bytes, n);
			int good = world_file(bytes, SLOT_FILE_LEN);

			r = which ? slots_new(good, fd, &ss)
			          : slots_new(fd, good, &ss);
			if (r == 0) {
				/* An empty one is as none. */
				assert_true((slots_file(ss,
				                 which ? SLOT_CREDENTIAL
				                       : SLOT_KEYFILE) !=
				                NULL) == (n != 0));
				slots_end(ss);
				ss = NULL;
			} else {
				/* Nobody uses the rest of a start that fails.
				 */
				(void)close(which ? -1 : good);
			}
			assert_int_equal(
			    r, n == 0 || n == SLOT_FILE_LEN ? 0 : VERR_FORMAT);
			assert_null(ss);
		}
	assert_int_equal(peer_open_fds(), fds);
}

static void
keys_slots_several_at_once(void **state)
{
	struct slots *ss = slots_of(world_key_file, credential);
	struct keys *got = NULL;

	(void)state;
	assert_int_equal(slots_free_number(ss), 0);
	put(ss, keys, SLOT_PASSPHRASE, 0, stretched);
	put(ss, keys, SLOT_KEYFILE, 1, world_key_file);
	put(ss, keys, SLOT_CREDENTIAL, 3, credential);
	put(ss, keys, SLOT_KEYFILE, 4, credential); /* not what we were given */
	put(ss, keys, SLOT_CREDENTIAL, 7, world_key_file);
	assert_int_equal(slots_count(ss), 5);
	assert_int_equal(slots_free_number(ss), 2);
	assert_memory_equal(
	    slots_vault_id(ss), keys_vault_id(keys), VAULT_ID_LEN);
	assert_null(slots_get(ss, 2));
	assert_null(slots_get(ss, SLOTS_MAX));
	assert_null(slots_get(ss, UINT32_MAX));
	assert_int_equal(slots_get(ss, 3)->kind, SLOT_CREDENTIAL);

	assert_int_equal(slots_open(ss, &got), 0);
	is_ours(got);
	/* Of each that a file opens the key is known, of no other. */
	for (uint32_t i = 0; i < SLOTS_MAX; i++) {
		bool mine = i == 1 || i == 3;

		assert_true((slots_key(ss, i) != NULL) == mine);
		assert_true(slots_is_unattended(ss, i) == mine);
	}
	assert_memory_equal(
	    slots_key(ss, 1), slots_file(ss, SLOT_KEYFILE), SLOT_KEY_LEN);
	assert_memory_equal(
	    slots_key(ss, 3), slots_file(ss, SLOT_CREDENTIAL), SLOT_KEY_LEN);

	put(ss, keys, SLOT_KEYFILE, 2, credential);
	put(ss, keys, SLOT_KEYFILE, 5, credential);
	put(ss, keys, SLOT_KEYFILE, 6, credential);
	assert_int_equal(slots_free_number(ss), SLOTS_MAX);
	slots_end(ss);
}

/* Either of the files will do; none, or another's, will not. */
static void
keys_slots_open(void **state)
{
	const uint8_t *files[] = {NULL, world_key_file, credential};

	(void)state;
	for (size_t i = 0; i < 3; i++)
		for (size_t j = 0; j < 3; j++) {
			struct slots *ss = slots_of(files[i], files[j]);
			struct keys *got = keys;

			/* Without slots there is nothing to open. */
			assert_int_equal(slots_open(ss, &got), VERR_NOTFOUND);
			put(ss, keys, SLOT_KEYFILE, 6, world_key_file);
			put(ss, keys, SLOT_CREDENTIAL, 2, credential);
			if (i == 1 || j == 2) {
				assert_int_equal(slots_open(ss, &got), 0);
				is_ours(got);
			} else {
				assert_int_equal(
				    slots_open(ss, &got), VERR_NOTFOUND);
				assert_ptr_equal(got, keys);
			}
			slots_end(ss);
		}
}

/* The commitment fits and the rest does not: damaged, so the next one. */
static void
keys_slots_open_passes_over_a_damaged_one(void **state)
{
	struct slots *ss = slots_of(world_key_file, NULL);
	uint8_t bad[SLOT_BODY_LEN];
	struct keys *got = keys;

	(void)state;
	memcpy(
	    bad, put(ss, keys, SLOT_KEYFILE, 0, world_key_file), sizeof(bad));
	bad[SLOT_BODY_LEN - 1] ^= 1;
	assert_int_equal(slots_set(ss, slice_of(bad, sizeof(bad))), 0);
	assert_int_equal(slots_open(ss, &got), VERR_NOTFOUND);
	assert_ptr_equal(got, keys);
	assert_null(slots_key(ss, 0));
	put(ss, keys, SLOT_KEYFILE, 1, world_key_file);
	assert_int_equal(slots_open(ss, &got), 0);
	is_ours(got);
	assert_null(slots_key(ss, 0));
	assert_non_null(slots_key(ss, 1));
	slots_end(ss);
}

static void
keys_slots_unseal(void **state)
{
	struct slots *ss = slots_of(NULL, NULL);
	const struct slice good = slice_of(stretched, SLOT_KEY_LEN);
	const struct slice file = slice_of(world_key_file, SLOT_FILE_LEN);
	uint8_t wrong[SLOT_KEY_LEN];
	struct keys *got = keys;

	(void)state;
	put(ss, keys, SLOT_PASSPHRASE, 2, stretched);
	put(ss, keys, SLOT_KEYFILE, 3, world_key_file);
	assert_int_equal(slots_unseal(ss, 0, good, &got), VERR_NOTFOUND);
	assert_int_equal(
	    slots_unseal(ss, SLOTS_MAX, good, &got), VERR_NOTFOUND);
	assert_int_equal(
	    slots_unseal(ss, UINT32_MAX, good, &got), VERR_NOTFOUND);
	/* Of another slot; of another length; wrong by a bit. */
	assert_int_equal(slots_unseal(ss, 3, good, &got), VERR_FORMAT);
	assert_int_equal(slots_unseal(ss, 2, file, &got), VERR_FORMAT);
	assert_int_equal(
	    slots_unseal(ss, 2, slice_of(stretched, 0), &got), VERR_FORMAT);
	for (size_t bit = 0; bit < SLOT_KEY_LEN * 8; bit++) {
		memcpy(wrong, stretched, sizeof(wrong));
		wrong[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(
		    slots_unseal(ss, 2, slice_of(wrong, SLOT_KEY_LEN), &got),
		    VERR_AUTH);
	}
	assert_ptr_equal(got, keys);
	assert_null(slots_key(ss, 2));
	assert_null(slots_key(ss, 3));

	assert_int_equal(slots_unseal(ss, 2, good, &got), 0);
	is_ours(got);
	assert_memory_equal(slots_key(ss, 2), stretched, SLOT_KEY_LEN);
	assert_null(slots_key(ss, 3));
	/* A file may be given by hand; a restart would not have it. */
	assert_int_equal(slots_unseal(ss, 3, file, &got), 0);
	is_ours(got);
	assert_non_null(slots_key(ss, 3));
	assert_false(slots_is_unattended(ss, 3));
	slots_end(ss);
}

/* There is no locked memory left: no hierarchy, and nothing of one. */
static void
keys_slots_unseal_without_memory(void **state)
{
	struct slots *ss = slots_of(NULL, NULL);
	uint8_t *all[256];
	size_t n = 0, left;
	int r = VERR_NOMEM;

	(void)state;
	put(ss, keys, SLOT_PASSPHRASE, 2, stretched);
	for (size_t size = 1 << 21; size >= 32; size /= 2)
		while (n < 256 && (all[n] = secret_alloc(size)) != NULL)
			n++;
	assert_true(n < 256);
	/* One block after another comes back, until it is enough. */
	for (left = n; r == VERR_NOMEM && left > 0;) {
		struct keys *got = NULL;

		r = slots_unseal(
		    ss, 2, slice_of(stretched, SLOT_KEY_LEN), &got);
		if (r == 0) {
			is_ours(got);
			break;
		}
		assert_int_equal(r, VERR_NOMEM);
		if (got != NULL)
			fail_msg("a hierarchy that was freed was returned");
		assert_null(slots_key(ss, 2));
		secret_free(all[--left]);
	}
	assert_int_equal(r, 0);
	while (left > 0)
		secret_free(all[--left]);
	slots_end(ss);
}

static bool
is_zero(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != 0)
			return false;
	return true;
}

static void
keys_slots_removed_is_forgotten(void **state)
{
	struct slots *ss = slots_of(world_key_file, NULL);
	const uint8_t *learnt, *file = slots_file(ss, SLOT_KEYFILE);
	struct keys *got;

	(void)state;
	put(ss, keys, SLOT_PASSPHRASE, 1, stretched);
	put(ss, keys, SLOT_KEYFILE, 2, world_key_file);
	assert_int_equal(
	    slots_unseal(ss, 1, slice_of(stretched, SLOT_KEY_LEN), &got), 0);
	keys_free(got);
	assert_int_equal(slots_open(ss, &got), 0);
	keys_free(got);
	learnt = slots_key(ss, 1);
	assert_memory_equal(learnt, stretched, SLOT_KEY_LEN);
	slots_remove(ss, 1);
	/* Where it lay in the arena there is nothing. */
	assert_true(is_zero(learnt, SLOT_KEY_LEN));
	assert_null(slots_get(ss, 1));
	assert_null(slots_key(ss, 1));
	assert_int_equal(slots_count(ss), 1);
	assert_int_equal(
	    slots_unseal(ss, 1, slice_of(stretched, SLOT_KEY_LEN), &got),
	    VERR_NOTFOUND);
	slots_remove(ss, 1); /* once more is once */
	assert_int_equal(slots_count(ss), 1);
	learnt = slots_key(ss, 2);
	/* Another ledger tells anew; the files are kept for it. */
	slots_clear(ss);
	assert_true(is_zero(learnt, SLOT_KEY_LEN));
	assert_int_equal(slots_count(ss), 0);
	assert_false(is_zero(file, SLOT_KEY_LEN));
	put(ss, keys, SLOT_KEYFILE, 2, world_key_file);
	assert_int_equal(slots_open(ss, &got), 0);
	is_ours(got);
	slots_end(ss);
}

static void
keys_slots_learn(void **state)
{
	struct slots *ss = slots_of(NULL, NULL);
	const uint8_t *first;
	uint8_t other[SLOT_KEY_LEN] = {7};

	(void)state;
	put(ss, keys, SLOT_PASSPHRASE, 7, stretched);
	assert_null(slots_key(ss, 7));
	assert_int_equal(slots_learn(ss, 7, stretched), 0);
	first = slots_key(ss, 7);
	assert_memory_equal(first, stretched, SLOT_KEY_LEN);
	assert_int_equal(slots_learn(ss, 7, other), 0);
	assert_ptr_equal(slots_key(ss, 7), first);
	assert_memory_equal(first, other, SLOT_KEY_LEN);
	slots_end(ss);
}

/* What is no slot is not taken, and leaves the one that was there. */
static void
keys_slots_set_damaged(void **state)
{
	struct slots *ss = slots_of(world_key_file, NULL);
	uint8_t bad[SLOT_BODY_LEN + 1] = {0};
	struct keys *got;

	(void)state;
	memcpy(
	    bad, put(ss, keys, SLOT_KEYFILE, 0, world_key_file), SLOT_BODY_LEN);
	for (size_t n = 0; n <= SLOT_BODY_LEN + 1; n++)
		if (n != SLOT_BODY_LEN)
			assert_int_equal(
			    slots_set(ss, slice_of(bad, n)), VERR_FORMAT);
	for (size_t at = 0; at < 4; at++) {
		bad[at] ^= 0x80;
		assert_int_equal(
		    slots_set(ss, slice_of(bad, SLOT_BODY_LEN)), VERR_FORMAT);
		bad[at] ^= 0x80;
	}
	assert_int_equal(slots_count(ss), 1);
	assert_int_equal(slots_open(ss, &got), 0);
	is_ours(got);
	slots_end(ss);
}

static void
row_is(const struct slots *ss, uint32_t number, const char *text)
{
	char out[512];
	struct json j;

	json_begin(&j, out, sizeof(out));
	slots_json(ss, number, &j);
	assert_false(j.overflow);
	out[j.n] = '\0';
	assert_string_equal(out, text);
}

/* A row of "key slot list": what vaultctl asks for, and never a key. */
static void
keys_slots_json(void **state)
{
	struct slots *ss = slots_of(world_key_file, NULL);
	struct keys *got;

	(void)state;
	put(ss, keys, SLOT_KEYFILE, 0, world_key_file);
	put(ss, keys, SLOT_PASSPHRASE, 1, stretched);
	put(ss, keys, SLOT_CREDENTIAL, 2, credential);
	row_is(ss, 0,
	    "{\"slot\":0,\"kind\":\"keyfile\",\"name\":\"its name\","
	    "\"created\":\"2025-11-22T16:53:51.123Z\","
	    "\"unlocked\":false,\"unattended\":true}");
	assert_int_equal(slots_open(ss, &got), 0);
	keys_free(got);
	row_is(ss, 0,
	    "{\"slot\":0,\"kind\":\"keyfile\",\"name\":\"its name\","
	    "\"created\":\"2025-11-22T16:53:51.123Z\","
	    "\"unlocked\":true,\"unattended\":true}");
	row_is(ss, 1,
	    "{\"slot\":1,\"kind\":\"passphrase\",\"name\":\"its name\","
	    "\"created\":\"2025-11-22T16:53:51.123Z\","
	    "\"opslimit\":3,\"memlimit\":262144,"
	    "\"salt\":\"c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5\","
	    "\"unlocked\":false,\"unattended\":false}");
	row_is(ss, 2,
	    "{\"slot\":2,\"kind\":\"credential\",\"name\":\"its name\","
	    "\"created\":\"2025-11-22T16:53:51.123Z\","
	    "\"unlocked\":false,\"unattended\":false}");
	slots_end(ss);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(keys_slots_files),
	    cmocka_unit_test(keys_slots_several_at_once),
	    cmocka_unit_test(keys_slots_open),
	    cmocka_unit_test(keys_slots_open_passes_over_a_damaged_one),
	    cmocka_unit_test(keys_slots_unseal),
	    cmocka_unit_test(keys_slots_unseal_without_memory),
	    cmocka_unit_test(keys_slots_removed_is_forgotten),
	    cmocka_unit_test(keys_slots_learn),
	    cmocka_unit_test(keys_slots_set_damaged),
	    cmocka_unit_test(keys_slots_json),
	};

	return cmocka_run_group_tests_name("slots", tests, setup, NULL);
}
