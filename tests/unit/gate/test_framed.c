#include "tests/unit/gate/world.h"

#include <dirent.h>

#include "protocol/verr.h"

static uint8_t body[FRAME_BODY_MAX];
static uint64_t id; /* of the last frame read */

static void
put_frame(int to, uint64_t request, const struct client_msg *m)
{
	static uint8_t bytes[FRAME_MAX];
	size_t n;

	assert_int_equal(codec_encode(request, m, bytes, sizeof(bytes), &n), 0);
	send_bytes(to, bytes, n);
}

#define PUT(to, request, NAME, name, ...)                                      \
	put_frame((to), (request),                                             \
	    &(const struct client_msg){                                        \
	        .type = CLIENT_##NAME, .name = {__VA_ARGS__}})

/*
 * Read one frame into *m; returns 0 at the end of the connection.
 */
static int
get_frame(int from, struct client_msg *m)
{
	uint8_t head[FRAME_HEADER];
	struct frame f;

	if (read_all(from, head, sizeof(head)) != 0)
		return 0;
	assert_int_equal(frame_parse(head, &f), 0);
	assert_int_equal(codec_admit(&f, CODEC_VAULT), 0);
	assert_int_equal(read_all(from, body, f.length), 0);
	assert_int_equal(codec_decode(f.type, body, f.length, m), 0);
	id = f.id;
	return 1;
}

static struct client_msg
want_frame(int from, uint64_t request, enum client_type type)
{
	struct client_msg m = {0};

	if (!get_frame(from, &m))
		fail_msg("the connection ended");
	if (m.type != type || id != request)
		fail_msg("%s of %llu came instead of %s of %llu",
		    codec_message(m.type)->name, (unsigned long long)id,
		    codec_message(type)->name, (unsigned long long)request);
	return m;
}

#define GET(from, request, NAME, name)                                         \
	(want_frame((from), (request), CLIENT_##NAME).name)

static void
want_refused(int from, uint64_t request, const char *code)
{
	struct client_refused m = GET(from, request, REFUSED, refused);

	assert_true(slice_is(m.code, code));
	assert_int_equal(m.http, refusal_info(refusal_by_code(code))->http);
}

static void
put_request(int to, uint64_t request, const char *method, enum body_kind kind,
    uint64_t length)
{
	PUT(to, request, REQUEST, request, .profile = slice_str("acme/demo"),
	    .method = slice_str(method), .target = slice_str("/v1?a=b"),
	    .headers = slice_str("X-Flow: orders\r\nConnection: close\r\n"),
	    .body = kind, .length = length);
}

static void
rooms_framed_questions_are_asked_and_answered(void **state)
{
	static uint8_t nonce[24] = {1, 2, 3};
	int c = client(FACE_FRAMED);
	struct rec_ASK m;
	struct client_done done;

	(void)state;
	PUT(c, 1, WHOAMI, whoami, );
	PUT(c, 5, EXPLAIN, explain, .verb = slice_str("request"),
	    .profile = slice_str("acme/demo"), .path = slice_str("/x"));
	PUT(c, 6, NONCE, nonce, );
	PUT(c, 7, ACT, act, .sealed = slice_str("sealed"));
	PUT(c, 8, SLOTS, slots, );
	m = WANT(W.keeper, ASK);
	assert_int_equal(m.what, ASK_WHOAMI);
	assert_int_equal(m.number, 1);
	assert_int_equal(m.pairs.n, 0);
	m = WANT(W.keeper, ASK);
	assert_int_equal(m.what, ASK_EXPLAIN);
	assert_pair(m.pairs, "verb", "request");
	assert_pair(m.pairs, "path", "/x");
	assert_pair(m.pairs, "user", "");
	assert_int_equal(WANT(W.keeper, ASK).what, ASK_NONCE);
	assert_true(slice_is(WANT(W.keeper, ACT).sealed, "sealed"));
	assert_int_equal(WANT(W.keeper, ASK).what, ASK_SLOTS);
	/* In any order. */
	SAY(W.keeper, REFUSE, .number = 4, .refusal = REFUSED_EXISTS,
	    .audit = 3);
	SAY(W.keeper, NONCE, .number = 3,
	    .nonce = slice_of(nonce, sizeof(nonce)));
	SAY(W.keeper, ROW, .number = 2, .json = slice_str("{}"));
	SAY(W.keeper, ROW, .number = 1, .json = slice_str("{\"uid\":0}"));
	SAY(W.keeper, DONE, .number = 1, .audit = 9,
	    .sentence = slice_str("so be it"));
	want_refused(c, 7, "exists");
	assert_memory_equal(
	    GET(c, 6, NONCE_IS, nonce_is).nonce.p, nonce, sizeof(nonce));
	assert_true(slice_is(GET(c, 5, ROW, row).json, "{}"));
	assert_true(slice_is(GET(c, 1, ROW, row).json, "{\"uid\":0}"));
	done = GET(c, 1, DONE, done);
	assert_int_equal(done.audit, 9);
	assert_true(slice_is(done.text, "so be it"));
	close(c);
	assert_int_equal(WANT(W.keeper, CANCEL).number, 5);
	assert_int_equal(WANT(W.keeper, CANCEL).number, 2);
}

static void
rooms_framed_requests_interleave(void **state)
{
	int c = client(FACE_FRAMED), a, b;
	struct rec_REQUEST m;
	struct client_response r;

	(void)state;
	put_request(c, 1, "POST", BODY_STREAM, 0);
	put_request(c, 2, "PUT", BODY_LENGTH, 3);
	m = WANT(W.keeper, REQUEST);
	assert_true(slice_is(m.profile, "acme/demo"));
	assert_true(slice_is(m.method, "POST"));
	assert_true(slice_is(m.target, "/v1?a=b"));
	assert_int_equal(m.body, BODY_STREAM);
	assert_pair(m.headers, "X-Flow", "orders");
	assert_pair(m.headers, "Connection", NULL);
	assert_int_equal(WANT(W.keeper, REQUEST).length, 3);
	PUT(c, 2, DATA, data, .bytes = slice_str("put"));
	PUT(c, 1, DATA, data, .bytes = slice_str("post"));
	PUT(c, 2, END, end, );
	b = join(2);
	a = join(1);
	assert_true(slice_is(WANT(b, BODY).bytes, "put"));
	(void)WANT(b, BODY_END);
	assert_true(slice_is(WANT(a, BODY).bytes, "post"));
	assert_false(ready(a, 20));
	SAY(b, HEAD, .status = 200,
	    .headers = PAIRS(
	        "A", "b", "Content-Length", "4", "Vaultd-Error", "forged"));
	SAY(b, DATA, .bytes = slice_str("b's "));
	r = GET(c, 2, RESPONSE, response);
	assert_int_equal(r.status, 200);
	assert_int_equal(r.audit, 1002);
	assert_true(slice_is(r.headers, "A: b\r\nContent-Length: 4\r\n"));
	assert_true(slice_is(GET(c, 2, DATA, data).bytes, "b's "));
	SAY(a, HEAD, .status = 404, );
	assert_int_equal(GET(c, 1, RESPONSE, response).status, 404);
	SAY(b, END, );
	(void)GET(c, 2, END, end);
	SAY(a, FAIL, .refusal = REFUSED_UPSTREAM);
	want_refused(c, 1, "upstream-failed");
	/* What crosses the end is dropped in silence. */
	PUT(c, 1, DATA, data, .bytes = slice_str("late"));
	PUT(c, 1, END, end, );
	PUT(c, 1, CANCEL, cancel, );
	PUT(c, 3, WHOAMI, whoami, );
	assert_int_equal(WANT(W.keeper, ASK).number, 3);
	close(a);
	close(b);
	close(c);
}

static void
rooms_framed_lane_may_come_after_the_stream(void **state)
{
	int c = client(FACE_FRAMED);

	(void)state;
	put_request(c, 1, "GET", BODY_NONE, 0);
	(void)WANT(W.keeper, REQUEST);
	SAY(W.keeper, STREAM, .number = 1, .audit = 5, .room = ROOM_COURIER,
	    .peer = 7);
	assert_false(ready(c, 50));
	W.lane = lane(ROOM_COURIER, 7);
	assert_int_equal(WANT(W.lane, OPEN).number, 1);
	assert_true(W.fd >= 0);
	close(W.fd); /* a courier that dies */
	want_refused(c, 1, "upstream-failed");
	close(c);
}

/*
 * More than a lane holds: the rest waits for the courier to read, in turn.
 */
static void
rooms_framed_calls_wait_for_a_full_lane(void **state)
{
	enum { CLIENTS = 7, EACH = 64, ALL = CLIENTS * EACH };
	static int streams[ALL];
	int c[CLIENTS];

	(void)state;
	W.lane = lane(ROOM_COURIER, 7);
	for (uint64_t i = 0; i < ALL; i++) {
		if (i % EACH == 0)
			c[i / EACH] = client(FACE_FRAMED);
		put_request(c[i / EACH], i % EACH + 1, "GET", BODY_NONE, 0);
		assert_int_equal(WANT(W.keeper, REQUEST).number, i + 1);
	}
	for (uint64_t i = 1; i <= ALL; i++)
		SAY(W.keeper, STREAM, .number = i, .audit = i,
		    .room = ROOM_COURIER, .peer = 7);
	assert_false(ready(W.keeper, 200)); /* nothing is given up */
	for (uint64_t i = 1; i <= ALL; i++) {
		assert_int_equal(WANT(W.lane, OPEN).number, i);
		assert_true((streams[i - 1] = W.fd) >= 0);
	}
	for (uint64_t i = 0; i < ALL; i++) {
		SAY(streams[i], HEAD, .status = 204, );
		(void)GET(c[i / EACH], i % EACH + 1, RESPONSE, response);
	}
	for (uint64_t i = 0; i < ALL; i++)
		close(streams[i]);
	for (size_t i = 0; i < CLIENTS; i++)
		close(c[i]);
}

/*
 * A courier that dies before it has read them leaves nobody waiting.
 */
static void
rooms_framed_calls_end_with_a_full_lane(void **state)
{
	enum { CLIENTS = 7, EACH = 64, ALL = CLIENTS * EACH };
	int c[CLIENTS];

	(void)state;
	W.lane = lane(ROOM_COURIER, 7);
	for (uint64_t i = 0; i < ALL; i++) {
		if (i % EACH == 0)
			c[i / EACH] = client(FACE_FRAMED);
		put_request(c[i / EACH], i % EACH + 1, "GET", BODY_NONE, 0);
		(void)WANT(W.keeper, REQUEST);
		SAY(W.keeper, STREAM, .number = i + 1, .audit = i,
		    .room = ROOM_COURIER, .peer = 7);
	}
	assert_false(ready(W.keeper, 200));
	close(W.lane);
	W.lane = -1;
	for (uint64_t i = 0; i < ALL; i++) {
		struct client_msg m;

		assert_int_equal(get_frame(c[i / EACH], &m), 1);
		assert_int_equal(m.type, CLIENT_REFUSED);
		assert_true(slice_is(m.refused.code, "upstream-failed"));
	}
	for (size_t i = 0; i < CLIENTS; i++)
		close(c[i]);
}

static void
rooms_framed_audit_lines_are_rows(void **state)
{
	int c = client(FACE_FRAMED), s;

	(void)state;
	W.lane = lane(ROOM_LEDGER, 0);
	PUT(c, 1, AUDIT, audit, .pairs = PAIRS("profile", "acme/demo"));
	assert_pair(WANT(W.keeper, ASK).pairs, "profile", "acme/demo");
	SAY(W.keeper, STREAM, .number = 1, .audit = 12, .room = ROOM_LEDGER);
	assert_int_equal(WANT(W.lane, OPEN).number, 1);
	s = W.fd;
	SAY(s, DATA, .bytes = slice_str("{\"seq\":1}\n{\"seq\":2}\n"));
	SAY(s, DATA, .bytes = slice_str("{\"seq\":3}\n"));
	SAY(s, END, );
	assert_true(slice_is(GET(c, 1, ROW, row).json, "{\"seq\":1}"));
	assert_true(slice_is(GET(c, 1, ROW, row).json, "{\"seq\":2}"));
	assert_true(slice_is(GET(c, 1, ROW, row).json, "{\"seq\":3}"));
	assert_int_equal(GET(c, 1, DONE, done).audit, 12);
	close(s);
	PUT(c, 2, AUDIT, audit, .pairs = slice_str("no pairs"));
	want_refused(c, 2, "bad-request");
	close(c);
}

/*
 * The vault sends no more than the window, and other requests go on.
 */
static void
rooms_framed_window_of_the_client_is_kept(void **state)
{
	static uint8_t block[16384];
	int c = client(FACE_FRAMED), s;
	size_t put = 0, got = 0;
	struct client_msg m;

	(void)state;
	put_request(c, 1, "GET", BODY_NONE, 0);
	(void)WANT(W.keeper, REQUEST);
	s = join(1);
	SAY(s, HEAD, .status = 200, );
	(void)GET(c, 1, RESPONSE, response);
	while (put < 4096 * 1024) {
		struct pollfd p = {.fd = s, .events = POLLOUT};

		if (poll(&p, 1, 100) == 0)
			break;
		SAY(s, DATA, .bytes = slice_of(block, 16000));
		put += 16000;
		while (ready(c, 0)) {
			assert_int_equal(get_frame(c, &m), 1);
			assert_int_equal(m.type, CLIENT_DATA);
			got += m.data.bytes.n;
		}
	}
	while (ready(c, 100)) {
		assert_int_equal(get_frame(c, &m), 1);
		got += m.data.bytes.n;
	}
	assert_int_equal(got, FRAME_WINDOW);
	assert_true(put < 1024 * 1024); /* it does not read on, either */
	PUT(c, 2, WHOAMI, whoami, );
	(void)WANT(W.keeper, ASK);
	SAY(W.keeper, DONE, .number = 2);
	(void)GET(c, 2, DONE, done);
	PUT(c, 1, WINDOW, window, .bytes = 1000);
	assert_int_equal(GET(c, 1, DATA, data).bytes.n, 1000);
	assert_false(ready(c, 50));
	PUT(c, 1, WINDOW, window, .bytes = 1u << 30);
	for (got += 1000; got < put; got += m.data.bytes.n) {
		assert_int_equal(get_frame(c, &m), 1);
		assert_int_equal(m.type, CLIENT_DATA);
	}
	SAY(s, END, );
	(void)GET(c, 1, END, end);
	close(s);
	close(c);
}

/*
 * A client gets more window as its body is taken, and not before.
 */
static void
rooms_framed_window_of_the_vault_follows_the_upstream(void **state)
{
	static uint8_t block[16384];
	int c = client(FACE_FRAMED), s;
	size_t sent = 0, granted = FRAME_WINDOW, taken = 0;
	union record m;

	(void)state;
	put_request(c, 1, "PUT", BODY_STREAM, 0);
	(void)WANT(W.keeper, REQUEST);
	s = join(1);
	for (;;) {
		while (granted - sent >= sizeof(block)) {
			PUT(c, 1, DATA, data,
			    .bytes = slice_of(block, sizeof(block)));
			sent += sizeof(block);
		}
		if (!ready(c, 200))
			break;
		granted += GET(c, 1, WINDOW, window).bytes;
	}
	assert_true(granted < 1024 * 1024); /* the window, and a socket's */
	while (taken < sent) {
		assert_int_equal(get_record(s, &m), REC_BODY);
		taken += m.BODY.bytes.n;
	}
	assert_true(GET(c, 1, WINDOW, window).bytes >= FRAME_WINDOW / 2);
	close(s);
	close(c);
}

static void
rooms_framed_cancel_ends_the_stream(void **state)
{
	int c = client(FACE_FRAMED), s;
	struct rec_CANCEL m;
	union record none;

	(void)state;
	put_request(c, 1, "GET", BODY_NONE, 0);
	(void)WANT(W.keeper, REQUEST);
	s = join(1);
	PUT(c, 1, CANCEL, cancel, );
	m = WANT(W.keeper, CANCEL);
	assert_int_equal(m.session, 1);
	assert_int_equal(m.number, 1);
	assert_int_equal(get_record(s, &none), 0);
	/* The keeper's answer may have crossed it. */
	SAY(W.keeper, REFUSE, .number = 1, .refusal = REFUSED_DENIED);
	PUT(c, 2, WHOAMI, whoami, );
	(void)WANT(W.keeper, ASK);
	SAY(W.keeper, DONE, .number = 2);
	(void)GET(c, 2, DONE, done);
	close(s);
	close(c);
}

static void
rooms_framed_keeper_gone_is_restarting(void **state)
{
	int c = client(FACE_FRAMED), idle = client(FACE_FRAMED), s;

	(void)state;
	put_request(c, 1, "GET", BODY_NONE, 0);
	(void)WANT(W.keeper, REQUEST);
	s = join(1);
	SAY(s, HEAD, .status = 200, );
	(void)GET(c, 1, RESPONSE, response);
	PUT(c, 2, WHOAMI, whoami, );
	(void)WANT(W.keeper, ASK);
	shutdown(W.keeper, SHUT_RDWR);
	want_refused(c, 2, "restarting");
	want_refused(c, 1, "restarting");
	want_refused(c, 0, "restarting");
	want_refused(idle, 0, "restarting");
	assert_ends(c);
	gate_exits();
	close(s);
	close(c);
	close(idle);
}

static void
rooms_framed_drain(void **state)
{
	int c = client(FACE_FRAMED), idle = client(FACE_FRAMED), s;

	(void)state;
	put_request(c, 1, "GET", BODY_NONE, 0);
	(void)WANT(W.keeper, REQUEST);
	s = join(1);
	put_record(W.supervisor, REC_DRAIN, &(union record){0}, -1);
	want_refused(idle, 0, "restarting");
	PUT(c, 2, WHOAMI, whoami, );
	want_refused(c, 2, "restarting");
	SAY(s, HEAD, .status = 200, );
	SAY(s, END, );
	(void)GET(c, 1, RESPONSE, response);
	(void)GET(c, 1, END, end);
	want_refused(c, 0, "restarting");
	assert_ends(c);
	close(c);
	close(idle);
	close(s);
	gate_exits();
}

static void
rooms_session_end_closes_the_connection(void **state)
{
	int c = client(FACE_FRAMED), other = client(FACE_HTTP);

	(void)state;
	PUT(c, 1, WHOAMI, whoami, );
	(void)WANT(W.keeper, ASK);
	SAY(W.supervisor, SESSION_END, .session = 1);
	assert_ends(c);
	assert_int_equal(WANT(W.supervisor, CLOSED).session, 1);
	assert_int_equal(WANT(W.keeper, CANCEL).number, 1);
	assert_false(ready(other, 20));
	close(c);
	close(other);
}

static void
rooms_half_closed_framed_client_gets_its_answer(void **state)
{
	int c = client(FACE_FRAMED);

	(void)state;
	PUT(c, 1, WHOAMI, whoami, );
	put_request(c, 2, "PUT", BODY_STREAM, 0);
	shutdown(c, SHUT_WR);
	(void)WANT(W.keeper, ASK);
	want_refused(c, 2, "bad-request"); /* its body will have no end */
	SAY(W.keeper, DONE, .number = 1);
	(void)GET(c, 1, DONE, done);
	assert_ends(c);
	close(c);
}

static void
rooms_too_much_at_once_is_refused(void **state)
{
	int c = client(FACE_FRAMED);

	(void)state;
	for (uint64_t i = 1; i <= 65; i++)
		PUT(c, i, WHOAMI, whoami, );
	want_refused(c, 65, "budget");
	for (uint64_t i = 1; i <= 64; i++)
		(void)WANT(W.keeper, ASK);
	SAY(W.keeper, DONE, .number = 1);
	(void)GET(c, 1, DONE, done);
	PUT(c, 66, WHOAMI, whoami, );
	(void)WANT(W.keeper, ASK);
	close(c);
}

/*
 * Rows that nobody reads must pile up neither here nor forever.
 */
static void
rooms_unread_rows_hold_the_keeper(void **state)
{
	static uint8_t row[60000];
	int c = client(FACE_FRAMED);
	size_t rows = 0;

	(void)state;
	memset(row, ' ', sizeof(row));
	row[0] = '{';
	row[sizeof(row) - 1] = '}';
	PUT(c, 1, WHOAMI, whoami, );
	(void)WANT(W.keeper, ASK);
	while (rows < 1000) {
		struct pollfd p = {.fd = W.keeper, .events = POLLOUT};

		if (poll(&p, 1, 200) == 0)
			break;
		SAY(W.keeper, ROW, .number = 1,
		    .json = slice_of(row, sizeof(row)));
		rows++;
	}
	assert_true(rows > 10 && rows < 60); /* 3.6 MB at most, not 60 */
	for (size_t i = 0; i < rows; i++)
		(void)GET(c, 1, ROW, row);
	SAY(W.keeper, DONE, .number = 1);
	(void)GET(c, 1, DONE, done);
	close(c);
}

/*
 * Another room that breaks the protocol is reported, and its request fails.
 */
static void
hostile_courier_is_reported(void **state)
{
	int c = client(FACE_FRAMED), s;
	struct rec_OFFENCE m;

	(void)state;
	for (uint64_t i = 1; i <= 3; i++) {
		put_request(c, i, "GET", BODY_NONE, 0);
		(void)WANT(W.keeper, REQUEST);
		s = join(i);
		if (i == 1) /* an answer without a beginning */
			SAY(s, DATA, .bytes = slice_str("x"));
		else if (i == 2)
			SAY(s, HEAD, .status = 100, );
		else
			SAY(s, BODY, .bytes = slice_str("x"));
		m = WANT(W.supervisor, OFFENCE);
		assert_int_equal(m.room, ROOM_COURIER);
		assert_int_equal(m.number, 7);
		want_refused(c, i, "upstream-failed");
		(void)WANT(W.keeper, CANCEL);
		close(s);
	}
	close(c);
}

static void
hostile_keeper_is_reported(void **state)
{
	int c = client(FACE_FRAMED);

	(void)state;
	PUT(c, 1, WHOAMI, whoami, );
	(void)WANT(W.keeper, ASK);
	SAY(W.keeper, NONCE, .number = 1,
	    .nonce = slice_of("123456789012345678901234", 24));
	assert_int_equal(WANT(W.supervisor, OFFENCE).room, ROOM_KEEPER);
	want_refused(c, 1, "restarting");
	gate_exits();
	close(c);
}

/* Breaches: one answer about the connection, then its end. */
static void
breaks(const void *bytes, size_t n, const char *code)
{
	int c = client(FACE_FRAMED);

	send_bytes(c, bytes, n);
	want_refused(c, 0, code);
	assert_ends(c);
	close(c);
}

static void
hostile_frames_are_refused_once(void **state)
{
	uint8_t f[64] = {0};
	struct frame head = {.id = 1, .type = CLIENT_WHOAMI};

	(void)state;
	breaks("GET / HTTP/1.1\r\nHost: vaultd\r\n\r\n", 32, "bad-request");
	frame_put(f, &head);
	f[6] = 2;
	breaks(f, FRAME_HEADER, "unknown-version");
	head.type = CLIENT_ROW; /* the vault's */
	frame_put(f, &head);
	breaks(f, FRAME_HEADER, "bad-request");
	head.type = 999;
	frame_put(f, &head);
	breaks(f, FRAME_HEADER, "bad-request");
	head = (struct frame){.id = 0, .type = CLIENT_WHOAMI};
	frame_put(f, &head);
	breaks(f, FRAME_HEADER, "bad-request");
	head = (struct frame){.id = 1, .type = CLIENT_WHOAMI, .length = 1};
	frame_put(f, &head);
	breaks(f, FRAME_HEADER, "bad-request");
	head = (struct frame){.id = 1, .type = CLIENT_DATA, .length = 16385};
	frame_put(f, &head);
	breaks(f, FRAME_HEADER, "bad-request");
	head = (struct frame){.id = 1, .type = CLIENT_CATALOG, .length = 14};
	frame_put(f, &head);
	memcpy(f + FRAME_HEADER, "tpl\x02\x0e\0\0\0s\0\0\0\0", 14);
	breaks(f, FRAME_HEADER + 14, "bad-request"); /* tpl's NULL string */
	head = (struct frame){.id = 1, .type = CLIENT_CANCEL};
	frame_put(f, &head);
	breaks(f, FRAME_HEADER, "bad-request"); /* of nothing */
	assert_false(ready(W.keeper, 20));
}

static void
hostile_unknown_version_names_the_spoken(void **state)
{
	int c = client(FACE_FRAMED);
	uint8_t f[FRAME_HEADER];
	struct client_refused m;

	(void)state;
	frame_put(f, &(struct frame){.id = 1, .type = CLIENT_WHOAMI});
	f[6] = 9;
	send_bytes(c, f, sizeof(f));
	m = GET(c, 0, REFUSED, refused);
	assert_non_null(memmem(m.sentence.p, m.sentence.n, "version 1", 9));
	close(c);
}

static void
hostile_ids_only_rise(void **state)
{
	int c = client(FACE_FRAMED);

	(void)state;
	PUT(c, 5, WHOAMI, whoami, );
	(void)WANT(W.keeper, ASK);
	PUT(c, 5, WHOAMI, whoami, );
	(void)WANT(W.keeper, CANCEL);
	want_refused(c, 0, "bad-request");
	assert_ends(c);
	close(c);
}

static void
hostile_body_beyond_what_was_granted(void **state)
{
	static uint8_t block[16384];
	int c = client(FACE_FRAMED);
	struct client_msg m;

	(void)state;
	put_request(c, 1, "PUT", BODY_STREAM, 0);
	/* Nobody takes it, and what fits a socket is less than this. */
	for (int i = 0; i < 128; i++)
		PUT(c, 1, DATA, data, .bytes = slice_of(block, sizeof(block)));
	(void)WANT(W.keeper, REQUEST);
	(void)WANT(W.keeper, CANCEL);
	do
		assert_int_equal(get_frame(c, &m), 1);
	while (m.type == CLIENT_WINDOW);
	assert_int_equal(m.type, CLIENT_REFUSED);
	assert_int_equal(id, 0);
	assert_ends(c);
	close(c);
	for (int i = 0; i < 3; i++) {
		c = client(FACE_FRAMED);
		put_request(c, 1, "PUT", i == 2 ? BODY_NONE : BODY_LENGTH,
		    i == 2 ? 0 : 3);
		if (i == 1)
			PUT(c, 1, END, end, ); /* too soon */
		else
			PUT(c, 1, DATA, data, .bytes = slice_str("four"));
		want_refused(c, 0, "bad-request");
		assert_ends(c);
		close(c);
	}
}

static void
hostile_bad_request_does_not_close(void **state)
{
	static const struct {
		const char *profile, *method, *headers;
	} bad[] = {
	    {"acme", "GET", ""},
	    {"acme/demo/x", "GET", ""},
	    {"Acme/demo", "GET", ""},
	    {"acme/de\nmo", "GET", ""},
	    {"acme/demo", "get", ""},
	    {"acme/demo", "GET / HTTP/1.1\r\nX:", ""},
	    {"acme/demo", "GET", "no colon\r\n"},
	    {"acme/demo", "GET", "A: b\r\n\r\nGET / HTTP/1.1\r\n"},
	    {"acme/demo", "GET", "A: b\n"},
	};
	size_t n = sizeof(bad) / sizeof(bad[0]);
	int c = client(FACE_FRAMED);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		PUT(c, i + 1, REQUEST, request,
		    .profile = slice_str(bad[i].profile),
		    .method = slice_str(bad[i].method),
		    .target = slice_str("/"),
		    .headers = slice_str(bad[i].headers));
		want_refused(c, i + 1, "bad-request");
	}
	PUT(c, n + 1, WHOAMI, whoami, );
	(void)WANT(W.keeper, ASK);
	close(c);
}

static void
hostile_other_speaker_is_told_and_dropped(void **state)
{
	int c = client(FACE_FRAMED), status;
	pid_t pid;

	(void)state;
	PUT(c, 1, WHOAMI, whoami, );
	(void)WANT(W.keeper, ASK);
	if ((pid = fork()) == 0) {
		PUT(c, 2, ACT, act, .sealed = slice_str("mine"));
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WANT(W.keeper, CANCEL).number, 1);
	assert_false(ready(W.keeper, 50));
	want_refused(c, 0, "speaker-changed");
	assert_ends(c);
	assert_int_equal(world_log().code, LOG_SPEAKER);
	close(c);
}

static void
hostile_connection_without_credentials(void **state)
{
	int c = connection(FACE_FRAMED, 0);

	(void)state;
	PUT(c, 1, WHOAMI, whoami, );
	want_refused(c, 0, "speaker-changed");
	assert_ends(c);
	assert_false(ready(W.keeper, 20));
	close(c);
}

static size_t
descriptors_of_gate(void)
{
	char path[64];
	size_t n = 0;
	DIR *d;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)W.pid);
	if ((d = opendir(path)) == NULL)
		return 0; /* not ours to look at: it is not dumpable */
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

/*
 * Send a good frame with "n" descriptors of the connection itself: a cycle.
 */
static void
send_descriptors(int c, size_t n)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(250 * sizeof(int))];
	} control = {.space = {0}};
	uint8_t f[FRAME_HEADER];
	struct iovec iov = {f, sizeof(f)};
	struct msghdr mh = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = &control,
	    .msg_controllen = CMSG_SPACE(n * sizeof(int))};

	frame_put(f, &(struct frame){.id = 1, .type = CLIENT_WHOAMI});
	control.align.cmsg_level = SOL_SOCKET;
	control.align.cmsg_type = SCM_RIGHTS;
	control.align.cmsg_len = CMSG_LEN(n * sizeof(int));
	for (size_t i = 0; i < n; i++)
		memcpy(
		    CMSG_DATA(&control.align) + i * sizeof(int), &c, sizeof(c));
	assert_int_equal(sendmsg(c, &mh, MSG_NOSIGNAL), sizeof(f));
}

static void
hostile_descriptors_are_closed(void **state)
{
	static const size_t many[] = {1, 250};
	size_t before = descriptors_of_gate();

	(void)state;
	for (int i = 0; i < 4; i++) {
		/* Without credentials there is room for some of them. */
		int c = connection(FACE_FRAMED, i / 2);

		send_descriptors(c, many[i % 2]);
		assert_int_equal(
		    WANT(W.supervisor, CLOSED).session, W.sessions);
		assert_ends(c);
		assert_int_equal(world_log().code, LOG_DESCRIPTOR);
		assert_false(ready(W.keeper, 20));
		assert_int_equal(descriptors_of_gate(), before);
		close(c);
	}
}

static void
rooms_refused_requests_leave_no_descriptor(void **state)
{
	int c = client(FACE_FRAMED);
	size_t before;

	(void)state;
	PUT(c, 1, WHOAMI, whoami, );
	(void)WANT(W.keeper, ASK);
	before = descriptors_of_gate();
	for (uint64_t i = 2; i < 10; i++) {
		put_request(c, i, "GET", BODY_NONE, 0);
		(void)WANT(W.keeper, REQUEST);
		SAY(W.keeper, REFUSE, .number = i, .refusal = REFUSED_DENIED);
		want_refused(c, i, "denied");
	}
	assert_int_equal(descriptors_of_gate(), before);
	close(c);
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_up, world_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    T(rooms_framed_questions_are_asked_and_answered),
	    T(rooms_framed_requests_interleave),
	    T(rooms_framed_lane_may_come_after_the_stream),
	    T(rooms_framed_calls_wait_for_a_full_lane),
	    T(rooms_framed_calls_end_with_a_full_lane),
	    T(rooms_framed_audit_lines_are_rows),
	    T(rooms_framed_window_of_the_client_is_kept),
	    T(rooms_framed_window_of_the_vault_follows_the_upstream),
	    T(rooms_framed_cancel_ends_the_stream),
	    T(rooms_framed_keeper_gone_is_restarting),
	    T(rooms_framed_drain),
	    T(rooms_session_end_closes_the_connection),
	    T(rooms_half_closed_framed_client_gets_its_answer),
	    T(rooms_too_much_at_once_is_refused),
	    T(rooms_unread_rows_hold_the_keeper),
	    T(rooms_refused_requests_leave_no_descriptor),
	    T(hostile_courier_is_reported),
	    T(hostile_keeper_is_reported),
	    T(hostile_frames_are_refused_once),
	    T(hostile_unknown_version_names_the_spoken),
	    T(hostile_ids_only_rise),
	    T(hostile_body_beyond_what_was_granted),
	    T(hostile_bad_request_does_not_close),
	    T(hostile_other_speaker_is_told_and_dropped),
	    T(hostile_connection_without_credentials),
	    T(hostile_descriptors_are_closed),
	};

	codec_init();
	cmocka_set_test_filter(getenv("VAULTD_TEST_FILTER"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
