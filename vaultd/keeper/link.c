#include "vaultd/keeper/link.h"

#include <stdio.h>
#include <stdlib.h>

#define BUCKETS 4096

/*
 * The links kept, by name and by last use.  One that is no longer kept goes
 * with the last who holds it.
 */
struct links {
	struct link *bucket[BUCKETS];
	struct link *newest, *oldest;
	size_t bytes;
};

static void fetch_all(struct link_wait *w);

int
links_new(struct links **ret)
{
	return (*ret = calloc(1, sizeof(**ret))) == NULL ? VERR_NOMEM : 0;
}

static struct link **
bucket_of(struct links *ls, const char *name)
{
	uint32_t h = 2166136261U; /* FNV-1a */

	for (; *name != '\0'; name++)
		h = (h ^ (uint8_t)*name) * 16777619U;
	return &ls->bucket[h % BUCKETS];
}

static void
link_free(struct link *l)
{
	for (size_t i = 0; i < LINK_PARTS; i++)
		free(l->row[i].body);
	profile_release(&l->profile);
	free(l->to);
	free(l);
}

static void
unlink_use(struct links *ls, struct link *l)
{
	*(l->newer == NULL ? &ls->newest : &l->newer->older) = l->older;
	*(l->older == NULL ? &ls->oldest : &l->older->newer) = l->newer;
}

static void
link_use(struct links *ls, struct link *l)
{
	l->newer = NULL;
	l->older = ls->newest;
	*(l->older == NULL ? &ls->oldest : &l->older->newer) = l;
	ls->newest = l;
}

/*
 * Keep "l" no longer; whoever holds it has it until he gives it back.
 */
static void
drop(struct links *ls, struct link *l)
{
	struct link **at = bucket_of(ls, l->name);

	while (*at != l)
		at = &(*at)->same;
	*at = l->same;
	unlink_use(ls, l);
	ls->bytes -= l->bytes;
	l->kept = false;
	if (l->refs == 0)
		link_free(l);
}

static struct link *
find(struct links *ls, const char *name)
{
	struct link *l = *bucket_of(ls, name);

	while (l != NULL && strcmp(l->name, name) != 0)
		l = l->same;
	return l;
}

void
link_forget(struct links *ls, const char *name)
{
	struct link *l = find(ls, name);

	if (l != NULL)
		drop(ls, l);
}

static void
keep(struct links *ls, struct link *l)
{
	struct link **at = bucket_of(ls, l->name);

	link_forget(ls, l->name);
	l->same = *at;
	*at = l;
	link_use(ls, l);
	l->kept = true;
	ls->bytes += l->bytes;
	while (ls->bytes > LINKS_BYTES && ls->oldest != l)
		drop(ls, ls->oldest);
}

void
links_forget(struct links *ls)
{
	while (ls->oldest != NULL)
		drop(ls, ls->oldest);
}

void
link_release(const struct link *held)
{
	struct link *l = (struct link *)held;

	if (l != NULL && --l->refs == 0 && !l->kept)
		link_free(l);
}

static bool
row_is_current(const struct keeper *k, const struct link_row *row)
{
	const struct index_entry *e =
	    index_find(rows_index(k->rows), row->at.id);

	if (row->r == VERR_NOTFOUND)
		return e == NULL;
	/* A row that was removed and made again begins anew to count. */
	return row->r != 0 ||
	    (e != NULL && e->generation == row->at.generation &&
	        memcmp(e->hash, row->hash, INDEX_HASH_LEN) == 0);
}

bool
link_is_current(const struct keeper *k, const struct link *l)
{
	for (size_t i = 0; i < LINK_PARTS; i++)
		if (!row_is_current(k, &l->row[i]))
			return false;
	return true;
}

/*
 * A copy that outlives the catalog, with the headers that there are.
 */
static struct catalog_link *
copy(const struct catalog_link *to)
{
	size_t n = offsetof(struct catalog_link, headers) +
	    to->nheaders * sizeof(to->headers[0]);
	size_t ca = to->ca == NULL ? 0 : strlen(to->ca) + 1;
	struct catalog_link *p = malloc(n + ca);

	if (p == NULL)
		return NULL;
	memcpy(p, to, n);
	if (ca > 0)
		p->ca = memcpy((char *)p + n, to->ca, ca);
	return p;
}

int
link_resolve(const struct keeper *k, const struct profile *p,
    struct catalog_link **ret, char why[static CATALOG_WHY_MAX])
{
	const struct catalog_entry *entry =
	    keeper_system(k, slice_str(p->system));
	struct catalog_link to;
	int r;

	why[0] = '\0';
	if (entry == NULL)
		return VERR_NOTFOUND;
	if ((r = profile_resolve(p, entry, &to, why)) != 0)
		return r;
	return (*ret = copy(&to)) == NULL ? VERR_NOMEM : 0;
}

static int
open_profile(const struct keeper *k, struct link *l)
{
	const struct link_row *row = &l->row[LINK_PROFILE];
	char why[CATALOG_WHY_MAX];
	uint8_t *plain;
	size_t len;
	int r;

	if ((r = keys_open_row(k->keys, &row->at, slice_of(row->body, row->len),
	         &plain, &len)) != 0)
		return r;
	if ((r = profile_decode(plain, len, &l->profile)) != 0) {
		free(plain);
		return r;
	}
	l->pool = order_pool(k, &l->profile);
	l->bytes += len;
	if (link_resolve(k, &l->profile, &l->to, why) != 0)
		return 0;
	profile_link(&l->profile, l->to, l->bound);
	l->bytes += sizeof(*l->to);
	return 0;
}

/*
 * Move the rows over to the link.
 */
static void
take_rows(struct link_wait *w)
{
	struct link *l = w->link;

	l->bytes = sizeof(*l);
	for (size_t i = 0; i < LINK_PARTS; i++) {
		struct fetch *f = &w->fetch[i];
		struct link_row *row = &l->row[i];

		free(row->body);
		*row = (struct link_row){
		    .r = f->r, .at = f->at, .body = f->body, .len = f->len};
		memcpy(row->at.id, f->id, ROW_ID_LEN);
		memcpy(row->hash, f->hash, INDEX_HASH_LEN);
		f->body = NULL;
		l->bytes += f->r == 0 ? f->len : 0;
	}
}

static void
on_row(void *arg, struct fetch *f)
{
	struct link_wait *w = arg;
	struct link *l = w->link;

	(void)f;
	if (--w->fetching > 0)
		return;
	take_rows(w);
	/* A commit came between the answers: they do not belong together. */
	if (!link_is_current(w->k, l)) {
		fetch_all(w);
		return;
	}
	if (l->row[LINK_PROFILE].r == 0)
		l->row[LINK_PROFILE].r = open_profile(w->k, l);
	if (l->row[LINK_PROFILE].r == 0 && l->row[LINK_CREDENTIAL].r == 0 &&
	    l->row[LINK_CUSTOMER].r == 0)
		keep(w->k->links, l);
	w->fetched(w->arg, l);
}

static void
fetch_all(struct link_wait *w)
{
	static const enum row_kind kinds[] = {
	    ROW_PROFILE, ROW_CREDENTIAL, ROW_CUSTOMER};
	const struct link *l = w->link;

	w->fetching = LINK_PARTS;
	for (size_t i = 0; i < LINK_PARTS; i++) {
		struct fetch *f = &w->fetch[i];

		*f = (struct fetch){.done = on_row, .arg = w};
		keys_row_id(w->k->keys, kinds[i],
		    slice_str(i == LINK_CUSTOMER ? l->id.customer : l->name),
		    f->id);
		rows_fetch(w->k->rows, f);
	}
}

/*
 * The link that is kept, if it is still what it was.
 */
static struct link *
find_current(const struct keeper *k, const char *name)
{
	struct links *ls = k->links;
	struct link *l = find(ls, name);

	if (l == NULL)
		return NULL;
	if (!link_is_current(k, l)) {
		drop(ls, l);
		return NULL;
	}
	unlink_use(ls, l);
	link_use(ls, l);
	return l;
}

static void
on_task(void *arg)
{
	struct link_wait *w = arg;
	struct link *l = find_current(w->k, w->name);

	if (l != NULL || (l = calloc(1, sizeof(*l))) == NULL) {
		if (l != NULL)
			l->refs++;
		w->fetched(w->arg, l);
		return;
	}
	l->refs = 1;
	(void)snprintf(l->name, sizeof(l->name), "%s", w->name);
	if (profile_parse(l->name, strlen(l->name), &l->id) != 0)
		abort(); /* it is valid */
	w->link = l;
	fetch_all(w);
}

void
link_fetch(struct link_wait *w, struct keeper *k, const char *name,
    void (*fetched)(void *arg, const struct link *link), void *arg)
{
	w->k = k;
	w->name = name;
	w->fetched = fetched;
	w->arg = arg;
	w->task = (struct task){.run = on_task, .arg = w};
	loop_defer(k->life.loop, &w->task);
}

int
link_open(const struct keeper *k, const struct link *l,
    const uint8_t bound[static LINK_LEN], uint8_t **ret_secret, size_t *ret_len)
{
	const struct link_row *c = &l->row[LINK_CREDENTIAL];
	const struct link_row *cu = &l->row[LINK_CUSTOMER];
	struct customer_row customer = {cu->at, slice_of(cu->body, cu->len)};

	if (c->r != 0 || cu->r != 0)
		return c->r != 0 ? c->r : cu->r;
	return keys_open_secret(k->keys, &customer, &c->at, bound,
	    slice_of(c->body, c->len), ret_secret, ret_len);
}
