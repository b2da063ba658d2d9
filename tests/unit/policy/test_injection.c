/*
 * What injection.h and pattern.h promise.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "policy/injection.h"
#include "policy/pattern.h"

static void
hostile_injections_are_refused(void **state)
{
	static const char *const cases[] = {
	    "",
	    "header",
	    "header ",
	    "Header X: {secret}",
	    "cookie X: {secret}",
	    "header X",
	    "header X:",
	    "header X: ",
	    "header : {secret}",
	    "header X: key",
	    "header X: {secret}{secret}",
	    "header X: {secret",
	    "header X: secret}",
	    "header X: {}{secret}",
	    "header X: {Secret}{secret}",
	    "header X: {{secret}}",
	    "header X Y: {secret}",
	    "header X : {secret}",
	    "header X(: {secret}",
	    "header X\t: {secret}",
	    "header X: {secret}\r\nHost: evil",
	    "header X: {secret}\n",
	    "header X: \x01{secret}",
	    "header X: \xc3\xa4{secret}",
	    "header X: {secret} ",
	    "header Host: {secret}",
	    "header host: {secret}",
	    "header Content-Length: {secret}",
	    "header content_length: {secret}",
	    "header Transfer-Encoding: {secret}",
	    "header Connection: {secret}",
	    "header Cookie: {secret}",
	    "header Set-Cookie: {secret}",
	    "header TE: {secret}",
	    "header Upgrade: {secret}",
	    "header Expect: {secret}",
	    "header Proxy-Authorization: {secret}",
	    "header X-Forwarded-For: {secret}",
	    "header X-HTTP-Method-Override: {secret}",
	    "header Vaultd-Request: {secret}",
	    "header  X: {secret}",
	    "query ",
	    "query a b",
	    "query a=b",
	    "query a&b",
	    "query {secret}",
	    "query a%20",
	    "query a#",
	    "basic ",
	    "basic {secret}",
	    "basic a:b",
	    "basic {username",
	};
	struct injection inj = {.kind = 7};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *why = NULL;

		if (injection_parse(cases[i], strlen(cases[i]), &inj, &why) !=
		    VERR_FORMAT)
			fail_msg("accepted: %s", cases[i]);
		assert_non_null(why);
		assert_int_equal(inj.kind, 7);
	}
}

static void
hostile_injection_sizes_are_refused(void **state)
{
	char text[INJECTION_TEXT_MAX + 64];
	struct injection inj;
	const char *why;
	size_t n;

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, "header ", 7);
	memcpy(text + 7 + INJECTION_NAME_MAX, ": ", 2);
	memcpy(text + 9 + INJECTION_NAME_MAX, "{secret}", 8);
	n = 9 + INJECTION_NAME_MAX + INJECTION_TEMPLATE_MAX;
	assert_int_equal(injection_parse(text, n, &inj, &why), 0);
	assert_int_equal(strlen(inj.name), INJECTION_NAME_MAX);
	assert_int_equal(strlen(inj.template), INJECTION_TEMPLATE_MAX);
	assert_int_equal(injection_parse(text, n + 1, &inj, &why), VERR_FORMAT);
	memmove(text + 8, text + 7, n - 7);
	assert_int_equal(injection_parse(text, n, &inj, &why), VERR_FORMAT);
}

static void
catalog_injections_are_taken_apart(void **state)
{
	static const struct {
		const char *text;
		enum injection_kind kind;
		const char *name, *template;
	} cases[] = {
	    {"header Authorization: Bearer {secret}", INJECT_HEADER,
	        "Authorization", "Bearer {secret}"},
	    {"header X-Api-Key:{secret}", INJECT_HEADER, "X-Api-Key",
	        "{secret}"},
	    {"header X: a={username};b=\"{secret}\"", INJECT_HEADER, "X",
	        "a={username};b=\"{secret}\""},
	    {"query api_key", INJECT_QUERY, "api_key", "{secret}"},
	    {"query auth[key]", INJECT_QUERY, "auth[key]", "{secret}"},
	    {"basic {username}", INJECT_BASIC, "", "{username}"},
	    {"basic api", INJECT_BASIC, "", "api"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct injection inj;
		const char *why;

		assert_int_equal(injection_parse(cases[i].text,
		                     strlen(cases[i].text), &inj, &why),
		    0);
		assert_int_equal(inj.kind, cases[i].kind);
		assert_string_equal(inj.name, cases[i].name);
		assert_string_equal(inj.template, cases[i].template);
	}
}

static void
catalog_templates_are_read_piece_by_piece(void **state)
{
	static const struct {
		const char *text;
		bool is_name;
	} want[] = {
	    {"a ", false}, {"secret", true}, {"user-1", true}, {"b", false}};
	struct template_piece piece;
	size_t at = 0, n = 0;
	int r;

	(void)state;
	while ((r = template_next("a {secret}{user-1}b", &at, &piece)) == 1) {
		assert_int_equal(piece.is_name, want[n].is_name);
		assert_int_equal(piece.len, strlen(want[n].text));
		assert_memory_equal(piece.text, want[n].text, piece.len);
		n++;
	}
	assert_int_equal(r, 0);
	assert_int_equal(n, 4);
}

static void
hostile_patterns_are_refused(void **state)
{
	static const char *const cases[] = {"", "a*", "a+", "a?", "a|b", "(a)",
	    "^a", "a$", "[", "[]", "[a", "[^a]", "[z-a]", "a{", "a{}", "a{2",
	    "a{2,", "a{2,}", "a{3,2}", "a{0}", "a{0,0}", "a{,3}", "a{x}",
	    "a{1,99999}", "{2}", "}", "]", "\\", "a\n", "\xc3\xa4", "[\xc3]",
	    "a{1}{2}"};
	const char *why;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (pattern_check(cases[i], &why) != VERR_FORMAT)
			fail_msg("accepted: %s", cases[i]);
}

static void
catalog_patterns_match_whole_values(void **state)
{
	static const struct {
		const char *pattern, *value;
		bool want;
	} cases[] = {
	    {"abc", "abc", true},
	    {"abc", "abcd", false},
	    {"abc", "ab", false},
	    {"abc", "xabc", false},
	    {"[a-c]{2,3}", "ab", true},
	    {"[a-c]{2,3}", "abc", true},
	    {"[a-c]{2,3}", "a", false},
	    {"[a-c]{2,3}", "abca", false},
	    {"[a-c]{2,3}", "abd", false},
	    {"[a-z0-9_-]{1,9}", "a_-9", true},
	    {"[a-z0-9_-]{1,9}", "a.b", false},
	    {"[-a]{2}", "-a", true},
	    {"a\\.b", "a.b", true},
	    {"a\\.b", "axb", false},
	    {"a.b", "axb", true},
	    {"a.b", "a b", false},
	    {"a.b", "a\nb", false},
	    {"[\\]]", "]", true},
	    {"x{0,2}y", "y", true},
	    {"x{0,2}y", "xxy", true},
	    {"x{0,2}y", "xxxy", false},
	    {"[!-9;-~]{1,3}", "a:b", false},
	    {"[!-9;-~]{1,3}", "a9~", true},
	    {"[rs]k_[a-z]{4}_[A-Za-z0-9_]{3,9}", "sk_live_abc", true},
	    {"[rs]k_[a-z]{4}_[A-Za-z0-9_]{3,9}", "rk_test_a_Z", true},
	    {"[rs]k_[a-z]{4}_[A-Za-z0-9_]{3,9}", "pk_live_abc", false},
	    {".{1,3}", "\xc3\xa4", false},
	    {".{1,3}", "", false},
	};
	const char *why;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(pattern_check(cases[i].pattern, &why), 0);
		if (pattern_match(cases[i].pattern, cases[i].value,
		        strlen(cases[i].value)) != cases[i].want)
			fail_msg("%s %s", cases[i].pattern, cases[i].value);
	}
	assert_false(pattern_match("a.", "a\0", 2));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(hostile_injections_are_refused),
	    cmocka_unit_test(hostile_injection_sizes_are_refused),
	    cmocka_unit_test(catalog_injections_are_taken_apart),
	    cmocka_unit_test(catalog_templates_are_read_piece_by_piece),
	    cmocka_unit_test(hostile_patterns_are_refused),
	    cmocka_unit_test(catalog_patterns_match_whole_values),
	};

	return cmocka_run_group_tests_name(
	    "policy/injection", tests, NULL, NULL);
}
