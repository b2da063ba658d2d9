/*
 * store - the rows that the keeper sealed, on the disk.
 *
 * What it keeps it cannot read.  The interface is small so that another store
 * can stand behind it; all SQL is in store.c.  One connection, which holds the
 * file's lock for as long as it is open: a second one would bring in the
 * corruption of concurrent checkpoints that SQLite has before 3.51.3.
 */
#ifndef LEDGER_STORE_H
#define LEDGER_STORE_H

#include "protocol/change.h"

#define STORE_FORMAT 1            /* user_version; a newer one is refused */
#define ROW_BODY_MAX RUN_BODY_MAX /* as in room.def */

struct store;

struct row {
	uint8_t id[ROW_ID_LEN];
	uint32_t kind;
	uint64_t generation;
	struct slice body; /* the store's memory, until its next call */
};

/*
 * Open or make the store "path", fold the log that a killed process left, and
 * erase as store_erase(): rows that are read are in no other file, and have no
 * older bytes.
 * Returns 0, VERR_VERSION (a newer format), VERR_FORMAT (not a store, or
 * damaged), VERR_BUSY (another process has it), VERR_NOSPACE, VERR_NOMEM or
 * VERR_IO.
 */
MUST_CHECK
int store_open(const char *path, struct store **ret);

/*
 * Fold the log, close, release.  NULL is a no-op.
 */
void store_close(struct store *s);

/*
 * The next of all rows, in no order; the first after store_open().  Nothing
 * else may be called before the end.
 * Returns 0, VERR_NOTFOUND at the end, or as store_fetch().
 */
MUST_CHECK
int store_next(struct store *s, struct row *ret);

/*
 * Returns 0, VERR_NOTFOUND, VERR_FORMAT (damaged), VERR_NOMEM or VERR_IO.
 */
MUST_CHECK
int store_fetch(struct store *s, const uint8_t id[ROW_ID_LEN], struct row *ret);

/*
 * Do all of "changes" (protocol/change.h) or nothing, and be on the disk at
 * the return.  Returns 0, VERR_STALE (some row has not the expected
 * generation), VERR_FORMAT (the list is malformed: nothing was tried),
 * VERR_NOSPACE, VERR_NOMEM or VERR_IO.
 */
MUST_CHECK
int store_commit(struct store *s, struct slice changes);

/*
 * The next of the ids of all rows, ascending; the first after the last one.
 * Nothing else may be called before the end.
 * Returns 0, VERR_NOTFOUND at the end, or as store_fetch().
 */
MUST_CHECK
int store_next_id(struct store *s, uint8_t ret_id[ROW_ID_LEN]);

/*
 * Put the rows that "next" gives (0 each, VERR_NOTFOUND at the end, any other
 * ends it) in the place of all rows, and do "changes" to them: all of it or
 * nothing, and on the disk at the return.  A body is the caller's until "next"
 * is called again.
 * Returns 0, what "next" says, or as store_commit().
 */
MUST_CHECK
int store_replace(struct store *s, int (*next)(void *arg, struct change *ret),
    void *arg, struct slice changes);

/*
 * Make sure that what was replaced or deleted is in no file any more.
 * Returns 0, VERR_NOSPACE or VERR_IO; it can be tried again.
 */
MUST_CHECK
int store_erase(struct store *s);

#endif /* LEDGER_STORE_H */
