/*
 * What is written: never half a line, never two where one was meant.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "vaultd/gate/http.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void
http_replies_are_written_whole_or_not_at_all(void **state)
{
	static const char want[] = "HTTP/1.1 200 OK\r\nX-A: b \tc\xe9\r\n\r\n"
	                           "1f\r\n\r\n0\r\n\r\n";
	uint8_t buf[sizeof(want)];

	(void)state;
	for (size_t cap = 0; cap < sizeof(want); cap++) {
		struct http_out o = {buf, cap, 0};
		size_t before = 0;
		int r;

		memset(buf, '?', sizeof(buf));
		for (size_t step = 0; step < 6; step++) {
			before = o.len;
			r = step == 0   ? http_put_status(&o, 200)
			    : step == 1 ? http_put_field(&o, slice_str("X-A"),
			                      slice_str("b \tc\xe9"))
			    : step == 3 ? http_put_chunk_size(&o, 31)
			    : step == 5 ? http_put_chunk_size(&o, 0)
			                : http_put_crlf(&o);
			if (r != 0)
				break;
		}
		assert_int_equal(r, cap == sizeof(want) - 1 ? 0 : VERR_TOOBIG);
		if (r != 0)
			assert_int_equal(o.len, before);
		assert_memory_equal(buf, want, o.len);
		assert_int_equal(buf[o.len], '?');
	}
}

static void
hostile_replies_cannot_be_written(void **state)
{
	static const char *const bad[][2] = {
	    {"", "a"},
	    {"X:", "a"},
	    {"X ", "a"},
	    {"X\r\nY", "a"},
	    {"X", "a\r\nSet-Cookie: b"},
	    {"X", "a\nb"},
	    {"X", "a\r"},
	    {"X", "a\x7f"},
	    {"X", " a"},
	    {"X", "a\t"},
	};
	uint8_t buf[128];
	struct http_out o = {buf, sizeof(buf), 0};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(http_put_field(&o, slice_str(bad[i][0]),
		                     slice_str(bad[i][1])),
		    VERR_FORMAT);
	assert_int_equal(
	    http_put_field(&o, slice_str("X"), slice_of("a\0b", 3)),
	    VERR_FORMAT);
	assert_int_equal(http_put_status(&o, 99), VERR_FORMAT);
	assert_int_equal(http_put_status(&o, 600), VERR_FORMAT);
	assert_int_equal(o.len, 0);
	assert_int_equal(http_put_status(&o, 299), 0);
	assert_memory_equal(buf, "HTTP/1.1 299 \r\n", 15);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(http_replies_are_written_whole_or_not_at_all),
	    cmocka_unit_test(hostile_replies_cannot_be_written),
	};

	return cmocka_run_group_tests_name(
	    "gate/http replies", tests, NULL, NULL);
}
