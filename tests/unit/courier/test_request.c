/*
 * Orders turned into the heads of requests: one reading, or none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/pairs.h"
#include "vaultd/courier/request.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct rec_ORDER
order(const char *host, unsigned port, const char *target)
{
	return (struct rec_ORDER){.host = slice_str(host),
	    .port = port,
	    .target = slice_str(target),
	    .method = slice_str("GET")};
}

/* The head of the request, terminated. */
static int
head_of(const struct rec_ORDER *o, char out[1024])
{
	struct buf b = {NULL, 0, 0, 0};
	int r = request_head(o, &b);

	if (r == 0) {
		assert_in_range(buf_used(&b), 1, 1023);
		memcpy(out, buf_data(&b), buf_used(&b));
		out[buf_used(&b)] = '\0';
	}
	buf_free(&b);
	return r;
}

static void
http_heads_say_the_origin_and_the_target_as_ordered(void **state)
{
	static const struct {
		const char *host;
		unsigned port;
		const char *target, *host_line;
	} cases[] = {
	    {"a.test", 443, "/", "a.test"},
	    {"a.test", 8443, "/x/../y//z?a=b?c&%2f%2F", "a.test:8443"},
	    {"a.test", 443, "/?", "a.test"},
	    {"a.test", 443, "//evil.test/", "a.test"},
	    {"a.test", 443, "/@evil.test:1/", "a.test"},
	    {"127.0.0.1", 1, "/", "127.0.0.1:1"},
	    {"1.example", 443, "/", "1.example"},
	    {"::1", 65535, "/%00", "[::1]:65535"},
	};
	char head[1024], want[1024];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct rec_ORDER o =
		    order(cases[i].host, cases[i].port, cases[i].target);

		assert_int_equal(head_of(&o, head), 0);
		(void)snprintf(want, sizeof(want),
		    "GET %s HTTP/1.1\r\nHost: %s\r\n"
		    "Accept-Encoding: identity\r\n\r\n",
		    cases[i].target, cases[i].host_line);
		assert_string_equal(head, want);
	}
}

static void
hostile_origins_and_targets_are_refused(void **state)
{
	static const struct {
		const char *host;
		unsigned port;
		const char *target;
	} cases[] = {
	    {"", 443, "/"},
	    {"a.test", 0, "/"},
	    {"a.test", 65536, "/"},
	    {"a.test:443@evil", 443, "/"},
	    {"evil\\@a.test", 443, "/"},
	    {"a.test/", 443, "/"},
	    {"a.test?", 443, "/"},
	    {"a%2etest", 443, "/"},
	    {"A.test", 443, "/"},
	    {"127.1", 443, "/"},
	    {"127.0.0.1.", 443, "/"},
	    {"127.0.0.01", 443, "/"},
	    {"256.0.0.1", 443, "/"},
	    {"0x7f000001", 443, "/"},
	    {"a.0x7f", 443, "/"},
	    {"2130706433", 443, "/"},
	    {"::1%eth0", 443, "/"},
	    {"[::1]", 443, "/"},
	    {"\xef\xbd\x81.test", 443, "/"},
	    {"a.test", 443, ""},
	    {"a.test", 443, "x"},
	    {"a.test", 443, "https://evil/"},
	    {"a.test", 443, "/a b"},
	    {"a.test", 443, "/a\r\nX: y"},
	    {"a.test", 443, "/a#b"},
	    {"a.test", 443, "/a\\b"},
	    {"a.test", 443, "/\x7f"},
	    {"a.test", 443, "/\xc3\xa4"},
	};
	char head[1024];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct rec_ORDER o =
		    order(cases[i].host, cases[i].port, cases[i].target);

		assert_int_equal(head_of(&o, head), VERR_FORMAT);
	}
}

/* The lines that a head has for one pair, behind its Host. */
static int
fields_of(struct slice name, struct slice value, char out[1024])
{
	static const char start[] = "GET / HTTP/1.1\r\nHost: a.test\r\n";
	uint8_t buf[512];
	struct pairs_writer w = {buf, sizeof(buf), 0, 0};
	struct rec_ORDER o = order("a.test", 443, "/");
	char head[1024];
	int r;

	pairs_put(&w, name, value);
	o.headers = slice_of(buf, w.n);
	if ((r = head_of(&o, head)) != 0)
		return r;
	assert_memory_equal(head, start, sizeof(start) - 1);
	memcpy(out, head + sizeof(start) - 1, strlen(head) - sizeof(start) + 2);
	return 0;
}

static void
http_headers_are_the_orders_alone(void **state)
{
	static const struct {
		const char *name, *value, *lines;
	} cases[] = {
	    {"X", "y", "X: y\r\nAccept-Encoding: identity\r\n\r\n"},
	    {"X", " \t", "X:\r\nAccept-Encoding: identity\r\n\r\n"},
	    {"ACCEPT", "a", "ACCEPT: a\r\nAccept-Encoding: identity\r\n\r\n"},
	    {"accept-encoding", "identity",
	        "accept-encoding: identity\r\n\r\n"},
	    {"X", "\xc3\xa4 ;:",
	        "X: \xc3\xa4 ;:\r\nAccept-Encoding: identity\r\n\r\n"},
	};
	char lines[1024];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(fields_of(slice_str(cases[i].name),
		                     slice_str(cases[i].value), lines),
		    0);
		assert_string_equal(lines, cases[i].lines);
	}
}

static void
http_bodies_are_framed_in_one_way(void **state)
{
	static const struct {
		const char *method;
		enum body_kind body;
		const char *line; /* NULL: the order cannot be sent */
	} cases[] = {
	    {"GET", BODY_NONE, ""},
	    {"HEAD", BODY_NONE, ""},
	    {"POST", BODY_NONE, "Content-Length: 0\r\n"},
	    {"PUT", BODY_LENGTH, "Content-Length: 7\r\n"},
	    {"GET", BODY_LENGTH, "Content-Length: 7\r\n"},
	    {"POST", BODY_STREAM, "Transfer-Encoding: chunked\r\n"},
	    {"HEAD", BODY_LENGTH, NULL},
	};
	char head[1024], want[1024];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct rec_ORDER o = order("a.test", 443, "/");

		o.method = slice_str(cases[i].method);
		o.body = cases[i].body;
		o.length = 7;
		if (cases[i].line == NULL) {
			assert_int_equal(head_of(&o, head), VERR_FORMAT);
			continue;
		}
		assert_int_equal(head_of(&o, head), 0);
		(void)snprintf(want, sizeof(want),
		    "%s / HTTP/1.1\r\nHost: a.test\r\n"
		    "Accept-Encoding: identity\r\n%s\r\n",
		    cases[i].method, cases[i].line);
		assert_string_equal(head, want);
	}
}

static void
hostile_headers_are_refused(void **state)
{
	static const char *const names[] = {"", "X y", "X:", "X;", "X\r\n",
	    "\xc3\xa4", "Host", "CONTENT-LENGTH", "transfer-encoding",
	    "Connection", "Keep-Alive", "TE", "Trailer", "Upgrade", "Expect",
	    "Proxy-Connection", "proxy-x"};
	static const char *const values[] = {
	    "a\r\nb", "a\nb", "a\rb", "\x01", "\x7f"};
	char lines[1024];

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++)
		assert_int_equal(
		    fields_of(slice_str(names[i]), slice_str("v"), lines),
		    VERR_FORMAT);
	for (size_t i = 0; i < COUNT(values); i++)
		assert_int_equal(
		    fields_of(slice_str("X"), slice_str(values[i]), lines),
		    VERR_FORMAT);
	assert_int_equal(
	    fields_of(slice_of("X\0Y", 3), slice_str("v"), lines), VERR_FORMAT);
	assert_int_equal(
	    fields_of(slice_str("X"), slice_of("a\0b", 3), lines), VERR_FORMAT);
}

static void
hostile_methods_are_refused(void **state)
{
	static const char *const bad[] = {"", "get", "GET ", "G\r\nT", "G:T",
	    "CONNECT", "TRACE", "ABCDEFGHIJKLMNOPQRSTU"};
	static const char *const good[] = {"GET", "PATCH", "M-SEARCH", "A_B"};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(request_method_valid(slice_str(bad[i])));
	for (size_t i = 0; i < COUNT(good); i++)
		assert_true(request_method_valid(slice_str(good[i])));
	assert_true(request_method_idempotent(slice_str("DELETE")));
	assert_false(request_method_idempotent(slice_str("POST")));
	assert_false(request_method_idempotent(slice_str("PATCH")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(
	        http_heads_say_the_origin_and_the_target_as_ordered),
	    cmocka_unit_test(hostile_origins_and_targets_are_refused),
	    cmocka_unit_test(http_bodies_are_framed_in_one_way),
	    cmocka_unit_test(http_headers_are_the_orders_alone),
	    cmocka_unit_test(hostile_headers_are_refused),
	    cmocka_unit_test(hostile_methods_are_refused),
	};

	return cmocka_run_group_tests_name(
	    "courier/request", tests, NULL, NULL);
}
