/*
 * rows - the keeper's side of the store and of the audit log's writer.
 *
 * What the ledger has not confirmed is kept and offered to the next ledger.
 * No row is taken but the one last committed (index.h).
 */
#ifndef KEEPER_ROWS_H
#define KEEPER_ROWS_H

#include "vaultd/keeper/keeper.h"

#define COMMIT_CHANGES 16

/* The row of the root that is being replaced, see keys_next(). */
#define OLD_ROOT_NAME "root"

/* One row wanted; embedded in what waits for it. */
struct fetch {
	void (*done)(void *arg, struct fetch *f);
	void *arg;
	uint8_t id[ROW_ID_LEN];
	int r;               /* 0, VERR_NOTFOUND, VERR_NOMEM or VERR_CLOSED */
	struct row_place at; /* valid if r is 0, and so is "hash" */
	uint8_t hash[INDEX_HASH_LEN]; /* the body's, as the index has it */
	uint8_t *body;                /* malloc'ed, fetch_release() frees it */
	size_t len;
	uint64_t number;
	struct fetch *next;
};

/* One atomic change of the store; embedded in what waits for it. */
struct commit {
	void (*done)(void *arg, int r);
	void *arg;
	bool erase; /* replaced bytes leave every file before done() */
	const struct keys *keys; /* that seal the super row from now on; NULL:
	                          * those in force */
	size_t n;
	struct change changes[COMMIT_CHANGES]; /* bodies: the caller's, until
	                                        * done() */
	/* A row that must still be of this generation: what was sealed under a
	 * customer's key depends on its row.  Generation 0: none. */
	struct row_place guard;
	/* A restored store takes the place of all rows: the ledger's stage,
	 * which this is the index of, and its super row's generation.  done(0)
	 * has given the index away. */
	struct index *restore;
	uint64_t restore_generation;
	uint64_t key_life; /* of the keys that sealed the bodies */
	struct commit *next;
};

MUST_CHECK
int rows_new(struct keeper *k, struct rows **ret);

/*
 * A ledger is there: it will say what it has.  Returns 0 or VERR_*.
 */
MUST_CHECK
int rows_attach(struct rows *rs, int fd);

/*
 * Ask for the row f->id.  f->done() is called once, never from within.
 */
void rows_fetch(struct rows *rs, struct fetch *f);
void fetch_release(struct fetch *f);

/*
 * Commit, in turn; c->done() with 0 when it is on the disk, or VERR_STALE,
 * VERR_NOSPACE, VERR_IO, VERR_NOMEM, VERR_TOOBIG (too many rows), and then
 * nothing has changed.  Other keys that came into force before its turn make
 * it VERR_STALE, too: what it sealed would be lost with the old ones.
 */
void rows_commit(struct rows *rs, struct commit *c);

/*
 * A new row under "id": its generation, and the one that it replaces.
 */
void rows_next_generation(const struct rows *rs, struct change *c);

/* The audit log's records, see audit.h; "late": no hurry. */
void rows_append(struct rows *rs, uint64_t epoch, uint64_t seq, uint32_t flags,
    struct slice line, bool late);

/*
 * The keys of a sealed vault were found (k->keys): hold rows and log against
 * what they open.  done(arg, NULL) when the vault is open, or with the sentence
 * that says why it is not.
 */
void rows_open(
    struct rows *rs, void (*done)(void *arg, const char *why), void *arg);

/*
 * The store was restored, under k->keys: get a root back that was being
 * replaced in it.  done() as for rows_open().
 */
void rows_reopen(
    struct rows *rs, void (*done)(void *arg, const char *why), void *arg);

/*
 * The channel to the ledger, or NULL; for QUERY.
 */
struct channel *rows_channel(const struct rows *rs);

/*
 * Which ledger this is, counted from 1.
 */
uint64_t rows_life(const struct rows *rs);

uint64_t rows_generation(const struct rows *rs);
struct index *rows_index(const struct rows *rs);

/*
 * Seal the log's frontier into the store a last time; done(arg) follows.
 */
void rows_finish(struct rows *rs, void (*done)(void *arg), void *arg);

#endif /* KEEPER_ROWS_H */
