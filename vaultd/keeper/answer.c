#include "vaultd/keeper/answer.h"

#include <stdio.h>

#include "policy/path.h"
#include "vaultd/keeper/rows.h"
#include "vaultd/keeper/slots.h"

void
answer_vault(const struct keeper *k, struct json *j)
{
	static const char hex[] = "0123456789abcdef";
	const uint8_t *vault = slots_vault_id(k->slots);
	char id[2 * VAULT_ID_LEN + 1];
	struct index *ix = rows_index(k->rows);

	for (size_t i = 0; i < VAULT_ID_LEN; i++) {
		id[2 * i] = hex[vault[i] >> 4];
		id[2 * i + 1] = hex[vault[i] & 15];
	}
	id[2 * VAULT_ID_LEN] = '\0';
	json_open(j, NULL, '{');
	json_text(j, "kind", "vault");
	json_text(j, "state",
	    k->draining           ? "draining"
	        : k->keys == NULL ? "sealed"
	                          : "ready");
	json_text(j, "vault", id);
	if (k->keys != NULL) {
		json_number(j, "generation", rows_generation(k->rows));
		json_number(j, "key_epoch", keys_epoch(k->keys));
	}
	json_number(j, "profiles", index_count(ix, ROW_PROFILE));
	json_number(j, "customers", index_count(ix, ROW_CUSTOMER));
	json_number(j, "systems", k->rules.nsystems);
	json_number(j, "audit", audit_next(k->audit));
	json_time(j, "since", k->since);
	json_close(j, '}');
}

static void
json_walls(struct json *j, const char *key, uint32_t bits)
{
	json_open(j, key, '[');
	for (int i = 0; i < WALL_COUNT; i++)
		if (bits >> i & 1)
			json_text(j, NULL, walls_info[i].text);
	json_close(j, ']');
}

void
answer_room(const struct room_state *s, struct json *j)
{
	json_open(j, NULL, '{');
	json_text(j, "kind", "room");
	json_text(j, "room", room_name((enum room)s->room));
	json_number(j, "number", s->number);
	json_number(j, "pid", s->pid);
	json_number(j, "uid", s->uid);
	json_bool(j, "up", s->up != 0);
	json_walls(j, "walls", s->walls);
	json_walls(j, "absent", s->absent);
	json_number(j, "proofs", s->proofs);
	json_number(j, "starts", s->starts);
	json_time(j, "since", s->since);
	json_close(j, '}');
}

static void
json_optional(struct json *j, const char *key, const char *value)
{
	if (value != NULL)
		json_text(j, key, value);
}

static void
json_list(struct json *j, const char *key, const char *const *list, size_t n)
{
	json_open(j, key, '[');
	for (size_t i = 0; i < n; i++)
		json_text(j, NULL, list[i]);
	json_close(j, ']');
}

static void
json_inputs(struct json *j, const struct catalog_entry *e)
{
	static const char *const types[] = {
	    "text", "url", "injection", "pointer", "pem", "pin", "network"};

	json_open(j, "inputs", '[');
	for (size_t i = 0; i < e->ninputs; i++) {
		const struct catalog_input *in = &e->inputs[i];

		json_open(j, NULL, '{');
		json_text(j, "name", in->name);
		json_optional(j, "what", in->what);
		json_optional(j, "example", in->example);
		json_optional(j, "default", in->fallback);
		json_text(j, "type", types[in->type]);
		json_bool(j, "required", in->required);
		json_bool(j, "sealed", in->sealed);
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void
json_credentials(struct json *j, const struct catalog_entry *e)
{
	json_open(j, "credentials", '[');
	for (size_t i = 0; i < e->ncredentials; i++) {
		const struct catalog_credential *c = &e->credentials[i];

		json_open(j, NULL, '{');
		json_text(j, "kind", credential_kind_name(c->kind));
		json_optional(j, "inject", c->inject);
		json_open(j, "fields", '[');
		for (size_t f = 0; f < c->nfields; f++) {
			json_open(j, NULL, '{');
			json_text(j, "name", c->fields[f].name);
			json_optional(j, "prompt", c->fields[f].prompt);
			json_bool(j, "secret", c->fields[f].secret);
			json_close(j, '}');
		}
		json_close(j, ']');
		json_close(j, '}');
	}
	json_close(j, ']');
}

void
answer_system(const struct catalog_entry *e, struct json *j)
{
	char health[HEALTH_PATH_MAX + 16];

	json_open(j, NULL, '{');
	json_text(j, "system", e->system);
	json_optional(j, "title", e->title);
	json_list(j, "categories", e->categories, e->ncategories);
	json_optional(j, "origin", e->origin);
	json_credentials(j, e);
	json_inputs(j, e);
	if (e->health_method != NULL) {
		(void)snprintf(health, sizeof(health), "%s %s",
		    e->health_method, e->health_path);
		json_text(j, "health", health);
	}
	json_optional(j, "account", e->account);
	json_list(j, "guarded", e->guarded, e->nguarded);
	json_list(j, "headers", e->headers, e->nheaders);
	json_optional(j, "rate", e->rate);
	json_optional(j, "expiry", e->expiry);
	json_optional(j, "verified", e->verified);
	json_list(j, "entities", e->entities, e->nentities);
	json_close(j, '}');
}

void
answer_session(const struct keeper *k, const struct session *s, struct json *j)
{
	const struct names *names = k->rules.names;

	json_open(j, NULL, '{');
	json_number(j, "uid", s->uid);
	json_text(j, "user", names_user(names, s->uid));
	json_number(j, "gid", s->gid);
	json_text(j, "group", names_group(names, s->gid));
	json_open(j, "groups", '[');
	for (size_t i = 0; i < s->ngroups; i++)
		json_number(j, NULL, s->groups[i]);
	json_close(j, ']');
	json_number(j, "pid", s->pid);
	json_text(j, "exe", s->exe);
	json_text(j, "cgroup", s->cgroup);
	json_text(j, "label", s->label);
	if (s->known & KNOWN_LOGINUID)
		json_number(j, "loginuid", s->loginuid);
	json_number(j, "session", s->number);
	json_number(j, "gate", s->gate);
	json_close(j, '}');
}

static void
text_of(struct slice v, char *out, size_t size)
{
	size_t n = v.n < size - 1 ? v.n : size - 1;

	if (n > 0)
		memcpy(out, v.p, n);
	out[n] = '\0';
}

/*
 * Evaluate, and once more if the path is guarded: whether it is, and so that
 * there is such a profile, shows only to those whom the policy lets come so
 * far.
 */
static void
evaluate(const struct policy_view *view, const struct catalog_entry *entry,
    struct policy_facts *facts, struct policy_verdict *ret)
{
	policy_evaluate(view, facts, ret);
	if (!ret->permitted || entry == NULL || facts->path == NULL ||
	    !catalog_guards(entry, facts->path, facts->path_len))
		return;
	facts->guarded = true;
	policy_evaluate(view, facts, ret);
}

/*
 * Evaluate as another user would be, by /etc/passwd and /etc/group.
 */
static enum refusal
evaluate_as(struct keeper *k, const char *user,
    const struct catalog_entry *entry, struct policy_facts *facts,
    struct policy_verdict *ret)
{
	uint32_t groups[SESSION_GROUPS];
	struct policy_principal who = {.groups = groups};
	struct policy_view *view;

	if (names_principal(k->rules.names, user, &who.uid, &who.gid, groups,
	        SESSION_GROUPS, &who.ngroups) != 0)
		return REFUSED_NOT_FOUND;
	if (policy_view_new(k->rules.policy, &who, &view) != 0)
		return REFUSED_BUDGET;
	evaluate(view, entry, facts, ret);
	policy_view_free(view);
	return REFUSED_NONE;
}

static void
put_verdict(
    struct json *j, const struct explain *ex, const struct policy_verdict *v)
{
	static const char *const grounds[] = {"default", "permit", "deny"};
	char rule[40];

	json_open(j, NULL, '{');
	json_slice(j, "verb", ex->verb);
	json_slice(j, "profile", ex->profile);
	json_bool(j, "permitted", v->permitted);
	json_text(j, "ground", grounds[v->ground]);
	if (v->line != 0) {
		(void)snprintf(rule, sizeof(rule), "policy.conf:%u", v->line);
		json_text(j, "rule", rule);
	}
	json_text(j, "reason", v->reason);
	json_close(j, '}');
}

enum refusal
answer_policy(struct keeper *k, struct session *s, const struct explain *ex,
    struct json *j, char *sentence, size_t size)
{
	char profile[PROFILE_MAX + 1], verb[32], user[64];
	char target[PATH_TARGET_MAX + 1];
	struct policy_facts facts = {.profile = profile};
	struct policy_verdict verdict;
	enum refusal refusal;
	const char *why = "there is no such verb";
	struct profile_id id;
	size_t len;

	text_of(ex->profile, profile, sizeof(profile));
	text_of(ex->verb, verb, sizeof(verb));
	text_of(ex->user, user, sizeof(user));
	if (policy_verb_parse(verb, &facts.verb) != 0)
		goto bad;
	why = "a profile is named CUSTOMER/NAME, of [a-z0-9-]";
	if (profile_parse(profile, strlen(profile), &id) != 0)
		goto bad;
	why = "the method is none that is passed on";
	if (ex->method.n > 0 &&
	    (facts.method = path_method(
	         (const char *)ex->method.p, ex->method.n)) == NULL)
		goto bad;
	if (ex->path.n > 0) {
		if (path_normalise((const char *)ex->path.p, ex->path.n, target,
		        &len, &facts.path_len, &why) != 0)
			goto bad;
		facts.path = target;
	}
	if (user[0] != '\0') {
		refusal = evaluate_as(k, user, ex->entry, &facts, &verdict);
		why = "there is no such user in /etc/passwd";
		if (refusal != REFUSED_NONE) {
			(void)snprintf(sentence, size, "%s", why);
			return refusal;
		}
	} else {
		const struct policy_view *view = session_view(k, s);

		if (view == NULL)
			return REFUSED_BUDGET;
		evaluate(view, ex->entry, &facts, &verdict);
	}
	put_verdict(j, ex, &verdict);
	return REFUSED_NONE;
bad:
	(void)snprintf(sentence, size, "%s", why);
	return REFUSED_BAD_REQUEST;
}
