/*
 * Which streams carry a second request, and which never.
 */
#include "tests/unit/gate/world.h"

#include "vaultd/gate/fields.h"
#include "vaultd/gate/stream.h"

#define GET  "GET /acme/demo/ HTTP/1.1\r\nHost: v\r\n\r\n"
#define POST "POST /acme/demo/ HTTP/1.1\r\nHost: v\r\nContent-Length: 2\r\n\r\n"

/* An answer's bytes, which must end with "end"; at most so many come. */
static void
want_answer(int c, const char *end)
{
	char text[1024] = "";
	size_t n = 0;

	while (strstr(text, end) == NULL) {
		assert_true(ready(c, WORLD_MS) && n < sizeof(text) - 1);
		assert_int_equal(recv(c, text + n, 1, 0), 1);
		text[++n] = '\0';
	}
}

static void
answer(int s, int c)
{
	SAY(s, HEAD, .status = 200, .headers = PAIRS("Content-Length", "2"));
	SAY(s, DATA, .bytes = slice_str("ok"));
	SAY(s, END, );
	want_answer(c, "\r\n\r\nok");
}

/* Ask, and have a new stream for it from courier "peer" on lane "to". */
static int
open_from(int c, int to, uint32_t peer)
{
	uint64_t number;

	send_text(c, GET);
	number = WANT(W.keeper, REQUEST).number;
	SAY(W.keeper, STREAM, .number = number, .room = ROOM_COURIER,
	    .peer = peer);
	assert_int_equal(WANT(to, OPEN).number, number);
	assert_true(W.fd >= 0);
	return W.fd;
}

static int
open_stream(int c)
{
	send_text(c, GET);
	return join(WANT(W.keeper, REQUEST).number);
}

static void
rooms_stream_carries_the_next_request(void **state)
{
	int c = client(FACE_HTTP), other = client(FACE_FRAMED), s;
	struct client_msg m = {.type = CLIENT_REQUEST,
	    .request = {.profile = slice_str("acme/demo"),
	        .method = slice_str("GET"),
	        .target = slice_str("/")}};
	uint8_t frame[256];
	size_t n;

	(void)state;
	s = open_stream(c);
	answer(s, c);
	send_text(c, POST "hi");
	rejoin(s, WANT(W.keeper, REQUEST).number);
	assert_true(slice_is(WANT(s, BODY).bytes, "hi"));
	(void)WANT(s, BODY_END);
	answer(s, c);
	/* Whose request it was makes no difference. */
	assert_int_equal(codec_encode(1, &m, frame, sizeof(frame), &n), 0);
	send_bytes(other, frame, n);
	rejoin(s, WANT(W.keeper, REQUEST).number);
	SAY(s, HEAD, .status = 200, );
	SAY(s, END, );
	assert_true(ready(other, WORLD_MS));
	close(s);
	close(c);
	close(other);
}

static void
rooms_long_body_comes_on_the_stream_that_it_began(void **state)
{
	static char body[40000];
	int c = client(FACE_HTTP), idle, s;
	uint64_t number;
	size_t n = 0;

	(void)state;
	idle = open_stream(c);
	answer(idle, c);
	send_text(c,
	    "POST /acme/demo/ HTTP/1.1\r\nHost: v\r\n"
	    "Content-Length: 40000\r\n\r\n");
	memset(body, 'x', sizeof(body));
	send_bytes(c, body, sizeof(body));
	number = WANT(W.keeper, REQUEST).number;
	/* All of it is on its way before the keeper's yes. */
	assert_false(ready(W.keeper, 100));
	s = join(number);
	while (n < sizeof(body))
		n += WANT(s, BODY).bytes.n;
	assert_int_equal(n, sizeof(body));
	(void)WANT(s, BODY_END);
	answer(s, c);
	assert_false(ready(idle, 20));
	close(idle);
	close(s);
	close(c);
}

static void
rooms_failed_stream_is_closed(void **state)
{
	int c = client(FACE_HTTP), s, again;

	(void)state;
	s = open_stream(c);
	SAY(s, FAIL, .refusal = REFUSED_UPSTREAM);
	want_answer(c, "}");
	assert_ends(s);
	again = open_stream(c);
	answer(again, c);
	close(s);
	close(again);
	close(c);
}

static void
rooms_cancelled_stream_is_closed(void **state)
{
	int c = client(FACE_HTTP), s, again;

	(void)state;
	s = open_stream(c);
	SAY(s, HEAD, .status = 200, .headers = PAIRS("Content-Length", "2"));
	want_answer(c, "\r\n\r\n");
	close(c);
	(void)WANT(W.keeper, CANCEL);
	assert_ends(s);
	c = client(FACE_HTTP);
	again = open_stream(c);
	answer(again, c);
	close(s);
	close(again);
	close(c);
}

static void
rooms_stream_of_an_unfinished_body_is_closed(void **state)
{
	int c = client(FACE_HTTP), s, again;

	(void)state;
	send_text(c, POST "h");
	s = join(WANT(W.keeper, REQUEST).number);
	assert_true(slice_is(WANT(s, BODY).bytes, "h"));
	answer(s, c);
	assert_ends(s);
	send_text(c, "i");
	again = open_stream(c);
	answer(again, c);
	close(s);
	close(again);
	close(c);
}

static void
rooms_ledger_stream_is_closed(void **state)
{
	const struct client_msg m = {.type = CLIENT_AUDIT};
	int c = client(FACE_FRAMED), to = lane(ROOM_LEDGER, 0), s;
	uint8_t frame[64];
	size_t n;

	(void)state;
	assert_int_equal(codec_encode(1, &m, frame, sizeof(frame), &n), 0);
	send_bytes(c, frame, n);
	(void)WANT(W.keeper, ASK);
	SAY(W.keeper, STREAM, .number = 1, .room = ROOM_LEDGER);
	(void)WANT(to, OPEN);
	s = W.fd;
	SAY(s, END, );
	assert_true(ready(c, WORLD_MS));
	assert_ends(s);
	close(s);
	close(to);
	close(c);
}

/*
 * "count" requests at once through courier "peer", all answered.
 */
static void
idle_many(int to, uint32_t peer, int *c, int *s, int count)
{
	for (int i = 0; i < count; i++)
		s[i] = open_from(c[i], to, peer);
	for (int i = 0; i < count; i++)
		answer(s[i], c[i]);
}

static int
count_ended(const int *s, int count)
{
	int ended = 0;

	for (int i = 0; i < count; i++)
		ended += ready(s[i], 0);
	return ended;
}

static void
rooms_idle_streams_are_bounded(void **state)
{
	enum { ONE = STREAM_IDLE_ONE, MORE = ONE + 3, PEERS = 5 };
	static int c[MORE], s[PEERS][MORE], to[PEERS];

	(void)state;
	for (int i = 0; i < MORE; i++)
		c[i] = client(FACE_HTTP);
	for (int i = 0; i < PEERS; i++)
		to[i] = lane(ROOM_COURIER, (uint32_t)i + 1);
	idle_many(to[0], 1, c, s[0], MORE);
	/* Those that were idle for longest. */
	for (int i = 0; i < MORE - ONE; i++)
		assert_ends(s[0][i]);
	assert_int_equal(count_ended(s[0], MORE), MORE - ONE);
	for (int i = 1; i < PEERS; i++)
		idle_many(to[i], (uint32_t)i + 1, c, s[i], ONE);
	for (int i = 0; i < PEERS * ONE - STREAM_IDLE_ALL; i++)
		assert_ends(s[0][i + MORE - ONE]);
	assert_int_equal(count_ended(s[1], ONE), 0);
	for (int i = 0; i < PEERS; i++) {
		for (int k = 0; k < (i == 0 ? MORE : ONE); k++)
			close(s[i][k]);
		close(to[i]);
	}
	for (int i = 0; i < MORE; i++)
		close(c[i]);
}

static void
rooms_idle_stream_goes_with_its_courier(void **state)
{
	int c = client(FACE_HTTP), to, s, again;

	(void)state;
	/* It closes the stream. */
	s = open_stream(c);
	answer(s, c);
	close(s);
	s = open_stream(c);
	answer(s, c);
	/* Another courier's request is not put on it. */
	to = lane(ROOM_COURIER, 8);
	again = open_from(c, to, 8);
	answer(again, c);
	/* It closes its lane, or gets another one. */
	close(to);
	assert_ends(again);
	close(W.lane);
	W.lane = lane(ROOM_COURIER, 7);
	assert_ends(s);
	close(again);
	close(s);
	s = open_stream(c);
	answer(s, c);
	close(s);
	close(c);
}

static void
hostile_courier_that_speaks_while_idle_is_reported(void **state)
{
	int c = client(FACE_HTTP), s, again;
	struct rec_OFFENCE m;

	(void)state;
	s = open_stream(c);
	answer(s, c);
	SAY(s, DATA, .bytes = slice_str("more"));
	m = WANT(W.supervisor, OFFENCE);
	assert_int_equal(m.room, ROOM_COURIER);
	assert_int_equal(m.number, 7);
	assert_int_equal(m.error, -VERR_FORBIDDEN);
	assert_ends(s);
	assert_int_equal(world_log().code, LOG_PEER_OFFENDED);
	/* The same in one breath with the end of the answer before. */
	again = open_stream(c);
	SAY(again, HEAD, .status = 204, );
	SAY(again, END, );
	SAY(again, END, );
	want_answer(c, "\r\n\r\n");
	assert_int_equal(WANT(W.supervisor, OFFENCE).number, 7);
	assert_ends(again);
	close(s);
	close(again);
	close(c);
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_up, world_down)

/* A courier that was taken over has many: time is everybody's. */
static void
hostile_answers_have_a_bounded_number_of_headers(void **state)
{
	static uint8_t list[32768];
	struct pairs_writer w = {.p = list, .cap = sizeof(list)};
	int c = client(FACE_HTTP), s = open_stream(c);

	(void)state;
	for (int i = 0; i <= FIELDS_TO_CLIENT_MAX; i++)
		pairs_put(&w, slice_str("a"), slice_str("b"));
	assert_false(w.overflow);
	SAY(s, HEAD, .status = 200, .headers = slice_of(list, w.n));
	want_answer(c, "HTTP/1.1 502 ");
	(void)WANT(W.keeper, CANCEL);
	assert_ends(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    T(rooms_stream_carries_the_next_request),
	    T(rooms_long_body_comes_on_the_stream_that_it_began),
	    T(rooms_failed_stream_is_closed),
	    T(rooms_cancelled_stream_is_closed),
	    T(rooms_stream_of_an_unfinished_body_is_closed),
	    T(rooms_ledger_stream_is_closed),
	    T(rooms_idle_streams_are_bounded),
	    T(rooms_idle_stream_goes_with_its_courier),
	    T(hostile_courier_that_speaks_while_idle_is_reported),
	    T(hostile_answers_have_a_bounded_number_of_headers),
	};

	codec_init();
	cmocka_set_test_filter(getenv("VAULTD_TEST_FILTER"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
