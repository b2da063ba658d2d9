/*
 * What lex.h promises.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/lex.h"

/* Read all of "text" into "out" as [word|"word"]{ } tokens, or fail. */
static int
dump(
    const char *text, size_t len, char *out, size_t size, struct lex_error *err)
{
	struct lex_statement s;
	struct lex *lex;
	size_t n = 0;
	int r;

	out[0] = '\0';
	r = lex_new("t.conf", text, len, &lex, err);
	if (r != 0)
		return r;
	while ((r = lex_next(lex, &s, err)) == 0 && s.kind != LEX_END) {
		for (size_t i = 0; i < s.count; i++)
			n += (size_t)snprintf(out + n, size - n,
			    s.words[i].quoted ? "<%s> " : "%s ",
			    s.words[i].text);
		n += (size_t)snprintf(out + n, size - n, "%s",
		    s.kind == LEX_CLOSE ? "}"
		        : s.opens       ? "{"
		                        : ";");
	}
	lex_free(lex);
	return r;
}

static void
policy_text_becomes_statements(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
	    {"", ""},
	    {" \n\t\n;;\n# x\n", ""},
	    {"a", "a ;"},
	    {"a b # c\nd", "a b ;d ;"},
	    {"a b; c", "a b ;c ;"},
	    {"a, b,c", "a b c ;"},
	    {"a { b c }", "a {b c ;}"},
	    {"a{b}", "a {b ;}"},
	    {"a {\n}\n", "a {}"},
	    {"a { b { c } } d", "a {b {c ;}}d ;"},
	    {"k \"\" \"x y\" \"a\\\"b\\\\\"", "k <> <x y> <a\"b\\> ;"},
	    {"k \"{}#,;\"", "k <{}#,;> ;"},
	    {"k \"\xc3\xa4\" # \xe2\x82\xac\n", "k <\xc3\xa4> ;"},
	    {"p /a/**;q /b", "p /a/** ;q /b ;"},
	};
	struct lex_error err;
	char out[256];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(dump(cases[i].text, strlen(cases[i].text), out,
		                     sizeof(out), &err),
		    0);
		assert_string_equal(out, cases[i].want);
	}
}

static void
hostile_text_is_refused_where_it_stands(void **state)
{
	static const struct {
		const char *text;
		unsigned line, column;
		const char *message; /* part of it */
	} cases[] = {
	    {"a\x01", 1, 2, "control"},
	    {"a\n b\x7f", 2, 3, "control"},
	    {"a\r\n", 1, 2, "carriage return"},
	    {"# \x1b[2J", 1, 3, "control"},
	    {"# \xc2\x9b", 1, 3, "control"},
	    {"a \xff", 1, 3, "UTF-8"},
	    {"# \xc0\xaf", 1, 3, "UTF-8"},
	    {"# \xe0\x80\xaf", 1, 3, "UTF-8"},
	    {"# \xed\xa0\x80", 1, 3, "UTF-8"},
	    {"# \xf5\x80\x80\x80", 1, 3, "UTF-8"},
	    {"# \xe2\x82", 1, 3, "UTF-8"},
	    {"# \xe2\x80\xae", 1, 3, "direction"},
	    {"\xef\xbb\xbf"
	     "a",
	        1, 1, "invisible"},
	    {"a\xc3\xa4", 1, 2, "quotes"},
	    {"\xc3\xa4 b", 1, 1, "quotes"},
	    {"a b\"c\"", 1, 4, "quotes"},
	    {"a b\\c", 1, 4, "quotes"},
	    {"a b#c", 1, 4, "quotes"},
	    {"a \"b", 1, 3, "not closed"},
	    {"a \"b\nc\"", 1, 3, "not closed"},
	    {"a \"\\n\"", 1, 5, "after '\\'"},
	    {"a \"\\", 1, 5, "after '\\'"},
	    {"a \"b\"c", 1, 6, "blank is missing"},
	    {"a \"b\"\"c\"", 1, 6, "blank is missing"},
	    {",a", 1, 1, "comma"},
	    {"a,,b", 1, 2, "comma"},
	    {"a b,\nc", 1, 4, "comma"},
	    {"a,{", 1, 2, "comma"},
	    {"{", 1, 1, "name"},
	    {"a\n{", 2, 1, "name"},
	    {"}", 1, 1, "no block"},
	    {"a { }\n}", 2, 1, "no block"},
	    {"a {\n b {\n }\n", 1, 3, "not closed"},
	    {"a{a{a{a{a{a{a{a{a{", 1, 18, "deeply"},
	};
	struct lex_error err;
	char out[256];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(dump(cases[i].text, strlen(cases[i].text), out,
		                     sizeof(out), &err),
		    VERR_FORMAT);
		assert_string_equal(err.file, "t.conf");
		assert_int_equal(err.line, cases[i].line);
		assert_int_equal(err.column, cases[i].column);
		assert_non_null(strstr(err.message, cases[i].message));
	}
	assert_int_equal(dump("a\0b", 3, out, sizeof(out), &err), VERR_FORMAT);
}

static void
hostile_sizes_are_refused(void **state)
{
	char *text = malloc(LEX_TEXT_MAX + 1);
	struct lex_error err;
	char out[16];

	(void)state;
	memset(text, ' ', LEX_TEXT_MAX + 1);
	assert_int_equal(dump(text, LEX_TEXT_MAX, out, sizeof(out), &err), 0);
	assert_int_equal(
	    dump(text, LEX_TEXT_MAX + 1, out, sizeof(out), &err), VERR_TOOBIG);
	assert_non_null(strstr(err.message, "longer"));
	memset(text, 'a', LEX_WORD_MAX + 1);
	assert_int_equal(
	    dump(text, LEX_WORD_MAX + 1, out, sizeof(out), &err), VERR_FORMAT);
	assert_int_equal(err.column, 1);
	for (size_t i = 0; i <= LEX_WORDS_MAX; i++)
		memcpy(text + 2 * i, "a ", 2);
	assert_int_equal(
	    dump(text, (LEX_WORDS_MAX + 1) * 2, out, sizeof(out), &err),
	    VERR_FORMAT);
	assert_int_equal(err.column, LEX_WORDS_MAX * 2 + 1);
	free(text);
}

static void
policy_error_is_printed_with_a_caret(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
	    {"a\n\tb \xe2\x82\xac x",
	        "t.conf:2:4: a word that holds this must "
	        "be in quotes\n  \tb \xe2\x82\xac x\n"
	        "  \t  ^"},
	    {"k \"\xc3\xa4\"x",
	        "t.conf:1:6: a blank is missing after the "
	        "quote\n  k \"\xc3\xa4\"x\n       ^"},
	    {"k \x1b[31m",
	        "t.conf:1:3: control character\n  k ?[31m\n"
	        "    ^"},
	    {"ab \xff", "t.conf:1:4: not UTF-8\n  ab ?\n     ^"},
	};
	struct lex_error err;
	char out[LEX_FORMAT_MAX], words[64];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(dump(cases[i].text, strlen(cases[i].text),
		                     words, sizeof(words), &err),
		    VERR_FORMAT);
		lex_format(&err, out, sizeof(out));
		assert_string_equal(out, cases[i].want);
	}
}

/* The caret stands under the character even in the middle of a long line. */
static void
policy_error_shows_the_middle_of_a_long_line(void **state)
{
	char text[1000], out[LEX_FORMAT_MAX], words[2048];
	const char *source, *caret;
	struct lex_error err;

	(void)state;
	for (size_t i = 0; i < sizeof(text); i += 2)
		memcpy(text + i, "a ", 2);
	text[400] = '\\';
	assert_int_equal(
	    dump(text, 900, words, sizeof(words), &err), VERR_FORMAT);
	assert_int_equal(err.column, 401);
	lex_format(&err, out, sizeof(out));
	source = strchr(out, '\n') + 1;
	caret = strchr(source, '\n') + 1;
	assert_int_equal(source[strlen(caret) - 1], '\\');
}

static void
policy_words_outlive_their_statement(void **state)
{
	struct lex_statement s;
	struct lex_error err;
	struct lex_word first;
	struct lex *lex;

	(void)state;
	assert_int_equal(lex_new("t", "one\ntwo", 7, &lex, &err), 0);
	assert_int_equal(lex_next(lex, &s, &err), 0);
	first = s.words[0];
	assert_int_equal(lex_next(lex, &s, &err), 0);
	assert_string_equal(first.text, "one");
	assert_int_equal(s.words[0].line, 2);
	assert_int_equal(lex_next(lex, &s, &err), 0);
	assert_int_equal(s.kind, LEX_END);
	assert_int_equal(lex_next(lex, &s, &err), 0);
	assert_int_equal(s.kind, LEX_END);
	assert_int_equal(lex_fail(lex, &first, &err, "no %d", 7), VERR_FORMAT);
	assert_string_equal(err.message, "no 7");
	assert_string_equal(err.source, "one");
	lex_free(lex);
	lex_free(NULL);
}

static void
policy_keys_are_checked_by_their_table(void **state)
{
	static const struct lex_key keys[] = {
	    {"one", 1, 1, 0},
	    {"many", 1, 0xff, LEX_REPEAT},
	    {"flag", 0, 0, 0},
	    {"block", 0, 0, LEX_BLOCK},
	};
	static const struct {
		const char *text;
		const char *message; /* NULL: accepted */
	} cases[] = {
	    {"one 1; many 1 2 3; many 4; flag; block { }", NULL},
	    {"two", "unknown key"},
	    {"\"one\" 1", "unknown key"},
	    {"one 1\none 2", "twice"},
	    {"one", "needs 1 value"},
	    {"many", "at least 1"},
	    {"one 1 2", "too many"},
	    {"flag 1", "too many"},
	    {"one 1 { }", "opens no block"},
	    {"block", "needs a block"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct lex_statement s;
		struct lex_error err;
		struct lex *lex;
		uint64_t seen = 0;
		size_t key;
		int r;

		assert_int_equal(lex_new("t", cases[i].text,
		                     strlen(cases[i].text), &lex, &err),
		    0);
		while ((r = lex_next(lex, &s, &err)) == 0 && s.kind != LEX_END)
			if (s.kind == LEX_STATEMENT &&
			    (r = lex_key(
			         lex, &s, keys, 4, &seen, &key, &err)) != 0)
				break;
		assert_int_equal(r, cases[i].message == NULL ? 0 : VERR_FORMAT);
		if (r != 0)
			assert_non_null(strstr(err.message, cases[i].message));
		lex_free(lex);
	}
}

static void
policy_numbers_are_strict(void **state)
{
	static const struct {
		const char *text;
		int r;
	} cases[] = {
	    {"5", 0},
	    {"0", 0},
	    {"70", 0},
	    {"71", VERR_FORMAT},
	    {"-1", VERR_FORMAT},
	    {"+1", VERR_FORMAT},
	    {"01", VERR_FORMAT},
	    {"0x1", VERR_FORMAT},
	    {"1k", VERR_FORMAT},
	    {"\"\"", VERR_FORMAT},
	    {"18446744073709551617", VERR_FORMAT},
	    {"9999999999999999999", VERR_FORMAT},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct lex_statement s;
		struct lex_error err;
		struct lex *lex;
		uint64_t n = 77;

		assert_int_equal(lex_new("t", cases[i].text,
		                     strlen(cases[i].text), &lex, &err),
		    0);
		assert_int_equal(lex_next(lex, &s, &err), 0);
		assert_int_equal(
		    lex_number(lex, &s.words[0], 0, 70, &n, &err), cases[i].r);
		if (cases[i].r != 0)
			assert_int_equal(n, 77);
		lex_free(lex);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(policy_text_becomes_statements),
	    cmocka_unit_test(hostile_text_is_refused_where_it_stands),
	    cmocka_unit_test(hostile_sizes_are_refused),
	    cmocka_unit_test(policy_error_is_printed_with_a_caret),
	    cmocka_unit_test(policy_error_shows_the_middle_of_a_long_line),
	    cmocka_unit_test(policy_words_outlive_their_statement),
	    cmocka_unit_test(policy_keys_are_checked_by_their_table),
	    cmocka_unit_test(policy_numbers_are_strict),
	};

	return cmocka_run_group_tests_name("protocol/lex", tests, NULL, NULL);
}
