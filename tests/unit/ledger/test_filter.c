#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/pairs.h"
#include "vaultd/ledger/filter.h"

#define LINE(time)                                                             \
	"{\"seq\":17,\"time\":\"" time "\",\"profile\":\"acme/demo\"}"

#define T0 UINT64_C(1795366431123) /* 2026-11-22T16:53:51.123Z */

static int
takes(uint64_t from, uint64_t to, const char *literal, const char *line)
{
	uint8_t buf[256];
	struct pairs_writer w = {.p = buf, .cap = sizeof(buf)};
	struct filter f;

	if (literal != NULL)
		pairs_add(&w, "", slice_str(literal));
	assert_int_equal(filter_init(&f, from, to, slice_of(buf, w.n)), 0);
	return filter_takes(&f, slice_str(line));
}

static void
audit_filter_time_is_a_half_open_range(void **state)
{
	static const char line[] = LINE("2026-11-22T16:53:51.123Z");

	(void)state;
	assert_true(takes(0, 0, NULL, line));
	assert_true(takes(T0, 0, NULL, line));
	assert_false(takes(T0 + 1, 0, NULL, line));
	assert_true(takes(0, T0 + 1, NULL, line));
	assert_false(takes(0, T0, NULL, line));
	assert_true(takes(T0, T0 + 1, NULL, line));
	assert_false(takes(1, 2, NULL, line));
	assert_true(takes(1, UINT64_MAX, NULL, line));
	assert_false(takes(UINT64_MAX, 0, NULL, line));
}

/* What has no time at its place is in no range, but in the log. */
static void
audit_filter_time_is_read_strictly(void **state)
{
	static const char *const lines[] = {"", "{",
	    LINE("2026-11-22 16:53:51.123Z"), LINE("2026-11-22T16:53:51.123"),
	    LINE("2026-11-22T16:53:51.12Z"), LINE("2026-11-22T16:53:51.1234Z"),
	    LINE("2O26-11-22T16:53:51.123Z"),
	    "{\"seq\":1,\"time\":\"2026-11-22T16:53:51.123Z",
	    "{\"seq\":x,\"time\":\"2026-11-22T16:53:51.123Z\"}",
	    " {\"seq\":1,\"time\":\"2026-11-22T16:53:51.123Z\"}"};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		assert_true(takes(0, 0, NULL, lines[i]));
		assert_false(takes(1, 0, NULL, lines[i]));
		assert_false(takes(0, UINT64_MAX, NULL, lines[i]));
	}
}

static void
audit_filter_every_literal_must_occur(void **state)
{
	uint8_t buf[2048];
	struct pairs_writer w = {.p = buf, .cap = sizeof(buf)};
	struct filter f;

	(void)state;
	assert_true(takes(0, 0, "\"seq\":17,", LINE("")));
	assert_false(takes(0, 0, "\"seq\":1,", LINE("")));
	assert_true(takes(0, 0, "}", LINE("")));
	pairs_add(&w, "a", slice_str("acme"));
	pairs_add(&w, "b", slice_str("absent"));
	assert_int_equal(filter_init(&f, 0, 0, slice_of(buf, w.n)), 0);
	assert_false(filter_takes(&f, slice_str("acme")));
	assert_true(filter_takes(&f, slice_str("absent acme")));
	assert_int_equal(
	    filter_init(&f, 0, 0, slice_of(buf, w.n - 1)), VERR_FORMAT);
	for (int i = 2; i < FILTER_LITERALS + 1; i++)
		pairs_add(&w, "c", slice_str("x"));
	assert_int_equal(
	    filter_init(&f, 0, 0, slice_of(buf, w.n)), VERR_TOOBIG);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(audit_filter_time_is_a_half_open_range),
	    cmocka_unit_test(audit_filter_time_is_read_strictly),
	    cmocka_unit_test(audit_filter_every_literal_must_occur),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
