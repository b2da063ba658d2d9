/*
 * A chunked body: what it decodes to, what is refused, and that neither
 * depends on how the bytes were split.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vaultd/gate/http.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define B(s)     (const uint8_t *)(s), sizeof(s) - 1

/* clang-format off */
static const struct {
	const char *name;
	const uint8_t *bytes;
	size_t len;
	const char *body;
	size_t behind; /* bytes of the next request */
	enum http_fault want;
} bodies[] = {
	{"empty", B("0\r\n\r\n"), "", 0, HTTP_FAULT_NONE},
	{"one", B("5\r\nhello\r\n0\r\n\r\n"), "hello", 0, HTTP_FAULT_NONE},
	{"two, and a request behind", B("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\nGET"), "hello world", 3, HTTP_FAULT_NONE},
	{"hexadecimal in both cases", B("a\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n"), "01234567890123456789a", 0, HTTP_FAULT_NONE},
	{"16 digits", B("0000000000000002\r\nok\r\n0000\r\n\r\n"), "ok", 0, HTTP_FAULT_NONE},
	{"CR LF as data", B("4\r\n\r\n\r\n\r\n0\r\n\r\n"), "\r\n\r\n", 0, HTTP_FAULT_NONE},
	{"unfinished", B("5\r\nhel"), "hel", 0, HTTP_FAULT_NONE},
	{"17 digits", B("00000000000000002\r\nok\r\n0\r\n\r\n"), "", 0, HTTP_FAULT_CHUNK_SIZE},
	{"beyond INT64_MAX", B("8000000000000000\r\nok\r\n"), "", 0, HTTP_FAULT_CHUNK_SIZE},
	{"prefix", B("0x5\r\nhello\r\n0\r\n\r\n"), "", 0, HTTP_FAULT_CHUNK_SIZE},
	{"plus", B("+5\r\nhello\r\n0\r\n\r\n"), "", 0, HTTP_FAULT_CHUNK_SIZE},
	{"minus", B("-5\r\nhello\r\n0\r\n\r\n"), "", 0, HTTP_FAULT_CHUNK_SIZE},
	{"no size", B("\r\nhello\r\n0\r\n\r\n"), "", 0, HTTP_FAULT_CHUNK_SIZE},
	{"letter beyond f", B("g\r\n"), "", 0, HTTP_FAULT_CHUNK_SIZE},
	{"NUL in size", B("5\0\r\nhello\r\n0\r\n\r\n"), "", 0, HTTP_FAULT_CHUNK_SIZE},
	{"bare LF behind size", B("5\nhello\r\n0\r\n\r\n"), "", 0, HTTP_FAULT_CHUNK_SIZE},
	{"CR CR behind size", B("5\r\rhello\r\n0\r\n\r\n"), "", 0, HTTP_FAULT_CHUNK_SIZE},
	{"extension", B("5;a=b\r\nhello\r\n0\r\n\r\n"), "", 0, HTTP_FAULT_CHUNK_EXT},
	{"space behind size", B("5 \r\nhello\r\n0\r\n\r\n"), "", 0, HTTP_FAULT_CHUNK_EXT},
	{"space before size", B(" 5\r\nhello\r\n0\r\n\r\n"), "", 0, HTTP_FAULT_CHUNK_EXT},
	{"data too long", B("5\r\nhello!\r\n0\r\n\r\n"), "hello", 0, HTTP_FAULT_CHUNK_END},
	{"data too short", B("5\r\nhell\r\n0\r\n\r\n"), "hell\r", 0, HTTP_FAULT_CHUNK_END},
	{"bare LF behind data", B("5\r\nhello\n0\r\n\r\n"), "hello", 0, HTTP_FAULT_CHUNK_END},
	{"CR alone behind data", B("5\r\nhello\r0\r\n\r\n"), "hello", 0, HTTP_FAULT_CHUNK_END},
	{"extension on the last", B("0;a\r\n\r\n"), "", 0, HTTP_FAULT_CHUNK_EXT},
	{"trailer", B("1\r\na\r\n0\r\nX: a\r\n\r\n"), "a", 0, HTTP_FAULT_TRAILER},
	{"bare LF at the end", B("0\r\n\n"), "", 0, HTTP_FAULT_TRAILER},
	{"CR alone at the end", B("0\r\n\rGET"), "", 0, HTTP_FAULT_TRAILER},
	{"request for blank line", B("0\r\nGET / HTTP/1.1\r\n"), "", 0, HTTP_FAULT_TRAILER},
};
/* clang-format on */

/*
 * Feed "len" bytes, at first "first" of them, then "step" at a time.
 * Returns the code; *ret_used are the bytes consumed before it.
 */
static int
decode(const uint8_t *bytes, size_t len, size_t first, size_t step, char *out,
    size_t *ret_out, size_t *ret_used, enum http_fault *fault)
{
	struct http_chunk c = {0};
	size_t at = 0, end = first, got = 0;
	int r = 0;

	while (at < len && !http_chunk_done(&c)) {
		uint8_t *piece = malloc(end - at);
		size_t used = 0;
		struct slice data;

		assert_non_null(piece);
		memcpy(piece, bytes + at, end - at);
		r = http_chunk_feed(&c, piece, end - at, &used, &data, fault);
		if (r == 0) {
			assert_true(used > 0 && used <= end - at);
			memcpy(out + got, data.p, data.n);
			got += data.n;
			at += used;
			if (at == end)
				end = end + step < len ? end + step : len;
		} else {
			/* Nothing mends it. */
			for (const char *p = "\r\n0"; *p != '\0'; p++) {
				enum http_fault again = HTTP_FAULT_NONE;

				assert_int_equal(
				    http_chunk_feed(&c, (const uint8_t *)p, 1,
				        &used, &data, &again),
				    VERR_FORMAT);
				assert_int_equal(again, *fault);
			}
			assert_false(http_chunk_done(&c));
		}
		free(piece);
		if (r != 0)
			break;
	}
	*ret_out = got;
	*ret_used = http_chunk_done(&c) ? at : len;
	return r;
}

static void
hostile_chunks_get_one_verdict_however_split(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bodies); i++) {
		size_t len = bodies[i].len;

		for (size_t first = 1; first <= len; first++) {
			for (size_t step = 1; step <= len; step += len - 1) {
				enum http_fault fault = HTTP_FAULT_NONE;
				char out[64];
				size_t n, used;
				int r = decode(bodies[i].bytes, len, first,
				    step, out, &n, &used, &fault);

				if (fault != bodies[i].want ||
				    (r != 0) != (fault != HTTP_FAULT_NONE))
					fail_msg("%s: %s", bodies[i].name,
					    http_fault_text(fault));
				assert_int_equal(n, strlen(bodies[i].body));
				assert_memory_equal(out, bodies[i].body, n);
				assert_int_equal(len - used, bodies[i].behind);
			}
		}
	}
}

static void
http_unfinished_chunks_are_not_done(void **state)
{
	static const char text[] = "2\r\nok\r\n0\r\n\r\n";

	(void)state;
	for (size_t len = 0; len < sizeof(text); len++) {
		struct http_chunk c = {0};
		const uint8_t *p = (const uint8_t *)text;
		size_t left = len, used;
		enum http_fault fault;
		struct slice data;

		for (; left > 0; p += used, left -= used)
			assert_int_equal(
			    http_chunk_feed(&c, p, left, &used, &data, &fault),
			    0);
		assert_int_equal(http_chunk_done(&c), len == sizeof(text) - 1);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(hostile_chunks_get_one_verdict_however_split),
	    cmocka_unit_test(http_unfinished_chunks_are_not_done),
	};

	return cmocka_run_group_tests_name(
	    "gate/http_chunk", tests, NULL, NULL);
}
