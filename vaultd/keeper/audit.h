/*
 * audit - the log of decisions and outcomes, as the keeper makes it.
 *
 * One JSON object a line.  The keeper numbers and hashes each record and holds
 * the frontier of the tree; the ledger writes.  Nothing leaves the keeper
 * before its decision's record is written: callers wait for "done".
 *
 *	{"seq":N,"time":T,"event":"decision",...}	and later its outcome:
 *	{"seq":M,"time":T,"event":"outcome","of":N,...}
 *	{"seq":N,"time":T,"event":"access",...}		refused, or only looked
 */
#ifndef KEEPER_AUDIT_H
#define KEEPER_AUDIT_H

#include "vaultd/keeper/json.h"
#include "vaultd/keeper/keeper.h"
#include "vaultd/keeper/tree.h"

#define AUDIT_LINE_MAX 8192
#define AUDIT_OPEN_MAX 4096 /* decisions without an outcome */

enum audit_event { AUDIT_ACCESS, AUDIT_DECISION, AUDIT_OUTCOME };

/* One record on its way; embedded in what waits for it. */
struct audit_note {
	void (*done)(void *arg, int r); /* may be NULL */
	void *arg;
	uint64_t seq; /* valid from audit_end() on, final with done(0) */
};

MUST_CHECK
int audit_new(struct keeper *k, struct audit **ret);

/*
 * Begin a record: "j" is set up to write its remaining fields into memory of
 * the log's, until audit_end().  "of" is the decision's seq for an outcome.
 */
void audit_begin(
    struct audit *a, enum audit_event event, uint64_t of, struct json *j);

/*
 * End and send it.  With "sync" it is on the disk before note->done(0).
 * note->done(r) with r != 0 comes at once or later if it cannot be written:
 * VERR_TOOBIG, VERR_BUSY, VERR_NOSPACE, VERR_IO.  "note" may be NULL for
 * outcomes; they are kept until the ledger has them.
 */
void audit_end(
    struct audit *a, struct json *j, bool sync, struct audit_note *note);

/*
 * The next record's number, which is how many there are.
 */
uint64_t audit_next(const struct audit *a);

/*
 * The tree as it was when all that was written was last also on the disk.
 */
const struct tree *audit_synced(const struct audit *a);

/*
 * The log of an earlier life is replayed from its first record.  What its root
 * was at "size" audit_expected() tells when it has come so far.  Decisions
 * without an outcome are closed at its end.  When a new ledger takes over, the
 * same calls compare its lines with those not yet confirmed and send it the
 * rest.  VERR_FORMAT: the lines are not what was written, or do not follow.
 */
void audit_expect(struct audit *a, uint64_t size);
const uint8_t *audit_expected(const struct audit *a);
MUST_CHECK
int audit_replay(struct audit *a, uint64_t seq, struct slice line);
MUST_CHECK
int audit_replayed(struct audit *a, uint64_t next);

/*
 * The highest generation of the store that the replayed log speaks of.  A
 * store that is older was put back from a copy.
 */
uint64_t audit_store(const struct audit *a);

/* How many records the ledger has confirmed. */
uint64_t audit_confirmed(const struct audit *a);

/* From dispatch. */
MUST_CHECK
int audit_appended(struct audit *a, const struct rec_APPENDED *m);
MUST_CHECK
int audit_failed(struct audit *a, const struct rec_APPEND_FAILED *m);

#endif /* KEEPER_AUDIT_H */
