#include "tests/unit/keeper/ledger.h"

#define NOTES 8

/* Somebody who waits for a record. */
struct waiter {
	struct audit_note note;
	size_t calls;
	int r;
};

static struct waiter notes[NOTES];

static void
on_done(void *arg, int r)
{
	struct waiter *w = arg;

	w->calls++;
	w->r = r;
}

static struct waiter *
record(size_t i, enum audit_event event, uint64_t of, const char *text)
{
	struct waiter *w = &notes[i];
	struct json j;

	*w = (struct waiter){.note = {on_done, w, 0}};
	audit_begin(k->audit, event, of, &j);
	json_text(&j, "text", text);
	audit_end(k->audit, &j, false, &w->note);
	return w;
}

static uint64_t
decide(void)
{
	struct waiter *w = record(0, AUDIT_DECISION, 0, "decision");

	ledger_play();
	assert_int_equal(w->calls, 1);
	assert_int_equal(w->r, 0);
	return w->note.seq;
}

static void
told(size_t i, int r)
{
	assert_int_equal(notes[i].calls, 1);
	assert_int_equal(notes[i].r, r);
}

static void
not_told(size_t i)
{
	assert_int_equal(notes[i].calls, 0);
}

/*
 * The log is what it should be: numbered without a gap, and every outcome of a
 * decision that came before and had none.
 */
static void
log_is_whole(const struct disk *d, size_t open)
{
	static bool is_open[LOG_LINES];

	memset(is_open, 0, sizeof(is_open));
	for (size_t i = 0; i < d->nlines; i++) {
		unsigned long seq = 0, of = 0;
		char event[16] = "";
		int n = sscanf(d->lines[i],
		    "{\"seq\":%lu,\"time\":\"2025-11-22T16:53:51.123Z\","
		    "\"event\":\"%15[a-z]\",\"of\":%lu",
		    &seq, event, &of);

		assert_true(n >= 2);
		assert_int_equal(seq, i);
		if (strcmp(event, "decision") == 0) {
			is_open[i] = true;
			open--;
		} else if (strcmp(event, "outcome") == 0) {
			assert_int_equal(n, 3);
			assert_true(of < i && is_open[of]);
			is_open[of] = false;
			open++;
		}
	}
	assert_int_equal(open, 0);
}

static void
audit_numbering_and_layout(void **state)
{
	uint64_t seq;

	(void)state;
	seq = decide();
	assert_int_equal(seq, 1);
	assert_int_equal(audit_next(k->audit), 2);
	(void)record(1, AUDIT_ACCESS, 0, "access");
	(void)record(2, AUDIT_OUTCOME, seq, "outcome");
	assert_int_equal(notes[1].note.seq, 2);
	assert_int_equal(notes[2].note.seq, 3);
	ledger_play();
	assert_string_equal(ledger.disk.lines[1],
	    "{\"seq\":1,\"time\":\"2025-11-22T16:53:51.123Z\","
	    "\"event\":\"decision\",\"text\":\"decision\"}");
	assert_string_equal(ledger.disk.lines[2],
	    "{\"seq\":2,\"time\":\"2025-11-22T16:53:51.123Z\","
	    "\"event\":\"access\",\"text\":\"access\"}");
	assert_string_equal(ledger.disk.lines[3],
	    "{\"seq\":3,\"time\":\"2025-11-22T16:53:51.123Z\","
	    "\"event\":\"outcome\",\"of\":1,\"text\":\"outcome\"}");
	log_is_whole(&ledger.disk, 0);
}

/* Nobody goes on before the ledger has it. */
static void
audit_done_follows_the_confirmation(void **state)
{
	(void)state;
	ledger.hold_appends = true;
	for (size_t i = 0; i < 3; i++)
		(void)record(i, AUDIT_DECISION, 0, "x");
	ledger_play();
	assert_int_equal(ledger.nappends, 3);
	for (size_t i = 0; i < 3; i++)
		not_told(i);
	ledger_write_appends(2, false);
	told(0, 0);
	told(1, 0);
	not_told(2);
	assert_int_equal(audit_confirmed(k->audit), 3);
	/* Synced is not confirmed, and the other way round. */
	assert_int_equal(audit_synced(k->audit)->size, 1);
	ledger_write_appends(1, true);
	told(2, 0);
	assert_int_equal(audit_synced(k->audit)->size, 4);
}

static void
audit_flags_say_what_must_be_kept(void **state)
{
	struct json j;

	(void)state;
	ledger.hold_appends = true;
	(void)record(0, AUDIT_ACCESS, 0, "x");
	(void)record(1, AUDIT_DECISION, 0, "x");
	(void)record(2, AUDIT_OUTCOME, 1, "x");
	audit_begin(k->audit, AUDIT_DECISION, 0, &j);
	audit_end(k->audit, &j, true, NULL);
	ledger_play();
	assert_int_equal(ledger.appends[0].flags, 0);
	assert_int_equal(ledger.appends[1].flags, APPEND_RESERVE);
	assert_int_equal(ledger.appends[2].flags, APPEND_RELEASE);
	assert_int_equal(ledger.appends[3].flags, APPEND_RESERVE | APPEND_SYNC);
}

static void
audit_too_long(void **state)
{
	static char text[AUDIT_LINE_MAX + 1];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	(void)record(0, AUDIT_DECISION, 0, text);
	told(0, VERR_TOOBIG);
	(void)record(1, AUDIT_DECISION, 0, text + 300);
	ledger_play();
	told(1, 0);
	log_is_whole(&ledger.disk, 1);
}

static void
say_failed(uint64_t seq, int error)
{
	peer_say(ledger.fd, APPEND_FAILED, .epoch = ledger.appends[0].epoch,
	    .seq = seq, .error = (uint64_t)-error);
	ledger_drop_appends();
	peer_rounds(k->life.loop, 2);
}

/*
 * Nothing was written from a decision on: who waits for it is told, the
 * outcomes behind it take its number and are sent again at once.
 */
static void
audit_failure_at_a_decision(void **state)
{
	uint64_t a = decide(), b = decide(), epoch;

	(void)state;
	ledger.hold_appends = true;
	(void)record(1, AUDIT_ACCESS, 0, "written");
	(void)record(2, AUDIT_DECISION, 0, "not written");
	(void)record(3, AUDIT_OUTCOME, b, "of b");
	(void)record(4, AUDIT_ACCESS, 0, "not written");
	(void)record(5, AUDIT_OUTCOME, a, "of a");
	(void)record(6, AUDIT_DECISION, 0, "not written");
	ledger_play();
	assert_int_equal(ledger.nappends, 6);
	epoch = ledger.appends[0].epoch;
	ledger_write_appends(1, true);
	told(1, 0);
	say_failed(4, VERR_NOSPACE);
	told(2, VERR_NOSPACE);
	told(4, VERR_NOSPACE);
	told(6, VERR_NOSPACE);
	not_told(3);
	not_told(5);
	ledger_play();
	assert_int_equal(ledger.nappends, 2);
	assert_true(ledger.appends[0].epoch > epoch);
	assert_int_equal(notes[3].note.seq, 4);
	assert_int_equal(notes[5].note.seq, 5);
	/* A new one is let in, behind them. */
	(void)record(7, AUDIT_DECISION, 0, "again");
	ledger.hold_appends = false;
	ledger_play();
	told(3, 0);
	told(5, 0);
	told(7, 0);
	assert_int_equal(notes[7].note.seq, 6);
	log_is_whole(&ledger.disk, 1);
	assert_non_null(strstr(ledger.disk.lines[4], "of b"));
	assert_non_null(strstr(ledger.disk.lines[5], "of a"));
	/* It is what the keeper hashed, too. */
	restart_with(&ledger.disk);
	assert_int_equal(world.ready, 1);
}

/*
 * Not even an outcome could be written: nothing is let in until it can.
 */
static void
audit_failure_at_an_outcome(void **state)
{
	uint64_t a = decide(), b = decide();

	(void)state;
	ledger.hold_appends = true;
	(void)record(1, AUDIT_OUTCOME, a, "of a");
	(void)record(2, AUDIT_DECISION, 0, "not written");
	(void)record(3, AUDIT_OUTCOME, b, "of b");
	ledger_play();
	say_failed(3, VERR_IO);
	told(2, VERR_IO);
	ledger_play();
	assert_int_equal(ledger.nappends, 0);
	(void)record(4, AUDIT_DECISION, 0, "turned away");
	told(4, VERR_IO);
	(void)record(5, AUDIT_ACCESS, 0, "turned away");
	told(5, VERR_IO);
	not_told(1);
	not_told(3);
	/* It is tried again by itself. */
	for (int i = 0; i < 30 && ledger.nappends == 0; i++) {
		usleep(50000);
		ledger_play();
	}
	assert_int_equal(ledger.nappends, 2);
	assert_string_equal(ledger.appends[0].text,
	    "{\"seq\":3,\"time\":\"2025-11-22T16:53:51.123Z\","
	    "\"event\":\"outcome\",\"of\":1,\"text\":\"of a\"}");
	(void)record(6, AUDIT_DECISION, 0, "let in");
	ledger.hold_appends = false;
	ledger_play();
	told(1, 0);
	told(3, 0);
	told(6, 0);
	log_is_whole(&ledger.disk, 1);
}

/* The ledger dies before the next try: its successor gets each record once. */
static void
audit_failure_and_then_a_new_ledger(void **state)
{
	uint64_t a = decide();

	(void)state;
	ledger.hold_appends = true;
	(void)record(1, AUDIT_OUTCOME, a, "of a");
	ledger_play();
	say_failed(2, VERR_IO);
	ledger_attach();
	ledger_tell_rows(&ledger.disk);
	ledger.hold_appends = true;
	ledger_tell_lines(&ledger.disk, ledger.replay_from);
	assert_int_equal(ledger.nappends, 1);
	usleep(1100000);
	ledger_play();
	assert_int_equal(ledger.nappends, 1);
	ledger.hold_appends = false;
	ledger_play();
	told(1, 0);
	log_is_whole(&ledger.disk, 0);
	assert_int_equal(offence(), 0);
}

/* What an older epoch says is not heard; numbers that cannot be are a lie. */
static void
hostile_audit_confirmations(void **state)
{
	static const struct {
		int64_t epoch; /* from the current one */
		uint64_t next, synced;
		bool lie;
	} cases[] = {
	    {-1, 99, 99, false},
	    {1, 99, 99, false},
	    {0, 4, 4, true},
	    {0, UINT64_MAX, 1, true},
	    {0, 2, 3, true},
	    {0, 0, 0, false},
	    {0, 1, 1, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint64_t epoch;

		ledger_drop_appends();
		disk_free(&ledger.disk);
		(void)ledger_setup(NULL);
		ledger.hold_appends = true;
		(void)record(0, AUDIT_DECISION, 0, "x");
		(void)record(1, AUDIT_DECISION, 0, "x");
		ledger_play();
		epoch = ledger.appends[0].epoch;
		peer_say(ledger.fd, APPENDED,
		    .epoch = epoch + (uint64_t)cases[i].epoch,
		    .next = cases[i].next, .synced = cases[i].synced);
		assert_int_equal(offence(), cases[i].lie ? VERR_FORMAT : 0);
		not_told(0);
		not_told(1);
	}
}

static void
hostile_audit_failures(void **state)
{
	static const struct {
		int64_t epoch;
		uint64_t seq;
		uint32_t error;
		bool lie;
	} cases[] = {
	    {-1, 1, 11, false},
	    {1, 1, 11, false},
	    {0, 0, 11, true},
	    {0, 2, 11, true}, /* and what of 1? */
	    {0, 3, 11, true},
	    {0, 1, 0, true},
	    {0, 1, 101, true},
	    {0, 1, UINT32_MAX, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint64_t epoch;

		ledger_drop_appends();
		disk_free(&ledger.disk);
		(void)ledger_setup(NULL);
		ledger.hold_appends = true;
		(void)record(0, AUDIT_DECISION, 0, "x");
		(void)record(1, AUDIT_DECISION, 0, "x");
		ledger_play();
		epoch = ledger.appends[0].epoch;
		peer_say(ledger.fd, APPEND_FAILED,
		    .epoch = epoch + (uint64_t)cases[i].epoch,
		    .seq = cases[i].seq, .error = cases[i].error);
		assert_int_equal(offence(), cases[i].lie ? VERR_FORMAT : 0);
		not_told(0);
		not_told(1);
	}
}

static void
audit_open_decisions_are_closed_at_start(void **state)
{
	uint64_t a = decide(), b = decide(), c = decide();
	char words[64];
	size_t before;

	(void)state;
	(void)record(1, AUDIT_OUTCOME, b, "of b");
	ledger_play();
	before = ledger.disk.nlines;
	keeper_begin();
	ledger_attach();
	ledger_tell_rows(&ledger.disk);
	ledger.hold_appends = true;
	ledger_tell_lines(&ledger.disk, ledger.replay_from);
	assert_int_equal(world.ready, 1);
	assert_int_equal(ledger.nappends, 2);
	assert_int_equal(ledger.appends[0].flags, APPEND_RELEASE | APPEND_SYNC);
	ledger.hold_appends = false;
	ledger_play();
	assert_int_equal(ledger.disk.nlines, before + 2);
	for (size_t i = 0; i < 2; i++) {
		(void)snprintf(words, sizeof(words),
		    "\"event\":\"outcome\",\"of\":%d,\"outcome\":\"unknown\"}",
		    (int)(i == 0 ? a : c));
		assert_non_null(strstr(ledger.disk.lines[before + i], words));
	}
	log_is_whole(&ledger.disk, 0);
	/* Once: the next start has nothing to close. */
	restart_with(&ledger.disk);
	assert_int_equal(world.ready, 1);
	assert_int_equal(ledger.disk.nlines, before + 2);
}

/* A new ledger has some of what was sent, or none, or all of it. */
static void
audit_resumes_with_a_new_ledger(void **state)
{
	(void)state;
	for (size_t written = 0; written <= 3; written++) {
		ledger.hold_appends = true;
		for (size_t i = 0; i < 3; i++)
			(void)record(i, AUDIT_DECISION, 0, "x");
		ledger_play();
		/* Written, but it dies before it can say so. */
		for (size_t i = 0; i < written; i++)
			disk_line(&ledger.disk, ledger.appends[i].text);
		ledger_attach();
		/* What comes meanwhile waits. */
		(void)record(3, AUDIT_ACCESS, 0, "meanwhile");
		ledger_tell_rows(&ledger.disk);
		(void)record(4, AUDIT_ACCESS, 0, "meanwhile");
		ledger_tell_lines(&ledger.disk, ledger.replay_from);
		for (size_t i = 0; i < 5; i++)
			told(i, 0);
		log_is_whole(&ledger.disk, 3 * (written + 1));
		assert_int_equal(offence(), 0);
		assert_int_equal(world.refusals, 0);
	}
	restart_with(&ledger.disk);
	assert_int_equal(world.ready, 1);
	log_is_whole(&ledger.disk, 0);
}

/* A new ledger's log is not that of a moment ago. */
static void
hostile_audit_new_ledger_with_another_log(void **state)
{
	static struct disk d;

	(void)state;
	for (int how = 0; how < 4; how++) {
		ledger_drop_appends();
		disk_free(&ledger.disk);
		(void)ledger_setup(NULL);
		(void)decide();
		ledger.hold_appends = true;
		(void)record(1, AUDIT_DECISION, 0, "pending");
		ledger_play();
		disk_copy(&d, &ledger.disk);
		if (how == 0) /* less than it had confirmed */
			free(d.lines[--d.nlines]);
		if (how == 1) /* something else than it was sent */
			disk_line(&d,
			    "{\"seq\":2,\"time\":"
			    "\"2025-11-22T16:53:51.123Z\","
			    "\"event\":\"access\"}");
		if (how == 2) { /* more than it was sent */
			disk_line(&d, ledger.appends[0].text);
			disk_line(&d, "{\"seq\":3}");
		}
		if (how == 3) /* cut off */
			disk_line(&d, "{\"seq\":2");
		world.ready = 0;
		ledger_begin(&d);
		assert_true(world.refusals > 0);
		assert_non_null(strstr(world.refusal, "audit log"));
	}
	disk_free(&d);
}

/*
 * Whatever is done to the log as far as the store vouches for it.
 */
static void
hostile_audit_sealed_log_was_changed(void **state)
{
	static struct disk good, bad;
	struct commit seal = {.done = on_done, .arg = &notes[7]};
	char *line;

	(void)state;
	for (int i = 0; i < 3; i++)
		(void)decide();
	(void)record(1, AUDIT_OUTCOME, 2, "of 2");
	ledger_play();
	rows_commit(k->rows, &seal);
	ledger_play();
	(void)decide(); /* behind the seal */
	disk_copy(&good, &ledger.disk);
	assert_int_equal(good.nlines, 6);

	for (size_t i = 0; i < 5; i++) {
		size_t n = strlen(good.lines[i]);

		for (size_t at = 0; at < n; at++) {
			disk_copy(&bad, &good);
			bad.lines[i][at] ^= 1;
			restart_with(&bad);
			refused_because("audit log");
			if (at > 8 && at < n - 4)
				at += 7; /* a sample: a start each */
		}
		/* cut off, removed, twice */
		disk_copy(&bad, &good);
		bad.lines[i][n - 1] = '\0';
		restart_with(&bad);
		refused_because("audit log");
		disk_copy(&bad, &good);
		free(bad.lines[i]);
		memmove(&bad.lines[i], &bad.lines[i + 1],
		    (--bad.nlines - i) * sizeof(bad.lines[0]));
		restart_with(&bad);
		refused_because("audit log");
		disk_copy(&bad, &good);
		line = bad.lines[i];
		bad.lines[i] = bad.lines[i + 1];
		bad.lines[i + 1] = line;
		restart_with(&bad);
		refused_because("audit log");
	}
	for (size_t n = 0; n < 5; n++) {
		disk_copy(&bad, &good);
		while (bad.nlines > n)
			free(bad.lines[--bad.nlines]);
		restart_with(&bad);
		refused_because("shorter");
	}
	/* And where it says one thing and does another */
	for (size_t n = 0; n < 6; n++) {
		disk_copy(&bad, &good);
		while (bad.nlines > n)
			free(bad.lines[--bad.nlines]);
		keeper_begin();
		ledger_attach();
		ledger_tell_rows(&good);
		ledger_tell_lines(&bad, 0);
		refused_because("audit log");
	}
	/* Behind the seal, a record may be missing: it is an older copy that
	 * the store knows nothing of. */
	disk_copy(&bad, &good);
	free(bad.lines[--bad.nlines]);
	restart_with(&bad);
	assert_int_equal(world.ready, 1);
	restart_with(&good);
	assert_int_equal(world.ready, 1);
	disk_free(&good);
	disk_free(&bad);
}

/*
 * A first ledger dies in the middle of its lines: none of them is believed of
 * the second.
 */
static void
hostile_audit_lines_of_a_ledger_that_died(void **state)
{
	static struct disk older;
	struct commit seal = {.done = on_done, .arg = &notes[7]};
	char forged[256];

	(void)state;
	disk_copy(&older, &ledger.disk);
	(void)decide();
	(void)record(1, AUDIT_OUTCOME, 1, "of 1");
	ledger_play();
	rows_commit(k->rows, &seal);
	ledger_play();

	keeper_begin();
	ledger_attach();
	disk_line(&older, ledger.disk.lines[1]);
	disk_line(&older, ledger.disk.lines[2]);
	ledger_tell_rows(&older);
	for (uint64_t i = 0; i < 3; i++) {
		(void)snprintf(
		    forged, sizeof(forged), "%s", ledger.disk.lines[i]);
		if (i == 1)
			memcpy(strstr(forged, "\"text"), "\"TEXT", 5);
		peer_say(
		    ledger.fd, AUDIT_LINE, .seq = i, .line = slice_str(forged));
	}
	peer_rounds(k->life.loop, 2);
	assert_int_equal(world.refusals, 0);
	ledger_attach();
	ledger_tell_rows(&ledger.disk);
	assert_int_equal(ledger.replay_from, 0);
	ledger_tell_lines(&ledger.disk, ledger.replay_from);
	assert_int_equal(world.refusals, 0);
	assert_int_equal(world.ready, 1);
	disk_free(&older);
}

/* Lines behind the seal must at least be records, in order. */
static void
hostile_audit_lines_that_are_no_records(void **state)
{
#define HEAD "{\"seq\":1,\"time\":\"2025-11-22T16:53:51.123Z\",\"event\":"
	static const char *const lines[] = {"", "x", "{}", "{\"seq\":1",
	    "{\"seq\":2,\"time\":\"2025-11-22T16:53:51.123Z\","
	    "\"event\":\"access\"}",
	    "{\"seq\":99999999999999999999999,\"time\":"
	    "\"2025-11-22T16:53:51.123Z\",\"event\":\"access\"}",
	    "{\"seq\":,\"time\":\"2025-11-22T16:53:51.123Z\","
	    "\"event\":\"access\"}",
	    "{\"seq\":1,\"time\":\"2025\",\"event\":\"access\"}", HEAD,
	    HEAD "\"other\"}", HEAD "\"outcome\"}", HEAD "\"outcome\",\"of\":}",
	    HEAD "access", HEAD "\"decisio"};
	static struct disk bad;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		disk_copy(&bad, &ledger.disk);
		disk_line(&bad, lines[i]);
		restart_with(&bad);
		refused_because("audit log");
	}
	disk_free(&bad);
}

/* So many may be open, and no more; an outcome makes room. */
static void
audit_bounded_in_open_decisions(void **state)
{
	size_t taken = 0;

	(void)state;
	ledger.hold_appends = true;
	while (taken <= AUDIT_OPEN_MAX) {
		(void)record(0, AUDIT_DECISION, 0, "x");
		if (notes[0].calls > 0)
			break;
		taken++;
		if (taken % 100 == 0) {
			ledger.hold_appends = false;
			ledger_play();
			ledger.hold_appends = true;
			notes[0].calls = 0;
		}
	}
	told(0, VERR_BUSY);
	assert_int_equal(taken, AUDIT_OPEN_MAX);
	(void)record(1, AUDIT_ACCESS, 0, "x");
	told(1, VERR_BUSY);
	ledger.hold_appends = false;
	(void)record(2, AUDIT_OUTCOME, 7, "of 7");
	ledger_play();
	told(2, 0);
	(void)record(3, AUDIT_DECISION, 0, "x");
	ledger_play();
	told(3, 0);
	log_is_whole(&ledger.disk, AUDIT_OPEN_MAX);
	/* All of them are closed by the next life. */
	restart_with(&ledger.disk);
	assert_int_equal(world.ready, 1);
	log_is_whole(&ledger.disk, 0);
}

/*
 * An outcome that nobody waits for.
 */
static void
outcome_of(uint64_t of)
{
	struct json j;

	audit_begin(k->audit, AUDIT_OUTCOME, of, &j);
	audit_end(k->audit, &j, false, NULL);
}

/* They go out with the next record, in their place, or soon by themselves. */
static void
audit_outcomes_ride_along(void **state)
{
	uint64_t a = decide(), b = decide(), c = decide();

	(void)state;
	ledger.hold_appends = true;
	outcome_of(a);
	outcome_of(b);
	(void)record(1, AUDIT_DECISION, 0, "x");
	ledger_play();
	assert_int_equal(ledger.nappends, 3);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(ledger.appends[i].number, 4 + i);
	assert_int_equal(ledger.appends[0].flags, APPEND_RELEASE);
	outcome_of(c);
	for (int i = 0; i < 100 && ledger.nappends < 4; i++) {
		usleep(2000);
		ledger_play();
	}
	assert_int_equal(ledger.nappends, 4);
	ledger.hold_appends = false;
	ledger_play();
	log_is_whole(&ledger.disk, 1);
}

/* A new ledger gets what was held back for the one before, once. */
static void
audit_outcomes_outlive_a_ledger(void **state)
{
	uint64_t a = decide();

	(void)state;
	outcome_of(a);
	ledger_begin(&ledger.disk);
	usleep(10000);
	ledger_play();
	assert_int_equal(offence(), 0);
	log_is_whole(&ledger.disk, 0);
}

int
main(void)
{
#define T(name)                                                                \
	cmocka_unit_test_setup_teardown(name, ledger_setup, ledger_teardown)
	const struct CMUnitTest tests[] = {
	    T(audit_numbering_and_layout),
	    T(audit_done_follows_the_confirmation),
	    T(audit_flags_say_what_must_be_kept),
	    T(audit_too_long),
	    T(audit_failure_at_a_decision),
	    T(audit_failure_at_an_outcome),
	    T(audit_failure_and_then_a_new_ledger),
	    T(hostile_audit_confirmations),
	    T(hostile_audit_failures),
	    T(audit_open_decisions_are_closed_at_start),
	    T(audit_resumes_with_a_new_ledger),
	    T(hostile_audit_new_ledger_with_another_log),
	    T(hostile_audit_sealed_log_was_changed),
	    T(hostile_audit_lines_of_a_ledger_that_died),
	    T(hostile_audit_lines_that_are_no_records),
	    T(audit_bounded_in_open_decisions),
	    T(audit_outcomes_ride_along),
	    T(audit_outcomes_outlive_a_ledger),
	};

	return cmocka_run_group_tests_name("audit", tests, world_memory, NULL);
}
