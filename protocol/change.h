/*
 * change - what a COMMIT does to the rows of the store, inside its BLOB.
 *
 * WIRE		per change id[16] || u32 kind || u64 generation ||
 *		u64 expected || u32 body length || body.
 *
 * "expected" is the generation of the row that is replaced, 0 where there
 * must be none; generation 0 deletes.  A store that finds another generation
 * refuses the whole commit (VERR_STALE).
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

/*
 * Write "c" to "out", which has room for CHANGE_OVERHEAD + body bytes.
 */
void change_encode(const struct change *c, uint8_t *out);

/*
 * Take the first change off "list"; its body points into the list.
 * Returns 0, VERR_NOTFOUND at the end, or VERR_FORMAT.
 */
MUST_CHECK
int change_next(struct slice *list, struct change *ret);

#endif /* PROTOCOL_CHANGE_H */
