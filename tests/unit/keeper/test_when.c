#include <stdio.h>

#include "tests/unit/keeper/world.h"
#include "vaultd/keeper/when.h"

static void
keys_when_dates(void **state)
{
	static const struct {
		const char *text;
		uint64_t ms;
	} cases[] = {
	    {"1970-01-01", 0},
	    {"1970-01-01T00:00:01Z", 1000},
	    {"2000-02-29", 951782400000},
	    {"2024-02-29T23:59:59Z", 1709251199000},
	    {"2026-11-22T16:53:51Z", 1795366431000},
	    {"2026-12-31", 1798675200000},
	    {"2038-01-19T03:14:08Z", 2147483648000},
	    {"9999-12-31T23:59:59Z", 253402300799000},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t ms = 1;

		assert_int_equal(when_parse(slice_str(cases[i].text), &ms), 0);
		assert_true(ms == cases[i].ms);
	}
}

static void
hostile_when_no_such_date(void **state)
{
	static const char *const bad[] = {
	    "",
	    "2026",
	    "2026-11-2",
	    "2026-11-222",
	    "2026-11-22T",
	    "2026-11-22T16:53:51",
	    "2026-11-22T16:53:51z",
	    "2026-11-22t16:53:51Z",
	    "2026-11-22 16:53:51Z",
	    "2026-11-22T16:53:51ZZ",
	    "2026-11-22T16:53Z",
	    "2026/11/22",
	    "2026-00-22",
	    "2026-13-22",
	    "2026-99-22",
	    "2026-11-00",
	    "2026-11-31",
	    "2026-11-32",
	    "2026-02-29",
	    "2100-02-29",
	    "2026-02-30",
	    "2026-1x-22",
	    "2026-x1-22",
	    "2026-11-x2",
	    "2026-11-2x",
	    "20x6-11-22",
	    "x026-11-22",
	    "-026-11-22",
	    "+026-11-22",
	    " 026-11-22",
	    "2026- 1-22",
	    "2026--1-22",
	    "1969-12-31",
	    "0000-01-01",
	    "2026-11-22T24:00:00Z",
	    "2026-11-22T16:60:00Z",
	    "2026-11-22T16:99:00Z",
	    "2026-11-22T16:53:60Z",
	    "2026-11-22T16:53:99Z",
	    "2026-11-22T1x:53:51Z",
	    "2026-11-22T16:x3:51Z",
	    "2026-11-22T16:53:5xZ",
	    "2026-11-22T-1:53:51Z",
	    "2026-11-22T16:53:-1Z",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		/* Exactly as long, so that a read behind the end is seen. */
		size_t n = strlen(bad[i]);
		uint8_t *text = malloc(n + (n == 0));
		uint64_t ms = 77;

		assert_non_null(text);
		memcpy(text, bad[i], n);
		if (when_parse(slice_of(text, n), &ms) == 0)
			fail_msg("taken for a date: %s", bad[i]);
		assert_int_equal(ms, 77);
		free(text);
	}
}

/* Every day of four centuries that exists, and none that does not. */
static void
keys_when_every_day(void **state)
{
	static const int days[] = {
	    31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	uint64_t ms = 0, day = 0;
	char text[64];

	(void)state;
	for (int y = 1970; y < 2410; y++)
		for (int m = 0; m < 12; m++) {
			int leap = y % 400 == 0 || (y % 4 == 0 && y % 100 != 0);

			for (int d = 1; d <= 31; d++) {
				int is = d <= days[m] + (m == 1 && leap);

				snprintf(text, sizeof(text), "%d-%02d-%02d", y,
				    m + 1, d);
				assert_int_equal(
				    when_parse(slice_str(text), &ms),
				    is ? 0 : VERR_FORMAT);
				if (is)
					assert_true(ms == 86400000 * day++);
			}
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(keys_when_dates),
	    cmocka_unit_test(hostile_when_no_such_date),
	    cmocka_unit_test(keys_when_every_day),
	};

	return cmocka_run_group_tests_name("when", tests, NULL, NULL);
}
