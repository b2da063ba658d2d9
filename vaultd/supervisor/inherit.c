#include "vaultd/supervisor/inherit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FD_FIRST 3 /* by the protocol */
#define FDS_MAX  8

static int taken;          /* of them, from FD_INHERITED on */
static const char *called; /* their names, with colons between them */

static long
number(const char *name)
{
	const char *text = getenv(name);

	return text == NULL ? -1 : strtol(text, NULL, 10);
}

void
inherit_begin(void)
{
	long n = number("LISTEN_FDS");

	if (number("LISTEN_PID") == (long)getpid() && n > 0 && n <= FDS_MAX) {
		called = getenv("LISTEN_FDNAMES");
		for (; taken < n; taken++)
			if (dup3(FD_FIRST + taken, FD_INHERITED + taken,
			        O_CLOEXEC) < 0)
				break;
	}
	(void)close_range(STDERR_FILENO + 1, FD_INHERITED - 1, 0);
	(void)close_range((unsigned)(FD_INHERITED + taken), ~0U, 0);
}

static int
find(const char *name)
{
	const char *at = called;

	for (int i = 0; i < taken && at != NULL; i++) {
		size_t n = strcspn(at, ":");

		if (n == strlen(name) && memcmp(at, name, n) == 0)
			return FD_INHERITED + i;
		at = at[n] == ':' ? at + n + 1 : NULL;
	}
	return -1;
}

static int
option(int fd, int which)
{
	socklen_t len = sizeof(int);
	int value;

	return getsockopt(fd, SOL_SOCKET, which, &value, &len) == 0 ? value
	                                                            : -1;
}

/*
 * Who speaks must be known of every message: an accepted socket has this from
 * the listening one, before a byte of it can be read.
 */
static const char *
distrust(int fd, const char *path)
{
	struct sockaddr_un sun = {.sun_family = AF_UNSPEC};
	socklen_t len = sizeof(sun);

	if (getsockname(fd, (struct sockaddr *)&sun, &len) != 0 ||
	    sun.sun_family != AF_UNIX || option(fd, SO_TYPE) != SOCK_STREAM ||
	    option(fd, SO_ACCEPTCONN) != 1)
		return "what was inherited is no listening stream socket";
	if (len >= sizeof(sun) ||
	    strncmp(sun.sun_path, path, sizeof(sun.sun_path)) != 0)
		return "the inherited socket lies elsewhere: socket-dir and "
		       "ListenStream have to agree";
	if (option(fd, SO_PASSCRED) != 1)
		return "the inherited socket passes no credentials: its unit "
		       "needs PassCredentials=yes";
	return NULL;
}

int
inherit_socket(
    const char *name, const char *path, int *ret_fd, const char **ret_why)
{
	int fd = find(name), flags;

	*ret_fd = -1;
	if (fd < 0 && taken > 0) {
		*ret_why = "is not among the inherited sockets: both are "
		           "needed, with FileDescriptorName=";
		return VERR_FORBIDDEN;
	}
	if (fd < 0)
		return 0;
	if ((*ret_why = distrust(fd, path)) != NULL)
		return VERR_FORBIDDEN;
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) {
		*ret_why = "the inherited socket cannot be used";
		return VERR_FORBIDDEN;
	}
	*ret_fd = fd;
	return 0;
}
