#include <stdio.h>

#include "tests/unit/keeper/world.h"

static struct keeper *k;
static int supervisor;

static int
setup(void **state)
{
	(void)state;
	k = world_keeper(&supervisor);
	return names_new(
	    slice_str("flow:x:1000:100::/:\n"), slice_str(""), &k->rules.names);
}

static int
teardown(void **state)
{
	(void)state;
	for (uint32_t gate = 0; gate < 10; gate++)
		sessions_end_gate(k, gate);
	names_free(k->rules.names);
	k->rules.names = NULL;
	close(supervisor);
	return 0;
}

static struct rec_SESSION
session(uint64_t number, uint32_t gate)
{
	return (struct rec_SESSION){.session = number,
	    .gate = gate,
	    .face = FACE_HTTP,
	    .uid = 1000,
	    .gid = 100,
	    .pid = 4711,
	    .loginuid = 1000,
	    .known = KNOWN_GROUPS,
	    .groups = slice_of("\x0a\0\0\0\xff\xff\xff\xff", 8),
	    .exe = slice_str("/usr/bin/flow"),
	    .cgroup = slice_str("/system.slice"),
	    .label = slice_str("")};
}

static void
begin(uint64_t number, uint32_t gate)
{
	struct rec_SESSION m = session(number, gate);

	assert_int_equal(session_begin(k, &m), 0);
}

static int
find(uint64_t number, uint32_t gate)
{
	struct session *s = NULL;
	int r = session_find(k, number, gate, &s);

	if (r == 0)
		assert_int_equal(s->number, number);
	else
		assert_null(s);
	return r;
}

static void
rooms_session_as_the_supervisor_said(void **state)
{
	struct session *s = NULL;

	(void)state;
	begin(5, 3);
	assert_int_equal(session_find(k, 5, 3, &s), 0);
	assert_int_equal(s->uid, 1000);
	assert_int_equal(s->gid, 100);
	assert_int_equal(s->pid, 4711);
	assert_int_equal(s->face, FACE_HTTP);
	assert_int_equal(s->ngroups, 2);
	assert_int_equal(s->groups[0], 10);
	assert_true(s->groups[1] == UINT32_MAX);
	assert_string_equal(s->exe, "/usr/bin/flow");
}

static void
hostile_session_unknown_ended_or_anothers(void **state)
{
	(void)state;
	begin(5, 3);
	assert_int_equal(find(5, 3), 0);
	assert_int_equal(find(5, 4), VERR_FORBIDDEN);
	assert_int_equal(find(6, 3), VERR_FORBIDDEN);
	assert_int_equal(find(5 + 1024, 3), VERR_FORBIDDEN);
	assert_int_equal(find(UINT64_MAX, 3), VERR_FORBIDDEN);
	assert_int_equal(find(4, 3), VERR_CLOSED); /* may have been */
	session_end(k, 5);
	session_end(k, 5);
	assert_int_equal(find(5, 3), VERR_CLOSED);
	/* Two in one bucket of the table are two. */
	begin(10, 3);
	begin(10 + 1024, 4);
	session_end(k, 10);
	assert_int_equal(find(10, 3), VERR_CLOSED);
	assert_int_equal(find(10 + 1024, 4), 0);
}

static void
rooms_session_numbers_never_repeat(void **state)
{
	struct rec_SESSION m;

	(void)state;
	begin(5, 3);
	for (uint64_t n = 0; n <= 5; n++) {
		m = session(n, 4);
		assert_int_equal(session_begin(k, &m), VERR_FORMAT);
	}
	session_end(k, 5);
	m = session(5, 3);
	assert_int_equal(session_begin(k, &m), VERR_FORMAT);
	m = session(6, 3);
	m.groups.n = 7;
	assert_int_equal(session_begin(k, &m), VERR_FORMAT);
	assert_int_equal(find(6, 3), VERR_FORBIDDEN);
	begin(6, 3);
}

static void
rooms_session_gate_takes_its_own_along(void **state)
{
	(void)state;
	for (uint64_t n = 1; n <= 3000; n++)
		begin(n, (uint32_t)(n % 2) + 1);
	sessions_end_gate(k, 1);
	for (uint64_t n = 1; n <= 3000; n++)
		assert_int_equal(find(n, (uint32_t)(n % 2) + 1),
		    n % 2 == 0 ? VERR_CLOSED : 0);
}

/*
 * The supervisor said it before the gate had the socket: however many it said
 * at once, and read or not, it comes before the gate's word.
 */
static void
rooms_session_is_heard_of_before_the_gate(void **state)
{
	static uint8_t wire[RECORD_HEADER + RECORD_MAX];
	size_t len = 0;

	(void)state;
	for (uint64_t n = 1; n <= 500; n++) {
		const union record r = {.SESSION = session(n, 3)};

		len += peer_encode(REC_SESSION, &r, 0, wire + len);
	}
	peer_send(supervisor, wire, len, NULL, 0);
	assert_int_equal(find(500, 3), 0);
	assert_int_equal(find(501, 3), VERR_FORBIDDEN);
	peer_say(supervisor, SESSION_END, .session = 500);
	peer_rounds(k->life.loop, 1);
	assert_int_equal(find(500, 3), VERR_CLOSED);
}

static void
hostile_session_nonce_once(void **state)
{
	uint8_t n[12][24];
	struct session *s = NULL, *other = NULL;

	(void)state;
	begin(5, 3);
	begin(6, 3);
	assert_int_equal(session_find(k, 5, 3, &s), 0);
	assert_int_equal(session_find(k, 6, 3, &other), 0);
	memset(n, 0, sizeof(n));
	assert_int_equal(session_take_nonce(s, slice_of(n[0], 24)), VERR_STALE);
	for (int i = 0; i < 4; i++)
		memcpy(n[i], session_make_nonce(s), 24);
	assert_memory_not_equal(n[0], n[1], 24);
	assert_int_equal(
	    session_take_nonce(other, slice_of(n[0], 24)), VERR_STALE);
	assert_int_equal(session_take_nonce(s, slice_of(n[0], 23)), VERR_STALE);
	assert_int_equal(session_take_nonce(s, slice_of(n[0], 0)), VERR_STALE);
	for (size_t bit = 0; bit < 24 * 8; bit++) {
		n[2][bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(
		    session_take_nonce(s, slice_of(n[2], 24)), VERR_STALE);
		n[2][bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_int_equal(session_take_nonce(s, slice_of(n[0], 24)), 0);
	assert_int_equal(session_take_nonce(s, slice_of(n[0], 24)), VERR_STALE);
	/* Too many: the oldest are forgotten, and no other. */
	for (int i = 4; i < 12; i++)
		memcpy(n[i], session_make_nonce(s), 24);
	for (int i = 0; i < 4; i++)
		assert_int_equal(
		    session_take_nonce(s, slice_of(n[i], 24)), VERR_STALE);
	for (int i = 11; i >= 4; i--)
		assert_int_equal(session_take_nonce(s, slice_of(n[i], 24)), 0);
	for (int i = 0; i < 12; i++)
		assert_int_equal(
		    session_take_nonce(s, slice_of(n[i], 24)), VERR_STALE);
}

/* One that was used leaves the order of the others alone. */
static void
rooms_session_oldest_nonce_is_forgotten(void **state)
{
	uint8_t n[10][24];
	struct session *s = NULL;

	(void)state;
	begin(5, 3);
	assert_int_equal(session_find(k, 5, 3, &s), 0);
	for (int i = 0; i < 8; i++)
		memcpy(n[i], session_make_nonce(s), 24);
	assert_int_equal(session_take_nonce(s, slice_of(n[0], 24)), 0);
	for (int i = 8; i < 10; i++)
		memcpy(n[i], session_make_nonce(s), 24);
	assert_int_equal(session_take_nonce(s, slice_of(n[1], 24)), VERR_STALE);
	for (int i = 2; i < 10; i++)
		assert_int_equal(session_take_nonce(s, slice_of(n[i], 24)), 0);
}

static void
audit_session_principal(void **state)
{
	static const char expected[] =
	    "{\"principal\":{\"uid\":1000,\"user\":\"flow\",\"gid\":100,"
	    "\"pid\":4711,\"exe\":\"/usr/bin/flow\","
	    "\"cgroup\":\"/system.slice\"}}";
	struct session *s = NULL;
	struct rec_SESSION m = session(6, 3);
	char out[2048], long_exe[4096];
	struct json j;

	(void)state;
	begin(5, 3);
	assert_int_equal(session_find(k, 5, 3, &s), 0);
	json_begin(&j, out, sizeof(out));
	json_open(&j, NULL, '{');
	session_json(k, s, &j);
	json_close(&j, '}');
	assert_int_equal(j.n, sizeof(expected) - 1);
	assert_memory_equal(out, expected, j.n);
	/* However long its path, a record has room for it. */
	memset(long_exe, '"', sizeof(long_exe));
	m.exe = m.cgroup = m.label = slice_of(long_exe, sizeof(long_exe));
	assert_int_equal(session_begin(k, &m), 0);
	assert_int_equal(session_find(k, 6, 3, &s), 0);
	json_begin(&j, out, sizeof(out));
	session_json(k, s, &j);
	assert_false(j.overflow);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(rooms_session_as_the_supervisor_said),
	    T(hostile_session_unknown_ended_or_anothers),
	    T(rooms_session_numbers_never_repeat),
	    T(rooms_session_gate_takes_its_own_along),
	    T(rooms_session_is_heard_of_before_the_gate),
	    T(hostile_session_nonce_once),
	    T(rooms_session_oldest_nonce_is_forgotten),
	    T(audit_session_principal),
	};

	return cmocka_run_group_tests_name(
	    "session", tests, world_memory, NULL);
}
