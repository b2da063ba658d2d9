/*
 * answer - the upstream's answer, from bytes to a head and the pieces of a
 *	    body: RFC 9112, and no more tolerant than it has to be.
 *
 * Pure: no descriptor, no clock.  What cannot be framed in exactly one way is
 * refused; see head.h for the head.  Chunk extensions are skipped, trailers
 * are counted and dropped.
 */
#ifndef COURIER_ANSWER_H
#define COURIER_ANSWER_H

#include "vaultd/courier/head.h"

#define ANSWER_LINE_MAX 1024 /* of a chunk's size and extensions */

enum answer_state {
	ANSWER_HEAD,
	ANSWER_LENGTH, /* a body of which "left" bytes are to come */
	ANSWER_CLOSE,  /* a body that ends with the connection */
	ANSWER_CHUNK_SIZE,
	ANSWER_CHUNK,
	ANSWER_CHUNK_END,
	ANSWER_TRAILERS,
	ANSWER_DONE,
};

/* Zeroed, and then "bodiless" set, is the beginning. */
struct answer {
	struct head head;
	enum answer_state state;
	uint64_t left;
	int bodiless; /* the request was HEAD */
};

/*
 * Take bytes from the front of "in": *ret_used of them, of which *ret_data,
 * perhaps empty, are the body's.  Call again with the rest while some were
 * used; with none used, more have to come.  At most one of these happens in a
 * call: the head becomes done, or there is data.
 *
 * Returns FAULT_NONE, or why the answer cannot be believed: FAULT_ANSWER,
 * FAULT_HEAD_SIZE, FAULT_ENCODED or FAULT_MEMORY.
 */
enum fault answer_feed(struct answer *a, struct slice in, size_t *ret_used,
    struct slice *ret_data);

/*
 * The connection was closed in order.  Returns FAULT_NONE if the answer is
 * whole by that, else FAULT_SHORT.
 */
enum fault answer_closed(struct answer *a);

/*
 * Whether another answer may follow on the connection.
 */
int answer_keeps(const struct answer *a);

void answer_free(struct answer *a);

#endif /* COURIER_ANSWER_H */
