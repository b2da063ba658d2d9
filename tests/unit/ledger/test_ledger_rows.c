#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/unit/ledger/ledger_room.h"

static void
rooms_ledger_proves_its_walls(void **state)
{
	struct ledger l;
	union record m;
	uint64_t next;

	(void)state;
	assert_true(start(&l, &next) == 0);
	assert_true(next == 0);
	expect(l.supervisor, REC_HELLO, &m);
	assert_true(m.HELLO.walls & WALL_SECCOMP);
	assert_true(m.HELLO.walls & WALL_LANDLOCK);
	assert_true(m.HELLO.proofs >= ACT_COUNT - 5);
	stop(&l);
	assert_int_not_equal(access("store.db-wal", F_OK), 0);
}

static void
rooms_ledger_ends_with_its_supervisor(void **state)
{
	struct ledger l;
	uint64_t next;

	(void)state;
	(void)start(&l, &next);
	append(&l, 1, 0, 0);
	(void)shutdown(l.supervisor, SHUT_WR);
	assert_int_equal(wait_exit(&l), 0);
}

static void
keys_ledger_rows_outlive_a_kill(void **state)
{
	struct ledger l;
	union record m;
	uint64_t next;

	(void)state;
	for (uint64_t round = 0; round < 8; round++) {
		assert_true(start(&l, &next) == round);
		assert_int_equal(fetch(&l, 200, &m), VERR_NOTFOUND);
		assert_int_equal(
		    commit(&l, (uint8_t)round, 1, 0, "a row", 0), 0);
		assert_int_equal(
		    commit(&l, (uint8_t)round, 1, 0, "a row", 0), VERR_STALE);
		assert_int_equal(
		    commit(&l, 0, round + 2, round + 1, "newer", 0), 0);
		assert_int_equal(fetch(&l, 0, &m), 0);
		assert_true(m.FETCHED.generation == round + 2);
		assert_true(m.FETCHED.kind == 3);
		assert_true(slice_is(m.FETCHED.body, "newer"));
		kill_hard(&l);
	}
}

static void
keys_ledger_loads_more_than_a_queue_holds(void **state)
{
	static char text[8000];
	struct ledger l;
	uint64_t next;

	(void)state;
	memset(text, 't', sizeof(text) - 1);
	(void)start(&l, &next);
	for (unsigned i = 0; i < 200; i++)
		assert_int_equal(commit(&l, (uint8_t)i, 1, 0, text, 0), 0);
	stop(&l);
	assert_true(start(&l, &next) == 200);
	stop(&l);
}

static void
keys_ledger_erases_before_it_confirms(void **state)
{
	static const char marker[] = "A-MARKER-THAT-IS-NOWHERE-ELSE";
	struct ledger l;
	uint64_t next;

	(void)state;
	(void)start(&l, &next);
	assert_int_equal(commit(&l, 1, 1, 0, marker, 0), 0);
	assert_true(folder_has(marker));
	assert_int_equal(commit(&l, 1, 2, 1, "replaced", 1), 0);
	assert_false(folder_has(marker));
	assert_int_equal(commit(&l, 1, 3, 2, marker, 0), 0);
	assert_int_equal(commit(&l, 1, 4, 3, "again", 0), 0);
	kill_hard(&l);
	assert_true(folder_has(marker)); /* the log of the killed one */
	(void)start(&l, &next);
	assert_false(folder_has(marker));
	stop(&l);
}

/*
 * Come to where the store's log has room for one more commit, and the store
 * itself has not, and send that commit: number 777, of row 2.
 */
static void
commit_beyond_the_disk(struct ledger *l)
{
	static char text[8000];
	uint64_t next, generation = 0;
	off_t before = -1, now = 0;

	small_disk();
	memset(text, 't', sizeof(text) - 1);
	(void)start(l, &next);
	while (now != before) {
		before = now;
		generation++;
		assert_int_equal(
		    commit(l, 1, generation, generation - 1, text, 0), 0);
		now = file_size("store.db-wal");
	}
	fill_disk();
	commit_send(l, 777, 2, 1, 0, text, 1);
}

static void
leave_small_disk(void)
{
	assert_int_equal(chdir(".."), 0);
	assert_int_equal(umount("disk"), 0);
}

/*
 * It is confirmed when the old bytes could be erased, and not before; nor is
 * what it wrote seen before, by however many.
 */
static void
keys_ledger_holds_a_commit_until_it_has_erased(void **state)
{
	enum { FETCHES = 400 };
	uint8_t id[ROW_ID_LEN];
	struct ledger l;
	union record m;

	(void)state;
	commit_beyond_the_disk(&l);
	memset(id, 2, sizeof(id));
	for (uint64_t i = 0; i < FETCHES; i++)
		say(l.keeper, FETCH, .fetch = i,
		    .id = slice_of(id, sizeof(id)));
	(void)usleep(100000);
	assert_int_equal(recv(l.keeper, body, 1, MSG_DONTWAIT | MSG_PEEK), -1);
	assert_int_not_equal(file_size("store.db-wal"), 0);
	assert_int_equal(unlink("ballast"), 0);
	expect(l.keeper, REC_COMMITTED, &m);
	assert_true(m.COMMITTED.commit == 777 && m.COMMITTED.error == 0);
	assert_int_equal(file_size("store.db-wal"), 0);
	for (uint64_t i = 0; i < FETCHES; i++) {
		expect(l.keeper, REC_FETCHED, &m);
		assert_true(m.FETCHED.fetch == i && m.FETCHED.error == 0);
		assert_true(m.FETCHED.generation == 1);
	}
	stop(&l);
	leave_small_disk();
}

/*
 * A ledger that cannot erase what a killed one left does not start, so that
 * nobody takes for gone what is not.
 */
static void
keys_ledger_does_not_start_until_it_has_erased(void **state)
{
	struct ledger l;
	uint64_t next;

	(void)state;
	commit_beyond_the_disk(&l);
	(void)usleep(200000); /* for it to be in the log */
	kill_hard(&l);
	start_with(&l, "interval");
	assert_int_equal(wait_exit(&l), 3);
	assert_int_not_equal(file_size("store.db-wal"), 0);
	assert_int_equal(unlink("ballast"), 0);
	assert_true(start(&l, &next) == 2);
	assert_int_equal(file_size("store.db-wal"), 0);
	stop(&l);
	leave_small_disk();
}

static void
rooms_ledger_reports_a_keeper_that_breaks_the_rules(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++) {
		struct ledger l;
		union record m;
		uint64_t next;

		(void)start(&l, &next);
		expect(l.supervisor, REC_HELLO, &m);
		if (i == 0)
			append(&l, 1, 1, 0);
		else if (i == 1)
			say(l.keeper, APPEND, .epoch = 1,
			    .line = slice_str("two\nlines"));
		else if (i == 2)
			say(l.keeper, COMMIT, .changes = slice_str("junk"));
		else if (i == 3)
			say(l.keeper, QUERY, .match = slice_str("junk"));
		else
			say(l.keeper, COMMITTED, .commit = 1);
		expect(l.supervisor, REC_OFFENCE, &m);
		assert_int_equal(m.OFFENCE.room, ROOM_KEEPER);
		assert_int_equal(wait_exit(&l), 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    folder_test(rooms_ledger_proves_its_walls),
	    folder_test(rooms_ledger_ends_with_its_supervisor),
	    folder_test(keys_ledger_rows_outlive_a_kill),
	    folder_test(keys_ledger_loads_more_than_a_queue_holds),
	    folder_test(keys_ledger_erases_before_it_confirms),
	    folder_test(keys_ledger_holds_a_commit_until_it_has_erased),
	    folder_test(keys_ledger_does_not_start_until_it_has_erased),
	    folder_test(rooms_ledger_reports_a_keeper_that_breaks_the_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
