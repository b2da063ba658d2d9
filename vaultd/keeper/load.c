/*
 * Loading: a ledger tells what it has, and is believed if its rows are what
 * the super row says and its log is what was written.
 */
#include <stdlib.h>

#include "vaultd/base/log.h"
#include "vaultd/base/secret.h"
#include "vaultd/keeper/rows_state.h"

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
	int r;

	if (index_find(rs->loading, c->id) != NULL)
		return VERR_EXISTS;
	if ((r = index_set(rs->loading, c)) != VERR_TOOBIG)
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
	if (row->kind == ROW_SLOT && row->body.n == SLOT_BODY_LEN) {
		memcpy(rs->slot, row->body.p, SLOT_BODY_LEN);
		rs->have_slot = true;
	}
	if (row->kind != ROW_SUPER)
		return put_row(rs, &c);
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
 * The ledger's rows and log were taken as ours.
 */
static void
serve(struct rows *rs)
{
	secret_free(rs->k->key_file);
	rs->k->key_file = NULL;
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
		rows_resend(rs);
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
		rows_committed(rs);
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
		refuse(rs,
		    "the store is empty, but the audit log is not: it "
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
		refuse(rs,
		    "the store is older than the audit log says: it was "
		    "put back from a copy");
		return 0;
	}
	rows_resend(rs);
	if (!rs->k->loaded)
		log_say(LOG_LOADED, rs->loaded, rs->generation,
		    audit_next(rs->k->audit));
	record_creation(rs->k->audit);
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

	loop_timer_stop(rs->k->life.loop, &rs->deaf);
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
	if ((r = index_new(&rs->loading)) == 0)
		rows_await(rs);
	return r;
}
