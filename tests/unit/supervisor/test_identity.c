/* The promises of vaultd/supervisor/identity.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vaultd/supervisor/identity.h"

static void
rooms_class_tells_all_apart_that_a_policy_can(void **state)
{
	static const struct identity base = {.uid = 1,
	    .gid = 2,
	    .pid = 3,
	    .known = KNOWN_GROUPS | KNOWN_CGROUP | KNOWN_LABEL,
	    .groups = {4, 5},
	    .ngroups = 2,
	    .cgroup = "/a",
	    .label = "b"};
	static struct identity other[12];
	static uint8_t x[CLASS_MAX], y[CLASS_MAX];
	size_t n = 0, len;

	(void)state;
	for (size_t i = 0; i < 12; i++)
		other[i] = base;
	other[n++].uid = 9;
	other[n++].gid = 9;
	other[n++].groups[0] = 3;
	other[n++].groups[1] = 6;
	other[n++].ngroups = 1;
	other[n++].ngroups = 0;
	other[n++].cgroup[1] = 'c';
	other[n++].label[0] = 'c';
	other[n++].known = KNOWN_GROUPS | KNOWN_CGROUP;
	other[n++].known = KNOWN_CGROUP | KNOWN_LABEL;
	/* A byte more here and one less there is not the same. */
	memcpy(other[n].cgroup, "/ab", 4);
	other[n++].label[0] = '\0';
	other[n].cgroup[1] = '\0';
	memcpy(other[n++].label, "ab", 3);
	len = identity_class(&base, x);
	for (size_t i = 0; i < n; i++) {
		size_t l = identity_class(&other[i], y);

		if (l == len && memcmp(x, y, l) == 0)
			fail_msg("class %zu is the same", i);
	}
}

static void
rooms_class_is_shared_by_processes_of_a_kind(void **state)
{
	struct identity a = {.uid = 1, .gid = 2, .pid = 3}, b = a;
	static uint8_t x[CLASS_MAX], y[CLASS_MAX];
	size_t n;

	(void)state;
	b.pid = 4;
	b.loginuid = 5;
	b.known = KNOWN_LOGINUID;
	n = identity_class(&a, x);
	assert_int_equal(identity_class(&b, y), n);
	assert_memory_equal(x, y, n);
}

static void
rooms_class_of_the_largest_identity_fits(void **state)
{
	static struct identity id = {.ngroups = IDENTITY_GROUPS};
	static uint8_t x[CLASS_MAX + 1];

	(void)state;
	memset(id.cgroup, 'c', IDENTITY_CGROUP_MAX);
	memset(id.label, 'l', IDENTITY_LABEL_MAX);
	x[CLASS_MAX] = 0x5a;
	assert_int_equal(identity_class(&id, x), CLASS_MAX);
	assert_int_equal(x[CLASS_MAX], 0x5a);
}

static void
rooms_cgroup_is_the_unified_one(void **state)
{
	static const struct {
		const char *text, *path;
	} table[] = {
	    {"0::/\n", "/"},
	    {"0::/system.slice/a.service\n", "/system.slice/a.service"},
	    {"9:name=systemd:/x\n1:cpu:/y\n0::/z\n", "/z"},
	    {"", NULL},
	    {"1:cpu:/y\n", NULL},
	    {"10::/x\n", NULL},
	    {"0:cpu:/x\n", NULL},
	    {"0::x\n", NULL},
	    {"0::/cut off", NULL},
	    {"0::/a\x01"
	     "b\n",
	        NULL},
	    {"0::/a\x7f\n", NULL},
	};
	char path[IDENTITY_CGROUP_MAX + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const char *text = table[i].text;
		int r = identity_cgroup(text, strlen(text), path);

		assert_int_equal(r, table[i].path == NULL ? VERR_NOTFOUND : 0);
		if (r == 0)
			assert_string_equal(path, table[i].path);
	}
	assert_int_equal(identity_cgroup("0::/a\0b\n", 8, path), VERR_NOTFOUND);
}

static void
hostile_cgroup_too_long_is_not_known(void **state)
{
	static char text[IDENTITY_CGROUP_MAX + 16] = "0::";
	char path[IDENTITY_CGROUP_MAX + 1];
	size_t n = 3 + IDENTITY_CGROUP_MAX;

	(void)state;
	memset(text + 3, '/', IDENTITY_CGROUP_MAX + 1);
	text[n] = '\n';
	assert_int_equal(identity_cgroup(text, n + 1, path), 0);
	text[n] = '/';
	text[n + 1] = '\n';
	assert_int_equal(identity_cgroup(text, n + 2, path), VERR_NOTFOUND);
}

static void
rooms_groups_are_sorted(void **state)
{
	uint32_t v[] = {5, 1, UINT32_MAX, 3, 3, 0};
	static const uint32_t w[] = {0, 1, 3, 3, 5, UINT32_MAX};

	(void)state;
	identity_sort(v, 6);
	assert_memory_equal(v, w, sizeof(w));
	identity_sort(v, 0);
}

static void
rooms_admin_is_root_or_of_the_group(void **state)
{
	struct identity id = {
	    .uid = 7, .gid = 8, .groups = {9, 10}, .ngroups = 2};

	(void)state;
	assert_false(identity_is_admin(&id, -1));
	assert_false(identity_is_admin(&id, 7));
	assert_true(identity_is_admin(&id, 8));
	assert_true(identity_is_admin(&id, 10));
	id.ngroups = 1;
	assert_false(identity_is_admin(&id, 10));
	id.uid = 0;
	assert_true(identity_is_admin(&id, -1));
}

static void
hostile_overflow_uid_is_known(void **state)
{
	(void)state;
	identity_init();
	assert_true(identity_is_overflow(65534));
	assert_false(identity_is_overflow(0));
	assert_false(identity_is_overflow(60001));
}

static void
rooms_identity_of_this_process(void **state)
{
	struct identity id;
	int pair[2], pidfd;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(identity_of(pair[0], &id, &pidfd), 0);
	assert_int_equal(id.uid, geteuid());
	assert_int_equal(id.gid, getegid());
	assert_int_equal(id.pid, getpid());
	assert_true(id.known & KNOWN_GROUPS);
	if (pidfd >= 0) {
		assert_true(id.known & KNOWN_CGROUP);
		assert_int_equal(id.cgroup[0], '/');
		(void)close(pidfd);
	} else {
		assert_false(id.known & KNOWN_CGROUP);
	}
	(void)close(pair[0]);
	(void)close(pair[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(rooms_class_tells_all_apart_that_a_policy_can),
	    cmocka_unit_test(rooms_class_is_shared_by_processes_of_a_kind),
	    cmocka_unit_test(rooms_class_of_the_largest_identity_fits),
	    cmocka_unit_test(rooms_cgroup_is_the_unified_one),
	    cmocka_unit_test(hostile_cgroup_too_long_is_not_known),
	    cmocka_unit_test(rooms_groups_are_sorted),
	    cmocka_unit_test(rooms_admin_is_root_or_of_the_group),
	    cmocka_unit_test(hostile_overflow_uid_is_known),
	    cmocka_unit_test(rooms_identity_of_this_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
