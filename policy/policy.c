#include "policy/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/path.h"
#include "policy/policy_rules.h"

/* What is known of a condition; in this order, so that min and max are and and
 * or. */
enum known {
	NO,
	UNKNOWN,
	YES,
};

/* One profile pattern of one rule whose client the principal may be. */
struct entry {
	uint32_t customer; /* 0: any; else what is not equal cannot match */
	uint32_t rule;
	uint32_t client; /* the one that the principal is, or may be */
	uint16_t glob;
	bool unknown; /* whether the principal is the client */
};

struct policy_view {
	const struct policy *policy;
	struct entry *entries; /* by verb, then by rule */
	size_t begin[VERB_COUNT + 1];
};

static const char *const verb_names[VERB_COUNT] = {
    [VERB_REQUEST] = "request",
    [VERB_SIGN] = "sign",
    [VERB_VERIFY] = "verify",
    [VERB_TOKEN] = "token",
    [VERB_READ] = "read",
    [VERB_MANAGE] = "manage",
    [VERB_AUDIT] = "audit",
    [VERB_OPERATE] = "operate",
};

const char *
policy_verb_name(enum policy_verb verb)
{
	return verb_names[verb];
}

int
policy_verb_parse(const char *name, enum policy_verb *ret)
{
	for (enum policy_verb v = 0; v < VERB_COUNT; v++)
		if (strcmp(name, verb_names[v]) == 0) {
			*ret = v;
			return 0;
		}
	return VERR_NOTFOUND;
}

uint32_t
policy_customer_hash(const char *profile)
{
	uint32_t h = 2166136261u; /* FNV-1a */

	for (; *profile != '\0' && *profile != '/'; profile++)
		h = (h ^ (unsigned char)*profile) * 16777619u;
	return h == 0 ? 1 : h;
}

static bool
holds_id(const uint32_t *ids, size_t n, uint32_t id)
{
	for (size_t i = 0; i < n; i++)
		if (ids[i] == id)
			return true;
	return false;
}

static enum known
groups_match(const uint32_t *ids, size_t n, const struct policy_principal *who)
{
	if (!who->groups_unknown && holds_id(ids, n, who->gid))
		return YES;
	for (size_t i = 0; i < who->ngroups; i++)
		if (holds_id(ids, n, who->groups[i]))
			return YES;
	return who->groups_unknown ? UNKNOWN : NO;
}

/* Every line of the client must match. */
static enum known
client_matches(const struct client *c, const struct policy_principal *who)
{
	enum known all = YES;

	for (size_t key = 0; key < CLIENT_KEY_COUNT; key++) {
		const uint32_t *ids = c->line[key].ids;
		size_t n = c->line[key].n;
		enum known k;

		if (n == 0)
			continue;
		if (key == CLIENT_USER || key == CLIENT_UID)
			k = holds_id(ids, n, who->uid) ? YES : NO;
		else
			k = groups_match(ids, n, who);
		all = k < all ? k : all;
	}
	return all;
}

/* The best match among the clients of a rule. */
static enum known
rule_client(const struct rule *rule, const uint8_t *known, uint32_t *ret_client)
{
	enum known best = NO;

	for (size_t i = 0; i < rule->nclients; i++)
		if (known[rule->clients[i]] > best) {
			best = (enum known)known[rule->clients[i]];
			*ret_client = (uint32_t)rule->clients[i];
		}
	return best;
}

/*
 * Walk the rules that the principal may be a client of: count their entries by
 * verb in next[], or, once there is room for them, put them where next[] says.
 */
static void
walk_rules(struct policy_view *view, const uint8_t *known,
    size_t next[static VERB_COUNT])
{
	const struct policy *policy = view->policy;

	for (size_t i = 0; i < policy->nrules; i++) {
		const struct rule *rule = &policy->rules[i];
		struct entry e = {.rule = (uint32_t)i};
		enum known k = rule_client(rule, known, &e.client);

		e.unknown = k == UNKNOWN;
		for (size_t g = 0; g < rule->nglobs && k != NO; g++) {
			e.customer = rule->globs[g].customer;
			e.glob = (uint16_t)g;
			for (unsigned verb = 0; verb < VERB_COUNT; verb++) {
				if (!(rule->verbs & 1u << verb))
					continue;
				if (view->entries != NULL)
					view->entries[next[verb]] = e;
				next[verb]++;
			}
		}
	}
}

int
policy_view_new(const struct policy *policy,
    const struct policy_principal *principal, struct policy_view **ret)
{
	struct policy_view *view = calloc(1, sizeof(*view));
	uint8_t *known = calloc(policy->nclients + 1, 1);
	size_t next[VERB_COUNT] = {0};
	int r = VERR_NOMEM;

	if (view == NULL || known == NULL)
		goto out;
	for (size_t i = 0; i < policy->nclients; i++)
		known[i] = client_matches(&policy->clients[i], principal);
	view->policy = policy;
	walk_rules(view, known, next);
	for (size_t v = 0; v < VERB_COUNT; v++) {
		view->begin[v + 1] = view->begin[v] + next[v];
		next[v] = view->begin[v];
	}
	view->entries =
	    calloc(view->begin[VERB_COUNT] + 1, sizeof(*view->entries));
	if (view->entries == NULL)
		goto out;
	walk_rules(view, known, next);
	*ret = view;
	view = NULL;
	r = 0;
out:
	free(known);
	policy_view_free(view);
	return r;
}

void
policy_view_free(struct policy_view *view)
{
	if (view == NULL)
		return;
	free(view->entries);
	free(view);
}

/* A request as it is matched: facts, and what is worked out of them once. */
struct question {
	const struct policy_facts *facts;
	uint32_t customer;
	bool folded_done;
	struct path_folded folded;
};

static bool
profile_matches(const struct profile_glob *g, const struct question *q)
{
	const char *profile = q->facts->profile;

	return profile == NULL ? glob_match(g->glob, "", 0)
	                       : glob_match(g->glob, profile, strlen(profile));
}

static enum known
method_matches(const struct rule *rule, const struct question *q)
{
	if (rule->nmethods == 0)
		return YES;
	if (q->facts->method == NULL)
		return UNKNOWN;
	for (size_t i = 0; i < rule->nmethods; i++)
		if (strcmp(rule->methods[i], q->facts->method) == 0)
			return YES;
	return NO;
}

static enum known
path_matches(const struct rule *rule, struct question *q)
{
	const struct policy_facts *facts = q->facts;

	if (rule->npaths == 0)
		return YES;
	if (facts->path == NULL)
		return UNKNOWN;
	if (rule->deny && !q->folded_done) {
		path_fold(facts->path, facts->path_len, &q->folded);
		q->folded_done = true;
	}
	for (size_t i = 0; i < rule->npaths; i++)
		if (rule->deny ? glob_match_folded(rule->paths[i], &q->folded)
		               : glob_match(rule->paths[i], facts->path,
		                     facts->path_len))
			return YES;
	return NO;
}

/* A guarded path is reached by its own name alone. */
static bool
path_named(const struct rule *rule, const struct policy_facts *facts)
{
	for (size_t i = 0; i < rule->npaths && facts->path != NULL; i++)
		if (glob_literal(rule->paths[i]) &&
		    glob_match(rule->paths[i], facts->path, facts->path_len))
			return true;
	return false;
}

/*
 * How far a permit comes: the first condition that does not hold, in the order
 * in which they are worth telling.
 */
enum stage {
	STAGE_NONE, /* no rule at all */
	STAGE_PROFILE,
	STAGE_METHOD,
	STAGE_METHOD_UNKNOWN,
	STAGE_PATH,
	STAGE_PATH_UNKNOWN,
	STAGE_GUARDED,
	STAGE_CLIENT_UNKNOWN,
	STAGE_HOLDS,
};

static enum stage
permit_stage(const struct rule *rule, const struct entry *e, struct question *q)
{
	enum known k;

	if (!profile_matches(&rule->globs[e->glob], q))
		return STAGE_PROFILE;
	k = method_matches(rule, q);
	if (k != YES)
		return k == NO ? STAGE_METHOD : STAGE_METHOD_UNKNOWN;
	k = path_matches(rule, q);
	if (k != YES)
		return k == NO ? STAGE_PATH : STAGE_PATH_UNKNOWN;
	if (q->facts->guarded && !path_named(rule, q->facts))
		return STAGE_GUARDED;
	return e->unknown ? STAGE_CLIENT_UNKNOWN : STAGE_HOLDS;
}

static bool
deny_holds(const struct rule *rule, const struct entry *e, struct question *q)
{
	return profile_matches(&rule->globs[e->glob], q) &&
	    method_matches(rule, q) != NO && path_matches(rule, q) != NO;
}

static void
explain(const struct policy_view *view, enum policy_verb verb,
    const struct entry *e, enum stage stage, struct policy_verdict *ret)
{
	static const char *const why[] = {
	    [STAGE_PROFILE] = "is about other profiles",
	    [STAGE_METHOD] = "is about other methods",
	    [STAGE_METHOD_UNKNOWN] = "names methods, and the method is not "
	                             "known",
	    [STAGE_PATH] = "is about other paths",
	    [STAGE_PATH_UNKNOWN] = "names paths, and the path is not known",
	    [STAGE_GUARDED] = "does not name this guarded path literally",
	    [STAGE_CLIENT_UNKNOWN] = "names a client that the caller is not "
	                             "known to be",
	};
	const struct rule *rule;

	if (e == NULL) {
		snprintf(ret->reason, sizeof(ret->reason),
		    "no permit to %s names a client that the caller is",
		    verb_names[verb]);
		return;
	}
	rule = &view->policy->rules[e->rule];
	snprintf(ret->reason, sizeof(ret->reason),
	    "%sline %u, %s %s to %s on %.63s%s%s",
	    stage == STAGE_HOLDS ? "" : "no permit holds; the nearest, ",
	    rule->line, rule->deny ? "deny" : "permit",
	    view->policy->clients[e->client].name.text, verb_names[verb],
	    rule->globs[e->glob].text, stage == STAGE_HOLDS ? "" : ", ",
	    stage == STAGE_HOLDS ? "" : why[stage]);
}

/*
 * Decide; returns the entry that did, or that came nearest, or NULL.
 */
static const struct entry *
decide(const struct policy_view *view, const struct policy_facts *facts,
    struct policy_verdict *ret, enum stage *ret_stage)
{
	const struct entry *nearest = NULL;
	enum stage stage = STAGE_NONE;
	struct question q;

	q.facts = facts;
	q.folded_done = false;
	q.customer =
	    facts->profile == NULL ? 0 : policy_customer_hash(facts->profile);
	*ret = (struct policy_verdict){0};
	for (size_t i = view->begin[facts->verb];
	     i < view->begin[facts->verb + 1]; i++) {
		const struct entry *e = &view->entries[i];
		const struct rule *rule = &view->policy->rules[e->rule];
		bool elsewhere = e->customer != 0 && e->customer != q.customer;
		enum stage s = STAGE_PROFILE;

		if (elsewhere && stage >= STAGE_PROFILE)
			continue;
		if (rule->deny) {
			if (elsewhere || !deny_holds(rule, e, &q))
				continue;
			ret->ground = POLICY_DENY;
			nearest = e;
			stage = STAGE_HOLDS;
			break;
		}
		if (stage != STAGE_HOLDS && !elsewhere)
			s = permit_stage(rule, e, &q);
		if (s > stage) {
			stage = s;
			nearest = e;
		}
	}
	if (stage == STAGE_HOLDS) {
		if (ret->ground != POLICY_DENY)
			ret->ground = POLICY_PERMIT;
		ret->line = view->policy->rules[nearest->rule].line;
	}
	ret->permitted = ret->ground == POLICY_PERMIT;
	*ret_stage = stage;
	return nearest;
}

void
policy_decide(const struct policy_view *view, const struct policy_facts *facts,
    struct policy_verdict *ret)
{
	enum stage stage;

	(void)decide(view, facts, ret, &stage);
}

void
policy_evaluate(const struct policy_view *view,
    const struct policy_facts *facts, struct policy_verdict *ret)
{
	enum stage stage;
	const struct entry *e = decide(view, facts, ret, &stage);

	explain(view, facts->verb, e, stage, ret);
}

bool
policy_may_know(const struct policy_view *view, const char *profile)
{
	const struct policy_facts facts = {
	    .verb = VERB_READ,
	    .profile = profile,
	};
	struct policy_verdict verdict;

	policy_decide(view, &facts, &verdict);
	return verdict.permitted;
}
