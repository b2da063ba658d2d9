#include "vaultd/courier/lane.h"

#include <stdlib.h>
#include <unistd.h>

#include "vaultd/courier/order.h"

struct opened {
	struct lane *lane;
	struct opened *next;
	uint64_t number;
	int fd;
	struct timer timer;
};

static struct opened *
find(struct courier *c, uint32_t gate, uint64_t number)
{
	struct opened *o = c->opened;

	while (o != NULL && (o->lane->gate != gate || o->number != number))
		o = o->next;
	return o;
}

/* Forget a stream.  Returns its descriptor. */
static int
forget(struct opened *o)
{
	struct lane *lane = o->lane;
	struct opened **at = &lane->courier->opened;
	int fd = o->fd;

	while (*at != o)
		at = &(*at)->next;
	*at = o->next;
	loop_timer_stop(lane->courier->life.loop, &o->timer);
	free(o);
	if (lane->opened-- == OPENED_MAX)
		channel_resume(lane->channel);
	return fd;
}

static void
on_time(void *arg)
{
	(void)close(forget(arg));
}

int
lane_take(struct courier *c, uint32_t gate, uint64_t number)
{
	struct opened *o = find(c, gate, number);

	return o == NULL ? -1 : forget(o);
}

/*
 * Returns 0 or VERR_NOMEM.
 */
static int
keep(struct lane *lane, uint64_t number, int fd)
{
	struct courier *c = lane->courier;
	struct opened *o;

	if ((o = calloc(1, sizeof(*o))) == NULL)
		return VERR_NOMEM;
	*o = (struct opened){.lane = lane,
	    .number = number,
	    .fd = fd,
	    .timer = {.on_time = on_time, .arg = o},
	    .next = c->opened};
	if (loop_timer(c->life.loop, &o->timer, MEET_MS) != 0) {
		free(o);
		return VERR_NOMEM;
	}
	c->opened = o;
	if (++lane->opened == OPENED_MAX)
		channel_pause(lane->channel);
	return 0;
}

int
lane_opened(struct lane *lane, uint64_t number, int fd)
{
	if (order_stream(lane->courier, lane->gate, number, fd) == 0)
		return 0;
	if (find(lane->courier, lane->gate, number) != NULL) {
		(void)close(fd);
		return VERR_EXISTS;
	}
	if (keep(lane, number, fd) != 0)
		(void)close(fd);
	return 0;
}

int
lane_new(struct courier *c, uint32_t gate, int fd)
{
	struct lane *lane;
	int r;

	if ((lane = calloc(1, sizeof(*lane))) == NULL) {
		(void)close(fd);
		return VERR_NOMEM;
	}
	lane->courier = c;
	lane->gate = gate;
	if ((r = channel_new(c->life.loop, fd, ROOM_COURIER, ROOM_GATE,
	         CHANNEL_TAKES_FD, &courier_lane_ops, lane, &lane->channel)) !=
	    0) {
		free(lane);
		return r;
	}
	lane->next = c->lanes;
	c->lanes = lane;
	return 0;
}

void
lane_drop(struct lane *lane, int r)
{
	struct courier *c = lane->courier;
	struct lane **at = &c->lanes;
	struct opened *o, *next;

	if (r != VERR_CLOSED)
		room_report(&c->life, ROOM_GATE, lane->gate, r);
	for (o = c->opened; o != NULL; o = next) {
		next = o->next;
		if (o->lane == lane)
			(void)close(forget(o));
	}
	channel_free(lane->channel);
	while (*at != lane)
		at = &(*at)->next;
	*at = lane->next;
	free(lane);
}
