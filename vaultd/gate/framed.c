/*
 * framed - vaultd.sock: frames in, frames out, many requests at a time.
 *
 * protocol/PROTOCOL.md is what clients are told; this file keeps it.
 */
#include <stdlib.h>

#include "protocol/pairs.h"
#include "vaultd/gate/framed.h"
#include "vaultd/gate/route.h"
#include "vaultd/gate/stream.h"

#define FRAME_MS 30000 /* for a frame that has begun to come */
#define BODY_MS  60000 /* of silence, while a body is awaited */
#define HELD_MS  60000 /* with an answer's data, and no window for it */

struct framed {
	uint64_t last;  /* ids only rise */
	uint64_t since; /* an unfinished frame has been here; 0: none is */
};

static void
last_word(struct conn *c, const struct refused *why)
{
	framed_say_refused(c, 0, why);
	conn_finish(c);
}

/*
 * The client broke the protocol.
 */
static void
breach(struct conn *c, int error)
{
	struct refused why = {.code = REFUSED_BAD_REQUEST,
	    .sentence = slice_str(verr_text(error))};

	if (error == VERR_VERSION) {
		why.code = REFUSED_VERSION;
		why.sentence = slice_str("version 1 alone is spoken here");
	}
	_Static_assert(FRAME_VERSION == 1, "the sentence names the versions");
	last_word(c, &why);
}

static void
refuse_id(struct conn *c, uint64_t id, enum refusal code, const char *sentence)
{
	const struct refused why = {.code = code,
	    .retry_after = code == REFUSED_RESTARTING || code == REFUSED_BUDGET,
	    .sentence = slice_str(sentence)};

	framed_say_refused(c, id, &why);
}

/*
 * What could not be put to the keeper.
 */
static void
refuse_error(struct conn *c, uint64_t id, int r)
{
	refuse_id(
	    c, id, r == VERR_TOOBIG ? REFUSED_TOO_LARGE : REFUSED_BUDGET, NULL);
}

/*
 * Begin a call, and answer for it if it cannot be.
 */
static struct call *
begin(struct conn *c, uint64_t id, enum call_kind kind)
{
	struct call *call;
	int r;

	if ((r = call_new(c, kind, sizeof(struct framed_call), &call)) != 0) {
		refuse_error(c, id, r);
		return NULL;
	}
	call->id = id;
	framed_call(call)->may_come = framed_call(call)->may_go = FRAME_WINDOW;
	return call;
}

/*
 * It was put, or it is refused.
 */
static void
begun(struct conn *c, struct call *call, int r)
{
	uint64_t id = call->id;

	if (r == 0)
		return;
	call_drop(call);
	refuse_error(c, id, r);
}

/*
 * Are these pairs, and their values texts?  The keeper would hold anything
 * else against this gate, and not against the client.
 */
static int
are_texts(struct slice list)
{
	struct slice name, value;
	int r;

	while ((r = pairs_next(&list, &name, &value)) == 0)
		for (size_t i = 0; i < value.n; i++)
			if (value.p[i] < 0x20 || value.p[i] == 0x7f)
				return 0;
	return r == VERR_NOTFOUND;
}

static void
open_question(struct conn *c, uint64_t id, enum ask what, struct slice pairs)
{
	static const enum call_kind kinds[ASK_COUNT] = {
	    [ASK_AUDIT] = CALL_LINES,
	    [ASK_NONCE] = CALL_NONCE,
	    [ASK_BACKUP] = CALL_BACKUP,
	};
	struct call *call;

	if ((call = begin(c, id, kinds[what])) != NULL)
		begun(c, call, call_question(call, what, pairs));
}

/* The questions, by the numbers of client.def. */
static const enum ask questions[] = {
    [CLIENT_WHOAMI] = ASK_WHOAMI,
    [CLIENT_STATUS] = ASK_STATUS,
    [CLIENT_CATALOG] = ASK_CATALOG,
    [CLIENT_PROFILES] = ASK_PROFILES,
    [CLIENT_EXPLAIN] = ASK_EXPLAIN,
    [CLIENT_AUDIT] = ASK_AUDIT,
    [CLIENT_NONCE] = ASK_NONCE,
    [CLIENT_SLOTS] = ASK_SLOTS,
    [CLIENT_PUBKEY] = ASK_PUBKEY,
    [CLIENT_JWKS] = ASK_JWKS,
    [CLIENT_BACKUP] = ASK_BACKUP,
};

/*
 * A question's arguments are the message's fields, by name; those of AUDIT
 * come as pairs already.
 */
static void
on_question(struct conn *c, uint64_t id, const struct client_msg *m)
{
	const struct codec_message *d = codec_message(m->type);
	uint8_t bytes[16384];
	struct pairs_writer w = {.p = bytes, .cap = sizeof(bytes)};
	struct slice pairs, value;

	if (m->type == CLIENT_AUDIT) {
		pairs = m->audit.pairs;
	} else {
		for (size_t i = 0; i < d->nfields; i++) {
			memcpy(&value, (const uint8_t *)m + d->fields[i].offset,
			    sizeof(value));
			pairs_add(&w, d->fields[i].name, value);
		}
		pairs = slice_of(w.p, w.n);
	}
	if (!are_texts(pairs)) {
		refuse_id(c, id, REFUSED_BAD_REQUEST,
		    "an argument is malformed, or holds a control character");
		return;
	}
	open_question(c, id, questions[m->type], pairs);
}

static void
on_act(struct conn *c, uint64_t id, const struct client_msg *m)
{
	struct call *call;

	if ((call = begin(c, id, CALL_ROWS)) != NULL)
		begun(c, call, call_act(call, m->act.sealed));
}

static void
on_restore(struct conn *c, uint64_t id, const struct client_msg *m)
{
	struct call *call;

	if ((call = begin(c, id, CALL_UPLOAD)) == NULL)
		return;
	framed_call(call)->body = BODY_STREAM;
	begun(c, call, call_upload(call, m->restore.sealed));
}

static void
on_sign(struct conn *c, uint64_t id, const struct client_msg *m)
{
	struct call *call;

	if (!route_is_profile(m->sign.profile)) {
		refuse_id(c, id, REFUSED_BAD_REQUEST,
		    "the profile is not CUSTOMER/NAME");
		return;
	}
	if ((call = begin(c, id, CALL_ROWS)) != NULL)
		begun(c, call,
		    call_sign(
		        call, m->sign.profile, m->sign.scheme, m->sign.wish));
}

static int
is_method(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < 'A' || s.p[i] > 'Z')
			return 0;
	return s.n > 0 && s.n <= HTTP_METHOD_MAX;
}

static void
on_request(struct conn *c, uint64_t id, const struct client_msg *m)
{
	struct http_field fields[HTTP_FIELDS_MAX];
	struct call_request req = {.profile = m->request.profile,
	    .method = m->request.method,
	    .target = m->request.target,
	    .fields = fields,
	    .body = m->request.body,
	    .length = m->request.length};
	enum http_fault fault = HTTP_FAULT_NONE;
	const char *sentence = NULL;
	struct call *call;

	if (!route_is_profile(req.profile))
		sentence = "the profile is not CUSTOMER/NAME";
	else if (!is_method(req.method))
		sentence = http_fault_text(HTTP_FAULT_METHOD);
	else if (req.body != BODY_LENGTH && req.length != 0)
		sentence = "there is a length without a body of that length";
	else if (http_fields_parse(m->request.headers.p, m->request.headers.n,
	             fields, HTTP_FIELDS_MAX, &req.field_count, &fault) != 0)
		sentence = http_fault_text(fault);
	if (sentence != NULL) {
		refuse_id(c, id, REFUSED_BAD_REQUEST, sentence);
		return;
	}
	if ((call = begin(c, id, CALL_REQUEST)) == NULL)
		return;
	framed_call(call)->body = req.body;
	framed_call(call)->left = req.length;
	begun(c, call, call_request(call, &req));
}

static void
on_cancel(struct framed_call *fc, const struct client_msg *m)
{
	(void)m;
	call_cancel(&fc->call);
}

static void
on_data(struct framed_call *fc, const struct client_msg *m)
{
	struct slice bytes = m->data.bytes;

	if (fc->body == BODY_NONE || bytes.n > fc->may_come ||
	    (fc->body == BODY_LENGTH && bytes.n > fc->left)) {
		breach(fc->call.conn, VERR_TOOBIG);
		return;
	}
	fc->may_come -= bytes.n;
	fc->taken += bytes.n;
	if (fc->body == BODY_LENGTH)
		fc->left -= bytes.n;
	stream_body(&fc->call, bytes);
}

static void
on_end(struct framed_call *fc, const struct client_msg *m)
{
	(void)m;
	if (fc->body == BODY_NONE) {
		breach(fc->call.conn, VERR_FORBIDDEN);
	} else if (fc->body == BODY_LENGTH && fc->left > 0) {
		breach(fc->call.conn, VERR_TRUNCATED);
	} else {
		fc->body = BODY_NONE;
		stream_body_end(&fc->call);
	}
}

static void
on_window(struct framed_call *fc, const struct client_msg *m)
{
	struct buf *kept = &fc->call.kept;
	size_t had = buf_used(kept);
	struct slice rest;

	fc->may_go += m->window.bytes;
	fc->since = conn_now(fc->call.conn);
	if (had > 0) {
		rest = framed_send(fc, slice_of(buf_data(kept), had));
		buf_drop(kept, had - rest.n);
	}
	if (buf_used(kept) == 0) {
		fc->call.held = 0;
		stream_settle(&fc->call);
	}
}

/* What opens a request, and what belongs to one. */
static const struct {
	void (*open)(struct conn *c, uint64_t id, const struct client_msg *m);
	void (*go_on)(struct framed_call *fc, const struct client_msg *m);
} verbs[] = {
    [CLIENT_WHOAMI] = {.open = on_question},
    [CLIENT_STATUS] = {.open = on_question},
    [CLIENT_CATALOG] = {.open = on_question},
    [CLIENT_PROFILES] = {.open = on_question},
    [CLIENT_EXPLAIN] = {.open = on_question},
    [CLIENT_AUDIT] = {.open = on_question},
    [CLIENT_NONCE] = {.open = on_question},
    [CLIENT_ACT] = {.open = on_act},
    [CLIENT_REQUEST] = {.open = on_request},
    [CLIENT_SIGN] = {.open = on_sign},
    [CLIENT_PUBKEY] = {.open = on_question},
    [CLIENT_JWKS] = {.open = on_question},
    [CLIENT_BACKUP] = {.open = on_question},
    [CLIENT_RESTORE] = {.open = on_restore},
    [CLIENT_CANCEL] = {.go_on = on_cancel},
    [CLIENT_SLOTS] = {.open = on_question},
    [CLIENT_DATA] = {.go_on = on_data},
    [CLIENT_END] = {.go_on = on_end},
    [CLIENT_WINDOW] = {.go_on = on_window},
};

static struct framed_call *
find(const struct conn *c, uint64_t id)
{
	struct call *call = c->calls;

	while (call != NULL && call->id != id)
		call = call->next;
	return call == NULL ? NULL : framed_call(call);
}

static void
take(struct conn *c, uint64_t id, const struct client_msg *m)
{
	struct framed *f = c->own;
	struct framed_call *fc;

	if (verbs[m->type].go_on != NULL) {
		if (id > f->last)
			breach(c, VERR_FORBIDDEN);
		else if ((fc = find(c, id)) != NULL)
			verbs[m->type].go_on(fc, m);
		return;
	}
	if (id <= f->last) {
		breach(c, VERR_STALE);
		return;
	}
	f->last = id;
	if (c->gate->draining)
		refuse_id(c, id, REFUSED_RESTARTING, NULL);
	else
		verbs[m->type].open(c, id, m);
}

/*
 * Take one frame.  Returns 0, VERR_AGAIN (it has not come whole), or the
 * breach.
 */
static int
take_frame(struct conn *c)
{
	struct client_msg m;
	struct frame f;
	int r;

	if (buf_used(&c->in) < FRAME_HEADER)
		return VERR_AGAIN;
	if ((r = frame_parse(buf_data(&c->in), &f)) != 0 ||
	    (r = codec_admit(&f, CODEC_CLIENT)) != 0)
		return r;
	if (buf_used(&c->in) - FRAME_HEADER < f.length)
		return VERR_AGAIN;
	if ((r = codec_decode(
	         f.type, buf_data(&c->in) + FRAME_HEADER, f.length, &m)) != 0)
		return r;
	take(c, f.id, &m);
	buf_drop(&c->in, FRAME_HEADER + f.length);
	return 0;
}

static void
refuse_bodies(struct conn *c, const char *sentence)
{
	const struct refused why = {
	    .code = REFUSED_BAD_REQUEST, .sentence = slice_str(sentence)};
	struct call *next;

	for (struct call *call = c->calls; call != NULL; call = next) {
		next = call->next;
		if (framed_call(call)->body != BODY_NONE)
			call_refuse(call, &why, 1);
	}
}

static void
framed_work(struct conn *c)
{
	static const struct refused restarting = {
	    .code = REFUSED_RESTARTING, .retry_after = 1};
	struct framed *f = c->own;
	int r = 0;

	while (c->state == CONN_OPEN && !c->full && (r = take_frame(c)) == 0)
		f->since = 0;
	if (c->state != CONN_OPEN)
		return;
	if (r != 0 && r != VERR_AGAIN) {
		breach(c, r);
		return;
	}
	if (buf_used(&c->in) == 0)
		f->since = 0;
	else if (f->since == 0)
		f->since = conn_now(c);
	if (c->eof && !c->full) {
		refuse_bodies(c, "the body has no end");
		if (c->calls == NULL)
			conn_finish(c);
	} else if (c->gate->draining && c->calls == NULL) {
		c->asked = 1;
		last_word(c, &restarting);
	}
}

static int
framed_open(struct conn *c)
{
	c->own = calloc(1, sizeof(struct framed));
	return c->own == NULL ? VERR_NOMEM : 0;
}

static void
framed_close(struct conn *c)
{
	free(c->own);
}

/*
 * When its silence is too long, if some body is awaited that may come.
 */
static uint64_t
body_deadline(const struct conn *c)
{
	for (struct call *call = c->calls; call != NULL; call = call->next)
		if (framed_call(call)->body != BODY_NONE &&
		    framed_call(call)->may_come > 0)
			return c->heard + BODY_MS;
	return NEVER;
}

/*
 * When a call has held its upstream up for too long.
 */
static uint64_t
held_deadline(struct call *call)
{
	return call->held ? framed_call(call)->since + HELD_MS : NEVER;
}

static void
refuse_held(struct conn *c)
{
	const struct refused why = {.code = REFUSED_BAD_REQUEST,
	    .sentence = slice_str("too slow: no window came for 60 s")};
	struct call *next;

	for (struct call *call = c->calls; call != NULL; call = next) {
		next = call->next;
		if (held_deadline(call) <= conn_now(c))
			call_refuse(call, &why, 1);
	}
}

static uint64_t
framed_deadline(const struct conn *c)
{
	const struct framed *f = c->own;
	uint64_t at = body_deadline(c);

	for (struct call *call = c->calls; call != NULL; call = call->next)
		if (held_deadline(call) < at)
			at = held_deadline(call);
	if (f->since != 0 && !c->full && f->since + FRAME_MS < at)
		at = f->since + FRAME_MS;
	return at;
}

static void
framed_expire(struct conn *c)
{
	const struct framed *f = c->own;
	uint64_t now = conn_now(c);

	if (f->since != 0 && !c->full && f->since + FRAME_MS <= now) {
		breach(c, VERR_TIMEOUT);
		return;
	}
	if (body_deadline(c) <= now)
		refuse_bodies(c, "no more of the body came for 60 s");
	refuse_held(c);
}

const struct face_ops framed_face = {.open = framed_open,
    .close = framed_close,
    .work = framed_work,
    .deadline = framed_deadline,
    .expire = framed_expire,
    .last_word = last_word,
    .row = framed_row,
    .done = framed_done,
    .nonce = framed_nonce,
    .refuse = framed_refuse,
    .accepted = framed_accepted,
    .head = framed_head,
    .data = framed_data,
    .end = framed_end,
    .drained = framed_drained};
