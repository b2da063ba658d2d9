#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/catalog.h"
#include "policy/glob.h"
#include "policy/pattern.h"

struct parser {
	struct lex *lex;
	struct catalog_entry *entry;
	struct lex_error *err;
};

/* What a key does with its values. */
enum action {
	SET_TEXT,  /* to the char pointer at the offset */
	SET_FLAG,  /* to the bool at the offset */
	ADD_WORDS, /* to a list */
	OTHER,     /* see the function that reads the block */
};

struct key_action {
	enum action action;
	size_t offset;
};

#define MEMBER(type, name) offsetof(struct type, name)

static int
add_words(struct parser *p, const struct lex_statement *s, const char **list,
    size_t max, size_t *n)
{
	for (size_t i = 1; i < s->count; i++) {
		if (*n == max)
			return lex_fail(p->lex, &s->words[i], p->err,
			    "more than %zu of these", max);
		list[(*n)++] = s->words[i].text;
	}
	return 0;
}

/*
 * Read the statements of a block up to its end.  Plain keys are done by their
 * action in "base"; "other" is called for the rest with the key's index.
 */
static int
read_block(struct parser *p, const struct lex_key *keys,
    const struct key_action *actions, size_t nkeys, void *base,
    int (*other)(struct parser *, size_t, const struct lex_statement *, void *))
{
	struct lex_statement s;
	uint64_t seen = 0;
	size_t key;
	int r;

	while ((r = lex_next(p->lex, &s, p->err)) == 0 &&
	    s.kind == LEX_STATEMENT) {
		char *member;

		r = lex_key(p->lex, &s, keys, nkeys, &seen, &key, p->err);
		if (r != 0)
			return r;
		member = (char *)base + actions[key].offset;
		if (actions[key].action == SET_TEXT)
			*(const char **)member = s.words[1].text;
		else if (actions[key].action == SET_FLAG)
			*(bool *)member = true;
		else {
			assert(other != NULL);
			r = other(p, key, &s, base);
		}
		if (r != 0)
			return r;
	}
	return r;
}

static int
parse_type(
    struct parser *p, size_t key, const struct lex_statement *s, void *base)
{
	static const char *const names[] = {
	    [TYPE_TEXT] = "text",
	    [TYPE_URL] = "url",
	    [TYPE_INJECTION] = "injection",
	    [TYPE_POINTER] = "pointer",
	    [TYPE_PEM] = "pem",
	    [TYPE_PIN] = "pin",
	    [TYPE_NETWORK] = "network",
	};
	struct catalog_input *input = base;

	(void)key;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (lex_is(&s->words[1], names[i])) {
			input->type = (enum catalog_type)i;
			return 0;
		}
	return lex_fail(p->lex, &s->words[1], p->err, "unknown type");
}

/* Copy the head of a block: its name is "[a-z][a-z0-9_-]*". */
static int
check_name(struct parser *p, const struct lex_word *w)
{
	char braced[LEX_WORD_MAX + 3];
	struct template_piece piece;
	size_t at = 0;

	snprintf(braced, sizeof(braced), "{%s}", w->text);
	if (template_next(braced, &at, &piece) != 1 || w->len > 32 ||
	    lex_is(w, "secret"))
		return lex_fail(p->lex, w, p->err,
		    "a name is a-z, 0-9, '-' and '_', and not \"secret\"");
	return 0;
}

static int
check_pattern(struct parser *p, const struct lex_word *w, const char *pattern)
{
	const char *why;

	if (pattern != NULL && pattern_check(pattern, &why) != 0)
		return lex_fail(p->lex, w, p->err, "pattern: %s", why);
	return 0;
}

static int
parse_input(struct parser *p, const struct lex_statement *head)
{
	enum { WHAT, EXAMPLE, DEFAULT, PATTERN, TYPE, REQUIRED, SEALED };
	static const struct lex_key keys[] = {
	    [WHAT] = {"what", 1, 1, 0},
	    [EXAMPLE] = {"example", 1, 1, 0},
	    [DEFAULT] = {"default", 1, 1, 0},
	    [PATTERN] = {"pattern", 1, 1, 0},
	    [TYPE] = {"type", 1, 1, 0},
	    [REQUIRED] = {"required", 0, 0, 0},
	    [SEALED] = {"sealed", 0, 0, 0},
	};
	static const struct key_action actions[] = {
	    [WHAT] = {SET_TEXT, MEMBER(catalog_input, what)},
	    [EXAMPLE] = {SET_TEXT, MEMBER(catalog_input, example)},
	    [DEFAULT] = {SET_TEXT, MEMBER(catalog_input, fallback)},
	    [PATTERN] = {SET_TEXT, MEMBER(catalog_input, pattern)},
	    [TYPE] = {OTHER, 0},
	    [REQUIRED] = {SET_FLAG, MEMBER(catalog_input, required)},
	    [SEALED] = {SET_FLAG, MEMBER(catalog_input, sealed)},
	};
	struct catalog_entry *entry = p->entry;
	struct lex_word w = head->words[1];
	struct catalog_input input = {.name = w.text};
	int r;

	if (catalog_input(entry, w.text) != NULL)
		return lex_fail(
		    p->lex, &w, p->err, "this input is there twice");
	if (entry->ninputs == CATALOG_INPUTS_MAX)
		return lex_fail(p->lex, &w, p->err, "too many inputs");
	r = check_name(p, &w);
	if (r == 0)
		r = read_block(p, keys, actions, sizeof(keys) / sizeof(keys[0]),
		    &input, parse_type);
	if (r == 0)
		r = check_pattern(p, &w, input.pattern);
	if (r != 0)
		return r;
	if (input.what == NULL)
		return lex_fail(p->lex, &w, p->err, "\"what\" is missing");
	if (input.required && (input.fallback != NULL || input.example == NULL))
		return lex_fail(p->lex, &w, p->err,
		    "a required input has an example and no default");
	if (input.type == TYPE_PEM && input.fallback != NULL)
		return lex_fail(p->lex, &w, p->err,
		    "certificates have no default: they are a profile's own");
	entry->inputs[entry->ninputs++] = input;
	return 0;
}

static int
parse_field(
    struct parser *p, size_t key, const struct lex_statement *head, void *base)
{
	enum { PROMPT, PATTERN, SECRET };
	static const struct lex_key keys[] = {
	    [PROMPT] = {"prompt", 1, 1, 0},
	    [PATTERN] = {"pattern", 1, 1, 0},
	    [SECRET] = {"secret", 0, 0, 0},
	};
	static const struct key_action actions[] = {
	    [PROMPT] = {SET_TEXT, MEMBER(catalog_field, prompt)},
	    [PATTERN] = {SET_TEXT, MEMBER(catalog_field, pattern)},
	    [SECRET] = {SET_FLAG, MEMBER(catalog_field, secret)},
	};
	struct catalog_credential *credential = base;
	struct lex_word w = head->words[1];
	struct catalog_field field = {.name = w.text};
	int r;

	(void)key;
	for (size_t i = 0; i < credential->nfields; i++)
		if (lex_is(&w, credential->fields[i].name))
			return lex_fail(
			    p->lex, &w, p->err, "this field is there twice");
	if (credential->nfields == CATALOG_FIELDS_MAX)
		return lex_fail(p->lex, &w, p->err, "too many fields");
	r = check_name(p, &w);
	if (r == 0)
		r = read_block(p, keys, actions, sizeof(keys) / sizeof(keys[0]),
		    &field, NULL);
	if (r == 0)
		r = check_pattern(p, &w, field.pattern);
	if (r == 0 && field.prompt == NULL)
		r = lex_fail(p->lex, &w, p->err, "\"prompt\" is missing");
	if (r == 0)
		credential->fields[credential->nfields++] = field;
	return r;
}

/* The keys of a credential's block: inject is for those that are sent, field
 * for all, the others are jwt's. */
enum credential_key {
	C_INJECT,
	C_FIELD,
	C_ALG,
	C_CLAIM,
	C_CLIENT,
	C_LIFETIME,
	C_ADD,
	C_TYP,
	C_KID,
	C_OUTPUT,
};

static int
add_claim(struct parser *p, const struct lex_statement *s,
    struct catalog_claim *list, size_t *n)
{
	const char *text = s->count > 2 ? s->words[2].text : NULL;

	if (*n == CATALOG_CLAIMS_MAX)
		return lex_fail(
		    p->lex, &s->words[1], p->err, "too many claims");
	list[(*n)++] = (struct catalog_claim){s->words[1].text, text};
	return 0;
}

static int
parse_algs(
    struct parser *p, const struct lex_statement *s, struct catalog_jwt *jwt)
{
	for (size_t i = 1; i < s->count; i++) {
		uint32_t alg = claims_alg(s->words[i].text);

		if (alg == 0 || (jwt->algs & alg) != 0)
			return lex_fail(p->lex, &s->words[i], p->err,
			    "alg is RS256, ES256 or EdDSA, each once");
		jwt->algs |= alg;
	}
	return 0;
}

static int
parse_added(
    struct parser *p, const struct lex_statement *s, struct catalog_jwt *jwt)
{
	for (size_t i = 1; i < s->count; i++) {
		bool *flag = lex_is(&s->words[i], "jti") ? &jwt->jti
		    : lex_is(&s->words[i], "nbf")        ? &jwt->nbf
		                                         : NULL;

		if (flag == NULL || *flag)
			return lex_fail(p->lex, &s->words[i], p->err,
			    "what can be added is jti and nbf");
		*flag = true;
	}
	return 0;
}

static int
parse_credential_key(
    struct parser *p, size_t key, const struct lex_statement *s, void *base)
{
	struct catalog_credential *c = base;
	struct catalog_jwt *jwt = &c->jwt;

	if (key != C_FIELD && c->kind != CREDENTIAL_JWT)
		return lex_fail(p->lex, &s->words[0], p->err,
		    "this is for a credential of kind jwt");
	switch ((enum credential_key)key) {
	case C_FIELD:
		return parse_field(p, key, s, base);
	case C_ALG:
		return parse_algs(p, s, jwt);
	case C_CLAIM:
		return add_claim(p, s, jwt->fixed, &jwt->nfixed);
	case C_CLIENT:
		if (s->count > 2 &&
		    check_pattern(p, &s->words[2], s->words[2].text) != 0)
			return VERR_FORMAT;
		return add_claim(p, s, jwt->client, &jwt->nclient);
	case C_ADD:
		return parse_added(p, s, jwt);
	case C_LIFETIME:
		jwt->lifetime = s->words[1].text;
		return 0;
	case C_TYP:
		jwt->typ = s->words[1].text;
		return 0;
	case C_KID:
		jwt->kid = s->words[1].text;
		return 0;
	case C_OUTPUT:
		jwt->output = s->words[1].text;
		return 0;
	default:
		return VERR_INTERNAL;
	}
}

/* What a credential of its kind must have, and what it may not. */
static const char *
credential_fault(const struct catalog_credential *c)
{
	size_t secrets = 0;

	for (size_t i = 0; i < c->nfields; i++)
		secrets += c->fields[i].secret;
	if (c->kind != CREDENTIAL_JWT)
		return c->inject == NULL || secrets != 1
		    ? "a credential has \"inject\" and one secret field"
		    : NULL;
	if (secrets != 1)
		return "a credential has one secret field";
	if (c->inject != NULL)
		return "a private key is never sent: jwt has no \"inject\"";
	return c->jwt.algs == 0 || c->jwt.lifetime == NULL
	    ? "jwt needs \"alg\" and \"lifetime\""
	    : NULL;
}

static int
parse_credential(struct parser *p, const struct lex_statement *head)
{
	static const struct lex_key keys[] = {
	    [C_INJECT] = {"inject", 1, 1, 0},
	    [C_FIELD] = {"field", 1, 1, LEX_BLOCK | LEX_REPEAT},
	    [C_ALG] = {"alg", 1, 3, 0},
	    [C_CLAIM] = {"claim", 2, 2, LEX_REPEAT},
	    [C_CLIENT] = {"client", 1, 2, LEX_REPEAT},
	    [C_LIFETIME] = {"lifetime", 1, 1, 0},
	    [C_ADD] = {"add", 1, 2, 0},
	    [C_TYP] = {"typ", 1, 1, 0},
	    [C_KID] = {"kid", 1, 1, 0},
	    [C_OUTPUT] = {"output", 1, 1, 0},
	};
	static const struct key_action actions[] = {
	    [C_INJECT] = {SET_TEXT, MEMBER(catalog_credential, inject)},
	    [C_FIELD] = {OTHER, 0},
	    [C_ALG] = {OTHER, 0},
	    [C_CLAIM] = {OTHER, 0},
	    [C_CLIENT] = {OTHER, 0},
	    [C_LIFETIME] = {OTHER, 0},
	    [C_ADD] = {OTHER, 0},
	    [C_TYP] = {OTHER, 0},
	    [C_KID] = {OTHER, 0},
	    [C_OUTPUT] = {OTHER, 0},
	};
	struct catalog_entry *entry = p->entry;
	struct lex_word w = head->words[1];
	struct catalog_credential *c;
	const char *why;
	int r;

	if (entry->ncredentials == CATALOG_CREDENTIALS_MAX)
		return lex_fail(p->lex, &w, p->err, "too many credentials");
	c = &entry->credentials[entry->ncredentials];
	if (credential_kind_parse(w.text, &c->kind) != 0)
		return lex_fail(p->lex, &w, p->err, "unknown credential kind");
	if (catalog_credential(entry, c->kind) != NULL)
		return lex_fail(p->lex, &w, p->err, "this kind is there twice");
	r = read_block(p, keys, actions, sizeof(keys) / sizeof(keys[0]), c,
	    parse_credential_key);
	if (r != 0)
		return r;
	if ((why = credential_fault(c)) != NULL)
		return lex_fail(p->lex, &w, p->err, "%s", why);
	entry->ncredentials++;
	return 0;
}

static int
parse_alive(struct parser *p, const struct lex_statement *s)
{
	struct catalog_entry *entry = p->entry;
	uint64_t status;

	for (size_t i = 1; i < s->count; i++) {
		int r =
		    lex_number(p->lex, &s->words[i], 300, 599, &status, p->err);

		if (r != 0)
			return r;
		if (entry->nalive == CATALOG_ALIVE_MAX || status == 401)
			return lex_fail(p->lex, &s->words[i], p->err,
			    status == 401 ? "401 proves no key alive"
			                  : "too many statuses");
		entry->alive[entry->nalive++] = (uint16_t)status;
	}
	return 0;
}

static int
parse_guarded(struct parser *p, const struct lex_statement *s)
{
	struct catalog_entry *entry = p->entry;
	size_t first = entry->nguarded;
	int r;

	r = add_words(p, s, entry->guarded, CATALOG_LIST_MAX, &entry->nguarded);
	for (size_t i = first; i < entry->nguarded && r == 0; i++) {
		const char *why;

		r = glob_new(
		    entry->guarded[i], GLOB_FOLDED, &entry->globs[i], &why);
		if (r != 0)
			lex_fail(p->lex, &s->words[1 + i - first], p->err,
			    "path pattern: %s", why);
	}
	return r;
}

static int
parse_health(struct parser *p, const struct lex_statement *s)
{
	p->entry->health_method = s->words[1].text;
	p->entry->health_path = s->words[2].text;
	return 0;
}

enum system_key {
	K_TITLE,
	K_ORIGIN,
	K_ACCOUNT,
	K_CA,
	K_PIN,
	K_NETWORK,
	K_RATE,
	K_EXPIRY,
	K_VERIFIED,
	K_HEALTH,
	K_CATEGORY,
	K_ENTITIES,
	K_GUARDED,
	K_HEADER,
	K_ALIVE,
	K_INPUT,
	K_CREDENTIAL,
};

static int
parse_system_key(
    struct parser *p, size_t key, const struct lex_statement *s, void *base)
{
	struct catalog_entry *e = base;

	switch ((enum system_key)key) {
	case K_CATEGORY:
		return add_words(
		    p, s, e->categories, CATALOG_LIST_MAX, &e->ncategories);
	case K_ENTITIES:
		return add_words(
		    p, s, e->entities, CATALOG_LIST_MAX, &e->nentities);
	case K_HEADER:
		return add_words(
		    p, s, e->headers, CATALOG_HEADERS_MAX, &e->nheaders);
	case K_HEALTH:
		return parse_health(p, s);
	case K_GUARDED:
		return parse_guarded(p, s);
	case K_ALIVE:
		return parse_alive(p, s);
	case K_INPUT:
		return parse_input(p, s);
	case K_CREDENTIAL:
		return parse_credential(p, s);
	default:
		return VERR_INTERNAL;
	}
}

static int
read_system(struct parser *p)
{
	static const struct lex_key keys[] = {
	    [K_TITLE] = {"title", 1, 1, 0},
	    [K_ORIGIN] = {"origin", 1, 1, 0},
	    [K_ACCOUNT] = {"account", 1, 1, 0},
	    [K_CA] = {"ca", 1, 1, 0},
	    [K_PIN] = {"pin", 1, 1, 0},
	    [K_NETWORK] = {"network", 1, 1, 0},
	    [K_RATE] = {"rate", 1, 1, 0},
	    [K_EXPIRY] = {"expiry", 1, 1, 0},
	    [K_VERIFIED] = {"verified", 1, 1, 0},
	    [K_HEALTH] = {"health", 2, 2, 0},
	    [K_CATEGORY] = {"category", 1, 0xff, 0},
	    [K_ENTITIES] = {"entities", 1, 0xff, LEX_REPEAT},
	    [K_GUARDED] = {"guarded", 1, 0xff, LEX_REPEAT},
	    [K_HEADER] = {"header", 1, 1, LEX_REPEAT},
	    [K_ALIVE] = {"alive", 1, 0xff, 0},
	    [K_INPUT] = {"input", 1, 1, LEX_BLOCK | LEX_REPEAT},
	    [K_CREDENTIAL] = {"credential", 1, 1, LEX_BLOCK | LEX_REPEAT},
	};
	static const struct key_action actions[] = {
	    [K_TITLE] = {SET_TEXT, MEMBER(catalog_entry, title)},
	    [K_ORIGIN] = {SET_TEXT, MEMBER(catalog_entry, origin)},
	    [K_ACCOUNT] = {SET_TEXT, MEMBER(catalog_entry, account)},
	    [K_CA] = {SET_TEXT, MEMBER(catalog_entry, ca)},
	    [K_PIN] = {SET_TEXT, MEMBER(catalog_entry, pin)},
	    [K_NETWORK] = {SET_TEXT, MEMBER(catalog_entry, network)},
	    [K_RATE] = {SET_TEXT, MEMBER(catalog_entry, rate)},
	    [K_EXPIRY] = {SET_TEXT, MEMBER(catalog_entry, expiry)},
	    [K_VERIFIED] = {SET_TEXT, MEMBER(catalog_entry, verified)},
	    [K_HEALTH] = {OTHER, 0},
	    [K_CATEGORY] = {OTHER, 0},
	    [K_ENTITIES] = {OTHER, 0},
	    [K_GUARDED] = {OTHER, 0},
	    [K_HEADER] = {OTHER, 0},
	    [K_ALIVE] = {OTHER, 0},
	    [K_INPUT] = {OTHER, 0},
	    [K_CREDENTIAL] = {OTHER, 0},
	};

	return read_block(p, keys, actions, sizeof(keys) / sizeof(keys[0]),
	    p->entry, parse_system_key);
}

/* With the examples as settings, every kind of credential must resolve. */
static int
check_examples(struct parser *p, const struct lex_word *name)
{
	struct catalog_setting settings[CATALOG_INPUTS_MAX];
	const struct catalog_entry *entry = p->entry;
	struct catalog_link *link;
	char why[CATALOG_WHY_MAX];
	size_t n = 0;
	int r = 0;

	if (entry->title == NULL || entry->ncategories == 0 ||
	    entry->ncredentials == 0)
		return lex_fail(p->lex, name, p->err,
		    "title, category and a credential are needed");
	for (size_t i = 0; i < entry->ncredentials; i++)
		if (entry->origin == NULL &&
		    entry->credentials[i].inject != NULL)
			return lex_fail(p->lex, name, p->err,
			    "origin is needed by credentials that are sent");
	for (size_t i = 0; i < entry->ninputs; i++)
		if (entry->inputs[i].example != NULL)
			settings[n++] = (struct catalog_setting){
			    entry->inputs[i].name, entry->inputs[i].example};
	link = malloc(sizeof(*link));
	if (link == NULL)
		return VERR_NOMEM;
	for (size_t i = 0; i < entry->ncredentials && r == 0; i++)
		r = catalog_resolve(
		    entry, entry->credentials[i].kind, settings, n, link, why);
	free(link);
	return r == 0
	    ? 0
	    : lex_fail(p->lex, name, p->err, "with the examples: %s", why);
}

static int
parse_file(struct parser *p)
{
	struct lex_statement s;
	struct lex_word name;
	int r;

	r = lex_next(p->lex, &s, p->err);
	if (r != 0)
		return r;
	name = (struct lex_word){.line = 1};
	if (s.kind == LEX_STATEMENT)
		name = s.words[s.count > 1];
	if (s.kind != LEX_STATEMENT || s.count != 2 || !s.opens ||
	    !lex_is(&s.words[0], "system") ||
	    !profile_id_valid(name.text, name.len))
		return lex_fail(p->lex, &name, p->err,
		    "an entry is: system NAME { ... }, NAME of a-z, 0-9 and "
		    "'-'");
	p->entry->system = name.text;
	r = read_system(p);
	if (r == 0)
		r = check_examples(p, &name);
	if (r == 0)
		r = lex_next(p->lex, &s, p->err);
	if (r == 0 && s.kind != LEX_END)
		r = lex_fail(
		    p->lex, &s.words[0], p->err, "a file has one entry");
	return r;
}

int
catalog_parse(const char *file, const void *text, size_t len,
    struct catalog_entry **ret, struct lex_error *ret_error)
{
	struct parser p = {.err = ret_error};
	int r;

	r = lex_new(file, text, len, &p.lex, ret_error);
	if (r != 0)
		return r;
	r = VERR_NOMEM;
	p.entry = calloc(1, sizeof(*p.entry));
	if (p.entry == NULL) {
		lex_free(p.lex);
		return r;
	}
	p.entry->text = p.lex;
	p.entry->globs = calloc(CATALOG_LIST_MAX, sizeof(*p.entry->globs));
	if (p.entry->globs == NULL)
		goto out;
	r = parse_file(&p);
	if (r != 0)
		goto out;
	*ret = p.entry;
	p.entry = NULL;
out:
	catalog_free(p.entry);
	return r;
}

void
catalog_free(struct catalog_entry *entry)
{
	if (entry == NULL)
		return;
	if (entry->globs != NULL)
		for (size_t i = 0; i < CATALOG_LIST_MAX; i++)
			glob_free(entry->globs[i]);
	free(entry->globs);
	lex_free(entry->text);
	free(entry);
}
