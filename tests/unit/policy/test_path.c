/*
 * What path.h and glob.h promise.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "policy/glob.h"
#include "policy/path.h"

static int
normalise(const char *target, char *out, size_t *path_len)
{
	const char *why = NULL;
	size_t len = 0;
	int r;

	r = path_normalise(target, strlen(target), out, &len, path_len, &why);
	if (r == 0)
		assert_int_equal(len, strlen(out));
	else
		assert_non_null(why);
	return r;
}

static void
hostile_paths_are_refused(void **state)
{
	static const char *const cases[] = {
	    "",
	    "v1",
	    "*",
	    "api.test:443",
	    "https://api.test/v1",
	    "?a=b",
	    "//",
	    "//evil",
	    "/a//b",
	    "/a/b//",
	    "/.",
	    "/..",
	    "/a/../b",
	    "/a/./b",
	    "/a/..",
	    "/a/.",
	    "/%2e%2e/a",
	    "/%2E%2e",
	    "/.%2e/a",
	    "/a/..;/b",
	    "/a/..;x=y",
	    "/a/.;",
	    "/a/;/b",
	    "/a/;x",
	    "/a/..%3b/b",
	    "/a/%2e%2e%3Bx/b",
	    "/a%2fb",
	    "/a%2Fb",
	    "/a%5cb",
	    "/a\\b",
	    "/a%00",
	    "/a%0a",
	    "/a%0D%0Ab",
	    "/a%7f",
	    "/a%C2%80",
	    "/%252e%252e/a",
	    "/a%252fb",
	    "/a%25%32%66b",
	    "/a%",
	    "/a%4",
	    "/a%4g",
	    "/a%%41",
	    "/a%u0041",
	    "/a b",
	    "/a\tb",
	    "/a\r\nHost: x",
	    "/a\x7f",
	    "/a\xc3\xa4",
	    "/a#b",
	    "/a?b#c",
	    "/a\"b",
	    "/a<b>",
	    "/a[b]",
	    "/a|b",
	    "/a^b",
	    "/a`b",
	    "/a{b}",
	    "/%c0%af",
	    "/%c0%ae%c0%ae/",
	    "/%e0%80%af",
	    "/%ed%a0%80",
	    "/%f5%80%80%80",
	    "/%ff",
	    "/%c3",
	    "/%c3a",
	    "/%c3/%a4",
	    "/%a4",
	    "/a?b=%",
	    "/a?b=%zz",
	    "/a?b=%00",
	    "/a?b=%ff",
	    "/a?b=c d",
	    "/a?b=c\\d",
	    "/a?b=\xc3\xa4",
	    "/a?b=c\nd",
	    "/a?b=%c3?%a4",
	};
	char out[PATH_TARGET_MAX + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t path_len = 4711;

		if (normalise(cases[i], out, &path_len) != VERR_FORMAT)
			fail_msg("accepted: %s", cases[i]);
		assert_int_equal(path_len, 4711);
	}
}

static void
policy_paths_have_one_form(void **state)
{
	static const struct {
		const char *in, *out;
		size_t path_len;
	} cases[] = {
	    {"/", "/", 1},
	    {"/a/b/", "/a/b/", 5},
	    {"/a/...", "/a/...", 6},
	    {"/a/..b/.c", "/a/..b/.c", 9},
	    {"/%41%7e%2Dz", "/A~-z", 5},
	    {"/a%3ab%c3%a4", "/a%3Ab%C3%A4", 12},
	    {"/a%2d%20", "/a-%20", 6},
	    {"/a;b=c", "/a;b=c", 6},
	    {"/x('id')/$value", "/x('id')/$value", 15},
	    {"/100%25", "/100%25", 7},
	    {"/a%25zz", "/a%25zz", 7},
	    {"/a?", "/a?", 2},
	    {"/a?b=%2f%5C&c=/../", "/a?b=%2F%5C&c=/../", 2},
	    {"/a?b[]=%0a%41?", "/a?b[]=%0AA?", 2},
	    {"/a?x=%2541", "/a?x=%2541", 2},
	};
	char out[PATH_TARGET_MAX + 1], again[PATH_TARGET_MAX + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t path_len, path_len_again;

		assert_int_equal(normalise(cases[i].in, out, &path_len), 0);
		assert_string_equal(out, cases[i].out);
		assert_int_equal(path_len, cases[i].path_len);
		assert_int_equal(normalise(out, again, &path_len_again), 0);
		assert_string_equal(again, out);
		assert_int_equal(path_len_again, path_len);
	}
}

static void
hostile_path_length_is_bounded(void **state)
{
	char in[PATH_TARGET_MAX + 2], out[PATH_TARGET_MAX + 1];
	size_t path_len;

	(void)state;
	memset(in, 'a', sizeof(in));
	in[0] = '/';
	in[PATH_TARGET_MAX] = '\0';
	assert_int_equal(normalise(in, out, &path_len), 0);
	assert_int_equal(path_len, PATH_TARGET_MAX);
	in[PATH_TARGET_MAX] = 'a';
	in[PATH_TARGET_MAX + 1] = '\0';
	assert_int_equal(normalise(in, out, &path_len), VERR_TOOBIG);
}

static void
audit_query_values_are_elided(void **state)
{
	static const struct {
		const char *in, *out;
		size_t size;
	} cases[] = {
	    {"/a", "/a", 64},
	    {"/a?", "/a?", 64},
	    {"/a?b=secret", "/a?b=...", 64},
	    {"/a?b=s&c[]=t=u&d=", "/a?b=...&c[]=...&d=...", 64},
	    {"/a?secret", "/a?...", 64},
	    {"/a?secret&b=c&", "/a?...&b=...&", 64},
	    {"/a?&&=s", "/a?&&=...", 64},
	    {"/a?bcdef=g", "/a?bc", 6},
	    {"/abcdef", "", 1},
	};
	char out[64];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		path_elide(cases[i].in, strlen(cases[i].in),
		    strcspn(cases[i].in, "?"), out, cases[i].size);
		assert_string_equal(out, cases[i].out);
	}
}

static void
hostile_methods_are_refused(void **state)
{
	static const char *const no[] = {"get", "Get", "TRACE", "TRACK",
	    "CONNECT", "PRI", "GET ", " GET", "", "GE", "GETT", "GET\r\n",
	    "FOO"};
	static const char *const yes[] = {
	    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};

	(void)state;
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		assert_null(path_method(no[i], strlen(no[i])));
	assert_null(path_method("GET\0", 4));
	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
		assert_string_equal(
		    path_method(yes[i], strlen(yes[i])), yes[i]);
}

static struct glob *
compile(const char *pattern, enum glob_kind kind)
{
	struct glob *glob = NULL;
	const char *why;

	if (glob_new(pattern, kind, &glob, &why) != 0)
		fail_msg("%s: %s", pattern, why);
	return glob;
}

static void
policy_stars_respect_segments(void **state)
{
	static const struct {
		const char *pattern, *path;
		bool want;
	} cases[] = {
	    {"/a", "/a", true},
	    {"/a", "/a/", false},
	    {"/a", "/A", false},
	    {"/a", "/ab", false},
	    {"/a/*", "/a/b", true},
	    {"/a/*", "/a/", true},
	    {"/a/*", "/a", false},
	    {"/a/*", "/a/b/c", false},
	    {"/a/*/c", "/a/b/c", true},
	    {"/a/*/c", "/a/b/b/c", false},
	    {"/a/**", "/a/", true},
	    {"/a/**", "/a/b/c", true},
	    {"/a/**", "/a", false},
	    {"/a/**/c", "/a/b/b/c", true},
	    {"/a/**/c", "/a/b/b/d", false},
	    {"/**", "/", true},
	    {"/*", "/a/b", false},
	    {"/*.json", "/shop.json", true},
	    {"/*.json", "/shop.jsonx", false},
	    {"/a*b*c", "/aXbYbZc", true},
	    {"/a*b*c", "/aXb/c", false},
	    {"/**/x*y", "/a/b/xx/xaay", true},
	    {"/**a*b", "/ca/ab", true},
	    {"/**a*b", "/ca/b", false},
	    {"/a%2A", "/a%2A", true},
	    {"/a%2A", "/abc", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct glob *glob = compile(cases[i].pattern, GLOB_PATH);

		if (glob_match(glob, cases[i].path, strlen(cases[i].path)) !=
		    cases[i].want)
			fail_msg("%s %s", cases[i].pattern, cases[i].path);
		assert_int_equal(
		    glob_literal(glob), strchr(cases[i].pattern, '*') == NULL);
		glob_free(glob);
	}
}

/* What a deny or a guard is about cannot be reached by another spelling. */
static void
hostile_spellings_do_not_slip_past_a_folded_pattern(void **state)
{
	static const struct {
		const char *pattern, *path;
		bool want;
	} cases[] = {
	    {"/v1/keys", "/v1/keys", true},
	    {"/v1/keys", "/V1/KEYS", true},
	    {"/v1/keys", "/v1/keys/", true},
	    {"/v1/keys", "/v1/keys;x=1", true},
	    {"/v1/keys", "/v1;a/keys;b/", true},
	    {"/v1/keys", "/v1/keys%3Bx", true},
	    {"/v1/keys", "/v1/keys/a", false},
	    {"/v1/keys", "/v1/keysa", false},
	    {"/v1/keys/", "/v1/keys", true},
	    {"/v1/Keys", "/v1/keys", true},
	    {"/v1/a!b", "/v1/a%21b", true},
	    {"/v1/a%21b", "/v1/a!b", true},
	    {"/v1/*", "/v1/", true},
	    {"/v1/*", "/v1", false},
	    {"/v1/*/x", "/v1/b;x/X", true},
	    {"/v1/*x", "/v1/b;x", true},
	    {"/v1/a%2Ab", "/v1/a*b", true},
	    {"/v1/a%2Ab", "/v1/acb", false},
	    {"/v1/**", "/v1/a/b;c/", true},
	    {"/", "/", true},
	};
	static struct path_folded folded;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct glob *glob = compile(cases[i].pattern, GLOB_FOLDED);

		path_fold(cases[i].path, strlen(cases[i].path), &folded);
		if (glob_match_folded(glob, &folded) != cases[i].want)
			fail_msg("%s %s", cases[i].pattern, cases[i].path);
		glob_free(glob);
	}
}

static void
policy_bad_patterns_are_refused(void **state)
{
	static const struct {
		const char *pattern;
		enum glob_kind kind;
	} cases[] = {
	    {"a", GLOB_PATH},
	    {"", GLOB_PATH},
	    {"**", GLOB_PATH},
	    {"*/a", GLOB_PATH},
	    {"/a/../b", GLOB_PATH},
	    {"/a//b", GLOB_PATH},
	    {"/a?b", GLOB_PATH},
	    {"/a?", GLOB_PATH},
	    {"/%41", GLOB_PATH},
	    {"/a%3ab", GLOB_PATH},
	    {"/***", GLOB_PATH},
	    {"/a/***/b", GLOB_FOLDED},
	    {"/a b", GLOB_PATH},
	    {"/[ab]", GLOB_PATH},
	    {"", GLOB_PROFILE},
	    {"*", GLOB_PROFILE},
	    {"acme", GLOB_PROFILE},
	    {"acme/", GLOB_PROFILE},
	    {"/shop", GLOB_PROFILE},
	    {"a/b/c", GLOB_PROFILE},
	    {"Acme/shop", GLOB_PROFILE},
	    {"acme/sh?p", GLOB_PROFILE},
	    {"acme/***", GLOB_PROFILE},
	    {"acme/sh_p", GLOB_PROFILE},
	};
	char longest[GLOB_MAX + 2];
	struct glob *glob = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *why = NULL;

		if (glob_new(cases[i].pattern, cases[i].kind, &glob, &why) !=
		    VERR_FORMAT)
			fail_msg("accepted: %s", cases[i].pattern);
		assert_non_null(why);
		assert_null(glob);
	}
	memset(longest, 'a', sizeof(longest));
	longest[0] = '/';
	longest[GLOB_MAX] = '\0';
	glob_free(compile(longest, GLOB_PATH));
	memset(longest, 'a', GLOB_MAX + 1);
	longest[0] = '/';
	longest[GLOB_MAX + 1] = '\0';
	{
		const char *why;

		assert_int_equal(
		    glob_new(longest, GLOB_PATH, &glob, &why), VERR_FORMAT);
	}
}

/* No pattern and no path make matching explode. */
static void
hostile_stars_take_no_time(void **state)
{
	static char path[PATH_TARGET_MAX];
	struct glob *glob =
	    compile("/**a*a*a*a**a*a*a*a**a*a*a*a**a*a*ab", GLOB_PATH);
	clock_t begin = clock();

	(void)state;
	memset(path, 'a', sizeof(path));
	path[0] = '/';
	assert_false(glob_match(glob, path, sizeof(path)));
	assert_true(clock() - begin < CLOCKS_PER_SEC);
	glob_free(glob);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(hostile_paths_are_refused),
	    cmocka_unit_test(policy_paths_have_one_form),
	    cmocka_unit_test(hostile_path_length_is_bounded),
	    cmocka_unit_test(audit_query_values_are_elided),
	    cmocka_unit_test(hostile_methods_are_refused),
	    cmocka_unit_test(policy_stars_respect_segments),
	    cmocka_unit_test(
	        hostile_spellings_do_not_slip_past_a_folded_pattern),
	    cmocka_unit_test(policy_bad_patterns_are_refused),
	    cmocka_unit_test(hostile_stars_take_no_time),
	};

	return cmocka_run_group_tests_name("policy/path", tests, NULL, NULL);
}
