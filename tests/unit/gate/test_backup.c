#include "tests/unit/gate/world.h"

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

static int
ledger_lane(void)
{
	return lane(ROOM_LEDGER, 0);
}

/*
 * As keeper and ledger: say yes to "number", and return our end of its stream.
 */
static int
ledger_join(int on, uint64_t number)
{
	SAY(W.keeper, STREAM, .number = number, .audit = 1000 + number,
	    .room = ROOM_LEDGER);
	assert_int_equal(WANT(on, OPEN).number, number);
	assert_true(W.fd >= 0);
	return W.fd;
}

static void
backup_gate_passes_the_store_on(void **state)
{
	static uint8_t bytes[16384];
	int c = client(FACE_FRAMED), on = ledger_lane(), s;
	struct rec_ASK m;

	(void)state;
	memset(bytes, 0xff, sizeof(bytes));
	PUT(c, 1, BACKUP, backup, );
	m = WANT(W.keeper, ASK);
	assert_int_equal(m.what, ASK_BACKUP);
	s = ledger_join(on, 1);
	/* No more than the window goes, and all of it after more is granted. */
	for (unsigned i = 0; i < 20; i++)
		SAY(s, DATA, .bytes = slice_of(bytes, sizeof(bytes)));
	SAY(s, END, );
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(GET(c, 1, DATA, data).bytes.n, sizeof(bytes));
	assert_false(ready(c, 50));
	PUT(c, 1, WINDOW, window, .bytes = 262144);
	for (unsigned i = 0; i < 4; i++)
		assert_memory_equal(
		    GET(c, 1, DATA, data).bytes.p, bytes, sizeof(bytes));
	(void)GET(c, 1, END, end);
	assert_int_equal(GET(c, 1, DONE, done).audit, 1001);
	close(s);
	/* What fails in the middle has neither END nor DONE. */
	PUT(c, 2, BACKUP, backup, );
	(void)WANT(W.keeper, ASK);
	s = ledger_join(on, 2);
	SAY(s, DATA, .bytes = slice_str("x"));
	SAY(s, FAIL, .refusal = REFUSED_STALE);
	(void)GET(c, 2, DATA, data);
	want_refused(c, 2, "stale");
	close(s);
	PUT(c, 3, BACKUP, backup, );
	(void)WANT(W.keeper, ASK);
	s = ledger_join(on, 3);
	close(s);
	want_refused(c, 3, "store-unavailable");
	assert_int_equal(WANT(W.keeper, CANCEL).number, 3);
	close(c);
	close(on);
}

static int
upload(int c, uint64_t request)
{
	struct rec_ACT m;

	PUT(c, request, RESTORE, restore, .sealed = slice_str("sealed"));
	m = WANT(W.keeper, ACT);
	assert_true(slice_is(m.sealed, "sealed"));
	assert_int_equal(m.upload, 1);
	return (int)m.number;
}

static void
backup_gate_uploads_and_waits_for_the_keeper(void **state)
{
	int c = client(FACE_FRAMED), on = ledger_lane(), s;

	(void)state;
	assert_int_equal(upload(c, 1), 1);
	PUT(c, 1, DATA, data, .bytes = slice_str("early"));
	assert_false(ready(on, 50)); /* nothing before the keeper's yes */
	s = ledger_join(on, 1);
	assert_true(slice_is(WANT(s, BODY).bytes, "early"));
	PUT(c, 1, DATA, data, .bytes = slice_str("late"));
	assert_true(slice_is(WANT(s, BODY).bytes, "late"));
	PUT(c, 1, END, end, );
	(void)WANT(s, BODY_END);
	SAY(s, END, );
	assert_ends(s);
	assert_false(ready(c, 50)); /* the ledger's word closes nothing */
	SAY(W.keeper, DONE, .number = 1, .audit = 7,
	    .sentence = slice_str("restored"));
	assert_int_equal(GET(c, 1, DONE, done).audit, 7);
	close(s);
	/* An act has no upload, and an upload's keeper may refuse it late. */
	PUT(c, 2, ACT, act, .sealed = slice_str("sealed"));
	assert_int_equal(WANT(W.keeper, ACT).upload, 0);
	SAY(W.keeper, REFUSE, .number = 2, .refusal = REFUSED_DENIED);
	want_refused(c, 2, "denied");
	assert_int_equal(upload(c, 3), 3);
	PUT(c, 3, END, end, );
	s = ledger_join(on, 3);
	(void)WANT(s, BODY_END);
	SAY(s, END, );
	SAY(W.keeper, REFUSE, .number = 3, .refusal = REFUSED_NOT_FOUND);
	want_refused(c, 3, "not-found");
	close(s);
	close(c);
	close(on);
}

static void
backup_gate_upload_that_fails_is_refused(void **state)
{
	int c = client(FACE_FRAMED), on = ledger_lane(), s;

	(void)state;
	assert_int_equal(upload(c, 1), 1);
	s = ledger_join(on, 1);
	SAY(s, FAIL, .refusal = REFUSED_STORE,
	    .sentence = slice_str("the vault's disk has no room for it"));
	want_refused(c, 1, "store-unavailable");
	close(s);
	/* The ledger goes; it ends too early; the client goes. */
	assert_int_equal(upload(c, 2), 2);
	s = ledger_join(on, 2);
	close(s);
	want_refused(c, 2, "store-unavailable");
	assert_int_equal(WANT(W.keeper, CANCEL).number, 2);
	assert_int_equal(upload(c, 3), 3);
	s = ledger_join(on, 3);
	SAY(s, END, );
	want_refused(c, 3, "store-unavailable");
	assert_int_equal(WANT(W.keeper, CANCEL).number, 3);
	close(s);
	assert_int_equal(upload(c, 4), 4);
	s = ledger_join(on, 4);
	close(c);
	assert_int_equal(WANT(W.keeper, CANCEL).number, 4);
	assert_ends(s);
	close(s);
	close(on);
}

int
main(void)
{
#define gate_test(f) cmocka_unit_test_setup_teardown(f, world_up, world_down)
	const struct CMUnitTest tests[] = {
	    gate_test(backup_gate_passes_the_store_on),
	    gate_test(backup_gate_uploads_and_waits_for_the_keeper),
	    gate_test(backup_gate_upload_that_fails_is_refused),
	};

	codec_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
