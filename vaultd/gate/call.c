#include "vaultd/gate/call.h"

#include <stdlib.h>

#include "vaultd/gate/fields.h"
#include "vaultd/gate/lane.h"
#include "vaultd/gate/stream.h"

#define HEADERS_MAX (40 * 1024) /* of REQUEST in room.def */

int
call_new(
    struct conn *c, enum call_kind kind, size_t size, struct call **ret_call)
{
	struct gate *g = c->gate;
	struct call *call, **bucket;

	if (c->call_count == CONN_CALLS_MAX || g->call_count == GATE_CALLS_MAX)
		return VERR_BUSY;
	if ((call = calloc(1, size)) == NULL)
		return VERR_NOMEM;
	call->gate = g;
	call->conn = c;
	call->kind = kind;
	call->number = ++g->call_last;
	bucket = &g->calls[call->number % GATE_BUCKETS];
	call->bucket_next = *bucket;
	*bucket = call;
	if ((call->next = c->calls) != NULL)
		call->next->prev = &call->next;
	call->prev = &c->calls;
	c->calls = call;
	c->call_count++;
	g->call_count++;
	*ret_call = call;
	return 0;
}

/*
 * Take it out of every list: nobody finds it any more but the caller.
 */
static void
detach(struct call *call)
{
	struct call **at = &call->gate->calls[call->number % GATE_BUCKETS];

	while (*at != call)
		at = &(*at)->bucket_next;
	*at = call->bucket_next;
	if ((*call->prev = call->next) != NULL)
		call->next->prev = call->prev;
	call->conn->call_count--;
	call->gate->call_count--;
	conn_later(call->conn);
}

/*
 * Last, since what the stream's peer said may still be in use.
 */
static void
release(struct call *call)
{
	stream_close(call);
	buf_free(&call->kept);
	free(call);
}

static struct call *
find(const struct gate *g, uint64_t number)
{
	struct call *call = g->calls[number % GATE_BUCKETS];

	while (call != NULL && call->number != number)
		call = call->bucket_next;
	return call;
}

int
call_question(struct call *call, enum ask what, struct slice pairs)
{
	return channel_send(call->gate->keeper, REC_ASK,
	    &(const union record){.ASK = {.session = call->conn->session,
	                              .number = call->number,
	                              .what = what,
	                              .pairs = pairs}},
	    -1);
}

static int
say_act(struct call *call, struct slice sealed, int upload)
{
	return channel_send(call->gate->keeper, REC_ACT,
	    &(const union record){.ACT = {.session = call->conn->session,
	                              .number = call->number,
	                              .sealed = sealed,
	                              .upload = (uint64_t)upload}},
	    -1);
}

int
call_act(struct call *call, struct slice sealed)
{
	return say_act(call, sealed, 0);
}

int
call_upload(struct call *call, struct slice sealed)
{
	call->body = call->body_owed = 1;
	return say_act(call, sealed, 1);
}

int
call_sign(struct call *call, struct slice profile, struct slice scheme,
    struct slice wish)
{
	return channel_send(call->gate->keeper, REC_SIGN,
	    &(const union record){.SIGN = {.session = call->conn->session,
	                              .number = call->number,
	                              .profile = profile,
	                              .scheme = scheme,
	                              .wish = wish}},
	    -1);
}

int
call_request(struct call *call, const struct call_request *req)
{
	uint8_t pairs[HEADERS_MAX];
	struct pairs_writer w = {.p = pairs, .cap = sizeof(pairs)};
	int r;

	fields_to_keeper(req->fields, req->field_count, &w);
	if (w.overflow) {
		r = VERR_TOOBIG;
		goto out;
	}
	r = channel_send(call->gate->keeper, REC_REQUEST,
	    &(const union record){.REQUEST = {.session = call->conn->session,
	                              .number = call->number,
	                              .profile = req->profile,
	                              .method = req->method,
	                              .target = req->target,
	                              .headers = slice_of(w.p, w.n),
	                              .body = req->body,
	                              .length = req->length}},
	    -1);
	call->body = call->body_owed = req->body != BODY_NONE;
out:
	explicit_bzero(pairs, w.n);
	return r;
}

void
call_drop(struct call *call)
{
	detach(call);
	release(call);
}

static void
tell_cancel(const struct call *call)
{
	if (call->gate->keeper != NULL)
		channel_say(call->gate->keeper, CANCEL,
		    .session = call->conn->session, .number = call->number);
}

void
call_cancel(struct call *call)
{
	tell_cancel(call);
	call_drop(call);
}

void
call_cancel_all(struct conn *c)
{
	while (c->calls != NULL)
		call_cancel(c->calls);
}

void
call_refuse(struct call *call, const struct refused *why, int cancel)
{
	detach(call);
	if (cancel)
		tell_cancel(call);
	call->conn->face->refuse(call, why);
	release(call);
}

/* Who answers by a stream, and what it is when he does not. */
static const struct {
	enum room room;
	enum refusal refusal;
} streamers[] = {
    [CALL_LINES] = {ROOM_LEDGER, REFUSED_AUDIT},
    [CALL_REQUEST] = {ROOM_COURIER, REFUSED_UPSTREAM},
    [CALL_BACKUP] = {ROOM_LEDGER, REFUSED_STORE},
    [CALL_UPLOAD] = {ROOM_LEDGER, REFUSED_STORE},
};

enum room
call_room(const struct call *call)
{
	return streamers[call->kind].room;
}

void
call_give_up(struct call *call)
{
	const struct refused why = {
	    .code = streamers[call->kind].refusal, .audit = call->audit};

	call_refuse(call, &why, 1);
}

void
call_refuse_all(struct gate *g)
{
	static const struct refused why = {
	    .code = REFUSED_RESTARTING, .retry_after = 1};

	for (struct conn *c = g->conns; c != NULL; c = c->next)
		while (c->calls != NULL)
			call_refuse(c->calls, &why, 0);
}

void
call_end(struct call *call)
{
	detach(call);
	if (call->kind != CALL_LINES)
		call->conn->face->end(call);
	if (call->kind != CALL_REQUEST)
		call->conn->face->done(call, call->audit, slice_of(NULL, 0));
	release(call);
}

int
call_row(struct gate *g, uint64_t number, struct slice json)
{
	static const struct refused broken = {.code = REFUSED_STORE};
	struct call *call = find(g, number);

	if (call == NULL)
		return 0;
	if (call->kind != CALL_ROWS)
		return VERR_FORBIDDEN;
	if (call->conn->face->row(call, json) != 0)
		call_refuse(call, &broken, 1);
	return 0;
}

int
call_done(
    struct gate *g, uint64_t number, uint64_t audit, struct slice sentence)
{
	struct call *call = find(g, number);

	if (call == NULL)
		return 0;
	if (call->kind != CALL_ROWS && call->kind != CALL_UPLOAD)
		return VERR_FORBIDDEN;
	detach(call);
	call->conn->face->done(call, audit, sentence);
	release(call);
	return 0;
}

int
call_nonce(struct gate *g, uint64_t number, struct slice nonce)
{
	struct call *call = find(g, number);

	if (call == NULL)
		return 0;
	if (call->kind != CALL_NONCE)
		return VERR_FORBIDDEN;
	detach(call);
	call->conn->face->nonce(call, nonce);
	release(call);
	return 0;
}

int
call_refused(struct gate *g, uint64_t number, const struct refused *why)
{
	struct call *call = find(g, number);

	if (why->code == REFUSED_NONE || why->code >= REFUSAL_COUNT)
		return VERR_FORMAT;
	if (call != NULL)
		call_refuse(call, why, 0);
	return 0;
}

int
call_stream(struct gate *g, uint64_t number, uint64_t audit, uint32_t room,
    uint32_t peer)
{
	static const struct refused busy = {.code = REFUSED_BUDGET};
	struct call *call = find(g, number);

	if (call == NULL)
		return 0;
	if (call->kind == CALL_ROWS || call->kind == CALL_NONCE ||
	    room != call_room(call) || call->taken ||
	    (call->stream != NULL && call->stream->far < 0) ||
	    call->wait_prev != NULL)
		return VERR_FORBIDDEN;
	call->audit = audit;
	if (stream_get(call, peer) != 0) {
		call_refuse(call, &busy, 1);
		return 0;
	}
	call->conn->face->accepted(call);
	if (call->stream->far >= 0)
		lane_join(call);
	return 0;
}
