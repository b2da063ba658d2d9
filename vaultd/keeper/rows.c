#include "vaultd/keeper/rows_state.h"

#include <stdlib.h>

#include "vaultd/base/log.h"
#include "vaultd/keeper/restore.h"

#define VOUCH_MS   60000
#define LOOK_MS    5000 /* how often to look for what the ledger owes */
#define DEAF_LOOKS 2    /* the same is owed: a disk may be slow, but not so */
#define LATE_MS    5    /* for a record that nobody waits for */

static void start_commit(struct rows *rs);
static void on_vouch_time(void *arg);
static void on_deaf_time(void *arg);

int
rows_new(struct keeper *k, struct rows **ret)
{
	struct rows *rs = calloc(1, sizeof(*rs));

	if (rs == NULL || index_new(&rs->index) != 0 ||
	    (rs->sealed = calloc(1, sizeof(*rs->sealed))) == NULL)
		return VERR_NOMEM;
	rs->k = k;
	rs->fetches_last = &rs->fetches;
	rs->commits_last = &rs->commits;
	rs->vouch_timer = (struct timer){.on_time = on_vouch_time, .arg = rs};
	rs->deaf = (struct timer){.on_time = on_deaf_time, .arg = rs};
	*ret = rs;
	return 0;
}

struct channel *
rows_channel(const struct rows *rs)
{
	return rs->serving ? rs->ch : NULL;
}

uint64_t
rows_life(const struct rows *rs)
{
	return rs->life;
}

uint64_t
rows_generation(const struct rows *rs)
{
	return rs->generation;
}

struct index *
rows_index(const struct rows *rs)
{
	return rs->index;
}

/*
 * Deadlines.  Everything is asked for in an order and answered in it, so it is
 * enough to watch the oldest.
 */

static struct owed
owed(const struct rows *rs)
{
	uint64_t confirmed = audit_confirmed(rs->k->audit);

	if (rs->ch == NULL)
		return (struct owed){0};
	if (!rs->serving)
		return (struct owed){.loading = 1 + rs->loaded + confirmed};
	return (struct owed){
	    .fetch = rs->fetches == NULL ? 0 : rs->fetches->number,
	    .commit = rs->changes == NULL ? 0 : rs->commit_number,
	    .line = confirmed == audit_next(rs->k->audit)
	        ? 0
	        : 1 + confirmed + rs->failures};
}

static bool
is_still_owed(uint64_t then, uint64_t now)
{
	return then != 0 && then == now;
}

static void
watch(struct rows *rs, struct owed now)
{
	rs->owed = now;
	if (loop_timer(rs->k->life.loop, &rs->deaf, LOOK_MS) != 0)
		log_say(LOG_NO_MEMORY, 0, 0, 0);
}

/*
 * It does not answer: another one may, and gets all of it again.
 */
static void
on_deaf_time(void *arg)
{
	struct rows *rs = arg;
	struct owed then = rs->owed, now = owed(rs);

	if (!is_still_owed(then.fetch, now.fetch) &&
	    !is_still_owed(then.commit, now.commit) &&
	    !is_still_owed(then.line, now.line) &&
	    !is_still_owed(then.loading, now.loading))
		rs->looks = 0;
	else if (++rs->looks == DEAF_LOOKS) {
		rows_detach(rs, VERR_TIMEOUT);
		return;
	}
	if (now.fetch + now.commit + now.line + now.loading != 0)
		watch(rs, now);
}

void
rows_await(struct rows *rs)
{
	if (rs->ch == NULL || rs->deaf.slot != 0)
		return;
	rs->looks = 0;
	watch(rs, owed(rs));
}

void
rows_append(struct rows *rs, uint64_t epoch, uint64_t seq, uint32_t flags,
    struct slice line, bool late)
{
	const union record m = {.APPEND = {
	                            .epoch = epoch,
	                            .seq = seq,
	                            .flags = flags,
	                            .line = line,
	                        }};

	if (rs->serving && late)
		channel_put_late(rs->ch, REC_APPEND, &m, LATE_MS);
	else if (rs->serving)
		channel_put(rs->ch, REC_APPEND, &m, -1);
	rows_await(rs);
}

/*
 * Fetches: answered in the order in which they were asked.
 */

static void
send_fetch(struct rows *rs, const struct fetch *f)
{
	if (rs->serving)
		channel_say(rs->ch, FETCH, .fetch = f->number,
		    .id = slice_of(f->id, ROW_ID_LEN));
}

void
rows_fetch(struct rows *rs, struct fetch *f)
{
	f->number = ++rs->next_fetch;
	f->next = NULL;
	f->body = NULL;
	*rs->fetches_last = f;
	rs->fetches_last = &f->next;
	send_fetch(rs, f);
	rows_await(rs);
}

void
fetch_release(struct fetch *f)
{
	free(f->body);
	f->body = NULL;
}

/*
 * Take what the ledger sent for "f".  VERR_FORMAT: it lies.
 */
static int
accept_row(struct rows *rs, struct fetch *f, const struct rec_FETCHED *m)
{
	const struct index_entry *e = index_find(rs->index, f->id);

	if (m->error != 0) {
		/* A disk that fails is no lie; a row that is denied is. */
		f->r = -(int)m->error;
		return f->r == VERR_NOTFOUND && e != NULL ? VERR_FORMAT : 0;
	}
	if (!index_is_current(
	        rs->index, f->id, (uint32_t)m->kind, m->generation, m->body))
		return VERR_FORMAT;
	if ((f->body = malloc(m->body.n + 1)) == NULL) {
		f->r = VERR_NOMEM;
		return 0;
	}
	memcpy(f->body, m->body.p, m->body.n);
	f->len = m->body.n;
	memcpy(f->hash, e->hash, INDEX_HASH_LEN);
	memcpy(f->at.id, f->id, ROW_ID_LEN);
	f->at.kind = (enum row_kind)m->kind;
	f->at.generation = m->generation;
	f->r = 0;
	return 0;
}

static int
on_fetched(void *arg, const union record *m, int *fd)
{
	struct rows *rs = arg;
	struct fetch *f = rs->fetches;
	int r;

	(void)fd;
	if (f == NULL || f->number != m->FETCHED.fetch ||
	    m->FETCHED.error > 100)
		return VERR_FORMAT;
	/* Answers come in order, so the index is as old as the answer. */
	if ((r = accept_row(rs, f, &m->FETCHED)) != 0)
		return r;
	if ((rs->fetches = f->next) == NULL)
		rs->fetches_last = &rs->fetches;
	f->done(f->arg, f);
	return 0;
}

/*
 * Commits: one at a time, each with a new super row.
 */

void
rows_next_generation(const struct rows *rs, struct change *c)
{
	const struct index_entry *e = index_find(rs->index, c->id);

	c->expected = e == NULL ? 0 : e->generation;
	c->generation = c->expected + 1;
}

void
rows_commit(struct rows *rs, struct commit *c)
{
	c->next = NULL;
	c->key_life = rs->k->key_life;
	*rs->commits_last = c;
	rs->commits_last = &c->next;
	if (rs->commits == c)
		start_commit(rs);
}

static void
end_commit(struct rows *rs, int r)
{
	struct commit *c = rs->commits;

	if ((rs->commits = c->next) == NULL)
		rs->commits_last = &rs->commits;
	free(rs->changes);
	rs->changes = NULL;
	c->done(c->arg, r);
	if (rs->commits != NULL && rs->changes == NULL)
		start_commit(rs);
}

static void
send_commit(struct rows *rs)
{
	if (rs->serving)
		channel_say(rs->ch, COMMIT, .commit = rs->commit_number,
		    .erase = rs->commits->erase,
		    .restore = rs->commits->restore != NULL,
		    .changes = slice_of(rs->changes, rs->changes_len));
	rows_await(rs);
}

/*
 * The index that "c" changes.
 */
static struct index *
index_of(const struct rows *rs, const struct commit *c)
{
	return c->restore != NULL ? c->restore : rs->index;
}

static int
apply(struct rows *rs, const struct commit *c)
{
	int r;

	for (size_t i = 0; i < c->n; i++)
		if ((r = index_set(index_of(rs, c), &c->changes[i])) != 0)
			return r;
	return 0;
}

const struct keys *
rows_commit_keys(const struct rows *rs)
{
	return rs->commits->keys != NULL ? rs->commits->keys : rs->k->keys;
}

/*
 * No generation comes twice: after a rollback the log names later ones.
 */
static uint64_t
next_generation(const struct rows *rs)
{
	uint64_t last = rs->generation;

	if (rs->generation_floor > last)
		last = rs->generation_floor;
	if (rs->commits->restore_generation > last)
		last = rs->commits->restore_generation;
	return last + 1;
}

/*
 * Seal what will be current once "c" is there.  The root is that of the index
 * with the changes, which are then taken back until the ledger confirms.
 */
static int
seal_super(struct rows *rs, const struct commit *c, uint8_t *out, size_t *len)
{
	struct index_entry old[COMMIT_CHANGES];
	bool had[COMMIT_CHANGES] = {false};
	struct index *ix = index_of(rs, c);
	int r;

	for (size_t i = 0; i < c->n; i++) {
		const struct index_entry *e = index_find(ix, c->changes[i].id);

		if ((had[i] = e != NULL))
			old[i] = *e;
	}
	if ((r = apply(rs, c)) == 0)
		index_root(ix, rs->sealed->root);
	for (size_t i = c->n; i-- > 0;)
		index_undo(ix, c->changes[i].id, had[i] ? &old[i] : NULL);
	if (r != 0)
		return r;
	rs->sealed->generation = next_generation(rs);
	memcpy(rs->sealed->vault_id, keys_vault_id(rows_commit_keys(rs)),
	    VAULT_ID_LEN);
	rs->sealed->audit_size = audit_synced(rs->k->audit)->size;
	tree_root(audit_synced(rs->k->audit), rs->sealed->audit_root);
	return super_seal(rows_commit_keys(rs), rs->sealed, out, len);
}

static int
encode(struct rows *rs, const struct commit *c)
{
	struct change super = {.kind = ROW_SUPER,
	    .generation = next_generation(rs),
	    .expected =
	        c->restore != NULL ? c->restore_generation : rs->generation};
	uint8_t *box = malloc(SEALED_MAX), *p;
	size_t len = 0, total = 0;
	int r = VERR_NOMEM;

	if (box == NULL || (r = seal_super(rs, c, box, &len)) != 0)
		goto out;
	super_id(rows_commit_keys(rs), super.id);
	super.body = slice_of(box, len);
	for (size_t i = 0; i < c->n; i++)
		total += CHANGE_OVERHEAD + c->changes[i].body.n;
	total += CHANGE_OVERHEAD + len;
	if ((rs->changes = malloc(total)) == NULL) {
		r = VERR_NOMEM;
		goto out;
	}
	rs->changes_len = total;
	p = rs->changes;
	for (size_t i = 0; i < c->n; i++) {
		change_encode(&c->changes[i], p);
		p += CHANGE_OVERHEAD + c->changes[i].body.n;
	}
	change_encode(&super, p);
	r = 0;
out:
	free(box);
	return r;
}

static uint64_t
generation_of(struct index *ix, const uint8_t *id)
{
	const struct index_entry *e = index_find(ix, id);

	return e == NULL ? 0 : e->generation;
}

/*
 * Is everything still as it was when the commit was made?
 */
static bool
is_in_time(const struct rows *rs, const struct commit *c)
{
	struct index *ix = index_of(rs, c);

	if (c->n > 0 && c->key_life != rs->k->key_life)
		return false;
	if (c->guard.generation != 0 &&
	    generation_of(ix, c->guard.id) != c->guard.generation)
		return false;
	for (size_t i = 0; i < c->n; i++)
		if (generation_of(ix, c->changes[i].id) !=
		    c->changes[i].expected)
			return false;
	return true;
}

static void
start_commit(struct rows *rs)
{
	struct commit *c = rs->commits;
	int r;

	if (!is_in_time(rs, c)) {
		end_commit(rs, VERR_STALE);
		return;
	}
	rs->commit_number++;
	if ((r = encode(rs, c)) != 0)
		end_commit(rs, r);
	else
		send_commit(rs);
}

/*
 * The commit under way is on the disk.
 */
void
rows_committed(struct rows *rs)
{
	struct commit *c = rs->commits;
	int r = apply(rs, c);

	if (c->restore != NULL) {
		index_free(rs->index);
		rs->index = c->restore;
		c->restore = NULL;
	}

	rs->generation = rs->sealed->generation;
	rs->vouched = rs->sealed->audit_size;
	end_commit(rs, r);
}

static int
on_committed(void *arg, const union record *m, int *fd)
{
	struct rows *rs = arg;

	(void)fd;
	if (rs->changes == NULL || m->COMMITTED.commit != rs->commit_number ||
	    m->COMMITTED.error > 100)
		return VERR_FORMAT;
	if (m->COMMITTED.error != 0)
		end_commit(rs, -(int)m->COMMITTED.error);
	else
		rows_committed(rs);
	return 0;
}

static void
on_finished(void *arg, int r)
{
	struct rows *rs = arg;

	(void)r;
	rs->finished(rs->finished_arg);
}

void
rows_finish(struct rows *rs, void (*done)(void *arg), void *arg)
{
	rs->finished = done;
	rs->finished_arg = arg;
	rs->finish = (struct commit){.done = on_finished, .arg = rs};
	rows_commit(rs, &rs->finish);
}

void
rows_resend(struct rows *rs)
{
	for (struct fetch *f = rs->fetches; f != NULL; f = f->next)
		send_fetch(rs, f);
	if (rs->changes != NULL)
		send_commit(rs);
}

void
rows_on_vouched(void *arg, int r)
{
	(void)arg;
	(void)r; /* tried again in a minute */
}

/*
 * Now and then the store vouches for what the log has got since the last
 * commit, so that a cut-off tail shows even after a crash.
 */
static void
on_vouch_time(void *arg)
{
	struct rows *rs = arg;

	if (rs->serving && rs->k->keys != NULL && rs->commits == NULL &&
	    audit_synced(rs->k->audit)->size > rs->vouched) {
		rs->vouch = (struct commit){.done = rows_on_vouched, .arg = rs};
		rows_commit(rs, &rs->vouch);
	}
	rows_vouch(rs);
}

void
rows_vouch(struct rows *rs)
{
	if (rs->vouch_timer.slot == 0 &&
	    loop_timer(rs->k->life.loop, &rs->vouch_timer, VOUCH_MS) != 0)
		log_say(LOG_NO_MEMORY, 0, 0, 0);
}

static int
on_appended(void *arg, const union record *m, int *fd)
{
	struct rows *rs = arg;

	(void)fd;
	return audit_appended(rs->k->audit, &m->APPENDED);
}

static int
on_append_failed(void *arg, const union record *m, int *fd)
{
	struct rows *rs = arg;

	(void)fd;
	rs->failures++;
	return audit_failed(rs->k->audit, &m->APPEND_FAILED);
}

static int
on_query_done(void *arg, const union record *m, int *fd)
{
	(void)arg;
	(void)m;
	(void)fd;
	return 0; /* the gate has the answer; a refusal reached it, too */
}

/*
 * The stage of a restore.
 */

static int
on_staged(void *arg, const union record *m, int *fd)
{
	struct rows *rs = arg;

	(void)fd;
	return restore_staged(rs->k, &m->STAGED);
}

static int
on_stage_row(void *arg, const union record *m, int *fd)
{
	struct rows *rs = arg;

	(void)fd;
	return restore_row(rs->k, &m->STAGE_ROW);
}

static int
on_stage_end(void *arg, const union record *m, int *fd)
{
	struct rows *rs = arg;

	(void)fd;
	return restore_read(rs->k, &m->STAGE_END);
}

/* What a ledger says once its rows and log were taken as ours. */
const struct handler rows_handlers[] = {
    {REC_COMMITTED, on_committed},
    {REC_FETCHED, on_fetched},
    {REC_APPENDED, on_appended},
    {REC_APPEND_FAILED, on_append_failed},
    {REC_QUERY_DONE, on_query_done},
    {REC_SNAPSHOT_DONE, on_query_done},
    {REC_STAGED, on_staged},
    {REC_STAGE_ROW, on_stage_row},
    {REC_STAGE_END, on_stage_end},
    {0, NULL},
};
