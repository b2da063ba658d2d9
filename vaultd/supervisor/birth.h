/*
 * birth - what a new process does between clone(2) and the room's program.
 */
#ifndef SUPERVISOR_BIRTH_H
#define SUPERVISOR_BIRTH_H

#include <limits.h>
#include <stdint.h>
#include <sys/types.h>

/* A room's own descriptors are 3 to 6; what is missing is closed. */
#define BIRTH_FD_FIRST 3
#define BIRTH_FDS      4

struct birth {
	uint32_t room; /* enum room */
	uint32_t number;
	uint32_t flags; /* enum room_flag */
	uint32_t uid, gid;
	pid_t parent;           /* the supervisor */
	char state[PATH_MAX];   /* ledger: its folder; keeper: the generation
	                         * whose rollback is accepted; else empty */
	char sync[16];          /* ledger: "every" or "interval" */
	int fds[BIRTH_FDS];     /* -1: none */
	int programs, dev_null; /* folder of the programs, /dev/null */
};

/*
 * Become the room; never returns.  What fails is written to the log pipe, and
 * the exit status is then 3.
 */
_Noreturn void birth_become(const struct birth *b);

#endif /* SUPERVISOR_BIRTH_H */
