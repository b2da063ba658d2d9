/*
 * rooms - one room as a process: started, heard, watched, reaped.
 */
#ifndef SUPERVISOR_ROOMS_H
#define SUPERVISOR_ROOMS_H

#include <sys/queue.h>
#include <sys/types.h>

#include "vaultd/base/channel.h"
#include "vaultd/base/log.h"

struct supervisor;
struct gate;

struct room_proc {
	struct supervisor *sup;
	enum room room;
	uint32_t number;
	uint32_t uid;
	char who[24]; /* in the log: "gate 3" */
	pid_t pid;
	struct watch exited;    /* its pidfd */
	struct watch log;       /* its log pipe; fd -1: at its end */
	struct channel *ch;     /* NULL: closed */
	struct timer kill;      /* set while it is being ended */
	struct task over;       /* looks whether it is */
	struct gate *gate;      /* whose gate this is, or NULL */
	struct rec_HELLO hello; /* its walls, once up */
	int up, reaped, ending;
	int status;            /* as waitid(2) has it: si_status */
	int code;              /* si_code */
	uint64_t born;         /* loop_now() */
	uint64_t since;        /* the same in Unix milliseconds */
	struct log_record rec; /* what of a log record has come */
	size_t rec_len;
	uint64_t log_since; /* when the lines began to be counted */
	unsigned log_lines;
	unsigned complaints; /* of rooms that are trusted as much */
	TAILQ_ENTRY(room_proc) link;
};

TAILQ_HEAD(room_list, room_proc);

/*
 * Start "room" with "keeper_end" as its descriptor 5 (the key file for the
 * keeper), which stays the caller's.  The room ends up in s->rooms; when its
 * process and all that it said are gone, house_lost() is called and it is
 * freed.  Returns 0, VERR_NOMEM or VERR_IO; it has been logged.
 */
MUST_CHECK
int room_start(struct supervisor *s, enum room room, uint32_t number,
    int keeper_end, struct room_proc **ret);

/*
 * Let it end: by itself, within 3 s, else by SIGKILL.
 */
void room_expect_end(struct room_proc *p);

/*
 * The same, and close its channel, which every room takes as the sign to go.
 */
void room_end(struct room_proc *p);

void room_kill(struct room_proc *p);

/*
 * Find a room that is not about to end; NULL if there is none.
 */
struct room_proc *room_find(
    struct supervisor *s, enum room room, uint32_t number);

/*
 * Tell the keeper how it is with "p".
 */
void room_tell_state(struct room_proc *p);

#endif /* SUPERVISOR_ROOMS_H */
