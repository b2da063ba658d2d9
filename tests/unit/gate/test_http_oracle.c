/*
 * Our parser against libhttp-parser: whatever we take, it takes too, with the
 * same method, target, headers and body, and ends the message where we do.
 * The other way round is allowed, and counted: ours is the stricter one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <http_parser.h>

#include "vaultd/gate/http.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define CASES    60000
#define ROOM     4096

/* What a parser made of a message. */
struct verdict {
	bool taken;    /* the head is whole and right */
	bool complete; /* the body too */
	bool chunked, keep_alive;
	uint64_t length; /* UINT64_MAX: none was given */
	size_t end;      /* bytes of the whole message, if complete */
	char method[32];
	char target[ROOM];
	char fields[ROOM * 2]; /* "name\nvalue\n"... */
	char body[ROOM];
	size_t body_len;
	bool in_value; /* of the oracle: what the last callback was */
};

static uint64_t seed;

static size_t
pick(size_t n)
{
	uint64_t z = seed += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (z ^ (z >> 31)) % n;
}

static const char *const messages[] = {
    "GET /a/b?c=d HTTP/1.1\r\nHost: vaultd\r\nAccept: */*\r\n\r\n",
    "POST /v1/x HTTP/1.1\r\nHost: h:80\r\nContent-Length: 5\r\n\r\nhello",
    "PUT /v1/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\nGET / HTTP/1.1\r\n",
    "DELETE /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
    "PATCH / HTTP/1.1\r\nhost:h\r\nExpect: 100-continue\r\n"
    "content-length: 3\r\n\r\nabcGET / HTTP/1.1\r\nHost: h\r\n\r\n",
    "OPTIONS /a HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, close\r\n"
    "Upgrade: websocket\r\nX-A:  b c \r\n\r\n",
    "POST /v1/x HTTP/1.1\r\nConnection: keep-alive\r\nHost: h\r\n"
    "Transfer-Encoding: chunked\r\n\r\nA\r\n0123456789\r\n000\r\n\r\n",
    "SEARCH /q?a=%20&b=[0] HTTP/1.1\r\nHost: h\r\nX-Empty:\r\n\r\n",
};

static const char *const pieces[] = {"\r\n", "\n", "\r", " ", "\t", ":", ",",
    ";", "#", "0", "1", "+", "0x", "\r\n ", "\r\n\r\n", "chunked", "close",
    "identity", "Content-Length: 5\r\n", "Content-Length: 7\r\n",
    "Transfer-Encoding: chunked\r\n", "Connection: close\r\n",
    "Connection: x, keep-alive\r\n", "Upgrade: h2c\r\n", "Host: i\r\n",
    "Expect: 100-continue\r\n", "X-A: b\r\n", "0\r\n\r\n", "1\r\na\r\n", ";a=b",
    "http://x/", "/", "?", "HTTP/1.1", "HTTP/1.0", "CONNECT", "M-SEARCH",
    "QUERY", "\x7f", "\x80", "\xff", "_", "-", "9223372036854775807"};

static size_t
mutate(char *m, size_t len)
{
	for (size_t i = pick(4); i > 0 && len > 0; i--) {
		size_t at = pick(len), n = 1 + pick(4), kind = pick(5);
		const char *lf = memrchr(m, '\n', at);
		const char *piece = pieces[pick(COUNT(pieces))];
		size_t insert = strlen(piece);

		if (kind == 0) {
			m[at] = pick(256);
		} else if (kind == 1) {
			n = n < len - at ? n : len - at;
			memmove(m + at, m + at + n, len - at - n);
			len -= n;
		} else if (len + insert < ROOM) {
			/* Half of the pieces begin a line. */
			if (kind != 2 && lf != NULL)
				at = lf + 1 - m;
			memmove(m + at + insert, m + at, len - at);
			memcpy(m + at, piece, insert);
			len += insert;
		}
	}
	return len;
}

static void
append(char *text, const void *p, size_t n)
{
	size_t len = strlen(text);

	memcpy(text + len, p, n);
	text[len + n] = '\0';
}

/* The oracle keeps the spaces at the end of a value; the RFC does not. */
static void
end_value(struct verdict *v)
{
	size_t len = strlen(v->fields);

	while (len > 0 && v->fields[len - 1] == ' ')
		v->fields[--len] = '\0';
	append(v->fields, "\n", 1);
}

static int
on_url(http_parser *p, const char *at, size_t n)
{
	append(((struct verdict *)p->data)->target, at, n);
	return 0;
}

static int
on_field(http_parser *p, const char *at, size_t n)
{
	struct verdict *v = p->data;

	if (v->in_value)
		end_value(v);
	v->in_value = false;
	append(v->fields, at, n);
	return 0;
}

static int
on_value(http_parser *p, const char *at, size_t n)
{
	struct verdict *v = p->data;

	if (!v->in_value)
		append(v->fields, "\n", 1);
	v->in_value = true;
	append(v->fields, at, n);
	return 0;
}

static int
on_head(http_parser *p)
{
	struct verdict *v = p->data;

	if (v->in_value)
		end_value(v);
	v->in_value = false;
	v->taken = true;
	v->chunked = (p->flags & F_CHUNKED) != 0;
	v->length = p->flags & F_CONTENTLENGTH ? p->content_length : UINT64_MAX;
	v->keep_alive = http_should_keep_alive(p);
	return 0;
}

static int
on_body(http_parser *p, const char *at, size_t n)
{
	struct verdict *v = p->data;

	memcpy(v->body + v->body_len, at, n);
	v->body_len += n;
	return 0;
}

static int
on_end(http_parser *p)
{
	((struct verdict *)p->data)->complete = true;
	http_parser_pause(p, 1);
	return 0;
}

static bool
known_to_oracle(struct slice method)
{
#define METHOD(num, name, text)                                                \
	if (slice_is(method, #text))                                           \
		return true;
	HTTP_METHOD_MAP(METHOD)
#undef METHOD
	return false;
}

static void
ask_oracle(const char *m, size_t len, struct verdict *v)
{
	static const http_parser_settings settings = {.on_url = on_url,
	    .on_header_field = on_field,
	    .on_header_value = on_value,
	    .on_headers_complete = on_head,
	    .on_body = on_body,
	    .on_message_complete = on_end};
	http_parser p;

	memset(v, 0, sizeof(*v));
	http_parser_init(&p, HTTP_REQUEST);
	p.data = v;
	v->end = http_parser_execute(&p, &settings, m, len);
	append(v->method, http_method_str(p.method),
	    strlen(http_method_str(p.method)));
	if (HTTP_PARSER_ERRNO(&p) != HPE_PAUSED &&
	    HTTP_PARSER_ERRNO(&p) != HPE_OK)
		v->taken = false;
}

/* The body that follows our head, in pieces of any size. */
static void
ask_chunks(const uint8_t *m, size_t len, struct verdict *v)
{
	struct http_chunk c = {0};
	enum http_fault fault;
	struct slice data;
	size_t used;

	while (v->end < len && !http_chunk_done(&c)) {
		size_t n = 1 + pick(len - v->end);

		if (http_chunk_feed(&c, m + v->end, n, &used, &data, &fault) !=
		    0) {
			v->taken = false;
			return;
		}
		memcpy(v->body + v->body_len, data.p, data.n);
		v->body_len += data.n;
		v->end += used;
	}
	v->complete = http_chunk_done(&c);
}

static void
ask_ours(const uint8_t *m, size_t len, struct verdict *v)
{
	enum http_fault fault;
	struct http_head h;
	size_t line = 0, left;

	memset(v, 0, sizeof(*v));
	v->length = UINT64_MAX;
	if (http_head_parse(m, len, &line, &h, &fault) != 0)
		return;
	v->taken = true;
	v->chunked = h.body == HTTP_BODY_CHUNKED;
	v->keep_alive = h.keep_alive;
	append(v->method, h.method.p, h.method.n);
	append(v->target, h.target.p, h.target.n);
	for (size_t i = 0; i < h.field_count; i++) {
		append(v->fields, h.fields[i].name.p, h.fields[i].name.n);
		append(v->fields, "\n", 1);
		append(v->fields, h.fields[i].value.p, h.fields[i].value.n);
		append(v->fields, "\n", 1);
	}
	v->end = h.len;
	if (v->chunked) {
		ask_chunks(m, len, v);
		return;
	}
	if (h.body == HTTP_BODY_LENGTH)
		v->length = h.length;
	left = h.length < len - h.len ? h.length : len - h.len;
	memcpy(v->body, m + h.len, left);
	v->body_len = left;
	v->end += left;
	v->complete = left == h.length;
}

/*
 * It overlooks a close behind a member that only begins like one it knows
 * ("keep-aliv, close"), so that we may close where it does not.
 */
static bool
agree(const struct verdict *a, const struct verdict *b)
{
	return b->taken && strcmp(a->method, b->method) == 0 &&
	    strcmp(a->target, b->target) == 0 &&
	    strcmp(a->fields, b->fields) == 0 && a->chunked == b->chunked &&
	    a->length == b->length && (!a->keep_alive || b->keep_alive) &&
	    a->complete == b->complete && a->end == b->end &&
	    a->body_len == b->body_len &&
	    memcmp(a->body, b->body, b->body_len) == 0;
}

/* It takes a name that only begins with Transfer-Encoding for the whole. */
static bool
misread(const struct verdict *v)
{
	static const char name[] = "transfer-encoding";
	const char *p = v->fields;

	while ((p = strcasestr(p, name)) != NULL) {
		p += sizeof(name) - 1;
		if (*p != '\n')
			return true;
	}
	return false;
}

static void
hostile_what_we_take_another_parser_takes_alike(void **state)
{
	static struct verdict ours, its;
	size_t taken = 0, whole = 0, stricter = 0;

	(void)state;
	for (uint64_t i = 0; i < CASES; i++) {
		const char *base = messages[i % COUNT(messages)];
		char m[ROOM], other[ROOM + 3];
		size_t len = strlen(base), n;

		seed = i;
		memcpy(m, base, len);
		len = mutate(m, len);
		ask_ours((const uint8_t *)m, len, &ours);
		ask_oracle(m, len, &its);
		if (!ours.taken) {
			stricter += its.taken;
			continue;
		}
		if (!known_to_oracle(slice_str(ours.method))) {
			/* It knows some methods alone: any will do. */
			n = strlen(ours.method);
			memcpy(other, "GET", 3);
			memcpy(other + 3, m + n, len - n);
			ask_oracle(other, len - n + 3, &its);
			its.end += n - 3;
			memcpy(its.method, ours.method, n + 1);
		}
		taken++;
		whole += ours.complete;
		if (!agree(&ours, &its) && !misread(&ours))
			fail_msg("case %zu:\n%.*s", (size_t)i, (int)len, m);
	}
	print_message("  %d requests: %zu taken by both, %zu of them whole; "
	              "%zu refused by us alone\n",
	    CASES, taken, whole, stricter);
	assert_true(taken > CASES / 5 && whole > CASES / 8);
	assert_true(stricter > CASES / 20);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(hostile_what_we_take_another_parser_takes_alike),
	};

	return cmocka_run_group_tests_name(
	    "gate/http against http_parser", tests, NULL, NULL);
}
