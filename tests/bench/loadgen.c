/*
 * loadgen - one load for every side of a comparison.
 *
 *	loadgen KEY=VALUE...
 *
 *	to=PATH		Unix socket to talk to
 *	face=http	or framed: the protocol spoken there
 *	target=/p?q	asked for with GET; for framed also
 *profile=CUSTOMER/NAME conns=1		connections, each with one request under
 *way rate=0		requests in a second, on a fixed schedule, whatever the
 *			answers do; 0: each connection asks when it was answered
 *	warm=50 ms=150	milliseconds before measuring, and measured
 *	pids=A,B,...	processes whose CPU time is counted
 *	profiles=0	each request is for a random one of the profiles that
 *			mkstore made with the same number and "customers"; over
 *			http "target" comes behind its name
 *	customers=1 pick=0 seed=1
 *			pick=K: for one of K of them, evenly from all customers
 *
 * Latency counts from when a request was due, not from when it was sent: a
 * server that stalls cannot hide the requests that it held up.  Prints one
 * line: ops per second, latencies and CPU time per request in microseconds,
 * requests measured, and how many of them failed.
 */
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "protocol/codec.h"
#include "protocol/frame.h"

#define IN_MAX    (256 * 1024)
#define CONNS_MAX 4096
#define PIDS_MAX  128
#define SECOND    UINT64_C(1000000000)

enum answered { ANSWERED_NOT, ANSWERED_WELL, ANSWERED_BADLY };

struct conn {
	int fd;
	int busy;
	uint64_t due; /* ns */
	uint64_t id;
	size_t got;
	uint8_t in[IN_MAX];
};

struct samples {
	uint64_t *ns;
	size_t n, room;
};

static const char *o_to, *o_face = "http", *o_target = "/", *o_profile = "";
static const char *o_pids = "";
static long o_conns = 1, o_rate, o_warm = 50, o_ms = 150;
static long o_profiles, o_customers = 1, o_pick, o_seed = 1;

static const struct {
	const char *name;
	const char **text;
	long *number;
} options[] = {
    {"to", &o_to, NULL},
    {"face", &o_face, NULL},
    {"target", &o_target, NULL},
    {"profile", &o_profile, NULL},
    {"pids", &o_pids, NULL},
    {"conns", NULL, &o_conns},
    {"rate", NULL, &o_rate},
    {"warm", NULL, &o_warm},
    {"ms", NULL, &o_ms},
    {"profiles", NULL, &o_profiles},
    {"customers", NULL, &o_customers},
    {"pick", NULL, &o_pick},
    {"seed", NULL, &o_seed},
};
#define NOPTIONS (sizeof(options) / sizeof(options[0]))

static uint8_t request[8192];
static size_t request_size;
static int framed;
static struct conn *conns;
static int epoll_fd;
static struct samples samples;
static uint64_t bad;

static uint64_t
now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

static void
read_option(const char *arg)
{
	const char *value = strchr(arg, '=');
	size_t n = value == NULL ? 0 : (size_t)(value - arg);

	for (size_t i = 0; i < NOPTIONS; i++) {
		if (n == 0 || strlen(options[i].name) != n ||
		    strncmp(options[i].name, arg, n) != 0)
			continue;
		if (options[i].text != NULL)
			*options[i].text = value + 1;
		else
			*options[i].number = strtol(value + 1, NULL, 10);
		return;
	}
	errx(2, "%s: not KEY=VALUE of loadgen", arg);
}

/*
 * Well mixed bits of "x" (splitmix64).
 */
static uint64_t
mix(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

/*
 * The name of the profile that is asked for next.
 */
static void
choose(char *name, size_t room)
{
	static uint64_t count;
	uint64_t m = (uint64_t)o_customers, n = (uint64_t)o_profiles;
	uint64_t i = mix((uint64_t)o_seed << 32 | count++);

	if (o_pick == 0) {
		i %= n;
	} else {
		i %= (uint64_t)o_pick;
		i = mix(i) % (n / m) * m + i % m;
	}
	(void)snprintf(name, room, "c%" PRIu64 "/p%" PRIu64, i % m, i);
}

static void
compose(const char *profile)
{
	struct client_msg m = {.type = CLIENT_REQUEST,
	    .request = {.profile = slice_str(profile),
	        .method = slice_str("GET"),
	        .target = slice_str(o_target),
	        .headers = slice_str("Accept: application/json\r\n"
	                             "User-Agent: loadgen\r\n")}};
	int n, r;

	if (framed) {
		r = codec_encode(
		    1, &m, request, sizeof(request), &request_size);
		if (r != 0)
			errx(1, "the request cannot be encoded: %d", r);
		return;
	}
	n = snprintf((char *)request, sizeof(request),
	    "GET %s%s%s HTTP/1.1\r\nHost: localhost\r\n"
	    "Accept: application/json\r\nUser-Agent: loadgen\r\n\r\n",
	    o_profiles > 0 ? "/" : "", o_profiles > 0 ? profile : "", o_target);
	if (n < 0 || (size_t)n >= sizeof(request))
		errx(1, "the target is too long");
	request_size = (size_t)n;
}

static void
conn_open(struct conn *c)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};

	if (strlen(o_to) >= sizeof(address.sun_path))
		errx(1, "%s: too long for a socket", o_to);
	memcpy(address.sun_path, o_to, strlen(o_to));
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 ||
	    connect(c->fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &event) != 0)
		err(1, "%s", o_to);
	c->busy = 0;
	c->got = 0;
}

static void
conn_lost(struct conn *c)
{
	bad += (uint64_t)c->busy;
	(void)close(c->fd);
	conn_open(c);
}

static void
ask(struct conn *c, uint64_t due)
{
	char name[64];

	c->due = due;
	c->busy = 1;
	if (o_profiles > 0) {
		choose(name, sizeof(name));
		compose(name);
	}
	if (framed) {
		c->id++;
		for (size_t i = 0; i < 8; i++)
			request[12 + i] = (uint8_t)(c->id >> 8 * i);
	}
	/* A request is far below what a socket takes at once. */
	if (send(c->fd, request, request_size, MSG_NOSIGNAL) !=
	    (ssize_t)request_size)
		conn_lost(c);
}

/*
 * The end of a chunked body that starts at "p", or NULL.
 */
static const char *
chunks_end(const char *p, const char *end)
{
	for (;;) {
		const char *nl = memmem(p, (size_t)(end - p), "\r\n", 2);
		unsigned long n;

		if (nl == NULL)
			return NULL;
		n = strtoul(p, NULL, 16);
		if ((size_t)(end - nl) < n + 4)
			return NULL;
		p = nl + 2 + n + 2;
		if (n == 0)
			return p;
	}
}

/*
 * The load's own servers send plain answers; whatever this reads wrongly shows
 * as bad or never ends.  "c->in" is terminated by the caller.
 */
static enum answered
read_http(struct conn *c)
{
	char *p = (char *)c->in, *end = p + c->got, *line;
	char *body = memmem(p, c->got, "\r\n\r\n", 4);
	const char *done = NULL;

	if (body == NULL)
		return ANSWERED_NOT;
	body += 4;
	for (line = p; line < body - 2; line = strstr(line, "\r\n") + 2) {
		if (strncasecmp(line, "content-length:", 15) == 0)
			done = body + strtoul(line + 15, NULL, 10);
		else if (strncasecmp(line, "transfer-encoding:", 18) == 0 &&
		    (done = chunks_end(body, end)) == NULL)
			return ANSWERED_NOT;
	}
	if (done == NULL)
		return ANSWERED_BADLY;
	if (end < done)
		return ANSWERED_NOT;
	return end == done && memcmp(p, "HTTP/1.1 200", 12) == 0
	    ? ANSWERED_WELL
	    : ANSWERED_BADLY;
}

static enum answered
read_frames(struct conn *c)
{
	enum answered done = ANSWERED_NOT;
	struct frame f;
	size_t at = 0;

	while (done == ANSWERED_NOT && c->got - at >= FRAME_HEADER) {
		if (frame_parse(c->in + at, &f) != 0)
			return ANSWERED_BADLY;
		if (c->got - at - FRAME_HEADER < f.length)
			break;
		at += FRAME_HEADER + f.length;
		if (f.type == CLIENT_REFUSED)
			done = ANSWERED_BADLY;
		else if (f.type == CLIENT_END)
			done = ANSWERED_WELL;
	}
	memmove(c->in, c->in + at, c->got - at);
	c->got -= at;
	return done;
}

static void
note(uint64_t ns)
{
	if (samples.n == samples.room) {
		samples.room = samples.room * 2 + 4096;
		samples.ns =
		    reallocarray(samples.ns, samples.room, sizeof(*samples.ns));
		if (samples.ns == NULL)
			err(1, NULL);
	}
	samples.ns[samples.n++] = ns;
}

static void
hear(struct conn *c, int measuring)
{
	ssize_t n =
	    recv(c->fd, c->in + c->got, IN_MAX - 1 - c->got, MSG_DONTWAIT);
	enum answered how;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		conn_lost(c);
		return;
	}
	c->got += (size_t)n;
	c->in[c->got] = '\0';
	how = framed ? read_frames(c) : read_http(c);
	if (how == ANSWERED_NOT)
		return;
	if (!framed)
		c->got = 0;
	c->busy = 0;
	if (!measuring)
		return;
	bad += how == ANSWERED_BADLY;
	note(now() - c->due);
}

/*
 * Nanoseconds that the processes of o_pids have run, all threads.
 */
static uint64_t
cpu_time(void)
{
	uint64_t sum = 0, one;
	char path[64], *end;

	for (const char *p = o_pids; *p != '\0';
	     p = *end == ',' ? end + 1 : end) {
		struct dirent *task;
		DIR *d;

		(void)snprintf(
		    path, sizeof(path), "/proc/%ld/task", strtol(p, &end, 10));
		if (end == p)
			errx(2, "%s: not a list of pids", o_pids);
		if ((d = opendir(path)) == NULL)
			continue;
		while ((task = readdir(d)) != NULL) {
			char file[512];
			FILE *f;

			(void)snprintf(file, sizeof(file), "%s/%s/schedstat",
			    path, task->d_name);
			if (task->d_name[0] == '.' ||
			    (f = fopen(file, "re")) == NULL)
				continue;
			if (fscanf(f, "%" SCNu64, &one) == 1)
				sum += one;
			(void)fclose(f);
		}
		(void)closedir(d);
	}
	return sum;
}

static int
by_size(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double
quantile(double q)
{
	if (samples.n == 0)
		return 0;
	return (double)samples.ns[(size_t)((double)(samples.n - 1) * q)] / 1e3;
}

/*
 * Hand out what is due: to every idle connection, or as the schedule says.
 */
static uint64_t
hand_out(uint64_t start, uint64_t *issued)
{
	uint64_t gap = o_rate > 0 ? SECOND / (uint64_t)o_rate : 0;

	for (long i = 0; i < o_conns; i++) {
		uint64_t t = now(), due = start + *issued * gap;

		if (conns[i].busy)
			continue;
		if (gap > 0 && due > t)
			return due - t;
		ask(&conns[i], gap > 0 ? due : t);
		++*issued;
	}
	return SECOND / 20;
}

static void
run(void)
{
	uint64_t start = now(), issued = 0, cpu = 0, began = 0, t, wait;
	uint64_t from = start + (uint64_t)o_warm * 1000000;
	uint64_t until = from + (uint64_t)o_ms * 1000000;
	struct epoll_event events[256];
	double n, seconds;

	while ((t = now()) < until) {
		if (began == 0 && t >= from) {
			began = t;
			bad = 0;
			cpu = cpu_time();
		}
		wait = hand_out(start, &issued);
		if (wait > until - t)
			wait = until - t;
		struct timespec patience = {
		    (time_t)(wait / SECOND), (long)(wait % SECOND)};
		int ready =
		    epoll_pwait2(epoll_fd, events, 256, &patience, NULL);

		for (int i = 0; i < ready; i++)
			hear(events[i].data.ptr, began != 0);
	}
	/* What is still awaited has waited at least so long. */
	for (long i = 0; o_rate > 0 && i < o_conns; i++)
		if (conns[i].busy)
			note(t - conns[i].due);
	seconds = (double)(t - began) / 1e9;
	cpu = cpu_time() - cpu;
	qsort(samples.ns, samples.n, sizeof(*samples.ns), by_size);
	n = samples.n > 0 ? (double)samples.n : 1;
	(void)printf("ops=%.1f p50=%.1f p90=%.1f p99=%.1f max=%.1f cpu=%.2f "
	             "n=%zu bad=%" PRIu64 "\n",
	    (double)samples.n / seconds, quantile(.5), quantile(.9),
	    quantile(.99), quantile(1), (double)cpu / 1e3 / n, samples.n, bad);
}

int
main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		read_option(argv[i]);
	if (o_to == NULL || o_conns < 1 || o_conns > CONNS_MAX)
		errx(2, "usage: loadgen to=SOCKET [KEY=VALUE]...");
	if (o_profiles < 0 || o_pick < 0 || o_customers < 1 ||
	    (o_profiles > 0 && o_profiles < o_customers))
		errx(2, "loadgen: fewer profiles than customers");
	codec_init();
	framed = strcmp(o_face, "framed") == 0;
	compose(o_profile);
	if ((epoll_fd = epoll_create1(EPOLL_CLOEXEC)) < 0 ||
	    (conns = calloc((size_t)o_conns, sizeof(*conns))) == NULL)
		err(1, NULL);
	for (long i = 0; i < o_conns; i++)
		conn_open(&conns[i]);
	run();
	return 0;
}
