/*
 * ledger - the other side of rows.c, played: a store and a log in memory that
 *	    do as they are told, or not.
 */
#ifndef TESTS_UNIT_KEEPER_LEDGER_H
#define TESTS_UNIT_KEEPER_LEDGER_H

#include <stdio.h>

#include "tests/unit/keeper/world.h"
#include "vaultd/keeper/courier.h"
#include "vaultd/keeper/sign.h"

#define STORE_ROWS 2048
#define LOG_LINES  16384

struct stored {
	uint8_t id[ROW_ID_LEN];
	uint32_t kind;
	uint64_t generation;
	uint8_t *body;
	size_t len;
};

/* What is on the disk: it outlives ledgers and keepers. */
struct disk {
	struct stored rows[STORE_ROWS];
	size_t nrows;
	char *lines[LOG_LINES];
	size_t nlines;
};

/* One record that was heard and not yet answered. */
struct held {
	uint64_t number; /* of the commit or the fetch, or the line's seq */
	uint64_t epoch;
	uint32_t flags;
	char *text; /* of an APPEND: its line */
};

static struct keeper *k;
static int supervisor = -1;

static struct {
	int fd;
	struct disk disk;
	bool hold_appends, hold_commits, hold_fetches;
	struct held appends[LOG_LINES];
	size_t nappends;
	uint64_t commit; /* the number of the one that is held, or 0 */
	bool erase;
	size_t commits, fetches, replays; /* heard in all */
	uint64_t replay_from, fetch;
	uint8_t fetch_id[ROW_ID_LEN];
	uint8_t *changes; /* of the last COMMIT */
	size_t changes_len;
} ledger = {.fd = -1};

static inline struct stored *
disk_find(struct disk *d, const uint8_t *id)
{
	for (size_t i = 0; i < d->nrows; i++)
		if (memcmp(d->rows[i].id, id, ROW_ID_LEN) == 0)
			return &d->rows[i];
	return NULL;
}

static inline struct stored *
disk_kind(struct disk *d, uint32_t kind)
{
	for (size_t i = 0; i < d->nrows; i++)
		if (d->rows[i].kind == kind)
			return &d->rows[i];
	return NULL;
}

static inline void
disk_remove(struct disk *d, struct stored *row)
{
	free(row->body);
	*row = d->rows[--d->nrows];
}

static inline void
disk_put(struct disk *d, const struct change *c)
{
	struct stored *row = disk_find(d, c->id);

	assert_int_equal(c->expected, row == NULL ? 0 : row->generation);
	if (c->generation == 0) {
		disk_remove(d, row);
		return;
	}
	if (row == NULL) {
		assert_true(d->nrows < STORE_ROWS);
		row = &d->rows[d->nrows++];
		row->body = NULL;
	}
	free(row->body);
	memcpy(row->id, c->id, ROW_ID_LEN);
	row->kind = c->kind;
	row->generation = c->generation;
	row->len = c->body.n;
	row->body = malloc(c->body.n + 1);
	assert_non_null(row->body);
	memcpy(row->body, c->body.p, c->body.n);
}

static inline void
disk_line(struct disk *d, const char *text)
{
	d->lines[d->nlines++] = strdup(text);
}

static inline void
disk_free(struct disk *d)
{
	while (d->nrows > 0)
		disk_remove(d, &d->rows[0]);
	while (d->nlines > 0)
		free(d->lines[--d->nlines]);
}

static inline void
disk_copy(struct disk *to, const struct disk *from)
{
	disk_free(to);
	for (size_t i = 0; i < from->nrows; i++) {
		to->rows[i] = from->rows[i];
		to->rows[i].body = malloc(from->rows[i].len + 1);
		assert_non_null(to->rows[i].body);
		memcpy(to->rows[i].body, from->rows[i].body, from->rows[i].len);
	}
	to->nrows = from->nrows;
	for (size_t i = 0; i < from->nlines; i++)
		disk_line(to, from->lines[i]);
}

/*
 * The commit that is held is written; and it is confirmed.
 */
static inline void
ledger_write_commit(void)
{
	struct slice rest = slice_of(ledger.changes, ledger.changes_len);
	struct change c;

	assert_true(ledger.commit != 0);
	while (change_next(&rest, &c) == 0)
		disk_put(&ledger.disk, &c);
	assert_int_equal(rest.n, 0);
}

static inline void
ledger_answer_commit(int error)
{
	assert_true(ledger.commit != 0);
	peer_say(ledger.fd, COMMITTED, .commit = ledger.commit,
	    .error = (uint64_t)-error);
	ledger.commit = 0;
	peer_rounds(k->life.loop, 1);
}

/*
 * Say what FETCHED of "row" is, as "error" has it.
 */
static inline void
ledger_answer_fetch(const struct stored *row, int error)
{
	if (row == NULL || error != 0)
		peer_say(ledger.fd, FETCHED, .fetch = ledger.fetch,
		    .error = (uint64_t) - (error != 0 ? error : VERR_NOTFOUND));
	else
		peer_say(ledger.fd, FETCHED, .fetch = ledger.fetch,
		    .kind = row->kind, .generation = row->generation,
		    .body = slice_of(row->body, row->len));
}

static inline void
ledger_hear_append(const struct rec_APPEND *m)
{
	struct held *h = &ledger.appends[ledger.nappends++];

	h->number = m->seq;
	h->epoch = m->epoch;
	h->flags = (uint32_t)m->flags;
	h->text = strndup((const char *)m->line.p, m->line.n);
	assert_int_equal(strlen(h->text), m->line.n);
}

/* Forget what was appended and held, and not written. */
static inline void
ledger_drop_appends(void)
{
	while (ledger.nappends > 0)
		free(ledger.appends[--ledger.nappends].text);
}

/*
 * Write the first "n" appends that are held, and confirm them: "sync" as on
 * the disk.
 */
static inline void
ledger_write_appends(size_t n, bool sync)
{
	uint64_t epoch = ledger.appends[0].epoch;

	assert_true(n > 0 && n <= ledger.nappends);
	for (size_t i = 0; i < n; i++) {
		assert_true(ledger.appends[i].epoch == epoch);
		assert_int_equal(ledger.appends[i].number, ledger.disk.nlines);
		disk_line(&ledger.disk, ledger.appends[i].text);
		free(ledger.appends[i].text);
	}
	memmove(&ledger.appends[0], &ledger.appends[n],
	    (ledger.nappends - n) * sizeof(ledger.appends[0]));
	ledger.nappends -= n;
	peer_say(ledger.fd, APPENDED, .epoch = epoch,
	    .next = ledger.disk.nlines,
	    .synced = sync ? ledger.disk.nlines : 0);
	peer_rounds(k->life.loop, 1);
}

static inline void
ledger_hear(const struct heard *h)
{
	const union record *m = &h->m;

	switch (h->type) {
	case REC_REPLAY:
		ledger.replays++;
		ledger.replay_from = m->REPLAY.from;
		break;
	case REC_COMMIT:
		ledger.commits++;
		ledger.commit = m->COMMIT.commit;
		ledger.erase = m->COMMIT.erase != 0;
		free(ledger.changes);
		ledger.changes_len = m->COMMIT.changes.n;
		ledger.changes = malloc(ledger.changes_len + 1);
		assert_non_null(ledger.changes);
		memcpy(ledger.changes, m->COMMIT.changes.p, ledger.changes_len);
		if (!ledger.hold_commits) {
			ledger_write_commit();
			ledger_answer_commit(0);
		}
		break;
	case REC_APPEND:
		ledger_hear_append(&m->APPEND);
		break;
	case REC_FETCH:
		ledger.fetches++;
		ledger.fetch = m->FETCH.fetch;
		memcpy(ledger.fetch_id, m->FETCH.id.p, ROW_ID_LEN);
		if (!ledger.hold_fetches)
			ledger_answer_fetch(
			    disk_find(&ledger.disk, ledger.fetch_id), 0);
		break;
	default:
		fail_msg("a ledger hears no %u", h->type);
	}
}

/*
 * Listen and do, until there is nothing more to be done.
 */
static inline void
ledger_play(void)
{
	static struct heard h;
	bool heard = true;

	while (heard) {
		heard = false;
		peer_rounds(k->life.loop, 2);
		while (ledger.fd >= 0 && peer_hear(ledger.fd, &h) != 0) {
			ledger_hear(&h);
			heard = true;
		}
		if (ledger.nappends > 0 && !ledger.hold_appends) {
			ledger_write_appends(ledger.nappends, true);
			heard = true;
		}
	}
}

/* Another ledger takes the place of the one there was. */
static inline void
ledger_attach(void)
{
	int sv[2];

	ledger_drop_appends();
	ledger.commit = 0;
	ledger.hold_appends = ledger.hold_commits = ledger.hold_fetches = false;
	if (ledger.fd >= 0) {
		close(ledger.fd);
		peer_rounds(k->life.loop, 2);
	}
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	ledger.fd = sv[1];
	assert_int_equal(rows_attach(k->rows, sv[0]), 0);
}

static inline void
ledger_tell_rows(const struct disk *d)
{
	for (size_t i = 0; i < d->nrows; i++) {
		const struct stored *row = &d->rows[i];

		peer_say(ledger.fd, STORE_ROW,
		    .id = slice_of(row->id, ROW_ID_LEN), .kind = row->kind,
		    .generation = row->generation,
		    .body = slice_of(row->body, row->len));
		peer_rounds(k->life.loop, 1);
	}
	peer_say(ledger.fd, STORE_END, .rows = d->nrows, .next = d->nlines);
	ledger_play();
}

static inline void
ledger_tell_lines(const struct disk *d, uint64_t from)
{
	for (uint64_t i = from; i < d->nlines; i++) {
		peer_say(ledger.fd, AUDIT_LINE, .seq = i,
		    .line = slice_str(d->lines[i]));
		peer_rounds(k->life.loop, 1);
	}
	peer_say(ledger.fd, REPLAY_END, .next = d->nlines);
	ledger_play();
}

/* All of it: attach, tell what "d" has, answer what is asked. */
static inline void
ledger_begin(const struct disk *d)
{
	size_t replays = ledger.replays;

	if (d != &ledger.disk)
		disk_copy(&ledger.disk, d);
	ledger_attach();
	ledger_tell_rows(d);
	if (ledger.replays > replays)
		ledger_tell_lines(d, ledger.replay_from);
}

/* A keeper in its first moment. */
static inline void
keeper_begin(void)
{
	if (ledger.fd >= 0)
		close(ledger.fd);
	if (supervisor >= 0)
		close(supervisor);
	ledger.fd = supervisor = -1;
	if (k != NULL)
		peer_rounds(k->life.loop, 2);
	k = world_keeper(&supervisor);
	assert_int_equal(audit_new(k, &k->audit), 0);
	assert_int_equal(rows_new(k, &k->rows), 0);
	assert_int_equal(links_new(&k->links), 0);
	assert_int_equal(couriers_new(k, &k->couriers), 0);
	assert_int_equal(signer_new(k, &k->signer), 0);
	memset(&world, 0, sizeof(world));
}

/* A vault that has just been made, ready. */
static inline int
ledger_setup(void **state)
{
	(void)state;
	ledger_drop_appends();
	disk_free(&ledger.disk);
	ledger.commits = ledger.fetches = ledger.replays = 0;
	keeper_begin();
	ledger_begin(&ledger.disk);
	assert_int_equal(world.refusals, 0);
	assert_int_equal(world.ready, 1);
	assert_int_equal(ledger.disk.nrows, 2);
	assert_int_equal(ledger.disk.nlines, 1);
	return 0;
}

static inline int
ledger_teardown(void **state)
{
	(void)state;
	ledger_drop_appends();
	disk_free(&ledger.disk);
	free(ledger.changes);
	ledger.changes = NULL;
	return 0;
}

/* The same vault after a restart of everything, told as "d" has it. */
static inline void
restart_with(const struct disk *d)
{
	keeper_begin();
	ledger_begin(d);
}

static inline void
refused_because(const char *words)
{
	assert_int_equal(world.ready, 0);
	if (world.refusals == 0 || strstr(world.refusal, words) == NULL)
		fail_msg("not \"%s\" but \"%s\"", words, world.refusal);
}

/*
 * The error of the offence that the keeper reported of its ledger, or 0.
 */
static inline int
offence(void)
{
	static struct heard h;
	int r = 0;

	peer_rounds(k->life.loop, 2);
	while (peer_hear(supervisor, &h) != 0)
		if (h.type == REC_OFFENCE) {
			assert_int_equal(h.m.OFFENCE.room, ROOM_LEDGER);
			r = -(int)h.m.OFFENCE.error;
		}
	return r;
}

#endif /* TESTS_UNIT_KEEPER_LEDGER_H */
