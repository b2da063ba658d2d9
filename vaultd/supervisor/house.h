/*
 * house - which rooms there have to be, who is joined to whom, and what the
 *	   death of one means for the others.
 */
#ifndef SUPERVISOR_HOUSE_H
#define SUPERVISOR_HOUSE_H

#include "protocol/record.h"

struct supervisor;
struct room_proc;
struct gate;

/*
 * Start keeper, ledger and dialer.
 */
void house_begin(struct supervisor *s);

/*
 * The channel of "p" is closed.
 */
void house_unheard(struct supervisor *s, struct room_proc *p);

/*
 * "p" is over, and about to be freed.
 */
void house_lost(struct supervisor *s, struct room_proc *p);

/*
 * "p" is behind its walls, or the keeper has loaded its store: is all there?
 */
void house_progress(struct supervisor *s);

/*
 * Start the process of "g".  Returns 0 or an error, which has been logged.
 */
MUST_CHECK
int house_start_gate(struct supervisor *s, struct gate *g);

/*
 * The keeper wants a courier; "want" is its own number for that.
 */
void house_start_courier(struct supervisor *s, uint64_t want);

/*
 * Give "a" and "b" a channel to each other.
 */
void house_join(struct room_proc *a, struct room_proc *b);

#endif /* SUPERVISOR_HOUSE_H */
