/*
 * ledger - the room with the disk: rows that it cannot read, lines that it
 *	    does not understand.  No keys, no secrets, no clients.
 */
#ifndef LEDGER_LEDGER_H
#define LEDGER_LEDGER_H

#include "vaultd/base/start.h"
#include "vaultd/ledger/cursor.h"
#include "vaultd/ledger/store.h"

#define ERASE_HELD 64          /* commits that may wait for an erasure */
#define FETCH_HELD 256         /* fetches that may wait for one */
#define QUEUE_MAX  (128 << 10) /* queued on a channel, then wait */
#define SYNC_MS    100         /* a line is on the disk after so long */
#define ERASE_MS   1000        /* a failed erasure is tried again */

struct lane;
struct snapshot;
struct stage;
struct stream;

struct fetch {
	uint64_t number;
	uint8_t id[ROW_ID_LEN];
};

struct ledger {
	struct room_life life;
	struct channel *keeper;
	struct store *store;
	struct audit *audit;
	struct task end; /* dispatch.c */

	/* rows.c */
	int loaded;    /* the keeper has all rows */
	uint64_t rows; /* that it has */
	struct timer erase;
	uint64_t held[ERASE_HELD]; /* commits whose erasure is to come */
	size_t nheld;
	struct fetch fetches[FETCH_HELD]; /* behind those commits */
	size_t nfetches;

	/* append.c */
	int sync_every; /* nothing is confirmed before it is synced */
	uint64_t epoch;
	int epoch_failed; /* its lines are ignored */
	int sync_wanted;  /* by a line collected in this round */
	struct task flush;
	struct timer sync;

	/* replay.c */
	int replaying;
	struct cursor replay;
	struct timer replay_on;
	uint64_t replay_from, replay_seq;

	/* stream.c */
	struct lane *lanes;
	struct stream *streams;
	size_t nstreams;

	struct snapshot *snapshot; /* snapshot.c: the one under way, or NULL */
	struct stage *stage;       /* stage.c: likewise */
};

/* rows.c: the keeper's rows */
void rows_begin(struct ledger *l);
void rows_load(struct ledger *l); /* go on; also when the queue has drained */
int on_commit(void *arg, const union record *m, int *fd);
int on_fetch(void *arg, const union record *m, int *fd);

/* append.c: the keeper's lines */
void append_begin(struct ledger *l);
void append_flush(struct ledger *l); /* what this round has collected */
int on_append(void *arg, const union record *m, int *fd);

/* replay.c: the lines back to the keeper */
void replay_begin(struct ledger *l);
void replay_resume(struct ledger *l); /* the queue has drained */
int on_replay(void *arg, const union record *m, int *fd);

/* query.c: lines to a gate, as the keeper asked */
int on_query(void *arg, const union record *m, int *fd);

/* snapshot.c: all rows to a gate, as they were when the keeper asked */
int on_snapshot(void *arg, const union record *m, int *fd);
/* Before a commit: keep what it replaces.  After one that erases: give up. */
void snapshot_keep(struct ledger *l, struct slice changes);
void snapshot_spoil(struct ledger *l);

/* stage.c: another store from a gate, beside ours */
int on_stage(void *arg, const union record *m, int *fd);
int on_stage_read(void *arg, const union record *m, int *fd);
int on_stage_drop(void *arg, const union record *m, int *fd);
void stage_resume(struct ledger *l); /* the queue has drained */
/* As store_replace(); VERR_NOTFOUND without a stage that is whole. */
MUST_CHECK
int stage_commit(struct ledger *l, struct slice changes);

/* dispatch.c */
extern const struct channel_ops supervisor_ops, keeper_ops;

#endif /* LEDGER_LEDGER_H */
