#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/vaultctl/options.h"

static const struct option_spec own[] = {
    {"customer", "CUSTOMER", "", 0, false},
    {"header", "FIELD", "", 'H', true},
    {"stdin", NULL, "", 0, false},
    {0},
};
static const struct option_spec common[] = {
    {"json", NULL, "", 'j', false},
    {"socket", "PATH", "", 0, false},
    {0},
};

static char why[OPTIONS_WHY_MAX];

#define PARSE(o, first, ...)                                                   \
	options_parse((o), own, common,                                        \
	    (char **)(const char *[]){__VA_ARGS__, NULL}, (first), why)

static void
cli_options_in_every_form_and_place(void **state)
{
	struct options o = {0};
	size_t at = 0;

	(void)state;
	assert_int_equal(
	    PARSE(&o, false, "a", "--customer=x", "-H", "A: 1", "-HB: 2", "b",
	        "--socket", "s", "--header", "C: 3", "-", "--", "--json"),
	    13);
	assert_int_equal(o.nwords, 4);
	assert_string_equal(o.words[1], "b");
	assert_string_equal(o.words[2], "-");
	assert_string_equal(o.words[3], "--json");
	assert_string_equal(options_get(&o, "customer"), "x");
	assert_string_equal(options_get(&o, "socket"), "s");
	assert_null(options_get(&o, "json"));
	assert_string_equal(options_next(&o, "header", &at), "A: 1");
	assert_string_equal(options_next(&o, "header", &at), "B: 2");
	assert_string_equal(options_next(&o, "header", &at), "C: 3");
	assert_null(options_next(&o, "header", &at));
}

static void
cli_options_before_the_command(void **state)
{
	struct options o = {0};

	(void)state;
	assert_int_equal(
	    PARSE(&o, true, "--socket", "s", "profile", "--json"), 2);
	assert_int_equal(o.nwords, 0);
	assert_string_equal(options_get(&o, "socket"), "s");
}

static void
refused(const char *a, const char *b, const char *text)
{
	struct options o = {0};

	why[0] = '\0';
	assert_int_equal(
	    options_parse(&o, own, common,
	        (char *[]){(char *)a, (char *)b, NULL}, false, why),
	    VERR_FORMAT);
	if (strstr(why, text) == NULL)
		fail_msg("\"%s\" has no \"%s\"", why, text);
}

static void
cli_options_mistakes_are_told(void **state)
{
	(void)state;
	refused("--custmer", "x", "did you mean --customer?");
	refused("--sockets=x", NULL, "did you mean --socket?");
	refused("--customer", NULL, "needs a value: CUSTOMER");
	refused("--stdin=x", NULL, "--stdin takes no value");
	refused("--customer=a", "--customer=b", "--customer is given twice");
	refused("--json", "--json", "--json is given twice");
	refused("-x", NULL, "unknown option");
	refused("--password", "x", "a secret is never an argument");
}

static void
cli_options_messages_hold_no_value(void **state)
{
	(void)state;
	refused("--secret=hunter2", NULL, "never an argument");
	assert_null(strstr(why, "hunter2"));
	refused("--sk_live_hunter2", NULL, "unknown option");
	assert_null(strstr(why, "hunter2"));
	refused("-xhunter2", NULL, "unknown option");
	assert_null(strstr(why, "hunter2"));
	refused("--stdin=hunter2", NULL, "takes no value");
	assert_null(strstr(why, "hunter2"));
}

static void
cli_options_are_bounded(void **state)
{
	struct options o = {0};
	char *many[OPTIONS_MAX + 2], *words[OPTIONS_WORDS + 2];

	(void)state;
	for (size_t i = 0; i <= OPTIONS_MAX; i++)
		many[i] = (char *)"-Hx";
	many[OPTIONS_MAX + 1] = NULL;
	assert_int_equal(
	    options_parse(&o, own, common, many, false, why), VERR_FORMAT);
	for (size_t i = 0; i <= OPTIONS_WORDS; i++)
		words[i] = (char *)"w";
	words[OPTIONS_WORDS + 1] = NULL;
	o = (struct options){0};
	assert_int_equal(
	    options_parse(&o, own, common, words, false, why), VERR_FORMAT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(cli_options_in_every_form_and_place),
	    cmocka_unit_test(cli_options_before_the_command),
	    cmocka_unit_test(cli_options_mistakes_are_told),
	    cmocka_unit_test(cli_options_messages_hold_no_value),
	    cmocka_unit_test(cli_options_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
