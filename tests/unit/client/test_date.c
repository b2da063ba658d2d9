#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/vaultctl/date.h"

static void
is(const char *text, bool last, int64_t want)
{
	int64_t ms = -1;

	assert_int_equal(date_parse(text, last, &ms), 0);
	assert_true(ms == want);
}

static void
cli_date_forms(void **state)
{
	(void)state;
	is("1970-01-01", false, 0);
	is("1970-01-01", true, 86399999);
	is("2024-02-29", false, 1709164800000);
	is("2026-11-22T17:05:08Z", false, 1795367108000);
	is("2026-11-22t17:05:08.123456z", true, 1795367108123);
	is("2026-11-22T18:05:08.1+01:00", false, 1795367108100);
	is("2026-11-22 16:35:08-00:30", false, 1795367108000);
}

static void
cli_date_mistakes_are_refused(void **state)
{
	static const char *const bad[] = {"", "tomorrow", "2026", "2026-1-1",
	    "2026-13-01", "2026-00-01", "2026-02-29", "2026-04-31",
	    "2026-01-00", "2026-01-01x", "2026-01-01T", "2026-01-01T10:00",
	    "2026-01-01T10:00:00", "2026-01-01T24:00:00Z",
	    "2026-01-01T10:60:00Z", "2026-01-01T10:00:00.Z",
	    "2026-01-01T10:00:00Zx", "2026-01-01T10:00:00+1:00",
	    "2026-01-01T10:00:00+01:00 ", "1969-12-31"};
	int64_t ms = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(date_parse(bad[i], false, &ms), VERR_FORMAT);
		assert_true(ms == 7);
	}
}

static void
cli_date_days(void **state)
{
	static const char *const bad[] = {"", "d", "-1", "90h", "90 d", "9d9",
	    "99999", "99999999999999999999"};
	unsigned n = 0;

	(void)state;
	assert_int_equal(date_days("90d", &n), 0);
	assert_int_equal(n, 90);
	assert_int_equal(date_days("0", &n), 0);
	assert_int_equal(n, 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(date_days(bad[i], &n), VERR_FORMAT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(cli_date_forms),
	    cmocka_unit_test(cli_date_mistakes_are_refused),
	    cmocka_unit_test(cli_date_days),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
