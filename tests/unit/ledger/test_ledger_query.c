#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/unit/ledger/ledger_room.h"

/*
 * A lane to gate "number"; our end.
 */
static int
lane(struct ledger *l, uint32_t number)
{
	union record m = {
	    .PEER = {.room = ROOM_GATE, .number = number, .want = 0}};
	int fd[2];

	pair(fd);
	send_record(l->supervisor, REC_PEER, &m, fd[1]);
	(void)close(fd[1]);
	return fd[0];
}

static int
open_stream(int on, uint64_t number)
{
	union record m = {.OPEN = {.number = number}};
	int fd[2];

	pair(fd);
	send_record(on, REC_OPEN, &m, fd[1]);
	(void)close(fd[1]);
	return fd[0];
}

struct answer {
	size_t lines;
	uint64_t first, last; /* numbers of lines */
	uint16_t end;
};

/*
 * Read a stream to its end.
 */
static struct answer
read_answer(int fd)
{
	struct answer a = {.lines = 0};
	union record m;

	while ((a.end = hear(fd, &m)) == REC_DATA) {
		struct slice s = m.DATA.bytes;

		while (s.n > 0) {
			const uint8_t *nl = memchr(s.p, '\n', s.n);

			assert_non_null(nl);
			assert_memory_equal(s.p, "{\"seq\":", 7);
			a.last = strtoull((const char *)s.p + 7, NULL, 10);
			if (a.lines++ == 0)
				a.first = a.last;
			s.n -= (size_t)(nl + 1 - s.p);
			s.p = nl + 1;
		}
	}
	(void)close(fd);
	return a;
}

static void
ask(struct ledger *l, uint64_t number, uint64_t from, uint64_t to,
    uint64_t tail, const char *literal)
{
	uint8_t buf[256];
	struct pairs_writer w = {.p = buf, .cap = sizeof(buf)};

	if (literal != NULL)
		pairs_add(&w, "", slice_str(literal));
	say(l->keeper, QUERY, .query = number, .gate = 1, .number = number,
	    .from = from, .to = to, .tail = tail, .match = slice_of(buf, w.n));
}

static void
expect_done(struct ledger *l, uint64_t query, int r, uint64_t lines)
{
	union record m;

	expect(l->keeper, REC_QUERY_DONE, &m);
	assert_true(m.QUERY_DONE.query == query);
	assert_int_equal(-(int)m.QUERY_DONE.error, r);
	assert_true(m.QUERY_DONE.lines == lines);
}

#define T_SECOND UINT64_C(1795366431000) /* of the lines */

static void
audit_ledger_answers_questions(void **state)
{
	struct answer a;
	struct ledger l;
	uint64_t next;
	int on;

	(void)state;
	(void)start(&l, &next);
	append_to(&l, 0, 3000);
	while (recv(l.keeper, body, sizeof(body), MSG_DONTWAIT) > 0)
		;
	on = lane(&l, 1);
	ask(&l, 1, 0, 0, 0, NULL);
	a = read_answer(open_stream(on, 1));
	assert_true(a.end == REC_END && a.lines == 3000);
	assert_true(a.first == 0 && a.last == 2999);
	ask(&l, 2, 0, 0, 0, "acme/demo");
	a = read_answer(open_stream(on, 2));
	assert_true(a.end == REC_END && a.lines == 1000);
	ask(&l, 3, 0, 0, 10, "acme/demo");
	a = read_answer(open_stream(on, 3));
	assert_true(a.end == REC_END && a.lines == 10);
	assert_true(a.first == 2970 && a.last == 2997);
	ask(&l, 4, T_SECOND + 10, T_SECOND + 20, 0, NULL);
	a = read_answer(open_stream(on, 4));
	assert_true(a.end == REC_END && a.lines == 30);
	assert_true(a.first == 10 && a.last == 2019);
	ask(&l, 5, 0, 0, 5000, "absent");
	a = read_answer(open_stream(on, 5));
	assert_true(a.end == REC_END && a.lines == 0);
	(void)close(on);
	(void)kill(l.pid, SIGKILL);
	(void)wait_exit(&l);
}

/*
 * The kilobytes that a process has in memory.
 */
static long
resident(pid_t pid)
{
	char path[64], *p;
	long pages = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	assert_non_null(f = fopen(path, "r"));
	assert_non_null(fgets(path, sizeof(path), f));
	(void)fclose(f);
	(void)strtol(path, &p, 10);
	pages = strtol(p, NULL, 10);
	assert_true(pages > 0);
	return pages * 4;
}

static void
audit_ledger_client_that_reads_nothing_costs_little(void **state)
{
	struct ledger l;
	uint64_t next;
	int on, idle[8];
	long before;

	(void)state;
	long_segment();
	(void)start(&l, &next);
	before = resident(l.pid);
	on = lane(&l, 1);
	for (uint64_t i = 0; i < 8; i++) {
		ask(&l, i, 0, 0, 0, NULL);
		idle[i] = open_stream(on, i);
	}
	(void)usleep(500000);
	assert_in_range(resident(l.pid), before, before + 16384);
	for (uint64_t i = 1; i < 8; i++)
		(void)close(idle[i]);
	assert_true(read_answer(idle[0]).lines == LONG_LINES);
	(void)close(on);
	(void)kill(l.pid, SIGKILL);
	(void)wait_exit(&l);
}

static void
audit_ledger_question_and_stream_in_either_order(void **state)
{
	struct ledger l;
	uint64_t next;
	int on, fd;
	union record m;

	(void)state;
	(void)start(&l, &next);
	on = lane(&l, 1);
	append(&l, 1, 0, APPEND_SYNC);
	expect(l.keeper, REC_APPENDED, &m);
	fd = open_stream(on, 7);
	(void)usleep(100000);
	ask(&l, 7, 0, 0, 0, NULL);
	assert_true(read_answer(fd).lines == 1);
	expect_done(&l, 7, 0, 1);
	ask(&l, 8, 0, 0, 1, NULL);
	(void)usleep(100000);
	assert_true(read_answer(open_stream(on, 8)).lines == 1);
	expect_done(&l, 8, 0, 1);
	stop(&l);
}

static void
audit_ledger_half_a_question_times_out(void **state)
{
	struct ledger l;
	union record m;
	uint64_t next;
	int on, fd;

	(void)state;
	(void)start(&l, &next);
	on = lane(&l, 1);
	fd = open_stream(on, 1);
	ask(&l, 2, 0, 0, 0, NULL);
	expect_done(&l, 2, VERR_TIMEOUT, 0);
	assert_int_equal(hear(fd, &m), 0);
	(void)close(fd);
	/* So many at a time, and then none. */
	for (uint64_t i = 10; i < 18; i++)
		ask(&l, i, 0, 0, 0, NULL);
	ask(&l, 18, 0, 0, 0, NULL);
	expect_done(&l, 18, VERR_BUSY, 0);
	(void)close(on);
	for (uint64_t i = 0; i < 8; i++) {
		expect(l.keeper, REC_QUERY_DONE, &m);
		assert_int_equal(m.QUERY_DONE.error, -VERR_CLOSED);
	}
	stop(&l);
}

/*
 * A client that reads nothing holds nobody up, nor does a large scan.
 */
static void
audit_ledger_questions_do_not_delay_lines(void **state)
{
	enum { LINES = 40000 };
	struct timespec t0, t1;
	struct ledger l;
	union record m;
	uint64_t next;
	int on, idle;

	(void)state;
	(void)start(&l, &next);
	append_to(&l, 0, LINES);
	do
		expect(l.keeper, REC_APPENDED, &m);
	while (m.APPENDED.synced < LINES);
	on = lane(&l, 1);
	ask(&l, 1, 0, 0, 0, NULL);
	idle = open_stream(on, 1);
	for (uint64_t i = 2; i < 6; i++) {
		ask(&l, i, 0, 0, 1000000, "absent");
		(void)open_stream(on, i);
	}
	(void)clock_gettime(CLOCK_MONOTONIC, &t0);
	append(&l, 1, LINES, 0);
	expect(l.keeper, REC_APPENDED, &m);
	(void)clock_gettime(CLOCK_MONOTONIC, &t1);
	assert_true(m.APPENDED.next == LINES + 1);
	assert_true(t1.tv_sec - t0.tv_sec <= 1);
	for (int left = 4; left > 0;)
		left -= hear(l.keeper, &m) == REC_QUERY_DONE;
	/* It was all the time at our disposal. */
	assert_in_range(read_answer(idle).lines, LINES, LINES + 1);
	(void)close(on);
	(void)kill(l.pid, SIGKILL);
	(void)wait_exit(&l);
}

static void
rooms_ledger_reports_a_gate_that_breaks_the_rules(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		struct ledger l;
		union record m;
		uint64_t next;
		int on, fd;

		(void)start(&l, &next);
		expect(l.supervisor, REC_HELLO, &m);
		on = lane(&l, 5);
		fd = open_stream(on, 1);
		if (i == 0)
			(void)open_stream(on, 1);
		else if (i == 1)
			say(on, OPEN, .number = 2);
		else {
			/* judged once it is known what may be said */
			say(fd, OPEN, .number = 2);
			say(l.keeper, STAGE, .stage = 1, .gate = 5,
			    .number = 1);
			expect(l.keeper, REC_STAGED, &m);
			assert_int_equal(m.STAGED.error, -VERR_CLOSED);
		}
		expect(l.supervisor, REC_OFFENCE, &m);
		assert_int_equal(m.OFFENCE.room, ROOM_GATE);
		assert_int_equal(m.OFFENCE.number, 5);
		assert_int_equal(commit(&l, 1, 1 + (uint64_t)i, (uint64_t)i,
		                     "others go on", 0),
		    0);
		(void)close(on);
		(void)close(fd);
		stop(&l);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    folder_test(audit_ledger_answers_questions),
	    folder_test(audit_ledger_client_that_reads_nothing_costs_little),
	    folder_test(audit_ledger_question_and_stream_in_either_order),
	    folder_test(audit_ledger_half_a_question_times_out),
	    folder_test(audit_ledger_questions_do_not_delay_lines),
	    folder_test(rooms_ledger_reports_a_gate_that_breaks_the_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
