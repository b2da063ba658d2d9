#include "vaultd/gate/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define LANE_WAIT_MS 10000
#define BODY_MAX     16384 /* of BODY in room.def */

struct lane {
	struct gate *gate;
	struct channel *ch;
	enum room room;
	uint32_t number;
	int full; /* some wait for room in it */
	struct lane *next;
};

static void
lane_free(struct lane *lane)
{
	struct lane **at = &lane->gate->lanes;

	while (*at != lane)
		at = &(*at)->next;
	*at = lane->next;
	channel_free(lane->ch);
	free(lane);
}

static struct lane *
lane_find(const struct gate *g, enum room room, uint32_t number)
{
	struct lane *lane = g->lanes;

	while (lane != NULL && (lane->room != room || lane->number != number))
		lane = lane->next;
	return lane;
}

static void
give_up(struct call *call, int cancel)
{
	static const struct refused upstream = {.code = REFUSED_UPSTREAM},
	                            audit = {.code = REFUSED_AUDIT};
	struct refused why =
	    call->stream.room == ROOM_LEDGER ? audit : upstream;

	why.audit = call->audit;
	call_refuse(call, &why, cancel);
}

static void
on_no_lane(void *arg)
{
	give_up(arg, 1);
}

static void
wait_begin(struct call *call)
{
	struct gate *g = call->gate;
	struct stream *s = &call->stream;

	s->wait_next = NULL;
	s->wait_prev = g->waits_last;
	*g->waits_last = call;
	g->waits_last = &s->wait_next;
	s->wait = (struct timer){.on_time = on_no_lane, .arg = call};
	if (loop_timer(g->life.loop, &s->wait, LANE_WAIT_MS) != 0)
		give_up(call, 1);
}

static void
wait_end(struct call *call)
{
	struct gate *g = call->gate;
	struct stream *s = &call->stream;

	if (s->wait_prev == NULL)
		return;
	*s->wait_prev = s->wait_next;
	if (s->wait_next != NULL)
		s->wait_next->stream.wait_prev = s->wait_prev;
	else
		g->waits_last = s->wait_prev;
	s->wait_prev = NULL;
	loop_timer_stop(g->life.loop, &s->wait);
}

/*
 * Send the far end of the stream down "lane", which has room.
 */
static void
hand_over(struct call *call, struct lane *lane)
{
	int far = call->stream.far;

	call->stream.far = -1;
	wait_end(call);
	if (channel_send(lane->ch, REC_OPEN,
	        &(const union record){.OPEN = {.number = call->number}},
	        far) != 0)
		give_up(call, 1);
}

static int
waits_for(const struct call *call, const struct lane *lane)
{
	return call->stream.room == lane->room &&
	    call->stream.peer == lane->number;
}

/*
 * Hand over what waits for this lane, while it has room.
 */
static void
lane_drained(void *arg, struct channel *ch)
{
	struct lane *lane = arg;
	struct call *call = lane->gate->waits, *next;

	lane->full = 0;
	for (; call != NULL; call = next) {
		next = call->stream.wait_next;
		if (!waits_for(call, lane))
			continue;
		if (!channel_takes_fd(ch)) {
			lane->full = 1;
			break;
		}
		hand_over(call, lane);
	}
}

static void
lane_closed(void *arg, struct channel *ch, int r)
{
	struct lane *lane = arg;
	struct call *call = lane->gate->waits, *next;

	(void)ch;
	if (r != VERR_CLOSED && r != VERR_NOMEM)
		room_report(&lane->gate->life, lane->room, lane->number, r);
	for (; call != NULL; call = next) {
		next = call->stream.wait_next;
		if (waits_for(call, lane))
			give_up(call, 1);
	}
	lane_free(lane);
}

static const struct channel_ops lane_ops = {
    .on_closed = lane_closed, .on_drained = lane_drained};

int
lane_add(struct gate *g, enum room room, uint32_t number, int fd)
{
	struct lane *lane = lane_find(g, room, number);

	if (lane != NULL)
		lane_free(lane);
	if ((lane = calloc(1, sizeof(*lane))) == NULL) {
		(void)close(fd);
		return 0;
	}
	*lane = (struct lane){.gate = g, .room = room, .number = number};
	if (channel_new(g->life.loop, fd, ROOM_GATE, room, 0, &lane_ops, lane,
	        &lane->ch) != 0) {
		free(lane);
		return 0;
	}
	lane->next = g->lanes;
	g->lanes = lane;
	lane_drained(lane, lane->ch);
	return 0;
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
	struct call *call = arg;

	(void)fd;
	if (call->stream.head || m->HEAD.status < 200 || m->HEAD.status > 599)
		return VERR_FORMAT;
	call->stream.head = 1;
	if (call->conn->face->head(
	        call, (unsigned)m->HEAD.status, m->HEAD.headers) != 0)
		give_up(call, 1);
	return 0;
}

static int
on_data(void *arg, const union record *m, int *fd)
{
	struct call *call = arg;

	(void)fd;
	if (call->kind == CALL_LINES)
		return on_lines(call, m->DATA.bytes);
	if (!call->stream.head)
		return VERR_FORMAT;
	call->conn->face->data(call, m->DATA.bytes);
	return 0;
}

static int
on_end(void *arg, const union record *m, int *fd)
{
	struct call *call = arg;

	(void)m;
	(void)fd;
	if (call->kind == CALL_REQUEST && !call->stream.head)
		return VERR_FORMAT;
	call_end(call);
	return 0;
}

static int
on_fail(void *arg, const union record *m, int *fd)
{
	struct call *call = arg;
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
	struct call *call = arg;

	(void)ch;
	if (r != VERR_CLOSED && r != VERR_NOMEM)
		room_report(
		    &call->gate->life, call->stream.room, call->stream.peer, r);
	give_up(call, 1);
}

static void
stream_drained(void *arg, struct channel *ch)
{
	struct call *call = arg;

	(void)ch;
	call->conn->face->drained(call);
}

static const struct channel_ops stream_ops = {.handlers = stream_handlers,
    .on_closed = stream_closed,
    .on_drained = stream_drained};

int
stream_make(struct call *call, enum room room)
{
	struct stream *s = &call->stream;
	int fds[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
		return VERR_BUSY;
	if ((r = channel_new(call->gate->life.loop, fds[0], ROOM_GATE, room, 0,
	         &stream_ops, call, &s->ch)) != 0) {
		(void)close(fds[1]);
		return r;
	}
	s->far = fds[1];
	s->room = room;
	return 0;
}

void
stream_join(struct call *call, uint32_t peer)
{
	struct stream *s = &call->stream;
	struct lane *lane = lane_find(call->gate, s->room, peer);

	s->peer = peer;
	if (lane != NULL && !lane->full) {
		if (channel_takes_fd(lane->ch)) {
			hand_over(call, lane);
			return;
		}
		lane->full = 1;
	}
	wait_begin(call);
}

void
stream_body(struct call *call, struct slice bytes)
{
	while (bytes.n > 0) {
		size_t n = bytes.n < BODY_MAX ? bytes.n : BODY_MAX;

		channel_say(
		    call->stream.ch, BODY, .bytes = slice_of(bytes.p, n));
		bytes = slice_of(bytes.p + n, bytes.n - n);
	}
}

void
stream_body_end(struct call *call)
{
	channel_put(
	    call->stream.ch, REC_BODY_END, &(const union record){0}, -1);
}

int
stream_full(const struct call *call)
{
	return channel_queued(call->stream.ch) > STREAM_FULL;
}

void
stream_settle(struct call *call)
{
	if (call->stream.ch == NULL)
		return;
	if (call->held || call->conn->full)
		channel_pause(call->stream.ch);
	else
		channel_resume(call->stream.ch);
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
	struct stream *s = &call->stream;

	wait_end(call);
	channel_free(s->ch);
	s->ch = NULL;
	if (s->far >= 0)
		(void)close(s->far);
	s->far = -1;
}
