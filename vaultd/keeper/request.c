#include "vaultd/keeper/request.h"

#include <stdlib.h>

#include "policy/path.h"
#include "vaultd/base/secret.h"
#include "vaultd/keeper/link.h"

#define TRIES_MAX 3

static const char changed_text[] =
    "the profile was changed meanwhile: try again";

enum stage {
	STAGE_ROWS,    /* the profile's rows are on their way */
	STAGE_REFUSED, /* the refusal's record is on its way */
	STAGE_DECIDED, /* the decision's record is */
	STAGE_ORDER,   /* waiting for a courier, or for the order's end */
};

struct request {
	struct job job; /* first */
	struct keeper *k;
	enum stage stage;
	bool cancelled;
	bool streaming; /* the gate was told where its stream goes */
	bool again;     /* the rows are others than they were */
	unsigned tries;
	uint64_t version; /* of the credential that was decided upon */
	uint8_t bound[LINK_LEN];
	char name[PROFILE_MAX + 1];
	struct link_wait wait;
	const struct link *link;
	struct order order;
	struct audit_note note;
	struct outcome outcome;
	const char *method;
	uint32_t body;
	uint64_t length;
	struct render_refusal why;
	size_t target_len, path_len, headers_len;
	char text[]; /* the normalised target, a NUL; then the client's headers,
	              * as pairs */
};

static struct slice
target_of(const struct request *q)
{
	return slice_of(q->text, q->target_len);
}

static struct slice
headers_of(const struct request *q)
{
	return slice_of(q->text + q->target_len + 1, q->headers_len);
}

static void
request_free(struct request *q)
{
	job_end(&q->job);
	link_release(q->link);
	free(q);
}

/*
 * The refusal is on record: now the client hears it.
 */
static void
on_refusal_recorded(void *arg, int r)
{
	struct request *q = arg;

	if (r != 0)
		job_refuse(&q->job, REFUSED_AUDIT, 1, 0,
		    "the audit log cannot be written");
	else
		job_refuse(
		    &q->job, q->why.refusal, 0, q->note.seq, q->why.sentence);
	request_free(q);
}

static void
refuse(struct request *q, struct matter *m, enum refusal refusal,
    const char *sentence)
{
	q->stage = STAGE_REFUSED;
	q->why = (struct render_refusal){refusal, sentence};
	m->refusal = refusal;
	q->note = (struct audit_note){on_refusal_recorded, q, 0};
	matter_record(q->k, m, AUDIT_ACCESS, false, &q->note);
}

static struct matter
matter_of(struct request *q, struct session *s)
{
	return (struct matter){.session = s,
	    .verb = VERB_REQUEST,
	    .profile = q->name,
	    .method = q->method,
	    .target = target_of(q),
	    .path_len = q->path_len};
}

static void look_again(struct request *q);

/*
 * The order has ended, well or not.
 */
static void
on_order_done(void *arg, const struct order_result *res)
{
	struct request *q = arg;

	if (q->again && !q->cancelled && q->tries < TRIES_MAX) {
		look_again(q);
		return;
	}
	q->outcome.refusal = res->refusal;
	q->outcome.status = res->status;
	q->outcome.sent = res->sent;
	q->outcome.received = res->received;
	/* Who has the whole answer may be gone before we hear of its end. */
	if (q->cancelled && res->refusal != REFUSED_NONE)
		q->outcome.code = "cancelled";
	if (q->why.refusal != REFUSED_NONE)
		q->outcome.refusal = q->why.refusal;
	/* Where the stream never came about, the gate hears it from here; it
	 * passes over a number that it has closed. */
	if (!q->streaming || res->error == VERR_CLOSED)
		job_refuse(&q->job, q->outcome.refusal, 1, q->note.seq,
		    q->why.refusal != REFUSED_NONE
		        ? q->why.sentence
		        : "no courier could be had for the request");
	outcome_record(q->k, &q->outcome, false, NULL);
	request_free(q);
}

/*
 * A courier is there: open, render, send, forget.
 */
static void
on_courier(void *arg, uint32_t courier)
{
	struct request *q = arg;
	const struct link *l = q->link;
	struct render_request rr = {
	    .link = l->to, .headers = headers_of(q), .target = target_of(q)};
	struct order_request order = {.link = l->to,
	    .pool = l->pool,
	    .method = q->method,
	    .body = q->body,
	    .length = q->length,
	    .account = ""};
	struct rendered out;
	uint8_t *secret = NULL;
	size_t len = 0;
	int r;

	q->why = (struct render_refusal){
	    REFUSED_STORE, "the credential cannot be opened"};
	if (!link_is_current(q->k, l)) {
		q->why = (struct render_refusal){REFUSED_STALE, changed_text};
		q->again = true;
		r = VERR_STALE;
	} else if ((r = link_open(q->k, l, l->bound, &secret, &len)) == 0) {
		rr.secret = slice_of(secret, len);
		r = render(&rr, &out, &q->why);
	}
	if (r == 0) {
		q->why.refusal = REFUSED_NONE;
		order.target = out.target;
		order.headers = out.headers;
		order_issue(q->k, &q->order, &order);
		q->streaming = true;
		job_stream(&q->job, q->note.seq, ROOM_COURIER, courier);
	}
	render_forget();
	secret_free(secret);
	if (r != 0)
		order_cancel(q->k, &q->order);
}

static void
start_order(struct request *q)
{
	q->stage = STAGE_ORDER;
	q->order = (struct order){.ready = on_courier,
	    .done = on_order_done,
	    .arg = q,
	    .gate = q->job.gate == NULL ? 0 : q->job.gate->number,
	    .number = q->job.number};
	order_begin(q->k, &q->order, q->link->id.customer);
}

/*
 * A decided request whose rows were replaced before they were used.  Where
 * only their keys are others, as while one is rotated, it goes on.
 */
static void
on_rows_again(void *arg, const struct link *link)
{
	struct request *q = arg;
	bool same = link != NULL && link->row[LINK_PROFILE].r == 0 &&
	    link->to != NULL && link->profile.version == q->version &&
	    memcmp(link->bound, q->bound, LINK_LEN) == 0 &&
	    profile_unusable(&link->profile) == NULL;

	q->link = link;
	if (same && !q->cancelled) {
		start_order(q);
		return;
	}
	if (q->cancelled)
		q->outcome.code = "cancelled";
	else
		q->outcome.refusal = REFUSED_STALE;
	job_refuse(&q->job, REFUSED_STALE, 1, q->note.seq, changed_text);
	outcome_record(q->k, &q->outcome, false, NULL);
	request_free(q);
}

static void
look_again(struct request *q)
{
	q->again = false;
	q->tries++;
	q->stage = STAGE_DECIDED;
	q->why.refusal = REFUSED_NONE;
	link_release(q->link);
	q->link = NULL;
	link_fetch(&q->wait, q->k, q->name, on_rows_again, q);
}

static void
on_decided(void *arg, int r)
{
	struct request *q = arg;

	if (r != 0) {
		job_refuse(&q->job, REFUSED_AUDIT, 1, 0,
		    "the audit log cannot be written");
		request_free(q);
		return;
	}
	q->outcome.of = q->note.seq;
	q->outcome.started = loop_now(q->k->life.loop);
	if (q->cancelled) {
		q->outcome.code = "cancelled";
		outcome_record(q->k, &q->outcome, false, NULL);
		request_free(q);
		return;
	}
	start_order(q);
}

/*
 * The user's name of Basic authentication, for the log: where it is written
 * in the template and no field of the credential.
 */
static const char *
basic_user(const struct link *l)
{
	const struct injection *in = &l->to->injection;

	if (in->kind != INJECT_BASIC || strchr(in->template, '{') != NULL)
		return l->profile.user;
	return in->template;
}

/*
 * The rows are there: may it be done, and can it?
 */
static void
on_rows(void *arg, const struct link *link)
{
	struct request *q = arg;
	struct session *s = job_session(q->k, &q->job);
	struct matter m;
	const char *text;
	int r = link == NULL ? VERR_NOMEM : link->row[LINK_PROFILE].r;

	q->link = link;
	if (s == NULL || q->cancelled) {
		request_free(q);
		return;
	}
	m = matter_of(q, s);
	if (!matter_decide(q->k, &m)) {
		refuse(q, &m, m.refusal, "the policy does not permit it");
		return;
	}
	if (r == VERR_NOTFOUND) {
		if (policy_may_know(session_view(q->k, s), q->name))
			refuse(q, &m, REFUSED_NO_PROFILE,
			    "there is no such profile");
		else
			refuse(q, &m, REFUSED_DENIED,
			    "the policy does not permit it");
		return;
	}
	if (r != 0) {
		refuse(q, &m, REFUSED_STORE, "the store cannot be read");
		return;
	}
	m.system = link->profile.system;
	if (link->to == NULL) {
		refuse(q, &m, REFUSED_NOT_USABLE,
		    "the profile's settings do not fit its system any more "
		    "(vaultctl profile show)");
		return;
	}
	if (!link->to->sends) {
		refuse(q, &m, REFUSED_NOT_USABLE,
		    "the profile's credential signs and is never sent "
		    "(vaultctl sign)");
		return;
	}
	m.host = link->to->origin.host;
	m.user = basic_user(link);
	m.guarded = catalog_guards(
	    keeper_system(q->k, slice_str(m.system)), q->text, q->path_len);
	if (m.guarded && !matter_decide(q->k, &m)) {
		refuse(q, &m, m.refusal,
		    "the path is guarded: a permit must name it literally");
		return;
	}
	if ((text = profile_unusable(&link->profile)) != NULL) {
		refuse(q, &m, REFUSED_NOT_USABLE, text);
		return;
	}
	if (render_check(link->to, headers_of(q), target_of(q), &q->why) != 0) {
		refuse(q, &m, q->why.refusal, q->why.sentence);
		return;
	}
	q->stage = STAGE_DECIDED;
	q->version = link->profile.version;
	memcpy(q->bound, link->bound, LINK_LEN);
	q->note = (struct audit_note){on_decided, q, 0};
	matter_record(q->k, &m, AUDIT_DECISION, false, &q->note);
}

static void
on_cancel(struct job *job)
{
	struct request *q = (struct request *)job;

	if (q->cancelled)
		return;
	q->cancelled = true;
	if (q->stage == STAGE_ORDER)
		order_cancel(q->k, &q->order);
}

/* What a request says, checked and normalised; "target" is the caller's. */
struct heard {
	const char *method;
	char target[PATH_TARGET_MAX + 1];
	size_t target_len, path_len;
};

/*
 * Check and normalise what the gate passed on.  Returns NULL, or the sentence
 * that says what is wrong with it.
 */
static const char *
hear(const struct rec_REQUEST *m, struct heard *ret)
{
	struct profile_id id;
	const char *why = NULL;

	ret->target_len = ret->path_len = 0;
	ret->method = path_method((const char *)m->method.p, m->method.n);
	if (ret->method == NULL)
		return "the method is none that is passed on";
	if (path_normalise((const char *)m->target.p, m->target.n, ret->target,
	        &ret->target_len, &ret->path_len, &why) != 0)
		return why;
	if (m->body > BODY_STREAM || (m->body != BODY_LENGTH && m->length != 0))
		return "the request's body is announced in a way that is not "
		       "known";
	if (profile_parse((const char *)m->profile.p, m->profile.n, &id) != 0)
		return "a profile is named CUSTOMER/NAME, of [a-z0-9-]";
	return NULL;
}

static struct request *
request_new(
    struct keeper *k, const struct rec_REQUEST *m, const struct heard *h)
{
	struct request *q =
	    malloc(sizeof(*q) + h->target_len + 1 + m->headers.n);

	if (q == NULL)
		return NULL;
	*q = (struct request){.k = k,
	    .outcome = {.verb = VERB_REQUEST, .profile = q->name},
	    .method = h->method,
	    .body = (uint32_t)m->body,
	    .length = m->length,
	    .target_len = h->target_len,
	    .path_len = h->path_len,
	    .headers_len = m->headers.n};
	memcpy(q->text, h->target, h->target_len);
	q->text[h->target_len] = '\0';
	if (m->headers.n > 0)
		memcpy(q->text + h->target_len + 1, m->headers.p, m->headers.n);
	return q;
}

int
request_begin(struct gate *g, struct session *s, const struct rec_REQUEST *m)
{
	struct heard heard;
	const char *why = hear(m, &heard);
	struct request *q = request_new(g->k, m, &heard);
	struct matter matter;

	if (q == NULL)
		return VERR_NOMEM;
	if (job_begin(g, &q->job, m->session, m->number, on_cancel) != 0) {
		free(q);
		return 0;
	}
	matter = matter_of(q, s);
	if (why != NULL) {
		matter.method = NULL;
		matter.profile = NULL;
		refuse(q, &matter, REFUSED_BAD_REQUEST, why);
		return 0;
	}
	memcpy(q->name, m->profile.p, m->profile.n);
	/* What no permit could allow is refused before the store is asked, so
	 * that the answer does not tell whether the profile exists. */
	if (!matter_decide(g->k, &matter)) {
		refuse(q, &matter, matter.refusal,
		    "the policy does not permit it");
		return 0;
	}
	if (keeper_is_sealed(g->k)) {
		refuse(q, &matter, REFUSED_SEALED, KEEPER_SEALED_TEXT);
		return 0;
	}
	link_fetch(&q->wait, g->k, q->name, on_rows, q);
	return 0;
}
