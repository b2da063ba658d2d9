/*
 * A snapshot is a list of the rows that there were, and goes through it by and
 * by.  What a commit is about to replace or delete of the rest is kept in
 * memory, so that commits need not wait.
 */
#include <stdlib.h>

#include "protocol/refusal.h"
#include "vaultd/ledger/stream.h"

#define SLICE_ROWS 128        /* then whatever else there is to do */
#define KEPT_MAX   (64 << 20) /* bytes of rows that were replaced meanwhile */

/* A row as it was. */
struct kept {
	uint32_t kind;
	uint64_t generation;
	size_t n;
	uint8_t body[];
};

struct item {
	uint8_t id[ROW_ID_LEN];
	struct kept *kept; /* NULL: it is in the store, unchanged */
};

struct snapshot {
	struct ledger *ledger;
	struct stream *stream;
	uint64_t id;
	struct timer timer;
	struct item *items; /* ascending */
	size_t n, at;
	size_t bytes; /* of what is kept */
	size_t out_n;
	uint8_t out[DATA_MAX];
};

/* Why there is none, for people. */
static const struct {
	int error;
	uint32_t refusal;
	const char *sentence;
} reasons[] = {
    {VERR_STALE, REFUSED_STALE, "a key was destroyed meanwhile: back up again"},
    {VERR_BUSY, REFUSED_STALE, "too many changes meanwhile: back up again"},
    {VERR_TOOBIG, REFUSED_TOO_LARGE,
        "the store has more rows than a backup may have"},
    {0, REFUSED_STORE, "the store cannot be read"},
};

static void
say_done(struct ledger *l, uint64_t id, int r, uint64_t rows)
{
	channel_say(l->keeper, SNAPSHOT_DONE, .snapshot = id,
	    .error = (uint64_t)-r, .rows = rows);
}

static void
snapshot_free(struct snapshot *sn)
{
	loop_timer_stop(sn->ledger->life.loop, &sn->timer);
	sn->ledger->snapshot = NULL;
	for (size_t i = sn->at; i < sn->n; i++)
		free(sn->items[i].kept);
	free(sn->items);
	free(sn);
}

static void
snapshot_end(struct snapshot *sn, int r)
{
	size_t i = 0;

	say_done(sn->ledger, sn->id, r, sn->at);
	while (reasons[i].error != 0 && reasons[i].error != r)
		i++;
	if (r == 0)
		stream_end(sn->stream);
	else
		stream_fail(
		    sn->stream, reasons[i].refusal, reasons[i].sentence);
	snapshot_free(sn);
}

static int
flush(struct snapshot *sn)
{
	size_t n = sn->out_n;

	sn->out_n = 0;
	return n == 0 ? 0 : stream_data(sn->stream, sn->out, n);
}

static int
put(struct snapshot *sn, const uint8_t *p, size_t n)
{
	int r;

	while (n > 0) {
		size_t room = sizeof(sn->out) - sn->out_n;
		size_t part = n < room ? n : room;

		memcpy(sn->out + sn->out_n, p, part);
		sn->out_n += part;
		p += part;
		n -= part;
		if (sn->out_n == sizeof(sn->out) && (r = flush(sn)) != 0)
			return r;
	}
	return 0;
}

static int
put_row(struct snapshot *sn, const struct row *row)
{
	struct change c = {.kind = row->kind,
	    .generation = row->generation,
	    .body = row->body};
	uint8_t head[CHANGE_OVERHEAD];
	int r;

	memcpy(c.id, row->id, ROW_ID_LEN);
	change_encode_head(&c, head);
	if ((r = put(sn, head, sizeof(head))) != 0)
		return r;
	return put(sn, row->body.p, row->body.n);
}

static int
put_item(struct snapshot *sn, struct item *item)
{
	struct kept *kept = item->kept;
	struct row row;
	int r;

	if (kept == NULL) {
		r = store_fetch(sn->ledger->store, item->id, &row);
		return r == 0 ? put_row(sn, &row) : r;
	}
	row = (struct row){.kind = kept->kind,
	    .generation = kept->generation,
	    .body = slice_of(kept->body, kept->n)};
	memcpy(row.id, item->id, ROW_ID_LEN);
	r = put_row(sn, &row);
	sn->bytes -= sizeof(*kept) + kept->n;
	free(kept);
	item->kept = NULL;
	return r;
}

static void
go_on(struct snapshot *sn)
{
	if (!stream_full(sn->stream) &&
	    loop_timer(sn->ledger->life.loop, &sn->timer, 0) != 0)
		snapshot_end(sn, VERR_NOMEM);
}

static void
on_time(void *arg)
{
	struct snapshot *sn = arg;
	int r = 0;

	for (size_t i = 0; i < SLICE_ROWS && r == 0 && sn->at < sn->n &&
	     !stream_full(sn->stream);
	     i++)
		if ((r = put_item(sn, &sn->items[sn->at])) == 0)
			sn->at++;
	if (r == 0 && sn->at < sn->n)
		go_on(sn);
	else
		snapshot_end(sn, r == 0 ? flush(sn) : r);
}

static void
on_start(void *arg)
{
	go_on(arg);
}

static void
on_drained(void *arg)
{
	struct snapshot *sn = arg;

	if (sn->timer.slot == 0)
		go_on(sn);
}

static void
on_gone(void *arg, int r)
{
	struct snapshot *sn = arg;

	say_done(sn->ledger, sn->id, r, sn->at);
	snapshot_free(sn);
}

/* A gate has nothing to say here. */
static const struct stream_ops snapshot_ops = {
    .start = on_start, .drained = on_drained, .gone = on_gone};

/*
 * Read the ids of the store into "sn"; the store is to be asked to the end.
 */
static int
take_list(struct snapshot *sn)
{
	size_t cap = 0;
	uint8_t id[ROW_ID_LEN];
	int r, failed = 0;

	while ((r = store_next_id(sn->ledger->store, id)) == 0) {
		if (failed == 0 && sn->n == RUN_ROWS_MAX)
			failed = VERR_TOOBIG;
		if (failed == 0 && sn->n == cap) {
			struct item *p;

			cap = cap == 0 ? 1024 : 2 * cap;
			p = realloc(sn->items, cap * sizeof(*p));
			if (p == NULL)
				failed = VERR_NOMEM;
			else
				sn->items = p;
		}
		if (failed != 0)
			continue;
		sn->items[sn->n].kept = NULL;
		memcpy(sn->items[sn->n++].id, id, ROW_ID_LEN);
	}
	return r != VERR_NOTFOUND ? r : failed;
}

int
on_snapshot(void *arg, const union record *m, int *fd)
{
	struct ledger *l = arg;
	const struct rec_SNAPSHOT *a = &m->SNAPSHOT;
	struct snapshot *sn = NULL;
	int r = VERR_BUSY;

	(void)fd;
	if (!l->loaded)
		return VERR_FORBIDDEN;
	if (l->snapshot == NULL) {
		sn = calloc(1, sizeof(*sn));
		r = sn == NULL ? VERR_NOMEM
		               : stream_order(l, (uint32_t)a->gate, a->number,
		                     &snapshot_ops, sn, &sn->stream);
	}
	if (r != 0) {
		free(sn);
		if (r == VERR_FORBIDDEN)
			return r;
		say_done(l, a->snapshot, r, 0);
		return 0;
	}
	sn->ledger = l;
	sn->id = a->snapshot;
	sn->timer = (struct timer){.on_time = on_time, .arg = sn};
	l->snapshot = sn;
	if ((r = take_list(sn)) != 0)
		snapshot_end(sn, r);
	else
		stream_begin(sn->stream);
	return 0;
}

static int
compare(const void *id, const void *item)
{
	return memcmp(id, ((const struct item *)item)->id, ROW_ID_LEN);
}

/*
 * Keep the row of "id" as it is now, if it is still to be sent and not kept.
 * Returns 0, VERR_BUSY (too much is kept) or as store_fetch().
 */
static int
keep(struct snapshot *sn, const uint8_t id[ROW_ID_LEN])
{
	struct item *item;
	struct kept *kept;
	struct row row;
	int r;

	item = bsearch(id, sn->items + sn->at, sn->n - sn->at,
	    sizeof(struct item), compare);
	if (item == NULL || item->kept != NULL)
		return 0;
	if ((r = store_fetch(sn->ledger->store, id, &row)) != 0)
		return r;
	if (sizeof(*kept) + row.body.n > KEPT_MAX - sn->bytes)
		return VERR_BUSY;
	if ((kept = malloc(sizeof(*kept) + row.body.n)) == NULL)
		return VERR_NOMEM;
	kept->kind = row.kind;
	kept->generation = row.generation;
	kept->n = row.body.n;
	if (kept->n > 0)
		memcpy(kept->body, row.body.p, kept->n);
	sn->bytes += sizeof(*kept) + kept->n;
	item->kept = kept;
	return 0;
}

void
snapshot_keep(struct ledger *l, struct slice changes)
{
	struct snapshot *sn = l->snapshot;
	struct change c;
	int r = 0;

	/* What is malformed is the commit's affair. */
	while (sn != NULL && r == 0 && change_next(&changes, &c) == 0)
		r = keep(sn, c.id);
	if (r != 0)
		snapshot_end(sn, r);
}

void
snapshot_spoil(struct ledger *l)
{
	if (l->snapshot != NULL)
		snapshot_end(l->snapshot, VERR_STALE);
}
