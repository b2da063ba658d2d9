#include "vaultd/gate/answer.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "vaultd/gate/fields.h"
#include "vaultd/gate/http.h"

#define OWN_HEAD_MAX 1024 /* status line and headers of our own */

static int
put_text(struct http_out *o, const char *name, const char *value)
{
	return http_put_field(o, slice_str(name), slice_str(value));
}

static int
put_number(struct http_out *o, const char *name, uint64_t value)
{
	return http_put_number(o, slice_str(name), value);
}

int
answer_head(struct conn *c, unsigned status, struct slice headers,
    uint64_t audit, enum answer_body body, unsigned flags)
{
	struct http_out o = {.cap = OWN_HEAD_MAX + headers.n};
	/* Of an empty one it says what GET, or 200, would have had. */
	int length =
	    body == ANSWER_LENGTH || (body == ANSWER_EMPTY && status != 204);
	int r;

	if ((o.p = conn_reserve(c, o.cap)) == NULL)
		return 0;
	if ((r = http_put_status(&o, status)) != 0 ||
	    (r = fields_to_client(headers, length, &o)) != 0 ||
	    (r = put_number(&o, "Vaultd-Request", audit)) != 0)
		return r;
	if (body == ANSWER_CHUNKED)
		r = put_text(&o, "Transfer-Encoding", "chunked");
	if (r == 0 && (flags & ANSWER_CLOSE))
		r = put_text(&o, "Connection", "close");
	if (r == 0 && (r = http_put_crlf(&o)) == 0)
		conn_grow(c, o.len);
	return r;
}

void
answer_bytes(struct conn *c, struct slice bytes)
{
	uint8_t *p = conn_reserve(c, bytes.n);

	if (p == NULL || bytes.n == 0)
		return;
	memcpy(p, bytes.p, bytes.n);
	conn_grow(c, bytes.n);
}

static void
put_chunk_size(struct conn *c, uint64_t n)
{
	struct http_out o = {.cap = 32};

	if ((o.p = conn_reserve(c, o.cap)) == NULL)
		return;
	if (http_put_chunk_size(&o, n) != 0)
		conn_drop(c);
	else
		conn_grow(c, o.len);
}

void
answer_chunk(struct conn *c, struct slice bytes)
{
	put_chunk_size(c, bytes.n);
	answer_bytes(c, bytes);
	answer_bytes(c, slice_str("\r\n"));
}

void
answer_last_chunk(struct conn *c)
{
	put_chunk_size(c, 0);
}

void
answer_continue(struct conn *c)
{
	answer_bytes(c, slice_str("HTTP/1.1 100 Continue\r\n\r\n"));
}

/* A whole answer of our own, before it is put. */
struct whole {
	unsigned status;
	const char *type;
	const char *error; /* NULL: it is none */
	uint32_t retry_after;
	uint64_t audit;
	struct slice body;
};

static void
put_whole(struct conn *c, const struct whole *w, unsigned flags)
{
	struct http_out o = {.cap = OWN_HEAD_MAX};
	int r;

	if ((o.p = conn_reserve(c, o.cap)) == NULL)
		return;
	if ((r = http_put_status(&o, w->status)) == 0 &&
	    (r = put_text(&o, "Content-Type", w->type)) == 0 &&
	    (r = put_number(&o, "Content-Length", w->body.n)) == 0)
		r = put_number(&o, "Vaultd-Request", w->audit);
	if (r == 0 && w->error != NULL)
		r = put_text(&o, "Vaultd-Error", w->error);
	if (r == 0 && w->retry_after > 0)
		r = put_number(&o, "Retry-After", w->retry_after);
	if (r == 0 && (flags & ANSWER_CLOSE))
		r = put_text(&o, "Connection", "close");
	if (r != 0 || http_put_crlf(&o) != 0) {
		conn_drop(c);
		return;
	}
	conn_grow(c, o.len);
	if (!(flags & ANSWER_HEAD_ONLY))
		answer_bytes(c, w->body);
}

void
answer_whole(struct conn *c, const char *type, struct slice body,
    uint64_t audit, unsigned flags)
{
	const struct whole w = {
	    .status = 200, .type = type, .audit = audit, .body = body};

	put_whole(c, &w, flags);
}

static char *
problem_text(const struct refused *why, const struct refusal_info *info,
    struct slice detail)
{
	char type[64];
	json_t *doc;
	char *text;

	(void)snprintf(type, sizeof(type), "urn:vaultd:%s", info->code);
	doc =
	    json_pack("{s:s, s:s, s:i, s:s%, s:s, s:I}", "type", type, "title",
	        info->meaning, "status", (int)info->http, "detail", detail.p,
	        detail.n, "code", info->code, "audit", (json_int_t)why->audit);
	if (doc == NULL)
		return NULL;
	text = json_dumps(doc, JSON_COMPACT);
	json_decref(doc);
	return text;
}

void
answer_problem(struct conn *c, const struct refused *why, unsigned flags)
{
	const struct refusal_info *info = refusal_info(why->code);
	struct whole w = {.status = info->http,
	    .type = "application/problem+json",
	    .error = info->code,
	    .retry_after = why->retry_after,
	    .audit = why->audit};
	char *text = NULL;

	if (w.retry_after == 0 && (w.status == 429 || w.status == 503))
		w.retry_after = 1;
	if (why->sentence.n > 0)
		text = problem_text(why, info, why->sentence);
	if (text == NULL) /* no sentence, or it was no text */
		text = problem_text(why, info, slice_str(info->meaning));
	if (text == NULL) {
		conn_drop(c);
		return;
	}
	w.body = slice_str(text);
	put_whole(c, &w, flags);
	free(text);
}
