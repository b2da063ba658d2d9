#include "vaultd/keeper/audit.h"

#include <stdio.h>
#include <stdlib.h>

#include "vaultd/base/log.h"
#include "vaultd/keeper/rows.h"

#define RETRY_MS    1000
#define FIELDS_ROOM 64 /* kept for the closing bracket and the escape */

struct pending {
	struct pending *next;
	struct audit_note *note;
	enum audit_event event;
	uint64_t seq, of;
	uint32_t flags;
	size_t len;
	uint8_t line[];
};

struct audit {
	struct keeper *k;
	struct tree now;    /* of what is confirmed */
	struct tree synced; /* as it was when all of that was on the disk */
	uint64_t open[AUDIT_OPEN_MAX]; /* decisions without an outcome */
	size_t nopen;
	uint64_t store;         /* highest generation that an outcome names */
	uint64_t expected_size; /* where an earlier life's log is held */
	uint8_t expected_root[TREE_HASH_LEN];
	struct pending *first, **last;
	size_t npending;
	uint64_t next; /* number of the next record */
	uint64_t epoch;
	bool live;    /* replayed; what comes is ours */
	bool stalled; /* an outcome could not be written: nothing is let in */
	struct timer retry;
	/* The record being written. */
	char line[AUDIT_LINE_MAX];
	enum audit_event event;
	uint64_t of;
};

static void on_retry(void *arg);

static const char *const event_names[] = {"access", "decision", "outcome"};

int
audit_new(struct keeper *k, struct audit **ret)
{
	struct audit *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return VERR_NOMEM;
	a->k = k;
	a->last = &a->first;
	a->epoch = 1;
	a->retry = (struct timer){.on_time = on_retry, .arg = a};
	*ret = a;
	return 0;
}

uint64_t
audit_next(const struct audit *a)
{
	return a->next;
}

uint64_t
audit_confirmed(const struct audit *a)
{
	return a->now.size;
}

uint64_t
audit_store(const struct audit *a)
{
	return a->store;
}

const struct tree *
audit_synced(const struct audit *a)
{
	return &a->synced;
}

static int
open_add(struct audit *a, uint64_t seq)
{
	if (a->nopen == AUDIT_OPEN_MAX)
		return VERR_BUSY;
	a->open[a->nopen++] = seq;
	return 0;
}

static void
open_remove(struct audit *a, uint64_t seq)
{
	for (size_t i = 0; i < a->nopen; i++)
		if (a->open[i] == seq) {
			a->open[i] = a->open[--a->nopen];
			return;
		}
}

void
audit_begin(
    struct audit *a, enum audit_event event, uint64_t of, struct json *j)
{
	a->event = event;
	a->of = of;
	json_begin(j, a->line, sizeof(a->line) - FIELDS_ROOM);
	json_open(j, NULL, '{');
	json_number(j, "seq", a->next);
	json_time(j, "time", keeper_time());
	json_text(j, "event", event_names[event]);
	if (event == AUDIT_OUTCOME)
		json_number(j, "of", of);
}

/*
 * An outcome that nobody waits for goes with the next record, or a little
 * later by itself: it is not worth waking the ledger for.
 */
static void
send(struct audit *a, const struct pending *p)
{
	bool late = p->event == AUDIT_OUTCOME && p->note == NULL &&
	    !(p->flags & APPEND_SYNC);

	rows_append(a->k->rows, a->epoch, p->seq, p->flags,
	    slice_of(p->line, p->len), late);
}

static void
queue(struct audit *a, struct pending *p)
{
	p->next = NULL;
	*a->last = p;
	a->last = &p->next;
	a->npending++;
}

static void
tell(struct audit_note *note, int r)
{
	if (note != NULL && note->done != NULL)
		note->done(note->arg, r);
}

void
audit_end(struct audit *a, struct json *j, bool sync, struct audit_note *note)
{
	static const uint32_t flags[] = {0, APPEND_RESERVE, APPEND_RELEASE};
	struct pending *p;

	json_close(j, '}');
	if (j->overflow) {
		tell(note, VERR_TOOBIG);
		return;
	}
	/* Outcomes are never turned away: their decisions were let in. */
	if (a->event != AUDIT_OUTCOME && a->stalled) {
		tell(note, VERR_IO);
		return;
	}
	if (a->event != AUDIT_OUTCOME &&
	    a->nopen + a->npending >= AUDIT_OPEN_MAX) {
		tell(note, VERR_BUSY);
		return;
	}
	if ((p = malloc(sizeof(*p) + j->n)) == NULL) {
		tell(note, VERR_NOMEM);
		return;
	}
	*p = (struct pending){.note = note,
	    .event = a->event,
	    .of = a->of,
	    .seq = a->next,
	    .len = j->n,
	    .flags = flags[a->event] | (sync ? APPEND_SYNC : 0)};
	memcpy(p->line, j->p, j->n);
	a->next++;
	if (note != NULL)
		note->seq = p->seq;
	queue(a, p);
	if (!a->stalled)
		send(a, p);
}

static struct pending *
take_first(struct audit *a)
{
	struct pending *p = a->first;

	if ((a->first = p->next) == NULL)
		a->last = &a->first;
	a->npending--;
	return p;
}

/*
 * The first pending record is in the log: it becomes a leaf.
 */
static void
confirm_first(struct audit *a)
{
	struct pending *p = take_first(a);
	uint8_t leaf[TREE_HASH_LEN];

	tree_leaf(slice_of(p->line, p->len), leaf);
	tree_append(&a->now, leaf);
	if (p->event == AUDIT_DECISION)
		(void)open_add(a, p->seq);
	else if (p->event == AUDIT_OUTCOME)
		open_remove(a, p->of);
	tell(p->note, 0);
	free(p);
}

int
audit_appended(struct audit *a, const struct rec_APPENDED *m)
{
	if (m->epoch != a->epoch)
		return 0; /* from before a failure that we have dealt with */
	if (m->next > a->next || m->synced > m->next)
		return VERR_FORMAT;
	while (a->first != NULL && a->first->seq < m->next)
		confirm_first(a);
	if (m->synced == a->now.size)
		a->synced = a->now;
	return 0;
}

/*
 * Give "p" the next number: the text behind its old one stays as it was.
 */
static void
renumber(struct audit *a, struct pending *p)
{
	const char *rest = memchr(p->line, ',', p->len);
	size_t rest_len = p->len - (size_t)(rest - (const char *)p->line);
	char head[40];
	size_t head_len = (size_t)snprintf(
	    head, sizeof(head), "{\"seq\":%llu", (unsigned long long)a->next);
	struct pending *q = malloc(sizeof(*q) + head_len + rest_len);

	if (q != NULL) {
		*q = *p;
		q->seq = a->next++;
		q->len = head_len + rest_len;
		memcpy(q->line, head, head_len);
		memcpy(q->line + head_len, rest, rest_len);
		if (q->note != NULL)
			q->note->seq = q->seq;
		queue(a, q);
	} else {
		tell(p->note, VERR_NOMEM);
	}
	free(p);
}

static void
send_pending(struct audit *a)
{
	a->stalled = false;
	loop_timer_stop(a->k->life.loop, &a->retry);
	for (struct pending *p = a->first; p != NULL; p = p->next)
		send(a, p);
}

static void
on_retry(void *arg)
{
	send_pending(arg);
}

/*
 * From record "seq" on nothing was written.  Those who wait for a decision are
 * told; outcomes are numbered anew and sent again, for their decisions were
 * let in and their place on the disk was kept.
 */
int
audit_failed(struct audit *a, const struct rec_APPEND_FAILED *m)
{
	struct pending *p, *list = a->first;
	int r = -(int)m->error;

	if (m->epoch != a->epoch)
		return 0;
	if (list == NULL || m->seq != list->seq || m->error == 0 ||
	    m->error > 100)
		return VERR_FORMAT;
	a->epoch++;
	a->next = m->seq;
	a->first = NULL;
	a->last = &a->first;
	a->npending = 0;
	a->stalled = list->event == AUDIT_OUTCOME;
	for (struct pending **at = &list; (p = *at) != NULL;) {
		if (p->event != AUDIT_OUTCOME) {
			at = &p->next;
			continue;
		}
		*at = p->next;
		renumber(a, p);
	}
	if (!a->stalled)
		send_pending(a);
	else if (loop_timer(a->k->life.loop, &a->retry, RETRY_MS) != 0)
		return VERR_NOMEM;
	while ((p = list) != NULL) {
		list = p->next;
		tell(p->note, r);
		free(p);
	}
	return 0;
}

void
audit_expect(struct audit *a, uint64_t size)
{
	if (a->live)
		return;
	/* What another ledger told, and died over, is not believed. */
	a->now = (struct tree){.size = 0};
	a->nopen = 0;
	a->expected_size = size;
	tree_root(&a->now, a->expected_root);
}

const uint8_t *
audit_expected(const struct audit *a)
{
	return a->expected_root;
}

/*
 * Take "literal" off the front of "line".
 */
static bool
skip(struct slice *line, const char *literal)
{
	size_t n = strlen(literal);

	if (line->n < n || memcmp(line->p, literal, n) != 0)
		return false;
	*line = slice_of(line->p + n, line->n - n);
	return true;
}

static bool
skip_number(struct slice *line, uint64_t *ret)
{
	size_t i = 0;

	for (*ret = 0; i < line->n && i < 19; i++) {
		if (line->p[i] < '0' || line->p[i] > '9')
			break;
		*ret = *ret * 10 + (uint64_t)(line->p[i] - '0');
	}
	*line = slice_of(line->p + i, line->n - i);
	return i > 0;
}

/*
 * Read back the part of a record that the keeper needs: its number, its event
 * and what it is the outcome of.  Written by audit_begin(), in this order.
 */
static int
parse_head(struct slice line, uint64_t seq, enum audit_event *ret_event,
    uint64_t *ret_of)
{
	uint64_t n;

	if (!skip(&line, "{\"seq\":") || !skip_number(&line, &n) || n != seq ||
	    !skip(&line, ",\"time\":\"") || line.n < JSON_TIME_LEN)
		return VERR_FORMAT;
	line = slice_of(line.p + JSON_TIME_LEN, line.n - JSON_TIME_LEN);
	if (!skip(&line, "\",\"event\":\""))
		return VERR_FORMAT;
	if (skip(&line, "access\""))
		*ret_event = AUDIT_ACCESS;
	else if (skip(&line, "decision\""))
		*ret_event = AUDIT_DECISION;
	else if (skip(&line, "outcome\",\"of\":") && skip_number(&line, ret_of))
		*ret_event = AUDIT_OUTCOME;
	else
		return VERR_FORMAT;
	return 0;
}

/*
 * Take the store's generation from an act's outcome.  Inside a JSON string
 * the quotes would be escaped, so the literal is the key.
 */
static void
note_store(struct audit *a, struct slice line)
{
	static const char key[] = ",\"store\":";
	const uint8_t *at = memmem(line.p, line.n, key, sizeof(key) - 1);
	struct slice rest;
	uint64_t n;

	if (at == NULL)
		return;
	rest = slice_of(at + sizeof(key) - 1,
	    (size_t)(line.p + line.n - at) - (sizeof(key) - 1));
	if (skip_number(&rest, &n) && n > a->store)
		a->store = n;
}

int
audit_replay(struct audit *a, uint64_t seq, struct slice line)
{
	uint8_t leaf[TREE_HASH_LEN];
	enum audit_event event;
	uint64_t of = 0;
	int r;

	if (seq != a->now.size)
		return VERR_FORMAT;
	if (a->live) {
		if (a->first == NULL || a->first->seq != seq ||
		    !slice_equal(slice_of(a->first->line, a->first->len), line))
			return VERR_FORMAT;
		confirm_first(a);
		return 0;
	}
	if ((r = parse_head(line, seq, &event, &of)) != 0)
		return r;
	tree_leaf(line, leaf);
	tree_append(&a->now, leaf);
	if (a->now.size == a->expected_size)
		tree_root(&a->now, a->expected_root);
	if (event == AUDIT_DECISION)
		return open_add(a, seq);
	if (event == AUDIT_OUTCOME) {
		open_remove(a, of);
		note_store(a, line);
	}
	return 0;
}

int
audit_replayed(struct audit *a, uint64_t next)
{
	struct json j;
	size_t nopen = a->nopen;

	if (next != a->now.size)
		return VERR_FORMAT;
	if (a->live) {
		a->epoch++;
		send_pending(a);
		return 0;
	}
	a->live = true;
	a->next = next;
	a->synced = a->now;
	for (size_t i = 0; i < nopen; i++) {
		audit_begin(a, AUDIT_OUTCOME, a->open[i], &j);
		json_text(&j, "outcome", "unknown");
		audit_end(a, &j, true, NULL);
	}
	if (nopen > 0)
		log_say(LOG_OUTCOME_UNKNOWN, nopen, 0, 0);
	return 0;
}
