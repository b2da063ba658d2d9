#include <stdlib.h>

#include "protocol/refusal.h"
#include "vaultd/ledger/filter.h"
#include "vaultd/ledger/stream.h"

enum phase {
	PHASE_BACK,    /* looks for the first of the last "tail" lines */
	PHASE_FORWARD, /* sends */
};

struct query {
	struct ledger *ledger;
	struct stream *stream;
	enum phase phase;
	struct timer timer; /* the next slice */
	uint64_t id, tail, lines;
	uint8_t *match; /* the filter's literals */
	struct filter filter;
	struct cursor cursor;
	struct place end;
};

static void
query_free(struct query *q)
{
	loop_timer_stop(q->ledger->life.loop, &q->timer);
	cursor_close(&q->cursor);
	free(q->match);
	free(q);
}

static void
say_done(struct ledger *l, uint64_t id, int r, uint64_t lines)
{
	channel_say(l->keeper, QUERY_DONE, .query = id, .error = (uint64_t)-r,
	    .lines = lines);
}

/*
 * Tell both sides how it ended.
 */
static void
query_end(struct query *q, int r)
{
	say_done(q->ledger, q->id, r, q->lines);
	if (r == 0)
		stream_end(q->stream);
	else
		stream_fail(
		    q->stream, REFUSED_AUDIT, "the audit log cannot be read");
	query_free(q);
}

/*
 * Have the next slice read, unless the gate has enough to write.
 */
static void
query_go_on(struct query *q)
{
	if (stream_full(q->stream))
		return;
	if (loop_timer(q->ledger->life.loop, &q->timer, 0) != 0)
		query_end(q, VERR_NOMEM);
}

/*
 * Send the lines of a block that the filter takes, as many as fit at a time.
 */
static int
send_block(struct query *q, struct slice lines)
{
	uint8_t out[DATA_MAX];
	size_t n = 0;
	int r = 0;

	while (r == 0 && lines.n > 0) {
		const uint8_t *nl = memchr(lines.p, '\n', lines.n);
		struct slice line = slice_of(lines.p, (size_t)(nl - lines.p));

		lines = slice_of(nl + 1, lines.n - line.n - 1);
		if (!filter_takes(&q->filter, line))
			continue;
		if (line.n > AUDIT_LINE_MAX)
			return VERR_FORMAT;
		if (n + line.n + 1 > sizeof(out)) {
			r = stream_data(q->stream, out, n);
			n = 0;
		}
		memcpy(out + n, line.p, line.n + 1);
		n += line.n + 1;
		q->lines++;
	}
	if (r == 0 && n > 0)
		r = stream_data(q->stream, out, n);
	return r;
}

static void
slice_forward(struct query *q)
{
	struct block b;
	int r;

	r = cursor_next(q->ledger->audit, &q->cursor, q->end, &b);
	if (r == 0 && b.lines.n > 0)
		r = send_block(q, b.lines);
	if (r != 0 || b.lines.n == 0)
		query_end(q, r);
	else
		query_go_on(q);
}

/*
 * Count the lines that the filter takes, from the last; where there are enough
 * is the place to begin.
 */
static void
slice_back(struct query *q)
{
	struct block b;
	int r;

	if ((r = cursor_back(q->ledger->audit, &q->cursor, &b)) != 0) {
		query_end(q, r);
		return;
	}
	if (b.lines.n == 0)
		q->phase = PHASE_FORWARD;
	while (q->phase == PHASE_BACK && b.lines.n > 0) {
		size_t n = b.lines.n - 1;
		const uint8_t *nl = memrchr(b.lines.p, '\n', n);
		size_t at = nl == NULL ? 0 : (size_t)(nl + 1 - b.lines.p);

		if (filter_takes(
		        &q->filter, slice_of(b.lines.p + at, n - at)) &&
		    --q->tail == 0) {
			q->cursor.place.at = b.place.at + at;
			q->phase = PHASE_FORWARD;
		}
		b.lines.n = at;
	}
	query_go_on(q);
}

static void
on_time(void *arg)
{
	struct query *q = arg;

	if (q->phase == PHASE_BACK)
		slice_back(q);
	else
		slice_forward(q);
}

static void
on_start(void *arg)
{
	struct query *q = arg;

	append_flush(q->ledger);
	q->end = cursor_end(q->ledger->audit);
	if (q->tail > 0) {
		q->phase = PHASE_BACK;
		q->cursor.place = q->end;
	} else {
		q->phase = PHASE_FORWARD;
		q->cursor.place = cursor_find(q->ledger->audit, AUDIT_FIRST);
	}
	query_go_on(q);
}

static void
on_drained(void *arg)
{
	struct query *q = arg;

	if (q->timer.slot == 0)
		query_go_on(q);
}

static void
on_gone(void *arg, int r)
{
	struct query *q = arg;

	say_done(q->ledger, q->id, r, q->lines);
	query_free(q);
}

/* A gate has nothing to say here. */
static const struct stream_ops query_ops = {
    .start = on_start, .drained = on_drained, .gone = on_gone};

/*
 * Keep what was asked.  Returns 0, VERR_NOMEM, VERR_FORMAT or VERR_TOOBIG.
 */
static int
query_keep(struct query *q, const struct rec_QUERY *m)
{
	size_t n = m->match.n;

	q->tail = m->tail;
	if ((q->match = malloc(n + 1)) == NULL)
		return VERR_NOMEM;
	if (n > 0)
		memcpy(q->match, m->match.p, n);
	return filter_init(&q->filter, m->from, m->to, slice_of(q->match, n));
}

int
on_query(void *arg, const union record *m, int *fd)
{
	struct ledger *l = arg;
	const struct rec_QUERY *a = &m->QUERY;
	struct query *q;
	int r;

	(void)fd;
	if (!l->loaded)
		return VERR_FORBIDDEN;
	if ((q = calloc(1, sizeof(*q))) == NULL) {
		say_done(l, a->query, VERR_NOMEM, 0);
		return 0;
	}
	*q = (struct query){.ledger = l,
	    .id = a->query,
	    .cursor.fd = -1,
	    .timer = {.on_time = on_time, .arg = q}};
	r = stream_order(
	    l, (uint32_t)a->gate, a->number, &query_ops, q, &q->stream);
	if (r != 0) {
		query_free(q);
		if (r == VERR_FORBIDDEN)
			return r;
		say_done(l, a->query, r, 0);
		return 0;
	}
	if ((r = query_keep(q, a)) != 0)
		query_end(q, r);
	else
		stream_begin(q->stream);
	return r == VERR_FORMAT ? r : 0;
}
