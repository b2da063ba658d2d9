#include "vaultd/keeper/edit.h"

#include <stdio.h>
#include <stdlib.h>

#include <sodium.h>

#include "protocol/pairs.h"

#include "vaultd/base/secret.h"
#include "vaultd/keeper/sign.h"
#include "vaultd/keeper/sweep.h"

static void next_step(struct edit *a);

void
edit_release(struct act *act)
{
	struct edit *a = act->state;

	link_release(a->link);
	fetch_release(&a->customer);
	fetch_release(&a->staged);
	secret_free(a->key.der);
	free(a->to);
	for (size_t i = 0; i < a->nstrings; i++)
		free(a->strings[i]);
	for (size_t i = 0; i < COMMIT_CHANGES; i++)
		free(a->bodies[i]);
	secret_free(a->secret);
	free(a);
}

/*
 * The health check.
 */

static void
on_probe_courier(void *arg, uint32_t courier)
{
	struct edit *a = arg;
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
is_another_account(struct edit *a, const char *account)
{
	if (a->next.account[0] == '\0' ||
	    strcmp(a->next.account, account) == 0 ||
	    (account[0] == '\0' && !a->new_secret))
		return false;
	(void)act_refuse(a->act, REFUSED_OTHER_ACCOUNT, "%s%s",
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
judge(struct edit *a, const struct order_result *res)
{
	const struct catalog_entry *entry =
	    keeper_system(a->k, slice_str(a->next.system));
	bool alive = entry != NULL && catalog_alive(entry, res->status);

	if (res->refusal != REFUSED_NONE) {
		(void)act_refuse(a->act, res->refusal,
		    "the health check could not be made: %s",
		    verr_text(res->error));
		return;
	}
	if (!alive) {
		(void)act_refuse(a->act, REFUSED_UNPROVEN,
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
settle_status(struct edit *a)
{
	if (a->act->refusal == REFUSED_NONE) {
		if (a->next.status != STATUS_DISABLED)
			a->next.status = STATUS_ACTIVE;
		a->next.reason = "";
		return;
	}
	a->next.reason = "the health check failed";
	if (a->act->refusal == REFUSED_UNPROVEN) {
		a->next.reason = "the upstream refused the credential";
		if (a->next.status == STATUS_ACTIVE)
			a->next.status = STATUS_DEGRADED;
	}
}

static void
on_probe_done(void *arg, const struct order_result *res)
{
	struct edit *a = arg;

	a->act->outcome.status = res->status;
	judge(a, res);
	/* A rotation that is not proven changes nothing. */
	if (a->act->refusal != REFUSED_NONE &&
	    a->kind->steps[a->step] != STEP_PROVED) {
		act_conclude(a->act);
		return;
	}
	if (a->kind->steps[a->step] == STEP_PROVED)
		settle_status(a);
	next_step(a);
}

static void
start_probe(struct edit *a)
{
	a->order = (struct order){
	    .ready = on_probe_courier, .done = on_probe_done, .arg = a};
	order_begin(a->k, &a->order, a->link->id.customer);
}

/*
 * The rows.
 */

static void start_commit(struct edit *a, bool with_secret);

static void
on_customer_row(void *arg, struct fetch *f)
{
	(void)f;
	start_commit(arg, true);
}

/*
 * The customer's row as it was last fetched.
 */
static const struct row_place *
customer_at(const struct edit *a, int *ret_r)
{
	if (a->customer.done != NULL) {
		*ret_r = a->customer.r;
		return &a->customer.at;
	}
	*ret_r = a->link->row[LINK_CUSTOMER].r;
	return &a->link->row[LINK_CUSTOMER].at;
}

/*
 * Has the customer's key come, or another in its place, since we looked?  Then
 * its row is fetched and the commit is prepared again: a second key in the
 * place of the first would be the end of what that one seals, and so would be
 * what is sealed under one that is about to go.
 */
static bool
customer_has_changed(struct edit *a)
{
	const struct link_row *row = &a->link->row[LINK_CUSTOMER];
	const struct index_entry *e =
	    index_find(rows_index(a->k->rows), row->at.id);
	int r;
	const struct row_place *at = customer_at(a, &r);

	if (e == NULL || (r == 0 && e->generation == at->generation))
		return false;
	fetch_release(&a->customer);
	a->customer = (struct fetch){.done = on_customer_row, .arg = a};
	memcpy(a->customer.id, row->at.id, ROW_ID_LEN);
	rows_fetch(a->k->rows, &a->customer);
	return true;
}

static void
on_committed(void *arg, int r)
{
	struct edit *a = arg;

	if (r == VERR_STALE && a->kind->steps[a->step - 1] == STEP_COMMIT &&
	    a->new_secret && !sweep_destroys(a->k, a->act->name) &&
	    customer_has_changed(a))
		return;
	if (r == VERR_STALE)
		(void)act_refuse(a->act, REFUSED_STALE,
		    "something else changed the same rows: try again");
	else if (r != 0)
		(void)act_refuse(a->act, REFUSED_STORE,
		    "the store cannot be written: %s", verr_text(r));
	if (r != 0) {
		act_conclude(a->act);
		return;
	}
	link_forget(a->k->links, a->act->name);
	signer_forget(a->k->signer, a->link->row[LINK_CREDENTIAL].at.id);
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
    struct edit *a, enum row_kind kind, struct slice name, uint8_t **ret_body)
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
put_profile(struct edit *a)
{
	uint8_t *plain = malloc(SECRET_MAX), *body;
	struct change *c;
	struct row_place at;
	size_t len;
	int r = VERR_NOMEM;

	c = add_change(a, ROW_PROFILE, slice_str(a->act->name), &body);
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
put_customer(struct edit *a, struct customer_row *ret)
{
	const struct link_row *row = &a->link->row[LINK_CUSTOMER];
	const struct fetch *f = &a->customer;
	struct change *c;
	uint8_t *body;
	size_t len;
	int r;

	ret->at = *customer_at(a, &r);
	if (r == 0) {
		ret->sealed = f->done != NULL ? slice_of(f->body, f->len)
		                              : slice_of(row->body, row->len);
		a->commit.guard = ret->at;
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
put_credential(struct edit *a)
{
	struct customer_row customer;
	uint8_t bound[LINK_LEN], *body;
	struct change *c;
	struct row_place at;
	size_t len;
	int r;

	if ((r = put_customer(a, &customer)) != 0)
		return r;
	c = add_change(a, a->kind->stages ? ROW_STAGED : ROW_CREDENTIAL,
	    slice_str(a->act->name), &body);
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

/*
 * Remove a row, if there is one.
 */
static int
put_removal(struct edit *a, enum row_kind kind)
{
	uint8_t id[ROW_ID_LEN], *body;
	struct change *c;

	keys_row_id(a->k->keys, kind, slice_str(a->act->name), id);
	if (index_find(rows_index(a->k->rows), id) == NULL)
		return 0;
	c = add_change(a, kind, slice_str(a->act->name), &body);

	if (c == NULL)
		return VERR_NOMEM;
	c->generation = 0;
	return 0;
}

/*
 * All that goes with a profile.
 */
static int
put_all_removals(struct edit *a)
{
	static const enum row_kind kinds[] = {
	    ROW_PROFILE, ROW_CREDENTIAL, ROW_STAGED};
	int r = 0;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && r == 0; i++)
		r = put_removal(a, kinds[i]);
	return r;
}

static void
start_commit(struct edit *a, bool with_secret)
{
	bool remove = a->next.name == NULL;
	int r;

	if (with_secret && customer_has_changed(a))
		return;
	a->commit.n = 0;
	a->commit.guard.generation = 0;
	a->commit.done = on_committed;
	a->commit.arg = a;
	a->commit.erase =
	    remove || a->drop_staged || (with_secret && !a->kind->creates);
	if (remove) {
		r = put_all_removals(a);
	} else {
		r = put_profile(a);
		if (r == 0 && with_secret)
			r = put_credential(a);
		if (r == 0 && a->drop_staged)
			r = put_removal(a, ROW_STAGED);
	}
	if (r != 0)
		on_committed(a, r);
	else
		rows_commit(a->k->rows, &a->commit);
}

/*
 * A private key: made or checked on a thread, since that may take seconds.
 */

static void
run_key(struct work *w)
{
	struct edit_key *key =
	    (struct edit_key *)((char *)w - offsetof(struct edit_key, work));
	struct pkey *p = NULL;

	key->why = "it cannot be made";
	key->r = key->make ? pkey_make(key->type, key->bits, &p)
	                   : pkey_open(key->given, &p, &key->why);
	if (key->r == 0 && !key->make)
		key->r = pkey_check(p, &key->why);
	if (key->r == 0)
		key->r = pkey_encode(p, key->der, &key->der_len);
	if (key->r == 0)
		key->r = pkey_spki(p, key->spki, &key->spki_len);
	if (key->r == 0)
		key->type = pkey_type(p);
	pkey_free(p);
}

/*
 * The key becomes the credential, and its public half the profile's.
 */
static int
take_key(struct edit *a)
{
	struct edit_key *key = &a->key;
	struct pairs_writer w = {.cap = PKEY_DER_MAX + 64};

	if (key->r != 0)
		return act_refuse(a->act, REFUSED_BAD_REQUEST,
		    "the private key: %s", key->why);
	if (!(key->algs & claims_alg(pkey_alg(key->type))))
		return act_refuse(a->act, REFUSED_BAD_REQUEST,
		    "%s takes no key for %s", a->next.system,
		    pkey_alg(key->type));
	secret_free(a->secret);
	if ((w.p = a->secret = secret_alloc(w.cap)) == NULL)
		return act_refuse(a->act, REFUSED_BUDGET,
		    "too many credentials are being changed at once");
	pairs_add(&w, "secret", slice_of(key->der, key->der_len));
	a->secret_len = w.n;
	(void)sodium_bin2base64(key->text, sizeof(key->text), key->spki,
	    key->spki_len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	if (a->kind->stages)
		a->next.staged_key = key->text;
	else
		edit_take_public(a, key->text);
	return 0;
}

static void
on_key(struct work *w)
{
	struct edit_key *key =
	    (struct edit_key *)((char *)w - offsetof(struct edit_key, work));
	struct edit *a =
	    (struct edit *)((char *)key - offsetof(struct edit, key));

	if (take_key(a) != 0)
		act_conclude(a->act);
	else
		next_step(a);
}

static void
start_key(struct edit *a)
{
	a->key.work = (struct work){.run = run_key, .done = on_key};
	a->key.der = secret_alloc(PKEY_DER_MAX);
	if (a->key.der == NULL || work_queue(&a->key.work) != 0) {
		(void)act_refuse(
		    a->act, REFUSED_BUDGET, "too many keys are being made");
		act_conclude(a->act);
	}
}

/*
 * The staged credential, which takes the place of the one in force.
 */
static void
on_staged(void *arg, struct fetch *f)
{
	const struct link_row *cu;
	struct edit *a = arg;
	struct customer_row customer;
	uint8_t bound[LINK_LEN];
	int r = f->r;

	cu = &a->link->row[LINK_CUSTOMER];
	customer = (struct customer_row){cu->at, slice_of(cu->body, cu->len)};
	profile_link(&a->link->profile, a->to, bound);
	if (r == 0)
		r = cu->r;
	if (r == 0)
		r = keys_open_secret(a->k->keys, &customer, &f->at, bound,
		    slice_of(f->body, f->len), &a->secret, &a->secret_len);
	if (r == 0) {
		next_step(a);
		return;
	}
	(void)act_refuse(a->act, REFUSED_STALE,
	    "the staged credential does not fit the profile any more: "
	    "--abort it, and stage another");
	act_conclude(a->act);
}

static void
start_staged(struct edit *a)
{
	a->staged = (struct fetch){.done = on_staged, .arg = a};
	keys_row_id(
	    a->k->keys, ROW_STAGED, slice_str(a->act->name), a->staged.id);
	rows_fetch(a->k->rows, &a->staged);
}

static bool
probe_wanted(const struct edit *a)
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
say_result(struct edit *a)
{
	char why[ACT_SENTENCE_MAX];
	const char *reason = a->next.reason;

	if (a->act->refusal != REFUSED_NONE && a->kind->creates) {
		(void)snprintf(why, sizeof(why), "%s", a->act->sentence);
		(void)snprintf(a->act->sentence, sizeof(a->act->sentence),
		    "%s was stored as pending: %.300s", a->act->name, why);
	}
	if (a->act->refusal != REFUSED_NONE)
		return;
	(void)snprintf(a->act->sentence, sizeof(a->act->sentence), "%s %.200s",
	    a->act->name, a->act->change);
	if (a->next.name == NULL)
		return;
	(void)snprintf(a->act->sentence, sizeof(a->act->sentence),
	    "%s %.150s; %s%s%.80s%s%s%.90s", a->act->name, a->act->change,
	    status_name(a->next.status), *reason != '\0' ? ", " : "", reason,
	    a->next.verified == 0 ? ", never verified" : "",
	    a->next.account[0] != '\0' ? ", account " : "", a->next.account);
}

static void
next_step(struct edit *a)
{
	enum edit_step step = a->kind->steps[a->step++];

	switch (step) {
	case STEP_KEY:
		if (!a->new_secret || a->next.kind != CREDENTIAL_JWT)
			break;
		start_key(a);
		return;
	case STEP_STAGED:
		start_staged(a);
		return;
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
		act_conclude(a->act);
		return;
	}
	next_step(a);
}

/*
 * Is there the profile that there should, or should not be?
 */
static int
check_rows(struct edit *a)
{
	int r = a->link == NULL ? VERR_NOMEM : a->link->row[LINK_PROFILE].r;

	if (r == VERR_NOTFOUND && !a->kind->creates)
		return act_refuse(
		    a->act, REFUSED_NO_PROFILE, "there is no such profile");
	if (r == 0 && a->kind->creates)
		return act_refuse(a->act, REFUSED_EXISTS,
		    "there is a profile of this name already");
	if (r != 0 && r != VERR_NOTFOUND)
		return act_refuse(a->act, REFUSED_STORE,
		    "the profile's row cannot be read: %s", verr_text(r));
	if (sweep_destroys(a->k, a->act->name))
		return act_refuse(
		    a->act, REFUSED_STALE, "the customer is being destroyed");
	if (act_is_busy(a->act))
		return act_refuse(a->act, REFUSED_STALE,
		    "another change of this profile is under way");
	return 0;
}

static void
on_decided(struct act *act)
{
	next_step(act->state);
}

static void
on_rows(void *arg, const struct link *link)
{
	struct edit *a = arg;
	struct session *s = job_session(a->k, &a->act->job);
	struct matter m;
	int r;

	a->link = link;
	if (s == NULL) {
		act_drop(a->act);
		return;
	}
	if (link != NULL)
		a->next = link->profile;
	r = check_rows(a);
	if (r == 0)
		r = a->kind->prepare(a);
	m = act_matter(a->act, s);
	m.system = a->next.system;
	m.user = a->next.user;
	if (!matter_decide(a->k, &m))
		r = act_refuse(
		    a->act, m.refusal, "the policy does not permit it");
	if (r != 0)
		act_reject(a->act, &m);
	else
		act_decide(a->act, &m, on_decided);
}

void
edit_begin(struct act *act)
{
	struct edit *a = calloc(1, sizeof(*a));
	struct matter m;

	if (a == NULL) {
		m = act_matter(act, job_session(act->k, &act->job));
		(void)act_refuse(act, REFUSED_BUDGET, "out of memory");
		act_reject(act, &m);
		return;
	}
	act->state = a;
	a->act = act;
	a->k = act->k;
	a->kind = edit_kind(act->kind->name);
	a->no_verify = act_is_set(act, "no-verify");
	a->new_account = act_is_set(act, "new-account");
	link_fetch(&a->wait, a->k, act->name, on_rows, a);
}
