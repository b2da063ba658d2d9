/*
 * The walls of each room beside its list of calls: who is under them, what
 * Landlock leaves, and that the room lives behind them.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

#include <cmocka.h>

#include "tests/sandbox/room.h"

/* A child that finds something wrong says where, as far as a status can. */
#define CHECK(what)                                                            \
	do {                                                                   \
		if (!(what))                                                   \
			_exit(__LINE__ % 128 + 100);                           \
	} while (0)

static int
lived(const struct room_under_test *r, const struct ending *e)
{
	if (WIFEXITED(e->status) && WEXITSTATUS(e->status) == 0)
		return 1;
	print_error("%s: status %#x (CHECK: line %% 128 + 100), log %llu, "
	            "%llu\n",
	    room_name(r->room), (unsigned)e->status,
	    (unsigned long long)e->last.code, (unsigned long long)e->last.n[0]);
	return 0;
}

static void
every_room_lives(const struct life *l)
{
	size_t failed = 0;

	for (size_t i = 0; i < COUNT(rooms); i++) {
		struct ending e = confined(&rooms[i], l);

		failed += !lived(&rooms[i], &e);
	}
	assert_int_equal(failed, 0);
}

static void
rooms_rules_say_why(void **state)
{
	(void)state;
	for (size_t i = 0; i < walls_common_len; i++)
		assert_true(walls_common[i].why[0] != '\0');
	for (size_t i = 0; i < COUNT(rooms); i++) {
		const struct walls *w = rooms[i].walls;

		for (size_t j = 0; j < w->nrules; j++)
			assert_true(w->rules[j].why[0] != '\0');
	}
}

static size_t
calls_allowed(const struct walls *w)
{
	size_t count = walls_common_len;

	for (size_t i = 0; i < w->nrules; i++) {
		int seen = w->rules[i].error != 0;

		for (size_t j = 0; j < i; j++)
			seen |= w->rules[j].sys == w->rules[i].sys;
		for (size_t j = 0; j < walls_common_len; j++)
			seen |= walls_common[j].sys == w->rules[i].sys;
		count += !seen;
	}
	return count;
}

static void
rooms_lists_are_short(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rooms); i++) {
		size_t n = calls_allowed(rooms[i].walls);

		print_message("%-10s %zu calls\n", room_name(rooms[i].room), n);
		assert_in_range(n, 1, rooms[i].calls_max);
	}
}

/*
 * A thread started where the keeper starts its own.
 */
static int started, walled;

static void *
try_when_walled(void *arg)
{
	(void)arg;
	__atomic_store_n(&started, 1, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&walled, __ATOMIC_ACQUIRE))
		continue;
	(void)syscall(SYS_personality, 0xffffffff);
	_exit(0);
}

static void
start_thread(const struct room_under_test *r, const struct walls_report *rep)
{
	pthread_t thread;

	(void)r;
	(void)rep;
	CHECK(pthread_create(&thread, NULL, try_when_walled, NULL) == 0);
	while (!__atomic_load_n(&started, __ATOMIC_ACQUIRE))
		continue;
}

static void
let_thread_try(const void *arg)
{
	static int never;

	(void)arg;
	__atomic_store_n(&walled, 1, __ATOMIC_RELEASE);
	for (;;)
		(void)syscall(SYS_futex, &never, 0 /* FUTEX_WAIT */, 0, NULL);
}

static void
rooms_threads_are_behind_the_walls(void **state)
{
	struct life l = {.between = start_thread, .behind = let_thread_try};

	(void)state;
	for (size_t i = 0; i < COUNT(rooms); i++) {
		struct ending e = confined(&rooms[i], &l);

		assert_true(stopped_by_wall(&e, SYS_personality));
	}
}

/*
 * Between the halves: what walls_landlock() alone does.
 */
static void
look_at_limits(const struct room_under_test *r, const struct walls_report *rep)
{
	struct rlimit rl;

	(void)r;
	CHECK(rep->up & WALL_LIMITS);
	CHECK(rep->up & WALL_NOT_DUMPABLE);
	CHECK(rep->up & WALL_NO_NEW_PRIVS);
	CHECK(prctl(PR_GET_DUMPABLE) == 0);
	CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	CHECK(getrlimit(RLIMIT_CORE, &rl) == 0);
	CHECK(rl.rlim_cur == 0 && rl.rlim_max == 0);
}

static void
rooms_are_limited_and_not_dumpable(void **state)
{
	struct life l = {.between = look_at_limits};

	(void)state;
	every_room_lives(&l);
}

static int
denied(const char *path, int flags)
{
	return open(path, flags, 0600) < 0 && errno == EACCES;
}

/*
 * The ledger has its folder, the dialer the resolver's files, the supervisor
 * what its config names and /etc to read, the others nothing.
 */
static void
open_files(const struct room_under_test *r, const struct walls_report *rep)
{
	int is_ledger = r->room == ROOM_LEDGER;
	int is_supervisor = r->room == ROOM_SUPERVISOR;
	int is_dialer = r->room == ROOM_DIALER;

	CHECK(rep->up & WALL_LANDLOCK);
	CHECK(denied("/", O_RDONLY | O_DIRECTORY));
	CHECK(denied("/dev/null", O_RDONLY));
	CHECK(denied("/etc/passwd", O_WRONLY));
	CHECK(denied("/etc/hosts", O_WRONLY));
	CHECK(denied("/etc/made-by-a-test", O_WRONLY | O_CREAT));
	CHECK(denied("../private", O_RDONLY));
	CHECK(denied("../made", O_WRONLY | O_CREAT));
	CHECK(denied("/etc/passwd", O_RDONLY) == !is_supervisor);
	CHECK(denied("/proc/self/status", O_RDONLY) == !is_supervisor);
	CHECK(denied("/etc/hosts", O_RDONLY) == !(is_dialer || is_supervisor));
	CHECK(denied("victim", O_RDONLY) == !(is_ledger || is_supervisor));
	CHECK(denied("victim", O_WRONLY) == !(is_ledger || is_supervisor));
	CHECK(denied("made", O_WRONLY | O_CREAT) ==
	    !(is_ledger || is_supervisor));
	CHECK(unlink("made") == 0 || !(is_ledger || is_supervisor));
	CHECK(symlink("/etc/passwd", "link") != 0 && errno == EACCES);
	CHECK(mkdir("folder", 0755) != 0 && errno == EACCES);
}

static void
rooms_reach_no_file_but_their_own(void **state)
{
	struct life l = {.between = open_files};

	(void)state;
	every_room_lives(&l);
}

/*
 * Where the kernel has these rules.  To connect to port 9 of loopback is
 * refused because nobody listens there, if it is not by the wall.
 */
static void
reach_others(const struct room_under_test *r, const struct walls_report *rep)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
	    .sin_port = htons(9),
	    .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (rep->up & WALL_LANDLOCK_NET) {
		CHECK(connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0);
		CHECK((errno == EACCES) == !r->walls->tcp_connect);
		CHECK(bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0);
		CHECK(errno == EACCES);
	}
	if (rep->up & WALL_LANDLOCK_SCOPE)
		CHECK((kill(getppid(), 0) == 0) == r->walls->signals);
}

static void
rooms_reach_nobody_past_landlock(void **state)
{
	struct life l = {.between = reach_others};

	(void)state;
	every_room_lives(&l);
}

/*
 * A room's life: memory, time, randomness, and records that go both ways over
 * its channel, a descriptor with them where it takes any.
 */
struct talk {
	struct loop *loop;
	struct channel *channel;
	int heard;
};

static int
on_hello(void *arg, const union record *m, int *fd)
{
	struct talk *t = arg;

	(void)m;
	(void)fd;
	t->heard++;
	loop_stop(t->loop, 0);
	return 0;
}

static int
on_peer(void *arg, const union record *m, int *fd)
{
	struct talk *t = arg;

	(void)m;
	t->heard += *fd >= 0;
	loop_stop(t->loop, 0);
	return 0;
}

static void
on_closed(void *arg, struct channel *ch, int r)
{
	(void)ch;
	(void)r;
	loop_stop(((struct talk *)arg)->loop, 1);
}

static const struct handler handlers[] = {
    {REC_HELLO, on_hello}, {REC_PEER, on_peer}, {0}};
static const struct channel_ops talk_ops = {
    .handlers = handlers, .on_closed = on_closed};

/* In a child: its side.  The supervisor's channels take no descriptor. */
static struct talk inside;

static void
prepare_talk(const struct room_under_test *r)
{
	int is_supervisor = r->room == ROOM_SUPERVISOR;

	tzset();
	CHECK(loop_new(&inside.loop) == 0);
	CHECK(channel_new(inside.loop, FD_SUPERVISOR, r->room,
	          is_supervisor ? ROOM_LEDGER : ROOM_SUPERVISOR,
	          is_supervisor ? 0 : CHANNEL_TAKES_FD, &talk_ops, &inside,
	          &inside.channel) == 0);
}

static void
use_memory(void)
{
	uint8_t *p;

	for (size_t n = 1; n < 8u << 20; n *= 3) {
		CHECK((p = malloc(n)) != NULL);
		memset(p, 0xff, n);
		CHECK((p = realloc(p, n + n / 2)) != NULL);
		CHECK(p[n - 1] == 0xff);
		free(p);
	}
}

static void
live_and_talk(const void *arg)
{
	const struct room_under_test *r = arg;
	struct timespec ts;
	uint8_t random[32];

	use_memory();
	CHECK(syscall(SYS_clock_gettime, CLOCK_BOOTTIME, &ts) == 0);
	CHECK(getrandom(random, sizeof(random), 0) == sizeof(random));
	log_say(LOG_LOADED, 1, 2, 3);
	if (r->room != ROOM_SUPERVISOR)
		channel_say(inside.channel, HELLO, .walls = 1);
	CHECK(loop_run(inside.loop) == 0);
	CHECK(inside.heard == 1);
	channel_free(inside.channel);
}

static struct ending
talk_with(const struct room_under_test *r)
{
	int is_supervisor = r->room == ROOM_SUPERVISOR, log, fd;
	struct life l = {
	    .before = prepare_talk, .behind = live_and_talk, .arg = r};
	pid_t pid = begin(r, &l, &log, &fd);
	struct talk t = {0};
	union record m = {.PEER = {.room = ROOM_LEDGER}};

	assert_int_equal(loop_new(&t.loop), 0);
	assert_int_equal(channel_new(t.loop, fd,
	                     is_supervisor ? ROOM_LEDGER : ROOM_SUPERVISOR,
	                     r->room, 0, &talk_ops, &t, &t.channel),
	    0);
	if (is_supervisor) {
		channel_say(t.channel, HELLO, .walls = 1);
	} else {
		assert_int_equal(loop_run(t.loop), 0);
		assert_int_equal(t.heard, 1);
		assert_int_equal(
		    channel_send(t.channel, REC_PEER, &m, dup(0)), 0);
	}
	/* Until the child closes its end. */
	assert_int_equal(loop_run(t.loop), 1);
	channel_free(t.channel);
	loop_free(t.loop);
	return ending_of(pid, log);
}

static void
rooms_live_behind_their_walls(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rooms); i++) {
		struct ending e = talk_with(&rooms[i]);

		assert_true(lived(&rooms[i], &e));
		assert_int_equal(e.last.code, LOG_LOADED);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(rooms_rules_say_why),
	    cmocka_unit_test(rooms_lists_are_short),
	    cmocka_unit_test(rooms_threads_are_behind_the_walls),
	    cmocka_unit_test(rooms_are_limited_and_not_dumpable),
	    cmocka_unit_test(rooms_reach_no_file_but_their_own),
	    cmocka_unit_test(rooms_reach_nobody_past_landlock),
	    cmocka_unit_test(rooms_live_behind_their_walls),
	};

	return cmocka_run_group_tests(tests, house_build, house_clear);
}
