#include "vaultd/keeper/gate.h"

#include <stdlib.h>
#include <unistd.h>

#include "vaultd/keeper/act.h"
#include "vaultd/keeper/ask.h"
#include "vaultd/keeper/courier.h"
#include "vaultd/keeper/request.h"
#include "vaultd/keeper/rows.h"
#include "vaultd/keeper/sign.h"

#define GATES_MAX   128
#define JOBS_MAX    1024         /* under way for one gate */
#define BACKLOG_MAX (256 * 1024) /* bytes of answers that it has not read */

static struct gate *gates[GATES_MAX];

int
job_begin(struct gate *g, struct job *job, uint64_t session, uint64_t number,
    void (*cancel)(struct job *job))
{
	*job = (struct job){.gate = g,
	    .session = session,
	    .number = number,
	    .cancel = cancel,
	    .next = g->jobs,
	    .prev = &g->jobs};
	if (g->njobs >= JOBS_MAX) {
		job_refuse(job, REFUSED_BUDGET, 1, 0,
		    "too many requests are under way for this client");
		return VERR_BUSY;
	}
	if (g->jobs != NULL)
		g->jobs->prev = &job->next;
	g->jobs = job;
	g->njobs++;
	return 0;
}

static void
job_unlink(struct job *job)
{
	*job->prev = job->next;
	if (job->next != NULL)
		job->next->prev = job->prev;
	job->gate->njobs--;
	job->gate = NULL;
}

void
job_end(struct job *job)
{
	if (job->gate != NULL)
		job_unlink(job);
}

void
job_refuse(struct job *job, enum refusal refusal, uint32_t retry_after,
    uint64_t audit, const char *sentence)
{
	if (job->gate != NULL)
		channel_say(job->gate->ch, REFUSE, .number = job->number,
		    .refusal = refusal, .retry_after = retry_after,
		    .audit = audit, .sentence = slice_str(sentence));
}

void
job_done(struct job *job, uint64_t audit, const char *sentence)
{
	if (job->gate != NULL)
		channel_say(job->gate->ch, DONE, .number = job->number,
		    .audit = audit, .sentence = slice_str(sentence));
}

void
job_row(struct job *job, const struct json *row)
{
	if (job->gate != NULL && !row->overflow)
		channel_say(job->gate->ch, ROW, .number = job->number,
		    .json = slice_of(row->p, row->n));
}

void
job_stream(struct job *job, uint64_t audit, enum room room, uint32_t peer)
{
	if (job->gate != NULL)
		channel_say(job->gate->ch, STREAM, .number = job->number,
		    .audit = audit, .room = room, .peer = peer);
}

bool
job_backlog(const struct job *job)
{
	return job->gate != NULL && channel_queued(job->gate->ch) > BACKLOG_MAX;
}

void
gate_want_ledger(struct gate *g)
{
	uint64_t life = rows_life(g->k->rows);

	if (g->ledger == life)
		return;
	g->ledger = life;
	channel_say(g->k->life.supervisor, LANE_WANT, .room = ROOM_LEDGER,
	    .gate = g->number);
}

struct session *
job_session(struct keeper *k, const struct job *job)
{
	struct session *s;

	if (job->gate == NULL ||
	    session_find(k, job->session, job->gate->number, &s) != 0)
		return NULL;
	return s;
}

/*
 * The session a gate speaks of, under a number that it has not used before:
 * ledger and couriers tell its requests apart by that.  Returns 0; or
 * VERR_CLOSED, and the gate was told; or VERR_FORBIDDEN, an offence.  A gate
 * that does not read its answers is not heard until it has.
 */
static int
find_session(
    struct gate *g, uint64_t session, uint64_t number, struct session **ret)
{
	int r;

	if (number <= g->last)
		return VERR_FORBIDDEN;
	g->last = number;
	r = session_find(g->k, session, g->number, ret);
	if (channel_queued(g->ch) > BACKLOG_MAX)
		channel_pause(g->ch);
	if (r == VERR_CLOSED)
		channel_say(g->ch, REFUSE, .number = number,
		    .refusal = REFUSED_SPEAKER,
		    .sentence = slice_str("the process that made this "
		                          "connection has ended"));
	return r;
}

static int
on_ask(void *arg, const union record *m, int *fd)
{
	struct gate *g = arg;
	struct session *s;
	int r = find_session(g, m->ASK.session, m->ASK.number, &s);

	(void)fd;
	if (r != 0)
		return r == VERR_CLOSED ? 0 : r;
	return ask_begin(g, s, &m->ASK);
}

static int
on_act(void *arg, const union record *m, int *fd)
{
	struct gate *g = arg;
	struct session *s;
	int r = find_session(g, m->ACT.session, m->ACT.number, &s);

	(void)fd;
	if (r != 0)
		return r == VERR_CLOSED ? 0 : r;
	return act_begin(g, s, &m->ACT);
}

static int
on_request(void *arg, const union record *m, int *fd)
{
	struct gate *g = arg;
	struct session *s;
	int r = find_session(g, m->REQUEST.session, m->REQUEST.number, &s);

	(void)fd;
	if (r != 0)
		return r == VERR_CLOSED ? 0 : r;
	return request_begin(g, s, &m->REQUEST);
}

static int
on_sign(void *arg, const union record *m, int *fd)
{
	struct gate *g = arg;
	struct session *s;
	int r = find_session(g, m->SIGN.session, m->SIGN.number, &s);

	(void)fd;
	if (r != 0)
		return r == VERR_CLOSED ? 0 : r;
	return sign_begin(g, s, &m->SIGN);
}

static int
on_cancel(void *arg, const union record *m, int *fd)
{
	struct gate *g = arg;

	(void)fd;
	for (struct job *job = g->jobs; job != NULL; job = job->next)
		if (job->number == m->CANCEL.number &&
		    job->session == m->CANCEL.session) {
			job->cancel(job);
			break;
		}
	return 0;
}

static const struct handler gate_handlers[] = {
    {REC_ASK, on_ask},
    {REC_ACT, on_act},
    {REC_REQUEST, on_request},
    {REC_SIGN, on_sign},
    {REC_CANCEL, on_cancel},
    {0, NULL},
};

static void
gate_close(struct gate *g)
{
	struct job *job;

	for (size_t i = 0; i < GATES_MAX; i++)
		if (gates[i] == g)
			gates[i] = NULL;
	while ((job = g->jobs) != NULL) {
		job_unlink(job);
		job->cancel(job);
	}
	sessions_end_gate(g->k, g->number);
	couriers_forget_gate(g->k, g->number);
	channel_free(g->ch);
	free(g);
}

static void
on_closed(void *arg, struct channel *ch, int r)
{
	struct gate *g = arg;

	(void)ch;
	if (r != VERR_CLOSED)
		room_report(&g->k->life, ROOM_GATE, g->number, r);
	gate_close(g);
}

static void
on_drained(void *arg, struct channel *ch)
{
	struct gate *g = arg;

	channel_resume(ch);
	for (struct job *job = g->jobs, *next; job != NULL; job = next) {
		void (*resume)(struct job *) = job->resume;

		next = job->next;
		job->resume = NULL;
		if (resume != NULL)
			resume(job);
	}
}

int
gate_attach(struct keeper *k, uint32_t number, int fd)
{
	static const struct channel_ops ops = {.handlers = gate_handlers,
	    .on_closed = on_closed,
	    .on_drained = on_drained};
	struct gate *g = NULL;
	size_t slot = 0;
	int r;

	while (slot < GATES_MAX && gates[slot] != NULL)
		slot++;
	if (slot == GATES_MAX || (g = calloc(1, sizeof(*g))) == NULL) {
		(void)close(fd);
		return VERR_NOMEM;
	}
	g->k = k;
	g->number = number;
	if ((r = channel_new(k->life.loop, fd, ROOM_KEEPER, ROOM_GATE, 0, &ops,
	         g, &g->ch)) != 0) {
		free(g);
		return r;
	}
	gates[slot] = g;
	return 0;
}

void
gates_cancel_session(struct keeper *k, uint64_t session)
{
	(void)k;
	for (size_t i = 0; i < GATES_MAX; i++) {
		struct job *job = gates[i] == NULL ? NULL : gates[i]->jobs;

		while (job != NULL) {
			struct job *next = job->next;

			if (job->session == session)
				job->cancel(job);
			job = next;
		}
	}
}
