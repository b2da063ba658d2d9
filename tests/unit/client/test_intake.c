#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/prctl.h>

#include "client/vaultctl/intake.h"

#define ONE "{\"fields\":[{\"name\":\"key\",\"prompt\":\"API key\"}]}"
#define TWO                                                                    \
	"{\"fields\":[{\"name\":\"username\",\"prompt\":\"User\","             \
	"\"secret\":false},{\"name\":\"password\",\"secret\":true}]}"

static char why[INTAKE_WHY_MAX];

static void
begin(struct intake *s, const char *json)
{
	json_t *row = json_loads(json, 0, NULL);

	assert_int_equal(intake_init(s, row), 0);
	json_decref(row);
	/* or the leak checker cannot look */
	assert_int_equal(prctl(PR_SET_DUMPABLE, 1), 0);
}

static int
parse(struct intake *s, const char *text)
{
	memcpy(s->memory, text, strlen(text));
	return intake_parse(s, strlen(text), why);
}

static void
is(const struct intake_field *f, const char *name, const char *value)
{
	assert_string_equal(f->name, name);
	assert_int_equal(f->len, strlen(value));
	assert_memory_equal(f->value, value, f->len);
}

static void
cli_secret_is_the_bare_value(void **state)
{
	static const struct {
		const char *text, *value;
	} cases[] = {
	    {"sk_1", "sk_1"},
	    {"sk_1\n", "sk_1"},
	    {"sk_1\r\n", "sk_1"},
	    {"sk_1\n\n", "sk_1\n"}, /* one newline, not all */
	    {" a=b \n", " a=b "},
	    {"key=x", "key=x"},
	};
	struct intake s;

	(void)state;
	begin(&s, ONE);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(parse(&s, cases[i].text), 0);
		is(&s.fields[0], "key", cases[i].value);
	}
	assert_int_equal(parse(&s, ""), VERR_FORMAT);
	assert_int_equal(parse(&s, "\n"), VERR_FORMAT);
	intake_free(&s);
}

static void
cli_secret_of_several_fields_is_lines(void **state)
{
	static const char *const good[] = {
	    "username=ann\npassword=p=w =\n",
	    "password=p=w =\nusername=ann",
	    "username=ann\r\n\r\npassword=p=w =\r\n",
	};
	struct intake s;

	(void)state;
	begin(&s, TWO);
	assert_false(s.fields[0].hidden);
	assert_true(s.fields[1].hidden);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(parse(&s, good[i]), 0);
		is(&s.fields[0], "username", "ann");
		is(&s.fields[1], "password", "p=w =");
	}
	intake_free(&s);
}

static void
cli_secret_mistakes_are_told_without_it(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
	    {"hunter2", "line 1"},
	    {"username=ann\nhunter2", "line 2"},
	    {"hunter2=hunter2\n", "line 1"},
	    {"username=ann", "password is missing"},
	    {"username=ann\npassword=\n", "password is missing"},
	    {"username=ann\nusername=hunter2\npassword=hunter2", "twice"},
	    {"Username=hunter2\npassword=x", "line 1"},
	};
	struct intake s;

	(void)state;
	begin(&s, TWO);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(parse(&s, cases[i].text), VERR_FORMAT);
		assert_non_null(strstr(why, cases[i].says));
		assert_null(strstr(why, "hunter2"));
	}
	intake_free(&s);
}

static void
cli_secret_fields_that_are_not_said_to_be_public_are_hidden(void **state)
{
	struct intake s;

	(void)state;
	begin(&s, ONE);
	assert_true(s.fields[0].hidden);
	assert_string_equal(s.fields[0].prompt, "API key");
	intake_free(&s);
}

static void
cli_secret_fields_of_a_bad_row_are_refused(void **state)
{
	static const char *const bad[] = {"{}", "{\"fields\":[]}",
	    "{\"fields\":[{}]}", "{\"fields\":[{\"name\":\"\"}]}",
	    "{\"fields\":[{\"name\":1}]}", "{\"fields\":{\"name\":\"x\"}}",
	    "{\"fields\":[1,2,3,4,5,6,7,8,9]}"};
	struct intake s;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		json_t *row = json_loads(bad[i], 0, NULL);

		assert_int_equal(intake_init(&s, row), VERR_FORMAT);
		intake_free(&s);
		json_decref(row);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(cli_secret_is_the_bare_value),
	    cmocka_unit_test(cli_secret_of_several_fields_is_lines),
	    cmocka_unit_test(cli_secret_mistakes_are_told_without_it),
	    cmocka_unit_test(
	        cli_secret_fields_that_are_not_said_to_be_public_are_hidden),
	    cmocka_unit_test(cli_secret_fields_of_a_bad_row_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
