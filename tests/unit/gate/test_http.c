/*
 * What http.h promises: what is taken, what is refused and by which name, and
 * that neither depends on how the bytes were split.
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
#define GET(h)   B("GET /a HTTP/1.1\r\nHost: h\r\n" h "\r\n")

/*
 * Parse "len" bytes that come "step" at a time, each time in memory of their
 * own and no larger than they are.  Returns what the last call returned; a
 * head's slices then point into *ret_buf, which the caller frees.
 */
static int
parse_stepwise(const uint8_t *bytes, size_t len, size_t step,
    struct http_head *h, enum http_fault *fault, uint8_t **ret_buf)
{
	size_t line = 0, n = 0;
	int r;

	*ret_buf = NULL;
	do {
		n = n + step < len ? n + step : len;
		free(*ret_buf);
		*ret_buf = malloc(n > 0 ? n : 1);
		assert_non_null(*ret_buf);
		memcpy(*ret_buf, bytes, n);
		r = http_head_parse(*ret_buf, n, &line, h, fault);
		if (r == VERR_AGAIN) {
			const uint8_t *lf = memrchr(*ret_buf, '\n', n);

			assert_int_equal(line, lf ? lf + 1 - *ret_buf : 0);
		}
	} while (r == VERR_AGAIN && n < len);
	return r;
}

static void
expect_refusal(
    const char *name, const uint8_t *bytes, size_t len, enum http_fault want)
{
	static const int codes[] = {
#define HTTP_FAULT(fault, verr, text) [fault] = verr,
#include "vaultd/gate/http_fault.def"
#undef HTTP_FAULT
	};
	const size_t steps[] = {len, 1, 2, 3, 7};

	for (size_t i = 0; i < COUNT(steps); i++) {
		enum http_fault fault = HTTP_FAULT_NONE;
		struct http_head h, before;
		uint8_t *buf;
		int r;

		memset(&h, 0x5a, sizeof(h));
		before = h;
		r = parse_stepwise(bytes, len, steps[i], &h, &fault, &buf);
		free(buf);
		if (r != codes[want] || fault != want)
			fail_msg("%s: %d, %s; not: %s", name, r,
			    http_fault_text(fault), http_fault_text(want));
		assert_memory_equal(&h, &before, sizeof(h));
	}
}

/* clang-format off */
static const struct {
	const char *name;
	const uint8_t *bytes;
	size_t len;
	enum http_fault want;
} bad_heads[] = {
	/* The request line */
	{"empty line first", B("\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"), HTTP_FAULT_REQUEST_LINE},
	{"space first", B(" GET / HTTP/1.1\r\nHost: h\r\n\r\n"), HTTP_FAULT_REQUEST_LINE},
	{"two spaces", B("GET  / HTTP/1.1\r\nHost: h\r\n\r\n"), HTTP_FAULT_REQUEST_LINE},
	{"space last", B("GET / HTTP/1.1 \r\nHost: h\r\n\r\n"), HTTP_FAULT_REQUEST_LINE},
	{"space in target", B("GET /a b HTTP/1.1\r\nHost: h\r\n\r\n"), HTTP_FAULT_REQUEST_LINE},
	{"tab between", B("GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n"), HTTP_FAULT_REQUEST_LINE},
	{"HTTP/0.9", B("GET /\r\n\r\n"), HTTP_FAULT_REQUEST_LINE},
	{"bare LF", B("GET / HTTP/1.1\nHost: h\r\n\r\n"), HTTP_FAULT_LINE_END},
	{"LF alone", B("\nGET / HTTP/1.1\r\n\r\n"), HTTP_FAULT_LINE_END},
	{"bare CR", B("GET / HTTP/1.1\rHost: h\r\n\r\n"), HTTP_FAULT_REQUEST_LINE},
	{"two CR", B("GET / HTTP/1.1\r\r\nHost: h\r\n\r\n"), HTTP_FAULT_VERSION},
	{"CR in target", B("GET /a\rb HTTP/1.1\r\nHost: h\r\n\r\n"), HTTP_FAULT_TARGET_BYTE},
	{"NUL in target", B("GET /a\0b HTTP/1.1\r\nHost: h\r\n\r\n"), HTTP_FAULT_TARGET_BYTE},
	{"tab in target", B("GET /a\tb HTTP/1.1\r\nHost: h\r\n\r\n"), HTTP_FAULT_TARGET_BYTE},
	{"UTF-8 in target", B("GET /\xc3\xa9 HTTP/1.1\r\nHost: h\r\n\r\n"), HTTP_FAULT_TARGET_BYTE},
	{"fragment", B("GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n"), HTTP_FAULT_FRAGMENT},
	{"fragment with at", B("GET /#@evil HTTP/1.1\r\nHost: h\r\n\r\n"), HTTP_FAULT_FRAGMENT},
	{"absolute-form", B("GET http://evil/a HTTP/1.1\r\nHost: h\r\n\r\n"), HTTP_FAULT_TARGET_FORM},
	{"authority-form", B("GET evil:443 HTTP/1.1\r\nHost: h\r\n\r\n"), HTTP_FAULT_TARGET_FORM},
	{"asterisk-form", B("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n"), HTTP_FAULT_TARGET_FORM},
	{"query alone", B("GET ?@evil HTTP/1.1\r\nHost: h\r\n\r\n"), HTTP_FAULT_TARGET_FORM},
	{"no target", B("GET  HTTP/1.1\r\nHost: h\r\n\r\n"), HTTP_FAULT_TARGET_FORM},
	{"HTTP/1.0", B("GET / HTTP/1.0\r\nHost: h\r\n\r\n"), HTTP_FAULT_VERSION},
	{"chunked HTTP/1.0", B("POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"), HTTP_FAULT_VERSION},
	{"HTTP/1.9", B("GET / HTTP/1.9\r\nHost: h\r\n\r\n"), HTTP_FAULT_VERSION},
	{"HTTP/2.0", B("GET / HTTP/2.0\r\nHost: h\r\n\r\n"), HTTP_FAULT_VERSION},
	{"HTTP/1.10", B("GET / HTTP/1.10\r\nHost: h\r\n\r\n"), HTTP_FAULT_VERSION},
	{"HTTP/01.1", B("GET / HTTP/01.1\r\nHost: h\r\n\r\n"), HTTP_FAULT_VERSION},
	{"lower-case version", B("GET / http/1.1\r\nHost: h\r\n\r\n"), HTTP_FAULT_VERSION},
	{"no version", B("GET / \r\nHost: h\r\n\r\n"), HTTP_FAULT_VERSION},

	/* The method */
	{"lower-case method", B("get / HTTP/1.1\r\nHost: h\r\n\r\n"), HTTP_FAULT_METHOD},
	{"mixed-case method", B("Get / HTTP/1.1\r\nHost: h\r\n\r\n"), HTTP_FAULT_METHOD},
	{"no method", B(" / HTTP/1.1\r\nHost: h\r\n\r\n"), HTTP_FAULT_METHOD},
	{"dash first", B("-GET / HTTP/1.1\r\nHost: h\r\n\r\n"), HTTP_FAULT_METHOD},
	{"digit in method", B("GET2 / HTTP/1.1\r\nHost: h\r\n\r\n"), HTTP_FAULT_METHOD},
	{"underscore in method", B("GE_T / HTTP/1.1\r\nHost: h\r\n\r\n"), HTTP_FAULT_METHOD},
	{"21 letters", B("ABCDEFGHIJKLMNOPQRSTU / HTTP/1.1\r\nHost: h\r\n\r\n"), HTTP_FAULT_METHOD},
	{"CONNECT authority", B("CONNECT evil:443 HTTP/1.1\r\nHost: h\r\n\r\n"), HTTP_FAULT_METHOD_NEVER},
	{"CONNECT path", B("CONNECT / HTTP/1.1\r\nHost: h\r\n\r\n"), HTTP_FAULT_METHOD_NEVER},
	{"TRACE", B("TRACE / HTTP/1.1\r\nHost: h\r\n\r\n"), HTTP_FAULT_METHOD_NEVER},
	{"TRACK", B("TRACK / HTTP/1.1\r\nHost: h\r\n\r\n"), HTTP_FAULT_METHOD_NEVER},
	{"HTTP/2 preface", B("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), HTTP_FAULT_METHOD_NEVER},

	/* Header lines */
	{"white space before the first header", B("GET / HTTP/1.1\r\n Host: h\r\n\r\n"), HTTP_FAULT_FOLD},
	{"obs-fold, space", GET("X: a\r\n b\r\n"), HTTP_FAULT_FOLD},
	{"obs-fold, tab", GET("X: a\r\n\tb\r\n"), HTTP_FAULT_FOLD},
	{"obs-fold, empty", GET("X: a\r\n \r\n"), HTTP_FAULT_FOLD},
	{"space before colon", GET("X : a\r\n"), HTTP_FAULT_NAME_SPACE},
	{"tab before colon", GET("X\t: a\r\n"), HTTP_FAULT_NAME_SPACE},
	{"space before Host's colon", B("GET / HTTP/1.1\r\nHost : h\r\n\r\n"), HTTP_FAULT_NAME_SPACE},
	{"space before Content-Length's colon", GET("Content-Length : 5\r\n"), HTTP_FAULT_NAME_SPACE},
	{"no colon", GET("X\r\n"), HTTP_FAULT_COLON},
	{"semicolon for colon", GET("X;\r\n"), HTTP_FAULT_COLON},
	{"empty name", GET(": a\r\n"), HTTP_FAULT_NAME},
	{"space in name", GET("X Y: a\r\n"), HTTP_FAULT_NAME},
	{"NUL in name", GET("X\0Y: a\r\n"), HTTP_FAULT_NAME},
	{"UTF-8 in name", GET("X\xc3\xa9: a\r\n"), HTTP_FAULT_NAME},
	{"parenthesis in name", GET("X(Y): a\r\n"), HTTP_FAULT_NAME},
	{"CR in name", GET("X\rY: a\r\n"), HTTP_FAULT_NAME},
	{"NUL in value", GET("X: a\0b\r\n"), HTTP_FAULT_VALUE},
	{"CR in value", GET("X: a\rAuthorization: b\r\n"), HTTP_FAULT_VALUE},
	{"CR last", GET("X: a\r\r\n"), HTTP_FAULT_VALUE},
	{"LF in value", GET("X: a\nAuthorization: b\r\n"), HTTP_FAULT_LINE_END},
	{"LF LF", B("GET / HTTP/1.1\r\nHost: h\n\n"), HTTP_FAULT_LINE_END},
	{"CR LF LF", B("GET / HTTP/1.1\r\nHost: h\r\n\n"), HTTP_FAULT_LINE_END},
	{"tab in value", GET("X: a\tb\r\n"), HTTP_FAULT_VALUE},
	{"tab after colon", GET("X:\ta\r\n"), HTTP_FAULT_VALUE},
	{"DEL in value", GET("X: a\x7f\r\n"), HTTP_FAULT_VALUE},
	{"ESC in value", GET("X: a\x1b[2J\r\n"), HTTP_FAULT_VALUE},
	{"UTF-8 in value", GET("X: \xc3\xa9\r\n"), HTTP_FAULT_VALUE},
	{"Latin-1 space in value", GET("Content-Length: 5\xa0\r\n"), HTTP_FAULT_VALUE},

	/* Host */
	{"no Host", B("GET / HTTP/1.1\r\nX: a\r\n\r\n"), HTTP_FAULT_HOST_MISSING},
	{"no header", B("GET / HTTP/1.1\r\n\r\n"), HTTP_FAULT_HOST_MISSING},
	{"two Host", GET("Host: other\r\n"), HTTP_FAULT_HOST_TWICE},
	{"two equal Host", GET("hOST: h\r\n"), HTTP_FAULT_HOST_TWICE},
#define HOST(h) B("GET / HTTP/1.1\r\nHost: " h "\r\n\r\n"), HTTP_FAULT_HOST
	{"empty Host", HOST("")},
	{"port alone", HOST(":80")},
	{"user", HOST("a@evil")},
	{"path", HOST("a/b")},
	{"list", HOST("a, b")},
	{"space", HOST("a b")},
	{"backslash", HOST("evil\\@a")},
	{"escape", HOST("a%2eb")},
	{"two colons", HOST("a:80:80")},
	{"letters for port", HOST("a:443x")},
	{"space in port", HOST("a: 443")},
	{"empty port", HOST("a:")},
	{"six digits", HOST("a:065536")},
	{"open bracket", HOST("[::1")},
	{"empty brackets", HOST("[]")},
	{"name in brackets", HOST("[name]")},
	{"unclosed address", HOST("[::1x")},
	{"behind brackets", HOST("[::1]a")},
	{"digits behind a slash", HOST("a/80")},
	{"digits behind an at", HOST("a@80")},
#undef HOST

	/* How long the body is */
#define CL(v) GET("Content-Length: " v "\r\n"), HTTP_FAULT_LENGTH
	{"plus", CL("+5")},
	{"minus", CL("-5")},
	{"hexadecimal", CL("0x5")},
	{"list of equals", CL("5,5")},
	{"list", CL("5, 6")},
	{"leading zero", CL("05")},
	{"two zeros", CL("00")},
	{"empty", CL("")},
	{"space inside", CL("5 5")},
	{"fraction", CL("5.0")},
	{"quoted", CL("\"5\"")},
	{"suffix", CL("5;a")},
	{"beyond INT64_MAX", CL("9223372036854775808")},
	{"beyond UINT64_MAX", CL("18446744073709551621")},
	{"far beyond", CL("99999999999999999999999999")},
#undef CL
	{"two lengths", GET("Content-Length: 5\r\nContent-Length: 6\r\n"), HTTP_FAULT_LENGTH_TWICE},
	{"two equal lengths", GET("Content-Length: 5\r\ncontent-length: 5\r\n"), HTTP_FAULT_LENGTH_TWICE},
	{"length, then coding", GET("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), HTTP_FAULT_TWO_LENGTHS},
	{"coding, then length", GET("transfer-encoding: chunked\r\nContent-Length: 5\r\n"), HTTP_FAULT_TWO_LENGTHS},
	{"coding, then length 0", GET("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n"), HTTP_FAULT_TWO_LENGTHS},
#define TE(v) GET("Transfer-Encoding: " v "\r\n"), HTTP_FAULT_CODING
	{"xchunked", TE("xchunked")},
	{"Chunked", TE("Chunked")},
	{"identity", TE("identity")},
	{"gzip, chunked", TE("gzip, chunked")},
	{"chunked, chunked", TE("chunked, chunked")},
	{"chunked, identity", TE("chunked, identity")},
	{"chunked,", TE("chunked,")},
	{"parameter", TE("chunked;a=b")},
	{"quoted coding", TE("\"chunked\"")},
	{"empty coding", TE("")},
#undef TE
	{"two codings", GET("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), HTTP_FAULT_CODING_TWICE},
	{"two codings, identity", GET("Transfer-Encoding: chunked\r\nTransfer-encoding: identity\r\n"), HTTP_FAULT_CODING_TWICE},
	{"another expectation", GET("Expect: 200-ok\r\n"), HTTP_FAULT_EXPECT},
	{"empty expectation", GET("Expect:\r\n"), HTTP_FAULT_EXPECT},
	{"list of expectations", GET("Expect: 100-continue, a\r\n"), HTTP_FAULT_EXPECT},
	{"two expectations", GET("Expect: 100-continue\r\nExpect: 100-continue\r\n"), HTTP_FAULT_EXPECT},
};

static const struct {
	const char *name;
	const uint8_t *bytes;
	size_t len;
	const char *method, *target, *host;
	size_t fields;
	enum http_body body;
	uint64_t length;
	bool keep_alive, expect;
} good_heads[] = {
	{"least", B("GET / HTTP/1.1\r\nHost:h\r\n\r\n"), "GET", "/", "h", 1, HTTP_BODY_NONE, 0, true, false},
	{"curl", B("GET /acme/stripe/v1/charges?limit=3 HTTP/1.1\r\nHost: vaultd\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n"),
	    "GET", "/acme/stripe/v1/charges?limit=3", "vaultd", 3, HTTP_BODY_NONE, 0, true, false},
	{"Host form", B("PATCH /v1/x HTTP/1.1\r\nhost: stripe.acme.vaultd:80\r\n\r\n"), "PATCH", "/v1/x", "stripe.acme.vaultd:80", 1, HTTP_BODY_NONE, 0, true, false},
	{"address", B("GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n"), "GET", "/", "[::1]:8080", 1, HTTP_BODY_NONE, 0, true, false},
	{"any method", B("VERSION-CONTROL /a HTTP/1.1\r\nHost: h\r\n\r\n"), "VERSION-CONTROL", "/a", "h", 1, HTTP_BODY_NONE, 0, true, false},
	{"20 letters", B("ABCDEFGHIJKLMNOPQRST / HTTP/1.1\r\nHost: h\r\n\r\n"), "ABCDEFGHIJKLMNOPQRST", "/", "h", 1, HTTP_BODY_NONE, 0, true, false},
	{"a method that only begins like one of the never", B("PRINT / HTTP/1.1\r\nHost: h\r\n\r\n"), "PRINT", "/", "h", 1, HTTP_BODY_NONE, 0, true, false},
	{"raw brackets", B("GET /a?expand[0]=b|{c} HTTP/1.1\r\nHost: h\r\n\r\n"), "GET", "/a?expand[0]=b|{c}", "h", 1, HTTP_BODY_NONE, 0, true, false},
	{"length", GET("Content-Length: 5\r\n"), "GET", "/a", "h", 2, HTTP_BODY_LENGTH, 5, true, false},
	{"length 0", GET("content-length:0\r\n"), "GET", "/a", "h", 2, HTTP_BODY_LENGTH, 0, true, false},
	{"greatest length", GET("CONTENT-LENGTH: 9223372036854775807\r\n"), "GET", "/a", "h", 2, HTTP_BODY_LENGTH, INT64_MAX, true, false},
	{"chunked", GET("Transfer-Encoding: chunked\r\n"), "GET", "/a", "h", 2, HTTP_BODY_CHUNKED, 0, true, false},
	{"close", GET("Connection: close\r\n"), "GET", "/a", "h", 2, HTTP_BODY_NONE, 0, false, false},
	{"close in a list", GET("Connection: x ,CLOSE, y\r\n"), "GET", "/a", "h", 2, HTTP_BODY_NONE, 0, false, false},
	{"close, then keep", GET("Connection: close\r\nConnection: keep-alive\r\n"), "GET", "/a", "h", 3, HTTP_BODY_NONE, 0, false, false},
	{"not close", GET("Connection: closed, x-close\r\n"), "GET", "/a", "h", 2, HTTP_BODY_NONE, 0, true, false},
	{"expectation", GET("Expect: 100-Continue\r\nContent-Length: 1\r\n"), "GET", "/a", "h", 3, HTTP_BODY_LENGTH, 1, true, true},
	{"expectation for chunks", GET("Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n"), "GET", "/a", "h", 3, HTTP_BODY_CHUNKED, 0, true, true},
	{"expectation without a body", GET("Expect: 100-continue\r\n"), "GET", "/a", "h", 2, HTTP_BODY_NONE, 0, true, false},
	{"names that only look like it", GET("Content_Length: x\r\nTransfer-Encodings: y\r\nX-Host: z\r\n"), "GET", "/a", "h", 4, HTTP_BODY_NONE, 0, true, false},
};
/* clang-format on */

static void
hostile_heads_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bad_heads); i++)
		expect_refusal(bad_heads[i].name, bad_heads[i].bytes,
		    bad_heads[i].len, bad_heads[i].want);
}

static void
check_good_head(size_t i, const struct http_head *h)
{
	if (!slice_is(h->method, good_heads[i].method) ||
	    !slice_is(h->target, good_heads[i].target) ||
	    !slice_is(h->host, good_heads[i].host))
		fail_msg("%s: method, target or host", good_heads[i].name);
	assert_int_equal(h->field_count, good_heads[i].fields);
	assert_int_equal(h->body, good_heads[i].body);
	assert_int_equal(h->length, good_heads[i].length);
	assert_int_equal(h->keep_alive, good_heads[i].keep_alive);
	assert_int_equal(h->expect_continue, good_heads[i].expect);
	assert_int_equal(h->len, good_heads[i].len);
}

/* Every length of the first piece, and every size of equal pieces. */
static void
http_heads_are_taken_however_split(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(good_heads); i++) {
		size_t len = good_heads[i].len;

		for (size_t step = 1; step <= len; step++) {
			enum http_fault fault = HTTP_FAULT_NONE;
			struct http_head h;
			uint8_t *buf;
			int r = parse_stepwise(
			    good_heads[i].bytes, len, step, &h, &fault, &buf);

			if (r != 0)
				fail_msg("%s: %s", good_heads[i].name,
				    http_fault_text(fault));
			check_good_head(i, &h);
			free(buf);
		}
	}
}

/* A pipelined request: the second begins where the first ended. */
static void
http_head_ends_at_its_blank_line(void **state)
{
	static const char two[] = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
	                          "PUT /b HTTP/1.1\r\nHost: i\r\n\r\n";
	const uint8_t *p = (const uint8_t *)two;
	enum http_fault fault;
	struct http_head h;
	size_t line = 0, len = sizeof(two) - 1;

	(void)state;
	assert_int_equal(http_head_parse(p, 20, &line, &h, &fault), VERR_AGAIN);
	assert_int_equal(http_head_parse(p, len, &line, &h, &fault), 0);
	assert_int_equal(line, 0);
	assert_true(slice_is(h.target, "/a"));
	p += h.len;
	len -= h.len;
	assert_int_equal(http_head_parse(p, len, &line, &h, &fault), 0);
	assert_true(slice_is(h.target, "/b"));
	assert_int_equal(h.len, len);
}

static void
http_values_lose_the_spaces_around_them(void **state)
{
	static const char text[] =
	    "GET / HTTP/1.1\r\nHost: h\r\nX-A:   a b  \r\nX-B:\r\n\r\n";
	enum http_fault fault;
	struct http_head h;
	size_t line = 0;

	(void)state;
	assert_int_equal(http_head_parse((const uint8_t *)text,
	                     sizeof(text) - 1, &line, &h, &fault),
	    0);
	assert_true(slice_is(h.fields[1].name, "X-A"));
	assert_true(slice_is(h.fields[1].value, "a b"));
	assert_int_equal(h.fields[2].value.n, 0);
}

/* The 256 bytes, each in the middle of each element. */
static void
hostile_bytes_pass_only_where_the_grammar_has_them(void **state)
{
	static const char token[] =
	    "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz";
	static const char *const around[][2] = {
	    {"A", "B /a HTTP/1.1\r\nHost: h\r\n\r\n"},
	    {"GET /a", "b HTTP/1.1\r\nHost: h\r\n\r\n"},
	    {"GET /a HTTP/1.1\r\nHost: h\r\nX", "Y: a\r\n\r\n"},
	    {"GET /a HTTP/1.1\r\nHost: h\r\nX: a", "b\r\n\r\n"},
	};

	(void)state;
	for (int b = 0; b < 256; b++) {
		const bool visible = b > 0x20 && b < 0x7f;
		const bool want[] = {
		    (b >= 'A' && b <= 'Z') || b == '-',
		    visible && b != '#',
		    /* A colon there ends the name; the rest is a value. */
		    (b != 0 && strchr(token, b) != NULL) || b == ':',
		    visible || b == ' ',
		};

		for (size_t i = 0; i < COUNT(around); i++) {
			enum http_fault fault;
			struct http_head h;
			uint8_t buf[128];
			size_t n = strlen(around[i][0]), line = 0;
			size_t m = strlen(around[i][1]);
			int r;

			memcpy(buf, around[i][0], n);
			buf[n] = b;
			memcpy(buf + n + 1, around[i][1], m);
			r = http_head_parse(buf, n + 1 + m, &line, &h, &fault);
			if ((r == 0) != want[i])
				fail_msg("byte %d, element %zu: %d", b, i, r);
		}
	}
}

/* Each limit: the last that passes, the first that does not. */
static uint8_t big[HTTP_HEAD_MAX * 2];
static size_t big_len;

static void
add(const char *text)
{
	memcpy(big + big_len, text, strlen(text));
	big_len += strlen(text);
}

static void
add_many(char c, size_t n)
{
	memset(big + big_len, c, n);
	big_len += n;
}

static void
expect_limit(bool passes, enum http_fault want)
{
	enum http_fault fault;
	struct http_head h;
	size_t line = 0;

	if (passes) {
		int r = http_head_parse(big, big_len, &line, &h, &fault);

		if (r != 0)
			fail_msg("%s", http_fault_text(fault));
	} else {
		expect_refusal("limit", big, big_len, want);
	}
}

static void
hostile_sizes_are_refused_past_each_limit(void **state)
{
	(void)state;
	for (size_t over = 0; over < 2; over++) {
		big_len = 0;
		add("GET /");
		add_many('a', HTTP_LINE_MAX - 14 + over);
		add(" HTTP/1.1\r\nHost: h\r\n\r\n");
		expect_limit(over == 0, HTTP_FAULT_LINE_LONG);

		big_len = 0;
		add("GET / HTTP/1.1\r\nHost: h\r\n");
		add_many('X', HTTP_NAME_MAX + over);
		add(": a\r\n\r\n");
		expect_limit(over == 0, HTTP_FAULT_NAME_LONG);

		big_len = 0;
		add("GET / HTTP/1.1\r\nHost: h\r\nX: ");
		add_many('a', HTTP_VALUE_MAX + over);
		add("\r\n\r\n");
		expect_limit(over == 0, HTTP_FAULT_VALUE_LONG);

		big_len = 0;
		add("GET / HTTP/1.1\r\nHost: h\r\n");
		for (size_t i = 1; i < HTTP_FIELDS_MAX + over; i++)
			add("X: a\r\n");
		add("\r\n");
		expect_limit(over == 0, HTTP_FAULT_FIELDS_MANY);

		big_len = 0;
		add("GET / HTTP/1.1\r\nHost: h\r\n");
		for (size_t i = 0; i < 4; i++) {
			add("X: ");
			add_many('a', 8000);
			add("\r\n");
		}
		add("X: ");
		add_many('a', HTTP_HEAD_MAX - big_len - 4 + over);
		add("\r\n\r\n");
		assert_int_equal(big_len, HTTP_HEAD_MAX + over);
		expect_limit(over == 0, HTTP_FAULT_HEAD_LONG);
	}
}

/* Who never ends a line is refused all the same, and no later than this. */
static void
hostile_endless_lines_are_refused(void **state)
{
	struct http_head h;
	enum http_fault fault = HTTP_FAULT_NONE;
	size_t line = 0;

	(void)state;
	big_len = 0;
	add_many('A', HTTP_LINE_MAX + 1);
	assert_int_equal(
	    http_head_parse(big, big_len, &line, &h, &fault), VERR_AGAIN);
	add_many('A', 1);
	expect_refusal("request line", big, big_len, HTTP_FAULT_LINE_LONG);

	big_len = 0;
	add("GET / HTTP/1.1\r\nX: ");
	add_many('a', HTTP_VALUE_MAX + HTTP_NAME_MAX + 3);
	expect_refusal("header", big, big_len, HTTP_FAULT_VALUE_LONG);
}

static void
http_fields_follow_the_rules_of_a_head(void **state)
{
	static const struct {
		const char *text;
		enum http_fault want;
	} bad[] = {
	    {"X: a", HTTP_FAULT_LINE_END},
	    {"X: a\n", HTTP_FAULT_LINE_END},
	    {"X: a\r\n\r\n", HTTP_FAULT_COLON},
	    {"X: a\r\n b\r\n", HTTP_FAULT_FOLD},
	    {"X : a\r\n", HTTP_FAULT_NAME_SPACE},
	    {": a\r\n", HTTP_FAULT_NAME},
	    {"X: \x01\r\n", HTTP_FAULT_VALUE},
	    {"X: a\rY: b\r\n", HTTP_FAULT_VALUE},
	    {"A: 1\r\nB: 2\r\nC: 3\r\n", HTTP_FAULT_FIELDS_MANY},
	};
	static const char good[] = "X-A: 1\r\nx-b:two words \r\n";
	struct http_field fields[2];
	enum http_fault fault = HTTP_FAULT_NONE;
	size_t count = 77;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		int r = http_fields_parse((const uint8_t *)bad[i].text,
		    strlen(bad[i].text), fields, 2, &count, &fault);

		assert_true(r == VERR_FORMAT || r == VERR_TOOBIG);
		assert_int_equal(fault, bad[i].want);
		assert_int_equal(count, 77);
	}
	assert_int_equal(http_fields_parse((const uint8_t *)good,
	                     sizeof(good) - 1, fields, 2, &count, &fault),
	    0);
	assert_int_equal(count, 2);
	assert_true(slice_is(fields[1].name, "x-b"));
	assert_true(slice_is(fields[1].value, "two words"));
	assert_int_equal(
	    http_fields_parse(NULL, 0, fields, 2, &count, &fault), 0);
	assert_int_equal(count, 0);
}

static void
hostile_fields_past_the_whole_limit_are_refused(void **state)
{
	static struct http_field fields[HTTP_FIELDS_MAX];
	enum http_fault fault;
	size_t count;

	(void)state;
	for (size_t over = 0; over < 2; over++) {
		big_len = 0;
		for (size_t i = 0; i < 4; i++) {
			add("X: ");
			add_many('a', HTTP_VALUE_MAX - 5 + (i == 0) * over);
			add("\r\n");
		}
		assert_int_equal(big_len, HTTP_HEAD_MAX + over);
		assert_int_equal(http_fields_parse(big, big_len, fields,
		                     HTTP_FIELDS_MAX, &count, &fault),
		    over == 0 ? 0 : VERR_TOOBIG);
	}
	assert_int_equal(fault, HTTP_FAULT_HEAD_LONG);
}

static void
http_names_and_lists_know_no_case(void **state)
{
	const struct slice list = slice_str("close , X-Private,, \tte");

	(void)state;
	assert_true(http_name_is(slice_str("x-PRIVATE"), "X-Private"));
	assert_false(http_name_is(slice_str("x-privat"), "X-Private"));
	assert_false(http_name_is(slice_str("x_private"), "X-Private"));
	assert_true(http_list_has(list, slice_str("Close")));
	assert_true(http_list_has(list, slice_str("x-private")));
	assert_true(http_list_has(list, slice_str("TE")));
	assert_false(http_list_has(list, slice_str("x-priv")));
	assert_false(http_list_has(list, slice_str("private")));
	assert_false(http_list_has(slice_str(""), slice_str("close")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(hostile_heads_are_refused),
	    cmocka_unit_test(http_heads_are_taken_however_split),
	    cmocka_unit_test(http_head_ends_at_its_blank_line),
	    cmocka_unit_test(http_values_lose_the_spaces_around_them),
	    cmocka_unit_test(
	        hostile_bytes_pass_only_where_the_grammar_has_them),
	    cmocka_unit_test(hostile_sizes_are_refused_past_each_limit),
	    cmocka_unit_test(hostile_endless_lines_are_refused),
	    cmocka_unit_test(http_fields_follow_the_rules_of_a_head),
	    cmocka_unit_test(hostile_fields_past_the_whole_limit_are_refused),
	    cmocka_unit_test(http_names_and_lists_know_no_case),
	};

	return cmocka_run_group_tests_name("gate/http", tests, NULL, NULL);
}
