#include "vaultd/base/start.h"

#include <errno.h>
#include <locale.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "vaultd/base/log.h"

#define EXIT_REFUSED 3
#define HEAP_KEEP    (1024 * 1024)

_Noreturn void
room_cannot_start(unsigned step, int r)
{
	log_say(LOG_CANNOT_START, step, (uint64_t)-r, (uint64_t)errno);
	_exit(EXIT_REFUSED);
}

void
room_begin(struct room_life *life, enum room room, int argc, char **argv,
    size_t secrets, unsigned flags, const struct channel_ops *ops, void *arg)
{
	enum secret_kind kind;
	int r;

	if (argc < ARG_OWN)
		room_cannot_start(1, VERR_FORMAT);
	*life = (struct room_life){.room = room,
	    .number = (uint32_t)strtoul(argv[ARG_NUMBER], NULL, 10),
	    .flags = (uint32_t)strtoul(argv[ARG_FLAGS], NULL, 10)};
	/* Memory given back and taken again costs a page fault per page. */
	(void)mallopt(M_TRIM_THRESHOLD, HEAP_KEEP);
	(void)mallopt(M_MMAP_THRESHOLD, HEAP_KEEP);
	(void)signal(SIGPIPE, SIG_IGN);
	/* A terminal's ^C reaches the whole group: the supervisor drains. */
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGTERM, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	tzset();
	if ((r = loop_new(&life->loop)) != 0)
		room_cannot_start(2, r);
	if (secrets > 0) {
		if ((r = secret_init(secrets, &kind)) != 0)
			room_cannot_start(3, r);
		if (kind == SECRET_MEMFD)
			life->walls.up |= WALL_MEMFD_SECRET;
	}
	life->walls.idle =
	    WALL_PEER_PIDFD | (secrets > 0 ? 0 : (uint32_t)WALL_MEMFD_SECRET);
	/* A room without secrets has nothing that could be swapped out. */
	life->walls.up |= WALL_LOCKED_MEMORY;
	if (!(life->flags & ROOM_AS_ROOT) || getuid() != 0)
		life->walls.up |= WALL_OWN_UID;
	if (life->flags & ROOM_NAMESPACES)
		life->walls.up |= WALL_NAMESPACES;
	if ((r = channel_new(life->loop, FD_SUPERVISOR, room, ROOM_SUPERVISOR,
	         flags, ops, arg, &life->supervisor)) != 0)
		room_cannot_start(4, r);
}

void
room_landlock(struct room_life *life, const struct walls *w)
{
	walls_landlock(w, &life->walls);
}

void
room_confine(struct room_life *life, const struct walls *w)
{
	uint32_t missing;
	int r;

	if ((r = walls_seccomp(w, &life->walls)) != 0)
		room_cannot_start(5, r);
	missing = walls_missing(&life->walls);
	if (missing != 0 && !(life->flags & ROOM_RELAXED)) {
		log_say(LOG_WALL_FAILED, missing, 0, 0);
		_exit(EXIT_REFUSED);
	}
	channel_say(life->supervisor, HELLO, .walls = life->walls.up,
	    .absent = life->walls.absent, .proofs = life->walls.proofs);
}

_Noreturn void
room_run(struct room_life *life)
{
	int r = loop_run(life->loop);

	_exit(r == 0 ? 0 : 1);
}

void
room_report(
    struct room_life *life, enum room offender, uint32_t number, int error)
{
	log_say(LOG_PEER_OFFENDED, offender, number, (uint64_t)-error);
	channel_say(life->supervisor, OFFENCE, .room = offender,
	    .number = number, .error = (uint64_t)-error);
	/* Before the offender sees the end of its channel, and is gone. */
	channel_flush(life->supervisor);
}
