#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <unistd.h>

#include "client/keeperkey.h"

#define KEY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

static char folder[64], file[96], path[96];

static int
setup(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/keeperkey-XXXXXX");
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(file, sizeof(file), "%s/keeper.pub", folder);
	snprintf(path, sizeof(path), "%s/vaultd.sock", folder);
	return sodium_init() < 0 ? -1 : 0;
}

static int
teardown(void **state)
{
	(void)state;
	unlink(file);
	return rmdir(folder);
}

static void
put(const char *text, mode_t mode)
{
	FILE *f;

	unlink(file);
	assert_non_null(f = fopen(file, "w"));
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(file, mode), 0);
}

static struct vault_error error;

static int
read_key(uint8_t key[VAULT_KEY_LEN])
{
	memset(&error, 0, sizeof(error));
	return keeperkey_read(path, key, &error);
}

static void
refused(const char *why)
{
	uint8_t key[VAULT_KEY_LEN] = {0x55}, before[VAULT_KEY_LEN] = {0x55};

	assert_true(read_key(key) < 0);
	assert_memory_equal(key, before, sizeof(key));
	assert_string_equal(error.code, "keeper-key");
	if (strstr(error.sentence, why) == NULL)
		fail_msg("\"%s\" has no \"%s\"", error.sentence, why);
}

static void
cli_keeper_key_is_read(void **state)
{
	static const char *const good[] = {KEY, KEY "\n"};
	uint8_t key[VAULT_KEY_LEN];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		put(good[i], 0644);
		memset(key, 0, sizeof(key));
		assert_int_equal(read_key(key), 0);
		for (uint8_t j = 0; j < VAULT_KEY_LEN; j++)
			assert_int_equal(key[j], j);
	}
}

static void
cli_keeper_key_of_another_form_is_refused(void **state)
{
	static const char *const bad[] = {"", "\n", KEY "\n\n", KEY " ",
	    "AAEC\n", KEY "AAAA\n", KEY "\nx",
	    "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n",
	    "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdH!8=\n",
	    "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdH\xff"
	    "8=\n"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		put(bad[i], 0644);
		refused("one line with a key");
	}
}

static void
cli_keeper_key_that_others_can_write_is_refused(void **state)
{
	(void)state;
	put(KEY "\n", 0664);
	refused("others than its owner can write it");
	put(KEY "\n", 0646);
	refused("others than its owner can write it");
	put(KEY "\n", 0644);
	assert_int_equal(chmod(folder, 0777), 0);
	refused("can write its folder");
	assert_int_equal(chmod(folder, 0770), 0);
	refused("can write its folder");
	assert_int_equal(chmod(folder, 0755), 0);
}

static void
cli_keeper_key_of_another_kind_is_refused(void **state)
{
	(void)state;
	unlink(file);
	refused("No such file");
	assert_int_equal(symlink("/etc/passwd", file), 0);
	refused("symbolic link");
	unlink(file);
	assert_int_equal(mkfifo(file, 0644), 0);
	refused("not a plain file");
}

static void
cli_keeper_key_of_another_owner_is_refused(void **state)
{
	struct stat dir = {.st_mode = S_IFDIR | 0755, .st_uid = 500};
	struct stat key = {.st_mode = S_IFREG | 0644, .st_uid = 500};

	(void)state;
	assert_null(keeperkey_distrust(&key, &dir));
	key.st_uid = 0;
	assert_null(keeperkey_distrust(&key, &dir));
	key.st_uid = 501;
	assert_non_null(keeperkey_distrust(&key, &dir));
	dir.st_uid = 0;
	assert_non_null(keeperkey_distrust(&key, &dir));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(cli_keeper_key_is_read),
	    cmocka_unit_test(cli_keeper_key_of_another_form_is_refused),
	    cmocka_unit_test(cli_keeper_key_that_others_can_write_is_refused),
	    cmocka_unit_test(cli_keeper_key_of_another_kind_is_refused),
	    cmocka_unit_test(cli_keeper_key_of_another_owner_is_refused),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
