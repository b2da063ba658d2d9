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
	static struct gate g = GATE_INITIAL(g);
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

static void
rooms_idle_stream_is_closed_in_time(void **state)
{
	static const char request[] =
	    "GET /acme/demo/ HTTP/1.1\r\nHost: v\r\n\r\n";
	int c = client(FACE_HTTP), s;
	char answer[256];

	(void)state;
	send_text(c, request);
	s = join(WANT(W.keeper, REQUEST).number);
	for (int i = 0; i < 2; i++) {
		SAY(s, HEAD, .status = 204, );
		SAY(s, END, );
		assert_true(recv(c, answer, sizeof(answer), 0) > 0);
		pass(8);
		assert_false(ready(s, 50));
		if (i == 0) {
			send_text(c, request);
			rejoin(s, WANT(W.keeper, REQUEST).number);
		}
	}
	pass(3);
	assert_ends(s);
	close(s);
	close(c);
}

/* What a client begins and does not end; or drips, a byte each ten seconds. */
static const struct {
	enum face face;
	int drips;
	const char *bytes;
	size_t n;
} stalls[] = {
    {FACE_FRAMED, 0, "V", 1},
    {FACE_FRAMED, 0, "VLTD\30\0\1\0\10\0\0\0\1\0\0\0\0\0\0\0\16\360\0", 23},
    /* The longest frame there is, an ACT, and nothing of it */
    {FACE_FRAMED, 0, "VLTD\30\0\1\0\10\0\0\0\1\0\0\0\0\0\0\0\16\360\0\0", 24},
    {FACE_FRAMED, 1, "VLTD\30\0\1\0\10\0\0\0\1\0\0\0\0\0\0\0\16\360\0\0", 1},
    {FACE_FRAMED, 1, "VLTD\30\0\1\0\10\0\0\0\1\0\0\0\0\0\0\0\16\360\0\0tpl\2",
        24},
    {FACE_HTTP, 0, "G", 1},
    {FACE_HTTP, 0, "GET /acme/demo/ HTTP/1.1\r\nHost: v\r\n", 35},
    {FACE_HTTP, 1, "GET /acme/demo/ HTTP/1.1\r\nHost: v\r\n", 1},
    {FACE_HTTP, 1, "GET /acme/demo/ HTTP/1.1\r\nHost: v\r\n\r", 30},
};

static int
is_refused(enum face face, int c)
{
	static const char want[] = "HTTP/1.1 400 ";
	uint8_t got[sizeof(want) - 1];
	struct client_msg m;

	if (face == FACE_FRAMED)
		return get_frame(c, &m) == CLIENT_REFUSED &&
		    slice_is(m.refused.code, "bad-request");
	return read_all(c, got, sizeof(got)) == 0 &&
	    memcmp(got, want, sizeof(got)) == 0;
}

/*
 * Thirty seconds for what has begun, however it comes; the next is served.
 */
static void
hostile_stalled_clients_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(stalls) / sizeof(stalls[0]); i++) {
		int c = client(stalls[i].face), other;

		send_bytes(c, stalls[i].bytes, stalls[i].n);
		assert_false(ready(c, 50));
		for (size_t at = stalls[i].n; at < stalls[i].n + 2; at++) {
			pass(10);
			if (stalls[i].drips)
				send_bytes(c, stalls[i].bytes + at, 1);
			assert_false(ready(c, 20));
		}
		pass(11);
		assert_true(is_refused(stalls[i].face, c));
		other = client(FACE_HTTP);
		send_text(other, "GET /-/healthz HTTP/1.1\r\nHost: v\r\n\r\n");
		assert_true(ready(other, WORLD_MS));
		close(other);
		close(c);
	}
	assert_false(ready(W.keeper, 50));
}

/*
 * A body of which no more comes is given up, and the request with it.
 */
static void
hostile_stalled_bodies_are_given_up(void **state)
{
	struct client_msg m = {.type = CLIENT_REQUEST,
	    .request = {.profile = slice_str("acme/demo"),
	        .method = slice_str("POST"),
	        .target = slice_str("/"),
	        .body = 1,
	        .length = 9}};
	uint64_t number;
	int c;

	(void)state;
	for (enum face face = FACE_FRAMED; face <= FACE_HTTP; face++) {
		c = client(face);
		if (face == FACE_FRAMED)
			put_frame(c, 1, &m);
		else
			send_text(c,
			    "POST /acme/demo/ HTTP/1.1\r\nHost: v\r\n"
			    "Content-Length: 9\r\n\r\nx");
		number = WANT(W.keeper, REQUEST).number;
		pass(59);
		assert_false(ready(W.keeper, 50));
		pass(2);
		assert_int_equal(WANT(W.keeper, CANCEL).number, number);
		assert_true(is_refused(face, c));
		close(c);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, up, world_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    T(rooms_call_without_a_window_is_refused),
	    T(rooms_idle_stream_is_closed_in_time),
	    T(http_client_that_reads_nothing_is_dropped),
	    T(hostile_stalled_clients_are_refused),
	    T(hostile_stalled_bodies_are_given_up),
	};

	ahead_s = mmap(NULL, sizeof(*ahead_s), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (ahead_s == MAP_FAILED)
		return 1;
	codec_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
