/*
 * rows_state - what rows.c (fetches and commits) and load.c (a ledger telling
 *		what it has) share, and nobody else includes.
 */
#ifndef KEEPER_ROWS_STATE_H
#define KEEPER_ROWS_STATE_H

#include "vaultd/keeper/rows.h"
#include "vaultd/keeper/super.h"

/* The oldest of what a ledger owes, by number and from 1; 0: nothing. */
struct owed {
	uint64_t fetch, commit, line, loading;
};

struct rows {
	struct keeper *k;
	struct channel *ch; /* to the ledger, or NULL while there is none */
	uint64_t life;      /* how many ledgers there have been */
	struct index *index;
	uint64_t generation;
	bool replaying; /* the ledger's rows were, and its log is being read */
	bool serving;   /* the ledger's rows and log were taken as ours */

	/* A ledger is telling what it has. */
	struct index *loading;
	uint64_t loaded, super_generation;
	uint64_t announced; /* records of the log, by STORE_END */
	uint8_t *super;     /* the super row; read when the keys are there */
	size_t super_len;
	uint8_t super_row[ROW_ID_LEN];
	uint8_t first_slots[2][SLOT_BODY_LEN]; /* of a new vault */

	/* The keys are there: what is left before the vault is open. */
	void (*opened)(void *arg, const char *why);
	void *opened_arg;
	struct fetch old_root;
	const char *rolled_back;   /* what was wrong and is accepted, or NULL */
	uint64_t generation_floor; /* that the log speaks of */
	char why[512];

	struct fetch *fetches, **fetches_last;
	uint64_t next_fetch;
	struct commit *commits, **commits_last; /* the first is under way */
	uint64_t commit_number;
	uint8_t *changes; /* of the commit under way, encoded */
	size_t changes_len;
	struct super *sealed; /* what the commit under way will make current */
	struct commit finish;
	struct commit vouch; /* nothing but a new super row */
	uint64_t vouched;    /* records of the log that the store vouches for */
	struct timer vouch_timer;
	struct timer deaf; /* runs while the ledger owes us something */
	struct owed owed;  /* when the timer was set */
	unsigned looks;    /* that have found the same */
	uint64_t failures; /* APPEND_FAILED heard: an answer, too */
	void (*finished)(void *arg);
	void *finished_arg;
};

/* What a ledger may say once its rows and log were taken as ours. */
extern const struct handler rows_handlers[];

/*
 * Offer a new ledger what the one before has not confirmed.
 */
void rows_resend(struct rows *rs);

/*
 * The ledger owes us something: see to it that it answers.
 */
void rows_await(struct rows *rs);

/*
 * No ledger any more; "r" is VERR_CLOSED, or what it did wrong.
 */
void rows_detach(struct rows *rs, int r);

/*
 * The keys that the super row of the commit under way is sealed with.
 */
const struct keys *rows_commit_keys(const struct rows *rs);

/*
 * The commit under way is on the disk.
 */
void rows_committed(struct rows *rs);

/*
 * Nobody waits for a commit that only vouches for the log.
 */
void rows_on_vouched(void *arg, int r);

/*
 * Begin to have the store vouch for the log, every minute.
 */
void rows_vouch(struct rows *rs);

#endif /* KEEPER_ROWS_STATE_H */
