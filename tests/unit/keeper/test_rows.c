#include "tests/unit/keeper/ledger.h"
#include "vaultd/keeper/rows_state.h"
#include "vaultd/keeper/super.h"

/* How often a commit or a fetch was done, and with what. */
static struct {
	size_t calls;
	int r;
} done;

static void
on_done(void *arg, int r)
{
	(void)arg;
	done.calls++;
	done.r = r;
}

/* A row that is no secret, of some text. */
struct text_row {
	struct commit commit;
	uint8_t body[SEALED_MAX];
};

static struct text_row writes[8];

static struct change *
prepare(struct text_row *w, const char *name, const char *text)
{
	struct change *c = &w->commit.changes[0];
	struct row_place at = {.kind = ROW_PROFILE};
	size_t len = 0;

	memset(&w->commit, 0, sizeof(w->commit));
	w->commit.done = on_done;
	w->commit.n = 1;
	keys_row_id(k->keys, ROW_PROFILE, slice_str(name), c->id);
	c->kind = ROW_PROFILE;
	rows_next_generation(k->rows, c);
	memcpy(at.id, c->id, ROW_ID_LEN);
	at.generation = c->generation;
	assert_int_equal(
	    keys_seal_row(k->keys, &at, slice_str(text), w->body, &len), 0);
	c->body = slice_of(w->body, len);
	done.calls = 0;
	return c;
}

static int
commit(const char *name, const char *text)
{
	(void)prepare(&writes[0], name, text);
	rows_commit(k->rows, &writes[0].commit);
	ledger_play();
	assert_int_equal(done.calls, 1);
	return done.r;
}

static struct fetch wanted;

static void
on_fetched(void *arg, struct fetch *f)
{
	(void)arg;
	assert_ptr_equal(f, &wanted);
	done.calls++;
	done.r = f->r;
}

static void
fetch(const char *name)
{
	memset(&wanted, 0, sizeof(wanted));
	wanted.done = on_fetched;
	keys_row_id(k->keys, ROW_PROFILE, slice_str(name), wanted.id);
	done.calls = 0;
	rows_fetch(k->rows, &wanted);
	assert_int_equal(done.calls, 0); /* never from within */
	ledger_play();
}

/*
 * The text that "name" now has, or NULL.
 */
static const char *
text_of(const char *name)
{
	static char text[256];
	uint8_t *plain = NULL;
	size_t len = 0;

	fetch(name);
	assert_int_equal(done.calls, 1);
	if (done.r != 0)
		return NULL;
	assert_int_equal(keys_open_row(k->keys, &wanted.at,
	                     slice_of(wanted.body, wanted.len), &plain, &len),
	    0);
	fetch_release(&wanted);
	assert_true(len < sizeof(text));
	memcpy(text, plain, len);
	text[len] = '\0';
	free(plain);
	return text;
}

static void
keys_rows_new_vault(void **state)
{
	(void)state;
	assert_int_equal(rows_generation(k->rows), 1);
	assert_int_equal(ledger.commits, 1);
	assert_int_equal(slots_count(k->slots), 1);
	assert_non_null(slots_key(k->slots, 0));
	assert_non_null(disk_kind(&ledger.disk, ROW_SLOT));
	assert_non_null(disk_kind(&ledger.disk, ROW_SUPER));
	assert_non_null(strstr(ledger.disk.lines[0], "{\"seq\":0,"));
	assert_null(text_of("acme/shop"));
	assert_int_equal(done.r, VERR_NOTFOUND);
}

static void
keys_rows_survive_a_restart(void **state)
{
	(void)state;
	assert_int_equal(commit("acme/shop", "one"), 0);
	assert_int_equal(commit("acme/other", "two"), 0);
	assert_int_equal(commit("acme/shop", "three"), 0);
	assert_int_equal(rows_generation(k->rows), 4);
	for (int i = 0; i < 3; i++) {
		restart_with(&ledger.disk);
		assert_int_equal(world.refusals, 0);
		assert_int_equal(world.ready, 1);
		assert_true(k->loaded);
		assert_int_equal(rows_generation(k->rows), 4 + i);
		assert_string_equal(text_of("acme/shop"), "three");
		assert_string_equal(text_of("acme/other"), "two");
		assert_int_equal(commit("acme/third", "x"), 0);
	}
}

static void
keys_rows_removed(void **state)
{
	struct change *c;

	(void)state;
	assert_int_equal(commit("acme/shop", "one"), 0);
	c = prepare(&writes[0], "acme/shop", "");
	c->generation = 0;
	c->body.n = 0;
	writes[0].commit.erase = true;
	rows_commit(k->rows, &writes[0].commit);
	ledger_play();
	assert_int_equal(done.r, 0);
	assert_true(ledger.erase);
	assert_null(text_of("acme/shop"));
	assert_int_equal(ledger.disk.nrows, 2);
	restart_with(&ledger.disk);
	assert_int_equal(world.ready, 1);
}

/* The disk as it was, and as somebody left it. */
static struct disk good, bad, older;

static void
is_refused(const char *words)
{
	restart_with(&bad);
	refused_because(words);
	disk_copy(&bad, &good);
}

/* Put the older row of "kind" in the place of the newer one. */
static void
roll_back(uint32_t kind)
{
	const struct stored *row = disk_kind(&older, kind);
	struct change c = {.kind = kind,
	    .generation = row->generation,
	    .body = {row->body, row->len}};

	memcpy(c.id, row->id, ROW_ID_LEN);
	disk_remove(&bad, disk_find(&bad, row->id));
	disk_put(&bad, &c);
}

static void
hostile_rows_store_was_changed(void **state)
{
	const struct change more = {.id = {7},
	    .kind = ROW_PROFILE,
	    .generation = 1,
	    .body = {(const uint8_t *)"x", 1}};

	(void)state;
	assert_int_equal(commit("acme/shop", "one"), 0);
	disk_copy(&older, &ledger.disk);
	assert_int_equal(commit("acme/shop", "two"), 0);
	assert_int_equal(commit("acme/other", "x"), 0);
	disk_copy(&good, &ledger.disk);
	disk_copy(&bad, &good);
	for (uint32_t kind = ROW_SLOT; kind <= ROW_PROFILE; kind++) {
		if (disk_kind(&good, kind) == NULL)
			continue;
		disk_remove(&bad, disk_kind(&bad, kind));
		is_refused(kind == ROW_PROFILE ? "sealed root" : "no super");
		disk_kind(&bad, kind)->body[60] ^= 1;
		is_refused("");
		disk_kind(&bad, kind)->generation++;
		is_refused("");
		disk_kind(&bad, kind)->kind = 9;
		is_refused("");
		disk_kind(&bad, kind)->id[3] ^= 1;
		is_refused("");
		disk_kind(&bad, kind)->len--;
		is_refused("");
		disk_kind(&bad, kind)->len = 0;
		is_refused("");
	}
	roll_back(ROW_PROFILE);
	is_refused("sealed root");
	roll_back(ROW_SUPER);
	is_refused("sealed root");
	disk_put(&bad, &more);
	is_refused("sealed root");
	free(bad.lines[--bad.nlines]);
	is_refused("shorter");
	while (bad.nrows > 0)
		disk_remove(&bad, &bad.rows[0]);
	is_refused("the store is empty");
	/* It was the changes, all the time. */
	restart_with(&good);
	assert_int_equal(world.ready, 1);
	disk_free(&good);
	disk_free(&bad);
	disk_free(&older);
}

static void
keys_rows_another_key_file(void **state)
{
	uint8_t other[SLOT_FILE_LEN];

	(void)state;
	memcpy(other, world_key_file, sizeof(other));
	other[31] ^= 1;
	given.key_file = other;
	restart_with(&ledger.disk);
	given.key_file = world_key_file;
	refused_because("key file");
	/* What is not a vault's, but not empty, is not made into one. */
	keeper_begin();
	ledger_attach();
	peer_say(ledger.fd, STORE_END, .rows = 0, .next = 5);
	ledger_play();
	refused_because("the store is empty");
}

static void
hostile_rows_two_super_rows(void **state)
{
	const struct stored *s = disk_kind(&ledger.disk, ROW_SUPER);

	(void)state;
	keeper_begin();
	ledger_attach();
	for (int i = 0; i < 2; i++)
		peer_say(ledger.fd, STORE_ROW,
		    .id = slice_of(s->id, ROW_ID_LEN), .kind = s->kind,
		    .generation = s->generation,
		    .body = slice_of(s->body, s->len));
	assert_int_equal(offence(), VERR_FORMAT);
	assert_int_equal(world.ready, 0);
}

static void
hostile_rows_told_twice(void **state)
{
	(void)state;
	assert_int_equal(commit("acme/shop", "one"), 0);
	keeper_begin();
	ledger_attach();
	for (int i = 0; i < 2; i++) {
		const struct stored *s = disk_kind(&ledger.disk, ROW_PROFILE);

		peer_say(ledger.fd, STORE_ROW,
		    .id = slice_of(s->id, ROW_ID_LEN), .kind = s->kind,
		    .generation = s->generation,
		    .body = slice_of(s->body, s->len));
	}
	peer_say(ledger.fd, STORE_END, .rows = 2, .next = 3);
	assert_int_equal(offence(), VERR_EXISTS);
	assert_int_equal(world.ready, 0);
}

/* Everything has its time: said at another, it is an offence. */
static void
hostile_rows_records_out_of_turn(void **state)
{
	static const uint8_t id[ROW_ID_LEN];
	const struct {
		const char *name;
		uint16_t type;
		union record m;
		bool loading, serving; /* an offence then? */
	} cases[] = {
	    {"row", REC_STORE_ROW,
	        {.STORE_ROW = {.id = {id, 16}, .kind = 4, .generation = 1}},
	        false, true},
	    {"removed row", REC_STORE_ROW, {.STORE_ROW = {.id = {id, 16}}},
	        true, true},
	    {"end", REC_STORE_END, {.STORE_END = {.rows = 77}}, true, true},
	    {"line", REC_AUDIT_LINE,
	        {.AUDIT_LINE = {.seq = 0, .line = slice_str("{\"seq\":0")}},
	        true, true},
	    {"replay end", REC_REPLAY_END, {.REPLAY_END = {.next = 0}}, true,
	        true},
	    {"replay end 1", REC_REPLAY_END, {.REPLAY_END = {.next = 1}}, true,
	        true},
	    {"committed", REC_COMMITTED, {.COMMITTED = {.commit = 1}}, true,
	        true},
	    {"committed 0", REC_COMMITTED, {.COMMITTED = {.commit = 0}}, true,
	        true},
	    {"fetched", REC_FETCHED, {.FETCHED = {.fetch = 1}}, true, true},
	    {"appended", REC_APPENDED,
	        {.APPENDED = {.epoch = 1, .next = 2, .synced = 2}}, true, true},
	    {"synced more than written", REC_APPENDED,
	        {.APPENDED = {.epoch = 1, .next = 1, .synced = 2}}, true, true},
	    {"failed", REC_APPEND_FAILED,
	        {.APPEND_FAILED = {.epoch = 1, .seq = 1, .error = 11}}, true,
	        true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		for (int serving = 0; serving < 2; serving++) {
			int r,
			    expected =
			        serving ? cases[i].serving : cases[i].loading;

			if (serving) {
				disk_free(&ledger.disk);
				(void)ledger_setup(NULL);
			} else {
				keeper_begin();
				ledger_attach();
			}
			peer_put(ledger.fd, cases[i].type, &cases[i].m);
			r = offence();
			if ((r != 0) != expected)
				fail_msg(
				    "%s %d: %d", cases[i].name, serving, r);
			assert_int_equal(world.ready, serving);
			assert_int_equal(world.refusals, 0);
		}
}

static void
keys_rows_commit_refused(void **state)
{
	static const int errors[] = {VERR_STALE, VERR_NOSPACE, VERR_IO};

	(void)state;
	assert_int_equal(commit("acme/shop", "one"), 0);
	for (size_t i = 0; i < 3; i++) {
		ledger.hold_commits = true;
		(void)prepare(&writes[0], "acme/shop", "two");
		rows_commit(k->rows, &writes[0].commit);
		ledger_play();
		assert_int_equal(done.calls, 0);
		ledger_answer_commit(errors[i]);
		assert_int_equal(done.calls, 1);
		assert_int_equal(done.r, errors[i]);
		ledger.hold_commits = false;
		/* Nothing has changed. */
		assert_int_equal(rows_generation(k->rows), 2);
		assert_string_equal(text_of("acme/shop"), "one");
	}
	assert_int_equal(commit("acme/shop", "two"), 0);
	assert_string_equal(text_of("acme/shop"), "two");
}

static void
hostile_rows_commit_answered_with_nonsense(void **state)
{
	static const struct {
		uint64_t number;
		uint32_t error;
	} cases[] = {{0, 101}, {0, UINT32_MAX}, {1, 0}, {UINT64_MAX, 0}};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		ledger.hold_commits = true;
		(void)prepare(&writes[0], "acme/shop", "one");
		rows_commit(k->rows, &writes[0].commit);
		ledger_play();
		peer_say(ledger.fd, COMMITTED,
		    .commit = ledger.commit + cases[i].number,
		    .error = cases[i].error);
		assert_int_equal(offence(), VERR_FORMAT);
		assert_int_equal(done.calls, 0);
		ledger_begin(&ledger.disk);
		assert_int_equal(done.calls, 1);
		assert_int_equal(done.r, 0);
	}
}

/* What does not fit the index is stale before the ledger hears of it. */
static void
keys_rows_commit_expects_the_current_generation(void **state)
{
	size_t heard;

	(void)state;
	assert_int_equal(commit("acme/shop", "one"), 0);
	heard = ledger.commits;
	for (uint64_t expected = 0; expected < 4; expected++) {
		if (expected == 1)
			continue;
		prepare(&writes[0], "acme/shop", "two")->expected = expected;
		rows_commit(k->rows, &writes[0].commit);
		ledger_play();
		assert_int_equal(done.calls, 1);
		assert_int_equal(done.r, VERR_STALE);
	}
	assert_int_equal(ledger.commits, heard);
	/* Two that were prepared at once: the second comes too late. */
	ledger.hold_commits = true;
	(void)prepare(&writes[0], "acme/shop", "two");
	(void)prepare(&writes[1], "acme/shop", "three");
	rows_commit(k->rows, &writes[0].commit);
	rows_commit(k->rows, &writes[1].commit);
	ledger_play();
	assert_int_equal(ledger.commits, heard + 1);
	ledger_write_commit();
	ledger_answer_commit(0);
	assert_int_equal(done.calls, 2);
	assert_int_equal(done.r, VERR_STALE);
	ledger.hold_commits = false;
	assert_string_equal(text_of("acme/shop"), "two");
}

static void
keys_rows_commits_take_turns(void **state)
{
	(void)state;
	for (size_t i = 0; i < 8; i++) {
		char name[16];

		snprintf(name, sizeof(name), "acme/%zu", i);
		(void)prepare(&writes[i], name, name);
		rows_commit(k->rows, &writes[i].commit);
	}
	ledger_play();
	assert_int_equal(done.calls, 8);
	assert_int_equal(rows_generation(k->rows), 9);
	assert_string_equal(text_of("acme/7"), "acme/7");
	restart_with(&ledger.disk);
	assert_int_equal(world.ready, 1);
}

/*
 * The ledger dies over a commit: with it on the disk, or not.  It is done
 * once, and everything agrees.
 */
static void
keys_rows_ledger_dies_over_a_commit(void **state)
{
	(void)state;
	for (int written = 0; written < 2; written++) {
		const char *text = written ? "written" : "not written";

		ledger.hold_commits = true;
		(void)prepare(&writes[0], "acme/shop", text);
		(void)prepare(&writes[1], "acme/other", text);
		rows_commit(k->rows, &writes[0].commit);
		rows_commit(k->rows, &writes[1].commit);
		ledger_play();
		if (written)
			ledger_write_commit();
		assert_int_equal(done.calls, 0);
		ledger_begin(&ledger.disk);
		assert_int_equal(world.refusals, 0);
		assert_int_equal(done.calls, 2);
		assert_int_equal(done.r, 0);
		assert_string_equal(text_of("acme/shop"), text);
		assert_string_equal(text_of("acme/other"), text);
		assert_int_equal(rows_generation(k->rows), 3 + 2 * written);
		assert_int_equal(offence(), 0);
	}
	restart_with(&ledger.disk);
	assert_int_equal(world.ready, 1);
}

/* The same over the very first one. */
static void
keys_rows_ledger_dies_over_the_creation(void **state)
{
	(void)state;
	for (int written = 0; written < 2; written++)
		for (int twice = 0; twice < 2; twice++) {
			disk_free(&ledger.disk);
			keeper_begin();
			ledger_attach();
			ledger.hold_commits = true;
			ledger_tell_rows(&ledger.disk);
			if (written)
				ledger_write_commit();
			assert_int_equal(world.ready, 0);
			if (twice) {
				ledger_attach();
				ledger.hold_commits = true;
				ledger_tell_rows(&ledger.disk);
			}
			ledger_begin(&ledger.disk);
			assert_int_equal(world.refusals, 0);
			assert_true(k->loaded && world.ready > 0);
			assert_int_equal(ledger.disk.nrows, 2);
			assert_int_equal(ledger.disk.nlines, 1);
			assert_int_equal(offence(), 0);
			assert_int_equal(commit("acme/shop", "one"), 0);
			restart_with(&ledger.disk);
			assert_int_equal(world.ready, 1);
			assert_string_equal(text_of("acme/shop"), "one");
		}
}

/* The store is there and its log is not yet: a crash of everything. */
static void
keys_rows_creation_before_its_record(void **state)
{
	(void)state;
	free(ledger.disk.lines[--ledger.disk.nlines]);
	restart_with(&ledger.disk);
	assert_int_equal(world.refusals, 0);
	assert_int_equal(world.ready, 1);
	assert_int_equal(ledger.disk.nlines, 1);
}

static void
hostile_rows_later_ledger_with_another_store(void **state)
{
	static struct disk newer;

	(void)state;
	assert_int_equal(commit("acme/shop", "one"), 0);
	disk_copy(&older, &ledger.disk);
	assert_int_equal(commit("acme/shop", "two"), 0);
	disk_copy(&newer, &ledger.disk);

	world.ready = 0;
	ledger_begin(&older);
	refused_because("a moment ago");

	/* An empty one is no new vault. */
	restart_with(&newer);
	world.ready = 0;
	ledger_attach();
	peer_say(ledger.fd, STORE_END, .rows = 0, .next = 0);
	ledger_play();
	refused_because("empty");

	/* Nor is it before the first ledger has finished. */
	keeper_begin();
	ledger_attach();
	ledger_tell_rows(&newer);
	ledger_attach();
	peer_say(ledger.fd, STORE_END, .rows = 0, .next = 0);
	ledger_play();
	refused_because("empty");

	/* Another vault's, with the same key file */
	restart_with(&newer);
	disk_free(&ledger.disk);
	(void)ledger_setup(NULL);
	world.ready = 0;
	ledger_begin(&newer);
	refused_because("a moment ago");
	disk_free(&older);
	disk_free(&newer);
}

/*
 * Whatever is told of a row but what was last committed is a lie; the fetch is
 * answered by a ledger that does not.
 */
static void
hostile_rows_fetch_withheld_or_foreign(void **state)
{
	struct stored mine, other, lie;
	uint8_t body[2048];

	(void)state;
	assert_int_equal(commit("acme/shop", "one"), 0);
	disk_copy(&older, &ledger.disk);
	assert_int_equal(commit("acme/shop", "two"), 0);
	assert_int_equal(commit("acme/other", "x"), 0);
	keys_row_id(k->keys, ROW_PROFILE, slice_str("acme/other"), wanted.id);
	other = *disk_find(&ledger.disk, wanted.id);
	keys_row_id(k->keys, ROW_PROFILE, slice_str("acme/shop"), wanted.id);
	mine = *disk_find(&ledger.disk, wanted.id);
	assert_true(mine.len <= sizeof(body));
	for (int how = 0; how < 9; how++) {
		ledger.hold_fetches = true;
		fetch("acme/shop");
		lie = mine;
		lie.body = body;
		memcpy(body, mine.body, mine.len);
		switch (how) {
		case 0: /* there is none */
			ledger_answer_fetch(NULL, VERR_NOTFOUND);
			break;
		case 1: /* an earlier one, wholly and in part */
			ledger_answer_fetch(disk_find(&older, wanted.id), 0);
			break;
		case 2:
			lie = *disk_find(&older, wanted.id);
			lie.generation = mine.generation;
			ledger_answer_fetch(&lie, 0);
			break;
		case 3: /* another's */
			ledger_answer_fetch(&other, 0);
			break;
		case 4:
			body[lie.len / 2] ^= 0x40;
			ledger_answer_fetch(&lie, 0);
			break;
		case 5:
			lie.len--;
			ledger_answer_fetch(&lie, 0);
			break;
		case 6:
			lie.kind = ROW_CREDENTIAL;
			ledger_answer_fetch(&lie, 0);
			break;
		case 7: /* to a question that was not asked */
			ledger.fetch++;
			ledger_answer_fetch(&lie, 0);
			break;
		case 8: /* an error that is none */
			ledger_answer_fetch(&lie, -101);
			break;
		}
		assert_int_equal(offence(), VERR_FORMAT);
		assert_int_equal(done.calls, 0);
		assert_null(rows_channel(k->rows));
		ledger_begin(&ledger.disk);
		assert_int_equal(done.calls, 1);
		assert_int_equal(done.r, 0);
		fetch_release(&wanted);
	}
	/* Of a row that is not there, too */
	ledger.hold_fetches = true;
	fetch("acme/none");
	ledger_answer_fetch(&other, 0);
	assert_int_equal(offence(), VERR_FORMAT);
	assert_int_equal(done.calls, 0);
	ledger_begin(&ledger.disk);
	assert_int_equal(done.r, VERR_NOTFOUND);
	/* A disk that fails is no lie. */
	ledger.hold_fetches = true;
	fetch("acme/shop");
	ledger_answer_fetch(NULL, VERR_IO);
	assert_int_equal(offence(), 0);
	assert_int_equal(done.calls, 1);
	assert_true(done.r != 0);
	disk_free(&older);
}

static void
keys_rows_fetch_waits_for_a_ledger(void **state)
{
	(void)state;
	assert_int_equal(commit("acme/shop", "one"), 0);
	close(ledger.fd);
	ledger.fd = -1;
	peer_rounds(k->life.loop, 2);
	fetch("acme/shop");
	assert_int_equal(done.calls, 0);
	ledger_begin(&ledger.disk);
	assert_int_equal(done.calls, 1);
	assert_int_equal(done.r, 0);
	fetch_release(&wanted);
	assert_int_equal(rows_life(k->rows), 2);
}

/* As if the time had come to look for what the ledger owes. */
static void
look(void)
{
	assert_true(k->rows->deaf.slot != 0);
	loop_timer_stop(k->life.loop, &k->rows->deaf);
	k->rows->deaf.on_time(k->rows);
	peer_rounds(k->life.loop, 2);
}

static void
hostile_rows_silent_ledger_is_given_up(void **state)
{
	(void)state;
	assert_int_equal(commit("acme/shop", "one"), 0);
	for (int what = 0; what < 3; what++) {
		struct json j;

		look(); /* what was owed before is not now */
		ledger.hold_fetches = what == 0;
		ledger.hold_commits = what == 1;
		ledger.hold_appends = what == 2;
		if (what == 0) {
			fetch("acme/shop");
		} else if (what == 1) {
			(void)prepare(&writes[0], "acme/shop", "two");
			rows_commit(k->rows, &writes[0].commit);
		} else {
			audit_begin(k->audit, AUDIT_ACCESS, 0, &j);
			audit_end(k->audit, &j, false, NULL);
		}
		ledger_play();
		look();
		assert_non_null(rows_channel(k->rows));
		look();
		assert_null(rows_channel(k->rows));
		assert_int_equal(offence(), VERR_TIMEOUT);
		ledger_begin(&ledger.disk);
		assert_non_null(rows_channel(k->rows));
		assert_int_equal(done.calls, 1);
		assert_int_equal(done.r, 0);
		if (what == 0)
			fetch_release(&wanted);
	}
	assert_int_equal(ledger.disk.nlines, 2);
	/* One that never comes to its end, too. */
	ledger_attach();
	look();
	look();
	assert_int_equal(offence(), VERR_TIMEOUT);
}

/* Slow is not silent: every answer counts, a failure as well. */
static void
keys_rows_slow_ledger_is_borne(void **state)
{
	struct json j;

	(void)state;
	assert_int_equal(commit("acme/shop", "one"), 0);
	ledger.hold_fetches = true;
	for (int i = 0; i < 8; i++) {
		fetch("acme/shop");
		look();
		ledger_answer_fetch(disk_find(&ledger.disk, wanted.id), 0);
		peer_rounds(k->life.loop, 2);
		assert_int_equal(done.calls, 1);
		fetch_release(&wanted);
	}
	ledger.hold_appends = true;
	audit_begin(k->audit, AUDIT_OUTCOME, 0, &j);
	audit_end(k->audit, &j, false, NULL);
	for (uint64_t i = 0; i < 8; i++) {
		ledger_play();
		look();
		peer_say(ledger.fd, APPEND_FAILED, .epoch = 1 + i,
		    .seq = ledger.disk.nlines,
		    .error = (uint64_t)-VERR_NOSPACE);
		peer_rounds(k->life.loop, 2);
	}
	assert_int_equal(offence(), 0);
	assert_non_null(rows_channel(k->rows));
	ledger_drop_appends();
}

static void
on_finished(void *arg)
{
	++*(int *)arg;
}

/* The last word: what the log is now is vouched for. */
static void
audit_rows_finish_seals_the_log(void **state)
{
	struct super super;
	const struct stored *row;
	int finished = 0;
	struct json j;

	(void)state;
	audit_begin(k->audit, AUDIT_ACCESS, 0, &j);
	audit_end(k->audit, &j, false, NULL);
	ledger_play();
	assert_int_equal(ledger.disk.nlines, 2);
	rows_finish(k->rows, on_finished, &finished);
	ledger_play();
	assert_int_equal(finished, 1);
	row = disk_kind(&ledger.disk, ROW_SUPER);
	assert_int_equal(super_open(k->keys, row->generation,
	                     slice_of(row->body, row->len), &super),
	    0);
	assert_int_equal(super.audit_size, 2);
	free(ledger.disk.lines[--ledger.disk.nlines]);
	restart_with(&ledger.disk);
	refused_because("shorter");
}

int
main(void)
{
#define T(name)                                                                \
	cmocka_unit_test_setup_teardown(name, ledger_setup, ledger_teardown)
	const struct CMUnitTest tests[] = {
	    T(keys_rows_new_vault),
	    T(keys_rows_survive_a_restart),
	    T(keys_rows_removed),
	    T(hostile_rows_store_was_changed),
	    T(keys_rows_another_key_file),
	    T(hostile_rows_two_super_rows),
	    T(hostile_rows_told_twice),
	    T(hostile_rows_records_out_of_turn),
	    T(keys_rows_commit_refused),
	    T(hostile_rows_commit_answered_with_nonsense),
	    T(keys_rows_commit_expects_the_current_generation),
	    T(keys_rows_commits_take_turns),
	    T(keys_rows_ledger_dies_over_a_commit),
	    T(keys_rows_ledger_dies_over_the_creation),
	    T(keys_rows_creation_before_its_record),
	    T(hostile_rows_later_ledger_with_another_store),
	    T(hostile_rows_fetch_withheld_or_foreign),
	    T(keys_rows_fetch_waits_for_a_ledger),
	    T(hostile_rows_silent_ledger_is_given_up),
	    T(keys_rows_slow_ledger_is_borne),
	    T(audit_rows_finish_seals_the_log),
	};

	return cmocka_run_group_tests_name("rows", tests, world_memory, NULL);
}
