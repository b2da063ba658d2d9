/*
 * httpface - http.sock: one request at a time on a connection, in order.
 *
 * What the client sends ahead waits in its socket; http.h reads heads and
 * bodies, answer.h writes them, local.h has what is answered here.
 */
#include <stdlib.h>

#include "vaultd/gate/answer.h"
#include "vaultd/gate/call.h"
#include "vaultd/gate/fields.h"
#include "vaultd/gate/local.h"
#include "vaultd/gate/route.h"
#include "vaultd/gate/stream.h"
#include "vaultd/gate/wish.h"

#define HEAD_MS    30000  /* for a head that has begun to come */
#define IDLE_MS    300000 /* between requests */
#define BODY_MS    60000  /* of silence, while a body is awaited */
#define SWALLOW    65536 /* of a body nobody wants, for the connection's sake */
#define GATHER_MAX (4 * 1024 * 1024)

struct exchange {
	struct call *call; /* NULL: not yet, or refused, or answered here */
	int busy;          /* a request was taken, its answer is not whole */
	/* The request */
	enum http_body body; /* HTTP_BODY_NONE once it is whole */
	uint64_t left;
	struct http_chunk chunk;
	int expects; /* the client waits for a 100 */
	unsigned flags;
	/* The answer */
	int answering; /* its head is out */
	enum answer_body form;
	uint64_t owed;    /* ANSWER_LENGTH: bytes to come */
	const char *text; /* what a question's end is answered with, or NULL */
	struct buf gathered; /* rows, as a JSON array */
	int signs;           /* the body is a wish: it is for us */
	struct buf posted;   /* of it */
};

struct httpface {
	struct exchange x;
	size_t line;    /* http_head_parse()'s */
	uint64_t since; /* idle, or a head unfinished, since then */
	int begun;      /* some of a head is here */
};

/*
 * What is left of a body that nobody wants is swallowed if it is short.
 */
static int
too_long(const struct exchange *x)
{
	return x->body == HTTP_BODY_CHUNKED ||
	    (x->body == HTTP_BODY_LENGTH && x->left > SWALLOW);
}

static void
answered(struct conn *c)
{
	struct httpface *h = c->own;
	struct exchange *x = &h->x;

	x->busy = x->answering = 0;
	x->call = NULL;
	buf_free(&x->gathered);
	buf_free(&x->posted);
	x->signs = 0;
	h->since = conn_now(c);
	h->begun = 0;
	if ((x->flags & ANSWER_CLOSE) || c->gate->draining || too_long(x))
		conn_finish(c);
	conn_later(c);
}

/*
 * Before an answer's head: will the connection go on after it?  One of our
 * own is "whole": the body is not wanted any more.
 */
static unsigned
answer_flags(struct conn *c, int whole)
{
	struct exchange *x = &((struct httpface *)c->own)->x;

	if (c->gate->draining || x->expects || (whole && too_long(x)))
		x->flags |= ANSWER_CLOSE;
	return x->flags;
}

static void
refuse(struct conn *c, const struct refused *why)
{
	struct exchange *x = &((struct httpface *)c->own)->x;

	x->call = NULL;
	if (x->answering) {
		conn_finish(c); /* cut short: all that can be said now */
		return;
	}
	answer_problem(c, why, answer_flags(c, 1));
	answered(c);
}

static void
refuse_here(struct conn *c, enum refusal code, const char *sentence)
{
	const struct refused why = {
	    .code = code, .sentence = slice_str(sentence)};

	refuse(c, &why);
}

/*
 * The request cannot be read: nothing behind it can be, either.
 */
static void
refuse_fault(struct conn *c, int r, enum http_fault fault)
{
	struct exchange *x = &((struct httpface *)c->own)->x;

	x->flags |= ANSWER_CLOSE;
	if (x->call != NULL)
		call_cancel(x->call);
	refuse_here(c,
	    r == VERR_TOOBIG ? REFUSED_TOO_LARGE : REFUSED_BAD_REQUEST,
	    http_fault_text(fault));
}

static void
http_last_word(struct conn *c, const struct refused *why)
{
	struct exchange *x = &((struct httpface *)c->own)->x;

	x->flags |= ANSWER_CLOSE;
	if (x->call != NULL)
		call_cancel(x->call);
	refuse(c, why);
}

/*
 * The whole body of a request to /-/sign is here.
 */
static void
sign_posted(struct conn *c)
{
	struct exchange *x = &((struct httpface *)c->own)->x;
	const char *why = NULL;
	struct call *call;
	struct wish wish;
	int r;

	r = wish_parse(
	    slice_of(buf_data(&x->posted), buf_used(&x->posted)), &wish, &why);
	if (r == 0 && !route_is_profile(slice_str(wish.profile))) {
		r = VERR_FORMAT;
		why = "profile is CUSTOMER/NAME";
	}
	if (r != 0) {
		refuse_here(c,
		    r == VERR_TOOBIG ? REFUSED_TOO_LARGE : REFUSED_BAD_REQUEST,
		    why);
		return;
	}
	if (call_new(c, CALL_ROWS, sizeof(*call), &call) != 0) {
		refuse_here(c, REFUSED_BUDGET, NULL);
		return;
	}
	if (call_sign(call, slice_str(wish.profile), slice_str(wish.scheme),
	        slice_of(wish.pairs, wish.len)) != 0) {
		call_drop(call);
		refuse_here(c, REFUSED_BUDGET, NULL);
		return;
	}
	x->call = call;
}

/*
 * The gate's own resources.
 */
static void
answer_local(struct conn *c, struct slice method, struct slice name)
{
	struct httpface *h = c->own;
	struct local found;
	struct call *call;
	int r;

	if (slice_is(name, "sign") && slice_is(method, "POST")) {
		h->x.signs = 1;
		if (h->x.expects) {
			h->x.expects = 0;
			answer_continue(c);
		}
		if (h->x.body == HTTP_BODY_NONE)
			sign_posted(c);
		return;
	}
	if ((r = local_find(method, name, &found)) != 0) {
		refuse_here(c,
		    r == VERR_NOTFOUND ? REFUSED_NOT_FOUND
		                       : REFUSED_BAD_REQUEST,
		    NULL);
		return;
	}
	if (!found.asks) {
		answer_whole(c, "text/plain", slice_str(found.text), 0,
		    answer_flags(c, 1));
		answered(c);
		return;
	}
	if (call_new(c, CALL_ROWS, sizeof(*call), &call) != 0) {
		refuse_here(c, REFUSED_BUDGET, NULL);
		return;
	}
	if (call_question(call, found.what,
	        slice_of(found.pairs, found.pairs_len)) != 0) {
		call_drop(call);
		refuse_here(c, REFUSED_BUDGET, NULL);
		return;
	}
	h->x.call = call;
	h->x.text = found.text;
}

static void
pass_on(struct conn *c, const struct http_head *head, const struct route *to)
{
	static const enum body_kind kinds[] = {[HTTP_BODY_NONE] = BODY_NONE,
	    [HTTP_BODY_LENGTH] = BODY_LENGTH,
	    [HTTP_BODY_CHUNKED] = BODY_STREAM};
	struct exchange *x = &((struct httpface *)c->own)->x;
	const struct call_request req = {.profile = slice_str(to->profile),
	    .method = head->method,
	    .target = to->target,
	    .fields = head->fields,
	    .field_count = head->field_count,
	    .body = kinds[head->body],
	    .length = head->body == HTTP_BODY_LENGTH ? head->length : 0};
	struct call *call;
	int r;

	if (call_new(c, CALL_REQUEST, sizeof(*call), &call) != 0) {
		refuse_here(c, REFUSED_BUDGET, NULL);
		return;
	}
	if ((r = call_request(call, &req)) != 0) {
		call_drop(call);
		refuse_here(c,
		    r == VERR_TOOBIG ? REFUSED_TOO_LARGE : REFUSED_BUDGET,
		    NULL);
		return;
	}
	x->call = call;
}

static void
take_request(struct conn *c, const struct http_head *head)
{
	struct httpface *h = c->own;
	struct route to;

	c->asked = 1;
	h->x = (struct exchange){.busy = 1,
	    .body = head->body,
	    .left = head->body == HTTP_BODY_LENGTH ? head->length : 0,
	    .expects = head->expect_continue && head->body != HTTP_BODY_NONE,
	    .flags = (head->keep_alive ? 0 : ANSWER_CLOSE) |
	        (slice_is(head->method, "HEAD") ? ANSWER_HEAD_ONLY : 0)};
	if (c->gate->draining)
		refuse_here(c, REFUSED_RESTARTING, NULL);
	else if (route_find(head->target, head->host, &to) != 0)
		refuse_here(c, REFUSED_BAD_REQUEST,
		    "the target is not /CUSTOMER/PROFILE/PATH");
	else if (to.profile[0] == '\0')
		answer_local(c, head->method, to.target);
	else
		pass_on(c, head, &to);
}

/*
 * Take the next head, if it is there.  Returns whether it was.
 */
static int
take_head(struct conn *c)
{
	struct httpface *h = c->own;
	enum http_fault fault = HTTP_FAULT_NONE;
	struct http_head head;
	int r;

	if (buf_used(&c->in) > 0 && !h->begun) {
		h->begun = 1;
		h->since = conn_now(c);
	}
	r = http_head_parse(
	    buf_data(&c->in), buf_used(&c->in), &h->line, &head, &fault);
	if (r == VERR_AGAIN) {
		if (c->eof ||
		    (c->gate->draining && buf_used(&c->in) == 0 &&
		        (c->asked || !c->gate->ending)))
			conn_finish(c);
		return 0;
	}
	if (r != 0) {
		h->x = (struct exchange){.busy = 1};
		refuse_fault(c, r, fault);
		return 0;
	}
	take_request(c, &head);
	buf_drop(&c->in, head.len);
	return 1;
}

/*
 * Who wants the body: only a request does.
 */
static struct call *
body_taker(const struct exchange *x)
{
	return x->call != NULL && x->call->kind == CALL_REQUEST ? x->call
	                                                        : NULL;
}

/*
 * Take a part of the body off c->in: *ret, perhaps empty.  Returns 0, or the
 * fault of the chunks.
 */
static int
take_part(struct conn *c, struct slice *ret, size_t *ret_used,
    enum http_fault *ret_fault)
{
	struct exchange *x = &((struct httpface *)c->own)->x;
	size_t n = buf_used(&c->in);
	int r;

	if (x->body == HTTP_BODY_CHUNKED) {
		if ((r = http_chunk_feed(&x->chunk, buf_data(&c->in), n,
		         ret_used, ret, ret_fault)) != 0)
			return r;
		if (http_chunk_done(&x->chunk))
			x->body = HTTP_BODY_NONE;
		return 0;
	}
	if (n > x->left)
		n = (size_t)x->left;
	*ret = slice_of(buf_data(&c->in), n);
	*ret_used = n;
	if ((x->left -= n) == 0)
		x->body = HTTP_BODY_NONE;
	return 0;
}

static int
keep_posted(struct conn *c, struct slice part)
{
	struct exchange *x = &((struct httpface *)c->own)->x;

	if (buf_used(&x->posted) + part.n > WISH_JSON_MAX ||
	    buf_add(&x->posted, part.p, part.n) != 0) {
		x->signs = 0;
		refuse_here(c, REFUSED_TOO_LARGE, NULL);
		return VERR_TOOBIG;
	}
	return 0;
}

/*
 * Move the body on to its stream, or past us if nobody wants it.  Returns
 * whether it is whole.
 */
static int
take_body(struct conn *c)
{
	struct exchange *x = &((struct httpface *)c->own)->x;
	enum http_fault fault = HTTP_FAULT_NONE;
	struct call *taker = body_taker(x);
	struct slice part;
	size_t used = 0;
	int r;

	while (x->body != HTTP_BODY_NONE) {
		int none_due = x->body == HTTP_BODY_LENGTH && x->left == 0;

		if ((buf_used(&c->in) == 0 && !none_due) ||
		    (taker != NULL && stream_full(taker)))
			break;
		if ((r = take_part(c, &part, &used, &fault)) != 0) {
			refuse_fault(c, r, fault);
			return 0;
		}
		x->expects = 0; /* it did not wait */
		if (x->signs && keep_posted(c, part) != 0) {
			buf_drop(&c->in, used);
			return 0;
		}
		if (taker != NULL) {
			stream_body(taker, part);
			if (x->body == HTTP_BODY_NONE)
				stream_body_end(taker);
		}
		buf_drop(&c->in, used);
	}
	if (x->signs && x->body == HTTP_BODY_NONE && x->call == NULL)
		sign_posted(c);
	if (x->body != HTTP_BODY_NONE && c->eof && buf_used(&c->in) == 0)
		conn_drop(c); /* the rest will not come */
	return x->body == HTTP_BODY_NONE;
}

static void
http_work(struct conn *c)
{
	const struct exchange *x = &((struct httpface *)c->own)->x;

	while (c->state == CONN_OPEN && !c->full && take_body(c)) {
		if (c->state != CONN_OPEN || x->busy || !take_head(c))
			break;
	}
}

static int
http_open(struct conn *c)
{
	struct httpface *h = calloc(1, sizeof(*h));

	if (h == NULL)
		return VERR_NOMEM;
	h->since = conn_now(c);
	c->own = h;
	return 0;
}

static void
http_close(struct conn *c)
{
	struct httpface *h = c->own;

	buf_free(&h->x.gathered);
	buf_free(&h->x.posted);
	free(h);
}

static uint64_t
http_deadline(const struct conn *c)
{
	const struct httpface *h = c->own;
	const struct exchange *x = &h->x;
	const struct call *taker = body_taker(x);

	if (x->body != HTTP_BODY_NONE && !x->expects && !c->full &&
	    (taker == NULL || !stream_full(taker)))
		return c->heard + BODY_MS;
	if (x->busy || c->full)
		return NEVER;
	return h->since + (h->begun ? HEAD_MS : IDLE_MS);
}

static void
http_expire(struct conn *c)
{
	const struct refused slow = {.code = REFUSED_BAD_REQUEST,
	    .sentence = slice_str("the request did not come in time")};
	const struct httpface *h = c->own;

	if (h->x.busy || h->begun)
		http_last_word(c, &slow);
	conn_finish(c);
}

/*
 * Rows are gathered, because the audit log's number goes before them.
 */
static int
http_row(struct call *call, struct slice json)
{
	const struct refused large = {.code = REFUSED_TOO_LARGE,
	    .sentence = slice_str(
	        "too much for one answer: say which customer or system")};
	struct buf *b = &((struct httpface *)call->conn->own)->x.gathered;

	if (buf_used(b) + json.n > GATHER_MAX) {
		call_refuse(call, &large, 1);
		return 0;
	}
	if (buf_add(b, buf_used(b) == 0 ? "[" : ",", 1) != 0 ||
	    buf_add(b, json.p, json.n) != 0)
		conn_drop(call->conn);
	return 0;
}

static void
http_done(struct call *call, uint64_t audit, struct slice sentence)
{
	struct conn *c = call->conn;
	struct exchange *x = &((struct httpface *)c->own)->x;
	struct buf *b = &x->gathered;

	(void)sentence;
	if (x->text != NULL) {
		answer_whole(c, "text/plain", slice_str(x->text), audit,
		    answer_flags(c, 1));
		answered(c);
		return;
	}
	if (x->signs && buf_used(b) > 1) {
		/* One row, and not a list of one. */
		answer_whole(c, "application/json",
		    slice_of(buf_data(b) + 1, buf_used(b) - 1), audit,
		    answer_flags(c, 1));
		answered(c);
		return;
	}
	if (buf_add(b, buf_used(b) == 0 ? "[]" : "]",
	        buf_used(b) == 0 ? 2 : 1) != 0) {
		conn_drop(c);
		return;
	}
	answer_whole(c, "application/json", slice_of(buf_data(b), buf_used(b)),
	    audit, answer_flags(c, 1));
	answered(c);
}

static void
http_refuse(struct call *call, const struct refused *why)
{
	refuse(call->conn, why);
}

static void
http_accepted(struct call *call)
{
	struct exchange *x = &((struct httpface *)call->conn->own)->x;

	if (!x->expects)
		return;
	x->expects = 0;
	call->conn->heard = conn_now(call->conn);
	answer_continue(call->conn);
}

static int
http_head(struct call *call, unsigned status, struct slice headers)
{
	struct conn *c = call->conn;
	struct exchange *x = &((struct httpface *)c->own)->x;
	int r;

	x->form = ANSWER_CHUNKED;
	if ((x->flags & ANSWER_HEAD_ONLY) || status == 204 || status == 304)
		x->form = ANSWER_EMPTY;
	else if (fields_length(headers, &x->owed) == 0)
		x->form = ANSWER_LENGTH;
	r = answer_head(
	    c, status, headers, call->audit, x->form, answer_flags(c, 0));
	if (r == 0)
		x->answering = 1;
	return r;
}

static void
http_data(struct call *call, struct slice bytes)
{
	struct conn *c = call->conn;
	struct exchange *x = &((struct httpface *)c->own)->x;

	if (bytes.n == 0 || x->form == ANSWER_EMPTY)
		return;
	if (x->form == ANSWER_CHUNKED) {
		answer_chunk(c, bytes);
		return;
	}
	if (bytes.n > x->owed) {
		conn_finish(c); /* more than was announced */
		return;
	}
	x->owed -= bytes.n;
	answer_bytes(c, bytes);
}

static void
http_end(struct call *call)
{
	struct conn *c = call->conn;
	struct exchange *x = &((struct httpface *)c->own)->x;

	if (x->form == ANSWER_CHUNKED)
		answer_last_chunk(c);
	else if (x->form == ANSWER_LENGTH && x->owed > 0)
		conn_finish(c); /* less than was announced */
	answered(c);
}

static void
http_drained(struct call *call)
{
	call->conn->heard = conn_now(call->conn);
	conn_later(call->conn);
}

/*
 * No question of this face is answered with a nonce.
 */
static void
http_nonce(struct call *call, struct slice nonce)
{
	(void)nonce;
	conn_drop(call->conn);
}

const struct face_ops http_face = {.open = http_open,
    .close = http_close,
    .work = http_work,
    .deadline = http_deadline,
    .expire = http_expire,
    .last_word = http_last_word,
    .row = http_row,
    .done = http_done,
    .nonce = http_nonce,
    .refuse = http_refuse,
    .accepted = http_accepted,
    .head = http_head,
    .data = http_data,
    .end = http_end,
    .drained = http_drained};
