/*
 * puppet - stands where a room's program should be, so that a test can play
 * the room or stand between it and the others.
 *
 * It is started as any room is, hands its descriptors 3 to 5 to the socket
 * beside its program, and waits.  The test's answer may bring descriptors: they
 * take the places of 3 and 5, and the room's real program is run with them.
 * End-of-file ends it.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FD_FIRST 3
#define FDS      3 /* supervisor, log, keeper (or the keeper's key file) */

union control {
	struct cmsghdr align;
	char space[CMSG_SPACE(FDS * sizeof(int))];
};

static ssize_t
hand_over(int sock)
{
	static const int fds[FDS] = {FD_FIRST, FD_FIRST + 1, FD_FIRST + 2};
	union control control = {.space = {0}};
	char byte = 0;
	struct iovec iov = {&byte, 1};
	struct msghdr mh = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = &control,
	    .msg_controllen = sizeof(control)};

	control.align.cmsg_level = SOL_SOCKET;
	control.align.cmsg_type = SCM_RIGHTS;
	control.align.cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(&control.align), fds, sizeof(fds));
	return sendmsg(sock, &mh, 0);
}

/*
 * Wait for the answer, and put what comes with it to 3 and 5.
 */
static ssize_t
take_back(int sock)
{
	static const int places[] = {FD_FIRST, FD_FIRST + 2};
	union control control;
	char byte;
	struct iovec iov = {&byte, 1};
	struct msghdr mh = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = &control,
	    .msg_controllen = sizeof(control)};
	struct cmsghdr *c;
	ssize_t n = recvmsg(sock, &mh, MSG_CMSG_CLOEXEC);
	size_t nfds;
	int fds[FDS];

	if (n <= 0 || (c = CMSG_FIRSTHDR(&mh)) == NULL)
		return n;
	nfds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	memcpy(fds, CMSG_DATA(c), nfds * sizeof(int));
	for (size_t i = 0; i < nfds && i < 2; i++)
		if (dup2(fds[i], places[i]) < 0)
			return -1;
	return n;
}

int
main(int argc, char **argv)
{
	static char *const environment[] = {NULL};
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	char self[PATH_MAX], path[PATH_MAX + 8];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)argc;
	if (n < 0 || sock < 0)
		return 1;
	self[n] = '\0';
	(void)snprintf(path, sizeof(path), "%s.sock", self);
	if (strlen(path) >= sizeof(at.sun_path))
		return 1;
	memcpy(at.sun_path, path, strlen(path));
	if (connect(sock, (struct sockaddr *)&at, sizeof(at)) != 0 ||
	    hand_over(sock) != 1)
		return 1;
	if (take_back(sock) != 1)
		return 0;
	(void)snprintf(path, sizeof(path), "%s.real", self);
	(void)execve(path, argv, environment);
	return 1;
}
