#include "vaultd/keeper/sign.h"

#include <stdlib.h>

#include "protocol/pairs.h"
#include "vaultd/base/secret.h"
#include "vaultd/keeper/link.h"
#include "vaultd/keeper/pkey_cache.h"
#include "vaultd/keeper/scheme.h"
#include "vaultd/keeper/work.h"

#define TRIES_MAX 3

static const char changed_text[] =
    "the profile was changed meanwhile: try again";

struct signer {
	struct keeper *k;
	struct pkey_cache cache;
	struct timer expire;
};

struct sign {
	struct job job; /* first */
	struct keeper *k;
	bool cancelled;
	char name[PROFILE_MAX + 1];
	struct link_wait wait;
	const struct link *link;
	unsigned tries;
	uint64_t version; /* of the credential that was decided upon */
	uint8_t bound[LINK_LEN];
	char kid[PUBKEY_THUMBPRINT_LEN + 1];
	struct audit_note note;
	struct outcome outcome;
	enum refusal refusal;
	const char *sentence;
	struct work work;
	uint8_t *secret; /* pairs, in the arena, while the key is opened */
	struct slice der;
	struct pkey *key;
	int r; /* of the run */
	struct signing signing;
	size_t scheme_len, wish_len;
	uint8_t text[]; /* the scheme's name, then the wish */
};

static void
on_expire(void *arg)
{
	struct signer *sr = arg;

	pkey_cache_expire(&sr->cache, loop_now(sr->k->life.loop));
}

int
signer_new(struct keeper *k, struct signer **ret)
{
	struct signer *sr = calloc(1, sizeof(*sr));

	if (sr == NULL)
		return VERR_NOMEM;
	sr->k = k;
	sr->expire = (struct timer){.on_time = on_expire, .arg = sr};
	*ret = sr;
	return 0;
}

void
signer_forget(struct signer *sr, const uint8_t *id)
{
	if (id == NULL)
		pkey_cache_clear(&sr->cache);
	else
		pkey_cache_drop(&sr->cache, id);
}

static void
sign_free(struct sign *q)
{
	job_end(&q->job);
	link_release(q->link);
	secret_free(q->secret);
	pkey_free(q->key);
	/* The result may be a credential. */
	explicit_bzero(&q->signing, sizeof(q->signing));
	free(q);
}

static struct matter
matter_of(const struct sign *q, struct session *s, enum policy_verb verb)
{
	return (struct matter){.session = s, .verb = verb, .profile = q->name};
}

static void
on_refusal_recorded(void *arg, int r)
{
	struct sign *q = arg;

	if (r != 0)
		job_refuse(&q->job, REFUSED_AUDIT, 1, 0,
		    "the audit log cannot be written");
	else
		job_refuse(&q->job, q->refusal, 0, q->note.seq, q->sentence);
	sign_free(q);
}

static void
refuse(struct sign *q, struct matter *m, enum refusal refusal,
    const char *sentence)
{
	q->refusal = refusal;
	q->sentence = sentence;
	m->refusal = refusal;
	q->note = (struct audit_note){on_refusal_recorded, q, 0};
	matter_record(q->k, m, AUDIT_ACCESS, false, &q->note);
}

/*
 * The end of a decided matter: the outcome, and the answer.
 */
static void
fail(struct sign *q, enum refusal refusal, const char *sentence)
{
	q->outcome.refusal = refusal;
	if (q->cancelled)
		q->outcome.code = "cancelled";
	outcome_record(q->k, &q->outcome, false, NULL);
	job_refuse(
	    &q->job, refusal, refusal == REFUSED_BUDGET, q->note.seq, sentence);
	sign_free(q);
}

static void
answer(struct sign *q)
{
	static char text[SIGNING_MAX + 1024];
	struct json j;

	outcome_record(q->k, &q->outcome, false, NULL);
	json_begin(&j, text, sizeof(text));
	json_open(&j, NULL, '{');
	json_text(&j, "profile", q->name);
	json_text(&j, "scheme", q->signing.scheme->name);
	json_text(&j, "alg", pkey_alg(q->signing.type));
	json_text(&j, "kid", q->kid);
	json_slice(&j, q->signing.scheme->name,
	    slice_of(q->signing.text, q->signing.n));
	json_close(&j, '}');
	job_row(&q->job, &j);
	job_done(&q->job, q->note.seq, "");
	explicit_bzero(text, sizeof(text));
	sign_free(q);
}

/*
 * The scheme was run, on the loop or on a thread.
 */
static void
finish(struct sign *q)
{
	struct signer *sr = q->k->signer;
	const struct row_place *at = &q->link->row[LINK_CREDENTIAL].at;
	uint64_t now = loop_now(q->k->life.loop);

	secret_free(q->secret);
	q->secret = NULL;
	if (q->key != NULL && pkey_type(q->key) != PKEY_ED25519) {
		pkey_cache_put(&sr->cache, at->id, q->version, q->key, now);
		if (sr->expire.slot == 0 &&
		    loop_timer(q->k->life.loop, &sr->expire, PKEY_CACHE_IDLE) !=
		        0)
			signer_forget(sr, NULL);
	}
	if (q->r == 0 && !q->cancelled)
		answer(q);
	else
		fail(q, REFUSED_STORE, "the key cannot be used");
}

static void
run(struct work *w)
{
	struct sign *q =
	    (struct sign *)((char *)w - offsetof(struct sign, work));

	q->r = scheme_run(&q->signing, q->der, &q->key);
}

static void
on_run(struct work *w)
{
	finish((struct sign *)((char *)w - offsetof(struct sign, work)));
}

/*
 * Have the key: one that is kept open, or the one in the row.
 */
static int
find_key(struct sign *q)
{
	const struct row_place *at = &q->link->row[LINK_CREDENTIAL].at;
	size_t len;
	int r;

	q->key = pkey_cache_get(&q->k->signer->cache, at->id, q->version,
	    loop_now(q->k->life.loop));
	if (q->key != NULL)
		return 0;
	if ((r = link_open(q->k, q->link, q->bound, &q->secret, &len)) != 0)
		return r;
	return pairs_find(slice_of(q->secret, len), "secret", &q->der);
}

static void
use_key(struct sign *q)
{
	if (find_key(q) != 0) {
		fail(q, REFUSED_STORE, "the credential cannot be opened");
		return;
	}
	q->work = (struct work){.run = run, .done = on_run};
	/* What takes less than to wake a thread is done here. */
	if (q->signing.type != PKEY_RSA) {
		run(&q->work);
		finish(q);
	} else if (work_queue(&q->work) != 0) {
		fail(q, REFUSED_BUDGET, "too many signatures are under way");
	}
}

static void start(struct sign *q);

/*
 * The rows were replaced between decision and use: where only their keys are
 * others, as while one is rotated, it goes on.
 */
static void
on_rows_again(void *arg, const struct link *link)
{
	struct sign *q = arg;

	q->link = link;
	if (link != NULL && link->row[LINK_PROFILE].r == 0 &&
	    link->to != NULL && link->profile.version == q->version &&
	    memcmp(link->bound, q->bound, LINK_LEN) == 0 &&
	    profile_unusable(&link->profile) == NULL)
		start(q);
	else
		fail(q, REFUSED_STALE, changed_text);
}

static void
start(struct sign *q)
{
	if (q->cancelled) {
		fail(q, REFUSED_STALE, "");
	} else if (link_is_current(q->k, q->link)) {
		use_key(q);
	} else if (q->tries++ == TRIES_MAX) {
		fail(q, REFUSED_STALE, changed_text);
	} else {
		link_release(q->link);
		q->link = NULL;
		link_fetch(&q->wait, q->k, q->name, on_rows_again, q);
	}
}

static void
on_decided(void *arg, int r)
{
	struct sign *q = arg;

	if (r != 0) {
		job_refuse(&q->job, REFUSED_AUDIT, 1, 0,
		    "the audit log cannot be written");
		sign_free(q);
		return;
	}
	q->outcome.of = q->note.seq;
	q->outcome.started = loop_now(q->k->life.loop);
	start(q);
}

/*
 * What the scheme makes of the wish.  Returns 0, or VERR_* with *ret_why.
 */
static int
prepare(struct sign *q, const struct scheme *scheme, const char **ret_why)
{
	const struct link *l = q->link;
	uint8_t spki[PKEY_SPKI_MAX];
	struct scheme_request req = {.link = l->to,
	    .wish = slice_of(q->text + q->scheme_len, q->wish_len),
	    .kid = q->kid,
	    .now = keeper_time() / 1000};
	struct pubkey key;

	*ret_why = "the profile has no key";
	if (profile_key(l->profile.key, spki, &key) != 0)
		return VERR_FORMAT;
	pubkey_thumbprint(&key, q->kid);
	req.type = key.type;
	return scheme->prepare(&req, &q->signing, ret_why);
}

static void
on_rows(void *arg, const struct link *link)
{
	struct sign *q = arg;
	struct session *s = job_session(q->k, &q->job);
	const struct scheme *scheme;
	const char *why;
	struct matter m;
	int r = link == NULL ? VERR_NOMEM : link->row[LINK_PROFILE].r;

	q->link = link;
	if (s == NULL || q->cancelled) {
		sign_free(q);
		return;
	}
	m = matter_of(q, s, VERB_SIGN);
	if (r != 0) {
		bool known = policy_may_know(session_view(q->k, s), q->name);

		refuse(q, &m,
		    r != VERR_NOTFOUND ? REFUSED_STORE
		        : known        ? REFUSED_NO_PROFILE
		                       : REFUSED_DENIED,
		    r != VERR_NOTFOUND ? "the store cannot be read"
		        : known        ? "there is no such profile"
		                       : "the policy does not permit it");
		return;
	}
	m.system = link->profile.system;
	scheme = link->to == NULL
	    ? NULL
	    : scheme_find(slice_of(q->text, q->scheme_len), link->profile.kind);
	if (scheme != NULL)
		m.verb = scheme->verb(link->to);
	if (!matter_decide(q->k, &m)) {
		refuse(q, &m, m.refusal, "the policy does not permit it");
		return;
	}
	if (scheme == NULL) {
		refuse(q, &m, REFUSED_NOT_USABLE,
		    "the profile's credential does not sign in this way");
		return;
	}
	if ((why = profile_unusable(&link->profile)) != NULL) {
		refuse(q, &m, REFUSED_NOT_USABLE, why);
		return;
	}
	if ((r = prepare(q, scheme, &why)) != 0) {
		refuse(q, &m,
		    r == VERR_TOOBIG ? REFUSED_TOO_LARGE : REFUSED_BAD_REQUEST,
		    why);
		return;
	}
	q->version = link->profile.version;
	memcpy(q->bound, link->bound, LINK_LEN);
	q->outcome.verb = m.verb;
	m.act = scheme->name;
	q->outcome.act = scheme->name;
	q->note = (struct audit_note){on_decided, q, 0};
	matter_record(q->k, &m, AUDIT_DECISION, false, &q->note);
}

static void
on_cancel(struct job *job)
{
	((struct sign *)job)->cancelled = true;
}

static struct sign *
sign_new(struct keeper *k, const struct rec_SIGN *m)
{
	struct sign *q = calloc(1, sizeof(*q) + m->scheme.n + m->wish.n + 1);

	if (q == NULL)
		return NULL;
	q->k = k;
	q->outcome.profile = q->name;
	q->scheme_len = m->scheme.n;
	q->wish_len = m->wish.n;
	if (m->scheme.n > 0)
		memcpy(q->text, m->scheme.p, m->scheme.n);
	if (m->wish.n > 0)
		memcpy(q->text + m->scheme.n, m->wish.p, m->wish.n);
	return q;
}

int
sign_begin(struct gate *g, struct session *s, const struct rec_SIGN *m)
{
	struct sign *q = sign_new(g->k, m);
	struct profile_id id;
	struct matter matter;

	if (q == NULL)
		return VERR_NOMEM;
	if (job_begin(g, &q->job, m->session, m->number, on_cancel) != 0) {
		free(q);
		return 0;
	}
	if (profile_parse((const char *)m->profile.p, m->profile.n, &id) != 0) {
		matter = (struct matter){.session = s, .verb = VERB_SIGN};
		refuse(q, &matter, REFUSED_BAD_REQUEST,
		    "a profile is named CUSTOMER/NAME, of [a-z0-9-]");
		return 0;
	}
	memcpy(q->name, m->profile.p, m->profile.n);
	/* Which verb it takes the profile says; what neither would permit is
	 * refused before the store is asked. */
	matter = matter_of(q, s, VERB_TOKEN);
	if (!matter_decide(g->k, &matter)) {
		matter = matter_of(q, s, VERB_SIGN);
		if (!matter_decide(g->k, &matter)) {
			refuse(q, &matter, matter.refusal,
			    "the policy does not permit it");
			return 0;
		}
	}
	if (keeper_is_sealed(g->k))
		refuse(q, &matter, REFUSED_SEALED, KEEPER_SEALED_TEXT);
	else
		link_fetch(&q->wait, g->k, q->name, on_rows, q);
	return 0;
}
