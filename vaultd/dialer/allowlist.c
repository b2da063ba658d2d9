/*
 * What the dialer may ask of the kernel: names, addresses, connections.
 *
 * Absent on purpose:
 *	socket of other kinds	no netlink, Unix, raw, SCTP or MPTCP sockets
 *	bind listen accept	nobody connects to it
 *	creating, writing files	Landlock leaves the resolver's files, to read
 */
#include "vaultd/dialer/allowlist.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

/* clang-format off */
#define EQ(n, v)	SCMP_A##n(SCMP_CMP_EQ, (scmp_datum_t)(v), 0)
#define STREAM		(SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK)
#define READ_ONLY	SCMP_A2(SCMP_CMP_MASKED_EQ, ~(scmp_datum_t)O_CLOEXEC, O_RDONLY)
#define SOCKET(family, type, protocol, why) \
	ALLOW_IF3(socket, why, EQ(0, family), EQ(1, type), EQ(2, protocol))

static const struct wall_rule rules[] = {
	/* The channels: couriers come by descriptor */
	ALLOW(recvmsg,		"channels that take descriptors"),

	/* Connections, to hand over */
	SOCKET(AF_INET,	 STREAM, IPPROTO_TCP, "begin_connect()"),
	SOCKET(AF_INET6, STREAM, IPPROTO_TCP, "begin_connect()"),
	ALLOW(connect,		"begin_connect(), c-ares; the address rules are dial.c's"),
	ALLOW_IF2(getsockopt,	"on_connect()", EQ(1, SOL_SOCKET), EQ(2, SO_ERROR)),
	ALLOW_IF2(setsockopt,	"on_connect(), c-ares", EQ(1, IPPROTO_TCP), EQ(2, TCP_NODELAY)),

	/* DNS */
	SOCKET(AF_INET,	 SOCK_DGRAM, 0,	"c-ares, queries"),
	SOCKET(AF_INET6, SOCK_DGRAM, 0,	"c-ares, queries"),
	SOCKET(AF_INET,	 SOCK_STREAM, 0, "c-ares, long answers"),
	SOCKET(AF_INET6, SOCK_STREAM, 0, "c-ares, long answers"),
	SOCKET(AF_INET,	 SOCK_DGRAM, IPPROTO_UDP, "c-ares, RFC 6724 order"),
	SOCKET(AF_INET6, SOCK_DGRAM, IPPROTO_UDP, "c-ares, RFC 6724 order"),
	ALLOW(getsockname,	"c-ares, RFC 6724 order"),
	ALLOW(sendto,		"c-ares, queries"),
	ALLOW(recvfrom,		"c-ares, answers"),
	ALLOW(writev,		"c-ares, queries over TCP"),
	ALLOW_IF(fcntl,		"c-ares", EQ(1, F_GETFL)),
	ALLOW_IF(fcntl,		"c-ares", EQ(1, F_SETFL)),
	ALLOW_IF(fcntl,		"c-ares", EQ(1, F_SETFD)),

	/* The resolver's files, which Landlock bounds */
	ALLOW_IF2(openat,	"resolv.conf, hosts", EQ(0, (uint32_t)AT_FDCWD), READ_ONLY),
	ALLOW_IF(newfstatat,	"fopen(3)", EQ(3, AT_EMPTY_PATH)),
};

#define READ LANDLOCK_ACCESS_FS_READ_FILE

static const struct wall_path paths[] = {
	{"/etc/resolv.conf",	READ},
	{"/etc/hosts",		READ},
	{"/run/systemd/resolve", READ}, /* where the first may lead */
};
/* clang-format on */

const struct walls dialer_walls = {
    .rules = rules,
    .nrules = sizeof(rules) / sizeof(rules[0]),
    .may =
        MAY(ACT_RECEIVE) | MAY(ACT_CONNECT) | MAY(ACT_SEND_TO) | MAY(ACT_OPEN),
    .limits = {.nofile = 4096, .fsize = 0, .as = 512u << 20},
    .paths = paths,
    .npaths = sizeof(paths) / sizeof(paths[0]),
    .tcp_connect = 1,
};
