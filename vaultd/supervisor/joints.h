/*
 * joints - which rooms this process has given a channel to each other.
 */
#ifndef SUPERVISOR_JOINTS_H
#define SUPERVISOR_JOINTS_H

#include <sys/queue.h>

#include "protocol/verr.h"

struct room_proc;
struct joint;

LIST_HEAD(joints, joint);

/*
 * Note that "a" and "b" are joined; a no-op if they are.
 * Returns 0 or VERR_NOMEM.
 */
MUST_CHECK
int joints_add(struct joints *all, struct room_proc *a, struct room_proc *b);

/*
 * Are they, in whichever order?
 */
int joints_have(const struct joints *all, const struct room_proc *a,
    const struct room_proc *b);

/*
 * "p" is over: whoever was joined to it no longer is.
 */
void joints_drop(struct joints *all, const struct room_proc *p);

#endif /* SUPERVISOR_JOINTS_H */
