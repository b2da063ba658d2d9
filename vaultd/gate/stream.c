#include "vaultd/gate/stream.h"

#include <stdlib.h>
#include <unistd.h>

#include "vaultd/gate/lane.h"

#define BODY_MAX 16384 /* of BODY in room.def */

/* More of a body than this does not wait for the yes: it has a new stream. */
#define EARLY_MAX 16384

static void
stream_free(struct stream *s)
{
	if (s == NULL)
		return;
	channel_free(s->ch);
	if (s->far >= 0)
		(void)close(s->far);
	free(s);
}

/* Idle streams: the last one used is the first. */

static void
idle_remove(struct stream *s)
{
	TAILQ_REMOVE(&s->gate->idle, s, idle);
	s->gate->idle_count--;
	s->lane->idle--;
	s->lane = NULL;
}

static void
idle_close(struct stream *s)
{
	idle_remove(s);
	stream_free(s);
}

static void on_idle_time(void *arg);

/*
 * Set the timer for the oldest, unless it is set: what was idle when it was
 * set may be in use again, and then it looks again.
 */
static void
idle_timer(struct gate *g)
{
	struct stream *oldest = TAILQ_LAST(&g->idle, idle_list);
	uint64_t age;

	if (oldest == NULL || g->idle_timer.slot != 0)
		return;
	age = loop_now(g->life.loop) - oldest->since;
	g->idle_timer = (struct timer){.on_time = on_idle_time, .arg = g};
	if (loop_timer(g->life.loop, &g->idle_timer, STREAM_IDLE_MS - age) != 0)
		idle_close(oldest); /* without memory there is less to keep */
}

static void
on_idle_time(void *arg)
{
	struct gate *g = arg;
	struct stream *s;

	while ((s = TAILQ_LAST(&g->idle, idle_list)) != NULL &&
	    loop_now(g->life.loop) - s->since >= STREAM_IDLE_MS)
		idle_close(s);
	idle_timer(g);
}

/*
 * Make room for one more of "lane".
 */
static void
idle_bound(struct gate *g, const struct lane *lane)
{
	struct stream *s = TAILQ_LAST(&g->idle, idle_list);

	if (lane->idle >= STREAM_IDLE_ONE)
		while (s->lane != lane)
			s = TAILQ_PREV(s, idle_list, idle);
	else if (g->idle_count < STREAM_IDLE_ALL)
		return;
	idle_close(s);
}

static struct stream *
idle_take(struct gate *g, enum room room, uint32_t peer)
{
	struct stream *s;

	TAILQ_FOREACH(s, &g->idle, idle)
	{
		if (s->room == room && s->peer == peer) {
			idle_remove(s);
			return s;
		}
	}
	return NULL;
}

void
stream_idle_drop(struct gate *g, const struct lane *lane)
{
	struct stream *s, *next;

	for (s = TAILQ_FIRST(&g->idle); s != NULL; s = next) {
		next = TAILQ_NEXT(s, idle);
		if (s->lane == lane)
			idle_close(s);
	}
}

/*
 * Its answer is whole: keep the stream for the next request if nothing is owed
 * on it, by either side.  Else it stays the call's, and goes with it.
 */
static void
keep(struct call *call)
{
	struct stream *s = call->stream;
	struct lane *lane = lane_find(s->gate, s->room, s->peer);

	if (s->room != ROOM_COURIER || lane == NULL || call->body_owed ||
	    channel_queued(s->ch) > 0)
		return;
	idle_bound(s->gate, lane);
	call->stream = NULL;
	s->call = NULL;
	s->lane = lane;
	s->since = loop_now(s->gate->life.loop);
	/* Until NEXT is said there is nothing to say on it. */
	channel_hear(s->ch, NULL);
	TAILQ_INSERT_HEAD(&s->gate->idle, s, idle);
	s->gate->idle_count++;
	lane->idle++;
	idle_timer(s->gate);
}

/*
 * A ledger's data is whole lines, each of them one row for the client.
 */
static int
on_lines(struct call *call, struct slice lines)
{
	while (lines.n > 0) {
		const uint8_t *nl = memchr(lines.p, '\n', lines.n);
		size_t n = nl == NULL ? lines.n : (size_t)(nl - lines.p);

		if (nl == NULL ||
		    call->conn->face->row(call, slice_of(lines.p, n)) != 0)
			return VERR_FORMAT;
		lines = slice_of(nl + 1, lines.n - n - 1);
	}
	return 0;
}

/* The answer, as courier or ledger streams it. */

static int
on_head(void *arg, const union record *m, int *fd)
{
	struct call *call = ((struct stream *)arg)->call;

	(void)fd;
	if (call->head || m->HEAD.status < 200 || m->HEAD.status > 599)
		return VERR_FORMAT;
	call->head = 1;
	if (call->conn->face->head(
	        call, (unsigned)m->HEAD.status, m->HEAD.headers) != 0)
		call_give_up(call);
	return 0;
}

static int
on_data(void *arg, const union record *m, int *fd)
{
	struct call *call = ((struct stream *)arg)->call;

	(void)fd;
	if (call->kind == CALL_LINES)
		return on_lines(call, m->DATA.bytes);
	if (call->kind == CALL_UPLOAD ||
	    (call->kind == CALL_REQUEST && !call->head))
		return VERR_FORMAT;
	call->conn->face->data(call, m->DATA.bytes);
	return 0;
}

static int
on_end(void *arg, const union record *m, int *fd)
{
	struct call *call = ((struct stream *)arg)->call;

	(void)m;
	(void)fd;
	if ((call->kind == CALL_REQUEST && !call->head) ||
	    (call->kind == CALL_UPLOAD && call->body_owed))
		return VERR_FORMAT;
	if (call->kind == CALL_UPLOAD) {
		/* The ledger has it; what becomes of it the keeper says. */
		call->taken = 1;
		stream_close(call);
		return 0;
	}
	keep(call);
	call_end(call);
	return 0;
}

static int
on_fail(void *arg, const union record *m, int *fd)
{
	struct call *call = ((struct stream *)arg)->call;
	const struct refused why = {.code = (uint32_t)m->FAIL.refusal,
	    .audit = call->audit,
	    .sentence = m->FAIL.sentence};

	(void)fd;
	if (why.code == REFUSED_NONE || why.code >= REFUSAL_COUNT)
		return VERR_FORMAT;
	call_refuse(call, &why, 0);
	return 0;
}

static const struct handler stream_handlers[] = {
    {REC_HEAD, on_head},
    {REC_DATA, on_data},
    {REC_END, on_end},
    {REC_FAIL, on_fail},
    {0, NULL},
};

static void
stream_closed(void *arg, struct channel *ch, int r)
{
	struct stream *s = arg;

	(void)ch;
	/* What is wrong in a log's lines may be as old as they. */
	if (r != VERR_CLOSED && r != VERR_NOMEM && s->room == ROOM_COURIER)
		room_report(&s->gate->life, s->room, s->peer, r);
	if (s->call == NULL)
		idle_close(s);
	else
		call_give_up(s->call);
}

static void
stream_drained(void *arg, struct channel *ch)
{
	struct call *call = ((struct stream *)arg)->call;

	(void)ch;
	if (call != NULL)
		call->conn->face->drained(call);
}

static const struct channel_ops stream_ops = {.handlers = stream_handlers,
    .on_closed = stream_closed,
    .on_drained = stream_drained};

/*
 * Make a new stream for "call".
 */
static int
make(struct call *call)
{
	struct stream *s;
	int fds[2], r;

	if ((s = calloc(1, sizeof(*s))) == NULL)
		return VERR_NOMEM;
	*s = (struct stream){
	    .gate = call->gate, .call = call, .room = call_room(call)};
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) {
		free(s);
		return VERR_BUSY;
	}
	if ((r = channel_new(call->gate->life.loop, fds[0], ROOM_GATE, s->room,
	         0, &stream_ops, s, &s->ch)) != 0) {
		(void)close(fds[1]);
		free(s);
		return r;
	}
	s->far = fds[1];
	call->stream = s;
	return 0;
}

static void
say_body(struct call *call, struct slice bytes)
{
	while (bytes.n > 0) {
		size_t n = bytes.n < BODY_MAX ? bytes.n : BODY_MAX;

		channel_say(
		    call->stream->ch, BODY, .bytes = slice_of(bytes.p, n));
		bytes = slice_of(bytes.p + n, bytes.n - n);
	}
}

static void
say_body_end(struct call *call)
{
	channel_put(
	    call->stream->ch, REC_BODY_END, &(const union record){0}, -1);
}

/*
 * There is a stream: what came of the body before it goes first.
 */
static void
say_early(struct call *call)
{
	struct buf *early = &call->early;

	say_body(call, slice_of(buf_data(early), buf_used(early)));
	buf_free(early);
	if (call->body && !call->body_owed)
		say_body_end(call);
}

int
stream_get(struct call *call, uint32_t peer)
{
	struct gate *g = call->gate;
	struct stream *s;
	int r;

	if (call->stream == NULL && call->kind == CALL_REQUEST &&
	    (s = idle_take(g, ROOM_COURIER, peer)) != NULL) {
		s->call = call;
		call->stream = s;
		channel_hear(s->ch, stream_handlers);
		channel_say(s->ch, NEXT, .number = call->number);
		say_early(call);
	} else if (call->stream == NULL) {
		if ((r = make(call)) != 0)
			return r;
		say_early(call);
	}
	call->stream->peer = peer;
	stream_settle(call);
	return 0;
}

void
stream_body(struct call *call, struct slice bytes)
{
	if (call->stream == NULL &&
	    buf_used(&call->early) + bytes.n > EARLY_MAX && make(call) == 0)
		say_early(call);
	if (call->stream != NULL)
		say_body(call, bytes);
	else if (buf_add(&call->early, bytes.p, bytes.n) != 0)
		conn_drop(call->conn);
}

void
stream_body_end(struct call *call)
{
	call->body_owed = 0;
	if (call->stream != NULL)
		say_body_end(call);
}

int
stream_full(const struct call *call)
{
	return call->stream == NULL
	    ? buf_used(&call->early) > STREAM_FULL
	    : channel_queued(call->stream->ch) > STREAM_FULL;
}

void
stream_settle(struct call *call)
{
	if (call->stream == NULL)
		return;
	if (call->held || call->conn->full)
		channel_pause(call->stream->ch);
	else
		channel_resume(call->stream->ch);
}

void
stream_settle_all(struct conn *c)
{
	for (struct call *call = c->calls; call != NULL; call = call->next)
		stream_settle(call);
}

void
stream_close(struct call *call)
{
	lane_wait_end(call);
	stream_free(call->stream);
	call->stream = NULL;
	buf_free(&call->early);
}
