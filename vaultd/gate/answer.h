/*
 * answer - the bytes of an HTTP answer, put where the connection sends from.
 *
 * Lack of memory drops the connection, and is no error here.
 */
#ifndef GATE_ANSWER_H
#define GATE_ANSWER_H

#include "vaultd/gate/conn.h"

/* How a body ends. */
enum answer_body {
	ANSWER_EMPTY, /* there is none, whatever Content-Length says */
	ANSWER_LENGTH,
	ANSWER_CHUNKED,
};

enum answer_flag {
	ANSWER_CLOSE = 1 << 0,     /* the last one on this connection */
	ANSWER_HEAD_ONLY = 1 << 1, /* it answers HEAD */
};

/*
 * An upstream's head.  Returns 0, or VERR_FORMAT or VERR_TOOBIG: its headers
 * cannot be sent; nothing was put.
 */
MUST_CHECK
int answer_head(struct conn *c, unsigned status, struct slice headers,
    uint64_t audit, enum answer_body body, unsigned flags);

/*
 * A chunk of a chunked body (not empty), and what ends the body.
 */
void answer_chunk(struct conn *c, struct slice bytes);
void answer_last_chunk(struct conn *c);

/*
 * Bytes of a body as they are.
 */
void answer_bytes(struct conn *c, struct slice bytes);

/*
 * "100 Continue": the body is wanted.
 */
void answer_continue(struct conn *c);

/*
 * A whole answer of the gate's own with status 200.
 */
void answer_whole(struct conn *c, const char *type, struct slice body,
    uint64_t audit, unsigned flags);

/*
 * A refusal, as a problem document (RFC 9457).
 */
void answer_problem(struct conn *c, const struct refused *why, unsigned flags);

#endif /* GATE_ANSWER_H */
