/*
 * What the courier may ask of the kernel: to speak on what it was handed.
 *
 * Absent on purpose:
 *	socket			it can reach nobody but by the dialer
 *	openat			certificate authorities were read before
 *	clone			libcurl's resolver is never asked
 * Answered without being executed: connect, which libcurl calls on a socket
 * declared connected, and socketpair, by which it would wake other threads.
 */
#include "vaultd/courier/allowlist.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>

/* clang-format off */
#define EQ(n, v) SCMP_A##n(SCMP_CMP_EQ, (scmp_datum_t)(v), 0)

static const struct wall_rule rules[] = {
	/* The channels: streams and sockets come by descriptor */
	ALLOW(recvmsg,		"channels that take descriptors"),

	/* libcurl on the dialer's sockets */
	ALLOW(sendto,		"send(2) of TLS records"),
	ALLOW(recvfrom,		"recv(2) of TLS records; is an idle connection alive?"),
	ALLOW(poll,		"is an idle connection alive?"),
	ALLOW(getpeername,	"where a connection leads, for its own records"),
	ALLOW(getsockname,	"where a connection comes from, likewise"),
	ALLOW_IF2(getsockopt,	"is the socket connected?", EQ(1, SOL_SOCKET), EQ(2, SO_ERROR)),
	ALLOW_IF(fcntl,		"O_NONBLOCK", EQ(1, F_GETFL)),
	ALLOW_IF(fcntl,		"O_NONBLOCK", EQ(1, F_SETFL)),
	ALLOW_IF(rt_sigaction,	"SIGPIPE, while a pool is closed", EQ(0, SIGPIPE)),
	ANSWER(connect,	    EINPROGRESS, "the socket is connected already"),
	ANSWER(socketpair,  EMFILE,	 "curl_multi_wakeup(3), which nobody calls"),

	/* OpenSSL */
	ALLOW(getpid,		"the random generator: was there a fork?"),
};
/* clang-format on */

const struct walls courier_walls = {
    .rules = rules,
    .nrules = sizeof(rules) / sizeof(rules[0]),
    .may = MAY(ACT_RECEIVE) | MAY(ACT_SEND_TO) | MAY(ACT_CONNECT) |
        MAY(ACT_SOCKETPAIR),
    .limits = {.nofile = 8192, .fsize = 0, .as = UINT64_C(1) << 30},
};
