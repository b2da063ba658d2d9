/*
 * start - how every room begins: the same steps, in the same order, so that
 *	   the powers of two rooms can be compared line by line.
 *
 *	room_begin()	descriptors, loop, locked memory
 *	...		open and warm up what the walls will forbid
 *	room_landlock()	limits, not dumpable, no new privileges, Landlock
 *	...		threads, in the one room that has them
 *	room_confine()	seccomp, the proof, HELLO to the supervisor
 *	room_run()	the loop, until the room's life ends
 */
#ifndef BASE_START_H
#define BASE_START_H

#include "vaultd/base/channel.h"
#include "vaultd/base/secret.h"
#include "vaultd/base/walls.h"

/* Descriptors a room is born with; everything else is closed. */
enum room_fd {
	FD_SUPERVISOR = 3, /* channel to the supervisor */
	FD_LOG = 4,        /* pipe of struct log_record */
	FD_KEEPER = 5,     /* gate, ledger, courier, dialer: the keeper */
	FD_KEY = 5,        /* keeper: the key file, if there is one */
	FD_CREDENTIAL = 6, /* keeper: the credential, if there is one */
	FD_CA = 6,         /* courier: the certificate authorities, PEM */
};

/* argv of a room: its name, its number, its flags, then what is its own. */
enum room_arg { ARG_NAME, ARG_NUMBER, ARG_FLAGS, ARG_OWN };
enum room_flag {
	ROOM_RELAXED = 1 << 0,    /* "sandbox relaxed" */
	ROOM_NAMESPACES = 1 << 1, /* it was born into namespaces of its own */
	ROOM_AS_ROOT = 1 << 2,    /* vaultd is root: the room must not be */
};

struct room_life {
	enum room room;
	uint32_t number;
	uint32_t flags;
	struct loop *loop;
	struct channel *supervisor;
	struct walls_report walls;
};

/*
 * Fill "life" from the arguments.  "secrets" is the size of the arena, 0 for
 * none.  The channel to the supervisor calls "ops" with "arg"; "flags" are
 * those of channel_new().  Exits with 3 and a line in the log on failure.
 */
void room_begin(struct room_life *life, enum room room, int argc, char **argv,
    size_t secrets, unsigned flags, const struct channel_ops *ops, void *arg);

void room_landlock(struct room_life *life, const struct walls *w);

/*
 * Exits with 3 if a required wall does not stand (and the config does not
 * relax it) or an act was not refused.
 */
void room_confine(struct room_life *life, const struct walls *w);

/*
 * Run until loop_stop(); exits with 0.
 */
_Noreturn void room_run(struct room_life *life);

/*
 * Say why and exit with 3.  "step" is the room's own numbering.
 */
_Noreturn void room_cannot_start(unsigned step, int r);

/*
 * Tell the supervisor that another room broke the rules; it ends that room.
 */
void room_report(
    struct room_life *life, enum room offender, uint32_t number, int error);

#endif /* BASE_START_H */
