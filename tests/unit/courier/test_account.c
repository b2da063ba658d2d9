/*
 * The account in a health answer: RFC 6901 over JSON from anybody.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vaultd/courier/account.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void
http_pointers_reach_scalars(void **state)
{
	static const char text[] =
	    "{\"id\": \"acct_1\", \"n\": 12345678901234567, \"t\": true,"
	    " \"a\": [1, {\"b\": \"deep\"}], \"x/y\": 1, \"p~q\": 2, \"\": 3}";
	static const struct {
		const char *pointer, *account;
	} cases[] = {{"/id", "acct_1"}, {"/n", "12345678901234567"},
	    {"/t", "true"}, {"/a/1/b", "deep"}, {"/a/0", "1"}, {"/x~1y", "1"},
	    {"/p~0q", "2"}, {"/", "3"}};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char out[ACCOUNT_MAX + 1] = "";

		assert_int_equal(account_find(slice_str(text),
		                     slice_str(cases[i].pointer), out),
		    0);
		assert_string_equal(out, cases[i].account);
	}
}

static void
hostile_answers_name_no_account(void **state)
{
	static char deep[100000];
	static char text_long[600];
	static const struct {
		const char *text, *pointer;
		int error;
	} cases[] = {
	    {"{\"id\": 1", "/id", VERR_FORMAT},
	    {"{\"id\": 1, \"id\": 2}", "/id", VERR_FORMAT},
	    {"<html>", "/id", VERR_FORMAT},
	    {"{\"id\": \"a\\u0000b\"}", "/id", VERR_FORMAT},
	    {"{\"id\": \"a\\nb\"}", "/id", VERR_FORMAT},
	    {"{\"id\": \"\"}", "/id", VERR_FORMAT},
	    {"{\"id\": \"\xff\"}", "/id", VERR_FORMAT},
	    {"{\"id\": null}", "/id", VERR_NOTFOUND},
	    {"{\"id\": {}}", "/id", VERR_NOTFOUND},
	    {"{\"id\": 1}", "/no", VERR_NOTFOUND},
	    {"{\"id\": 1}", "id", VERR_NOTFOUND},
	    {"{\"id\": 1}", "/id/x", VERR_NOTFOUND},
	    {"[1]", "/1", VERR_NOTFOUND},
	    {"[1]", "/-", VERR_NOTFOUND},
	    {"[1, 2]", "/01", VERR_NOTFOUND},
	    {"[1]", "/ 0", VERR_NOTFOUND},
	    {"{\"a~b\": 1}", "/a~b", VERR_NOTFOUND},
	    {deep, "/0", VERR_FORMAT},
	    {text_long, "/id", VERR_TOOBIG},
	};

	(void)state;
	memset(deep, '[', sizeof(deep) - 1);
	memcpy(text_long, "{\"id\": \"", 8);
	memset(text_long + 8, 'a', 300);
	memcpy(text_long + 308, "\"}", 3);
	for (size_t i = 0; i < COUNT(cases); i++) {
		char out[ACCOUNT_MAX + 1] = "kept";

		assert_int_equal(account_find(slice_str(cases[i].text),
		                     slice_str(cases[i].pointer), out),
		    cases[i].error);
		assert_string_equal(out, "kept");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(http_pointers_reach_scalars),
	    cmocka_unit_test(hostile_answers_name_no_account),
	};

	return cmocka_run_group_tests_name(
	    "courier/account", tests, NULL, NULL);
}
