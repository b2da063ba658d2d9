/*
 * change - what a COMMIT does to the rows of the store, inside its BLOB.
 *
 * WIRE		per change id[16] || u32 kind || u64 generation ||
 *		u64 expected || u32 body length || body.
 *
 * "expected" is the generation of the row that is replaced, 0 where there
 * must be none; generation 0 deletes.  A store that finds another generation
 * refuses the whole commit (VERR_STALE).
 *
 * RUN		a whole store as a list of changes, each of which makes a row
 *		(expected 0, generation from 1, kind up to RUN_KIND_MAX), in
 *		ascending order of their ids: so none is there twice, and two
 *		runs of the same rows are the same bytes.
 */
#ifndef PROTOCOL_CHANGE_H
#define PROTOCOL_CHANGE_H

#include "protocol/slice.h"
#include "protocol/verr.h"

#define ROW_ID_LEN      16
#define CHANGE_OVERHEAD (ROW_ID_LEN + 4 + 8 + 8 + 4)

struct change {
	uint8_t id[ROW_ID_LEN];
	uint32_t kind;
	uint64_t generation;
	uint64_t expected;
	struct slice body;
};

#define RUN_ROWS_MAX  1000000
#define RUN_BYTES_MAX (UINT64_C(4) << 30)
#define RUN_BODY_MAX  131072
#define RUN_KIND_MAX  255
#define RUN_SUPER     2 /* the kind of the row that has the store's generation */

/* A run while it comes in pieces.  Zero-initialised is the begin. */
struct change_run {
	uint64_t rows, bytes; /* so far */
	uint64_t generation;  /* of the store; 0: its row has not come */
	uint8_t head[CHANGE_OVERHEAD]; /* of the row that is coming */
	size_t have;                   /* of the head */
	size_t left;                   /* of the body */
	uint8_t last[ROW_ID_LEN];      /* the id before, if rows > 0 */
};

/*
 * Write "c" to "out", which has room for CHANGE_OVERHEAD + body bytes.
 */
void change_encode(const struct change *c, uint8_t *out);

/*
 * The same without the body, whose length is c->body.n.
 */
void change_encode_head(
    const struct change *c, uint8_t out[static CHANGE_OVERHEAD]);

/*
 * Take the first change off "list"; its body points into the list.
 * Returns 0, VERR_NOTFOUND at the end, or VERR_FORMAT.
 */
MUST_CHECK
int change_next(struct slice *list, struct change *ret);

/*
 * Check the next bytes of a run.  Returns 0, VERR_FORMAT, or VERR_TOOBIG: more
 * rows or bytes than a run may have; the run is then of no use.
 */
MUST_CHECK
int change_run_feed(struct change_run *run, struct slice bytes);

/*
 * No more comes.  Returns 0, or VERR_TRUNCATED.
 */
MUST_CHECK
int change_run_end(const struct change_run *run);

#endif /* PROTOCOL_CHANGE_H */
