/*
 * room - a process behind a room's walls, watched from outside.
 */
#ifndef TESTS_SANDBOX_ROOM_H
#define TESTS_SANDBOX_ROOM_H

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vaultd/base/log.h"
#include "vaultd/base/start.h"
#include "vaultd/courier/allowlist.h"
#include "vaultd/dialer/allowlist.h"
#include "vaultd/gate/gate.h"
#include "vaultd/keeper/allowlist.h"
#include "vaultd/ledger/allowlist.h"
#include "vaultd/supervisor/allowlist.h"

#define COUNT(a)   (sizeof(a) / sizeof((a)[0]))
#define NOT_WALLED 99 /* exit status: the walls did not come up */
#define LATE       20 /* seconds after which a child is ended */

/* What every child has open beside its channel and its log. */
enum { FD_SOCKET = 20, FD_FILE, FD_LISTENER, FD_PAIR, FD_CHILDREN };

struct room_under_test {
	enum room room;
	const struct walls *walls;
	uint64_t may;     /* the acts that it is there for */
	size_t calls_max; /* distinct system calls it may be allowed */
};

static struct supervisor_walls supervisor_walls;

/* clang-format off */
static const struct room_under_test rooms[] = {
	{ROOM_KEEPER, &keeper_walls, 0, 30},
	{ROOM_GATE, &gate_walls, MAY(ACT_RECEIVE) | MAY(ACT_SOCKETPAIR), 35},
	{ROOM_LEDGER, &ledger_walls, MAY(ACT_OPEN) | MAY(ACT_STAT) |
	    MAY(ACT_UNLINK) | MAY(ACT_TRUNCATE) | MAY(ACT_RECEIVE), 40},
	/* Its connect and socketpair are answered, never done. */
	{ROOM_COURIER, &courier_walls, MAY(ACT_RECEIVE) | MAY(ACT_SEND_TO) |
	    MAY(ACT_CONNECT) | MAY(ACT_SOCKETPAIR), 50},
	{ROOM_DIALER, &dialer_walls, MAY(ACT_RECEIVE) | MAY(ACT_CONNECT) |
	    MAY(ACT_SEND_TO) | MAY(ACT_OPEN), 40},
	{ROOM_SUPERVISOR, &supervisor_walls.walls, MAY(ACT_OPEN) |
	    MAY(ACT_STAT) | MAY(ACT_UNLINK) | MAY(ACT_RENAME) |
	    MAY(ACT_SOCKETPAIR) | MAY(ACT_ACCEPT), 40},
};
/* clang-format on */

/* How a child ended: waitpid(2)'s status, and the last line of its log. */
struct ending {
	int status;
	struct log_record last;
};

/* Holds "private", and the folder "own", where all is done, "victim". */
static char home[] = "/tmp/walls-XXXXXX";

static int
touch(const char *name)
{
	int fd = open(name, O_RDWR | O_CREAT, 0666);

	return fd < 0 || write(fd, "x", 1) != 1 ? -1 : close(fd);
}

static int
house_build(void **state)
{
	/* The walls go on pointing to these. */
	static char folder[] = ".", file[] = "./victim";
	struct config c = {.folder = folder,
	    .socket_dir = folder,
	    .policy = file,
	    .ca_bundle = file};

	(void)state;
	if (mkdtemp(home) == NULL || chdir(home) != 0 ||
	    touch("private") != 0 || mkdir("own", 0755) != 0 ||
	    chdir("own") != 0 || touch("victim") != 0)
		return -1;
	return allowlist_make(&supervisor_walls, &c, ".");
}

static int
house_clear(void **state)
{
	(void)state;
	allowlist_free(&supervisor_walls);
	return unlink("victim") != 0 || chdir("..") != 0 || rmdir("own") != 0 ||
	    unlink("private") != 0 || rmdir(home) != 0;
}

static void
at(int fd, int number)
{
	if (fd < 0 || dup2(fd, number) != number)
		_exit(NOT_WALLED);
	if (fd != number)
		(void)close(fd);
}

static void
furnish(int log, int channel)
{
	int pair[2];

	/* Out of the way of the numbers that they shall have. */
	at(log, FD_CHILDREN + 1);
	at(channel, FD_CHILDREN + 2);
	at(FD_CHILDREN + 1, FD_LOG);
	at(FD_CHILDREN + 2, FD_SUPERVISOR);
	at(socket(AF_INET, SOCK_STREAM, 0), FD_SOCKET);
	at(open("victim", O_RDWR), FD_FILE);
	at(socket(AF_INET, SOCK_STREAM, 0), FD_LISTENER);
	if (listen(FD_LISTENER, 1) != 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
		_exit(NOT_WALLED);
	at(pair[0], FD_PAIR);
	(void)close(pair[1]);
	/* The test framework's handlers are none of a room's. */
	for (int sig = 1; sig < NSIG; sig++)
		(void)signal(sig, SIG_DFL);
	(void)alarm(LATE);
}

/* What a child does before, between and behind the halves of its walls. */
struct life {
	void (*before)(const struct room_under_test *);
	void (*between)(
	    const struct room_under_test *, const struct walls_report *);
	void (*behind)(const void *arg);
	const void *arg;
};

static _Noreturn void
live(const struct room_under_test *r, const struct life *l)
{
	struct walls_report rep = {0};

	if (l->before != NULL)
		l->before(r);
	walls_landlock(r->walls, &rep);
	if (l->between != NULL)
		l->between(r, &rep);
	if (walls_seccomp(r->walls, &rep) != 0)
		_exit(NOT_WALLED);
	if (l->behind != NULL)
		l->behind(l->arg);
	_exit(0);
}

/*
 * Let a child live "l" behind the walls of "r".  *channel, if it is asked for,
 * is the other end of the child's; call ending_of() with the rest.
 */
static pid_t
begin(const struct room_under_test *r, const struct life *l, int *ret_log,
    int *ret_channel)
{
	int log[2], channel[2];
	pid_t pid;

	if (pipe2(log, O_CLOEXEC) != 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel) != 0)
		abort();
	if ((pid = fork()) == 0) {
		(void)close(log[0]);
		(void)close(channel[0]);
		furnish(log[1], channel[1]);
		live(r, l);
	}
	(void)close(log[1]);
	(void)close(channel[1]);
	*ret_log = log[0];
	*ret_channel = channel[0];
	return pid;
}

static struct ending
ending_of(pid_t pid, int log)
{
	struct ending e = {0};
	struct log_record rec;

	while (read(log, &rec, sizeof(rec)) == (ssize_t)sizeof(rec))
		e.last = rec;
	(void)close(log);
	if (waitpid(pid, &e.status, 0) != pid)
		abort();
	return e;
}

static struct ending
confined(const struct room_under_test *r, const struct life *l)
{
	int log, channel;
	pid_t pid = begin(r, l, &log, &channel);
	struct ending e = ending_of(pid, log);

	(void)close(channel);
	return e;
}

static int
stopped_by_wall(const struct ending *e, long nr)
{
	return WIFEXITED(e->status) && WEXITSTATUS(e->status) == WALLS_EXIT &&
	    e->last.code == LOG_TRAPPED && e->last.n[0] == (uint64_t)nr;
}

#endif /* TESTS_SANDBOX_ROOM_H */
