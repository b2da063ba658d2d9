/*
 * world - the real gate in a process of its own, behind its walls, and a test
 *	   that plays everybody around it: supervisor, keeper, courier, ledger
 *	   and clients.
 *
 * Whatever does not come within WORLD_MS fails the test.
 */
#ifndef TEST_GATE_WORLD_H
#define TEST_GATE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "protocol/bytes.h"
#include "protocol/codec.h"
#include "protocol/pairs.h"
#include "protocol/record.h"
#include "protocol/refusal.h"
#include "vaultd/base/log.h"
#include "vaultd/base/start.h"

#define WORLD_MS   5000
#define WORLD_FAR  40 /* descriptors of the gate, before they get numbers */
#define WORLD_TEXT 1048576

struct world {
	pid_t pid;
	int supervisor, keeper, log; /* our ends */
	int lane;                    /* to the courier that we play */
	uint64_t sessions;
	uint8_t body[RECORD_HEADER + RECORD_MAX]; /* of the last record */
	int fd;                                   /* that came with it, or -1 */
};

static struct world W;

/* A record's name from its type, to make failures readable. */
static inline const char *
record_name(uint16_t type)
{
	const struct record_info *info = record_info(type);

	return info == NULL ? "?" : info->name;
}

static inline void
put_record(int to, uint16_t type, const union record *m, int fd)
{
	static uint8_t bytes[RECORD_HEADER + RECORD_MAX];
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {.space = {0}};
	struct iovec iov = {bytes, 0};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};
	int ok;
	size_t n = record_size(type, m, &ok);

	assert_true(ok);
	put_le(bytes, n, 4);
	put_le(bytes + 4, type, 2);
	put_le(bytes + 6, fd >= 0, 2);
	record_encode(type, m, bytes + RECORD_HEADER);
	iov.iov_len = RECORD_HEADER + n;
	if (fd >= 0) {
		mh.msg_control = &control;
		mh.msg_controllen = sizeof(control);
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.align), &fd, sizeof(fd));
	}
	while (iov.iov_len > 0) {
		ssize_t sent = sendmsg(to, &mh, MSG_NOSIGNAL);

		assert_true(sent > 0);
		iov.iov_base = (uint8_t *)iov.iov_base + sent;
		iov.iov_len -= (size_t)sent;
		mh.msg_controllen = 0;
		mh.msg_control = NULL;
	}
	if (fd >= 0)
		close(fd);
}

#define SAY(to, name, ...)                                                     \
	put_record((to), REC_##name,                                           \
	    &(const union record){.name = {__VA_ARGS__}}, -1)

/* Wait for something to read: 0 if nothing came in "ms". */
static inline int
ready(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, ms) > 0;
}

static inline int
read_all(int from, uint8_t *p, size_t n)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control;

	while (n > 0) {
		struct iovec iov = {p, n};
		struct msghdr mh = {.msg_iov = &iov,
		    .msg_iovlen = 1,
		    .msg_control = &control,
		    .msg_controllen = sizeof(control)};
		ssize_t got;

		if (!ready(from, WORLD_MS))
			fail_msg("nothing came");
		if ((got = recvmsg(from, &mh, 0)) <= 0)
			return -1;
		if (CMSG_FIRSTHDR(&mh) != NULL)
			memcpy(
			    &W.fd, CMSG_DATA(CMSG_FIRSTHDR(&mh)), sizeof(W.fd));
		p += got;
		n -= (size_t)got;
	}
	return 0;
}

/*
 * Read one record; returns its type, or 0 at the end.
 */
static inline uint16_t
get_record(int from, union record *m)
{
	uint8_t head[RECORD_HEADER];
	uint16_t type;
	size_t n;

	W.fd = -1;
	if (read_all(from, head, sizeof(head)) != 0)
		return 0;
	n = get_le(head, 4);
	type = (uint16_t)get_le(head + 4, 2);
	assert_true(n <= RECORD_MAX);
	assert_int_equal(read_all(from, W.body, n), 0);
	assert_int_equal(record_decode(type, W.body, n, m), 0);
	return type;
}

static inline union record
want_type(int from, uint16_t want)
{
	union record m;
	uint16_t type = get_record(from, &m);

	if (type != want)
		fail_msg("%s came instead of %s", record_name(type),
		    record_name(want));
	return m;
}

/* WANT(fd, NAME): the next record, which must be a NAME. */
#define WANT(from, name) (want_type((from), REC_##name).name)

static inline void
pair(int fds[2])
{
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
}

static inline void
become_gate(int supervisor, int log, int keeper)
{
	const char *build = getenv("VAULTD_BUILD");
	char path[4096];
	int null = open("/dev/null", O_RDWR);
	int fds[] = {null, null, 2, supervisor, log, keeper};

	for (int i = 0; i < 6; i++)
		fds[i] = fcntl(fds[i], F_DUPFD, WORLD_FAR);
	for (int i = 0; i < 6; i++)
		dup2(fds[i], i);
	close_range(6, ~0U, 0);
	(void)snprintf(path, sizeof(path), "%s/libexec/vaultd/gate",
	    build == NULL ? "build" : build);
	execle(path, "gate", "1", "1", (char *)NULL, (char *const[]){NULL});
	_exit(127);
}

static inline void
world_start(void (*become)(int supervisor, int log, int keeper))
{
	int supervisor[2], keeper[2], log[2];

	memset(&W, 0, sizeof(W));
	W.lane = -1;
	pair(supervisor);
	pair(keeper);
	assert_int_equal(pipe2(log, O_CLOEXEC | O_NONBLOCK), 0);
	W.supervisor = supervisor[0];
	W.keeper = keeper[0];
	W.log = log[0];
	if ((W.pid = fork()) == 0)
		become(supervisor[1], log[1], keeper[1]);
	close(supervisor[1]);
	close(keeper[1]);
	close(log[1]);
}

static inline int
world_up(void **state)
{
	(void)state;
	world_start(become_gate);
	(void)WANT(W.supervisor, HELLO);
	return 0;
}

/*
 * The gate must exit by itself, with status 0; that also says that no wall
 * tripped.
 */
static inline void
gate_exits(void)
{
	int status = -1;

	for (int i = 0; i < WORLD_MS / 10; i++) {
		if (waitpid(W.pid, &status, WNOHANG) == W.pid) {
			W.pid = 0;
			assert_true(WIFEXITED(status));
			assert_int_equal(WEXITSTATUS(status), 0);
			return;
		}
		usleep(10000);
	}
	fail_msg("the gate did not exit");
}

static inline int
world_down(void **state)
{
	(void)state;
	close(W.supervisor);
	close(W.keeper);
	if (W.lane >= 0)
		close(W.lane);
	close(W.log);
	if (W.pid > 0)
		gate_exits();
	return 0;
}

static inline struct log_record
world_log(void)
{
	struct log_record rec = {0};

	assert_true(ready(W.log, WORLD_MS));
	assert_int_equal(read(W.log, &rec, sizeof(rec)), sizeof(rec));
	return rec;
}

/*
 * A connection, as the supervisor hands it over if "on" is 1: with SO_PASSCRED.
 */
static inline int
connection(enum face face, int on)
{
	int fds[2];
	union record m = {.CONNECTION = {.session = ++W.sessions,
	                      .face = face,
	                      .uid = getuid(),
	                      .gid = getgid(),
	                      .pid = (uint64_t)getpid()}};

	pair(fds);
	assert_int_equal(
	    setsockopt(fds[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)), 0);
	put_record(W.supervisor, REC_CONNECTION, &m, fds[1]);
	return fds[0];
}

static inline int
client(enum face face)
{
	return connection(face, 1);
}

/* Open a lane to "room" number "number" and keep our end. */
static inline int
lane(enum room room, uint32_t number)
{
	int fds[2];
	union record m = {.PEER = {.room = room, .number = number}};

	pair(fds);
	put_record(W.supervisor, REC_PEER, &m, fds[1]);
	return fds[0];
}

/*
 * As keeper and courier: say yes to request "number", and return our end of
 * its stream.
 */
static inline int
join(uint64_t number)
{
	if (W.lane < 0)
		W.lane = lane(ROOM_COURIER, 7);
	SAY(W.keeper, STREAM, .number = number, .audit = 1000 + number,
	    .room = ROOM_COURIER, .peer = 7);
	assert_int_equal(WANT(W.lane, OPEN).number, number);
	assert_true(W.fd >= 0);
	return W.fd;
}

/*
 * The same, where request "number" must come by NEXT on the idle stream "s".
 */
static inline void
rejoin(int s, uint64_t number)
{
	SAY(W.keeper, STREAM, .number = number, .audit = 1000 + number,
	    .room = ROOM_COURIER, .peer = 7);
	assert_int_equal(WANT(s, NEXT).number, number);
}

/* Names and values, ended by NULL, as pairs. */
static inline struct slice
pairs_of(const char *const *text)
{
	static uint8_t bytes[65536];
	struct pairs_writer w = {.p = bytes, .cap = sizeof(bytes)};

	for (; *text != NULL; text += 2)
		pairs_add(&w, text[0], slice_str(text[1]));
	assert_false(w.overflow);
	return slice_of(bytes, w.n);
}
#define PAIRS(...) pairs_of((const char *const[]){__VA_ARGS__, NULL})

/* A pair's value must be "value"; NULL: there must be none. */
static inline void
assert_pair(struct slice list, const char *name, const char *value)
{
	struct slice found = {NULL, 0};
	int r = pairs_find(list, name, &found);

	if (value == NULL) {
		assert_int_equal(r, VERR_NOTFOUND);
		return;
	}
	assert_int_equal(r, 0);
	assert_true(slice_is(found, value));
}

static inline void
send_bytes(int to, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;

	while (n > 0) {
		ssize_t sent = send(to, p, n, MSG_NOSIGNAL);

		assert_true(sent > 0);
		p += sent;
		n -= (size_t)sent;
	}
}

static inline void
send_text(int to, const char *text)
{
	send_bytes(to, text, strlen(text));
}

/* The connection must end, without another byte. */
static inline void
assert_ends(int fd)
{
	char c;

	assert_true(ready(fd, WORLD_MS));
	assert_true(recv(fd, &c, 1, 0) <= 0);
}

#endif /* TEST_GATE_WORLD_H */
