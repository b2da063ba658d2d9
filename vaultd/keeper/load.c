/*
 * Loading: a ledger tells what it has, and is believed if its rows are what
 * the super row says and its log is what was written.
 */
#include <stdio.h>
#include <stdlib.h>

#include "vaultd/base/log.h"
#include "vaultd/keeper/restore.h"
#include "vaultd/keeper/rows_state.h"
#include "vaultd/keeper/slots.h"
#include "vaultd/keeper/sweep.h"

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

static int
put_row(struct rows *rs, const struct change *c)
{
	int r = index_load(rs->loading, c);

	if (r != VERR_TOOBIG)
		return r;
	refuse(rs, "the store has more rows than any vault");
	return 0;
}

static int
on_store_row(void *arg, const union record *m, int *fd)
{
	const struct rec_STORE_ROW *row = &m->STORE_ROW;
	struct rows *rs = arg;
	struct change c = {.kind = (uint32_t)row->kind,
	    .generation = row->generation,
	    .body = row->body};

	(void)fd;
	if (rs->loading == NULL || row->generation == 0)
		return VERR_FORBIDDEN;
	rs->loaded++;
	memcpy(c.id, row->id.p, ROW_ID_LEN);
	if (row->kind == ROW_SLOT && slots_set(rs->k->slots, row->body) != 0) {
		refuse(rs, "a key slot of the store is damaged");
		return 0;
	}
	if (row->kind != ROW_SUPER)
		return put_row(rs, &c);
	if (rs->super != NULL) {
		if (memcmp(rs->super_row, c.id, ROW_ID_LEN) == 0)
			return VERR_FORMAT;
		refuse(rs, "the store has a second super row, another vault's");
		return 0;
	}
	if ((rs->super = malloc(row->body.n + 1)) == NULL)
		return VERR_NOMEM;
	memcpy(rs->super, row->body.p, row->body.n);
	memcpy(rs->super_row, c.id, ROW_ID_LEN);
	rs->super_len = row->body.n;
	rs->super_generation = row->generation;
	return 0;
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

/*
 * The ledger's rows and log were taken as ours, so far as that can be known:
 * while the vault is sealed, the rest shows when it is opened.
 */
static void
serve(struct rows *rs)
{
	rs->serving = true;
	channel_hear(rs->ch, rows_handlers);
	rows_vouch(rs);
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

/*
 * The first slots: of the files that the keeper was started with.
 */
static int
make_slots(struct rows *rs)
{
	static const enum slot_kind kinds[] = {SLOT_KEYFILE, SLOT_CREDENTIAL};
	struct keeper *k = rs->k;
	int r;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const uint8_t *key = slots_file(k->slots, kinds[i]);
		struct slot s = {.kind = kinds[i],
		    .number = slots_free_number(k->slots),
		    .created = keeper_time()};
		struct change *c = &rs->finish.changes[rs->finish.n];
		uint8_t *body = rs->first_slots[rs->finish.n];

		if (key == NULL)
			continue;
		keys_seal_slot(k->keys, &s, key, body);
		if ((r = slots_set(k->slots, slice_of(body, SLOT_BODY_LEN))) !=
		        0 ||
		    (r = slots_learn(k->slots, s.number, key)) != 0)
			return r;
		keys_slot_id(s.number, c->id);
		c->kind = ROW_SLOT;
		c->body = slice_of(body, SLOT_BODY_LEN);
		rows_next_generation(rs, c);
		rs->finish.n++;
	}
	return rs->finish.n == 0 ? VERR_NOTFOUND : 0;
}

static void
create(struct rows *rs)
{
	int r;

	if (audit_replayed(rs->k->audit, 0) != 0) {
		refuse(rs, "the audit log does not begin at 0");
		return;
	}
	index_free(rs->loading);
	rs->loading = NULL;
	if (rs->changes != NULL) {
		/* An earlier ledger died before it had written them. */
		serve(rs);
		rows_resend(rs);
		return;
	}
	rs->finish = (struct commit){.done = on_created, .arg = rs};
	r = keys_make(&rs->k->keys);
	if (r == 0)
		r = make_slots(rs);
	if (r != 0) {
		refuse(rs,
		    r == VERR_NOTFOUND
		        ? "a new vault begins with a key file or a credential; "
		          "key slots for passphrases are added to it later"
		        : "out of locked memory");
		return;
	}
	serve(rs);
	rows_commit(rs, &rs->finish);
}

/*
 * Open the super row and hold it against the rows.  Returns NULL, or the
 * sentence that says why this store is not served.
 */
static const char *
check_store(struct rows *rs, const struct keys *keys, struct index *ix,
    struct super *super)
{
	uint8_t root[INDEX_HASH_LEN], id[ROW_ID_LEN];

	super_id(keys, id);
	if (memcmp(id, rs->super_row, ROW_ID_LEN) != 0 ||
	    super_open(keys, rs->super_generation,
	        slice_of(rs->super, rs->super_len), super) != 0)
		return "the store's super row is damaged, or another vault's";
	index_root(ix, root);
	if (memcmp(root, super->root, INDEX_HASH_LEN) != 0)
		return "rows of the store were changed, removed or added: they "
		       "do not match the sealed root";
	return NULL;
}

static const char shorter[] =
    "the audit log is shorter than the store says: records were removed, or it "
    "is an older copy";

/*
 * Store and log vouch for each other: neither may be older than the other
 * says, unless that was accepted for just this store.  A log that was changed
 * is never accepted.
 */
static const char *
unless_accepted(struct rows *rs, const struct super *super, const char *why)
{
	if (why == NULL || rs->k->accepted == super->generation) {
		rs->rolled_back = why;
		return NULL;
	}
	(void)snprintf(rs->why, sizeof(rs->why),
	    "%s.  If that was meant: vaultd --accept-rollback %llu", why,
	    (unsigned long long)super->generation);
	return rs->why;
}

static const char *
check_log(struct rows *rs, const struct super *super)
{
	const struct audit *a = rs->k->audit;
	const char *why = NULL;

	if (audit_confirmed(a) < super->audit_size)
		why = shorter;
	else if (memcmp(audit_expected(a), super->audit_root, TREE_HASH_LEN) !=
	    0)
		return "the audit log is not what was written: records were "
		       "changed, removed or inserted";
	else if (audit_store(a) > super->generation)
		why = "the store is older than the audit log says: it was put "
		      "back from a copy";
	return unless_accepted(rs, super, why);
}

/*
 * The keys are there, the store is ours and the log is replayed.  What was
 * accepted goes on record, and no generation comes twice.
 */
static void
begin_to_live(struct rows *rs)
{
	struct json j;

	record_creation(rs->k->audit);
	if (rs->rolled_back == NULL)
		return;
	if (audit_store(rs->k->audit) > rs->generation)
		rs->generation_floor = audit_store(rs->k->audit);
	audit_begin(rs->k->audit, AUDIT_ACCESS, 0, &j);
	json_text(&j, "act", "a rollback was accepted");
	json_text(&j, "why", rs->rolled_back);
	json_number(&j, "generation", rs->generation);
	audit_end(rs->k->audit, &j, true, NULL);
	rs->rolled_back = NULL;
	rs->vouch = (struct commit){.done = rows_on_vouched, .arg = rs};
	rows_commit(rs, &rs->vouch);
}

static void
opened(struct rows *rs, const char *why)
{
	void (*done)(void *arg, const char *why) = rs->opened;

	rs->opened = NULL;
	if (why == NULL)
		begin_to_live(rs);
	done(rs->opened_arg, why);
}

/*
 * A root that is being replaced comes back from its row.
 */
static void
on_old_root(void *arg, struct fetch *f)
{
	struct rows *rs = arg;
	int r = f->r;

	if (r == 0)
		r = keys_open_old(
		    rs->k->keys, &f->at, slice_of(f->body, f->len));
	fetch_release(f);
	opened(rs,
	    r == 0 ? NULL
	           : "the root key that is being replaced cannot be opened");
}

static void
open_old_root(struct rows *rs)
{
	keys_row_id(rs->k->keys, ROW_OLD_ROOT, slice_str(OLD_ROOT_NAME),
	    rs->old_root.id);
	if (index_find(rs->index, rs->old_root.id) == NULL) {
		opened(rs, NULL);
		return;
	}
	rs->old_root.done = on_old_root;
	rs->old_root.arg = rs;
	rows_fetch(rs, &rs->old_root);
}

void
rows_reopen(
    struct rows *rs, void (*done)(void *arg, const char *why), void *arg)
{
	rs->opened = done;
	rs->opened_arg = arg;
	open_old_root(rs);
}

/*
 * Hold rows and log against the super row, which the keys open.
 */
static const char *
check_all(struct rows *rs)
{
	struct super *super = malloc(sizeof(*super));
	const char *why = "out of memory";

	if (super != NULL &&
	    (why = check_store(rs, rs->k->keys, rs->index, super)) == NULL &&
	    (why = check_log(rs, super)) == NULL)
		rs->generation = super->generation;
	free(super);
	return why;
}

void
rows_open(struct rows *rs, void (*done)(void *arg, const char *why), void *arg)
{
	const char *why = check_all(rs);

	rs->opened = done;
	rs->opened_arg = arg;
	if (why != NULL)
		opened(rs, why);
	else
		open_old_root(rs);
}

/*
 * Have the keys, if the files at hand open a slot.  Without a file, or where a
 * person's passphrase would do, the vault stays sealed.
 */
static const char *
find_keys(struct rows *rs)
{
	struct keeper *k = rs->k;
	bool person = slots_file(k->slots, SLOT_KEYFILE) == NULL &&
	    slots_file(k->slots, SLOT_CREDENTIAL) == NULL;
	struct keys *keys;
	int r;

	if (k->loaded)
		return NULL;
	if ((r = slots_open(k->slots, &keys)) == 0 && k->keys == NULL)
		k->keys = keys;
	else if (r == 0)
		keys_free(keys);
	if (k->keys != NULL)
		return NULL;
	if (r != VERR_NOTFOUND)
		return "out of locked memory";
	for (uint32_t i = 0; i < SLOTS_MAX; i++) {
		const struct slot *s = slots_get(k->slots, i);

		person = person || (s != NULL && s->kind == SLOT_PASSPHRASE);
	}
	return person ? NULL
	              : "the key file does not open this store's key "
	                "slot";
}

/*
 * The first ledger's store is taken, by its super row if there are keys.
 */
static const char *
take_first_store(struct rows *rs, uint64_t next)
{
	struct slice super = slice_of(rs->super, rs->super_len);
	uint64_t size = super_audit_size(super);
	struct super *s = malloc(sizeof(*s));
	const char *why = s == NULL ? "out of memory" : NULL;

	if (why == NULL && rs->k->keys != NULL)
		why = check_store(rs, rs->k->keys, rs->loading, s);
	if (why == NULL && rs->k->keys != NULL && next < s->audit_size)
		why = unless_accepted(rs, s, shorter);
	free(s);
	if (why != NULL)
		return why;
	index_free(rs->index);
	rs->index = rs->loading;
	rs->loading = NULL;
	audit_expect(rs->k->audit, size);
	return NULL;
}

/*
 * A later ledger must have what the earlier one had, with or without the
 * commit that was under way.
 */
static const char *
compare_store(struct rows *rs)
{
	static const char other[] =
	    "the store is not the one that was served a moment ago";
	uint8_t root[INDEX_HASH_LEN], theirs[INDEX_HASH_LEN];
	struct super super;

	index_root(rs->index, root);
	index_root(rs->loading, theirs);
	if (rs->k->keys == NULL) /* sealed: nothing was committed since */
		return memcmp(root, theirs, INDEX_HASH_LEN) == 0 ? NULL : other;
	if (check_store(rs, rs->k->keys, rs->loading, &super) == NULL &&
	    super.generation == rs->generation &&
	    memcmp(super.root, root, INDEX_HASH_LEN) == 0)
		return NULL;
	if (rs->changes != NULL &&
	    check_store(rs, rows_commit_keys(rs), rs->loading, &super) ==
	        NULL &&
	    super.generation == rs->sealed->generation &&
	    memcmp(super.root, rs->sealed->root, INDEX_HASH_LEN) == 0) {
		rows_committed(rs);
		return NULL;
	}
	return other;
}

static int
on_store_end(void *arg, const union record *m, int *fd)
{
	const struct rec_STORE_END *end = &m->STORE_END;
	struct rows *rs = arg;
	const char *why;
	int r;

	(void)fd;
	if (rs->loading == NULL || end->rows != rs->loaded)
		return VERR_FORMAT;
	if ((r = index_loaded(rs->loading)) != 0)
		return r;
	rs->announced = end->next;
	if (end->rows == 0 && end->next == 0 && !rs->k->loaded &&
	    (rs->k->keys == NULL || rs->changes != NULL)) {
		create(rs);
		return 0;
	}
	if (end->rows == 0) {
		refuse(rs,
		    "the store is empty, but the audit log is not: it "
		    "was removed, or the log is another vault's");
		return 0;
	}
	why = find_keys(rs);
	if (rs->super == NULL || slots_count(rs->k->slots) == 0)
		why = "the store has no super row or no key slot: it is not "
		      "a vault's, or rows were removed";
	if (why == NULL)
		why = rs->k->loaded || rs->changes != NULL
		    ? compare_store(rs)
		    : take_first_store(rs, end->next);
	rs->replaying = why == NULL;
	if (why != NULL)
		refuse(rs, why);
	else
		channel_say(
		    rs->ch, REPLAY, .from = audit_confirmed(rs->k->audit));
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
	if (m->AUDIT_LINE.seq >= rs->announced ||
	    audit_replay(rs->k->audit, m->AUDIT_LINE.seq, m->AUDIT_LINE.line) !=
	        0)
		refuse(rs,
		    "the audit log is not what was written: records "
		    "were changed, removed or inserted");
	return 0;
}

static void
on_opened(void *arg, const char *why)
{
	struct rows *rs = arg;

	if (why != NULL) {
		refuse(rs, why);
		return;
	}
	log_say(
	    LOG_LOADED, rs->loaded, rs->generation, audit_next(rs->k->audit));
	rs->k->loaded = true;
	sweep_resume(rs->k);
	keeper_ready(rs->k);
}

/*
 * Nothing is written before the log was held against the store.
 */
static const char *
take_log(struct rows *rs, uint64_t next)
{
	const char *why = NULL;

	if (next != rs->announced || next != audit_confirmed(rs->k->audit))
		why = "the audit log has a gap, or a damaged record";
	else if (!rs->k->loaded && rs->k->keys != NULL)
		why = check_all(rs);
	if (why != NULL)
		return why;
	serve(rs);
	if (audit_replayed(rs->k->audit, next) != 0)
		return "the audit log has a gap, or a damaged record";
	return NULL;
}

static int
on_replay_end(void *arg, const union record *m, int *fd)
{
	struct rows *rs = arg;
	const char *why;

	(void)fd;
	if (!rs->replaying)
		return VERR_FORBIDDEN;
	rs->replaying = false;
	if ((why = take_log(rs, m->REPLAY_END.next)) != NULL) {
		refuse(rs, why);
		return 0;
	}
	rows_resend(rs);
	if (rs->k->loaded)
		return 0;
	if (rs->k->keys != NULL) {
		rs->opened = on_opened;
		rs->opened_arg = rs;
		open_old_root(rs);
		return 0;
	}
	record_creation(rs->k->audit);
	log_say(LOG_SEALED, rs->loaded, audit_next(rs->k->audit), 0);
	rs->k->loaded = true;
	keeper_ready(rs->k);
	return 0;
}

/* While it tells what it has. */
static const struct handler loading_handlers[] = {
    {REC_STORE_ROW, on_store_row},
    {REC_STORE_END, on_store_end},
    {REC_AUDIT_LINE, on_audit_line},
    {REC_REPLAY_END, on_replay_end},
    {0, NULL},
};

/*
 * What was not confirmed waits for the ledger that will come.
 */
void
rows_detach(struct rows *rs, int r)
{
	if (r != VERR_CLOSED)
		room_report(&rs->k->life, ROOM_LEDGER, 0, r);
	loop_timer_stop(rs->k->life.loop, &rs->deaf);
	channel_free(rs->ch);
	rs->ch = NULL;
	rs->serving = false;
	restore_lost(rs->k);
}

static void
on_closed(void *arg, struct channel *ch, int r)
{
	(void)ch;
	rows_detach(arg, r);
}

int
rows_attach(struct rows *rs, int fd)
{
	static const struct channel_ops ops = {
	    .handlers = loading_handlers, .on_closed = on_closed};
	int r;

	restore_lost(rs->k);
	loop_timer_stop(rs->k->life.loop, &rs->deaf);
	channel_free(rs->ch);
	rs->ch = NULL;
	rs->serving = rs->replaying = false;
	if (!rs->k->loaded && rs->changes == NULL)
		slots_clear(rs->k->slots);
	index_free(rs->loading);
	rs->loading = NULL;
	free(rs->super);
	rs->super = NULL;
	rs->loaded = 0;
	rs->life++;
	if ((r = channel_new(rs->k->life.loop, fd, ROOM_KEEPER, ROOM_LEDGER, 0,
	         &ops, rs, &rs->ch)) != 0)
		return r;
	if ((r = index_new(&rs->loading)) == 0)
		rows_await(rs);
	return r;
}
