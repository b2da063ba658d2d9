#include "vaultd/base/log.h"
#include "vaultd/ledger/ledger.h"

static void on_erase_time(void *arg);

void
rows_begin(struct ledger *l)
{
	l->erase = (struct timer){.on_time = on_erase_time, .arg = l};
	rows_load(l);
}

void
rows_load(struct ledger *l)
{
	struct row row;
	int r;

	while (!l->loaded && channel_queued(l->keeper) < QUEUE_MAX) {
		r = store_next(l->store, &row);
		if (r == VERR_NOTFOUND) {
			l->loaded = 1;
			channel_say(l->keeper, STORE_END, .rows = l->rows,
			    .next = audit_next(l->audit));
		} else if (r != 0) {
			/* The keeper must not take a part for the whole. */
			room_cannot_start(10, r);
		} else {
			l->rows++;
			channel_say(l->keeper, STORE_ROW,
			    .id = slice_of(row.id, ROW_ID_LEN),
			    .kind = row.kind, .generation = row.generation,
			    .body = row.body);
		}
	}
}

static void
committed(struct ledger *l, uint64_t commit, int r)
{
	channel_say(
	    l->keeper, COMMITTED, .commit = commit, .error = (uint64_t)-r);
}

static void
answer_fetch(struct ledger *l, uint64_t number, const uint8_t id[ROW_ID_LEN])
{
	struct row row;
	int r;

	r = store_fetch(l->store, id, &row);
	if (r != 0)
		row = (struct row){.kind = 0};
	channel_say(l->keeper, FETCHED, .fetch = number, .error = (uint64_t)-r,
	    .kind = row.kind, .generation = row.generation, .body = row.body);
}

/*
 * Erase; what was held for it is then confirmed, or goes on waiting.
 */
static void
erase(struct ledger *l)
{
	if (store_erase(l->store) != 0) {
		if (loop_timer(l->life.loop, &l->erase, ERASE_MS) != 0)
			log_say(LOG_NO_MEMORY, 0, 0, 0);
		return;
	}
	for (size_t i = 0; i < l->nheld; i++)
		committed(l, l->held[i], 0);
	l->nheld = 0;
	for (size_t i = 0; i < l->nfetches; i++)
		answer_fetch(l, l->fetches[i].number, l->fetches[i].id);
	l->nfetches = 0;
	channel_resume(l->keeper);
}

static void
on_erase_time(void *arg)
{
	erase(arg);
}

int
on_commit(void *arg, const union record *m, int *fd)
{
	struct ledger *l = arg;
	const struct rec_COMMIT *c = &m->COMMIT;
	int erases = c->erase != 0 || c->restore != 0, r;

	(void)fd;
	if (!l->loaded)
		return VERR_FORBIDDEN;
	/* Lines that came before this are not to be younger than it. */
	append_flush(l);
	if (!erases)
		snapshot_keep(l, c->changes);
	if (erases && l->nheld == ERASE_HELD)
		r = VERR_BUSY;
	else if (c->restore != 0)
		r = stage_commit(l, c->changes);
	else
		r = store_commit(l->store, c->changes);
	if (r == VERR_FORMAT)
		return r;
	if (r != 0 || !erases) {
		committed(l, c->commit, r);
		return 0;
	}
	snapshot_spoil(l);
	l->held[l->nheld++] = c->commit;
	erase(l);
	return 0;
}

/*
 * A row must not be seen before its commit is confirmed: while one is held,
 * fetches wait behind it, and with too many of them the keeper does.
 */
int
on_fetch(void *arg, const union record *m, int *fd)
{
	struct ledger *l = arg;
	struct fetch *f;

	(void)fd;
	if (!l->loaded)
		return VERR_FORBIDDEN;
	if (l->nheld == 0) {
		answer_fetch(l, m->FETCH.fetch, m->FETCH.id.p);
		return 0;
	}
	f = &l->fetches[l->nfetches++];
	f->number = m->FETCH.fetch;
	memcpy(f->id, m->FETCH.id.p, ROW_ID_LEN);
	if (l->nfetches == FETCH_HELD)
		channel_pause(l->keeper);
	return 0;
}
