/* Users, files, gates, log and keeper.pub: what is pure in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vaultd/supervisor/files.h"
#include "vaultd/supervisor/gates.h"
#include "vaultd/supervisor/pub.h"
#include "vaultd/supervisor/say.h"
#include "vaultd/supervisor/sessions.h"
#include "vaultd/supervisor/users.h"

static void
rooms_users_are_found_by_their_whole_name(void **state)
{
	struct slice passwd = slice_str("root:x:0:0:root:/root:/bin/sh\n"
	                                "\n"
	                                "short\n"
	                                "_vaultd-gate:x:bad:1::/:\n"
	                                "_vaultd-gate2:x:7:7::/:\n"
	                                "_vaultd-gate:x:81:82::/:\n"
	                                "last:x:5:6");
	uint32_t uid = 99, gid = 99;

	(void)state;
	assert_int_equal(users_find(passwd, "_vaultd-gate", &uid, &gid), 0);
	assert_int_equal(uid, 81);
	assert_int_equal(gid, 82);
	assert_int_equal(users_find(passwd, "last", &uid, &gid), 0);
	assert_int_equal(gid, 6);
	uid = 99;
	assert_int_equal(
	    users_find(passwd, "_vaultd", &uid, &gid), VERR_NOTFOUND);
	assert_int_equal(
	    users_find(passwd, "short", &uid, &gid), VERR_NOTFOUND);
	assert_int_equal(
	    users_find(slice_of(NULL, 0), "x", &uid, &gid), VERR_NOTFOUND);
	assert_int_equal(uid, 99);
}

static void
rooms_groups_by_name_or_number(void **state)
{
	struct slice group = slice_str("root:x:0:\nvault:x:33:a,b\n");
	uint32_t gid = 99;

	(void)state;
	assert_int_equal(users_find_group(group, "vault", &gid), 0);
	assert_int_equal(gid, 33);
	assert_int_equal(users_find_group(group, "44", &gid), 0);
	assert_int_equal(gid, 44);
	assert_int_equal(
	    users_find_group(group, "4294967295", &gid), VERR_NOTFOUND);
	assert_int_equal(users_find_group(group, "v", &gid), VERR_NOTFOUND);
}

static void
rooms_files_are_trusted_by_owner_and_mode(void **state)
{
	static const struct {
		mode_t mode;
		uint32_t owner;
		enum file_trust trust;
		int trusted;
	} table[] = {
	    {S_IFREG | 0644, 0, TRUST_CONFIG, 1},
	    {S_IFREG | 0644, 1000, TRUST_CONFIG, 1},
	    {S_IFREG | 0644, 1001, TRUST_CONFIG, 0},
	    {S_IFREG | 0664, 1000, TRUST_CONFIG, 0},
	    {S_IFREG | 0646, 1000, TRUST_CONFIG, 0},
	    {S_IFIFO | 0600, 1000, TRUST_CONFIG, 0},
	    {S_IFDIR | 0755, 1000, TRUST_CONFIG, 0},
	    {S_IFREG | 0666, 1001, TRUST_ANY, 1},
	    {S_IFIFO | 0666, 1001, TRUST_ANY, 0},
	    {S_IFREG | 0600, 1000, TRUST_SECRET, 1},
	    {S_IFREG | 0400, 0, TRUST_SECRET, 1},
	    {S_IFREG | 0640, 1000, TRUST_SECRET, 0},
	    {S_IFREG | 0604, 1000, TRUST_SECRET, 0},
	    {S_IFREG | 0601, 1000, TRUST_SECRET, 0},
	    {S_IFREG | 0600, 1001, TRUST_SECRET, 0},
	    {S_IFDIR | 0755, 0, TRUST_FOLDER, 1},
	    {S_IFDIR | 0775, 0, TRUST_FOLDER, 0},
	    {S_IFDIR | 01777, 0, TRUST_FOLDER, 0},
	    {S_IFREG | 0644, 0, TRUST_FOLDER, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct stat st = {
		    .st_mode = table[i].mode, .st_uid = table[i].owner};
		const char *wrong = file_distrust(&st, table[i].trust, 1000);

		if ((wrong == NULL) != table[i].trusted)
			fail_msg("row %zu: %s", i, wrong ? wrong : "trusted");
	}
}

static void
keys_key_file_must_be_private_and_whole(void **state)
{
	char path[] = "/tmp/test-key-XXXXXX", link[64], why[WHY_MAX];
	int fd = mkstemp(path), key;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "0123456789abcdef0123456789abcdef", 32), 32);
	assert_true((key = file_open_key(path, why)) >= 0);
	(void)close(key);
	assert_int_equal(fchmod(fd, 0640), 0);
	assert_int_equal(file_open_key(path, why), -1);
	assert_non_null(strstr(why, "chmod 600"));
	assert_int_equal(fchmod(fd, 0600), 0);
	(void)snprintf(link, sizeof(link), "%s.l", path);
	assert_int_equal(symlink(path, link), 0);
	assert_int_equal(file_open_key(link, why), -1);
	assert_int_equal(unlink(link), 0);
	assert_int_equal(ftruncate(fd, 31), 0);
	assert_int_equal(file_open_key(path, why), -1);
	assert_non_null(strstr(why, "32 bytes"));
	assert_int_equal(ftruncate(fd, 33), 0);
	assert_int_equal(file_open_key(path, why), -1);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(file_open_key(path, why), -1);
	assert_non_null(strstr(why, path));
	(void)close(fd);
}

static void
hostile_gates_are_bounded_and_one_is_kept(void **state)
{
	(void)state;
	assert_true(gates_admit(0, 0, 0));
	assert_true(gates_admit(62, 0, 0));
	assert_false(gates_admit(63, 0, 0));
	assert_true(gates_admit(63, 0, 1));
	assert_false(gates_admit(64, 0, 1));
	assert_true(gates_admit(31, 31, 0));
	assert_false(gates_admit(32, 32, 0));
	assert_true(gates_admit(40, 40, 1));
}

static void
rooms_sessions_leave_some_for_others_and_for_admins(void **state)
{
	(void)state;
	assert_true(sessions_admit(1064, 0, 0, 0));
	assert_true(sessions_admit(1064, 499, 499, 0));
	assert_false(sessions_admit(1064, 500, 500, 0));
	assert_true(sessions_admit(1064, 999, 499, 0));
	assert_false(sessions_admit(1064, 1000, 0, 0));
	assert_true(sessions_admit(1064, 1000, 0, 1));
	assert_true(sessions_admit(1064, 1063, 0, 1));
	assert_false(sessions_admit(1064, 1064, 0, 1));
	assert_true(sessions_admit(1064, 600, 531, 1));
	assert_false(sessions_admit(1064, 600, 532, 1));
}

static void
rooms_why_a_room_cannot_start_is_named(void **state)
{
	struct log_record rec = {LOG_CANNOT_START, {21, 11, 13}};
	char text[256];

	(void)state;
	say_format(&rec, text, sizeof(text));
	assert_string_equal(text,
	    "cannot start: step 21, input/output error, "
	    "errno 13 (Permission denied)");
	/* Whatever a room may write there. */
	rec =
	    (struct log_record){LOG_CANNOT_START, {1, 0x80000000U, UINT64_MAX}};
	say_format(&rec, text, sizeof(text));
	assert_non_null(strstr(text, "unknown error"));
	for (size_t size = 1; size < 80; size++) {
		memset(text, 'x', sizeof(text));
		say_format(&rec, text, size);
		assert_true(strlen(text) < size);
	}
}

static void
rooms_log_records_become_sentences(void **state)
{
	struct log_record rec = {LOG_TRAPPED, {SYS_openat, 0, 0}};
	char text[256];

	(void)state;
	say_format(&rec, text, sizeof(text));
	assert_string_equal(text, "the wall stopped system call openat");
	rec = (struct log_record){LOG_AUDIT_ERROR, {28, 1ULL << 63, 0}};
	say_format(&rec, text, sizeof(text));
	assert_string_equal(
	    text, "audit log: errno 28 at record 9223372036854775808");
	rec.code = LOG_CODES;
	say_format(&rec, text, sizeof(text));
	assert_non_null(strstr(text, "log code"));
	rec.code = UINT64_MAX;
	say_format(&rec, text, sizeof(text));
	rec.code = LOG_AUDIT_ERROR;
	for (size_t size = 1; size < 60; size++) {
		memset(text, 'x', sizeof(text));
		say_format(&rec, text, size);
		assert_true(strlen(text) < size);
	}
}

static void
rooms_keeper_pub_is_base64(void **state)
{
	uint8_t key[PUB_KEY];
	char text[PUB_BASE64];

	(void)state;
	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)(i * 37 + 200);
	pub_base64(key, text);
	assert_memory_equal(
	    text, "yO0SN1yBpsvwFTpfhKnO8xg9Yoes0fYbQGWKr9T5HkM=", PUB_BASE64);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(rooms_users_are_found_by_their_whole_name),
	    cmocka_unit_test(rooms_groups_by_name_or_number),
	    cmocka_unit_test(rooms_files_are_trusted_by_owner_and_mode),
	    cmocka_unit_test(keys_key_file_must_be_private_and_whole),
	    cmocka_unit_test(hostile_gates_are_bounded_and_one_is_kept),
	    cmocka_unit_test(
	        rooms_sessions_leave_some_for_others_and_for_admins),
	    cmocka_unit_test(rooms_why_a_room_cannot_start_is_named),
	    cmocka_unit_test(rooms_log_records_become_sentences),
	    cmocka_unit_test(rooms_keeper_pub_is_base64),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
