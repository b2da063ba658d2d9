#include "vaultd/courier/stream.h"

#include <stdlib.h>
#include <unistd.h>

#include "vaultd/courier/lane.h"
#include "vaultd/courier/order.h"

static const struct channel_ops stream_ops;

static void
met(struct lane *lane)
{
	if (lane->meets-- == MEETS_MAX && lane->channel != NULL)
		channel_resume(lane->channel);
}

void
stream_free(struct stream *s)
{
	struct lane *lane = s->lane;

	loop_timer_stop(lane->courier->life.loop, &s->timer);
	channel_free(s->channel);
	*s->at = s->next;
	if (s->next != NULL)
		s->next->at = s->at;
	if (s->state == STREAM_MEETS)
		met(lane);
	lane->nstreams--;
	free(s);
	lane_leave(lane);
}

static void
on_time(void *arg)
{
	stream_free(arg);
}

/* Wait in "state" for at most "ms"; without a timer nothing may wait. */
static int
wait_in(struct stream *s, enum stream_state state, uint64_t ms)
{
	s->state = state;
	return loop_timer(s->lane->courier->life.loop, &s->timer, ms);
}

/* Nothing is read before the order is there; the gate may say its body. */
static int
await_order(struct stream *s)
{
	struct lane *lane = s->lane;

	channel_pause(s->channel);
	if (++lane->meets == MEETS_MAX && lane->channel != NULL)
		channel_pause(lane->channel);
	return wait_in(s, STREAM_MEETS, MEET_MS);
}

struct stream *
stream_find(struct courier *c, uint32_t gate, uint64_t number)
{
	for (struct lane *lane = c->lanes; lane != NULL; lane = lane->next)
		for (struct stream *s = lane->streams;
		     lane->gate == gate && s != NULL; s = s->next)
			if (s->state == STREAM_MEETS && s->number == number)
				return s;
	return NULL;
}

/*
 * Find the order of the stream's number, or wait for it.
 * Returns 0, VERR_EXISTS or VERR_NOMEM.
 */
static int
meet(struct stream *s, uint64_t number)
{
	struct lane *lane = s->lane;

	s->number = number;
	if (order_meet(lane->courier, lane->gate, number, s) == 0)
		return 0;
	if (stream_find(lane->courier, lane->gate, number) != NULL)
		return VERR_EXISTS;
	return await_order(s);
}

int
stream_new(struct lane *lane, uint64_t number, int fd)
{
	struct stream *s;
	int r;

	if (lane->nstreams == STREAMS_MAX ||
	    (s = calloc(1, sizeof(*s))) == NULL) {
		(void)close(fd);
		return 0;
	}
	*s = (struct stream){.lane = lane,
	    .state = STREAM_CARRIES,
	    .timer = {.on_time = on_time, .arg = s},
	    .next = lane->streams,
	    .at = &lane->streams};
	/* The gate may hold this end, too: read(2) could be made to block. */
	if (channel_new(lane->courier->life.loop, fd, ROOM_COURIER, ROOM_GATE,
	        CHANNEL_TAKES_FD, &stream_ops, s, &s->channel) != 0) {
		free(s);
		return 0;
	}
	if (s->next != NULL)
		s->next->at = &s->next;
	lane->streams = s;
	lane->nstreams++;
	if ((r = meet(s, number)) != 0)
		stream_free(s);
	return r == VERR_EXISTS ? r : 0;
}

void
stream_carry(struct stream *s, struct order *o)
{
	struct lane *lane = s->lane;

	loop_timer_stop(lane->courier->life.loop, &s->timer);
	if (s->state == STREAM_MEETS) {
		met(lane);
		channel_resume(s->channel);
	}
	s->state = STREAM_CARRIES;
	s->order = o;
}

void
stream_leave(struct stream *s, int whole, int body_ended)
{
	enum stream_state state = STREAM_DRAINS;

	if (whole)
		state = body_ended ? STREAM_RESTS : STREAM_SWALLOWS;
	s->order = NULL;
	channel_resume(s->channel);
	if (wait_in(s, state, WAIT_MS) != 0)
		stream_free(s);
}

static int
on_body(void *arg, const union record *m, int *fd)
{
	struct stream *s = arg;

	(void)fd;
	/* The answer may be over before the request is. */
	if (s->state == STREAM_SWALLOWS || s->state == STREAM_DRAINS)
		return 0;
	return s->order == NULL ? VERR_FORBIDDEN
	                        : order_body(s->order, m->BODY.bytes);
}

static int
on_body_end(void *arg, const union record *m, int *fd)
{
	struct stream *s = arg;

	(void)m;
	(void)fd;
	if (s->state == STREAM_SWALLOWS)
		return wait_in(s, STREAM_RESTS, WAIT_MS);
	if (s->state == STREAM_DRAINS)
		return 0;
	return s->order == NULL ? VERR_FORBIDDEN : order_body_end(s->order);
}

static int
on_next(void *arg, const union record *m, int *fd)
{
	struct stream *s = arg;

	(void)fd;
	return s->state == STREAM_RESTS ? meet(s, m->NEXT.number)
	                                : VERR_FORBIDDEN;
}

static const struct handler stream_handlers[] = {
    {REC_BODY, on_body},
    {REC_BODY_END, on_body_end},
    {REC_NEXT, on_next},
    {0, NULL},
};

static void
stream_closed(void *arg, struct channel *ch, int r)
{
	struct stream *s = arg;
	struct order *o = s->order;

	(void)ch;
	if (r != VERR_CLOSED && r != VERR_NOMEM)
		room_report(
		    &s->lane->courier->life, ROOM_GATE, s->lane->gate, r);
	stream_free(s);
	if (o != NULL)
		order_lost_stream(o);
}

static void
stream_drained(void *arg, struct channel *ch)
{
	struct stream *s = arg;

	(void)ch;
	if (s->state == STREAM_DRAINS)
		stream_free(s);
	else if (s->order != NULL)
		order_go_on(s->order);
}

static const struct channel_ops stream_ops = {.handlers = stream_handlers,
    .on_closed = stream_closed,
    .on_drained = stream_drained};
