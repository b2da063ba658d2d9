/*
 * conn - one client's connection: its socket, its one speaker, its buffers
 *	  and its patience.  What the bytes mean is its face's affair.
 *
 * SPEAKER	every message must come from the process that the supervisor
 *		named, and without descriptors; else no byte of it is parsed.
 * BOUNDS	input stops at CONN_IN_MAX; above CONN_OUT_FULL the streams that
 *		feed the client stop, above CONN_OUT_GLUT nothing more is read
 *		or asked for, and who does not read is dropped.
 * ORDER	everything happens in one task at the end of a round: parse,
 *		write, settle.  A connection is freed there and nowhere else,
 *		so that handlers need not fear for it.
 */
#ifndef GATE_CONN_H
#define GATE_CONN_H

#include <sys/socket.h>

#include "protocol/record.h"
#include "protocol/refusal.h"
#include "vaultd/base/buf.h"
#include "vaultd/gate/gate.h"

#define CONN_IN_MAX    (64 * 1024 + 512) /* room for any frame, any head */
#define CONN_OUT_FULL  (128 * 1024)
#define CONN_OUT_GLUT  (1024 * 1024)
#define CONN_CALLS_MAX 64

#define NEVER UINT64_MAX

/* Why something is not done. */
struct refused {
	uint32_t code; /* enum refusal */
	uint32_t retry_after;
	uint64_t audit;
	struct slice sentence; /* may be empty */
};

struct conn;

/*
 * What a face does with a connection, and with the answers to what it asked.
 * A call given to nonce, done, end or refuse is already out of every list and
 * is freed after the return; the others may come any number of times before.
 */
struct face_ops {
	/* Make the face's own state: c->own.  Returns 0 or VERR_NOMEM. */
	int (*open)(struct conn *c);
	void (*close)(struct conn *c);
	/* Take what it can from c->in; also called when something changed. */
	void (*work)(struct conn *c);
	/* When its patience ends (loop_now() time, or NEVER), and then. */
	uint64_t (*deadline)(const struct conn *c);
	void (*expire)(struct conn *c);
	/* Say "why" as the last word, if the protocol has a place for it. */
	void (*last_word)(struct conn *c, const struct refused *why);

	/* 0, or VERR_FORMAT: no row that the face could carry */
	int (*row)(struct call *call, struct slice json);
	void (*done)(struct call *call, uint64_t audit, struct slice sentence);
	void (*nonce)(struct call *call, struct slice nonce);
	void (*refuse)(struct call *call, const struct refused *why);
	/* The keeper has said yes; the body may come. */
	void (*accepted)(struct call *call);
	/* 0, or VERR_FORMAT, VERR_TOOBIG: no head that it could carry */
	int (*head)(struct call *call, unsigned status, struct slice headers);
	void (*data)(struct call *call, struct slice bytes);
	void (*end)(struct call *call);
	/* What was given of the client's body has been taken. */
	void (*drained)(struct call *call);
};

extern const struct face_ops framed_face, http_face;

enum conn_state {
	CONN_OPEN,
	CONN_CLOSING, /* write what there is, wait for the client to close */
	CONN_DEAD,    /* freed at the end of the round */
};

struct conn {
	struct gate *gate;
	const struct face_ops *face;
	void *own; /* the face's */
	struct watch watch;
	struct task task;
	struct timer timer;
	struct buf in, out;
	size_t want;        /* how much to read at once */
	struct call *calls; /* what it waits for */
	size_t call_count;
	struct conn *next, **prev;
	uint64_t session;
	struct ucred speaker;
	enum conn_state state;
	uint64_t heard; /* when it last said something */
	uint64_t wrote; /* when it last took something, or had to begin to */
	uint64_t shut_at, glut_at;
	int asked; /* it has had an answer, or waits for one */
	int eof;   /* the client will say no more */
	int full;  /* out is above CONN_OUT_FULL, and not yet well below */
	int glut;
	int shut; /* our side is shut down */
};

/*
 * Serve the socket "fd", which is the connection's then (closed on failure).
 * Returns 0, or VERR_FORMAT: the supervisor sent no socket or no such face.
 * Lack of memory costs the client its connection and is no error.
 */
MUST_CHECK
int conn_new(struct gate *g, int fd, const struct rec_CONNECTION *m);

/*
 * Have the face work and the buffers move at the end of this round.
 */
void conn_later(struct conn *c);

/*
 * Room for "n" bytes to send, or NULL: there is no memory, the connection is
 * being dropped.  They count once conn_grow() says so.
 */
uint8_t *conn_reserve(struct conn *c, size_t n);
void conn_grow(struct conn *c, size_t n);

/*
 * Send what was said, then close.  Whatever is under way is cancelled.
 */
void conn_finish(struct conn *c);

/*
 * Close at once.
 */
void conn_drop(struct conn *c);

static inline uint64_t
conn_now(const struct conn *c)
{
	return loop_now(c->gate->life.loop);
}

#endif /* GATE_CONN_H */
