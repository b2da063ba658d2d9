#include "vaultd/gate/lane.h"

#include <stdlib.h>
#include <unistd.h>

#include "vaultd/gate/stream.h"

#define LANE_WAIT_MS 10000

static void
lane_free(struct lane *lane)
{
	struct lane **at = &lane->gate->lanes;

	while (*at != lane)
		at = &(*at)->next;
	*at = lane->next;
	stream_idle_drop(lane->gate, lane);
	channel_free(lane->ch);
	free(lane);
}

struct lane *
lane_find(const struct gate *g, enum room room, uint32_t number)
{
	struct lane *lane = g->lanes;

	while (lane != NULL && (lane->room != room || lane->number != number))
		lane = lane->next;
	return lane;
}

static void
on_no_lane(void *arg)
{
	call_give_up(arg);
}

static void
wait_begin(struct call *call)
{
	struct gate *g = call->gate;

	call->wait_next = NULL;
	call->wait_prev = g->waits_last;
	*g->waits_last = call;
	g->waits_last = &call->wait_next;
	call->wait = (struct timer){.on_time = on_no_lane, .arg = call};
	if (loop_timer(g->life.loop, &call->wait, LANE_WAIT_MS) != 0)
		call_give_up(call);
}

void
lane_wait_end(struct call *call)
{
	struct gate *g = call->gate;

	if (call->wait_prev == NULL)
		return;
	*call->wait_prev = call->wait_next;
	if (call->wait_next != NULL)
		call->wait_next->wait_prev = call->wait_prev;
	else
		g->waits_last = call->wait_prev;
	call->wait_prev = NULL;
	loop_timer_stop(g->life.loop, &call->wait);
}

/*
 * Send the far end of the stream down "lane", which has room.
 */
static void
hand_over(struct call *call, struct lane *lane)
{
	int far = call->stream->far;

	call->stream->far = -1;
	lane_wait_end(call);
	if (channel_send(lane->ch, REC_OPEN,
	        &(const union record){.OPEN = {.number = call->number}},
	        far) != 0)
		call_give_up(call);
}

static int
waits_for(const struct call *call, const struct lane *lane)
{
	return call->stream->room == lane->room &&
	    call->stream->peer == lane->number;
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
		next = call->wait_next;
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
		next = call->wait_next;
		if (waits_for(call, lane))
			call_give_up(call);
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

void
lane_join(struct call *call)
{
	struct stream *s = call->stream;
	struct lane *lane = lane_find(call->gate, s->room, s->peer);

	if (lane != NULL && !lane->full) {
		if (channel_takes_fd(lane->ch)) {
			hand_over(call, lane);
			return;
		}
		lane->full = 1;
	}
	wait_begin(call);
}
