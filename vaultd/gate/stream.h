/*
 * stream - the way of an answer past the keeper: a channel to the courier, or
 *	    to the ledger, that has the order for it.
 *
 * REUSE	a courier's stream whose answer has ended, and whose request's
 *		body was said whole, is idle and takes the next request that
 *		the keeper gives to this courier: NEXT instead of a new pair of
 *		sockets down the lane.  Whatever else ended it closes it.
 * BOUNDS	so many idle streams to a courier and in all, the oldest go; and
 *		none is idle for longer than STREAM_IDLE_MS, which is less than
 *		a courier's own patience, so that it never closes one as NEXT
 *		is said on it.
 */
#ifndef GATE_STREAM_H
#define GATE_STREAM_H

#include "vaultd/gate/call.h"

#define STREAM_FULL     (128 * 1024) /* of a body not taken: send no more */
#define STREAM_IDLE_MS  10000
#define STREAM_IDLE_ONE 64  /* idle streams to one courier */
#define STREAM_IDLE_ALL 256 /* and to all */

struct lane;

struct stream {
	struct gate *gate;
	struct channel *ch;
	struct call *call; /* whom it serves; NULL: it is idle */
	enum room room;    /* who is at the other end */
	uint32_t peer;
	int far;           /* the other end, until it is sent; else -1 */
	struct lane *lane; /* of an idle one */
	uint64_t since;    /* idle since then */
	TAILQ_ENTRY(stream) idle;
};

/*
 * Have a stream to the room that "call" is answered by, number "peer": an idle
 * one, which then knows already whom it serves, or else a new one with its far
 * end still here, for lane_join().
 * Returns 0, VERR_BUSY (no descriptors), VERR_NOMEM or VERR_IO.
 */
MUST_CHECK
int stream_get(struct call *call, uint32_t peer);

/*
 * Send some of the client's body, and its end; what comes before the keeper's
 * yes waits.  stream_full() says when to wait for the face's drained().
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
 * Close both ends that are here, and forget what waits.
 */
void stream_close(struct call *call);

/*
 * Close the idle streams that came with "lane".
 */
void stream_idle_drop(struct gate *g, const struct lane *lane);

#endif /* GATE_STREAM_H */
