#include "vaultd/keeper/sweep.h"

#include <stdlib.h>

#include "protocol/pairs.h"
#include "vaultd/base/log.h"
#include "vaultd/keeper/act.h"
#include "vaultd/keeper/audit.h"
#include "vaultd/keeper/link.h"

#define FLOW     5   /* rows looked at together; each is up to 3 changes */
#define SECRETS  2   /* of a profile: in force, staged */
#define PAUSE_MS 2   /* between two commits: others want the disk, too */
#define AGAIN_MS 100 /* before another walk, for what could not be changed */

_Static_assert(3 * FLOW <= COMMIT_CHANGES, "a batch is one commit");

/* One row on its way. */
struct item {
	struct sweep *sweep;
	struct fetch row;
	struct fetch secrets[SECRETS]; /* of a profile */
	char name[PROFILE_MAX + 1];
	uint8_t *bodies[SECRETS]; /* of rows that take their place, SEALED_MAX
	                           * bytes each */
};

struct sweep {
	struct keeper *k;
	enum sweep_kind kind;
	char customer[64];
	struct fetch self;  /* ROW_SWEEP, when an earlier life has begun it */
	struct fetch owner; /* the customer's row, with both keys */
	uint64_t cursor;
	size_t fetching, nitems;
	struct item items[FLOW];
	struct commit commit;
	uint8_t last[KEYS_CUSTOMER_MAX];
	uint64_t done; /* rows changed */
	bool changed;  /* in this walk: another one shows that none is left */
	bool skipped;  /* something could not be changed now */
	struct timer timer;
};

static const enum row_kind secret_kinds[SECRETS] = {ROW_CREDENTIAL, ROW_STAGED};

static void walk(struct sweep *s);

static const struct {
	const char *name;
	const char *finished; /* for the log */
	uint32_t kinds;       /* of rows that are looked at, as bits */
} infos[] = {
    [SWEEP_ROOT] = {"rotate-root", "the old root key is gone",
        1U << ROW_PROFILE | 1U << ROW_CUSTOMER},
    [SWEEP_CUSTOMER] = {"rotate-customer", "the customer's old key is gone",
        1U << ROW_PROFILE},
    [SWEEP_DESTROY] = {"destroy-customer", "the customer's rows are gone",
        1U << ROW_PROFILE},
};

const char *
sweep_name(enum sweep_kind kind)
{
	return infos[kind].name;
}

bool
sweep_is_on(const struct keeper *k)
{
	return k->sweep != NULL;
}

static bool
is_of(const struct sweep *s, const char *profile)
{
	size_t n = strlen(s->customer);

	return strncmp(profile, s->customer, n) == 0 && profile[n] == '/';
}

bool
sweep_destroys(const struct keeper *k, const char *profile)
{
	return k->sweep != NULL && k->sweep->kind == SWEEP_DESTROY &&
	    is_of(k->sweep, profile);
}

void
sweep_json(const struct keeper *k, struct json *j)
{
	const struct sweep *s = k->sweep;
	struct index *ix = rows_index(k->rows);
	size_t rows = 0;

	for (uint32_t kind = 0; kind < 32; kind++)
		if (infos[s->kind].kinds >> kind & 1)
			rows += index_count(ix, kind);
	json_open(j, NULL, '{');
	json_text(j, "kind", "job");
	json_text(j, "job", infos[s->kind].name);
	if (s->customer[0] != '\0')
		json_text(j, "customer", s->customer);
	json_number(j, "done", s->done);
	json_number(j, "rows", rows);
	json_close(j, '}');
}

/*
 * Its row: which kind, and whose.
 */

int
sweep_seal(const struct keys *keys, const struct row_place *at,
    enum sweep_kind kind, const char *customer, uint8_t *out, size_t *ret_len)
{
	uint8_t plain[128];
	struct pairs_writer w = {.p = plain, .cap = sizeof(plain)};

	pairs_add(&w, "what", slice_str(infos[kind].name));
	pairs_add(&w, "customer", slice_str(customer));
	if (w.overflow)
		return VERR_TOOBIG;
	return keys_seal_row(keys, at, slice_of(plain, w.n), out, ret_len);
}

static int
read_plain(struct sweep *s, struct slice plain)
{
	struct slice what, customer;

	if (pairs_find(plain, "what", &what) != 0 ||
	    pairs_find(plain, "customer", &customer) != 0 ||
	    customer.n >= sizeof(s->customer))
		return VERR_FORMAT;
	for (size_t i = 0; i < sizeof(infos) / sizeof(infos[0]); i++)
		if (slice_is(what, infos[i].name)) {
			s->kind = (enum sweep_kind)i;
			memcpy(s->customer, customer.p, customer.n);
			return 0;
		}
	return VERR_FORMAT;
}

static void
on_pause(void *arg)
{
	walk(arg);
}

static void
pause_for(struct sweep *s, uint64_t ms)
{
	s->timer = (struct timer){.on_time = on_pause, .arg = s};
	if (loop_timer(s->k->life.loop, &s->timer, ms) != 0)
		log_say(LOG_NO_MEMORY, 0, 0, 0);
}

/*
 * The end: the old key's row goes, or what says that there is work.
 */

static void
sweep_free(struct sweep *s)
{
	s->k->sweep = NULL;
	loop_timer_stop(s->k->life.loop, &s->timer);
	for (size_t i = 0; i < FLOW; i++)
		for (size_t b = 0; b < SECRETS; b++)
			free(s->items[i].bodies[b]);
	fetch_release(&s->owner);
	free(s);
}

static void
on_finished(void *arg, int r)
{
	struct sweep *s = arg;
	struct json j;

	if (r != 0) {
		s->skipped = true;
		pause_for(s, AGAIN_MS);
		return;
	}
	if (s->kind == SWEEP_ROOT)
		keys_drop_old(s->k->keys);
	audit_begin(s->k->audit, AUDIT_ACCESS, 0, &j);
	json_text(&j, "act", infos[s->kind].name);
	if (s->customer[0] != '\0')
		json_text(&j, "customer", s->customer);
	json_text(&j, "change", infos[s->kind].finished);
	json_number(&j, "rows", s->done);
	audit_end(s->k->audit, &j, true, NULL);
	sweep_free(s);
}

static struct change *
add_change(struct sweep *s, enum row_kind kind, const uint8_t *id,
    struct row_place *ret_at)
{
	struct change *c = &s->commit.changes[s->commit.n++];

	*c = (struct change){.kind = kind};
	memcpy(c->id, id, ROW_ID_LEN);
	rows_next_generation(s->k->rows, c);
	*ret_at = (struct row_place){.kind = kind, .generation = c->generation};
	memcpy(ret_at->id, id, ROW_ID_LEN);
	return c;
}

/*
 * Remove a row, if there is one.
 */
static void
remove_named(struct sweep *s, enum row_kind kind, const char *name)
{
	uint8_t id[ROW_ID_LEN];
	struct row_place at;

	keys_row_id(s->k->keys, kind, slice_str(name), id);
	if (index_find(rows_index(s->k->rows), id) != NULL)
		add_change(s, kind, id, &at)->generation = 0;
}

static void
finish(struct sweep *s)
{
	struct customer_row owner = {
	    s->owner.at, slice_of(s->owner.body, s->owner.len)};
	struct row_place at;
	struct change *c;
	size_t len;

	s->commit =
	    (struct commit){.done = on_finished, .arg = s, .erase = true};
	if (s->kind == SWEEP_ROOT)
		remove_named(s, ROW_OLD_ROOT, OLD_ROOT_NAME);
	else
		remove_named(s, ROW_SWEEP, SWEEP_NAME);
	if (s->kind == SWEEP_CUSTOMER) {
		c = add_change(s, ROW_CUSTOMER, s->owner.id, &at);
		if (keys_change_customer(s->k->keys, &owner, CUSTOMER_ONE_KEY,
		        &at, s->last, &len) != 0) {
			on_finished(s, VERR_NOMEM);
			return;
		}
		c->body = slice_of(s->last, len);
	}
	rows_commit(s->k->rows, &s->commit);
}

/*
 * A batch: the rows are there, what has to change is changed.
 */

/*
 * Add the change that a row needs.  Returns 0, or VERR_NOTFOUND: none.
 */
static int
change_root(struct sweep *s, struct item *it)
{
	struct keys *keys = s->k->keys;
	struct slice sealed = slice_of(it->row.body, it->row.len);
	struct customer_row customer = {it->row.at, sealed};
	struct row_place at;
	struct change *c;
	uint8_t *plain;
	size_t len;
	int r;

	if (!keys_is_old(keys, sealed))
		return VERR_NOTFOUND;
	c = add_change(s, it->row.at.kind, it->row.id, &at);
	if (it->row.at.kind == ROW_CUSTOMER) {
		r = keys_change_customer(
		    keys, &customer, CUSTOMER_REWRAP, &at, it->bodies[0], &len);
	} else if ((r = keys_open_row(
	                keys, &it->row.at, sealed, &plain, &len)) == 0) {
		r = keys_seal_row(
		    keys, &at, slice_of(plain, len), it->bodies[0], &len);
		free(plain);
	}
	if (r != 0)
		s->commit.n--;
	else
		c->body = slice_of(it->bodies[0], len);
	return r;
}

static int
rewrap(struct sweep *s, struct item *it, size_t i)
{
	struct customer_row owner = {
	    s->owner.at, slice_of(s->owner.body, s->owner.len)};
	const struct fetch *f = &it->secrets[i];
	struct slice sealed = slice_of(f->body, f->len);
	struct row_place at;
	struct change *c;
	size_t len;
	int r;

	if (f->r != 0 || !keys_is_old_secret(&owner, sealed))
		return VERR_NOTFOUND;
	c = add_change(s, secret_kinds[i], f->id, &at);
	if ((r = keys_rewrap_secret(s->k->keys, &owner, &f->at, sealed, &at,
	         it->bodies[i], &len)) != 0)
		s->commit.n--;
	else
		c->body = slice_of(it->bodies[i], len);
	return r;
}

static int
change_secrets(struct sweep *s, struct item *it)
{
	int r = 0;

	if (it->name[0] == '\0')
		return VERR_NOTFOUND;
	for (size_t i = 0; i < SECRETS && (r == 0 || r == VERR_NOTFOUND); i++)
		r = rewrap(s, it, i);
	return r;
}

static int
remove_profile(struct sweep *s, struct item *it)
{
	if (it->name[0] == '\0')
		return VERR_NOTFOUND;
	remove_named(s, ROW_PROFILE, it->name);
	for (size_t i = 0; i < SECRETS; i++)
		remove_named(s, secret_kinds[i], it->name);
	return 0;
}

static void
on_batch(void *arg, int r)
{
	struct sweep *s = arg;

	if (r == 0) {
		s->done +=
		    s->kind == SWEEP_DESTROY ? s->commit.n / 2 : s->commit.n;
		s->changed = true;
		for (size_t i = 0; i < s->nitems; i++)
			link_forget(s->k->links, s->items[i].name);
	} else {
		s->skipped = true;
	}
	s->nitems = 0;
	pause_for(s, PAUSE_MS);
}

static void
change_batch(struct sweep *s)
{
	static int (*const changes[])(struct sweep * s, struct item * it) = {
	    [SWEEP_ROOT] = change_root,
	    [SWEEP_CUSTOMER] = change_secrets,
	    [SWEEP_DESTROY] = remove_profile};
	int r;

	s->commit = (struct commit){.done = on_batch, .arg = s};
	for (size_t i = 0; i < s->nitems; i++) {
		struct item *it = &s->items[i];

		if (it->name[0] != '\0' && act_has_turn(it->name)) {
			s->skipped = true;
			continue;
		}
		r = it->row.r != 0 ? VERR_NOTFOUND : changes[s->kind](s, it);
		if (r != 0 && r != VERR_NOTFOUND)
			s->skipped = true;
	}
	for (size_t i = 0; i < s->nitems; i++) {
		fetch_release(&s->items[i].row);
		for (size_t b = 0; b < SECRETS; b++)
			fetch_release(&s->items[i].secrets[b]);
	}
	if (s->commit.n > 0) {
		rows_commit(s->k->rows, &s->commit);
		return;
	}
	s->nitems = 0;
	walk(s);
}

static void
fetch_is_there(struct sweep *s)
{
	if (--s->fetching == 0)
		change_batch(s);
}

static void
on_secret(void *arg, struct fetch *f)
{
	struct item *it = arg;

	(void)f;
	fetch_is_there(it->sweep);
}

/*
 * Of profiles the name decides, which is in the sealed row.
 */
static void
read_name(struct item *it)
{
	struct sweep *s = it->sweep;
	struct profile p;
	uint8_t *plain;
	size_t len;

	if (it->row.r != 0 || it->row.at.kind != ROW_PROFILE ||
	    keys_open_row(s->k->keys, &it->row.at,
	        slice_of(it->row.body, it->row.len), &plain, &len) != 0)
		return;
	if (profile_decode(plain, len, &p) != 0) {
		free(plain);
		return;
	}
	if (s->kind == SWEEP_ROOT || is_of(s, p.name))
		strncpy(it->name, p.name, PROFILE_MAX);
	profile_release(&p);
}

static void
on_row(void *arg, struct fetch *f)
{
	struct item *it = arg;
	struct sweep *s = it->sweep;

	(void)f;
	read_name(it);
	for (size_t i = 0; s->kind == SWEEP_CUSTOMER && i < SECRETS; i++) {
		struct fetch *f2 = &it->secrets[i];

		if (it->name[0] == '\0')
			break;
		*f2 = (struct fetch){.done = on_secret, .arg = it};
		keys_row_id(
		    s->k->keys, secret_kinds[i], slice_str(it->name), f2->id);
		s->fetching++;
		rows_fetch(s->k->rows, f2);
	}
	fetch_is_there(s);
}

static void
look_at(struct sweep *s, const struct index_entry *e)
{
	struct item *it = &s->items[s->nitems++];
	uint8_t *first = it->bodies[0], *second = it->bodies[1];

	*it = (struct item){.sweep = s, .bodies = {first, second}};
	it->row = (struct fetch){.done = on_row, .arg = it};
	memcpy(it->row.id, e->id, ROW_ID_LEN);
	s->fetching++;
	rows_fetch(s->k->rows, &it->row);
}

/*
 * The next batch.  Rows that come or go meanwhile may be missed by a walk, so
 * that the last one is one that found nothing to do.
 */
static void
walk(struct sweep *s)
{
	const struct index_entry *e;
	bool again = s->changed || s->skipped;

	while (s->nitems < FLOW) {
		e = index_next(rows_index(s->k->rows), &s->cursor);
		if (e == NULL)
			break;
		if (infos[s->kind].kinds >> e->kind & 1)
			look_at(s, e);
	}
	if (s->nitems > 0)
		return;
	if (!again) {
		finish(s);
		return;
	}
	s->cursor = 0;
	pause_for(s, s->skipped ? AGAIN_MS : PAUSE_MS);
	s->changed = s->skipped = false;
}

static void
on_owner(void *arg, struct fetch *f)
{
	struct sweep *s = arg;

	if (f->r == 0)
		walk(s);
	else
		log_say(LOG_NO_MEMORY, 0, 0, 0);
}

static void
begin(struct sweep *s)
{
	if (s->kind != SWEEP_CUSTOMER) {
		walk(s);
		return;
	}
	s->owner = (struct fetch){.done = on_owner, .arg = s};
	keys_row_id(
	    s->k->keys, ROW_CUSTOMER, slice_str(s->customer), s->owner.id);
	rows_fetch(s->k->rows, &s->owner);
}

static struct sweep *
sweep_new(struct keeper *k)
{
	struct sweep *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->k = k;
	for (size_t i = 0; i < FLOW * SECRETS; i++) {
		uint8_t **body = &s->items[i / SECRETS].bodies[i % SECRETS];

		if ((*body = malloc(SEALED_MAX)) == NULL) {
			sweep_free(s);
			return NULL;
		}
	}
	k->sweep = s;
	return s;
}

void
sweep_start(struct keeper *k, enum sweep_kind kind, const char *customer)
{
	struct sweep *s = sweep_new(k);

	if (s == NULL) {
		/* The next start goes on with it. */
		log_say(LOG_NO_MEMORY, 0, 0, 0);
		return;
	}
	s->kind = kind;
	if (customer != NULL)
		strncpy(s->customer, customer, sizeof(s->customer) - 1);
	begin(s);
}

static void
on_self(void *arg, struct fetch *f)
{
	struct sweep *s = arg;
	uint8_t *plain = NULL;
	size_t len;
	int r = f->r;

	if (r == 0)
		r = keys_open_row(s->k->keys, &f->at, slice_of(f->body, f->len),
		    &plain, &len);
	if (r == 0)
		r = read_plain(s, slice_of(plain, len));
	free(plain);
	fetch_release(f);
	if (r == 0) {
		begin(s);
		return;
	}
	log_say(LOG_SWEEP_LOST, (uint64_t)-r, 0, 0);
	sweep_free(s);
}

void
sweep_resume(struct keeper *k)
{
	struct index *ix = rows_index(k->rows);
	uint8_t id[ROW_ID_LEN];
	struct sweep *s;

	keys_row_id(k->keys, ROW_OLD_ROOT, slice_str(OLD_ROOT_NAME), id);
	if (index_find(ix, id) != NULL) {
		sweep_start(k, SWEEP_ROOT, NULL);
		return;
	}
	keys_row_id(k->keys, ROW_SWEEP, slice_str(SWEEP_NAME), id);
	if (index_find(ix, id) == NULL)
		return;
	if ((s = sweep_new(k)) == NULL) {
		log_say(LOG_NO_MEMORY, 0, 0, 0);
		return;
	}
	s->self = (struct fetch){.done = on_self, .arg = s};
	memcpy(s->self.id, id, ROW_ID_LEN);
	rows_fetch(k->rows, &s->self);
}
