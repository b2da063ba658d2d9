#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/unit/ledger/ledger_room.h"

static void
audit_ledger_lines_outlive_a_kill(void **state)
{
	uint64_t next, expected = 0;
	struct ledger l;
	union record m;

	(void)state;
	for (int round = 0; round < 5; round++) {
		(void)start(&l, &next);
		assert_true(next == expected);
		append_to(&l, next, next + 250);
		expected += 250;
		kill_hard(&l);
	}
	(void)start(&l, &next);
	assert_true(next == expected);
	say(l.keeper, REPLAY, .from = 700);
	for (uint64_t i = 700; i < next; i++) {
		char head[40];

		expect(l.keeper, REC_AUDIT_LINE, &m);
		assert_true(m.AUDIT_LINE.seq == i);
		(void)snprintf(head, sizeof(head), "{\"seq\":%u,", (unsigned)i);
		assert_memory_equal(m.AUDIT_LINE.line.p, head, strlen(head));
	}
	expect(l.keeper, REC_REPLAY_END, &m);
	assert_true(m.REPLAY_END.next == next);
	say(l.keeper, REPLAY, .from = next);
	expect(l.keeper, REC_REPLAY_END, &m);
	assert_true(m.REPLAY_END.next == next);
	stop(&l);
}

/*
 * Killed at any moment: what was confirmed is there, and nothing is there that
 * was not sent.
 */
static void
audit_ledger_killed_while_it_works(void **state)
{
	static char text[8000];
	uint64_t rows = 0, lines = 0;
	struct ledger l;
	union record m;

	(void)state;
	srandom(7);
	for (int round = 0; round < 12; round++) {
		uint64_t next, sent_rows, sent_lines;
		uint16_t type;

		(void)start(&l, &next);
		assert_true(next >= lines);
		assert_int_equal(
		    fetch(&l, 1, &m), rows == 0 ? VERR_NOTFOUND : 0);
		assert_true(m.FETCHED.generation >= rows);
		for (size_t i = 0; i < m.FETCHED.body.n; i++)
			assert_int_equal(m.FETCHED.body.p[i],
			    'a' + (int)(m.FETCHED.generation % 26));
		sent_rows = m.FETCHED.generation;
		sent_lines = next;
		for (long n = 1 + random() % 60; n > 0; n--) {
			uint8_t list[CHANGE_OVERHEAD + sizeof(text)];
			struct change c = {.id = {0}, .kind = 3};

			memset(c.id, 1, sizeof(c.id));
			c.expected = sent_rows++;
			c.generation = sent_rows;
			memset(text, 'a' + (int)(sent_rows % 26), sizeof(text));
			c.body = slice_of(text, sizeof(text));
			change_encode(&c, list);
			say(l.keeper, COMMIT, .commit = sent_rows,
			    .erase = n % 8 == 0,
			    .changes = slice_of(list, sizeof(list)));
			append(&l, 1, sent_lines++, n % 3 ? 0 : APPEND_SYNC);
		}
		(void)usleep((useconds_t)random() % 40000);
		(void)kill(l.pid, SIGKILL);
		while ((type = hear(l.keeper, &m)) != 0)
			if (type == REC_COMMITTED && m.COMMITTED.error == 0)
				rows = m.COMMITTED.commit;
			else if (type == REC_APPENDED)
				lines = m.APPENDED.next;
		(void)wait_exit(&l);
		(void)start(&l, &next);
		assert_in_range(next, lines, sent_lines);
		(void)!fetch(&l, 1, &m);
		assert_in_range(m.FETCHED.generation, rows, sent_rows);
		rows = m.FETCHED.generation;
		lines = next;
		kill_hard(&l);
	}
	assert_true(rows > 0 && lines > 0);
}

static void
audit_ledger_says_when_lines_are_on_the_disk(void **state)
{
	struct ledger l;
	union record m;
	uint64_t next;

	(void)state;
	(void)start(&l, &next);
	append(&l, 1, 0, 0);
	expect(l.keeper, REC_APPENDED, &m);
	assert_true(m.APPENDED.next == 1 && m.APPENDED.synced == 0);
	expect(l.keeper, REC_APPENDED, &m);
	assert_true(m.APPENDED.next == 1 && m.APPENDED.synced == 1);
	append(&l, 1, 1, APPEND_SYNC);
	expect(l.keeper, REC_APPENDED, &m);
	assert_true(m.APPENDED.next == 2 && m.APPENDED.synced == 2);
	stop(&l);
	start_with(&l, "every");
	expect(l.keeper, REC_STORE_END, &m);
	append(&l, 1, 2, 0);
	expect(l.keeper, REC_APPENDED, &m);
	assert_true(m.APPENDED.next == 3 && m.APPENDED.synced == 3);
	stop(&l);
}

/*
 * Append decisions until they are refused; returns how many were not.
 */
static uint64_t
append_until_full(struct ledger *l, uint64_t from)
{
	union record m;
	uint16_t type;

	for (uint64_t seq = from;; seq++) {
		append(l, 1, seq, APPEND_RESERVE);
		do
			type = hear(l->keeper, &m);
		while (type == REC_APPENDED && m.APPENDED.next <= seq);
		if (type == REC_APPENDED)
			continue;
		assert_int_equal(type, REC_APPEND_FAILED);
		assert_int_equal(m.APPEND_FAILED.error, -VERR_NOSPACE);
		assert_true(m.APPEND_FAILED.seq == seq);
		return seq;
	}
}

static void
audit_ledger_full_disk_takes_outcomes_and_no_decisions(void **state)
{
	static char text[8000];
	uint64_t next, n;
	struct ledger l;
	union record m;

	(void)state;
	small_disk();
	memset(text, 't', sizeof(text) - 1);
	(void)start(&l, &next);
	assert_int_equal(commit(&l, 1, 1, 0, "a row", 0), 0);
	append(&l, 1, 0, 0);
	fill_disk();
	n = append_until_full(&l, 1) - 1;
	assert_true(n > 5);
	assert_int_equal(commit(&l, 1, 2, 1, text, 1), VERR_NOSPACE);
	assert_int_equal(fetch(&l, 1, &m), 0);
	assert_true(slice_is(m.FETCHED.body, "a row"));
	for (uint64_t i = n + 1; i <= 2 * n; i++) {
		append(&l, 2, i, APPEND_RELEASE | APPEND_SYNC);
		do
			expect(l.keeper, REC_APPENDED, &m);
		while (m.APPENDED.next <= i);
	}
	assert_int_equal(unlink("ballast"), 0);
	append(&l, 2, 2 * n + 1, APPEND_RESERVE | APPEND_SYNC);
	expect(l.keeper, REC_APPENDED, &m);
	assert_true(m.APPENDED.next == 2 * n + 2);
	assert_int_equal(commit(&l, 1, 2, 1, text, 1), 0);
	stop(&l);
	assert_int_equal(chdir(".."), 0);
	assert_int_equal(umount("disk"), 0);
}

static void
audit_ledger_lost_log_refuses_lines_and_nothing_else(void **state)
{
	struct ledger l;
	union record m;
	uint64_t next;

	(void)state;
	(void)start(&l, &next);
	append_to(&l, 0, 5);
	do
		expect(l.keeper, REC_APPENDED, &m);
	while (m.APPENDED.synced < 5);
	assert_int_equal(rename(FIRST, "gone"), 0);
	append(&l, 1, 5, 0);
	expect(l.keeper, REC_APPEND_FAILED, &m);
	assert_true(m.APPEND_FAILED.epoch == 1 && m.APPEND_FAILED.seq == 5);
	append(&l, 1, 6, 0);
	append(&l, 2, 5, 0);
	append(&l, 2, 6, 0);
	expect(l.keeper, REC_APPEND_FAILED, &m);
	assert_true(m.APPEND_FAILED.epoch == 2 && m.APPEND_FAILED.seq == 5);
	assert_int_equal(commit(&l, 1, 1, 0, "a row", 0), 0);
	assert_int_equal(rename("gone", FIRST), 0);
	append(&l, 3, 5, APPEND_SYNC);
	expect(l.keeper, REC_APPENDED, &m);
	assert_true(m.APPENDED.epoch == 3 && m.APPENDED.next == 6);
	stop(&l);
}

static void
audit_ledger_begins_a_new_segment(void **state)
{
	struct ledger l;
	union record m;
	uint64_t next;

	(void)state;
	long_segment();
	(void)start(&l, &next);
	assert_true(next == LONG_LINES);
	append(&l, 1, LONG_LINES, APPEND_SYNC);
	expect(l.keeper, REC_APPENDED, &m);
	assert_int_equal(access("audit/00000000000000008193.jsonl", F_OK), 0);
	say(l.keeper, REPLAY, .from = LONG_LINES - 1);
	expect(l.keeper, REC_AUDIT_LINE, &m);
	assert_int_equal(m.AUDIT_LINE.line.n, 8191);
	expect(l.keeper, REC_AUDIT_LINE, &m);
	assert_memory_equal(m.AUDIT_LINE.line.p, "{\"seq\":8193,", 12);
	expect(l.keeper, REC_REPLAY_END, &m);
	stop(&l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    folder_test(audit_ledger_lines_outlive_a_kill),
	    folder_test(audit_ledger_killed_while_it_works),
	    folder_test(audit_ledger_says_when_lines_are_on_the_disk),
	    folder_test(audit_ledger_full_disk_takes_outcomes_and_no_decisions),
	    folder_test(audit_ledger_lost_log_refuses_lines_and_nothing_else),
	    folder_test(audit_ledger_begins_a_new_segment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
