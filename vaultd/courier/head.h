/*
 * head - the head of an upstream's answer: collected line by line, bounded,
 *	  and filtered for the client.
 *
 * One length, no length beside chunks, no coding but chunked, no folded lines,
 * no switch of protocols.
 */
#ifndef COURIER_HEAD_H
#define COURIER_HEAD_H

#include "protocol/slice.h"
#include "vaultd/base/buf.h"
#include "vaultd/courier/fault.h"

#define HEAD_MAX         65536 /* bytes, interim heads and trailers included */
#define HEAD_INTERIM_MAX 16    /* answers with status 1xx */
#define HEAD_FIELDS_MAX  2048  /* of one head: each is looked for in all */

struct head {
	unsigned status; /* of the head that has begun; 0: none has */
	int done;        /* the final head is whole; lines are trailers now */
	size_t bytes;
	unsigned interim;
	unsigned nfields;
	int has_length, chunked;
	uint64_t length; /* of the body, if has_length */
	int keep; /* the connection outlives the answer (RFC 9112, 9.3) */
	struct buf fields; /* pairs, unfiltered */
};

/*
 * Take one line with its line end.  Returns FAULT_NONE, FAULT_ANSWER,
 * FAULT_HEAD_SIZE, FAULT_ENCODED or FAULT_MEMORY.
 */
enum fault head_line(struct head *h, struct slice line);

/*
 * Write what the client may see as pairs to "out", of "cap" bytes: no
 * hop-by-hop fields (RFC 9110, 7.6.1), no cookies, nothing that bears the
 * vault's own name; Content-Length only where the body is sent on as it came.
 * Returns 0 and the size in *ret_n, or VERR_TOOBIG.
 */
MUST_CHECK
int head_fields(const struct head *h, uint8_t *out, size_t cap, size_t *ret_n);

void head_free(struct head *h);

#endif /* COURIER_HEAD_H */
