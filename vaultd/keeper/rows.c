#include "vaultd/keeper/rows.h"

#include <stdlib.h>

#include "vaultd/base/log.h"
#include "vaultd/base/secret.h"
#include "vaultd/keeper/super.h"

#define VOUCH_MS 60000

struct rows {
	struct keeper *k;
	struct channel *ch; /* to the ledger, or NULL while there is none */
	uint64_t life;      /* how many ledgers there have been */
	struct index *index;
	uint64_t generation;
	bool replaying; /* the ledger's rows were, and its log is being read */
	bool serving;   /* the ledger's rows and log were taken as ours */

	/* A ledger is telling what it has. */
	struct index *loading;
	uint64_t loaded, super_generation;
	uint64_t announced; /* records of the log, by STORE_END */
	uint8_t slot[SLOT_BODY_LEN];
	bool have_slot;
	uint8_t *super;
	size_t super_len;
	uint8_t super_row[ROW_ID_LEN];

	struct fetch *fetches, **fetches_last;
	uint64_t next_fetch;
	struct commit *commits, **commits_last; /* the first is under way */
	uint64_t commit_number;
	uint8_t *changes; /* of the commit under way, encoded */
	size_t changes_len;
	struct super *sealed; /* what the commit under way will make current */
	struct commit finish;
	struct commit vouch; /* nothing but a new super row */
	uint64_t vouched;    /* records of the log that the store vouches for */
	struct timer vouch_timer;
	void (*finished)(void *arg);
	void *finished_arg;
};

static const struct handler serving_handlers[];

static void start_commit(struct rows *rs);
static void on_vouch_time(void *arg);

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
	rs->vouch_timer =
	    (struct timer){.on_time = on_vouch_time, .arg = rs};
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

void
rows_append(struct rows *rs, uint64_t epoch, uint64_t seq, uint32_t flags,
    struct slice line)
{
	if (rs->serving)
		channel_say(rs->ch, APPEND, .epoch = epoch, .seq = seq,
		    .flags = flags, .line = line);
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
	bool known = index_find(rs->index, f->id) != NULL;

	if (m->error != 0) {
		/* A disk that fails is no lie; a row that is denied is. */
		f->r = -(int)m->error;
		return f->r == VERR_NOTFOUND && known ? VERR_FORMAT : 0;
	}
	if (!index_is_current(rs->index, f->id, (uint32_t)m->kind,
	        m->generation, m->body))
		return VERR_FORMAT;
	if ((f->body = malloc(m->body.n + 1)) == NULL) {
		f->r = VERR_NOMEM;
		return 0;
	}
	memcpy(f->body, m->body.p, m->body.n);
	f->len = m->body.n;
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
		    .changes = slice_of(rs->changes, rs->changes_len));
}

/*
 * Apply "c" to the index, or take it back: "undo" holds what was there.
 */
static int
apply(struct rows *rs, const struct commit *c)
{
	int r;

	for (size_t i = 0; i < c->n; i++)
		if ((r = index_set(rs->index, &c->changes[i])) != 0)
			return r;
	return 0;
}

/*
 * Seal what will be current once "c" is there.  The root is that of the index
 * with the changes, which are then taken back until the ledger confirms.
 */
static int
seal_super(struct rows *rs, const struct commit *c, uint8_t *out, size_t *len)
{
	struct index_entry old[COMMIT_CHANGES];
	bool had[COMMIT_CHANGES];
	int r;

	for (size_t i = 0; i < c->n; i++) {
		const struct index_entry *e =
		    index_find(rs->index, c->changes[i].id);

		if ((had[i] = e != NULL))
			old[i] = *e;
	}
	if ((r = apply(rs, c)) == 0)
		index_root(rs->index, rs->sealed->root);
	for (size_t i = c->n; i-- > 0;)
		index_undo(
		    rs->index, c->changes[i].id, had[i] ? &old[i] : NULL);
	if (r != 0)
		return r;
	rs->sealed->generation = rs->generation + 1;
	memcpy(rs->sealed->vault_id, keys_vault_id(rs->k->keys), VAULT_ID_LEN);
	rs->sealed->audit_size = audit_synced(rs->k->audit)->size;
	tree_root(audit_synced(rs->k->audit), rs->sealed->audit_root);
	return super_seal(rs->k->keys, rs->sealed, out, len);
}

static int
encode(struct rows *rs, const struct commit *c)
{
	struct change super = {.kind = ROW_SUPER,
	    .generation = rs->generation + 1, .expected = rs->generation};
	uint8_t *box = malloc(SEALED_MAX), *p;
	size_t len = 0, total = 0;
	int r = VERR_NOMEM;

	if (box == NULL || (r = seal_super(rs, c, box, &len)) != 0)
		goto out;
	super_id(rs->k->keys, super.id);
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

static void
start_commit(struct rows *rs)
{
	struct commit *c = rs->commits;
	int r;

	for (size_t i = 0; i < c->n; i++) {
		const struct index_entry *e =
		    index_find(rs->index, c->changes[i].id);

		if (c->changes[i].expected != (e == NULL ? 0 : e->generation)) {
			end_commit(rs, VERR_STALE);
			return;
		}
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
static void
committed(struct rows *rs)
{
	int r = apply(rs, rs->commits);

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
		committed(rs);
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

/*
 * Loading: a ledger tells what it has, and is believed if its rows are what
 * the super row says.
 */

static int
on_store_row(void *arg, const union record *m, int *fd)
{
	const struct rec_STORE_ROW *row = &m->STORE_ROW;
	struct rows *rs = arg;
	struct change c = {.kind = (uint32_t)row->kind,
	    .generation = row->generation, .body = row->body};

	(void)fd;
	if (rs->loading == NULL || row->generation == 0)
		return VERR_FORBIDDEN;
	rs->loaded++;
	memcpy(c.id, row->id.p, ROW_ID_LEN);
	if (row->kind == ROW_SLOT && row->body.n == SLOT_BODY_LEN) {
		memcpy(rs->slot, row->body.p, SLOT_BODY_LEN);
		rs->have_slot = true;
	}
	if (row->kind != ROW_SUPER)
		return index_set(rs->loading, &c);
	if (rs->super != NULL)
		return VERR_FORMAT;
	if ((rs->super = malloc(row->body.n + 1)) == NULL)
		return VERR_NOMEM;
	memcpy(rs->super, row->body.p, row->body.n);
	memcpy(rs->super_row, c.id, ROW_ID_LEN);
	rs->super_len = row->body.n;
	rs->super_generation = row->generation;
	return 0;
}

/*
 * Not this store: nothing more is heard of it or said to it.
 */
static void
refuse(struct rows *rs, const char *sentence)
{
	channel_pause(rs->ch);
	rs->serving = false;
	keeper_refuses(rs->k, sentence);
}

/*
 * The log's record 0 is nobody's act, so that 0 can stand for "no record".  It
 * is made once there is a store to vouch for it: a log without a store is not
 * taken for a new vault.
 */
static void
record_creation(struct audit *a)
{
	struct json j;

	if (audit_next(a) != 0)
		return;
	audit_begin(a, AUDIT_ACCESS, 0, &j);
	json_text(&j, "act", "the vault was created");
	audit_end(a, &j, true, NULL);
}

static void
on_vouched(void *arg, int r)
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

	if (rs->serving && rs->commits == NULL &&
	    audit_synced(rs->k->audit)->size > rs->vouched) {
		rs->vouch = (struct commit){.done = on_vouched, .arg = rs};
		rows_commit(rs, &rs->vouch);
	}
	if (loop_timer(rs->k->life.loop, &rs->vouch_timer, VOUCH_MS) != 0)
		log_say(LOG_NO_MEMORY, 0, 0, 0);
}

/*
 * The ledger's rows and log were taken as ours.
 */
static void
serve(struct rows *rs)
{
	secret_free(rs->k->key_file);
	rs->k->key_file = NULL;
	rs->serving = true;
	channel_hear(rs->ch, serving_handlers);
	if (rs->vouch_timer.slot == 0 &&
	    loop_timer(rs->k->life.loop, &rs->vouch_timer, VOUCH_MS) != 0)
		log_say(LOG_NO_MEMORY, 0, 0, 0);
}

/*
 * An empty store and an empty log: a new vault.
 */
static void
on_created(void *arg, int r)
{
	struct rows *rs = arg;

	if (r != 0) {
		refuse(rs, "the new store could not be written");
		return;
	}
	record_creation(rs->k->audit);
	rs->k->loaded = true;
	keeper_ready(rs->k);
}

static void
create(struct rows *rs)
{
	struct change *slot = &rs->finish.changes[0];

	if (rs->k->keys == NULL &&
	    keys_make(rs->k->key_file, rs->slot, &rs->k->keys) != 0) {
		refuse(rs, "out of locked memory");
		return;
	}
	if (audit_replayed(rs->k->audit, 0) != 0) {
		refuse(rs, "the audit log does not begin at 0");
		return;
	}
	index_free(rs->loading);
	rs->loading = NULL;
	serve(rs);
	if (rs->changes != NULL) {
		/* An earlier ledger died before it had written them. */
		send_commit(rs);
		return;
	}
	rs->finish = (struct commit){.done = on_created, .arg = rs, .n = 1};
	keys_slot_id(slot->id);
	slot->kind = ROW_SLOT;
	slot->body = slice_of(rs->slot, SLOT_BODY_LEN);
	rows_next_generation(rs, slot);
	rows_commit(rs, &rs->finish);
}

/*
 * Open the super row and hold it against the rows.  Returns NULL, or the
 * sentence that says why this store is not served.
 */
static const char *
check_store(struct rows *rs, uint64_t next, struct super *super)
{
	uint8_t root[INDEX_HASH_LEN], id[ROW_ID_LEN];

	if (rs->super == NULL || !rs->have_slot)
		return "the store has no super row or no key slot: it is not "
		       "a vault's, or rows were removed";
	if (rs->k->keys == NULL &&
	    keys_open(rs->k->key_file, slice_of(rs->slot, SLOT_BODY_LEN),
		&rs->k->keys) != 0)
		return "the key file does not open this store's key slot";
	super_id(rs->k->keys, id);
	if (memcmp(id, rs->super_row, ROW_ID_LEN) != 0 ||
	    super_open(rs->k->keys, rs->super_generation,
		slice_of(rs->super, rs->super_len), super) != 0)
		return "the store's super row is damaged, or another vault's";
	index_root(rs->loading, root);
	if (memcmp(root, super->root, INDEX_HASH_LEN) != 0)
		return "rows of the store were changed, removed or added: they "
		       "do not match the sealed root";
	if (next < super->audit_size)
		return "the audit log is shorter than the store says: records "
		       "were removed, or it is an older copy";
	return NULL;
}

static const char *
take_first_store(struct rows *rs, const struct super *super)
{
	keys_set_vault_id(rs->k->keys, super->vault_id);
	index_free(rs->index);
	rs->index = rs->loading;
	rs->loading = NULL;
	rs->generation = super->generation;
	audit_expect(rs->k->audit, super->audit_size, super->audit_root);
	return NULL;
}

/*
 * A later ledger must have what the earlier one had, with or without the
 * commit that was under way.
 */
static const char *
compare_store(struct rows *rs, const struct super *super)
{
	uint8_t root[INDEX_HASH_LEN];

	index_root(rs->index, root);
	if (super->generation == rs->generation &&
	    memcmp(super->root, root, INDEX_HASH_LEN) == 0)
		return NULL;
	if (rs->changes != NULL &&
	    super->generation == rs->sealed->generation &&
	    memcmp(super->root, rs->sealed->root, INDEX_HASH_LEN) == 0) {
		committed(rs);
		return NULL;
	}
	return "the store is not the one that was served a moment ago";
}

static int
on_store_end(void *arg, const union record *m, int *fd)
{
	const struct rec_STORE_END *end = &m->STORE_END;
	struct rows *rs = arg;
	struct super *super;
	const char *why;

	(void)fd;
	if (rs->loading == NULL || end->rows != rs->loaded)
		return VERR_FORMAT;
	rs->announced = end->next;
	if (end->rows == 0 && end->next == 0 && !rs->k->loaded &&
	    (rs->k->keys == NULL || rs->changes != NULL)) {
		create(rs);
		return 0;
	}
	if (end->rows == 0) {
		refuse(rs, "the store is empty, but the audit log is not: it "
			   "was removed, or the log is another vault's");
		return 0;
	}
	if ((super = malloc(sizeof(*super))) == NULL)
		return VERR_NOMEM;
	why = check_store(rs, end->next, super);
	if (why == NULL)
		why = rs->k->loaded || rs->changes != NULL
		    ? compare_store(rs, super)
		    : take_first_store(rs, super);
	free(super);
	rs->replaying = why == NULL;
	if (why != NULL)
		refuse(rs, why);
	else
		channel_say(rs->ch, REPLAY,
		    .from = audit_confirmed(rs->k->audit));
	index_free(rs->loading);
	rs->loading = NULL;
	return 0;
}

static int
on_audit_line(void *arg, const union record *m, int *fd)
{
	struct rows *rs = arg;

	(void)fd;
	if (!rs->replaying)
		return VERR_FORBIDDEN;
	if (audit_replay(rs->k->audit, m->AUDIT_LINE.seq, m->AUDIT_LINE.line) !=
	    0)
		refuse(rs, "the audit log is not what was written: records "
			   "were changed, removed or inserted");
	return 0;
}

static int
on_replay_end(void *arg, const union record *m, int *fd)
{
	struct rows *rs = arg;

	(void)fd;
	if (!rs->replaying)
		return VERR_FORBIDDEN;
	rs->replaying = false;
	serve(rs);
	if (m->REPLAY_END.next != rs->announced ||
	    audit_replayed(rs->k->audit, m->REPLAY_END.next) != 0) {
		refuse(rs, "the audit log has a gap, or a damaged record");
		return 0;
	}
	if (audit_store(rs->k->audit) > rs->generation) {
		refuse(rs, "the store is older than the audit log says: it was "
			   "put back from a copy");
		return 0;
	}
	for (struct fetch *f = rs->fetches; f != NULL; f = f->next)
		send_fetch(rs, f);
	if (rs->changes != NULL)
		send_commit(rs);
	if (!rs->k->loaded)
		log_say(LOG_LOADED, rs->loaded, rs->generation,
		    audit_next(rs->k->audit));
	record_creation(rs->k->audit);
	rs->k->loaded = true;
	keeper_ready(rs->k);
	return 0;
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

/* While it tells what it has, and once that was taken as ours. */
static const struct handler loading_handlers[] = {
    {REC_STORE_ROW, on_store_row},
    {REC_STORE_END, on_store_end},
    {REC_AUDIT_LINE, on_audit_line},
    {REC_REPLAY_END, on_replay_end},
    {0, NULL},
};

static const struct handler serving_handlers[] = {
    {REC_COMMITTED, on_committed},
    {REC_FETCHED, on_fetched},
    {REC_APPENDED, on_appended},
    {REC_APPEND_FAILED, on_append_failed},
    {REC_QUERY_DONE, on_query_done},
    {0, NULL},
};

static void
on_closed(void *arg, struct channel *ch, int r)
{
	struct rows *rs = arg;

	if (r != VERR_CLOSED)
		room_report(&rs->k->life, ROOM_LEDGER, 0, r);
	channel_free(ch);
	rs->ch = NULL;
	rs->serving = false;
}

int
rows_attach(struct rows *rs, int fd)
{
	static const struct channel_ops ops = {
	    .handlers = loading_handlers, .on_closed = on_closed};
	int r;

	channel_free(rs->ch);
	rs->ch = NULL;
	rs->serving = rs->replaying = rs->have_slot = false;
	index_free(rs->loading);
	rs->loading = NULL;
	free(rs->super);
	rs->super = NULL;
	rs->loaded = 0;
	rs->life++;
	if ((r = channel_new(rs->k->life.loop, fd, ROOM_KEEPER, ROOM_LEDGER, 0,
	         &ops, rs, &rs->ch)) != 0)
		return r;
	return index_new(&rs->loading);
}
