/*
 * accept - the listening sockets.  Whoever comes is identified and handed to
 *	    a gate, or turned away; no byte of his is read here.
 */
#ifndef SUPERVISOR_ACCEPT_H
#define SUPERVISOR_ACCEPT_H

#include <stddef.h>

#include "protocol/record.h"
#include "vaultd/base/loop.h"
#include "vaultd/supervisor/files.h"

struct supervisor;

#define LISTENERS 2

struct listener {
	struct supervisor *sup;
	enum face face;
	char *path;
	struct watch watch; /* fd -1: closed */
	int paused;
	int inherited; /* its file is not ours to remove */
};

struct accepting {
	struct listener at[LISTENERS];
	struct timer retry; /* while there are no descriptors left */
	size_t most;        /* sessions, by the limit on descriptors */
};

/*
 * Make the folder and the sockets in it, owned by the group "gid" (-1: leave
 * it).  Before the walls.  Returns 0, or VERR_IO with a sentence.
 */
MUST_CHECK
int accept_open(struct supervisor *s, int64_t gid, char why[WHY_MAX]);

/*
 * Begin.  Returns 0 or VERR_IO.
 */
MUST_CHECK
int accept_begin(struct supervisor *s);

/*
 * The keeper has caught up, or is there for the first time: go on accepting,
 * if that was paused for it.
 */
void accept_resume(struct supervisor *s);

/*
 * Close the sockets and remove their files.
 */
void accept_stop(struct supervisor *s);

#endif /* SUPERVISOR_ACCEPT_H */
