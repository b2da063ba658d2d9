#include "vaultd/supervisor/birth.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "protocol/record.h"
#include "vaultd/base/log.h"
#include "vaultd/base/start.h"
#include "vaultd/supervisor/caps.h"

#define EXIT_REFUSED 3
#define OUT_OF_WAY   16 /* descriptors are collected from here on */

enum step {
	STEP_DESCRIPTORS = 1,
	STEP_USER,
	STEP_CAPABILITIES,
	STEP_PARENT,
	STEP_EXEC,
};

static _Noreturn void
not_born(enum step step)
{
	log_say(LOG_NOT_BORN, step, (uint64_t)errno, 0);
	_exit(EXIT_REFUSED);
}

static int
collect(int fd)
{
	int up;

	if (fd < 0)
		return -1;
	if ((up = fcntl(fd, F_DUPFD_CLOEXEC, OUT_OF_WAY)) < 0)
		not_born(STEP_DESCRIPTORS);
	return up;
}

static void
place(int fd, int at)
{
	if (fd < 0)
		(void)close(at);
	else if (dup2(fd, at) < 0)
		not_born(STEP_DESCRIPTORS);
}

/*
 * Put every descriptor to its number: what the keeper is not given reads as
 * empty, so that nothing else is taken for it.  Returns that of the programs'
 * folder.
 */
static int
arrange_descriptors(const struct birth *b)
{
	int up[BIRTH_FDS], programs = collect(b->programs);
	int dev_null = collect(b->dev_null);

	for (int i = 0; i < BIRTH_FDS; i++)
		up[i] = collect(b->fds[i]);
	for (int i = 0; i < BIRTH_FD_FIRST; i++)
		place(dev_null, i);
	for (int i = 0; i < BIRTH_FDS; i++)
		place(up[i] < 0 && b->room == ROOM_KEEPER ? dev_null : up[i],
		    BIRTH_FD_FIRST + i);
	if (close_range(BIRTH_FD_FIRST + BIRTH_FDS, ~0U, CLOSE_RANGE_CLOEXEC) !=
	    0)
		not_born(STEP_DESCRIPTORS);
	return programs;
}

static void
forget_signals(void)
{
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		(void)signal(sig, SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/*
 * Where vaultd is root without the right to change the user, the room sees
 * that it still is root and refuses to run, unless the config relaxes that.
 */
static void
change_user(const struct birth *b)
{
	if (!(b->flags & ROOM_AS_ROOT))
		return;
	if (setgroups(0, NULL) != 0 || setresgid(b->gid, b->gid, b->gid) != 0 ||
	    setresuid(b->uid, b->uid, b->uid) != 0)
		if (!(b->flags & ROOM_RELAXED))
			not_born(STEP_USER);
}

void
birth_become(const struct birth *b)
{
	char number[16], flags[16];
	char *const argv[] = {(char *)(uintptr_t)room_name(b->room), number,
	    flags, b->state[0] == '\0' ? NULL : (char *)(uintptr_t)b->state,
	    (char *)(uintptr_t)b->sync, NULL};
	char *const envp[] = {NULL};
	int programs = arrange_descriptors(b);

	(void)snprintf(number, sizeof(number), "%u", b->number);
	(void)snprintf(flags, sizeof(flags), "%u", b->flags);
	forget_signals();
	(void)umask(077);
	if (chdir("/") != 0)
		not_born(STEP_DESCRIPTORS);
	/* The bounding set while that is permitted, then the user. */
	if (caps_bound(0) != 0)
		not_born(STEP_CAPABILITIES);
	change_user(b);
	if (caps_keep(0) != 0)
		not_born(STEP_CAPABILITIES);
	/* No room outlives the supervisor, not even one that hangs. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != b->parent)
		not_born(STEP_PARENT);
	(void)execveat(programs, room_name(b->room), argv, envp, 0);
	not_born(STEP_EXEC);
}
