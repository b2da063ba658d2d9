#include "vaultd/courier/lane.h"

#include <stdlib.h>
#include <unistd.h>

#include "vaultd/courier/order.h"
#include "vaultd/courier/stream.h"

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
lane_leave(struct lane *lane)
{
	struct lane **at = &lane->courier->lanes;

	if (lane->channel != NULL || lane->streams != NULL)
		return;
	while (*at != lane)
		at = &(*at)->next;
	*at = lane->next;
	free(lane);
}

void
lane_drop(struct lane *lane, int r)
{
	struct stream *s, *next;

	if (r != VERR_CLOSED)
		room_report(&lane->courier->life, ROOM_GATE, lane->gate, r);
	for (s = lane->streams; s != NULL; s = next) {
		next = s->next;
		if (s->order == NULL)
			stream_free(s);
	}
	channel_free(lane->channel);
	lane->channel = NULL;
	lane_leave(lane);
}
