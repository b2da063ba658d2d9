#include "vaultd/keeper/ask.h"

#include <stdio.h>
#include <stdlib.h>

#include "policy/path.h"
#include "protocol/pairs.h"
#include "vaultd/keeper/answer.h"
#include "vaultd/keeper/export.h"
#include "vaultd/keeper/profile.h"
#include "vaultd/keeper/rows.h"
#include "vaultd/keeper/slots.h"
#include "vaultd/keeper/sweep.h"

#define ROW_CAP   61440
#define LIST_FLOW 32 /* profile rows on their way to one who lists them */

/* A question under way: its record first, then the answer. */
struct question {
	struct job job; /* first */
	struct keeper *k;
	uint32_t what;
	bool cancelled;
	struct audit_note note;
	enum refusal refusal;
	char sentence[256];
	uint8_t *pairs;
	size_t pairs_len;
	/* ASK_PROFILES: the walk over the index */
	uint64_t cursor;
	bool listed; /* the walk has come to its end */
	size_t found;
	size_t fetching;
	struct fetch fetch[LIST_FLOW];
	struct export *export; /* ASK_PUBKEY */
};

static void
question_free(struct question *q)
{
	for (size_t i = 0; i < LIST_FLOW; i++)
		fetch_release(&q->fetch[i]);
	job_end(&q->job);
	free(q->export);
	free(q->pairs);
	free(q);
}

static struct slice
arg(const struct question *q, const char *name)
{
	struct slice v;

	if (pairs_find(slice_of(q->pairs, q->pairs_len), name, &v) != 0)
		return slice_of("", 0);
	return v;
}

static void
finish(struct question *q)
{
	if (q->refusal != REFUSED_NONE)
		job_refuse(&q->job, q->refusal, 0, q->note.seq, q->sentence);
	else
		job_done(&q->job, q->note.seq, "");
	question_free(q);
}

static void
fail(struct question *q, enum refusal refusal, const char *sentence)
{
	q->refusal = refusal;
	(void)snprintf(q->sentence, sizeof(q->sentence), "%s", sentence);
}

/*
 * profile list, profile show.
 */

static void walk(struct question *q);

static bool
wanted(const struct question *q, const struct profile *p)
{
	struct slice customer = arg(q, "customer"), system = arg(q, "system"),
	             status = arg(q, "status"), profile = arg(q, "profile");

	if (customer.n > 0 &&
	    !slice_equal(customer, slice_of(p->name, strcspn(p->name, "/"))))
		return false;
	return (system.n == 0 || slice_is(system, p->system)) &&
	    (status.n == 0 || slice_is(status, status_name(p->status))) &&
	    (profile.n == 0 || slice_is(profile, p->name));
}

/*
 * The keys of one profile, as a JWK set of its own (RFC 7517, 5).
 */
static void
put_keys(struct question *q, const struct profile *p, struct json *j)
{
	const struct catalog_entry *entry =
	    keeper_system(q->k, slice_str(p->system));
	static struct catalog_link link;
	char why[CATALOG_WHY_MAX];
	bool fits = entry != NULL && profile_resolve(p, entry, &link, why) == 0;

	json_text(j, "profile", p->name);
	json_open(j, "keys", '[');
	export_set(q->k, p, fits ? &link : NULL, j);
	json_close(j, ']');
}

static void
show(struct question *q, const struct profile *p)
{
	struct session *s = job_session(q->k, &q->job);
	const struct policy_view *view;
	static char text[ROW_CAP];
	struct json j;

	if (s == NULL || (view = session_view(q->k, s)) == NULL ||
	    !policy_may_know(view, p->name) || !wanted(q, p) ||
	    (q->what == ASK_JWKS && p->key[0] == '\0'))
		return;
	q->found++;
	json_begin(&j, text, sizeof(text));
	json_open(&j, NULL, '{');
	if (q->what == ASK_JWKS)
		put_keys(q, p, &j);
	else
		profile_json(p, keeper_system(q->k, slice_str(p->system)), &j);
	json_close(&j, '}');
	job_row(&q->job, &j);
}

/*
 * Open a fetched profile's row.  True with *ret to be released.
 */
static bool
open_profile(
    const struct question *q, const struct fetch *f, struct profile *ret)
{
	uint8_t *plain;
	size_t len;

	if (f->r != 0 ||
	    keys_open_row(q->k->keys, &f->at, slice_of(f->body, f->len), &plain,
	        &len) != 0)
		return false;
	if (profile_decode(plain, len, ret) == 0)
		return true;
	free(plain);
	return false;
}

static void
on_profile(void *arg_, struct fetch *f)
{
	struct question *q = arg_;
	struct profile p;

	q->fetching--;
	if (open_profile(q, f, &p)) {
		show(q, &p);
		profile_release(&p);
	} else if (f->r != VERR_NOTFOUND) {
		/* That is not to pass for a profile which is not there. */
		fail(q, REFUSED_STORE, "a profile's row cannot be read");
	}
	fetch_release(f);
	f->arg = NULL; /* free for the next */
	walk(q);
}

static void
fetch_profile(struct question *q, const uint8_t *id)
{
	for (size_t i = 0; i < LIST_FLOW; i++) {
		struct fetch *f = &q->fetch[i];

		if (f->arg != NULL)
			continue;
		*f = (struct fetch){.done = on_profile, .arg = q};
		memcpy(f->id, id, ROW_ID_LEN);
		q->fetching++;
		rows_fetch(q->k->rows, f);
		return;
	}
}

static void
on_resume(struct job *job)
{
	walk((struct question *)job);
}

/*
 * Keep some rows on their way until there are no more, as fast as the gate
 * reads them.
 */
static void
walk(struct question *q)
{
	const struct index_entry *e;

	if (job_backlog(&q->job) && !q->cancelled && !q->listed) {
		q->job.resume = on_resume;
		return;
	}
	while (!q->listed && !q->cancelled && q->fetching < LIST_FLOW) {
		if ((e = index_next(rows_index(q->k->rows), &q->cursor)) ==
		    NULL)
			q->listed = true;
		else if (e->kind == ROW_PROFILE)
			fetch_profile(q, e->id);
	}
	if (q->fetching > 0)
		return;
	if (q->refusal == REFUSED_NONE && q->found == 0 &&
	    arg(q, "profile").n > 0)
		fail(q, REFUSED_NO_PROFILE, "there is no such profile");
	finish(q);
}

static void
answer_profiles(struct question *q)
{
	struct slice one = arg(q, "profile");
	uint8_t id[ROW_ID_LEN];

	if (one.n == 0) {
		walk(q);
		return;
	}
	q->listed = true;
	keys_row_id(q->k->keys, ROW_PROFILE, one, id);
	fetch_profile(q, id);
}

/*
 * The audit log: the ledger streams it to the gate.
 */

/* Filters of "audit show" that are a literal piece of the record. */
static const struct {
	const char *filter, *before, *after;
} filters[] = {
    {"profile", "\"profile\":\"", "\""},
    {"customer", "\"profile\":\"", "/"},
    {"system", "\"system\":\"", "\""},
    {"user", "\"user\":\"", "\""},
    {"verb", "\"verb\":\"", "\""},
    {"decision", "\"decision\":\"", "\""},
};

static bool
is_plain(struct slice v)
{
	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] < 0x20 || v.p[i] == '"' || v.p[i] == '\\')
			return false;
	return v.n <= 200;
}

static bool
to_number(struct slice v, uint64_t *ret)
{
	*ret = 0;
	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] < '0' || v.p[i] > '9' || i > 17)
			return false;
		*ret = *ret * 10 + (uint64_t)(v.p[i] - '0');
	}
	return true;
}

static bool
put_filter(struct pairs_writer *w, const char *before, struct slice v,
    const char *after)
{
	char text[256];
	int n;

	if (v.n == 0)
		return true;
	if (!is_plain(v))
		return false;
	n = snprintf(text, sizeof(text), "%s%.*s%s", before, (int)v.n,
	    (const char *)v.p, after);
	pairs_add(w, "", slice_of(text, (size_t)n));
	return true;
}

static void
answer_audit(struct question *q)
{
	struct channel *ledger = rows_channel(q->k->rows);
	uint8_t match[4096];
	struct pairs_writer w = {.p = match, .cap = sizeof(match)};
	uint64_t since, until, last;
	bool ok = true;

	for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++)
		ok = ok &&
		    put_filter(&w, filters[i].before, arg(q, filters[i].filter),
		        filters[i].after);
	ok = ok && put_filter(&w, "{\"seq\":", arg(q, "id"), ",");
	ok = ok && to_number(arg(q, "since"), &since) &&
	    to_number(arg(q, "until"), &until) &&
	    to_number(arg(q, "last"), &last);
	if (!ok || w.overflow || ledger == NULL) {
		fail(q, ledger == NULL ? REFUSED_AUDIT : REFUSED_BAD_REQUEST,
		    ledger == NULL ? "the audit log cannot be read now"
		                   : "a filter of the audit log is malformed");
		finish(q);
		return;
	}
	gate_want_ledger(q->job.gate);
	channel_say(ledger, QUERY, .query = q->note.seq,
	    .gate = q->job.gate->number, .number = q->job.number, .from = since,
	    .to = until, .tail = last > UINT32_MAX ? UINT32_MAX : last,
	    .match = slice_of(match, w.n));
	job_stream(&q->job, q->note.seq, ROOM_LEDGER, 0);
	question_free(q);
}

/*
 * The store as it is, sealed: the ledger streams it, too.
 */
static void
answer_backup(struct question *q)
{
	struct channel *ledger = rows_channel(q->k->rows);

	if (ledger == NULL) {
		fail(q, REFUSED_STORE, "the store cannot be read now");
		finish(q);
		return;
	}
	gate_want_ledger(q->job.gate);
	channel_say(ledger, SNAPSHOT, .snapshot = q->note.seq,
	    .gate = q->job.gate->number, .number = q->job.number);
	job_stream(&q->job, q->note.seq, ROOM_LEDGER, 0);
	question_free(q);
}

/*
 * Answers that are there at once.
 */

static void
answer_status(struct question *q)
{
	static char text[ROW_CAP];
	struct json j;

	json_begin(&j, text, sizeof(text));
	answer_vault(q->k, &j);
	job_row(&q->job, &j);
	for (size_t i = 0; i < q->k->nstates; i++) {
		json_begin(&j, text, sizeof(text));
		answer_room(&q->k->states[i], &j);
		job_row(&q->job, &j);
	}
	if (sweep_is_on(q->k)) {
		json_begin(&j, text, sizeof(text));
		sweep_json(q->k, &j);
		job_row(&q->job, &j);
	}
	finish(q);
}

static void
answer_catalog(struct question *q)
{
	static char text[ROW_CAP];
	struct slice one = arg(q, "system");
	bool found = false;
	struct json j;

	for (size_t i = 0; i < q->k->rules.nsystems; i++) {
		const struct catalog_entry *e = q->k->rules.systems[i];

		if (one.n > 0 && !slice_is(one, e->system))
			continue;
		found = true;
		json_begin(&j, text, sizeof(text));
		answer_system(e, &j);
		job_row(&q->job, &j);
	}
	if (!found && one.n > 0)
		fail(q, REFUSED_NO_SYSTEM, "the catalog has no such system");
	finish(q);
}

static void
answer_whoami(struct question *q)
{
	static char text[ROW_CAP];
	struct session *s = job_session(q->k, &q->job);
	struct json j;

	json_begin(&j, text, sizeof(text));
	answer_session(q->k, s, &j);
	job_row(&q->job, &j);
	finish(q);
}

static void
on_explained_row(void *arg_, struct fetch *f)
{
	static char text[ROW_CAP];
	struct question *q = arg_;
	struct session *s = job_session(q->k, &q->job);
	struct explain ex = {.verb = arg(q, "verb"),
	    .profile = arg(q, "profile"),
	    .method = arg(q, "method"),
	    .path = arg(q, "path"),
	    .user = arg(q, "user")};
	struct profile p;
	struct json j;

	if (open_profile(q, f, &p)) {
		ex.entry = keeper_system(q->k, slice_str(p.system));
		profile_release(&p);
	}
	fetch_release(f);
	if (s != NULL) {
		json_begin(&j, text, sizeof(text));
		q->refusal = answer_policy(
		    q->k, s, &ex, &j, q->sentence, sizeof(q->sentence));
		if (q->refusal == REFUSED_NONE)
			job_row(&q->job, &j);
	}
	finish(q);
}

static void
answer_explain(struct question *q)
{
	struct fetch *f = &q->fetch[0];

	f->done = on_explained_row;
	f->arg = q;
	keys_row_id(q->k->keys, ROW_PROFILE, arg(q, "profile"), f->id);
	rows_fetch(q->k->rows, f);
}

static void
answer_slots(struct question *q)
{
	static char text[ROW_CAP];
	struct json j;

	for (uint32_t i = 0; i < SLOTS_MAX; i++) {
		if (slots_get(q->k->slots, i) == NULL)
			continue;
		json_begin(&j, text, sizeof(text));
		slots_json(q->k->slots, i, &j);
		job_row(&q->job, &j);
	}
	finish(q);
}

static void
on_exported(
    void *arg_, enum refusal refusal, const char *sentence, const char *text)
{
	static char row[ROW_CAP];
	struct question *q = arg_;
	struct json j;

	if (refusal != REFUSED_NONE) {
		fail(q, refusal, sentence);
	} else {
		json_begin(&j, row, sizeof(row));
		json_open(&j, NULL, '{');
		json_text(&j, "profile", q->export->name);
		json_slice(&j, "format", arg(q, "format"));
		json_text(&j, "text", text);
		json_close(&j, '}');
		job_row(&q->job, &j);
	}
	finish(q);
}

static void
answer_pubkey(struct question *q)
{
	struct slice name = arg(q, "profile"), format = arg(q, "format");
	struct profile_id id;

	if (profile_parse((const char *)name.p, name.n, &id) != 0) {
		fail(q, REFUSED_BAD_REQUEST,
		    "a profile is named CUSTOMER/NAME, of [a-z0-9-]");
		finish(q);
		return;
	}
	if ((q->export = calloc(1, sizeof(*q->export))) == NULL) {
		fail(q, REFUSED_BUDGET, "out of memory");
		finish(q);
		return;
	}
	*q->export = (struct export){.k = q->k,
	    .done = on_exported,
	    .arg = q,
	    .staged = slice_is(arg(q, "staged"), "1")};
	memcpy(q->export->name, name.p, name.n);
	if (export_format_parse(format, &q->export->format) != 0) {
		fail(q, REFUSED_BAD_REQUEST,
		    "a format is jwk, pem, x509, csr or ssh");
		finish(q);
		return;
	}
	export_begin(q->export);
}

static void
answer_nonce(struct question *q)
{
	struct session *s = job_session(q->k, &q->job);

	channel_say(q->job.gate->ch, NONCE, .number = q->job.number,
	    .nonce = slice_of(session_make_nonce(s), 24));
	question_free(q);
}

/* What a question needs, and who answers it. */
static const struct {
	int verb;        /* of the policy; -1: none, and no record */
	bool sealed;     /* it can be answered while the vault is sealed */
	bool of_profile; /* the verb is asked for that profile, if one is named
	                  */
	void (*answer)(struct question *q);
} questions[ASK_COUNT] = {
    [ASK_WHOAMI] = {-1, true, false, answer_whoami},
    [ASK_STATUS] = {VERB_READ, true, false, answer_status},
    [ASK_CATALOG] = {VERB_READ, true, false, answer_catalog},
    [ASK_PROFILES] = {VERB_READ, false, true, answer_profiles},
    [ASK_EXPLAIN] = {-1, false, false, answer_explain},
    [ASK_AUDIT] = {VERB_AUDIT, true, false, answer_audit},
    [ASK_NONCE] = {-1, true, false, answer_nonce},
    [ASK_BACKUP] = {VERB_OPERATE, false, false, answer_backup},
    [ASK_PUBKEY] = {VERB_READ, false, true, answer_pubkey},
    [ASK_JWKS] = {VERB_READ, false, true, answer_profiles},
    [ASK_READY] = {-1, false, false, finish},
    [ASK_SLOTS] = {VERB_OPERATE, true, false, answer_slots},
};

static bool
is_sealed(const struct question *q)
{
	return keeper_is_sealed(q->k) && !questions[q->what].sealed;
}

static void
on_recorded(void *arg_, int r)
{
	struct question *q = arg_;

	if (r != 0)
		fail(q, REFUSED_AUDIT, "the audit log cannot be written");
	if (q->refusal != REFUSED_NONE || q->cancelled || q->job.gate == NULL)
		finish(q);
	else
		questions[q->what].answer(q);
}

static void
on_cancel(struct job *job)
{
	struct question *q = (struct question *)job;
	bool waiting = job->resume != NULL;

	q->cancelled = true;
	job->resume = NULL;
	if (waiting && q->fetching == 0)
		walk(q);
}

/*
 * May it be asked?  Whoever explains another's rights needs "audit"; a list of
 * profiles shows what one may read, and so may always be asked for.
 */
static bool
permitted(struct question *q, struct matter *m)
{
	if ((q->what == ASK_PROFILES || q->what == ASK_JWKS) &&
	    arg(q, "profile").n == 0) {
		m->verdict.permitted = true;
		return true;
	}
	return matter_decide(q->k, m);
}

/*
 * Every argument is a text: no gate passes on control bytes.
 */
static bool
are_texts(struct slice pairs)
{
	struct slice name, value;
	int r;

	while ((r = pairs_next(&pairs, &name, &value)) == 0)
		for (size_t i = 0; i < value.n; i++)
			if (value.p[i] < 0x20 || value.p[i] == 0x7f)
				return false;
	return r == VERR_NOTFOUND;
}

int
ask_begin(struct gate *g, struct session *s, const struct rec_ASK *m)
{
	struct question *q;
	struct matter matter = {.session = s};
	char profile[PROFILE_MAX + 1] = "";
	struct slice one;

	if (m->what >= ASK_COUNT)
		return VERR_FORMAT;
	if ((q = calloc(1, sizeof(*q))) == NULL)
		return VERR_NOMEM;
	if (job_begin(g, &q->job, m->session, m->number, on_cancel) != 0) {
		free(q);
		return 0;
	}
	q->k = g->k;
	q->what = (uint32_t)m->what;
	if ((q->pairs = malloc(m->pairs.n + 1)) == NULL) {
		question_free(q);
		return VERR_NOMEM;
	}
	if (m->pairs.n > 0)
		memcpy(q->pairs, m->pairs.p, m->pairs.n);
	q->pairs_len = m->pairs.n;
	if (!are_texts(m->pairs)) {
		question_free(q);
		return VERR_FORMAT;
	}
	if (questions[q->what].verb < 0 &&
	    !(q->what == ASK_EXPLAIN && arg(q, "user").n > 0)) {
		if (is_sealed(q)) {
			fail(q, REFUSED_SEALED, KEEPER_SEALED_TEXT);
			finish(q);
		} else {
			questions[q->what].answer(q);
		}
		return 0;
	}
	one = arg(q, "profile");
	if (questions[q->what].of_profile && one.n > 0 &&
	    one.n < sizeof(profile))
		memcpy(profile, one.p, one.n);
	matter.verb = q->what == ASK_EXPLAIN
	    ? VERB_AUDIT
	    : (enum policy_verb)questions[q->what].verb;
	matter.act = q->what == ASK_BACKUP ? "backup" : NULL;
	matter.profile = profile[0] != '\0' ? profile : NULL;
	if (!permitted(q, &matter))
		fail(q, matter.refusal, "the policy does not permit it");
	else if (is_sealed(q))
		fail(q, matter.refusal = REFUSED_SEALED, KEEPER_SEALED_TEXT);
	q->note = (struct audit_note){on_recorded, q, 0};
	matter_record(g->k, &matter, AUDIT_ACCESS, false, &q->note);
	return 0;
}
