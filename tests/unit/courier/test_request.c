/*
 * Orders turned into URLs and header lists: one reading, or none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

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

static void
http_urls_name_the_origin(void **state)
{
	static const struct {
		const char *host;
		unsigned port;
		const char *target, *url;
	} cases[] = {
	    {"a.test", 443, "/", "https://a.test:443/"},
	    {"a.test", 8443, "/x/../y//z?a=b?c&%2f%2F", "https://a.test:8443/"},
	    {"a.test", 443, "/?", "https://a.test:443/"},
	    {"a.test", 443, "//evil.test/", "https://a.test:443/"},
	    {"a.test", 443, "/@evil.test:1/", "https://a.test:443/"},
	    {"127.0.0.1", 1, "/", "https://127.0.0.1:1/"},
	    {"::1", 65535, "/%00", "https://[::1]:65535/"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct rec_ORDER o =
		    order(cases[i].host, cases[i].port, cases[i].target);
		char *url = NULL;

		assert_int_equal(request_url(&o, &url), 0);
		assert_string_equal(url, cases[i].url);
		curl_free(url);
	}
}

static void
hostile_urls_are_refused(void **state)
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
	    {"0x7f000001", 443, "/"},
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

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct rec_ORDER o =
		    order(cases[i].host, cases[i].port, cases[i].target);
		char *url = NULL;

		assert_int_equal(request_url(&o, &url), VERR_FORMAT);
		assert_null(url);
	}
}

/* The list that libcurl gets for one pair, joined by '|'. */
static int
headers_of(struct slice name, struct slice value, char out[256])
{
	uint8_t buf[512];
	struct pairs_writer w = {buf, sizeof(buf), 0, 0};
	struct rec_ORDER o = order("a.test", 443, "/");
	struct curl_slist *list = NULL;
	int r;

	pairs_put(&w, name, value);
	o.headers = slice_of(buf, w.n);
	if ((r = request_headers(&o, &list)) != 0) {
		assert_null(list);
		return r;
	}
	out[0] = '\0';
	for (struct curl_slist *l = list; l != NULL; l = l->next) {
		strncat(out, l->data, 100);
		strncat(out, "|", 2);
	}
	curl_slist_free_all(list);
	return 0;
}

static void
http_headers_are_the_orders_alone(void **state)
{
	static const struct {
		const char *name, *value, *list;
	} cases[] = {
	    {"X", "y", "X: y|Expect:|Accept:|Accept-Encoding: identity|"},
	    {"X", " \t", "X;|Expect:|Accept:|Accept-Encoding: identity|"},
	    {"ACCEPT", "a", "ACCEPT: a|Expect:|Accept-Encoding: identity|"},
	    {"accept-encoding", "identity",
	        "accept-encoding: identity|Expect:|Accept:|"},
	    {"X", "\xc3\xa4 ;:",
	        "X: \xc3\xa4 ;:|Expect:|Accept:|Accept-Encoding: identity|"},
	};
	char list[256];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(headers_of(slice_str(cases[i].name),
		                     slice_str(cases[i].value), list),
		    0);
		assert_string_equal(list, cases[i].list);
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
	char list[256];

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++)
		assert_int_equal(
		    headers_of(slice_str(names[i]), slice_str("v"), list),
		    VERR_FORMAT);
	for (size_t i = 0; i < COUNT(values); i++)
		assert_int_equal(
		    headers_of(slice_str("X"), slice_str(values[i]), list),
		    VERR_FORMAT);
	assert_int_equal(
	    headers_of(slice_of("X\0Y", 3), slice_str("v"), list), VERR_FORMAT);
	assert_int_equal(
	    headers_of(slice_str("X"), slice_of("a\0b", 3), list), VERR_FORMAT);
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
	    cmocka_unit_test(http_urls_name_the_origin),
	    cmocka_unit_test(hostile_urls_are_refused),
	    cmocka_unit_test(http_headers_are_the_orders_alone),
	    cmocka_unit_test(hostile_headers_are_refused),
	    cmocka_unit_test(hostile_methods_are_refused),
	};

	return cmocka_run_group_tests_name(
	    "courier/request", tests, NULL, NULL);
}
