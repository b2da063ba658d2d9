/*
 * index - which rows there are, and which generation of each is current.
 *
 * A row that opens with the right key is authentic; whether it is the one last
 * committed only the index knows.  4,096 buckets, chosen by the first bits of
 * an id (ids are keyed hashes, so they spread evenly); over the buckets a
 * Merkle tree of BLAKE2b-256, whose root is sealed with each commit.
 *
 * About 64 bytes a row.  Bounded, because a ledger says what there is: in all,
 * and in one bucket, which it could choose ids for.
 */
#ifndef KEEPER_INDEX_H
#define KEEPER_INDEX_H

#include <stdbool.h>

#include "protocol/change.h"

#define INDEX_HASH_LEN   32
#define INDEX_ROWS_MAX   1000000
#define INDEX_BUCKET_MAX 4096 /* 244 are to be expected of so many rows */

struct index_entry {
	uint8_t id[ROW_ID_LEN];
	uint8_t hash[INDEX_HASH_LEN]; /* BLAKE2b-256 of the sealed body */
	uint64_t generation;
	uint32_t kind;
};

struct index;

/* Returns 0 or VERR_NOMEM. */
MUST_CHECK
int index_new(struct index **ret);
void index_free(struct index *ix);

/*
 * Return the entry of "id", or NULL.  Borrowed until the next change.
 */
const struct index_entry *index_find(
    const struct index *ix, const uint8_t id[static ROW_ID_LEN]);

/*
 * Make (id, kind, generation, hash of body) the current row; generation 0
 * removes it.  Returns 0, VERR_NOMEM, or VERR_TOOBIG if that is one row too
 * many, and then nothing has changed.
 */
MUST_CHECK
int index_set(struct index *ix, const struct change *c);

/*
 * Fill a new index with the rows of a store, in any order, and put them in
 * order at once: to look for the place of each as it comes would take longer
 * than to hash it.  Nothing else may be called in between, or once one failed.
 * Return 0, VERR_NOMEM, VERR_TOOBIG, or at the end VERR_EXISTS: an id came
 * twice.
 */
MUST_CHECK
int index_load(struct index *ix, const struct change *c);
MUST_CHECK
int index_loaded(struct index *ix);

/*
 * Put back what was under "id" before: "old", or nothing where it is NULL.
 */
void index_undo(struct index *ix, const uint8_t id[static ROW_ID_LEN],
    const struct index_entry *old);

/*
 * True if this is the row last committed under "id".
 */
bool index_is_current(const struct index *ix,
    const uint8_t id[static ROW_ID_LEN], uint32_t kind, uint64_t generation,
    struct slice body);

/*
 * The root over all rows; what changed since it was last asked for is hashed.
 */
void index_root(struct index *ix, uint8_t ret[static INDEX_HASH_LEN]);

/*
 * How many rows of "kind" there are.
 */
size_t index_count(const struct index *ix, uint32_t kind);

/*
 * Walk all entries in the order of ids: start with *cursor = 0.  Returns NULL
 * at the end.  Rows that come or go meanwhile may be missed or met twice.
 */
const struct index_entry *index_next(const struct index *ix, uint64_t *cursor);

#endif /* KEEPER_INDEX_H */
