/*
 * What origin.h promises: one spelling of a host, or none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "policy/origin.h"

#define L63 "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0"

static void
hostile_origins_are_refused(void **state)
{
	static const char *const cases[] = {
	    "",
	    "https://",
	    "https:///evil",
	    "https://:443",
	    "http://api.test",
	    "HTTPS://api.test",
	    "ftp://api.test",
	    "file:///etc/passwd",
	    "//api.test",
	    "api.test",
	    " https://api.test",
	    "https://api.test ",
	    "https://api.test/",
	    "https://api.test/v1",
	    "https://api.test?x",
	    "https://api.test#x",
	    "https://api.test:443@evil",
	    "https://user@api.test",
	    "https://evil\\@api.test",
	    "https://API.test",
	    "https://api.test.",
	    "https://.api.test",
	    "https://api..test",
	    "https://api%2etest",
	    "https://api_x.test",
	    "https://-api.test",
	    "https://api-.test",
	    "https://a" L63 ".test",
	    "https://" L63 "." L63 "." L63 "." L63,
	    "https://\xc3\xa4pi.test",
	    "https://api\xe3\x80\x82test",
	    "https://api\xe2\x80\x8b.test",
	    "https://api.test:0",
	    "https://api.test:",
	    "https://api.test:65536",
	    "https://api.test:99999",
	    "https://api.test:0443",
	    "https://api.test:443x",
	    "https://api.test: 443",
	    "https://api.test:+443",
	    "https://api.test:443:443",
	    "https://127.1",
	    "https://0x7f000001",
	    "https://0x7f.1",
	    "https://1.2.3.0x4",
	    "https://2130706433",
	    "https://017700000001",
	    "https://0",
	    "https://127.0.0.01",
	    "https://256.0.0.1",
	    "https://1.2.3.4.5",
	    "https://1.2.3.4.",
	    "https://api.123",
	    "https://[::1",
	    "https://::1",
	    "https://[::1]x",
	    "https://[::1]]",
	    "https://[0:0:0:0:0:0:0:1]",
	    "https://[::0001]",
	    "https://[FE80::1]",
	    "https://[fe80::1%eth0]",
	    "https://[1.2.3.4]",
	    "https://[]",
	    "https://*",
	    "https://api.test\r\nx",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct origin origin = {.port = 7};
		const char *why = NULL;

		if (origin_parse(cases[i], strlen(cases[i]), &origin, &why) !=
		    VERR_FORMAT)
			fail_msg("accepted: %s", cases[i]);
		assert_non_null(why);
		assert_int_equal(origin.port, 7);
	}
	{
		struct origin origin;
		const char *why;

		assert_int_equal(
		    origin_parse("https://a\0b", 11, &origin, &why),
		    VERR_FORMAT);
	}
}

static void
catalog_origins_are_read_and_written(void **state)
{
	static const struct {
		const char *text, *host;
		enum origin_kind kind;
		uint16_t port;
		const char *canonical;
	} cases[] = {
	    {"https://api.test", "api.test", ORIGIN_NAME, 443, NULL},
	    {"https://api.test:443", "api.test", ORIGIN_NAME, 443,
	        "https://api.test"},
	    {"https://api.test:8443", "api.test", ORIGIN_NAME, 8443, NULL},
	    {"https://api.test:65535", "api.test", ORIGIN_NAME, 65535, NULL},
	    {"https://localhost:1", "localhost", ORIGIN_NAME, 1, NULL},
	    {"https://xn--bcher-kva.example", "xn--bcher-kva.example",
	        ORIGIN_NAME, 443, NULL},
	    {"https://" L63 ".test", L63 ".test", ORIGIN_NAME, 443, NULL},
	    {"https://1a.2b", "1a.2b", ORIGIN_NAME, 443, NULL},
	    {"https://127.0.0.1:8443", "127.0.0.1", ORIGIN_IPV4, 8443, NULL},
	    {"https://[::1]", "::1", ORIGIN_IPV6, 443, NULL},
	    {"https://[2001:db8::1]:8443", "2001:db8::1", ORIGIN_IPV6, 8443,
	        NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[ORIGIN_TEXT_MAX + 1];
		struct origin origin;
		const char *why = NULL;

		assert_int_equal(origin_parse(cases[i].text,
		                     strlen(cases[i].text), &origin, &why),
		    0);
		assert_string_equal(origin.host, cases[i].host);
		assert_int_equal(origin.kind, cases[i].kind);
		assert_int_equal(origin.port, cases[i].port);
		origin_format(&origin, text);
		assert_string_equal(text,
		    cases[i].canonical != NULL ? cases[i].canonical
		                               : cases[i].text);
	}
}

static void
catalog_origins_differ_by_host_and_port(void **state)
{
	static const char *const texts[] = {"https://a.test",
	    "https://a.test:444", "https://b.test", "https://1.2.3.4",
	    "https://[::1]"};
	struct origin a, b;
	const char *why;

	(void)state;
	for (size_t i = 0; i < 5; i++)
		for (size_t k = 0; k < 5; k++) {
			assert_int_equal(
			    origin_parse(texts[i], strlen(texts[i]), &a, &why),
			    0);
			assert_int_equal(
			    origin_parse(texts[k], strlen(texts[k]), &b, &why),
			    0);
			assert_int_equal(origin_equal(&a, &b), i == k);
		}
}

static void
hostile_profile_ids_are_refused(void **state)
{
	static const char *const cases[] = {"", "/", "a", "a/", "/b", "a/b/c",
	    "A/b", "a/B", "-a/b", "a/-b", "a_/b", "a /b", "a/b ", "a/*", "../a",
	    "a/\xc3\xa4", ("a" L63 "/b"), ("a/b" L63)};
	struct profile_id id = {.customer = "x"};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (profile_parse(cases[i], strlen(cases[i]), &id) !=
		    VERR_FORMAT)
			fail_msg("accepted: %s", cases[i]);
		assert_string_equal(id.customer, "x");
	}
	assert_int_equal(profile_parse("a/b\0", 4, &id), VERR_FORMAT);
	assert_int_equal(profile_parse("acme/shopify-us", 15, &id), 0);
	assert_string_equal(id.customer, "acme");
	assert_string_equal(id.name, "shopify-us");
	assert_int_equal(profile_parse(L63 "/0", 65, &id), 0);
	assert_string_equal(id.customer, L63);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(hostile_origins_are_refused),
	    cmocka_unit_test(catalog_origins_are_read_and_written),
	    cmocka_unit_test(catalog_origins_differ_by_host_and_port),
	    cmocka_unit_test(hostile_profile_ids_are_refused),
	};

	return cmocka_run_group_tests_name("policy/origin", tests, NULL, NULL);
}
