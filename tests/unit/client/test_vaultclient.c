#include "tests/unit/client/fake_vault.h"

#include <sodium.h>
#include <stdio.h>
#include <sys/stat.h>

#include "protocol/act.h"
#include "protocol/pairs.h"

static char folder[64], file[96], path[96];
static uint8_t public_key[crypto_box_PUBLICKEYBYTES];
static uint8_t secret_key[crypto_box_SECRETKEYBYTES];

static int
setup(void **state)
{
	char text[64];
	FILE *f;

	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/vaultclient-XXXXXX");
	if (mkdtemp(folder) == NULL || sodium_init() < 0 ||
	    crypto_box_keypair(public_key, secret_key) != 0)
		return -1;
	snprintf(file, sizeof(file), "%s/keeper.pub", folder);
	snprintf(path, sizeof(path), "%s/vaultd.sock", folder);
	sodium_bin2base64(text, sizeof(text), public_key, sizeof(public_key),
	    sodium_base64_VARIANT_ORIGINAL);
	if ((f = fopen(file, "w")) == NULL)
		return -1;
	fprintf(f, "%s\n", text);
	fclose(f);
	return chmod(file, 0644);
}

static int
teardown(void **state)
{
	(void)state;
	unlink(file);
	return rmdir(folder);
}

static uint8_t act[ACT_MAX];
static size_t act_n;

static void
play_act(struct fake *f)
{
	static const uint8_t nonce[ACT_NONCE_LEN] = "one act and no more";

	if (fake_hear(f) != 0 || f->m.type != CLIENT_NONCE)
		return;
	FAKE_SAY(f, f->id, NONCE_IS, nonce_is,
	    .nonce = slice_of(nonce, sizeof(nonce)));
	if (fake_hear(f) != 0 || f->m.type != CLIENT_ACT)
		return;
	act_n = f->m.act.sealed.n - crypto_box_SEALBYTES;
	f->verdict = act_n <= sizeof(act) &&
	    memmem(f->m.act.sealed.p, f->m.act.sealed.n, "hunter2", 7) ==
	        NULL &&
	    crypto_box_seal_open(act, f->m.act.sealed.p, f->m.act.sealed.n,
	        public_key, secret_key) == 0;
	FAKE_SAY(f, f->id, DONE, done, .audit = 41,
	    .text = slice_str("acme/demo was added"));
	(void)fake_hear(f);
}

static void
has(const char *name, const char *value)
{
	struct slice found;

	assert_int_equal(pairs_find(slice_of(act, act_n), name, &found), 0);
	assert_true(slice_is(found, value));
}

static void
cli_act_is_sealed_whole(void **state)
{
	const struct vault_pair pairs[] = {
	    {"verb", "add", 3},
	    {"field.key", "hunter2", 7},
	};
	char text[VAULT_TEXT_MAX + 1];
	struct vault_error error;
	struct slice nonce;
	uint64_t audit = 0;
	struct fake f;

	(void)state;
	fake_start(&f, play_act);
	f.vault->path = strdup(path);
	assert_int_equal(vault_act(f.vault, pairs, 2, text, &audit, &error), 0);
	fake_stop(&f);
	assert_true(f.verdict);
	assert_string_equal(text, "acme/demo was added");
	assert_int_equal(audit, 41);
	has("verb", "add");
	has("field.key", "hunter2");
	assert_int_equal(pairs_find(slice_of(act, act_n), "nonce", &nonce), 0);
	assert_int_equal(nonce.n, ACT_NONCE_LEN);
	assert_memory_equal(nonce.p, "one act and no more", 20);
}

static void
play_nothing(struct fake *f)
{
	f->heard = fake_hear(f) == 0;
}

static void
cli_act_is_not_begun_without_a_key_to_trust(void **state)
{
	const struct vault_pair pair = {"verb", "remove", 6};
	struct vault_error error;
	struct fake f;

	(void)state;
	assert_int_equal(chmod(file, 0666), 0);
	fake_start(&f, play_nothing);
	f.vault->path = strdup(path);
	assert_true(vault_act(f.vault, &pair, 1, NULL, NULL, &error) < 0);
	assert_string_equal(error.code, "keeper-key");
	fake_stop(&f);
	assert_false(f.heard);
	assert_int_equal(chmod(file, 0644), 0);
}

static void
cli_act_that_is_too_long_is_not_sent(void **state)
{
	struct vault_pair pair = {"set.ca", NULL, ACT_MAX};
	struct vault_error error;
	struct fake f;

	(void)state;
	pair.value = calloc(1, ACT_MAX);
	fake_start(&f, play_act);
	f.vault->path = strdup(path);
	assert_true(vault_act(f.vault, &pair, 1, NULL, NULL, &error) < 0);
	assert_string_equal(error.code, "bad-argument");
	fake_stop(&f);
	assert_false(f.verdict);
	free((void *)pair.value);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(cli_act_is_sealed_whole),
	    cmocka_unit_test(cli_act_is_not_begun_without_a_key_to_trust),
	    cmocka_unit_test(cli_act_that_is_too_long_is_not_sent),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
