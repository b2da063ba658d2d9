/*
 * call - what a client waits for: a question, an act or a request that was
 *	 passed to the keeper under a number, and is not closed yet.
 *
 * A call is closed exactly once: by one of done, nonce, refuse and end of its
 * face, or silently because its client does not want it any more.  It belongs
 * to its connection until then.
 */
#ifndef GATE_CALL_H
#define GATE_CALL_H

#include "vaultd/gate/conn.h"
#include "vaultd/gate/http.h"

/* What may answer a call depends on what it is. */
enum call_kind {
	CALL_ROWS,    /* rows, then done */
	CALL_NONCE,   /* a nonce */
	CALL_LINES,   /* a stream of the ledger's */
	CALL_REQUEST, /* a stream of a courier's */
	CALL_BACKUP,  /* a stream of the ledger's, of any bytes */
	CALL_UPLOAD,  /* done, after an upload to the ledger */
};

struct call {
	struct gate *gate;
	struct conn *conn;
	enum call_kind kind;
	uint64_t number;       /* between gate and keeper */
	uint64_t id;           /* the client's; the face's to use */
	uint64_t audit;        /* as the keeper said with its yes */
	int held;              /* the face can take no data now */
	struct buf kept;       /* bytes of the answer that it keeps for later */
	struct stream *stream; /* NULL: none yet, or not any more */
	int body;              /* its request has one */
	int body_owed;         /* of which the end is still to be said */
	struct buf early;      /* some of it, until there is a stream */
	int head;              /* the answer has begun */
	int taken;             /* the upload is, and only done is awaited */
	struct timer wait;     /* for the lane, or for room in it */
	struct call *wait_next, **wait_prev; /* prev NULL: it does not wait */
	struct call *bucket_next;
	struct call *next, **prev; /* the connection's */
};

/*
 * Begin a call for "c" in "size" bytes, of which a struct call is the first
 * member and the rest is zero.
 * Returns 0, VERR_BUSY (too many are under way) or VERR_NOMEM.
 */
MUST_CHECK
int call_new(
    struct conn *c, enum call_kind kind, size_t size, struct call **ret_call);

/*
 * Put it to the keeper.  Returns 0, or VERR_NOMEM, VERR_TOOBIG, VERR_IO or
 * VERR_BUSY (no descriptors): nothing was sent, call_drop() it.
 */
MUST_CHECK
int call_question(struct call *call, enum ask what, struct slice pairs);
MUST_CHECK
int call_act(struct call *call, struct slice sealed);

/* "profile" is checked; "wish" is pairs, which the keeper reads. */
MUST_CHECK
int call_sign(struct call *call, struct slice profile, struct slice scheme,
    struct slice wish);
/*
 * An act whose body follows, as that of call_request().
 */
MUST_CHECK
int call_upload(struct call *call, struct slice sealed);

struct call_request {
	struct slice profile; /* checked: route_is_profile() */
	struct slice method;  /* checked: at most HTTP_METHOD_MAX bytes */
	struct slice target;
	const struct http_field *fields;
	size_t field_count;
	enum body_kind body;
	uint64_t length;
};

/*
 * Its body may follow at once, by stream_body() and stream_body_end().
 */
MUST_CHECK
int call_request(struct call *call, const struct call_request *req);

/*
 * Forget a call that was never put.
 */
void call_drop(struct call *call);

/*
 * The client does not want it any more: tell the keeper, and forget it.
 */
void call_cancel(struct call *call);
void call_cancel_all(struct conn *c);

/*
 * Close it with a refusal of the gate's own; "cancel" tells the keeper.
 */
void call_refuse(struct call *call, const struct refused *why, int cancel);

/*
 * Close it, because whoever should answer it cannot.
 */
void call_give_up(struct call *call);

/*
 * Close all calls of the gate: the keeper is gone.
 */
void call_refuse_all(struct gate *g);

/*
 * Who is at the other end of its stream, if it has one.
 */
enum room call_room(const struct call *call);

/*
 * The stream's answer is whole.
 */
void call_end(struct call *call);

/*
 * What the keeper says of "number".  A number that is not known was closed
 * meanwhile, and is ignored.  Returns 0, or VERR_FORBIDDEN or VERR_FORMAT: it
 * is not an answer to that.
 */
MUST_CHECK
int call_row(struct gate *g, uint64_t number, struct slice json);
MUST_CHECK
int call_done(
    struct gate *g, uint64_t number, uint64_t audit, struct slice sentence);
MUST_CHECK
int call_nonce(struct gate *g, uint64_t number, struct slice nonce);
MUST_CHECK
int call_refused(struct gate *g, uint64_t number, const struct refused *why);
MUST_CHECK
int call_stream(struct gate *g, uint64_t number, uint64_t audit, uint32_t room,
    uint32_t peer);

#endif /* GATE_CALL_H */
