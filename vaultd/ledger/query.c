#include <stdlib.h>
#include <unistd.h>

#include "protocol/refusal.h"
#include "vaultd/ledger/filter.h"
#include "vaultd/ledger/ledger.h"

#define PER_GATE  8     /* under way or waiting for their other half */
#define PER_ROOM  128   /* of all gates */
#define ATTACH_MS 10000 /* for the other half to come */
#define DATA_MAX  16384 /* as in room.def */

enum phase {
	PHASE_WAIT,    /* for the keeper's QUERY or the gate's OPEN */
	PHASE_BACK,    /* looks for the first of the last "tail" lines */
	PHASE_FORWARD, /* sends */
	PHASE_DONE,    /* what was said last is on its way */
};

struct query {
	struct ledger *ledger;
	struct query *next;
	uint32_t gate;
	uint64_t number;
	enum phase phase;
	struct timer timer; /* the wait, then the next slice */

	struct channel *stream; /* from OPEN, else NULL */
	int asked;              /* QUERY has come; the rest is from it */
	uint64_t id, tail, lines;
	uint8_t *match; /* the filter's literals */
	struct filter filter;
	struct cursor cursor;
	struct place end;
};

static void on_time(void *arg);
static void on_closed(void *arg, struct channel *ch, int r);
static void on_drained(void *arg, struct channel *ch);

static const struct channel_ops stream_ops = {
    .on_closed = on_closed, .on_drained = on_drained};

static void
query_free(struct query *q)
{
	struct query **at = &q->ledger->queries;

	while (*at != q)
		at = &(*at)->next;
	*at = q->next;
	q->ledger->nqueries--;
	loop_timer_stop(q->ledger->life.loop, &q->timer);
	channel_free(q->stream);
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
 * Tell both sides how it ended; the stream is closed once that is written.
 */
static void
query_end(struct query *q, int r)
{
	loop_timer_stop(q->ledger->life.loop, &q->timer);
	if (q->asked)
		say_done(q->ledger, q->id, r, q->lines);
	if (q->stream == NULL || !q->asked) {
		query_free(q);
		return;
	}
	q->phase = PHASE_DONE;
	cursor_close(&q->cursor);
	if (r == 0)
		channel_put(q->stream, REC_END, &(const union record){0}, -1);
	else
		channel_say(q->stream, FAIL, .refusal = REFUSED_AUDIT,
		    .sentence = slice_str("the audit log cannot be read"));
}

/*
 * Have the next slice read, unless the gate has enough to write.
 */
static void
query_go_on(struct query *q)
{
	if (channel_queued(q->stream) > QUEUE_MAX)
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
	union record m = {.DATA.bytes = slice_of(out, 0)};
	int r = 0;

	while (r == 0 && lines.n > 0) {
		const uint8_t *nl = memchr(lines.p, '\n', lines.n);
		struct slice line = slice_of(lines.p, (size_t)(nl - lines.p));

		lines = slice_of(nl + 1, lines.n - line.n - 1);
		if (!filter_takes(&q->filter, line))
			continue;
		if (line.n > AUDIT_LINE_MAX)
			return VERR_FORMAT;
		if (m.DATA.bytes.n + line.n + 1 > sizeof(out)) {
			r = channel_send(q->stream, REC_DATA, &m, -1);
			m.DATA.bytes.n = 0;
		}
		memcpy(out + m.DATA.bytes.n, line.p, line.n + 1);
		m.DATA.bytes.n += line.n + 1;
		q->lines++;
	}
	if (r == 0 && m.DATA.bytes.n > 0)
		r = channel_send(q->stream, REC_DATA, &m, -1);
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

	switch (q->phase) {
	case PHASE_WAIT:
		query_end(q, VERR_TIMEOUT);
		break;
	case PHASE_BACK:
		slice_back(q);
		break;
	case PHASE_FORWARD:
		slice_forward(q);
		break;
	case PHASE_DONE:
		break;
	}
}

static struct query *
query_find(struct ledger *l, uint32_t gate, uint64_t number)
{
	struct query *q = l->queries;

	while (q != NULL && (q->gate != gate || q->number != number))
		q = q->next;
	return q;
}

/*
 * One half has come, and waits for the other.
 * Returns 0, VERR_BUSY or VERR_NOMEM.
 */
static int
query_new(struct ledger *l, uint32_t gate, uint64_t number, struct query **ret)
{
	struct query *q;
	size_t n = 0;

	for (q = l->queries; q != NULL; q = q->next)
		n += q->gate == gate;
	if (n >= PER_GATE || l->nqueries >= PER_ROOM)
		return VERR_BUSY;
	if ((q = calloc(1, sizeof(*q))) == NULL)
		return VERR_NOMEM;
	q->ledger = l;
	q->gate = gate;
	q->number = number;
	q->cursor.fd = -1;
	q->timer = (struct timer){.on_time = on_time, .arg = q};
	if (loop_timer(l->life.loop, &q->timer, ATTACH_MS) != 0) {
		free(q);
		return VERR_NOMEM;
	}
	q->next = l->queries;
	l->queries = q;
	l->nqueries++;
	*ret = q;
	return 0;
}

static void
query_start(struct query *q)
{
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

/*
 * Keep what was asked.  Returns 0, VERR_NOMEM, VERR_FORMAT or VERR_TOOBIG.
 */
static int
query_keep(struct query *q, const struct rec_QUERY *m)
{
	size_t n = m->match.n;

	q->asked = 1;
	q->id = m->query;
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
	struct query *q = query_find(l, (uint32_t)a->gate, a->number);
	int r;

	(void)fd;
	if (!l->loaded || (q != NULL && q->asked))
		return VERR_FORBIDDEN;
	if (q == NULL &&
	    (r = query_new(l, (uint32_t)a->gate, a->number, &q)) != 0) {
		say_done(l, a->query, r, 0);
		return 0;
	}
	if ((r = query_keep(q, a)) != 0)
		query_end(q, r);
	else if (q->stream != NULL)
		query_start(q);
	return r == VERR_FORMAT ? r : 0;
}

int
query_open(struct ledger *l, uint32_t gate, uint64_t number, int fd)
{
	struct query *q = query_find(l, gate, number);
	int r;

	if (q != NULL && q->stream != NULL) {
		(void)close(fd);
		return VERR_EXISTS;
	}
	if (q == NULL && query_new(l, gate, number, &q) != 0) {
		(void)close(fd); /* which the gate sees */
		return 0;
	}
	/* It may hold this end, too, and set it to wait, or read it empty
	 * before us: not even then does a channel that takes descriptors. */
	r = channel_new(l->life.loop, fd, ROOM_LEDGER, ROOM_GATE,
	    CHANNEL_TAKES_FD, &stream_ops, q, &q->stream);
	if (r != 0)
		query_end(q, r);
	else if (q->asked)
		query_start(q);
	return 0;
}

void
query_drop_gate(struct ledger *l, uint32_t gate)
{
	struct query *q, *next;

	for (q = l->queries; q != NULL; q = next) {
		next = q->next;
		if (q->gate != gate)
			continue;
		if (q->asked && q->phase != PHASE_DONE)
			say_done(l, q->id, VERR_CLOSED, q->lines);
		query_free(q);
	}
}

/*
 * A gate has nothing to say here.
 */
static void
on_closed(void *arg, struct channel *ch, int r)
{
	struct query *q = arg;

	(void)ch;
	if (q->asked && q->phase != PHASE_DONE)
		say_done(q->ledger, q->id, VERR_CLOSED, q->lines);
	if (r != VERR_CLOSED)
		room_report(&q->ledger->life, ROOM_GATE, q->gate, r);
	query_free(q);
}

static void
on_drained(void *arg, struct channel *ch)
{
	struct query *q = arg;

	(void)ch;
	if (q->phase == PHASE_DONE)
		query_free(q);
	else if (q->phase != PHASE_WAIT && q->timer.slot == 0)
		query_go_on(q);
}
