#include <jansson.h>

#include "tests/unit/keeper/world.h"

static void
write_all(struct json *j)
{
	json_open(j, NULL, '{');
	json_text(j, "text", "a \"quoted\" \\ word");
	json_number(j, "big", UINT64_MAX);
	json_open(j, "inner", '{');
	json_close(j, '}');
	json_open(j, "list", '[');
	json_number(j, NULL, 1);
	json_open(j, NULL, '{');
	json_bool(j, "yes", true);
	json_bool(j, "no", false);
	json_close(j, '}');
	json_text(j, NULL, "");
	json_close(j, ']');
	json_time(j, "time", WORLD_TIME);
	json_text(j, "none", NULL);
	json_close(j, '}');
}

static const char all[] =
    "{\"text\":\"a \\\"quoted\\\" \\\\ word\",\"big\":18446744073709551615,"
    "\"inner\":{},\"list\":[1,{\"yes\":true,\"no\":false},\"\"],"
    "\"time\":\"2025-11-22T16:53:51.123Z\",\"none\":\"\"}";

static void
audit_json_layout(void **state)
{
	char out[512];
	struct json j;

	(void)state;
	json_begin(&j, out, sizeof(out));
	write_all(&j);
	assert_false(j.overflow);
	assert_int_equal(j.n, sizeof(all) - 1);
	assert_memory_equal(out, all, j.n);
}

static void
hostile_json_stops_at_its_capacity(void **state)
{
	struct json j;

	(void)state;
	for (size_t cap = 0; cap < sizeof(all); cap++) {
		char *out = malloc(cap + 1);

		assert_non_null(out);
		out[cap] = 'Z';
		json_begin(&j, out, cap);
		write_all(&j);
		assert_int_equal(j.overflow, cap < sizeof(all) - 1);
		assert_true(j.n <= cap);
		assert_memory_equal(out, all, j.n);
		assert_int_equal(out[cap], 'Z');
		free(out);
	}
}

/*
 * What "value" becomes, by another's parser: it must be one line, and valid.
 */
static void
reads_as(struct slice value, const char *expected)
{
	char out[512];
	json_error_t err;
	json_t *root;
	struct json j;

	json_begin(&j, out, sizeof(out));
	json_open(&j, NULL, '{');
	json_slice(&j, "v", value);
	json_close(&j, '}');
	assert_false(j.overflow);
	for (size_t i = 0; i < j.n; i++)
		assert_true((uint8_t)out[i] >= 0x20 && out[i] != 0x7f);
	root = json_loadb(out, j.n, JSON_ALLOW_NUL, &err);
	if (root == NULL)
		fail_msg("%s: %.*s", err.text, (int)j.n, out);
	if (expected != NULL)
		assert_string_equal(
		    json_string_value(json_object_get(root, "v")), expected);
	json_decref(root);
}

static void
hostile_json_any_bytes_make_a_valid_line(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
	    {"a\nb\r\tc\x7f", "a\nb\r\tc\x7f"},
	    {"\"},{\"x\":\"", "\"},{\"x\":\""},
	    {"\\u0000", "\\u0000"},
	    {"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x94\x91",
	        "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x94\x91"},
	    {"\xff", "\xef\xbf\xbd"},
	    {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},
	    {"\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd"},
	    {"a\xc3", "a\xef\xbf\xbd"},
	    {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
	    {"\xf4\x90\x80\x80",
	        "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
	};
	uint8_t bytes[3];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		reads_as(slice_str(cases[i].in), cases[i].out);
	for (unsigned a = 0; a < 256; a++)
		for (unsigned b = 0; b < 256; b++) {
			bytes[0] = (uint8_t)a;
			bytes[1] = (uint8_t)b;
			bytes[2] = 0x80;
			reads_as(slice_of(bytes, 2 + b % 2), NULL);
		}
}

static void
audit_json_time(void **state)
{
	char text[JSON_TIME_LEN + 1];

	(void)state;
	time_format(0, text);
	assert_string_equal(text, "1970-01-01T00:00:00.000Z");
	time_format(951868799999, text);
	assert_string_equal(text, "2000-02-29T23:59:59.999Z");
	time_format(253402300799999, text);
	assert_string_equal(text, "9999-12-31T23:59:59.999Z");
	/* A clock that is wrong does no harm. */
	time_format(UINT64_MAX, text);
	assert_int_equal(strlen(text), JSON_TIME_LEN);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(audit_json_layout),
	    cmocka_unit_test(hostile_json_stops_at_its_capacity),
	    cmocka_unit_test(hostile_json_any_bytes_make_a_valid_line),
	    cmocka_unit_test(audit_json_time),
	};

	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
