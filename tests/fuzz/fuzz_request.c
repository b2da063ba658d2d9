/*
 * An order's words, "host\nport\nmethod\ntarget\n" and "Name:value" lines, as
 * the head of a request: one origin, one target, and no field that frames or
 * routes it but ours.
 */
#include <stdio.h>

#include "tests/fuzz/fuzz.h"
#include "vaultd/courier/request.h"
#include "vaultd/courier/syntax.h"

/* Take the next line, whose CR LF must be there. */
static struct slice
next_line(struct slice *head)
{
	const uint8_t *cr = memchr(head->p, '\r', head->n);
	struct slice line;

	CHECK(cr != NULL);
	line = slice_of(head->p, (size_t)(cr - head->p));
	CHECK(head->n >= line.n + 2 && cr[1] == '\n');
	CHECK(line.n == 0 || memchr(line.p, '\n', line.n) == NULL);
	*head = slice_of(cr + 2, head->n - line.n - 2);
	return line;
}

static void
check_field(struct slice line, size_t *hosts, size_t *framings)
{
	static const char *const never[] = {
	    "connection", "te", "trailer", "upgrade", "expect", "keep-alive"};
	const uint8_t *colon = memchr(line.p, ':', line.n);
	struct slice name;

	CHECK(colon != NULL);
	name = slice_of(line.p, (size_t)(colon - line.p));
	CHECK(syntax_is_token(name));
	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		CHECK(!syntax_same(name, slice_str(never[i])));
	CHECK(!syntax_begins(name, "proxy-"));
	*hosts += syntax_same(name, slice_str("host"));
	*framings += syntax_same(name, slice_str("content-length")) ||
	    syntax_same(name, slice_str("transfer-encoding"));
}

static void
check_head(const struct rec_ORDER *o, struct slice head)
{
	char want[20 + 300];
	size_t hosts = 0, framings = 0;
	struct slice line = next_line(&head);

	CHECK(line.n == o->method.n + 1 + o->target.n + 9);
	CHECK(memcmp(line.p, o->method.p, o->method.n) == 0);
	CHECK(memcmp(line.p + o->method.n + 1, o->target.p, o->target.n) == 0);
	for (size_t i = 0; i < o->target.n; i++)
		CHECK(o->target.p[i] > ' ' && o->target.p[i] < 0x7f &&
		    o->target.p[i] != '#' && o->target.p[i] != '\\');
	line = next_line(&head);
	(void)snprintf(want, sizeof(want), "Host: %s%.*s",
	    memchr(o->host.p, ':', o->host.n) ? "[" : "", (int)o->host.n,
	    (const char *)o->host.p);
	CHECK(
	    line.n >= strlen(want) && memcmp(line.p, want, strlen(want)) == 0);
	CHECK(strpbrk(want + 6, "@#?%/\\ ") == NULL);
	hosts++;
	while ((line = next_line(&head)).n > 0)
		check_field(line, &hosts, &framings);
	CHECK(head.n == 0 && hosts == 1);
	CHECK(framings == (request_has_body(o) ? 1 : 0));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_of(data, size), host = fuzz_line(&text);
	char *port = fuzz_string(&text);
	struct rec_ORDER o = {.host = host,
	    .port = strtoull(port, NULL, 10),
	    .method = fuzz_line(&text),
	    .target = fuzz_line(&text),
	    .body = size % 3,
	    .length = size};
	struct buf head = {NULL, 0, 0, 0};

	o.headers = fuzz_pairs(text, ':');
	if (request_method_valid(o.method))
		CHECK(!slice_is(o.method, "CONNECT") &&
		    !slice_is(o.method, "TRACE") &&
		    memchr(o.method.p, ' ', o.method.n) == NULL &&
		    memchr(o.method.p, '\n', o.method.n) == NULL);
	CHECK(!slice_is(o.method, "POST") ||
	    !request_method_idempotent(o.method));
	CHECK(!slice_is(o.method, "POST") || request_has_body(&o));
	if (request_head(&o, &head) == 0)
		check_head(&o, slice_of(buf_data(&head), buf_used(&head)));
	buf_free(&head);
	free((void *)o.headers.p);
	free(port);
	return 0;
}
