#include <stdlib.h>
#include <string.h>

#include "policy/origin.h"
#include "policy/path.h"
#include "policy/policy.h"
#include "policy/policy_rules.h"

/* What every step of the parser needs. */
struct parser {
	struct lex *lex;
	const struct policy_names *names;
	struct policy *policy;
	struct lex_error *err;
};

/* "array" with room for one more behind its "n", or NULL. */
static void *
grown(void *array, size_t n, size_t size)
{
	if (n != 0 && (n < 16 || (n & (n - 1)) != 0))
		return array;
	return reallocarray(array, n < 16 ? 16 : 2 * n, size);
}

static int
parse_id(struct parser *p, enum client_key key, const struct lex_word *w,
    uint32_t *ret)
{
	const struct policy_names *names = p->names;
	uint64_t number;
	int r;

	if (key == CLIENT_USER)
		return names->user(names->ctx, w->text, ret)
		    ? 0
		    : lex_fail(p->lex, w, p->err, "there is no user \"%.64s\"",
		          w->text);
	if (key == CLIENT_GROUP)
		return names->group(names->ctx, w->text, ret)
		    ? 0
		    : lex_fail(p->lex, w, p->err, "there is no group \"%.64s\"",
		          w->text);
	/* The last number means "none" to the kernel. */
	r = lex_number(p->lex, w, 0, UINT32_MAX - 1, &number, p->err);
	if (r == 0)
		*ret = (uint32_t)number;
	return r;
}

static int
parse_client_line(struct parser *p, struct client *c,
    const struct lex_statement *s, uint64_t *seen)
{
	static const struct lex_key keys[CLIENT_KEY_COUNT] = {
	    [CLIENT_USER] = {"user", 1, 0xff, 0},
	    [CLIENT_GROUP] = {"group", 1, 0xff, 0},
	    [CLIENT_UID] = {"uid", 1, 0xff, 0},
	    [CLIENT_GID] = {"gid", 1, 0xff, 0},
	};
	size_t key;
	int r;

	r = lex_key(p->lex, s, keys, CLIENT_KEY_COUNT, seen, &key, p->err);
	if (r != 0)
		return r;
	c->line[key].ids = calloc(s->count - 1, sizeof(uint32_t));
	if (c->line[key].ids == NULL)
		return VERR_NOMEM;
	for (size_t i = 1; i < s->count && r == 0; i++)
		r = parse_id(p, (enum client_key)key, &s->words[i],
		    &c->line[key].ids[c->line[key].n++]);
	return r;
}

static int
parse_client(struct parser *p, const struct lex_statement *head)
{
	struct policy *policy = p->policy;
	struct lex_word word = head->words[0];
	struct lex_statement s;
	struct client *c;
	uint64_t seen = 0;
	int r;

	if (head->count != 2 || !head->opens)
		return lex_fail(
		    p->lex, &word, p->err, "must be: client NAME { ... }");
	word = head->words[1];
	if (!profile_id_valid(word.text, word.len) || lex_is(&word, "to") ||
	    lex_is(&word, "on"))
		return lex_fail(p->lex, &word, p->err,
		    "a client's name is a-z, 0-9 and '-', and neither "
		    "\"to\" nor \"on\"");
	if (policy->nclients == POLICY_CLIENTS_MAX)
		return lex_fail(p->lex, &word, p->err, "too many clients");
	c = grown(policy->clients, policy->nclients, sizeof(*c));
	if (c == NULL)
		return VERR_NOMEM;
	policy->clients = c;
	c = &policy->clients[policy->nclients++];
	*c = (struct client){.name = word};
	while (
	    (r = lex_next(p->lex, &s, p->err)) == 0 && s.kind == LEX_STATEMENT)
		if ((r = parse_client_line(p, c, &s, &seen)) != 0)
			return r;
	if (r == 0 && seen == 0)
		return lex_fail(p->lex, &word, p->err,
		    "a client without a line would be everybody");
	return r;
}

static int
parse_profile(struct parser *p, struct rule *rule, const struct lex_word *w)
{
	struct profile_glob *g = &rule->globs[rule->nglobs];
	size_t customer = strcspn(w->text, "/");
	const char *why;
	int r;

	r = glob_new(w->text, GLOB_PROFILE, &g->glob, &why);
	if (r != 0)
		return lex_fail(p->lex, w, p->err, "profile pattern: %s", why);
	g->text = w->text;
	g->customer = memchr(w->text, '*', customer) == NULL
	    ? policy_customer_hash(w->text)
	    : 0;
	rule->nglobs++;
	return 0;
}

/* The words of "s" from *at up to "stop"; *at then is behind it. */
static size_t
words_until(const struct lex_statement *s, size_t *at, const char *stop)
{
	size_t begin = *at, end;

	while (*at < s->count &&
	    (s->words[*at].quoted || !lex_is(&s->words[*at], stop)))
		++*at;
	end = *at;
	*at += *at < s->count;
	return end - begin;
}

/* permit CLIENTS to VERBS on PROFILES */
static int
parse_head(struct parser *p, struct rule *rule, const struct lex_statement *s)
{
	size_t to = 1, nclients = words_until(s, &to, "to");
	size_t on = to, nverbs = words_until(s, &on, "on");
	size_t nglobs = s->count - on;
	int r = 0;

	if (nclients == 0 || nverbs == 0 || nglobs == 0)
		return lex_fail(p->lex, &s->words[0], p->err,
		    "must be: %s CLIENTS to VERBS on PROFILES",
		    s->words[0].text);
	rule->names = calloc(nclients, sizeof(*rule->names));
	rule->clients = calloc(nclients, sizeof(*rule->clients));
	rule->globs = calloc(nglobs, sizeof(*rule->globs));
	if (rule->names == NULL || rule->clients == NULL || rule->globs == NULL)
		return VERR_NOMEM;
	memcpy(rule->names, &s->words[1], nclients * sizeof(*rule->names));
	rule->nclients = nclients;
	for (size_t i = to; i < to + nverbs; i++) {
		enum policy_verb verb;

		if (policy_verb_parse(s->words[i].text, &verb) != 0)
			return lex_fail(p->lex, &s->words[i], p->err,
			    "\"%.64s\" is no verb", s->words[i].text);
		rule->verbs |= 1u << verb;
	}
	for (size_t i = on; i < s->count && r == 0; i++)
		r = parse_profile(p, rule, &s->words[i]);
	return r;
}

static int
parse_methods(
    struct parser *p, struct rule *rule, const struct lex_statement *s)
{
	rule->methods = calloc(s->count - 1, sizeof(*rule->methods));
	if (rule->methods == NULL)
		return VERR_NOMEM;
	for (size_t i = 1; i < s->count; i++) {
		const char *method =
		    path_method(s->words[i].text, s->words[i].len);

		if (method == NULL)
			return lex_fail(p->lex, &s->words[i], p->err,
			    "\"%.64s\" is no method that is passed on; "
			    "methods are upper case",
			    s->words[i].text);
		rule->methods[rule->nmethods++] = method;
	}
	return 0;
}

static int
parse_paths(struct parser *p, struct rule *rule, const struct lex_statement *s)
{
	rule->paths = calloc(s->count - 1, sizeof(*rule->paths));
	if (rule->paths == NULL)
		return VERR_NOMEM;
	for (size_t i = 1; i < s->count; i++) {
		const char *why;

		if (glob_new(s->words[i].text,
		        rule->deny ? GLOB_FOLDED : GLOB_PATH,
		        &rule->paths[rule->npaths], &why) != 0)
			return lex_fail(p->lex, &s->words[i], p->err,
			    "path pattern: %s", why);
		rule->npaths++;
	}
	return 0;
}

static int
parse_conditions(struct parser *p, struct rule *rule)
{
	static const struct lex_key keys[] = {
	    {"method", 1, 0xff, 0},
	    {"path", 1, 0xff, 0},
	};
	struct lex_statement s;
	uint64_t seen = 0;
	size_t key;
	int r;

	while ((r = lex_next(p->lex, &s, p->err)) == 0 &&
	    s.kind == LEX_STATEMENT) {
		r = lex_key(p->lex, &s, keys, 2, &seen, &key, p->err);
		if (r == 0)
			r = key == 0 ? parse_methods(p, rule, &s)
			             : parse_paths(p, rule, &s);
		if (r != 0)
			return r;
	}
	return r;
}

static int
parse_rule(struct parser *p, const struct lex_statement *s)
{
	struct policy *policy = p->policy;
	bool opens = s->opens;
	struct rule *rule;
	int r;

	if (policy->nrules == POLICY_RULES_MAX)
		return lex_fail(p->lex, &s->words[0], p->err, "too many rules");
	rule = grown(policy->rules, policy->nrules, sizeof(*rule));
	if (rule == NULL)
		return VERR_NOMEM;
	policy->rules = rule;
	rule = &policy->rules[policy->nrules++];
	*rule = (struct rule){
	    .deny = lex_is(&s->words[0], "deny"),
	    .line = s->words[0].line,
	};
	r = parse_head(p, rule, s);
	return r == 0 && opens ? parse_conditions(p, rule) : r;
}

static int
parse_statement(struct parser *p, const struct lex_statement *s)
{
	const struct lex_word *w = &s->words[0];

	if (!w->quoted && lex_is(w, "client"))
		return parse_client(p, s);
	if (!w->quoted && (lex_is(w, "permit") || lex_is(w, "deny")))
		return parse_rule(p, s);
	return lex_fail(p->lex, w, p->err,
	    "\"%.64s\" begins no statement: client, permit or deny do",
	    w->text);
}

static int
client_compare(const void *a, const void *b)
{
	const struct client *x = a, *y = b;
	int order = strcmp(x->name.text, y->name.text);

	return order != 0 ? order : x->name.at < y->name.at ? -1 : 1;
}

static int
client_find(const void *name, const void *client)
{
	return strcmp(name, ((const struct client *)client)->name.text);
}

/* Now that every client was read, find those that the rules name. */
static int
resolve_clients(struct parser *p)
{
	struct policy *policy = p->policy;

	if (policy->nclients > 0)
		qsort(policy->clients, policy->nclients, sizeof(struct client),
		    client_compare);
	for (size_t i = 1; i < policy->nclients; i++)
		if (strcmp(policy->clients[i - 1].name.text,
		        policy->clients[i].name.text) == 0)
			return lex_fail(p->lex, &policy->clients[i].name,
			    p->err, "this client is defined twice");
	for (size_t i = 0; i < policy->nrules; i++) {
		struct rule *rule = &policy->rules[i];

		for (size_t k = 0; k < rule->nclients; k++) {
			struct client *c = policy->nclients == 0
			    ? NULL
			    : bsearch(rule->names[k].text, policy->clients,
			          policy->nclients, sizeof(*c), client_find);

			if (c == NULL)
				return lex_fail(p->lex, &rule->names[k], p->err,
				    "there is no client \"%.64s\"",
				    rule->names[k].text);
			rule->clients[k] = (size_t)(c - policy->clients);
		}
		free(rule->names);
		rule->names = NULL;
	}
	return 0;
}

int
policy_parse(const char *file, const void *text, size_t len,
    const struct policy_names *names, struct policy **ret,
    struct lex_error *ret_error)
{
	struct parser p = {.names = names, .err = ret_error};
	struct lex_statement s;
	int r;

	r = lex_new(file, text, len, &p.lex, ret_error);
	if (r != 0)
		return r;
	p.policy = calloc(1, sizeof(*p.policy));
	if (p.policy == NULL) {
		lex_free(p.lex);
		return VERR_NOMEM;
	}
	p.policy->text = p.lex;
	while ((r = lex_next(p.lex, &s, ret_error)) == 0 && s.kind != LEX_END)
		if ((r = parse_statement(&p, &s)) != 0)
			goto out;
	if (r == 0)
		r = resolve_clients(&p);
	if (r != 0)
		goto out;
	*ret = p.policy;
	p.policy = NULL;
out:
	policy_free(p.policy);
	return r;
}

static void
rule_free(struct rule *rule)
{
	for (size_t i = 0; i < rule->nglobs; i++)
		glob_free(rule->globs[i].glob);
	for (size_t i = 0; i < rule->npaths; i++)
		glob_free(rule->paths[i]);
	free(rule->names);
	free(rule->clients);
	free(rule->globs);
	free(rule->methods);
	free(rule->paths);
}

void
policy_free(struct policy *policy)
{
	if (policy == NULL)
		return;
	for (size_t i = 0; i < policy->nclients; i++)
		for (size_t k = 0; k < CLIENT_KEY_COUNT; k++)
			free(policy->clients[i].line[k].ids);
	for (size_t i = 0; i < policy->nrules; i++)
		rule_free(&policy->rules[i]);
	free(policy->clients);
	free(policy->rules);
	lex_free(policy->text);
	free(policy);
}
