/*
 * gate - the keeper's side of a gate: what it asks, and how it is answered.
 */
#ifndef KEEPER_GATE_H
#define KEEPER_GATE_H

#include "vaultd/keeper/matter.h"

struct gate {
	struct keeper *k;
	uint32_t number;
	uint64_t last; /* number of what it asked; they count up */
	struct channel *ch;
	struct job *jobs;
	size_t njobs;
	uint64_t ledger; /* the ledger that it has a lane to; see rows_life() */
};

/*
 * Have the supervisor join the gate to the ledger that there is now.
 */
void gate_want_ledger(struct gate *g);

/* Something under way for a gate; embedded first in what it is. */
struct job {
	struct gate *gate; /* NULL once the gate is gone */
	uint64_t session, number;
	void (*cancel)(struct job *job); /* nobody waits for it any more */
	void (*resume)(struct job *job); /* the gate has read what there was;
	                                  * NULL unless it waits for that */
	struct job *next, **prev;
};

/*
 * From the supervisor: a gate is there.
 */
MUST_CHECK
int gate_attach(struct keeper *k, uint32_t number, int fd);

/*
 * Begin to count "job" as the gate's.  Returns 0, or VERR_BUSY: it has too
 * many under way, and was told so.
 */
MUST_CHECK
int job_begin(struct gate *g, struct job *job, uint64_t session,
    uint64_t number, void (*cancel)(struct job *job));
void job_end(struct job *job);

/*
 * Answers.  Swallowed if the gate is gone.
 */
void job_refuse(struct job *job, enum refusal refusal, uint32_t retry_after,
    uint64_t audit, const char *sentence);
void job_done(struct job *job, uint64_t audit, const char *sentence);
void job_row(struct job *job, const struct json *row);
void job_stream(struct job *job, uint64_t audit, enum room room, uint32_t peer);

/*
 * True if so much waits to be read by the gate that a long answer should wait
 * for "resume".
 */
bool job_backlog(const struct job *job);

/*
 * The session that "job" is of, or NULL if it has ended.
 */
struct session *job_session(struct keeper *k, const struct job *job);

/* The session has ended: what it asked for is no longer wanted. */
void gates_cancel_session(struct keeper *k, uint64_t session);

#endif /* KEEPER_GATE_H */
