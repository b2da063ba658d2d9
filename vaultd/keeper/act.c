#include "vaultd/keeper/act.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <sodium.h>

#include "protocol/act.h"
#include "protocol/pairs.h"
#include "vaultd/base/secret.h"
#include "vaultd/keeper/rows.h"

#define ACTS_MAX     8 /* under way, over all gates: each holds a secret */
#define ACTS_OF_GATE 2 /* so that no class of clients keeps the others out */

static struct act *acts; /* under way */
static size_t nacts;

int
act_refuse(struct act *a, enum refusal refusal, const char *format, ...)
{
	va_list ap;

	a->refusal = refusal;
	va_start(ap, format);
	(void)vsnprintf(a->sentence, sizeof(a->sentence), format, ap);
	va_end(ap);
	return VERR_FORMAT;
}

bool
act_given(const struct act *a, const char *name, struct slice *ret)
{
	return pairs_find(a->pairs, name, ret) == 0;
}

bool
act_is_set(const struct act *a, const char *name)
{
	struct slice v;

	return act_given(a, name, &v) && slice_is(v, "1");
}

bool
act_number(const struct act *a, const char *name, uint64_t max, uint64_t *ret)
{
	uint64_t n = 0;
	struct slice v;

	if (!act_given(a, name, &v) || v.n == 0 || v.n > 10)
		return false;
	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] < '0' || v.p[i] > '9')
			return false;
		n = n * 10 + (uint64_t)(v.p[i] - '0');
	}
	if (n > max)
		return false;
	*ret = n;
	return true;
}

void
act_drop(struct act *a)
{
	struct act **at = &acts;

	while (*at != a)
		at = &(*at)->next;
	*at = a->next;
	nacts--;
	job_end(&a->job);
	if (a->kind != NULL && a->kind->release != NULL && a->state != NULL)
		a->kind->release(a);
	secret_free(a->plain);
	free(a->sealed);
	free(a);
}

/*
 * It is over, and the outcome or the refusal is on record: tell the admin.
 */
static void
on_closed_record(void *arg, int r)
{
	struct act *a = arg;

	if (r != 0)
		(void)act_refuse(
		    a, REFUSED_AUDIT, "the audit log cannot be written");
	if (a->refusal != REFUSED_NONE)
		job_refuse(&a->job, a->refusal, a->retry_after,
		    a->outcome.of != 0 ? a->outcome.of : a->note.seq,
		    a->sentence);
	else
		job_done(&a->job, a->outcome.of, a->sentence);
	act_drop(a);
}

struct matter
act_matter(const struct act *a, struct session *s)
{
	return (struct matter){.session = s,
	    .verb = a->kind == NULL ? VERB_MANAGE : a->kind->verb,
	    .act = a->kind == NULL ? NULL : a->kind->name,
	    .profile = a->name[0] == '\0' ? NULL : a->name};
}

void
act_reject(struct act *a, struct matter *m)
{
	m->refusal = a->refusal;
	a->note = (struct audit_note){on_closed_record, a, 0};
	matter_record(a->k, m, AUDIT_ACCESS, false, &a->note);
}

void
act_conclude(struct act *a)
{
	a->outcome.refusal = a->refusal;
	if (a->refusal == REFUSED_NONE)
		a->outcome.change = a->change;
	a->outcome.store = rows_generation(a->k->rows);
	a->note.done = on_closed_record;
	outcome_record(a->k, &a->outcome, true, &a->note);
}

static void
on_decided(void *arg, int r)
{
	struct act *a = arg;

	if (r != 0) {
		on_closed_record(a, r);
		return;
	}
	a->outcome = (struct outcome){.of = a->note.seq,
	    .verb = a->kind->verb,
	    .act = a->kind->name,
	    .profile = a->name[0] == '\0' ? NULL : a->name,
	    .started = loop_now(a->k->life.loop)};
	a->decided(a);
}

void
act_decide(struct act *a, struct matter *m, void (*decided)(struct act *a))
{
	a->has_turn = true;
	a->decided = decided;
	a->note = (struct audit_note){on_decided, a, 0};
	matter_record(a->k, m, AUDIT_DECISION, true, &a->note);
}

bool
act_has_turn(const char *name)
{
	for (const struct act *a = acts; a != NULL; a = a->next)
		if (a->has_turn && strcmp(a->name, name) == 0)
			return true;
	return false;
}

bool
act_is_busy(const struct act *a)
{
	return !a->has_turn && act_has_turn(a->name);
}

static int
read_profile(struct act *a)
{
	struct profile_id id;
	struct slice v;

	if (!act_given(a, "profile", &v) ||
	    profile_parse((const char *)v.p, v.n, &id) != 0)
		return act_refuse(a, REFUSED_BAD_REQUEST,
		    "a profile is named CUSTOMER/NAME, of [a-z0-9-]");
	memcpy(a->name, v.p, v.n);
	return 0;
}

/*
 * Read the opened act's head.  Returns 0, or the refusal is set.
 */
static int
read_act(struct act *a, struct session *s)
{
	struct slice v;

	if (a->opened != 0)
		return act_refuse(a, REFUSED_STALE,
		    "the act was not sealed for this keeper: read keeper.pub "
		    "again");
	a->pairs = slice_of(a->plain, a->plain_len);
	if (!act_given(a, "nonce", &v) || session_take_nonce(s, v) != 0)
		return act_refuse(a, REFUSED_STALE,
		    "the act's nonce is not one of this connection, or was "
		    "used before");
	if (!act_given(a, "verb", &v) || (a->kind = act_kind(v)) == NULL)
		return act_refuse(
		    a, REFUSED_BAD_REQUEST, "there is no such act");
	if (a->upload != a->kind->upload)
		return act_refuse(a, REFUSED_BAD_REQUEST,
		    "a store comes with a restore, and with nothing else");
	return a->kind->profile ? read_profile(a) : 0;
}

/*
 * Back from the thread.
 */
static void
on_opened(struct work *w)
{
	struct act *a = (struct act *)((char *)w - offsetof(struct act, work));
	struct session *s = job_session(a->k, &a->job);
	struct matter m;
	int r;

	if (s == NULL) {
		act_drop(a);
		return;
	}
	r = read_act(a, s);
	m = act_matter(a, s);
	if (!matter_decide(a->k, &m) && r == 0)
		r = act_refuse(a, m.refusal, "the policy does not permit it");
	if (r == 0 && keeper_is_sealed(a->k) && !a->kind->sealed)
		r = act_refuse(a, REFUSED_SEALED, KEEPER_SEALED_TEXT);
	if (r != 0)
		act_reject(a, &m);
	else
		a->kind->begin(a);
}

/*
 * On a thread: X25519 for every client's word is too slow for the loop.
 */
static void
run_open(struct work *w)
{
	struct act *a = (struct act *)((char *)w - offsetof(struct act, work));

	a->opened = crypto_box_seal_open(a->plain, a->sealed, a->sealed_len,
	    a->k->public_key, a->k->secret_key);
}

static void
on_cancel(struct job *job)
{
	/* An act that was sent is carried through; nobody hears of it but the
	 * log. */
	(void)job;
}

static size_t
acts_of(const struct gate *g)
{
	size_t n = 0;

	for (const struct act *a = acts; a != NULL; a = a->next)
		n += a->job.gate == g;
	return n;
}

int
act_begin(struct gate *g, struct session *s, const struct rec_ACT *m)
{
	struct act *a = calloc(1, sizeof(*a));

	(void)s;
	if (a == NULL)
		return VERR_NOMEM;
	if (job_begin(g, &a->job, m->session, m->number, on_cancel) != 0) {
		free(a);
		return 0;
	}
	a->k = g->k;
	a->upload = m->upload != 0;
	a->next = acts;
	acts = a;
	nacts++;
	a->work = (struct work){.run = run_open, .done = on_opened};
	a->sealed_len = m->sealed.n;
	if (a->sealed_len > crypto_box_SEALBYTES)
		a->plain_len = a->sealed_len - crypto_box_SEALBYTES;
	a->sealed = malloc(a->sealed_len + 1);
	a->plain = secret_alloc(a->plain_len + 1);
	if (a->sealed != NULL)
		memcpy(a->sealed, m->sealed.p, m->sealed.n);
	if (nacts > ACTS_MAX || acts_of(g) > ACTS_OF_GATE ||
	    a->plain_len == 0 || a->sealed == NULL || a->plain == NULL ||
	    work_queue(&a->work) != 0) {
		job_refuse(&a->job, REFUSED_BUDGET, 1, 0,
		    "too many changes are under way");
		act_drop(a);
	}
	return 0;
}
