#include "tests/unit/keeper/world.h"
#include "vaultd/keeper/names.h"

static const char passwd[] = "root:x:0:0:root:/root:/bin/bash\n"
                             "# a comment\n"
                             "#gone:x:1000:1000:left out:/:/bin/sh\n"
                             "\n"
                             ":x:7:7:no name:/:/bin/sh\n"
                             "flow:x:1000:100:Flow:/home/flow:/bin/sh\n"
                             "other:x:1000:100:the same number:/:/bin/sh\n"
                             "flow:x:1001:100:the same name:/:/bin/sh\n"
                             "+nis::::::\n"
                             "short\n"
                             "short2:x\n"
                             "short3:x:9\n"
                             "word:x:nine:9::/:\n"
                             "minus:x:-1:9::/:\n"
                             "plus:x:+9:9::/:\n"
                             "space:x: 9:9::/:\n"
                             "tail:x:9z:9::/:\n"
                             "big:x:4294967296:9::/:\n"
                             "huge:x:99999999999999999999999999:9::/:\n"
                             "nogid:x:9:::/:\n"
                             "most:x:4294967295:9::/:\n"
                             "  indented:x:55:56::/:\n"
                             "last:x:77:78::/:/bin/sh"; /* no newline */

static const char group[] = "root:x:0:\n"
                            "admins:x:10:alice,flow\n"
                            "workers:x:11:flow\n"
                            "flower:x:12:flower,xflow,flo\n"
                            "commas:x:13:,,flow,\n"
                            "spaced:x:14: flow\n"
                            "nobody:x:15\n"
                            "bad:x:z:flow\n"
                            "users:x:100:\n";

static struct names *names;

static int
setup(void **state)
{
	(void)state;
	return names_new(slice_str(passwd), slice_str(group), &names);
}

static int
teardown(void **state)
{
	(void)state;
	names_free(names);
	names_free(NULL);
	return 0;
}

static uint32_t
user(const char *name)
{
	struct policy_names ask = names_for_policy(names);
	uint32_t id = 777777;

	if (!ask.user(ask.ctx, name, &id))
		assert_int_equal(id, 777777);
	return id;
}

static void
policy_names_odd_lines_are_passed_over(void **state)
{
	static const char *const none[] = {"", "#", "# a comment", "#gone",
	    "+nis", "short", "short2", "short3", "word", "minus", "plus",
	    "space", "tail", "big", "huge", "nogid", "x", "Root", "root ",
	    "root:x", "/root", "Flow", "bad"};

	(void)state;
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		assert_int_equal(user(none[i]), 777777);
	assert_int_equal(user("root"), 0);
	assert_int_equal(user("last"), 77);
	assert_int_equal(user("most"), UINT32_MAX);
	assert_int_equal(user("indented"), 55);
}

/* As libc: the first line that fits. */
static void
policy_names_first_line_wins(void **state)
{
	(void)state;
	assert_int_equal(user("flow"), 1000);
	assert_string_equal(names_user(names, 1000), "flow");
	assert_int_equal(user("other"), 1000);
	assert_string_equal(names_user(names, 1001), "flow");
	assert_string_equal(names_user(names, 7), "");
	assert_string_equal(names_user(names, 9), "");
	assert_string_equal(names_group(names, 10), "admins");
	assert_string_equal(names_group(names, 9), "");
}

static void
policy_names_groups(void **state)
{
	struct policy_names ask = names_for_policy(names);
	uint32_t id = 0, uid = 0, gid = 0, groups[8] = {0};
	size_t n = 77;

	(void)state;
	assert_true(ask.group(ask.ctx, "admins", &id) && id == 10);
	assert_true(ask.group(ask.ctx, "nobody", &id) && id == 15);
	assert_false(ask.group(ask.ctx, "bad", &id));
	assert_false(ask.group(ask.ctx, "flow", &id));

	assert_int_equal(
	    names_principal(names, "flow", &uid, &gid, groups, 8, &n), 0);
	assert_true(uid == 1000 && gid == 100);
	assert_int_equal(n, 3);
	assert_true(groups[0] == 10 && groups[1] == 11 && groups[2] == 13);
	/* Never more than there is room for. */
	memset(groups, 0, sizeof(groups));
	assert_int_equal(
	    names_principal(names, "flow", &uid, &gid, groups, 2, &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(groups[2], 0);
	assert_int_equal(
	    names_principal(names, "root", &uid, &gid, groups, 8, &n), 0);
	assert_true(uid == 0 && gid == 0 && n == 0);
	n = 77;
	assert_int_equal(
	    names_principal(names, "alice", &uid, &gid, groups, 8, &n),
	    VERR_NOTFOUND);
	assert_int_equal(n, 77);
}

static void
hostile_names_any_cut_and_no_text(void **state)
{
	struct names *n;

	(void)state;
	for (size_t cut = 0; cut < sizeof(passwd); cut++) {
		assert_int_equal(names_new(slice_of(passwd, cut),
		                     slice_of(group, cut % sizeof(group)), &n),
		    0);
		(void)names_user(n, 1000);
		names_free(n);
	}
	/* A NUL ends the text; it is in no name. */
	assert_int_equal(names_new(slice_of("a:x:1:1\n\0b:x:2:2\n", 17),
	                     slice_of("", 0), &n),
	    0);
	assert_string_equal(names_user(n, 1), "a");
	assert_string_equal(names_user(n, 2), "");
	names_free(n);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(policy_names_odd_lines_are_passed_over),
	    T(policy_names_first_line_wins),
	    T(policy_names_groups),
	    T(hostile_names_any_cut_and_no_text),
	};

	return cmocka_run_group_tests_name("names", tests, NULL, NULL);
}
