#include "vaultd/ledger/allowlist.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/landlock.h>
#include <sys/resource.h>

/* Newer than the build host's header may be. */
#define ACCESS_TRUNCATE (UINT64_C(1) << 14)

/* clang-format off */
static const struct wall_rule rules[] = {
	/* Files of the folder: Landlock bounds the paths */
	ALLOW(openat,		"segments, made and read; the store's log"),
	ALLOW(newfstatat,	"audit check_place(); SQLite, fstat(3)"),
	ALLOW(unlink,		"SQLite removes its log when it closes"),
	ALLOW(unlinkat,		"segments_undo()"),

	/* Their bytes */
	ALLOW(pread64,		"cursors, SQLite"),
	ALLOW(pwrite64,		"SQLite, audit_recover()"),
	ALLOW(ftruncate,	"torn lines; the store's log after an erasure"),
	ALLOW(fdatasync,	"lines, rows"),
	ALLOW(fsync,		"the names of new segments"),
	ALLOW_IF(fallocate,	"disk for the outcomes to come",
	    SCMP_A1(SCMP_CMP_EQ, FALLOC_FL_KEEP_SIZE, 0)),
	ALLOW_IF(fcntl,		"the lock that SQLite gives back when it closes",
	    SCMP_A1(SCMP_CMP_EQ, F_SETLK, 0)),

	/* Streams come down the lanes */
	ALLOW(recvmsg,		"lanes, and new ones from the supervisor"),
};

static const struct wall_path paths[] = {
	{".", LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |
	    LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
	    LANDLOCK_ACCESS_FS_REMOVE_FILE | ACCESS_TRUNCATE},
};
/* clang-format on */

const struct walls ledger_walls = {
    .rules = rules,
    .nrules = sizeof(rules) / sizeof(rules[0]),
    .may = MAY(ACT_OPEN) | MAY(ACT_STAT) | MAY(ACT_UNLINK) | MAY(ACT_TRUNCATE) |
        MAY(ACT_RECEIVE),
    .limits = {.nofile = 256, .fsize = RLIM_INFINITY, .as = UINT64_C(2) << 30},
    .paths = paths,
    .npaths = sizeof(paths) / sizeof(paths[0]),
};
