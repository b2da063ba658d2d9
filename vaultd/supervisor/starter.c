#include "vaultd/supervisor/starter.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vaultd/base/log.h"
#include "vaultd/base/start.h"
#include "vaultd/supervisor/caps.h"
#include "vaultd/supervisor/inherit.h"

#define KEPT                                                                   \
	(CAP_BIT(CAP_SETUID) | CAP_BIT(CAP_SETGID) | CAP_BIT(CAP_SETPCAP) |    \
	    CAP_BIT(CAP_SYS_ADMIN))

struct reply {
	int32_t error; /* errno, or 0 with the pidfd beside it */
	int32_t pid;
};

union control {
	struct cmsghdr align;
	char space[CMSG_SPACE(BIRTH_FDS * sizeof(int))];
};

static ssize_t
send_with(int sock, const void *p, size_t n, const int *fds, size_t nfds)
{
	struct iovec iov = {(void *)(uintptr_t)p, n};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};
	union control control = {.space = {0}};
	ssize_t sent;

	if (nfds > 0) {
		struct cmsghdr *c = &control.align;

		mh.msg_control = &control;
		mh.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, nfds * sizeof(int));
	}
	do
		sent = sendmsg(sock, &mh, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent;
}

/*
 * Receive exactly "n" bytes.  Returns how many descriptors came with them, or
 * -1: the other end is gone.
 */
static int
receive_with(int sock, void *p, size_t n, int fds[BIRTH_FDS])
{
	struct iovec iov = {p, n};
	union control control;
	struct msghdr mh = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = &control,
	    .msg_controllen = sizeof(control)};
	struct cmsghdr *c;
	ssize_t got;
	size_t len;

	do
		got = recvmsg(sock, &mh, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got < 0 || (size_t)got != n)
		return -1;
	if ((c = CMSG_FIRSTHDR(&mh)) == NULL || c->cmsg_type != SCM_RIGHTS)
		return 0;
	len = c->cmsg_len - CMSG_LEN(0);
	memcpy(fds, CMSG_DATA(c), len);
	return (int)(len / sizeof(int));
}

/*
 * The raw call: with it a child is the supervisor's, as libc offers none.
 */
static pid_t
clone_for_parent(unsigned long flags, int *ret_pidfd)
{
	return (pid_t)syscall(SYS_clone,
	    flags | CLONE_PARENT | CLONE_PIDFD | (unsigned long)SIGCHLD, NULL,
	    ret_pidfd, NULL, NULL);
}

/*
 * No user namespace ever: its owner could trace what was run in it.  No pid
 * namespace: in one, every speaker from outside would show as pid 0.
 */
static pid_t
clone_room(struct birth *b, int *ret_pidfd)
{
	unsigned long spaces = CLONE_NEWIPC | CLONE_NEWUTS;
	uint32_t flags = b->flags;
	pid_t pid = -1;

	if (b->room != ROOM_DIALER)
		spaces |= CLONE_NEWNET;
	if (flags & ROOM_AS_ROOT) {
		b->flags = flags | ROOM_NAMESPACES;
		pid = clone_for_parent(spaces, ret_pidfd);
	}
	if (pid < 0) {
		b->flags = flags;
		pid = clone_for_parent(0, ret_pidfd);
	}
	return pid;
}

static struct reply
start_room(struct birth *b, int *ret_pidfd)
{
	pid_t pid = clone_room(b, ret_pidfd);

	if (pid == 0)
		birth_become(b);
	return (struct reply){pid < 0 ? errno : 0, pid};
}

/*
 * "order" says by its fds which of the descriptors in "fds" are there.
 */
static void
serve(int sock, struct birth *order, int fds[BIRTH_FDS], int nfds)
{
	struct reply reply = {EMFILE, -1};
	int n = 0, pidfd = -1;

	for (int i = 0; i < BIRTH_FDS; i++)
		if (order->fds[i] >= 0) {
			order->fds[i] = n < nfds ? fds[n] : -1;
			n++;
		}
	/* Fewer come where this process may not have more. */
	if (n == nfds)
		reply = start_room(order, &pidfd);
	for (int i = 0; i < nfds; i++)
		(void)close(fds[i]);
	(void)send_with(
	    sock, &reply, sizeof(reply), &pidfd, reply.error == 0 ? 1 : 0);
	if (reply.error == 0)
		(void)close(pidfd);
}

static _Noreturn void
starter_main(int sock, int programs, int dev_null)
{
	static struct birth order;
	int fds[BIRTH_FDS], nfds;
	pid_t parent = getppid();

	log_sink = NULL;
	(void)close_range(FD_INHERITED, ~0U, 0);
	(void)prctl(PR_SET_NAME, "vaultd-starter");
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || caps_keep(KEPT) != 0)
		_exit(1);
	while ((nfds = receive_with(sock, &order, sizeof(order), fds)) >= 0) {
		order.parent = parent;
		order.programs = programs;
		order.dev_null = dev_null;
		serve(sock, &order, fds, nfds);
	}
	_exit(0);
}

int
starter_begin(const char *programs)
{
	int pair[2], folder, dev_null;
	pid_t pid;

	folder = open(programs, O_PATH | O_DIRECTORY | O_CLOEXEC);
	dev_null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (folder < 0 || dev_null < 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return VERR_IO;
	if ((pid = fork()) < 0)
		return VERR_IO;
	if (pid == 0) {
		(void)close(pair[0]);
		starter_main(pair[1], folder, dev_null);
	}
	(void)close(pair[1]);
	(void)close(folder);
	(void)close(dev_null);
	if (pair[0] == FD_STARTER)
		return 0;
	if (dup3(pair[0], FD_STARTER, O_CLOEXEC) < 0)
		return VERR_IO;
	(void)close(pair[0]);
	return 0;
}

int
starter_start(const struct start_order *order, pid_t *ret_pid, int *ret_pidfd)
{
	struct birth b = {.room = order->room,
	    .number = order->number,
	    .flags = order->flags,
	    .uid = order->uid,
	    .gid = order->gid};
	int fds[BIRTH_FDS], nfds = 0;
	struct reply reply;

	if (order->state != NULL) {
		if (strlen(order->state) >= sizeof(b.state))
			return VERR_IO;
		memcpy(b.state, order->state, strlen(order->state));
		if (order->sync != NULL)
			memcpy(b.sync, order->sync, strlen(order->sync));
	}
	for (int i = 0; i < BIRTH_FDS; i++) {
		b.fds[i] = order->fds[i];
		if (b.fds[i] >= 0)
			fds[nfds++] = b.fds[i];
	}
	if (send_with(FD_STARTER, &b, sizeof(b), fds, (size_t)nfds) < 0)
		return VERR_IO;
	nfds = receive_with(FD_STARTER, &reply, sizeof(reply), fds);
	if (nfds == 1 && reply.error == 0) {
		*ret_pid = reply.pid;
		*ret_pidfd = fds[0];
		return 0;
	}
	if (nfds < 0)
		errno = ECHILD;
	else
		errno = reply.error != 0 ? reply.error : EMFILE;
	return VERR_IO;
}
