#include "vaultd/keeper/act.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <sodium.h>

#include "protocol/act.h"
#include "protocol/pairs.h"
#include "vaultd/base/secret.h"

#define ACTS_MAX     8 /* under way, over all gates: each holds a secret */
#define ACTS_OF_GATE 2 /* so that no class of clients keeps the others out */

static struct act *acts; /* under way */
static size_t nacts;

static void next_step(struct act *a);

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

static void
act_free(struct act *a)
{
	struct act **at = &acts;

	while (*at != a)
		at = &(*at)->next_act;
	*at = a->next_act;
	nacts--;
	job_end(&a->job);
	link_release(a->link);
	fetch_release(&a->customer);
	free(a->to);
	for (size_t i = 0; i < a->nstrings; i++)
		free(a->strings[i]);
	for (size_t i = 0; i < COMMIT_CHANGES; i++)
		free(a->bodies[i]);
	secret_free(a->plain);
	secret_free(a->secret);
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
		job_refuse(&a->job, a->refusal, 0,
		    a->outcome.of != 0 ? a->outcome.of : a->note.seq,
		    a->sentence);
	else
		job_done(&a->job, a->outcome.of, a->sentence);
	act_free(a);
}

static struct matter
matter_of(const struct act *a, struct session *s)
{
	return (struct matter){.session = s,
	    .verb = VERB_MANAGE,
	    .act = a->kind == NULL ? NULL : a->kind->name,
	    .profile = a->name[0] == '\0' ? NULL : a->name,
	    .system = a->next.system,
	    .user = a->next.user};
}

/*
 * Refused before anything was decided: an access record, then the answer.
 */
static void
refuse_matter(struct act *a, struct matter *m)
{
	m->refusal = a->refusal;
	a->note = (struct audit_note){on_closed_record, a, 0};
	matter_record(a->k, m, AUDIT_ACCESS, false, &a->note);
}

/*
 * The act has ended, well or not, after its decision was recorded.
 */
static void
conclude(struct act *a)
{
	a->outcome.refusal = a->refusal;
	if (a->refusal == REFUSED_NONE)
		a->outcome.change = a->change;
	a->outcome.store = rows_generation(a->k->rows);
	a->note.done = on_closed_record;
	outcome_record(a->k, &a->outcome, true, &a->note);
}

/*
 * The health check.
 */

static void
on_probe_courier(void *arg, uint32_t courier)
{
	struct act *a = arg;
	const struct catalog_link *to = a->to;
	struct render_request rr = {
	    .link = to, .target = slice_str(to->health.target)};
	struct order_request order = {.link = to,
	    .pool = order_pool(a->k, &a->next),
	    .method = to->health.method,
	    .account = to->account};
	uint8_t bound[LINK_LEN], *opened = NULL;
	size_t len = a->secret_len;
	struct render_refusal why;
	struct rendered out;
	int r = 0;

	(void)courier;
	if (!a->new_secret) {
		profile_link(&a->link->profile, to, bound);
		r = link_open(a->k, a->link, bound, &opened, &len);
	}
	rr.secret = slice_of(a->new_secret ? a->secret : opened, len);
	if (r == 0)
		r = render(&rr, &out, &why);
	if (r == 0) {
		order.target = out.target;
		order.headers = out.headers;
		order_issue(a->k, &a->order, &order);
	}
	render_forget();
	secret_free(opened);
	if (r != 0)
		order_cancel(a->k, &a->order);
}

/*
 * Is the credential another account's than the one that was sealed?  A new one
 * must be shown to be the same; of the old one an answer that does not name
 * the account says nothing.  True with the refusal set.
 */
static bool
is_another_account(struct act *a, const char *account)
{
	if (a->next.account[0] == '\0' ||
	    strcmp(a->next.account, account) == 0 ||
	    (account[0] == '\0' && !a->new_secret))
		return false;
	(void)act_refuse(a, REFUSED_OTHER_ACCOUNT, "%s%s",
	    account[0] != '\0'
	        ? "the credential belongs to another upstream account"
	        : "the credential is alive, but the health check does not "
	          "tell whose it is",
	    a->new_secret ? "; --new-account would accept it" : "");
	return true;
}

/*
 * What the check's answer says of the credential.
 */
static void
judge(struct act *a, const struct order_result *res)
{
	const struct catalog_entry *entry =
	    keeper_system(a->k, slice_str(a->next.system));
	bool alive = entry != NULL && catalog_alive(entry, res->status);

	if (res->refusal != REFUSED_NONE) {
		(void)act_refuse(a, res->refusal,
		    "the health check could not be made: %s",
		    verr_text(res->error));
		return;
	}
	if (!alive) {
		(void)act_refuse(a, REFUSED_UNPROVEN,
		    "the upstream answered the health check with status %u",
		    res->status);
		return;
	}
	if (is_another_account(a, res->account))
		return;
	a->next.verified = keeper_time();
	if (res->account[0] != '\0') {
		(void)snprintf(
		    a->account, sizeof(a->account), "%s", res->account);
		a->next.account = a->account;
	}
}

/*
 * How the profile stands after a check that was made of what it has already.
 */
static void
settle_status(struct act *a)
{
	if (a->refusal == REFUSED_NONE) {
		if (a->next.status != STATUS_DISABLED)
			a->next.status = STATUS_ACTIVE;
		a->next.reason = "";
		return;
	}
	a->next.reason = "the health check failed";
	if (a->refusal == REFUSED_UNPROVEN) {
		a->next.reason = "the upstream refused the credential";
		if (a->next.status == STATUS_ACTIVE)
			a->next.status = STATUS_DEGRADED;
	}
}

static void
on_probe_done(void *arg, const struct order_result *res)
{
	struct act *a = arg;

	a->outcome.status = res->status;
	judge(a, res);
	/* A rotation that is not proven changes nothing. */
	if (a->refusal != REFUSED_NONE &&
	    a->kind->steps[a->step] != STEP_PROVED) {
		conclude(a);
		return;
	}
	if (a->kind->steps[a->step] == STEP_PROVED)
		settle_status(a);
	next_step(a);
}

static void
start_probe(struct act *a)
{
	a->order = (struct order){
	    .ready = on_probe_courier, .done = on_probe_done, .arg = a};
	order_begin(a->k, &a->order, a->link->id.customer);
}

/*
 * The rows.
 */

static void start_commit(struct act *a, bool with_secret);

static void
on_customer_row(void *arg, struct fetch *f)
{
	(void)f;
	start_commit(arg, true);
}

/*
 * Has another act made the customer's key since we looked?  Then its row is
 * fetched and the commit is prepared again: a second key in the place of the
 * first would be the end of what that one seals.
 */
static bool
customer_has_come(struct act *a)
{
	const struct link_row *row = &a->link->row[LINK_CUSTOMER];

	if (row->r != VERR_NOTFOUND || a->customer.done != NULL ||
	    index_find(rows_index(a->k->rows), row->at.id) == NULL)
		return false;
	a->customer = (struct fetch){.done = on_customer_row, .arg = a};
	memcpy(a->customer.id, row->at.id, ROW_ID_LEN);
	rows_fetch(a->k->rows, &a->customer);
	return true;
}

static void
on_committed(void *arg, int r)
{
	struct act *a = arg;

	if (r == VERR_STALE && a->kind->steps[a->step - 1] == STEP_COMMIT &&
	    a->new_secret && customer_has_come(a))
		return;
	if (r == VERR_STALE)
		(void)act_refuse(a, REFUSED_STALE,
		    "something else changed the same rows: try again");
	else if (r != 0)
		(void)act_refuse(a, REFUSED_STORE,
		    "the store cannot be written: %s", verr_text(r));
	if (r != 0) {
		conclude(a);
		return;
	}
	link_forget(a->k->links, a->name);
	if (a->commit.erase)
		couriers_drop_pool(a->k, a->link->id.customer,
		    order_pool(a->k, &a->link->profile));
	next_step(a);
}

/*
 * Add the next change of the commit: the row of "kind" called "name".
 * Returns it, with memory for its body, or NULL.
 */
static struct change *
add_change(
    struct act *a, enum row_kind kind, struct slice name, uint8_t **ret_body)
{
	size_t i = a->commit.n;
	struct change *c = &a->commit.changes[i];

	free(a->bodies[i]);
	if ((a->bodies[i] = malloc(SEALED_MAX)) == NULL)
		return NULL;
	*c = (struct change){.kind = kind};
	keys_row_id(a->k->keys, kind, name, c->id);
	rows_next_generation(a->k->rows, c);
	*ret_body = a->bodies[i];
	a->commit.n++;
	return c;
}

static struct row_place
place_of(const struct change *c)
{
	struct row_place at = {
	    .kind = (enum row_kind)c->kind, .generation = c->generation};

	memcpy(at.id, c->id, ROW_ID_LEN);
	return at;
}

static int
put_profile(struct act *a)
{
	uint8_t *plain = malloc(SECRET_MAX), *body;
	struct change *c;
	struct row_place at;
	size_t len;
	int r = VERR_NOMEM;

	c = add_change(a, ROW_PROFILE, slice_str(a->name), &body);
	if (plain == NULL || c == NULL)
		goto out;
	at = place_of(c);
	a->next.changed = keeper_time();
	if ((r = profile_encode(&a->next, plain, SECRET_MAX, &len)) != 0 ||
	    (r = keys_seal_row(
	         a->k->keys, &at, slice_of(plain, len), body, &len)) != 0)
		goto out;
	c->body = slice_of(body, len);
out:
	free(plain);
	return r;
}

/*
 * The customer's key: as it is, or a first one.
 */
static int
put_customer(struct act *a, struct customer_row *ret)
{
	const struct link_row *row = &a->link->row[LINK_CUSTOMER];
	const struct fetch *f = &a->customer;
	struct change *c;
	uint8_t *body;
	size_t len;
	int r = f->done != NULL ? f->r : row->r;

	if (r == 0) {
		*ret = f->done != NULL
		    ? (struct customer_row){f->at, slice_of(f->body, f->len)}
		    : (struct customer_row){
		          row->at, slice_of(row->body, row->len)};
		return 0;
	}
	if (r != VERR_NOTFOUND)
		return r;
	c = add_change(a, ROW_CUSTOMER, slice_str(a->link->id.customer), &body);
	if (c == NULL)
		return VERR_NOMEM;
	ret->at = place_of(c);
	if ((r = keys_make_customer(a->k->keys, &ret->at, body, &len)) != 0)
		return r;
	c->body = ret->sealed = slice_of(body, len);
	return 0;
}

static int
put_credential(struct act *a)
{
	struct customer_row customer;
	uint8_t bound[LINK_LEN], *body;
	struct change *c;
	struct row_place at;
	size_t len;
	int r;

	if ((r = put_customer(a, &customer)) != 0)
		return r;
	c = add_change(a, ROW_CREDENTIAL, slice_str(a->name), &body);
	if (c == NULL)
		return VERR_NOMEM;
	at = place_of(c);
	profile_link(&a->next, a->to, bound);
	if ((r = keys_seal_secret(a->k->keys, &customer, &at, bound,
	         slice_of(a->secret, a->secret_len), body, &len)) != 0)
		return r;
	c->body = slice_of(body, len);
	return 0;
}

static int
put_removal(struct act *a, enum row_kind kind)
{
	uint8_t *body;
	struct change *c = add_change(a, kind, slice_str(a->name), &body);

	if (c == NULL)
		return VERR_NOMEM;
	c->generation = 0;
	return 0;
}

static void
start_commit(struct act *a, bool with_secret)
{
	bool remove = a->next.name == NULL;
	int r;

	if (with_secret && customer_has_come(a))
		return;
	a->commit.n = 0;
	a->commit.done = on_committed;
	a->commit.arg = a;
	a->commit.erase = remove || (with_secret && !a->kind->creates);
	if (remove) {
		if ((r = put_removal(a, ROW_PROFILE)) == 0)
			r = put_removal(a, ROW_CREDENTIAL);
	} else if ((r = put_profile(a)) == 0 && with_secret) {
		r = put_credential(a);
	}
	if (r != 0)
		on_committed(a, r);
	else
		rows_commit(a->k->rows, &a->commit);
}

static bool
probe_wanted(const struct act *a)
{
	bool verify =
	    a->kind->steps[0] == STEP_PROBE && a->kind->steps[1] == STEP_PROVED;

	return a->to->health.method != NULL &&
	    (verify || (a->new_secret && !a->no_verify));
}

/*
 * What the admin reads at the end.
 */
static void
say_result(struct act *a)
{
	char why[ACT_SENTENCE_MAX];
	const char *reason = a->next.reason;

	if (a->refusal != REFUSED_NONE && a->kind->creates) {
		(void)snprintf(why, sizeof(why), "%s", a->sentence);
		(void)snprintf(a->sentence, sizeof(a->sentence),
		    "%s was stored as pending: %.300s", a->name, why);
	}
	if (a->refusal != REFUSED_NONE)
		return;
	(void)snprintf(
	    a->sentence, sizeof(a->sentence), "%s %.200s", a->name, a->change);
	if (a->next.name == NULL)
		return;
	(void)snprintf(a->sentence, sizeof(a->sentence),
	    "%s %.150s; %s%s%.80s%s%s%.90s", a->name, a->change,
	    status_name(a->next.status), *reason != '\0' ? ", " : "", reason,
	    a->next.verified == 0 ? ", never verified" : "",
	    a->next.account[0] != '\0' ? ", account " : "", a->next.account);
}

static void
next_step(struct act *a)
{
	enum act_step step = a->kind->steps[a->step++];

	switch (step) {
	case STEP_PROBE:
		if (!probe_wanted(a))
			break;
		start_probe(a);
		return;
	case STEP_COMMIT:
		start_commit(a, a->new_secret);
		return;
	case STEP_PROVED:
		if (!probe_wanted(a))
			break;
		start_commit(a, false);
		return;
	case STEP_NONE:
		say_result(a);
		conclude(a);
		return;
	}
	next_step(a);
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
	    .verb = VERB_MANAGE,
	    .act = a->kind->name,
	    .profile = a->name,
	    .started = loop_now(a->k->life.loop)};
	next_step(a);
}

static bool
is_busy(const struct act *a)
{
	for (const struct act *b = acts; b != NULL; b = b->next_act)
		if (b != a && b->has_turn && strcmp(b->name, a->name) == 0)
			return true;
	return false;
}

/*
 * Is there the profile that there should, or should not be?
 */
static int
check_rows(struct act *a)
{
	int r = a->link == NULL ? VERR_NOMEM : a->link->row[LINK_PROFILE].r;

	if (r == VERR_NOTFOUND && !a->kind->creates)
		return act_refuse(
		    a, REFUSED_NO_PROFILE, "there is no such profile");
	if (r == 0 && a->kind->creates)
		return act_refuse(a, REFUSED_EXISTS,
		    "there is a profile of this name already");
	if (r != 0 && r != VERR_NOTFOUND)
		return act_refuse(a, REFUSED_STORE,
		    "the profile's row cannot be read: %s", verr_text(r));
	if (is_busy(a))
		return act_refuse(a, REFUSED_STALE,
		    "another change of this profile is under way");
	return 0;
}

static void
on_rows(void *arg, const struct link *link)
{
	struct act *a = arg;
	struct session *s = job_session(a->k, &a->job);
	struct matter m;
	int r;

	a->link = link;
	if (s == NULL) {
		act_free(a);
		return;
	}
	if (link != NULL)
		a->next = link->profile;
	r = check_rows(a);
	if (r == 0)
		r = a->kind->prepare(a);
	m = matter_of(a, s);
	if (!matter_decide(a->k, &m))
		r = act_refuse(a, m.refusal, "the policy does not permit it");
	if (r != 0) {
		refuse_matter(a, &m);
		return;
	}
	a->has_turn = true;
	a->note = (struct audit_note){on_decided, a, 0};
	matter_record(a->k, &m, AUDIT_DECISION, true, &a->note);
}

static bool
is_set(const struct act *a, const char *name)
{
	struct slice v;

	return pairs_find(a->pairs, name, &v) == 0 && slice_is(v, "1");
}

/*
 * Read the opened act's head.  Returns 0, or the refusal is set.
 */
static int
read_act(struct act *a, struct session *s)
{
	struct profile_id id;
	struct slice v;

	if (a->opened != 0)
		return act_refuse(a, REFUSED_STALE,
		    "the act was not sealed for this keeper: read keeper.pub "
		    "again");
	a->pairs = slice_of(a->plain, a->plain_len);
	if (pairs_find(a->pairs, "nonce", &v) != 0 ||
	    session_take_nonce(s, v) != 0)
		return act_refuse(a, REFUSED_STALE,
		    "the act's nonce is not one of this connection, or was "
		    "used before");
	if (pairs_find(a->pairs, "verb", &v) != 0 ||
	    (a->kind = act_kind(v)) == NULL)
		return act_refuse(
		    a, REFUSED_BAD_REQUEST, "there is no such act");
	if (pairs_find(a->pairs, "profile", &v) != 0 ||
	    profile_parse((const char *)v.p, v.n, &id) != 0)
		return act_refuse(a, REFUSED_BAD_REQUEST,
		    "a profile is named CUSTOMER/NAME, of [a-z0-9-]");
	memcpy(a->name, v.p, v.n);
	a->no_verify = is_set(a, "no-verify");
	a->new_account = is_set(a, "new-account");
	return 0;
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
		act_free(a);
		return;
	}
	r = read_act(a, s);
	m = matter_of(a, s);
	if (!matter_decide(a->k, &m) && r == 0)
		r = act_refuse(a, m.refusal, "the policy does not permit it");
	if (r != 0) {
		refuse_matter(a, &m);
		return;
	}
	link_fetch(&a->wait, a->k, a->name, on_rows, a);
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

	for (const struct act *a = acts; a != NULL; a = a->next_act)
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
	a->next_act = acts;
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
		act_free(a);
	}
	return 0;
}
