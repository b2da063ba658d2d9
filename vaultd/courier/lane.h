/*
 * lane - streams that gates send down their lanes, until their order comes.
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
 * Close a lane; if "r" says that the gate broke the rules, report it.
 */
void lane_drop(struct lane *lane, int r);

/*
 * A stream came: give it to its order, or keep it for MEET_MS; with OPENED_MAX
 * of them the lane is read no further.  The descriptor is taken, and closed
 * where there is no memory for it.  Returns 0, or VERR_EXISTS: a number used
 * twice.
 */
MUST_CHECK
int lane_opened(struct lane *lane, uint64_t number, int fd);

/*
 * Take the stream of a gate's request, if it has come.  Returns its descriptor
 * or -1.
 */
int lane_take(struct courier *c, uint32_t gate, uint64_t number);

#endif /* COURIER_LANE_H */
