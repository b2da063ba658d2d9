/*
 * starter - the process that starts rooms.
 *
 * Filters and lost capabilities are inherited, so the supervisor forks this
 * one before its own walls.  It keeps the right to change users and to make
 * namespaces, hears nobody but the supervisor, and ends with it.
 */
#ifndef SUPERVISOR_STARTER_H
#define SUPERVISOR_STARTER_H

#include <stdint.h>
#include <sys/types.h>

#include "protocol/record.h"
#include "vaultd/supervisor/birth.h"

#define FD_STARTER 3 /* in the supervisor; its filter knows the number */

struct start_order {
	enum room room;
	uint32_t number;
	uint32_t flags; /* enum room_flag, without ROOM_NAMESPACES */
	uint32_t uid, gid;
	const char *state, *sync; /* the room's own arguments, or NULL */
	int fds[BIRTH_FDS];       /* to be 3 to 6 there; -1: none */
};

/*
 * Fork the starter, with the programs of the rooms in the folder "programs";
 * its socket is then FD_STARTER.  Before any other descriptor is open.
 * Returns 0 or VERR_IO with errno.
 */
MUST_CHECK
int starter_begin(const char *programs);

/*
 * Have a room started.  It is the caller's child.  The descriptors in "order"
 * stay the caller's.  Waits for the answer.
 * Returns 0, or VERR_IO with errno.
 */
MUST_CHECK
int starter_start(
    const struct start_order *order, pid_t *ret_pid, int *ret_pidfd);

#endif /* SUPERVISOR_STARTER_H */
