/*
 * stream - how an answer reaches the gate past the keeper: lanes, the standing
 *	    channels to couriers and to the ledger, and a stream per request,
 *	    one end of which goes down a lane.
 */
#ifndef GATE_STREAM_H
#define GATE_STREAM_H

#include "vaultd/gate/call.h"

#define STREAM_FULL (128 * 1024) /* of a body not taken: send no more */

/*
 * Take a lane to "room" number "number" over "fd", in place of an older one.
 * Returns 0; failing to make it costs those who wait for it their answers.
 */
MUST_CHECK
int lane_add(struct gate *g, enum room room, uint32_t number, int fd);

/*
 * Make the stream of "a"; what is written waits in it until it is joined.
 * Returns 0, VERR_BUSY (no descriptors) or VERR_NOMEM.
 */
MUST_CHECK
int stream_make(struct call *call, enum room room);

/*
 * Send the far end to room number "peer", now or when its lane comes or has
 * room; refuses the call if that takes too long.
 */
void stream_join(struct call *call, uint32_t peer);

/*
 * Send some of the client's body, and its end.  stream_full() says when to
 * wait for the face's drained().
 */
void stream_body(struct call *call, struct slice bytes);
void stream_body_end(struct call *call);
int stream_full(const struct call *call);

/*
 * Let the answer flow or not: call->held and the fullness of the connection.
 */
void stream_settle(struct call *call);
void stream_settle_all(struct conn *c);

/*
 * Close both ends that are here.
 */
void stream_close(struct call *call);

#endif /* GATE_STREAM_H */
