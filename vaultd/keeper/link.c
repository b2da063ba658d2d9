#include "vaultd/keeper/link.h"

#include <stdio.h>
#include <stdlib.h>

static void fetch_all(struct link *l);

static bool
is_old(const struct link *l, const struct fetch *f)
{
	const struct index_entry *e = index_find(rows_index(l->k->rows), f->id);

	return f->r == 0 ? e == NULL || e->generation != f->at.generation
	                 : f->r == VERR_NOTFOUND && e != NULL;
}

bool
link_is_current(const struct link *l)
{
	return !is_old(l, &l->profile_row) && !is_old(l, &l->credential_row) &&
	    !is_old(l, &l->customer_row);
}

static void
on_row(void *arg, struct fetch *f)
{
	struct link *l = arg;

	(void)f;
	if (--l->fetching > 0)
		return;
	/* A commit came between the answers: they do not belong together. */
	if (!link_is_current(l)) {
		link_release(l);
		fetch_all(l);
		return;
	}
	if (l->profile_row.r == 0) {
		struct fetch *p = &l->profile_row;
		uint8_t *plain = NULL;
		size_t len = 0;

		p->r = keys_open_row(l->k->keys, &p->at,
		    slice_of(p->body, p->len), &plain, &len);
		if (p->r == 0 &&
		    (p->r = profile_decode(plain, len, &l->profile)) != 0)
			free(plain);
	}
	l->fetched(l->arg);
}

static void
begin(struct link *l, struct fetch *f, enum row_kind kind, struct slice name)
{
	f->done = on_row;
	f->arg = l;
	keys_row_id(l->k->keys, kind, name, f->id);
	rows_fetch(l->k->rows, f);
}

static void
fetch_all(struct link *l)
{
	l->fetching = 3;
	begin(l, &l->profile_row, ROW_PROFILE, slice_str(l->name));
	begin(l, &l->credential_row, ROW_CREDENTIAL, slice_str(l->name));
	begin(l, &l->customer_row, ROW_CUSTOMER, slice_str(l->id.customer));
}

int
link_fetch(struct link *l, struct keeper *k, struct slice name,
    void (*fetched)(void *arg), void *arg)
{
	l->k = k;
	if (profile_parse((const char *)name.p, name.n, &l->id) != 0)
		return VERR_FORMAT;
	(void)snprintf(
	    l->name, sizeof(l->name), "%s/%s", l->id.customer, l->id.name);
	l->fetched = fetched;
	l->arg = arg;
	fetch_all(l);
	return 0;
}

int
link_resolve(
    struct link *l, const struct profile *p, char why[static CATALOG_WHY_MAX])
{
	const struct catalog_entry *entry =
	    keeper_system(l->k, slice_str(p->system));

	why[0] = '\0';
	if (entry == NULL)
		return VERR_NOTFOUND;
	return profile_resolve(p, entry, &l->to, why);
}

int
link_open(const struct link *l, uint8_t **ret_secret, size_t *ret_len)
{
	const struct fetch *c = &l->credential_row, *cu = &l->customer_row;
	struct customer_row customer = {cu->at, slice_of(cu->body, cu->len)};
	uint8_t bound[LINK_LEN];

	if (c->r != 0 || cu->r != 0)
		return c->r != 0 ? c->r : cu->r;
	profile_link(&l->profile, &l->to, bound);
	return keys_open_secret(l->k->keys, &customer, &c->at, bound,
	    slice_of(c->body, c->len), ret_secret, ret_len);
}

void
link_release(struct link *l)
{
	fetch_release(&l->profile_row);
	fetch_release(&l->credential_row);
	fetch_release(&l->customer_row);
	profile_release(&l->profile);
}
