/* The promises of vaultd/supervisor/config.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "vaultd/supervisor/config.h"

static int
parse(const char *text, struct config *c, struct lex_error *e)
{
	return config_parse("t.conf", "/etc/v", text, strlen(text), c, e);
}

static void
rooms_config_defaults(void **state)
{
	struct config c;
	struct lex_error e;

	(void)state;
	assert_int_equal(parse("", &c, &e), 0);
	assert_string_equal(c.socket_dir, "/run/vaultd");
	assert_string_equal(c.state_dir, "/var/lib/vaultd/state");
	assert_string_equal(c.key, "/etc/v/key");
	assert_string_equal(c.policy, "/etc/v/policy.conf");
	assert_string_equal(c.ca_bundle, "/etc/ssl/certs/ca-certificates.crt");
	assert_int_equal(c.socket_mode, 0660);
	assert_int_equal(c.room_uids[0], 64901);
	assert_int_equal(c.room_uids[5], 64906);
	assert_false(c.relaxed);
	assert_false(c.sync_every);
	assert_null(c.admin_group);
	assert_null(c.socket_group);
	config_free(&c);
}

static void
rooms_config_every_key(void **state)
{
	static const char text[] = "socket-dir .\n"
	                           "state-dir state\n"
	                           "key /k\n"
	                           "policy p/q.conf\n"
	                           "catalog a /b\n"
	                           "ca-bundle ca.pem\n"
	                           "sandbox relaxed\n"
	                           "room-uids 1 2 3 4 5 6\n"
	                           "admin-group admins\n"
	                           "socket-group vault\n"
	                           "socket-mode 0666\n"
	                           "audit { sync every }\n";
	struct config c;
	struct lex_error e;

	(void)state;
	assert_int_equal(parse(text, &c, &e), 0);
	assert_string_equal(c.socket_dir, "/etc/v");
	assert_string_equal(c.state_dir, "/etc/v/state");
	assert_string_equal(c.key, "/k");
	assert_string_equal(c.policy, "/etc/v/p/q.conf");
	assert_int_equal(c.ncatalogs, 2);
	assert_string_equal(c.catalogs[0], "/etc/v/a");
	assert_string_equal(c.catalogs[1], "/b");
	assert_string_equal(c.ca_bundle, "/etc/v/ca.pem");
	assert_true(c.relaxed);
	assert_int_equal(c.room_uids[4], 5);
	assert_string_equal(c.admin_group, "admins");
	assert_string_equal(c.socket_group, "vault");
	assert_int_equal(c.socket_mode, 0666);
	assert_true(c.sync_every);
	config_free(&c);
}

static void
rooms_config_mistakes_have_a_place(void **state)
{
	static const struct {
		const char *text;
		unsigned line, column;
	} bad[] = {
	    {"\n  no-such-key yes\n", 2, 3},
	    {"key a\nkey b\n", 2, 1},
	    {"key\n", 1, 1},
	    {"sandbox off\n", 1, 9},
	    {"socket-mode 0777\n", 1, 13},
	    {"socket-mode 668\n", 1, 13},
	    {"socket-mode 00660\n", 1, 13},
	    {"room-uids 1 2 3 4 5\n", 1, 1},
	    {"room-uids 1 2 3 4 5 5\n", 1, 21},
	    {"room-uids 0 2 3 4 5 6\n", 1, 11},
	    {"audit {\n sync never\n}\n", 2, 7},
	    {"audit {\n sink every\n}\n", 2, 2},
	    {"audit every\n", 1, 7},
	    {"audit {\n", 0, 0},
	};
	struct lex_error e;
	struct config c;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memset(&c, 0xa5, sizeof(c));
		memset(&e, 0, sizeof(e));
		assert_int_equal(parse(bad[i].text, &c, &e), VERR_FORMAT);
		/* Untouched on failure. */
		assert_int_equal(((uint8_t *)&c)[0], 0xa5);
		assert_string_equal(e.file, "t.conf");
		assert_true(e.message[0] != '\0');
		if (bad[i].line == 0)
			continue;
		assert_int_equal(e.line, bad[i].line);
		if (e.column != bad[i].column)
			fail_msg("%s: column %u", bad[i].text, e.column);
	}
}

static void
rooms_config_example_is_the_default(void **state)
{
	char text[8192];
	struct config c, d;
	struct lex_error e;
	FILE *f = fopen("packaging/vaultd.conf", "r");
	size_t n, out = 0;

	(void)state;
	assert_non_null(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	(void)fclose(f);
	assert_int_equal(parse(text, &c, &e), 0);
	assert_string_equal(c.key, "/etc/v/key");
	config_free(&c);
	/* Every key that it comments out is one, and shows the default. */
	for (size_t i = 0; i < n; i++) {
		int first =
		    i == 0 || text[i - 1] == '\n' || text[i - 1] == '\t';

		if (text[i] == '#' && first && text[i + 1] >= 'a' &&
		    text[i + 1] <= 'z')
			continue;
		text[out++] = text[i];
	}
	if (config_parse("t.conf", "/etc/v", text, out, &d, &e) != 0)
		fail_msg("%u: %s", e.line, e.message);
	assert_string_equal(d.socket_dir, "/run/vaultd");
	assert_string_equal(d.state_dir, "/var/lib/vaultd/state");
	assert_string_equal(d.policy, "/etc/v/policy.conf");
	assert_string_equal(d.ca_bundle, "/etc/ssl/certs/ca-certificates.crt");
	assert_int_equal(d.room_uids[5], 64906);
	assert_int_equal(d.socket_mode, 0660);
	assert_false(d.sync_every);
	assert_int_equal(d.ncatalogs, 1);
	assert_true(d.relaxed);
	config_free(&d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(rooms_config_defaults),
	    cmocka_unit_test(rooms_config_every_key),
	    cmocka_unit_test(rooms_config_mistakes_have_a_place),
	    cmocka_unit_test(rooms_config_example_is_the_default),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
