/*
 * lane - the standing channels to couriers and to the ledger, down which the
 *	  far ends of new streams go.
 */
#ifndef GATE_LANE_H
#define GATE_LANE_H

#include "vaultd/gate/call.h"

struct lane {
	struct gate *gate;
	struct channel *ch;
	enum room room;
	uint32_t number;
	int full;    /* some wait for room in it */
	size_t idle; /* streams of its courier that are idle */
	struct lane *next;
};

/*
 * Take a lane to "room" number "number" over "fd", in place of an older one.
 * Returns 0; failing to make it costs those who wait for it their answers.
 */
MUST_CHECK
int lane_add(struct gate *g, enum room room, uint32_t number, int fd);

struct lane *lane_find(const struct gate *g, enum room room, uint32_t number);

/*
 * Send the far end of the call's new stream to its room, now or when its lane
 * comes or has room; refuses the call if that takes too long.
 */
void lane_join(struct call *call);

/*
 * Wait for a lane no longer, if it does.
 */
void lane_wait_end(struct call *call);

#endif /* GATE_LANE_H */
