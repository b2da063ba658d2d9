/*
 * supervisor - what the parts of vaultd's own process share.
 *
 *	accept	 listeners; who comes is identified and given a gate
 *	gates	 which principal class has which gate, and the bounds
 *	sessions accepted connections, until the gate or the peer ends them
 *	rooms	 one process: started, heard, reaped
 *	house	 which rooms there have to be; birth, deaths, restarts
 *	joints	 which of them have a channel to each other
 *	dispatch what rooms say
 *	texts	 policy, catalog and users, as the keeper has accepted them
 *	drain	 the end
 */
#ifndef SUPERVISOR_SUPERVISOR_H
#define SUPERVISOR_SUPERVISOR_H

#include <sys/queue.h>

#include "protocol/record.h"
#include "vaultd/base/loop.h"
#include "vaultd/base/walls.h"
#include "vaultd/supervisor/accept.h"
#include "vaultd/supervisor/config.h"
#include "vaultd/supervisor/gates.h"
#include "vaultd/supervisor/joints.h"
#include "vaultd/supervisor/pub.h"
#include "vaultd/supervisor/refuse.h"
#include "vaultd/supervisor/rooms.h"
#include "vaultd/supervisor/sessions.h"
#include "vaultd/supervisor/texts.h"

/* Exit statuses of vaultd. */
enum {
	VAULTD_STOPPED = 0,
	VAULTD_LOST = 1,    /* it cannot go on */
	VAULTD_CONFIG = 2,  /* wrong config or command line */
	VAULTD_REFUSED = 3, /* it will not start */
};

/* When a room that died may be started again. */
struct backoff {
	uint64_t delay;      /* milliseconds, 0 at first */
	uint64_t not_before; /* loop_now() */
};

enum phase {
	PHASE_FIRST_START, /* what goes wrong is a reason not to start */
	PHASE_SERVING,
	PHASE_DRAIN_GATES,
	PHASE_DRAIN_KEEPER,
	PHASE_KILL,
};

struct supervisor {
	struct loop *loop;
	struct config config;
	const char *config_file;
	const char *catalog; /* the built-in one */
	const char *dev;     /* folder of --dev, or NULL */
	const char *program; /* folder of vaultd itself */
	enum phase phase;
	int exit_status;

	/* Who the rooms are. */
	int as_root;
	uint32_t room_uid[ROOM_COUNT], room_gid[ROOM_COUNT];
	int64_t admin_gid;         /* -1: none */
	pid_t pid;                 /* of this process */
	uint64_t since;            /* its start in Unix milliseconds */
	int key_fd, credential_fd; /* -1: there is none */
	int stay_sealed;           /* by an admin's word, until another's */
	const char *accepted;      /* --accept-rollback GENERATION, or NULL */
	struct walls_report walls; /* of this process */

	/* The rooms. */
	struct room_list rooms;
	struct joints joints;
	struct room_proc *keeper, *ledger, *dialer; /* NULL: not there */
	struct backoff backoff[ROOM_COUNT];
	uint32_t starts[ROOM_COUNT];
	uint32_t next_gate, next_courier, couriers;
	struct timer mend;
	int loaded; /* the keeper has its store and texts */
	int ready;  /* and all are behind their walls: clients may come */
	uint8_t public_key[PUB_KEY];

	struct texts texts;
	struct gates gates;
	struct sessions sessions;
	struct accepting accepting;
	struct refusals refusals;

	struct watch signals, starter;
	struct timer drain;
};

/*
 * End the loop, and vaultd with "status"; "why" goes to the log.
 */
void supervisor_stop(struct supervisor *s, int status, const char *why);

#endif /* SUPERVISOR_SUPERVISOR_H */
