#include <stdio.h>

#include "protocol/pairs.h"
#include "tests/unit/keeper/world.h"
#include "vaultd/keeper/render.h"

#define SECRET "sk_live_0123456789"

/* Pairs in static memory: name, value, ..., NULL. */
struct list {
	uint8_t bytes[70000];
	size_t n;
};

static struct catalog_link link_to;
static struct list secret, headers;

static struct slice
pairs(struct list *l, ...)
{
	struct pairs_writer w = {.p = l->bytes, .cap = sizeof(l->bytes)};
	const char *name;
	va_list ap;

	va_start(ap, l);
	while ((name = va_arg(ap, const char *)) != NULL)
		pairs_add(&w, name, slice_str(va_arg(ap, const char *)));
	va_end(ap);
	assert_false(w.overflow);
	l->n = w.n;
	return slice_of(l->bytes, w.n);
}

static void
inject(const char *text)
{
	const char *why = NULL;

	memset(&link_to, 0, sizeof(link_to));
	link_to.sends = true;
	if (injection_parse(text, strlen(text), &link_to.injection, &why) != 0)
		fail_msg("%s: %s", text, why);
	(void)pairs(&secret, "secret", SECRET, "username", "flow", NULL);
	headers.n = 0;
}

static int
check(const char *name, const char *value)
{
	struct render_refusal why = {REFUSED_NONE, NULL};
	int r = render_check(&link_to, pairs(&headers, name, value, NULL),
	    slice_str("/v1?a=b"), &why);

	if (r == 0) {
		assert_int_equal(why.refusal, REFUSED_NONE);
	} else {
		assert_int_equal(r, VERR_FORMAT);
		assert_non_null(why.sentence);
		assert_null(strstr(why.sentence, SECRET));
	}
	return r == 0 ? 0 : (int)why.refusal;
}

static int
render_to(const char *target, struct rendered *out)
{
	struct render_request req = {&link_to, slice_of(secret.bytes, secret.n),
	    slice_of(headers.bytes, headers.n), slice_str(target)};
	struct render_refusal why;

	memset(out, 0x5a, sizeof(*out));
	return render(&req, out, &why);
}

/*
 * Render with what "headers" holds; the value of header "name" is returned,
 * or NULL if it is not sent; sent twice is a failure.
 */
static const char *
sent(const char *target, const char *name)
{
	static char text[70000];
	struct slice value;
	struct rendered out;
	int r;

	assert_int_equal(render_to(target, &out), 0);
	r = pairs_find(out.headers, name, &value);
	if (r == VERR_NOTFOUND)
		return NULL;
	assert_int_equal(r, 0);
	memcpy(text, value.p, value.n);
	text[value.n] = '\0';
	return text;
}

static void
target_is(const char *target, const char *expected)
{
	struct rendered out;

	assert_int_equal(render_to(target, &out), 0);
	assert_int_equal(out.target.n, strlen(expected));
	assert_memory_equal(out.target.p, expected, out.target.n);
}

static const char *const dropped[] = {"Connection", "Keep-Alive",
    "Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "Host",
    "Content-Length", "Expect", "Forwarded", "X-Forwarded-For", "X-Forwarded-",
    "X-Forwarded-Host-And-More", "Vaultd-Flow", "Vaultd-Urls", "vaultd-"};
static const char *const refused[] = {"Cookie", "Cookie2", "Proxy-Authenticate",
    "Proxy-", "X-HTTP-Method", "X-HTTP-Method-Override", "X-Method-Override",
    "X-Original-URL", "X-Rewrite-URL", "HTTP2-Settings", "Vaultd-Url"};
static const char *const passed[] = {"Range", "If-None-Match", "If-Match",
    "Idempotency-Key", "Content-Type", "X-Anything", "X-Forwarded",
    "Connection2", "TEE", "T", "Vaultd", "Stripe-Version", "Accept"};

/* A name in upper case, in lower case, and with '_' for '-'. */
static const char *
spelling(const char *name, int how)
{
	static char out[64];
	size_t n = strlen(name);

	for (size_t i = 0; i <= n; i++) {
		char c = name[i];

		if ((how & 1) && c >= 'a' && c <= 'z')
			c = (char)(c - 32);
		if ((how & 2) && c >= 'A' && c <= 'Z')
			c = (char)(c + 32);
		if ((how & 4) && c == '-')
			c = '_';
		out[i] = c;
	}
	return out;
}

static void
http_render_fate_of_headers(void **state)
{
	(void)state;
	inject("header X-Key: {secret}");
	for (int how = 0; how < 8; how++) {
		for (size_t i = 0; i < sizeof(dropped) / sizeof(*dropped);
		     i++) {
			const char *name = spelling(dropped[i], how);

			assert_int_equal(check(name, "x"), 0);
			assert_null(sent("/", name));
		}
		for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++)
			if (check(spelling(refused[i], how), "x") !=
			    REFUSED_BAD_REQUEST)
				fail_msg(
				    "passed: %s", spelling(refused[i], how));
		for (size_t i = 0; i < sizeof(passed) / sizeof(*passed); i++) {
			const char *name = spelling(passed[i], how);

			assert_int_equal(check(name, "x y"), 0);
			assert_string_equal(sent("/", name), "x y");
		}
	}
	/* Asked for or not: no coding of the answer hides a secret in it. */
	(void)pairs(&headers, "Accept-Encoding", "gzip", NULL);
	assert_string_equal(sent("/", "Accept-Encoding"), "identity");
	(void)pairs(&headers, "accept_encoding", "gzip", NULL);
	assert_null(sent("/", "accept_encoding"));
}

static void
hostile_render_malformed_headers(void **state)
{
	static const char *const names[] = {"", " X", "X ", "X:", "X\r", "X\n",
	    "X\r\nY", "X Y", "X\t", "X;", "X,", "X/", "X=", "\"X\"", "X\x7f",
	    "X\x80", "X\xc3\xbc", "(X)", "X@Y", "[X]", "{X}", "<X>", "X\\",
	    "X?"};
	static const char *const values[] = {"a\rb", "a\nb", "a\r\n b",
	    "a\r\nX: y", "\r\n", "a\x01", "a\x7f", "a\x80",
	    "gr\xc3\xbc\xc3\x9f", " a", "a ", "\ta", "a\t", " "};
	static char long_text[RENDER_FIELD_MAX + 2];
	struct render_refusal why;
	struct pairs_writer w = {.p = headers.bytes, .cap = 1000};

	(void)state;
	inject("header X-Key: {secret}");
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		assert_int_equal(check(names[i], "x"), REFUSED_BAD_REQUEST);
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++)
		assert_int_equal(check("X", values[i]), REFUSED_BAD_REQUEST);
	assert_int_equal(check("X", ""), 0);
	assert_int_equal(check("X", "a\tb"), 0);
	memset(long_text, 'x', sizeof(long_text) - 1);
	assert_int_equal(check("X", long_text), REFUSED_BAD_REQUEST);
	assert_int_equal(check("X", long_text + 1), 0);
	assert_int_equal(check(long_text + RENDER_FIELD_MAX - 255, ""), 0);
	assert_int_equal(
	    check(long_text + RENDER_FIELD_MAX - 256, ""), REFUSED_BAD_REQUEST);

	/* NULs, and a list that is cut off */
	pairs_put(&w, slice_of("X\0Y", 3), slice_str("x"));
	assert_int_equal(render_check(&link_to, slice_of(headers.bytes, w.n),
	                     slice_str("/"), &why),
	    VERR_FORMAT);
	w.n = 0;
	pairs_put(&w, slice_str("X"), slice_of("x\0", 2));
	assert_int_equal(render_check(&link_to, slice_of(headers.bytes, w.n),
	                     slice_str("/"), &why),
	    VERR_FORMAT);
	w.n = 0;
	pairs_put(&w, slice_str("X"), slice_str("x"));
	assert_int_equal(
	    render_check(&link_to, slice_of(headers.bytes, w.n - 1),
	        slice_str("/"), &why),
	    VERR_FORMAT);
}

static void
hostile_render_too_many_headers(void **state)
{
	struct pairs_writer w = {.p = headers.bytes, .cap = 4000};
	struct render_refusal why;

	(void)state;
	inject("header X-Key: {secret}");
	for (int i = 0; i < RENDER_HEADERS_MAX; i++)
		pairs_add(&w, i % 2 ? "X-A" : "Host", slice_str("x"));
	assert_int_equal(render_check(&link_to, slice_of(headers.bytes, w.n),
	                     slice_str("/"), &why),
	    0);
	pairs_add(&w, "X-A", slice_str("x"));
	assert_int_equal(render_check(&link_to, slice_of(headers.bytes, w.n),
	                     slice_str("/"), &why),
	    VERR_FORMAT);
	assert_int_equal(why.refusal, REFUSED_BAD_REQUEST);
}

static void
http_render_placeholder(void **state)
{
	/* "anything:vaultd", ":vaultd" */
	static const char *const good[] = {"vaultd", "Bearer vaultd",
	    "Token vaultd", "bEARER vaultd", "Basic YW55dGhpbmc6dmF1bHRk",
	    "bASIC OnZhdWx0ZA=="};
	/* Basic: "anything:vaultD", "vaultd:x", "vaultd", "x:y:vaultd", cut
	 * off, with a byte too many, not base64, without padding, URL-safe */
	static const char *const bad[] = {"", "x", "Vaultd", "vaultd2",
	    "xvaultd", "Bearer  vaultd", "Bearer\tvaultd",
	    "Bearer vaultd vaultd", "Bearer x vaultd", "Bearer vaultd,x",
	    "vaultd Bearer", "Bearer xvaultd", "Bearer: vaultd",
	    "\"Bearer\" vaultd", "Basic YW55dGhpbmc6dmF1bHRE",
	    "Basic dmF1bHRkOng=", "Basic dmF1bHRk",
	    "Basic eDp5OnZhdWx0ZA==", "Basic YW55dGhpbmc6dmF1bHR",
	    "Basic YW55dGhpbmc6dmF1bHRkeA==", "Basic !!!!", "Basic ",
	    "Basic OnZhdWx0ZA", "Basic vaultd",
	    "Basic  OnZhdWx0ZA==", "Bearer sk_live_x", "Digest vaultd=\"x\""};
	static char long_basic[4096] = "Basic ";

	(void)state;
	memset(long_basic + 6, 'A', 4000);
	for (int i = 0; i < 2; i++) {
		inject(i ? "header X-Key: {secret}"
		         : "header Authorization: Bearer {secret}");
		for (size_t g = 0; g < sizeof(good) / sizeof(*good); g++) {
			assert_int_equal(check("Authorization", good[g]), 0);
			/* Whatever it was, it is not passed on. */
			if (i)
				assert_null(sent("/", "Authorization"));
			else
				assert_string_equal(sent("/", "Authorization"),
				    "Bearer " SECRET);
		}
		for (size_t b = 0; b < sizeof(bad) / sizeof(*bad); b++)
			assert_true(check("Authorization", bad[b]) != 0);
		assert_int_equal(check("Authorization", "Bearer sk_live_x"),
		    REFUSED_CREDENTIAL);
		assert_int_equal(
		    check("Authorization", long_basic), REFUSED_CREDENTIAL);
		assert_int_equal(
		    check("AUTHORIZATION", "x"), REFUSED_CREDENTIAL);
	}
	/* The profile's own header, however it is spelled */
	for (int how = 0; how < 8; how++) {
		assert_int_equal(
		    check(spelling("X-Key", how), "x"), REFUSED_CREDENTIAL);
		assert_int_equal(check(spelling("X-Key", how), "vaultd"), 0);
		assert_string_equal(sent("/", "X-Key"), SECRET);
	}
	assert_int_equal(check("Proxy_Authorization", "x"), REFUSED_CREDENTIAL);
	assert_int_equal(check("X-Key2", "x"), 0);
	assert_int_equal(check("X-Ke", "x"), 0);
	/* Twice the placeholder is once the credential. */
	(void)pairs(&headers, "x_key", "vaultd", "X-KEY", "vaultd", NULL);
	assert_string_equal(sent("/", "X-Key"), SECRET);
	assert_null(sent("/", "x_key"));
	/* One that is, and one that is not */
	(void)pairs(&headers, "X-Key", "vaultd", "X-Key", "x", NULL);
	assert_true(
	    render_to("/", &(struct rendered){.target = {NULL, 0}}) != 0);
}

static void
http_render_templates(void **state)
{
	(void)state;
	inject("header Authorization: Token user={username}, key={secret}!");
	assert_string_equal(
	    sent("/", "Authorization"), "Token user=flow, key=" SECRET "!");
	target_is("/a?b=c", "/a?b=c");
	inject("header X-Key: {secret}");
	assert_string_equal(sent("/", "X-Key"), SECRET);
	/* A field that the credential does not have */
	inject("header X-Key: {other}{secret}");
	assert_true(
	    render_to("/", &(struct rendered){.target = {NULL, 0}}) != 0);
}

static void
http_render_basic(void **state)
{
	static char long_name[16000];

	(void)state;
	inject("basic {username}");
	/* printf 'flow:sk_live_0123456789' | base64 */
	assert_string_equal(sent("/", "Authorization"),
	    "Basic Zmxvdzpza19saXZlXzAxMjM0NTY3ODk=");
	assert_int_equal(
	    check("Authorization", "Basic eDp5"), REFUSED_CREDENTIAL);
	inject("basic api");
	(void)pairs(&secret, "secret", "", NULL);
	assert_string_equal(sent("/", "Authorization"), "Basic YXBpOg==");
	/* RFC 7617's own example */
	inject("basic Aladdin");
	(void)pairs(&secret, "secret", "open sesame", NULL);
	assert_string_equal(
	    sent("/", "Authorization"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
	memset(long_name, 'u', sizeof(long_name) - 1);
	inject("basic {username}");
	(void)pairs(&secret, "secret", "x", "username", long_name, NULL);
	assert_int_equal(
	    render_to("/", &(struct rendered){.target = {NULL, 0}}),
	    VERR_TOOBIG);
	(void)pairs(&secret, "secret", long_name, "username", "x", NULL);
	assert_int_equal(
	    render_to("/", &(struct rendered){.target = {NULL, 0}}),
	    VERR_TOOBIG);
}

static void
http_render_query(void **state)
{
	(void)state;
	inject("query api_key");
	target_is("/v1", "/v1?api_key=" SECRET);
	target_is("/v1?a=b", "/v1?a=b&api_key=" SECRET);
	target_is("/v1?", "/v1?&api_key=" SECRET);
	/* In the placeholder's place */
	target_is("/v1?api_key=vaultd", "/v1?api_key=" SECRET);
	target_is(
	    "/v1?a=b&api_key=vaultd&c=d", "/v1?a=b&api_key=" SECRET "&c=d");
	/* Not the parameter's name */
	target_is("/v1?xapi_key=1&api_key2=2&api=3",
	    "/v1?xapi_key=1&api_key2=2&api=3&api_key=" SECRET);
	target_is("/api_key=1", "/api_key=1?api_key=" SECRET);
	assert_null(sent("/", "Authorization"));
	/* Nothing in it can end the parameter or the target. */
	(void)pairs(&secret, "secret", "a b&c=d#e%/?+\"\x7f\xff", NULL);
	target_is("/", "/?api_key=a%20b%26c%3Dd%23e%25%2F%3F%2B%22%7F%FF");
	(void)pairs(&secret, "secret", "-._~azAZ09", NULL);
	target_is("/", "/?api_key=-._~azAZ09");
	secret.n = 0;
	assert_true(
	    render_to("/", &(struct rendered){.target = {NULL, 0}}) != 0);
}

static void
hostile_render_query_of_the_clients_own(void **state)
{
	static const char *const own[] = {"/?api_key=x",
	    "/?api_key=", "/?api_key", "/?a=b&api_key=x", "/?api_key=vaultd2",
	    "/?api_key=Vaultd", "/?api_key=vault", "/?api_key=vaultd&api_key=x",
	    "/?api_key=x&api_key=vaultd", "/?api_key=vaultd&api_key=vaultd",
	    "/?&&api_key=x", "/?api_key==vaultd"};
	struct render_refusal why;
	struct slice nul = slice_of("a\0b", 3);
	struct pairs_writer w = {.p = secret.bytes, .cap = 100};
	struct rendered out;

	(void)state;
	inject("query api_key");
	for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++) {
		assert_int_equal(render_check(&link_to, slice_of("", 0),
		                     slice_str(own[i]), &why),
		    VERR_FORMAT);
		assert_int_equal(why.refusal, REFUSED_CREDENTIAL);
		assert_true(render_to(own[i], &out) != 0);
	}
	/* A NUL is escaped like any other byte. */
	pairs_add(&w, "secret", nul);
	secret.n = w.n;
	target_is("/", "/?api_key=a%00b");
}

static void
hostile_render_too_long(void **state)
{
	static char long_secret[20000], target[9000];
	struct rendered out;

	(void)state;
	memset(long_secret, '&', sizeof(long_secret) - 1);
	memset(target, 'a', sizeof(target) - 1);
	target[0] = '/';
	inject("query api_key");
	for (size_t n = 0; n < 9000; n += 100) {
		size_t need = sizeof(target) - 1 + 9 + 3 * n;

		(void)pairs(&secret, "secret",
		    long_secret + sizeof(long_secret) - 1 - n, NULL);
		if (render_to(target, &out) == 0)
			assert_int_equal(out.target.n, need);
		else
			assert_true(need > 16384 - 3);
	}
	inject("header X-Key: {secret}");
	(void)pairs(&secret, "secret", long_secret, NULL);
	assert_int_equal(render_to("/", &out), 0);
}

static void
http_render_entrys_own_headers(void **state)
{
	(void)state;
	inject("header X-Key: {secret}");
	link_to.nheaders = 1;
	snprintf(link_to.headers[0], sizeof(link_to.headers[0]),
	    "Stripe-Version: 2025-10-29");
	assert_string_equal(sent("/", "Stripe-Version"), "2025-10-29");
	assert_string_equal(sent("/", "User-Agent"), "vaultd");
	assert_string_equal(sent("/", "Accept"), "*/*");
	/* The client's own goes before it. */
	(void)pairs(&headers, "stripe-version", "2024-01-01", "USER-AGENT",
	    "sdk", "accept", "text/html", NULL);
	assert_null(sent("/", "Stripe-Version"));
	assert_string_equal(sent("/", "stripe-version"), "2024-01-01");
	assert_null(sent("/", "User-Agent"));
	assert_string_equal(sent("/", "USER-AGENT"), "sdk");
	assert_null(sent("/", "Accept"));
}

static void
keys_render_forgets(void **state)
{
	struct rendered out;

	(void)state;
	inject("query api_key");
	assert_int_equal(render_to("/v1", &out), 0);
	assert_non_null(memmem(out.target.p, out.target.n, SECRET, 18));
	render_forget();
	for (size_t i = 0; i < out.target.n; i++)
		assert_int_equal(out.target.p[i], 0);
	inject("basic {username}");
	assert_int_equal(render_to("/v1", &out), 0);
	render_forget();
	for (size_t i = 0; i < out.headers.n; i++)
		assert_int_equal(out.headers.p[i], 0);
}

/* Whatever an upstream may read as "_method" or "rest_route". */
static void
hostile_render_query_that_overrides_the_request(void **state)
{
	static const struct {
		const char *target;
		bool refused;
	} cases[] = {
	    {"/v1?_method=DELETE", true},
	    {"/v1?a=b&_METHOD=PUT", true},
	    {"/v1?a=b;_method=PUT", true},
	    {"/v1?_method", true},
	    {"/v1?_method[]=PUT", true},
	    {"/v1?.method=DELETE", true}, /* these are all one to PHP */
	    {"/v1?+_method=DELETE", true},
	    {"/v1?%20_method=DELETE", true},
	    {"/v1?rest_route=/wp/v2/users", true},
	    {"/v1?rest.route=/wp/v2/users", true},
	    {"/v1?Rest%20Route=/", true},
	    {"/v1?rest+route=/", true},
	    {"/v1?rest[route=/", true},
	    {"/v1?a=b&%20rest%5Broute=/", true},
	    {"/v1?method=DELETE", false},
	    {"/v1?_methods=1&my_method=PUT", false},
	    {"/v1?a=_method&b=rest_route", false},
	    {"/v1?rest_routes=1&rest=1&route=1", false},
	    {"/v1?+", false},
	    {"/v1?%20", false},
	    {"/_method=DELETE", false},
	};

	(void)state;
	inject("header X-Key: {secret}");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct render_refusal why = {REFUSED_NONE, NULL};
		int r = render_check(&link_to, slice_of(headers.bytes, 0),
		    slice_str(cases[i].target), &why);

		if ((r != 0) != cases[i].refused)
			fail_msg("%s", cases[i].target);
		assert_int_equal(why.refusal,
		    cases[i].refused ? REFUSED_BAD_REQUEST : REFUSED_NONE);
	}
}

/* A private key never gets as far as a request. */
static void
hostile_render_what_only_signs(void **state)
{
	struct render_refusal why = {REFUSED_NONE, NULL};

	(void)state;
	inject("header X-Key: {secret}");
	link_to.sends = false;
	assert_int_equal(render_check(&link_to, slice_of(headers.bytes, 0),
	                     slice_str("/v1"), &why),
	    VERR_FORMAT);
	assert_int_equal(why.refusal, REFUSED_BAD_REQUEST);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(http_render_fate_of_headers),
	    cmocka_unit_test(hostile_render_malformed_headers),
	    cmocka_unit_test(hostile_render_too_many_headers),
	    cmocka_unit_test(http_render_placeholder),
	    cmocka_unit_test(http_render_templates),
	    cmocka_unit_test(http_render_basic),
	    cmocka_unit_test(http_render_query),
	    cmocka_unit_test(hostile_render_query_of_the_clients_own),
	    cmocka_unit_test(hostile_render_query_that_overrides_the_request),
	    cmocka_unit_test(hostile_render_too_long),
	    cmocka_unit_test(http_render_entrys_own_headers),
	    cmocka_unit_test(hostile_render_what_only_signs),
	    cmocka_unit_test(keys_render_forgets),
	};

	return cmocka_run_group_tests_name("render", tests, world_memory, NULL);
}
