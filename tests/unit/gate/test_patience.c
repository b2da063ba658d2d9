/*
 * How long the gate waits for its clients.  Its code runs in a process of its
 * own, without walls, and with a clock that the test puts forward.
 */
#include "tests/unit/gate/world.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include "vaultd/gate/gate.h"

static uint64_t *ahead_s; /* of the real clock; the gate sees it, too */

int
clock_gettime(clockid_t id, struct timespec *ts)
{
	int r = (int)syscall(SYS_clock_gettime, id, ts);

	if (r == 0 && ahead_s != NULL)
		ts->tv_sec += (time_t)*ahead_s;
	return r;
}

static void
be_gate(int supervisor, int log, int keeper)
{
	static struct gate g = {.waits_last = &g.waits};
	int r;

	(void)log;
	close(W.supervisor);
	close(W.keeper);
	close(W.log);
	g.life.room = ROOM_GATE;
	if ((r = loop_new(&g.life.loop)) == 0 &&
	    (r = channel_new(g.life.loop, supervisor, ROOM_GATE,
	         ROOM_SUPERVISOR, CHANNEL_TAKES_FD, &gate_supervisor_ops, &g,
	         &g.life.supervisor)) == 0 &&
	    (r = channel_new(g.life.loop, keeper, ROOM_GATE, ROOM_KEEPER, 0,
	         &gate_keeper_ops, &g, &g.keeper)) == 0)
		r = loop_run(g.life.loop);
	_exit(r != 0);
}

static int
up(void **state)
{
	(void)state;
	*ahead_s = 0;
	world_start(be_gate);
	return 0;
}

/*
 * So many seconds go by; something wakes the gate, which then looks.
 */
static void
pass(uint64_t seconds)
{
	*ahead_s += seconds;
	SAY(W.supervisor, SESSION_END, .session = 99);
}

static void
put_frame(int to, uint64_t request, const struct client_msg *m)
{
	uint8_t bytes[1024];
	size_t n;

	assert_int_equal(codec_encode(request, m, bytes, sizeof(bytes), &n), 0);
	send_bytes(to, bytes, n);
}

static enum client_type
get_frame(int from, struct client_msg *m)
{
	static uint8_t bytes[FRAME_BODY_MAX];
	uint8_t head[FRAME_HEADER];
	struct frame f;

	assert_int_equal(read_all(from, head, sizeof(head)), 0);
	assert_int_equal(frame_parse(head, &f), 0);
	assert_int_equal(read_all(from, bytes, f.length), 0);
	assert_int_equal(codec_decode(f.type, bytes, f.length, m), 0);
	return m->type;
}

static void
want_data(int from, size_t n)
{
	struct client_msg m;

	for (size_t got = 0; got < n; got += m.data.bytes.n)
		assert_int_equal(get_frame(from, &m), CLIENT_DATA);
}

/*
 * Begin a request, and answer it with more than the client's window.
 */
static int
overfull(int c, uint64_t request)
{
	static uint8_t block[16384];
	struct client_msg m = {.type = CLIENT_REQUEST,
	    .request = {.profile = slice_str("acme/demo"),
	        .method = slice_str("GET"),
	        .target = slice_str("/")}};
	int s;

	put_frame(c, request, &m);
	s = join(WANT(W.keeper, REQUEST).number);
	SAY(s, HEAD, .status = 200, );
	for (size_t i = 0; i <= FRAME_WINDOW / sizeof(block); i++)
		SAY(s, DATA, .bytes = slice_of(block, sizeof(block)));
	assert_int_equal(get_frame(c, &m), CLIENT_RESPONSE);
	want_data(c, FRAME_WINDOW);
	return s;
}

static void
rooms_call_without_a_window_is_refused(void **state)
{
	const struct client_msg window = {
	    .type = CLIENT_WINDOW, .window = {.bytes = 1}};
	int c = client(FACE_FRAMED), s, other;
	struct client_msg m;
	union record none;

	(void)state;
	s = overfull(c, 1);
	pass(50);
	other = overfull(c, 2);
	put_frame(c, 1, &window);
	want_data(c, 1);
	pass(50);
	assert_false(ready(W.keeper, 100)); /* neither is late yet */
	put_frame(c, 2, &window);
	want_data(c, 1);
	pass(11);
	assert_int_equal(WANT(W.keeper, CANCEL).number, 1);
	assert_int_equal(get_frame(c, &m), CLIENT_REFUSED);
	assert_true(slice_is(m.refused.code, "bad-request"));
	assert_int_equal(get_record(s, &none), 0);
	/* The others on the connection go on. */
	put_frame(c, 2,
	    &(const struct client_msg){
	        .type = CLIENT_WINDOW, .window = {.bytes = FRAME_WINDOW}});
	want_data(c, 16384 - 1);
	pass(1000);
	assert_false(ready(c, 100));
	SAY(other, END, );
	assert_int_equal(get_frame(c, &m), CLIENT_END);
	close(other);
	close(s);
	close(c);
}

/*
 * A client that takes nothing of what it waits for.
 */
static void
http_client_that_reads_nothing_is_dropped(void **state)
{
	static uint8_t block[16384];
	int c = client(FACE_HTTP), s;
	struct pollfd p;

	(void)state;
	send_text(c, "GET /acme/demo/ HTTP/1.1\r\nHost: v\r\n\r\n");
	s = join(WANT(W.keeper, REQUEST).number);
	SAY(s, HEAD, .status = 200, );
	p = (struct pollfd){.fd = s, .events = POLLOUT};
	while (poll(&p, 1, 200) > 0)
		SAY(s, DATA, .bytes = slice_of(block, sizeof(block)));
	pass(50);
	assert_false(ready(W.keeper, 100));
	pass(11);
	assert_int_equal(WANT(W.keeper, CANCEL).number, 1);
	assert_int_equal(WANT(W.supervisor, CLOSED).session, 1);
	close(s);
	close(c);
}

#define T(name) cmocka_unit_test_setup_teardown(name, up, world_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    T(rooms_call_without_a_window_is_refused),
	    T(http_client_that_reads_nothing_is_dropped),
	};

	ahead_s = mmap(NULL, sizeof(*ahead_s), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (ahead_s == MAP_FAILED)
		return 1;
	codec_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
