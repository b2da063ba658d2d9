/*
 * work - slow work off the keeper's loop: a fixed pool of threads.
 *
 * Started between the two halves of the walls.  A thread touches its job and
 * nothing else: no channel, no arena allocation, no index.
 */
#ifndef KEEPER_WORK_H
#define KEEPER_WORK_H

#include "vaultd/base/loop.h"

struct work {
	void (*run)(struct work *w);  /* on a thread */
	void (*done)(struct work *w); /* back on the loop */
	struct work *next;
};

/*
 * Start the threads.  Returns 0, VERR_NOMEM or VERR_IO.
 */
MUST_CHECK
int work_start(struct loop *l);

/*
 * Queue "w", which stays the caller's and must live until done() was called.
 * Returns 0, or VERR_BUSY: too much is queued.
 */
MUST_CHECK
int work_queue(struct work *w);

#endif /* KEEPER_WORK_H */
