/*
 * drain - the end: gates finish what is in flight, the keeper commits, the
 *	   rest goes.
 */
#ifndef SUPERVISOR_DRAIN_H
#define SUPERVISOR_DRAIN_H

struct supervisor;

/*
 * Begin it; asked for a second time, hurry.  "why" goes to the log.
 */
void drain_begin(struct supervisor *s, const char *why);

/*
 * A room has ended: is it time for the next step?
 */
void drain_step(struct supervisor *s);

#endif /* SUPERVISOR_DRAIN_H */
