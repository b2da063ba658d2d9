/*
 * stream - what a gate and the courier say to each other about one request
 *	    after another: a body comes up it, the answer goes down.
 *
 * It comes down a lane, meets the order of its gate and number, and carries
 * that order's bodies.  Once the answer has ended and the request's body has
 * come whole it may meet another order (NEXT); after anything else it is
 * closed.
 */
#ifndef COURIER_STREAM_H
#define COURIER_STREAM_H

#include "vaultd/courier/courier.h"
#include "vaultd/courier/fault.h"

#define STREAM_HIGH (128 * 1024) /* of an answer queued, then it pauses */
#define DATA_MAX    16384        /* of an answer in one record */
#define WAIT_MS     60000        /* for a gate to go on: it waits less itself */

enum stream_state {
	STREAM_MEETS,    /* its order has not come; nothing is read */
	STREAM_CARRIES,  /* an order's bodies */
	STREAM_SWALLOWS, /* answered; the rest of the request's body comes */
	STREAM_RESTS,    /* answered; NEXT may come */
	STREAM_DRAINS,   /* refused; it is closed when that is written */
};

struct stream {
	struct lane *lane;
	struct stream *next, **at; /* in lane->streams */
	struct channel *channel;
	enum stream_state state;
	uint64_t number;
	struct order *order; /* STREAM_CARRIES */
	struct timer timer;
};

/*
 * A stream came down "lane", for request "number"; "fd" is taken, and closed
 * where there is no memory for it or the lane has STREAMS_MAX.
 * Returns 0, or VERR_EXISTS: a number that another stream waits with.
 */
MUST_CHECK
int stream_new(struct lane *lane, uint64_t number, int fd);

/* Close and release it; its order, if any, is to forget it. */
void stream_free(struct stream *s);

/* The stream that waits for the order of this gate and number, or NULL. */
struct stream *stream_find(struct courier *c, uint32_t gate, uint64_t number);

/* It has met its order, and is read from now on. */
void stream_carry(struct stream *s, struct order *o);

/*
 * The order is done with it: after its last record, END or FAIL, was said.
 * "whole": the answer was given, and so is the stream; "body_ended": so was
 * the request's body.
 */
void stream_leave(struct stream *s, int whole, int body_ended);

#endif /* COURIER_STREAM_H */
