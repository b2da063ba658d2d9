#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>

#include "tests/unit/ledger/ledger_room.h"

enum { ROWS = 200, LONG = 8000 };

static char text[LONG + 1];

static int
lane(struct ledger *l, uint32_t number)
{
	union record m = {.PEER = {.room = ROOM_GATE, .number = number}};
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

/* A run as it came, or as it is to go. */
static uint8_t run[4 << 20];
static size_t run_n;

static uint16_t
read_run(int fd, union record *m)
{
	uint16_t type;

	run_n = 0;
	while ((type = hear(fd, m)) == REC_DATA) {
		assert_true(m->DATA.bytes.n <= sizeof(run) - run_n);
		memcpy(run + run_n, m->DATA.bytes.p, m->DATA.bytes.n);
		run_n += m->DATA.bytes.n;
	}
	return type;
}

static void
add_row(uint8_t id, uint32_t kind, uint64_t generation, struct slice bytes)
{
	struct change c = {
	    .kind = kind, .generation = generation, .body = bytes};

	memset(c.id, id, sizeof(c.id));
	change_encode(&c, run + run_n);
	run_n += CHANGE_OVERHEAD + bytes.n;
}

static void
fill_store(struct ledger *l)
{
	uint64_t next;

	memset(text, 't', LONG);
	(void)start(l, &next);
	for (unsigned i = 0; i < ROWS; i++)
		assert_int_equal(commit(l, (uint8_t)i, 1, 0, text, 0), 0);
}

/* The run must be the rows of fill_store(), each once, in order. */
static void
expect_first_store(void)
{
	struct slice rest = slice_of(run, run_n);
	struct change_run checked = {0};
	struct change c;

	assert_int_equal(change_run_feed(&checked, rest), 0);
	assert_int_equal(change_run_end(&checked), 0);
	for (unsigned i = 0; i < ROWS; i++) {
		assert_int_equal(change_next(&rest, &c), 0);
		assert_int_equal(c.id[0], i);
		assert_true(c.generation == 1 && c.kind == 3);
		assert_true(slice_is(c.body, text));
	}
	assert_int_equal(rest.n, 0);
}

static void
expect_snapshot_done(struct ledger *l, uint64_t id, int r)
{
	union record m;

	expect(l->keeper, REC_SNAPSHOT_DONE, &m);
	assert_true(m.SNAPSHOT_DONE.snapshot == id);
	assert_int_equal(-(int)m.SNAPSHOT_DONE.error, r);
	if (r == 0)
		assert_true(m.SNAPSHOT_DONE.rows == ROWS);
}

/*
 * The client reads late: by then every row is another, one is gone and one is
 * new.
 */
static void
backup_ledger_sends_the_store_of_one_moment(void **state)
{
	struct ledger l;
	union record m;
	int on, fd;

	(void)state;
	fill_store(&l);
	on = lane(&l, 1);
	say(l.keeper, SNAPSHOT, .snapshot = 5, .gate = 1, .number = 1);
	assert_int_equal(commit(&l, 199, 2, 1, "before the stream", 0), 0);
	fd = open_stream(on, 1);
	for (unsigned i = 0; i < ROWS - 1; i++)
		assert_int_equal(commit(&l, (uint8_t)i, 2, 1, "newer", 0), 0);
	assert_int_equal(commit(&l, 199, 3, 2, "and newer", 0), 0);
	assert_int_equal(commit(&l, 150, 0, 2, "", 0), 0);
	assert_int_equal(commit(&l, 150, 7, 0, "back again", 0), 0);
	assert_int_equal(commit(&l, 220, 1, 0, "new", 0), 0);
	assert_int_equal(commit(&l, 198, 9, 8, "stale", 0), VERR_STALE);
	/* there is one at a time */
	say(l.keeper, SNAPSHOT, .snapshot = 6, .gate = 1, .number = 2);
	expect_snapshot_done(&l, 6, VERR_BUSY);
	assert_int_equal(read_run(fd, &m), REC_END);
	expect_first_store();
	expect_snapshot_done(&l, 5, 0);
	assert_int_equal(hear(fd, &m), 0);
	assert_int_equal(fetch(&l, 150, &m), 0);
	assert_true(m.FETCHED.generation == 7);
	(void)close(fd);
	(void)close(on);
	stop(&l);
}

static void
backup_ledger_carries_no_destroyed_key_away(void **state)
{
	struct ledger l;
	union record m;
	int on, fd;

	(void)state;
	fill_store(&l);
	on = lane(&l, 1);
	say(l.keeper, SNAPSHOT, .snapshot = 1, .gate = 1, .number = 1);
	fd = open_stream(on, 1);
	commit_send(&l, 900, 0, 2, 1, "destroyed", 1);
	expect_snapshot_done(&l, 1, VERR_STALE);
	expect(l.keeper, REC_COMMITTED, &m);
	assert_int_equal(m.COMMITTED.error, 0);
	assert_int_equal(read_run(fd, &m), REC_FAIL);
	assert_true(slice_is(
	    m.FAIL.sentence, "a key was destroyed meanwhile: back up again"));
	(void)close(fd);
	/* and the next one is whole */
	say(l.keeper, SNAPSHOT, .snapshot = 2, .gate = 1, .number = 2);
	fd = open_stream(on, 2);
	assert_int_equal(read_run(fd, &m), REC_END);
	expect_snapshot_done(&l, 2, 0);
	(void)close(fd);
	(void)close(on);
	stop(&l);
}

static void
backup_ledger_forgets_a_client_that_went_away(void **state)
{
	struct ledger l;
	union record m;
	int on, fd;

	(void)state;
	fill_store(&l);
	on = lane(&l, 1);
	say(l.keeper, SNAPSHOT, .snapshot = 1, .gate = 1, .number = 1);
	fd = open_stream(on, 1);
	expect(fd, REC_DATA, &m);
	(void)usleep(100000); /* for the socket to be full */
	(void)close(fd);
	expect_snapshot_done(&l, 1, VERR_CLOSED);
	say(l.keeper, SNAPSHOT, .snapshot = 2, .gate = 1, .number = 2);
	(void)close(on);
	expect_snapshot_done(&l, 2, VERR_CLOSED);
	stop(&l);
}

/*
 * A piece, unless the ledger has closed the stream over one before.
 */
static void
put_piece(int fd, enum record_type type, struct slice bytes)
{
	const union record m = {.BODY.bytes = bytes};
	uint8_t out[RECORD_HEADER + 4 + 5000];
	size_t n = type == REC_BODY ? 4 + bytes.n : 0;

	assert_true(bytes.n <= 5000);
	put_le(out, n, 4);
	put_le(out + 4, type, 2);
	put_le(out + 6, 0, 2);
	if (n > 0)
		record_encode(type, &m, out + RECORD_HEADER);
	if (send(fd, out, RECORD_HEADER + n, MSG_NOSIGNAL) < 0)
		assert_int_equal(errno, EPIPE);
}

static void
put_run(int fd, size_t piece)
{
	for (size_t at = 0; at < run_n; at += piece) {
		size_t n = run_n - at < piece ? run_n - at : piece;

		put_piece(fd, REC_BODY, slice_of(run + at, n));
	}
	put_piece(fd, REC_BODY_END, slice_of(NULL, 0));
}

static int
expect_staged(struct ledger *l, uint64_t id, uint64_t rows)
{
	union record m;

	expect(l->keeper, REC_STAGED, &m);
	assert_true(m.STAGED.stage == id && m.STAGED.rows == rows);
	return -(int)m.STAGED.error;
}

static void
make_other_store(void)
{
	run_n = 0;
	add_row(3, 1, 4, slice_str("slot"));
	add_row(4, RUN_SUPER, 77, slice_str("super"));
	for (uint8_t i = 5; i < 105; i++)
		add_row(i, 4, i, slice_of(text, LONG));
	add_row(250, 4, 1, slice_str(""));
}

enum { OTHER_ROWS = 103 };

static void
expect_stage_rows(struct ledger *l, uint64_t id)
{
	struct slice rest = slice_of(run, run_n);
	struct change c;
	union record m;

	say(l->keeper, STAGE_READ, .stage = id);
	while (change_next(&rest, &c) == 0) {
		expect(l->keeper, REC_STAGE_ROW, &m);
		assert_true(m.STAGE_ROW.stage == id);
		assert_memory_equal(m.STAGE_ROW.id.p, c.id, ROW_ID_LEN);
		assert_true(m.STAGE_ROW.kind == c.kind);
		assert_true(m.STAGE_ROW.generation == c.generation);
		assert_true(slice_equal(m.STAGE_ROW.body, c.body));
	}
	expect(l->keeper, REC_STAGE_END, &m);
	assert_true(m.STAGE_END.stage == id && m.STAGE_END.error == 0);
	assert_true(m.STAGE_END.rows == OTHER_ROWS);
}

static int
commit_restore(struct ledger *l, uint8_t id, uint64_t generation,
    uint64_t expected, const char *with)
{
	struct change c = {.kind = 2,
	    .generation = generation,
	    .expected = expected,
	    .body = slice_str(with)};
	uint8_t list[CHANGE_OVERHEAD + 64];
	union record m;

	memset(c.id, id, sizeof(c.id));
	change_encode(&c, list);
	say(l->keeper, COMMIT, .commit = 4000, .restore = 1,
	    .changes = slice_of(list, CHANGE_OVERHEAD + c.body.n));
	expect(l->keeper, REC_COMMITTED, &m);
	assert_true(m.COMMITTED.commit == 4000);
	return -(int)m.COMMITTED.error;
}

static void
backup_ledger_puts_a_staged_store_in_place_of_its_own(void **state)
{
	static const char marker[] = "A-MARKER-THAT-IS-NOWHERE-ELSE";
	struct ledger l;
	union record m;
	uint64_t next;
	int on, fd;

	(void)state;
	fill_store(&l);
	assert_int_equal(commit(&l, 201, 1, 0, marker, 0), 0);
	on = lane(&l, 1);
	make_other_store();
	/* the body may be there before the order is */
	fd = open_stream(on, 1);
	say(fd, BODY, .bytes = slice_of(run, 7));
	(void)usleep(50000);
	say(l.keeper, STAGE, .stage = 8, .gate = 1, .number = 1);
	memmove(run, run + 7, run_n -= 7);
	put_run(fd, 4999);
	expect(fd, REC_END, &m);
	assert_int_equal(expect_staged(&l, 8, OTHER_ROWS), 0);
	/* meanwhile the store is what it was, and takes commits */
	assert_int_equal(commit(&l, 1, 2, 1, "still here", 0), 0);
	assert_int_equal(fetch(&l, 250, &m), VERR_NOTFOUND);
	make_other_store();
	expect_stage_rows(&l, 8);
	expect_stage_rows(&l, 8);
	/* changes speak of the staged rows, and fail with the whole */
	assert_int_equal(commit_restore(&l, 4, 79, 78, "no"), VERR_STALE);
	assert_int_equal(fetch(&l, 1, &m), 0);
	assert_true(slice_is(m.FETCHED.body, "still here"));
	assert_true(folder_has(marker));
	assert_int_equal(commit_restore(&l, 4, 78, 77, "vouched"), 0);
	assert_false(folder_has(marker));
	assert_int_equal(fetch(&l, 1, &m), VERR_NOTFOUND);
	assert_int_equal(fetch(&l, 4, &m), 0);
	assert_true(m.FETCHED.generation == 78);
	assert_true(slice_is(m.FETCHED.body, "vouched"));
	assert_int_equal(fetch(&l, 104, &m), 0);
	assert_true(m.FETCHED.generation == 104 && m.FETCHED.body.n == LONG);
	assert_int_equal(commit_restore(&l, 4, 79, 78, "no"), VERR_NOTFOUND);
	(void)close(fd);
	(void)close(on);
	kill_hard(&l);
	assert_int_equal(start(&l, &next), OTHER_ROWS);
	stop(&l);
}

static void
backup_ledger_takes_nothing_but_a_run(void **state)
{
	/* where in the first or second row, what instead, and the verdict */
	static const struct {
		size_t at, len;
		uint64_t value;
		int error;
	} cases[] = {
	    {16, 4, 256, VERR_FORMAT}, {20, 8, 0, VERR_FORMAT},
	    {20, 8, UINT64_C(1) << 63, VERR_FORMAT}, {28, 8, 1, VERR_FORMAT},
	    {36, 4, RUN_BODY_MAX + 1, VERR_FORMAT},
	    {36, 4, RUN_BODY_MAX, VERR_TRUNCATED},
	    {CHANGE_OVERHEAD + 4, 1, 3, VERR_FORMAT}, /* the first id, less */
	    {0, 1, 5, VERR_FORMAT},                   /* the order */
	};
	struct ledger l;
	union record m;
	uint64_t next, number = 0;
	int on;

	(void)state;
	(void)start(&l, &next);
	on = lane(&l, 1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int fd = open_stream(on, ++number);

		run_n = 0;
		add_row(3, 1, 4, slice_str("slot"));
		add_row(4, 2, 77, slice_str("super"));
		put_le(run + cases[i].at, cases[i].value, cases[i].len);
		if (cases[i].at == CHANGE_OVERHEAD + 4)
			memset(run + CHANGE_OVERHEAD + 4, 3, ROW_ID_LEN);
		say(l.keeper, STAGE, .stage = number, .gate = 1,
		    .number = number);
		put_run(fd, 64);
		assert_int_equal(expect_staged(&l, number, 0), cases[i].error);
		expect(fd, REC_FAIL, &m);
		(void)close(fd);
	}
	/* a client that goes away in the middle, and one that is not wanted */
	for (int dropped = 0; dropped < 2; dropped++) {
		int fd = open_stream(on, ++number);

		say(l.keeper, STAGE, .stage = number, .gate = 1,
		    .number = number);
		say(fd, BODY, .bytes = slice_of(run, 10));
		if (dropped) {
			say(l.keeper, STAGE_DROP, .stage = number);
			expect(fd, REC_FAIL, &m);
		}
		(void)close(fd);
		if (!dropped)
			assert_int_equal(
			    expect_staged(&l, number, 0), VERR_CLOSED);
	}
	say(l.keeper, STAGE_READ, .stage = number);
	expect(l.keeper, REC_STAGE_END, &m);
	assert_int_equal(-(int)m.STAGE_END.error, VERR_NOTFOUND);
	assert_int_equal(commit(&l, 1, 1, 0, "others go on", 0), 0);
	(void)close(on);
	stop(&l);
}

/*
 * The disk is full of it, and then at once free again: nobody has to clean up.
 */
static void
backup_ledger_full_disk_costs_the_stage_alone(void **state)
{
	struct ledger l;
	union record m;
	uint64_t next;
	int on, fd;

	(void)state;
	small_disk();
	memset(text, 't', LONG);
	(void)start(&l, &next);
	assert_int_equal(commit(&l, 1, 1, 0, "before", 0), 0);
	on = lane(&l, 1);
	say(l.keeper, STAGE, .stage = 1, .gate = 1, .number = 1);
	fd = open_stream(on, 1);
	for (unsigned i = 0; i < 1000; i++) {
		struct change c = {
		    .kind = 4, .generation = 1, .body = slice_of(text, LONG)};
		uint8_t one[CHANGE_OVERHEAD + LONG];
		uint8_t wire[RECORD_HEADER + 4 + sizeof(one)];

		put_le(c.id, i >> 8 | (i & 255) << 8, 2);
		change_encode(&c, one);
		/* until it is closed */
		put_le(wire, 4 + sizeof(one), 4);
		put_le(wire + 4, REC_BODY, 2);
		put_le(wire + 6, 0, 2);
		put_le(wire + 8, sizeof(one), 4);
		memcpy(wire + 12, one, sizeof(one));
		if (send(fd, wire, sizeof(wire), MSG_NOSIGNAL) < 0)
			break;
	}
	assert_int_equal(expect_staged(&l, 1, 0), VERR_NOSPACE);
	expect(fd, REC_FAIL, &m);
	assert_true(
	    slice_is(m.FAIL.sentence, "the vault's disk has no room for it"));
	for (uint64_t i = 1; i < 50; i++)
		assert_int_equal(commit(&l, 1, 1 + i, i, text, i % 5 == 0), 0);
	append(&l, 1, 0, APPEND_SYNC);
	expect(l.keeper, REC_APPENDED, &m);
	(void)close(fd);
	(void)close(on);
	stop(&l);
	assert_int_equal(chdir(".."), 0);
	assert_int_equal(umount("disk"), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    folder_test(backup_ledger_sends_the_store_of_one_moment),
	    folder_test(backup_ledger_carries_no_destroyed_key_away),
	    folder_test(backup_ledger_forgets_a_client_that_went_away),
	    folder_test(backup_ledger_puts_a_staged_store_in_place_of_its_own),
	    folder_test(backup_ledger_takes_nothing_but_a_run),
	    folder_test(backup_ledger_full_disk_costs_the_stage_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
