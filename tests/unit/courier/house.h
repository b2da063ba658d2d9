/*
 * The real courier and dialer, walls up, with the test as their supervisor,
 * keeper and gate, and an upstream of tests/support beside them.
 */
#ifndef TESTS_COURIER_HOUSE_H
#define TESTS_COURIER_HOUSE_H

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "protocol/bytes.h"
#include "protocol/pairs.h"
#include "protocol/record.h"

#define GATE  7 /* the number of the gate that the test plays */
#define BIG   (1 << 20)
#define LOCAL "127.0.0.0/8"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* A record as it was received; slices point into "body". */
struct heard {
	uint16_t type; /* 0: the channel was closed */
	int fd;
	union record m;
	uint8_t body[RECORD_MAX];
};

struct end {
	pid_t pid;
	int supervisor, keeper; /* our ends of its channels */
};

struct house {
	struct end courier, dialer;
	int lane; /* to the courier */
	pid_t python;
	int ask, answer; /* the upstream's terminal */
	char folder[64];
};

int house_open(void **state);
int house_close(void **state);

/* Start and end one room; join the two. */
void house_start_courier(void);
void house_start_dialer(void);
void house_end(struct end *room);
void house_join(void);

/*
 * Evaluate an expression in the upstream's process; its text is valid until
 * the next call.
 */
const char *upstream(const char *format, ...)
    __attribute__((format(printf, 1, 2)));
long upstream_number(const char *expression);

void say(int fd, uint16_t type, const union record *m, int descriptor);
#define SAY(fd, name, ...)                                                     \
	say((fd), REC_##name, &(const union record){.name = {__VA_ARGS__}}, -1)

/* Wait for the next record, at most 15 s. */
const struct heard *hear(int fd);

/* One request: what differs from the plain one is set by the test. */
struct errand {
	const char *method, *target, *host, *network, *pin, *ca, *server;
	const char *name[8], *value[8]; /* headers */
	enum body_kind body;
	size_t length; /* of the body, sent in pieces */
	uint64_t pool;
	unsigned timeout_ms;
	int probe;
	const char *account;
	int on;   /* a stream at rest; 0: a new one; -1: the test's matter */
	int keep; /* do not close the stream when its answer has ended */

	/* filled in */
	uint64_t order;
	int stream;
};

struct outcome {
	unsigned status, refusal, pieces;
	char headers[8192]; /* "name: value\n" */
	char sentence[256];
	uint8_t *body;
	size_t length, room;
	struct rec_ORDER_DONE done;
	char account[256];
};

/* Send ticket, order and stream; then, where there is one, the body. */
void errand_start(struct errand *e);
void errand_send_body(const struct errand *e);
/* Read the answer to its end, and the ORDER_DONE. */
const struct outcome *errand_end(struct errand *e);
const struct outcome *errand_run(struct errand *e);

/* The body that the upstream's /stream sends, and that errands send. */
const uint8_t *pattern(void);

/* How it is done. */

struct house house;
static uint64_t last_order;

/* Python: "u" is the upstream, others are wrong in one way each. */
static const char script[] =
    "import sys, ssl, time\n"
    "sys.path.insert(0, 'tests/support')\n"
    "from ca import Authority\n"
    "from upstream import Upstream, pattern\n"
    "a = Authority(sys.argv[1] + '/a'); b = Authority(sys.argv[1] + '/b')\n"
    "u = Upstream(*a.issue())\n"
    "stranger = Upstream(*b.issue())\n"
    "misnamed = Upstream(*a.issue(names=('other.test',)))\n"
    "expired = Upstream(*a.issue(days=-1))\n"
    "old = Upstream(*a.issue())\n"
    "old.tls.set_ciphers('ALL:@SECLEVEL=0')\n"
    "old.tls.minimum_version = ssl.TLSVersion.TLSv1_1\n"
    "old.tls.maximum_version = ssl.TLSVersion.TLSv1_1\n"
    "def answer(path, data): u.raw[path] = data\n"
    "class Drops(Upstream):\n"
    "    # Hangs up on the first request for /drop after its first answer.\n"
    "    dropping = False\n"
    "    def _answer(self, stream, request):\n"
    "        if request.path == '/drop' and self.dropping:\n"
    "            self.dropping = False\n"
    "            return False\n"
    "        return super()._answer(stream, request)\n"
    "drops = Drops(*a.issue())\n"
    "class Early(Upstream):\n"
    "    # Answers before it has read a body.\n"
    "    def _body(self, request, lines): return ()\n"
    "early = Early(*a.issue())\n"
    "early.raw['/early'] = (\n"
    "    b'HTTP/1.1 413 No\\r\\nContent-Length: 0\\r\\n\\r\\n')\n"
    "def last(): return u.requests[-1]\n"
    "for line in sys.stdin:\n"
    "    print(eval(line), flush=True)\n";

const char *
upstream(const char *format, ...)
{
	static char line[1 << 20];
	va_list ap;
	size_t n;

	va_start(ap, format);
	n = (size_t)vsnprintf(line, sizeof(line) - 1, format, ap);
	va_end(ap);
	line[n++] = '\n';
	assert_int_equal(write(house.ask, line, n), n);
	for (n = 0; n == 0 || line[n - 1] != '\n';) {
		ssize_t got =
		    read(house.answer, line + n, sizeof(line) - 1 - n);

		assert_true(got > 0);
		n += (size_t)got;
	}
	line[n - 1] = '\0';
	return line;
}

long
upstream_number(const char *expression)
{
	return strtol(upstream("%s", expression), NULL, 10);
}

static void
start_upstream(void)
{
	int in[2], out[2];

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	if ((house.python = fork()) == 0) {
		(void)dup2(in[0], 0);
		(void)dup2(out[1], 1);
		execl("/usr/bin/python3", "python3", "-c", script, house.folder,
		    (char *)NULL);
		_exit(127);
	}
	(void)close(in[0]);
	(void)close(out[1]);
	house.ask = in[1];
	house.answer = out[0];
}

static void
pair(int fd[2])
{
	struct timeval tv = {15, 0};

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
	(void)setsockopt(fd[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	(void)setsockopt(fd[0], SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
}

static const char *
in_folder(const char *path)
{
	static char full[256];

	(void)snprintf(full, sizeof(full), "%s/%s", house.folder, path);
	return full;
}

/* The rooms lie in libexec/vaultd of the build that this test is of. */
static const char *
room_path(const char *name)
{
	static char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 64);

	assert_true(n > 0);
	path[n] = '\0';
	*strstr(path, "/tests/unit/") = '\0';
	strncat(path, "/libexec/vaultd/", 32);
	strncat(path, name, 16);
	return path;
}

static void
exec_room(const char *path, const char *name, const int fds[4])
{
	char *argv[] = {strdup(name), strdup("1"), strdup("0"), NULL};
	char *envp[] = {NULL};
	int high[4];

	for (int i = 0; i < 4; i++)
		high[i] = fcntl(fds[i], F_DUPFD, 100);
	for (int i = 0; i < 3; i++)
		(void)dup2(open("/dev/null", O_RDWR), i);
	for (int i = 0; i < 4; i++)
		(void)dup2(high[i], 3 + i);
	(void)close_range(7, ~0U, 0);
	execve(path, argv, envp);
	_exit(127);
}

static struct end
start_room(const char *name)
{
	const char *path = room_path(name);
	int supervisor[2], keeper[2], fds[4];
	struct end room;

	pair(supervisor);
	pair(keeper);
	fds[0] = supervisor[1];
	fds[1] = open("/dev/null", O_WRONLY | O_CLOEXEC);
	fds[2] = keeper[1];
	fds[3] = open(in_folder("a/ca.pem"), O_RDONLY | O_CLOEXEC);
	if (fds[3] < 0)
		fds[3] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if ((room.pid = fork()) == 0)
		exec_room(path, name, fds);
	for (int i = 0; i < 4; i++)
		(void)close(fds[i]);
	room.supervisor = supervisor[0];
	room.keeper = keeper[0];
	assert_int_equal(hear(room.supervisor)->type, REC_HELLO);
	return room;
}

void
house_end(struct end *room)
{
	(void)close(room->supervisor);
	(void)close(room->keeper);
	(void)kill(room->pid, SIGKILL);
	(void)waitpid(room->pid, NULL, 0);
}

static void
give_peer(const struct end *room, enum room peer, uint32_t number, int fd)
{
	say(room->supervisor, REC_PEER,
	    &(const union record){.PEER = {.room = peer, .number = number}},
	    fd);
	(void)close(fd);
}

void
house_start_courier(void)
{
	int lane[2];

	house.courier = start_room("courier");
	pair(lane);
	house.lane = lane[0];
	give_peer(&house.courier, ROOM_GATE, GATE, lane[1]);
}

void
house_start_dialer(void)
{
	house.dialer = start_room("dialer");
}

void
house_join(void)
{
	int fd[2];

	pair(fd);
	give_peer(&house.courier, ROOM_DIALER, 0, fd[0]);
	give_peer(&house.dialer, ROOM_COURIER, 1, fd[1]);
}

int
house_open(void **state)
{
	(void)state;
	(void)signal(SIGPIPE, SIG_IGN);
	(void)snprintf(house.folder, sizeof(house.folder), "%s",
	    "/tmp/test_courier.XXXXXX");
	assert_non_null(mkdtemp(house.folder));
	start_upstream();
	(void)upstream("1"); /* until there are certificates */
	house_start_courier();
	house_start_dialer();
	house_join();
	return 0;
}

int
house_close(void **state)
{
	pid_t pid;
	int status = 1;

	(void)state;
	house_end(&house.courier);
	house_end(&house.dialer);
	(void)close(house.lane);
	(void)close(house.ask);
	(void)kill(house.python, SIGKILL);
	(void)waitpid(house.python, NULL, 0);
	if ((pid = fork()) == 0) {
		(void)execlp("rm", "rm", "-rf", house.folder, (char *)NULL);
		_exit(1);
	}
	(void)waitpid(pid, &status, 0);
	return status;
}

void
say(int fd, uint16_t type, const union record *m, int descriptor)
{
	static uint8_t buf[RECORD_HEADER + RECORD_MAX];
	char space[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec iov = {buf, 0};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};
	int ok;
	size_t n = record_size(type, m, &ok);

	assert_true(ok);
	put_le(buf, n, 4);
	put_le(buf + 4, type, 2);
	put_le(buf + 6, descriptor >= 0, 2);
	record_encode(type, m, buf + RECORD_HEADER);
	iov.iov_len = RECORD_HEADER + n;
	if (descriptor >= 0) {
		struct cmsghdr *c;

		mh.msg_control = space;
		mh.msg_controllen = sizeof(space);
		c = CMSG_FIRSTHDR(&mh);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &descriptor, sizeof(int));
	}
	(void)sendmsg(fd, &mh, MSG_NOSIGNAL);
}

static int
read_all(int fd, uint8_t *p, size_t n, int *ret_fd)
{
	while (n > 0) {
		char space[CMSG_SPACE(sizeof(int))];
		struct iovec iov = {p, n};
		struct msghdr mh = {.msg_iov = &iov,
		    .msg_iovlen = 1,
		    .msg_control = space,
		    .msg_controllen = sizeof(space)};
		ssize_t got = recvmsg(fd, &mh, MSG_CMSG_CLOEXEC);

		if (got < 0 && errno == EAGAIN)
			fail_msg("nothing heard for 15 s");
		if (got <= 0)
			return 0;
		for (struct cmsghdr *c = CMSG_FIRSTHDR(&mh); c != NULL;
		     c = CMSG_NXTHDR(&mh, c))
			memcpy(ret_fd, CMSG_DATA(c), sizeof(int));
		p += got;
		n -= (size_t)got;
	}
	return 1;
}

const struct heard *
hear(int fd)
{
	static struct heard h;
	uint8_t head[RECORD_HEADER];
	size_t n;

	h.type = 0;
	h.fd = -1;
	if (!read_all(fd, head, sizeof(head), &h.fd))
		return &h;
	n = (size_t)get_le(head, 4);
	assert_true(n <= RECORD_MAX);
	if (!read_all(fd, h.body, n, &h.fd))
		return &h;
	h.type = (uint16_t)get_le(head + 4, 2);
	assert_int_equal(record_decode(h.type, h.body, n, &h.m), 0);
	return &h;
}

const uint8_t *
pattern(void)
{
	static uint8_t bytes[BIG];

	if (bytes[0] == 0)
		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (uint8_t)(1 + (i * 2654435761U >> 13) % 255);
	return bytes;
}

static uint32_t
server_port(const struct errand *e)
{
	return (uint32_t)strtoul(
	    upstream("%s.port", e->server == NULL ? "u" : e->server), NULL, 10);
}

static size_t
read_ca(const char *path, uint8_t *out, size_t cap)
{
	int fd = open(in_folder(path), O_RDONLY | O_CLOEXEC);
	ssize_t n;

	n = read(fd, out, cap);
	(void)close(fd);
	return n < 0 ? 0 : (size_t)n;
}

void
errand_start(struct errand *e)
{
	static uint8_t headers[65536], ca[32768];
	struct pairs_writer w = {headers, sizeof(headers), 0, 0};
	const char *host = e->host == NULL ? "localhost" : e->host;
	const char *network = e->network == NULL ? LOCAL : e->network;
	uint32_t port = server_port(e);
	size_t ca_len =
	    read_ca(e->ca == NULL ? "a/ca.pem" : e->ca, ca, sizeof(ca));
	int fd[2];

	e->order = ++last_order;
	for (size_t i = 0; i < 8 && e->name[i] != NULL; i++)
		pairs_add(&w, e->name[i], slice_str(e->value[i]));
	SAY(house.dialer.keeper, TICKET, .ticket = e->order, .courier = 1,
	    .host = slice_str(host), .port = port,
	    .network = slice_str(network));
	SAY(house.courier.keeper, ORDER, .order = e->order, .ticket = e->order,
	    .gate = e->probe ? 0 : GATE, .number = e->order,
	    .probe = (uint64_t)e->probe, .pool = e->pool,
	    .method = slice_str(e->method == NULL ? "GET" : e->method),
	    .host = slice_str(host), .port = port,
	    .target = slice_str(e->target), .headers = slice_of(headers, w.n),
	    .body = e->body, .length = e->length, .ca = slice_of(ca, ca_len),
	    .pin = slice_str(e->pin), .timeout_ms = e->timeout_ms,
	    .account = slice_str(e->account));
	e->stream = -1;
	if (e->probe)
		return;
	if (e->on != 0) {
		e->stream = e->on;
		if (e->on > 0)
			SAY(e->stream, NEXT, .number = e->order);
		return;
	}
	pair(fd);
	e->stream = fd[0];
	say(house.lane, REC_OPEN,
	    &(const union record){.OPEN = {.number = e->order}}, fd[1]);
	(void)close(fd[1]);
}

void
errand_send_body(const struct errand *e)
{
	size_t piece;

	for (size_t at = 0; at < e->length; at += piece) {
		piece = e->length - at > 16384 ? 16384 : e->length - at;
		SAY(e->stream, BODY,
		    .bytes = slice_of(pattern() + at % BIG, piece));
	}
	say(e->stream, REC_BODY_END, &(const union record){0}, -1);
}

static void
take_headers(struct outcome *o, struct slice list)
{
	struct slice name, value;
	size_t at = 0;

	while (pairs_next(&list, &name, &value) == 0)
		at += (size_t)snprintf(o->headers + at, sizeof(o->headers) - at,
		    "%.*s: %.*s\n", (int)name.n, (const char *)name.p,
		    (int)value.n, (const char *)value.p);
}

static void
take_data(struct outcome *o, struct slice bytes)
{
	while (o->length + bytes.n >= o->room) {
		o->room = o->room == 0 ? 65536 : o->room * 2;
		o->body = realloc(o->body, o->room);
		assert_non_null(o->body);
	}
	memcpy(o->body + o->length, bytes.p, bytes.n);
	o->length += bytes.n;
	o->body[o->length] = '\0';
	o->pieces++;
}

static void
read_stream(struct errand *e, struct outcome *o)
{
	for (;;) {
		const struct heard *h = hear(e->stream);

		if (h->type == REC_HEAD) {
			o->status = (unsigned)h->m.HEAD.status;
			take_headers(o, h->m.HEAD.headers);
		} else if (h->type == REC_DATA) {
			take_data(o, h->m.DATA.bytes);
		} else if (h->type == REC_END && e->keep) {
			return;
		} else if (h->type == REC_FAIL) {
			o->refusal = (unsigned)h->m.FAIL.refusal;
			memcpy(o->sentence, h->m.FAIL.sentence.p,
			    h->m.FAIL.sentence.n);
		} else {
			break;
		}
	}
	if (!e->keep)
		(void)close(e->stream);
}

const struct outcome *
errand_end(struct errand *e)
{
	static struct outcome o;
	const struct heard *h;

	free(o.body);
	memset(&o, 0, sizeof(o));
	if (e->stream >= 0)
		read_stream(e, &o);
	do {
		h = hear(house.courier.keeper);
		/* The tickets are there already. */
		assert_true(
		    h->type == REC_ORDER_DONE || h->type == REC_TICKET_WANT);
	} while (
	    h->type != REC_ORDER_DONE || h->m.ORDER_DONE.order != e->order);
	o.done = h->m.ORDER_DONE;
	memcpy(o.account, o.done.account.p, o.done.account.n);
	SAY(house.dialer.keeper, TICKET_END, .ticket = e->order);
	return &o;
}

const struct outcome *
errand_run(struct errand *e)
{
	errand_start(e);
	if (e->body != BODY_NONE)
		errand_send_body(e);
	return errand_end(e);
}

#endif /* TESTS_COURIER_HOUSE_H */
