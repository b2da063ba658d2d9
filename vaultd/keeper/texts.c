#include "vaultd/keeper/texts.h"

#include <stdio.h>
#include <stdlib.h>

#include "vaultd/keeper/link.h"
#include "vaultd/keeper/session.h"

#define TEXTS_MAX (SYSTEMS_MAX + 3)
#define TEXT_MAX  LEX_TEXT_MAX

struct text {
	enum text_kind kind;
	char *name;
	uint8_t *bytes;
	size_t len, total;
};

struct texts {
	struct text text[TEXTS_MAX];
	size_t n;
};

int
texts_new(struct texts **ret)
{
	return (*ret = calloc(1, sizeof(**ret))) == NULL ? VERR_NOMEM : 0;
}

static void
forget(struct texts *t)
{
	for (size_t i = 0; i < t->n; i++) {
		free(t->text[i].name);
		free(t->text[i].bytes);
	}
	t->n = 0;
}

static int
begin(struct texts *t, const struct rec_TEXT *m)
{
	struct text *x = &t->text[t->n];

	if (t->n == TEXTS_MAX || m->total > TEXT_MAX)
		return VERR_TOOBIG;
	*x = (struct text){
	    .kind = (enum text_kind)m->kind, .total = (size_t)m->total};
	x->name = strndup((const char *)m->name.p, m->name.n);
	x->bytes = malloc(x->total + 1);
	t->n++;
	return x->name == NULL || x->bytes == NULL ? VERR_NOMEM : 0;
}

int
texts_piece(struct texts *t, const struct rec_TEXT *m)
{
	struct text *x;
	int r;

	if (m->offset == 0 && (r = begin(t, m)) != 0)
		return r;
	if (t->n == 0)
		return VERR_FORMAT;
	x = &t->text[t->n - 1];
	if (m->offset != x->len || m->bytes.n > x->total - x->len ||
	    m->total != x->total || m->kind != x->kind)
		return VERR_FORMAT;
	memcpy(x->bytes + x->len, m->bytes.p, m->bytes.n);
	x->len += m->bytes.n;
	return 0;
}

static struct slice
find(const struct texts *t, enum text_kind kind)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->text[i].kind == kind)
			return slice_of(t->text[i].bytes, t->text[i].len);
	return slice_of("", 0);
}

static void
rules_free(struct rules *r)
{
	policy_free(r->policy);
	names_free(r->names);
	for (size_t i = 0; i < r->nsystems; i++)
		catalog_free(r->systems[i]);
	*r = (struct rules){NULL, NULL, {NULL}, 0};
}

/*
 * An admin's entry replaces the one that came with vaultd.
 */
static int
put_system(struct rules *r, struct catalog_entry *entry)
{
	for (size_t i = 0; i < r->nsystems; i++)
		if (strcmp(r->systems[i]->system, entry->system) == 0) {
			catalog_free(r->systems[i]);
			r->systems[i] = entry;
			return 0;
		}
	if (r->nsystems == SYSTEMS_MAX) {
		catalog_free(entry);
		return VERR_TOOBIG;
	}
	r->systems[r->nsystems++] = entry;
	return 0;
}

static int
parse(const struct texts *t, struct rules *ret, struct lex_error *err)
{
	struct policy_names names;
	struct catalog_entry *entry;
	int r;

	r = names_new(find(t, TEXT_PASSWD), find(t, TEXT_GROUP), &ret->names);
	if (r != 0)
		return r;
	names = names_for_policy(ret->names);
	for (size_t i = 0; i < t->n; i++) {
		const struct text *x = &t->text[i];

		if (x->len != x->total)
			return VERR_TRUNCATED;
		if (x->kind == TEXT_POLICY) {
			if (ret->policy != NULL)
				return VERR_EXISTS;
			r = policy_parse(x->name, x->bytes, x->len, &names,
			    &ret->policy, err);
		} else if (x->kind == TEXT_CATALOG) {
			r = catalog_parse(
			    x->name, x->bytes, x->len, &entry, err);
			if (r == 0)
				r = put_system(ret, entry);
		}
		if (r != 0)
			return r;
	}
	return ret->policy == NULL ? VERR_NOTFOUND : 0;
}

void
texts_apply(struct keeper *k, uint64_t set)
{
	struct rules *fresh = calloc(1, sizeof(*fresh));
	struct lex_error err = {.message = ""};
	char sentence[LEX_FORMAT_MAX];
	int r = fresh == NULL ? VERR_NOMEM : parse(k->texts, fresh, &err);

	forget(k->texts);
	if (r == 0) {
		sessions_forget_views(k->sessions);
		links_forget(k->links);
		rules_free(&k->rules);
		k->rules = *fresh;
		k->ruled = true;
	} else if (fresh != NULL) {
		rules_free(fresh);
	}
	free(fresh);
	if (err.message[0] != '\0')
		lex_format(&err, sentence, sizeof(sentence));
	else
		(void)snprintf(sentence, sizeof(sentence), "%s", verr_text(r));
	channel_say(k->life.supervisor, TEXTS_DONE, .set = set,
	    .error = (uint64_t)-r, .sentence = slice_str(sentence));
	if (r == 0)
		keeper_ready(k);
}
