/*
 * lane - the way on which a gate sends its streams.
 */
#ifndef COURIER_LANE_H
#define COURIER_LANE_H

#include "vaultd/courier/courier.h"

/*
 * Join a gate by a lane, whose descriptor is taken.
 * Returns 0, VERR_NOMEM or VERR_IO.
 */
MUST_CHECK
int lane_new(struct courier *c, uint32_t gate, int fd);

/*
 * Close a lane and those of its streams that carry nothing; if "r" says that
 * the gate broke the rules, report it.
 */
void lane_drop(struct lane *lane, int r);

/* For stream.c: a stream has gone; so does a closed lane without any. */
void lane_leave(struct lane *lane);

#endif /* COURIER_LANE_H */
