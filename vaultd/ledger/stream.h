/*
 * stream - a gate's stream, and what it is for.  The one is sent by the gate
 *	    (OPEN, on its lane), the other is said by the keeper, in either
 *	    order; they meet by gate and number, or are given up after 10 s.
 *
 * What the gate says on a stream before it is known what it is for waits in
 * the socket.  After the last word of ours it is closed as soon as that word
 * is written.
 */
#ifndef LEDGER_STREAM_H
#define LEDGER_STREAM_H

#include "vaultd/ledger/ledger.h"

#define DATA_MAX 16384 /* as in room.def */

/* What a stream is for; "arg" is whose it is. */
struct stream_ops {
	/* What the gate may say; their arg is the stream.  NULL: nothing. */
	const struct handler *handlers;
	/* Both halves are there. */
	void (*start)(void *arg);
	/* What was queued has been written. */
	void (*drained)(void *arg);
	/* The stream is gone: VERR_TIMEOUT, VERR_CLOSED or VERR_NOMEM. */
	void (*gone)(void *arg, int r);
};

struct stream {
	struct ledger *ledger;
	struct stream *next;
	uint32_t gate;
	uint64_t number;
	struct timer wait;            /* for the other half */
	struct channel *ch;           /* from OPEN, else NULL */
	const struct stream_ops *ops; /* from the keeper, else NULL */
	void *arg;                    /* NULL once the last word is said */
	int over;
	uint32_t refusal; /* the last word, if there is nobody to hear it yet */
	const char *sentence;
};

/*
 * The keeper has said what the stream "number" of "gate" is for; *ret is valid
 * until gone(), stream_end() or stream_fail().
 * Returns 0, VERR_FORBIDDEN (it was said already), VERR_BUSY or VERR_NOMEM.
 */
MUST_CHECK
int stream_order(struct ledger *l, uint32_t gate, uint64_t number,
    const struct stream_ops *ops, void *arg, struct stream **ret);

/*
 * Go on if the stream is there, or when it comes.  Calls start().
 */
void stream_begin(struct stream *s);

/*
 * Does the gate have enough to write?  Then wait for drained().
 */
int stream_full(const struct stream *s);

/*
 * Send some data, at most DATA_MAX.  Returns 0 or VERR_NOMEM.
 */
MUST_CHECK
int stream_data(struct stream *s, const uint8_t *p, size_t n);

/*
 * Say the last word, now or when the gate's half comes; nothing is called any
 * more.  "sentence" is a constant.
 */
void stream_end(struct stream *s);
void stream_fail(struct stream *s, uint32_t refusal, const char *sentence);

/*
 * The gate has sent its half.  Returns 0, or VERR_EXISTS.
 */
MUST_CHECK
int stream_open(struct ledger *l, uint32_t gate, uint64_t number, int fd);

/*
 * The lane is gone, and its streams with it.
 */
void stream_drop_gate(struct ledger *l, uint32_t gate);

#endif /* LEDGER_STREAM_H */
