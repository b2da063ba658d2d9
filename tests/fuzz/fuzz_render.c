/*
 * A client's request, "h" (header), "q" (query) or "b" (Basic) and the target
 * in the first line, "Name:value" lines behind it: the credential is in what is
 * sent once, the client's own never, and the courier takes it.
 */
#include <sodium.h>

#include "policy/path.h"
#include "tests/fuzz/fuzz.h"
#include "vaultd/base/secret.h"
#include "vaultd/courier/request.h"
#include "vaultd/courier/syntax.h"
#include "vaultd/keeper/render.h"

#define SECRET  "Zs3/cr3tZ"
#define ESCAPED "Zs3%2Fcr3tZ"

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	enum secret_kind kind;

	(void)argc, (void)argv;
	return sodium_init() < 0 ? -1 : secret_init(1 << 20, &kind);
}

static const char *const injections[] = {
    "header X-Api-Key: k {secret}", "query key", "basic {user}"};

static void
check_headers(struct slice headers, enum injection_kind kind)
{
	static const char *const never[] = {"connection", "host",
	    "content-length", "transfer-encoding", "cookie", "forwarded",
	    "x_forwarded_for", "proxy-authorization"};
	struct slice name, value;
	size_t keys = 0, logins = 0, versions = 0;

	while (pairs_next(&headers, &name, &value) == 0) {
		for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
			CHECK(!syntax_same(name, slice_str(never[i])));
		CHECK(!syntax_begins(name, "vaultd-") &&
		    !syntax_begins(name, "proxy-"));
		keys += syntax_same(name, slice_str("x-api-key"));
		keys += syntax_same(name, slice_str("x_api_key"));
		versions += syntax_same(name, slice_str("x-version"));
		logins += syntax_same(name, slice_str("authorization"));
	}
	CHECK(logins == (kind == INJECT_BASIC));
	if (kind == INJECT_HEADER)
		CHECK(keys == 1);
	CHECK(versions >= 1); /* the entry's own, or those of the client */
}

/* One parameter "key", however an upstream splits them: the secret. */
static void
check_query(struct slice target)
{
	static const char want[] = "key=" ESCAPED;
	const uint8_t *end = target.p + target.n;
	const uint8_t *p = memchr(target.p, '?', target.n);
	size_t keys = 0;

	while (p != NULL && p < end) {
		size_t n = 0;

		for (p++; p + n < end && p[n] != '&' && p[n] != ';';)
			n++;
		if (n >= 4 && memcmp(p, "key=", 4) == 0) {
			CHECK(slice_is(slice_of(p, n), want));
			keys++;
		}
		p += n;
	}
	CHECK(keys == 1);
}

static void
check_sent(const struct rendered *sent, enum injection_kind kind)
{
	struct rec_ORDER o = {.host = slice_str("a.test"),
	    .port = 443,
	    .method = slice_str("GET"),
	    .target = sent->target,
	    .headers = sent->headers};
	struct buf head = {NULL, 0, 0, 0};

	check_headers(sent->headers, kind);
	if (kind == INJECT_QUERY)
		check_query(sent->target);
	CHECK(request_head(&o, &head) == 0);
	buf_free(&head);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct catalog_link link;
	struct slice text = slice_of(data, size), line = fuzz_line(&text);
	struct slice secret =
	    fuzz_pairs(slice_str("secret:" SECRET "\nuser:me\n"), ':');
	char target[PATH_TARGET_MAX + 1];
	size_t kind, n, path_len;
	struct render_refusal refusal;
	struct rendered sent;
	struct slice headers;
	const char *why;

	link.sends = true;
	link.nheaders = 1;
	memcpy(link.headers[0], "X-Version: 1", 13);
	kind = line.n == 0     ? 0
	    : line.p[0] == 'q' ? 1
	    : line.p[0] == 'b' ? 2
	                       : 0;
	CHECK(injection_parse(injections[kind], strlen(injections[kind]),
	          &link.injection, &why) == 0);
	if (line.n > 0 &&
	    path_normalise((const char *)line.p + 1, line.n - 1, target, &n,
	        &path_len, &why) == 0) {
		headers = fuzz_pairs(text, ':');
		if (render(&(struct render_request){&link, secret, headers,
		               slice_of(target, n)},
		        &sent, &refusal) == 0)
			check_sent(&sent, link.injection.kind);
		render_forget();
		free((void *)headers.p);
	}
	free((void *)secret.p);
	return 0;
}
