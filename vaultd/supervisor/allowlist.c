#include "vaultd/supervisor/allowlist.h"

#include <linux/landlock.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "vaultd/supervisor/starter.h"

/* clang-format off */
#define LEVEL	 SCMP_A1(SCMP_CMP_EQ, SOL_SOCKET, 0)
#define PASSCRED SCMP_A2(SCMP_CMP_EQ, SO_PASSCRED, 0)
#define STARTER	 SCMP_A0(SCMP_CMP_EQ, FD_STARTER, 0)
#define LOCAL	 SCMP_A0(SCMP_CMP_EQ, AF_UNIX, 0)

const struct wall_rule allowlist_rules[] = {
	/* Who comes, and turning away */
	ALLOW(accept4,		"on_listener()"),
	ALLOW_IF2(setsockopt,	"admit(): credentials with every message", LEVEL, PASSCRED),
	ALLOW_IF(getsockopt,	"identity_of()", LEVEL),
	ALLOW(poll,		"read_proc(): does the peer live?"),
	ALLOW(shutdown,		"refuse()"),

	/* Rooms: started by the starter, reaped and ended here */
	ALLOW_IF(recvmsg,	"starter_start(): pid and pidfd", STARTER),
	ALLOW_IF(socketpair,	"room_start(), house_join()", LOCAL),
	ALLOW(pipe2,		"room_start(): the log"),
	ALLOW(waitid,		"on_exited()"),
	ALLOW(pidfd_send_signal, "room_kill(): its own children"),

	/* Files, where Landlock leaves them open */
	ALLOW(openat,		"texts_reload(), pub_write(), /proc of peers"),
	ALLOW(newfstatat,	"file_open(): whose is it?"),
	ALLOW(getdents64,	"list_folder()"),
	ALLOW(unlink,		"accept_stop(), pub_remove()"),
	ALLOW(rename,		"pub_write()"),
};
/* clang-format on */

const size_t allowlist_rules_len =
    sizeof(allowlist_rules) / sizeof(allowlist_rules[0]);

#define READ_FILES LANDLOCK_ACCESS_FS_READ_FILE
#define READ_ALL   (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define SOCKETS                                                                \
	(LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG |         \
	    LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_REMOVE_FILE)

static char *
folder_of(const char *file)
{
	char *folder = strdup(file), *slash;

	if (folder == NULL)
		return NULL;
	slash = strrchr(folder, '/');
	slash[slash == folder] = '\0';
	return folder;
}

static void
add(struct supervisor_walls *w, const char *path, uint64_t access)
{
	w->paths[w->walls.npaths++] = (struct wall_path){path, access};
}

int
allowlist_make(
    struct supervisor_walls *w, const struct config *c, const char *catalog)
{
	*w = (struct supervisor_walls){
	    .walls = {.rules = allowlist_rules,
	        .nrules = allowlist_rules_len,
	        .may = MAY(ACT_OPEN) | MAY(ACT_STAT) | MAY(ACT_UNLINK) |
	            MAY(ACT_RENAME) | MAY(ACT_SOCKETPAIR) | MAY(ACT_ACCEPT),
	        /* stderr may be a file, and grow. */
	        .limits = {.nofile = UINT64_MAX, .fsize = UINT64_MAX},
	        .signals = 1},
	    .own = {folder_of(c->policy), folder_of(c->ca_bundle)}};
	if (w->own[0] == NULL || w->own[1] == NULL) {
		allowlist_free(w);
		return VERR_NOMEM;
	}
	w->walls.paths = w->paths;
	/*
	 * /etc for passwd and group: tools replace these files, so that a rule
	 * for the file itself would stop to hold with the next useradd(8).
	 */
	add(w, "/etc", READ_FILES);
	add(w, "/etc/vaultd", READ_ALL);
	add(w, "/proc", READ_FILES);
	add(w, catalog, READ_ALL);
	add(w, c->folder, READ_ALL);
	add(w, w->own[0], READ_ALL);
	add(w, w->own[1], READ_FILES);
	for (size_t i = 0; i < c->ncatalogs; i++)
		add(w, c->catalogs[i], READ_ALL);
	add(w, c->socket_dir, SOCKETS);
	return 0;
}

void
allowlist_free(struct supervisor_walls *w)
{
	free(w->own[0]);
	free(w->own[1]);
	*w = (struct supervisor_walls){0};
}
