#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/vaultctl/output.h"
#include "client/vaultctl/rows.h"

static const struct column columns[] = {
    {"profile", "PROFILE"},
    {"status", "STATUS"},
    {"none", "NONE"},
    {"n.m", "N"},
    {"list", "LIST"},
};

#define NCOLUMNS (sizeof(columns) / sizeof(columns[0]))

static const char rows_json[] =
    "[{\"profile\":\"acme/demo\",\"status\":\"active\",\"n\":{\"m\":12},"
    "\"list\":[\"a\",true,3]},"
    "{\"profile\":\"\xc3\xa4/b\",\"status\":\"pending\",\"list\":[]},"
    "{\"profile\":\"e\\u001b[2J\\u202e\",\"status\":\"active\"}]";

static char *
print(bool colour, bool list)
{
	json_t *rows = json_loads(rows_json, 0, NULL);
	char *text = NULL;
	size_t n;
	struct output o = {.f = open_memstream(&text, &n), .colour = colour};

	assert_non_null(rows);
	if (list)
		output_list(&o, columns, NCOLUMNS, json_array_get(rows, 0));
	else
		output_table(&o, columns, NCOLUMNS, rows);
	fclose(o.f);
	json_decref(rows);
	return text;
}

static void
cli_table_is_aligned_and_harmless(void **state)
{
	char *text = print(false, false);

	(void)state;
	assert_string_equal(text,
	    "PROFILE    STATUS   N   LIST\n"
	    "acme/demo  active   12  a, yes, 3\n"
	    "\xc3\xa4/b        pending  -   -\n"
	    "e\xef\xbf\xbd[2J\xef\xbf\xbd     active   -   -\n");
	free(text);
}

static void
cli_table_colours_the_status_alone(void **state)
{
	char *text = print(true, false);

	(void)state;
	assert_non_null(strstr(text, "acme/demo  \x1b[32mactive\x1b[0m   12"));
	assert_non_null(strstr(text, "\x1b[34mpending\x1b[0m  -"));
	free(text);
}

static void
cli_list_shows_what_is_there(void **state)
{
	char *text = print(false, true);

	(void)state;
	assert_string_equal(text,
	    "PROFILE  acme/demo\n"
	    "STATUS   active\n"
	    "N        12\n"
	    "LIST     a, yes, 3\n");
	free(text);
}

static void
cleaned(const char *in, const char *want)
{
	char out[64];

	output_clean(in, strlen(in), out, sizeof(out));
	assert_string_equal(out, want);
}

static void
cli_text_cannot_steer_a_terminal(void **state)
{
	char out[8];

	(void)state;
	cleaned("plain \xc3\xa4\xe2\x82\xac", "plain \xc3\xa4\xe2\x82\xac");
	cleaned("\x1b]0;x\x07", "\xef\xbf\xbd]0;x\xef\xbf\xbd");
	cleaned("\xc2\x9b"
	        "31m",
	    "\xef\xbf\xbd"
	    "31m"); /* C1 CSI */
	cleaned("\x9b"
	        "x",
	    "\xef\xbf\xbd"
	    "x");
	cleaned("a\nb",
	    "a\xef\xbf\xbd"
	    "b");
	cleaned("\xe2\x80\xae", "\xef\xbf\xbd");
	assert_true(output_harmless("plain", 5));
	assert_false(output_harmless("\xc2\x9b", 2));
	/* cut at a character, not within one */
	output_clean("1234567\xc3\xa4", 9, out, sizeof(out));
	assert_string_equal(out, "1234567");
	output_clean("123456\xc3\xa4", 8, out, sizeof(out));
	assert_string_equal(out, "123456");
}

static bool
keep_b(const void *arg, json_t *row)
{
	(void)arg;
	return json_object_get(row, "b") != NULL;
}

static void
cli_rows_pass_unchanged_and_bad_ones_are_refused(void **state)
{
	static const char *const bad[] = {"", "[]", "1", "{", "{}x",
	    "{\"a\":1,\"a\":2}", "{\"a\":\"\n\"}", "{\n}", "{\"a\":\"\xff\"}"};
	char *text = NULL;
	size_t n;
	struct rows rows;
	struct vault_rows sink;

	(void)state;
	rows_init(&rows);
	rows.print = open_memstream(&text, &n);
	rows.keep = keep_b;
	sink = rows_sink(&rows);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(
		    sink.on_row(sink.arg, bad[i], strlen(bad[i])), VERR_FORMAT);
	assert_int_equal(sink.on_row(sink.arg, "{ \"b\":1.50 }", 12), 0);
	assert_int_equal(sink.on_row(sink.arg, "{\"a\":1}", 7), 0);
	fclose(rows.print);
	assert_string_equal(text, "{ \"b\":1.50 }\n");
	assert_int_equal(rows.count, 1);
	rows_free(&rows);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(cli_table_is_aligned_and_harmless),
	    cmocka_unit_test(cli_table_colours_the_status_alone),
	    cmocka_unit_test(cli_list_shows_what_is_there),
	    cmocka_unit_test(cli_text_cannot_steer_a_terminal),
	    cmocka_unit_test(cli_rows_pass_unchanged_and_bad_ones_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
