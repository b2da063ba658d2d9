#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vaultd/ledger/allowlist.h"
#include "vaultd/ledger/ledger.h"

#define SEGMENT_MAX (64 << 20)

enum { ARG_STATE = ARG_OWN, ARG_SYNC, ARG_COUNT };
enum {
	STEP_ARGS = 20,
	STEP_FOLDER,
	STEP_AUDIT,
	STEP_STORE,
	STEP_KEEPER,
	STEP_PROOF
};

static struct ledger ledger;

/*
 * Open everything by the names that are used from now on: those of the state
 * folder.
 */
static void
open_files(struct ledger *l, const char *folder)
{
	int r;

	(void)umask(077);
	if (chdir(folder) != 0)
		room_cannot_start(STEP_FOLDER, VERR_IO);
	if ((r = audit_open("audit", SEGMENT_MAX, &l->audit)) != 0)
		room_cannot_start(STEP_AUDIT, r);
	if ((r = store_open("store.db", &l->store)) != 0)
		room_cannot_start(STEP_STORE, r);
}

/*
 * The filter lets openat(2) through; it is Landlock that bounds it.
 */
static void
prove_landlock(const struct ledger *l)
{
	if (!(l->life.walls.up & WALL_LANDLOCK))
		return; /* room_confine() has judged that */
	if (open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC) >= 0 ||
	    errno != EACCES || open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0)
		room_cannot_start(STEP_PROOF, VERR_INTERNAL);
}

int
main(int argc, char **argv)
{
	struct ledger *l = &ledger;
	int r;

	room_begin(&l->life, ROOM_LEDGER, argc, argv, 0, CHANNEL_TAKES_FD,
	    &supervisor_ops, l);
	if (argc != ARG_COUNT)
		room_cannot_start(STEP_ARGS, VERR_FORMAT);
	l->sync_every = strcmp(argv[ARG_SYNC], "every") == 0;
	open_files(l, argv[ARG_STATE]);
	if ((r = channel_new(l->life.loop, FD_KEEPER, ROOM_LEDGER, ROOM_KEEPER,
	         0, &keeper_ops, l, &l->keeper)) != 0)
		room_cannot_start(STEP_KEEPER, r);
	room_landlock(&l->life, &ledger_walls);
	room_confine(&l->life, &ledger_walls);
	prove_landlock(l);
	append_begin(l);
	replay_begin(l);
	rows_begin(l);
	room_run(&l->life);
}
