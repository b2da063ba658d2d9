#include "vaultd/keeper/restore.h"

#include <stdio.h>
#include <stdlib.h>

#include <sodium.h>

#include "vaultd/keeper/link.h"
#include "vaultd/keeper/sign.h"
#include "vaultd/keeper/slots.h"
#include "vaultd/keeper/super.h"
#include "vaultd/keeper/sweep.h"

#define FILE_SLOTS 2 /* that this machine may add */

enum stage {
	STAGE_COMING,  /* the ledger takes the upload */
	STAGE_READING, /* it tells what it has */
	STAGE_COMMIT,  /* it puts that in place of its store */
	STAGE_OVER,
};

struct restore {
	struct act *act;
	struct keeper *k;
	enum stage stage;
	uint64_t id;
	struct index *index;
	struct slots *slots;
	struct keys *keys;
	uint8_t *super; /* the super row */
	size_t super_len;
	uint8_t super_id[ROW_ID_LEN];
	uint64_t generation; /* of the super row */
	uint64_t rows;
	struct commit commit;
	uint8_t bodies[FILE_SLOTS][SLOT_BODY_LEN];
};

void
restore_release(struct act *act)
{
	struct restore *rs = act->state;

	if (rs->k->restore == rs)
		rs->k->restore = NULL;
	index_free(rs->index);
	slots_free(rs->slots);
	keys_free(rs->keys);
	free(rs->super);
	free(rs);
}

/*
 * It will not be: tell the ledger, and the admin why.
 */
static void
give_up(struct restore *rs, enum refusal refusal, const char *why)
{
	struct channel *ledger = rows_channel(rs->k->rows);

	if (ledger != NULL)
		channel_say(ledger, STAGE_DROP, .stage = rs->id);
	rs->stage = STAGE_OVER;
	(void)act_refuse(rs->act, refusal, "%s", why);
	act_conclude(rs->act);
}

static void
on_decided(struct act *act)
{
	struct restore *rs = act->state;
	struct channel *ledger = rows_channel(rs->k->rows);

	if (ledger == NULL || act->job.gate == NULL) {
		(void)act_refuse(
		    act, REFUSED_STORE, "the store cannot be written now");
		act_conclude(act);
		return;
	}
	rs->k->restore = rs;
	rs->id = act->outcome.of;
	gate_want_ledger(act->job.gate);
	channel_say(ledger, STAGE, .stage = rs->id,
	    .gate = act->job.gate->number, .number = act->job.number);
	job_stream(&act->job, rs->id, ROOM_LEDGER, 0);
}

/*
 * Returns NULL with the refusal set.
 */
static struct restore *
restore_new(struct act *act)
{
	struct restore *rs;

	if (sweep_is_on(act->k) || act->k->restore != NULL) {
		(void)act_refuse(act, REFUSED_STALE,
		    "a rotation, a destruction or another restore is under way "
		    "(vaultctl status)");
		return NULL;
	}
	if ((rs = calloc(1, sizeof(*rs))) != NULL &&
	    index_new(&rs->index) == 0) {
		if (slots_like(act->k->slots, &rs->slots) == 0)
			return rs;
		index_free(rs->index);
	}
	free(rs);
	(void)act_refuse(act, REFUSED_BUDGET, "out of memory");
	return NULL;
}

void
restore_begin(struct act *act)
{
	struct matter m = act_matter(act, job_session(act->k, &act->job));
	struct restore *rs = NULL;

	if (!matter_decide(act->k, &m))
		(void)act_refuse(
		    act, m.refusal, "the policy does not permit it");
	else
		rs = restore_new(act);
	if (rs == NULL) {
		act_reject(act, &m);
		return;
	}
	rs->act = act;
	rs->k = act->k;
	act->state = rs;
	act_decide(act, &m, on_decided);
}

int
restore_staged(struct keeper *k, const struct rec_STAGED *m)
{
	struct restore *rs = k->restore;
	struct channel *ledger = rows_channel(k->rows);

	if (rs == NULL || rs->stage != STAGE_COMING || m->stage != rs->id ||
	    m->error > 100)
		return VERR_FORBIDDEN;
	if (m->error != 0) {
		rs->stage = STAGE_OVER;
		(void)act_refuse(rs->act, REFUSED_STORE,
		    "the backup could not be taken in: %s",
		    verr_text(-(int)m->error));
		act_conclude(rs->act);
		return 0;
	}
	rs->stage = STAGE_READING;
	if (ledger != NULL)
		channel_say(ledger, STAGE_READ, .stage = rs->id);
	return 0;
}

int
restore_row(struct keeper *k, const struct rec_STAGE_ROW *m)
{
	struct restore *rs = k->restore;
	struct change c = {.kind = (uint32_t)m->kind,
	    .generation = m->generation,
	    .body = m->body};
	int r;

	if (rs == NULL || m->stage != rs->id || m->generation == 0)
		return VERR_FORBIDDEN;
	if (rs->stage != STAGE_READING)
		return 0; /* given up; the ledger may not have heard yet */
	rs->rows++;
	memcpy(c.id, m->id.p, ROW_ID_LEN);
	if (m->kind == ROW_SUPER && rs->super == NULL) {
		if ((rs->super = malloc(m->body.n + 1)) == NULL)
			return VERR_NOMEM;
		memcpy(rs->super, m->body.p, m->body.n);
		rs->super_len = m->body.n;
		rs->generation = m->generation;
		memcpy(rs->super_id, c.id, ROW_ID_LEN);
		return 0;
	}
	if (m->kind == ROW_SLOT && slots_set(rs->slots, m->body) != 0) {
		give_up(
		    rs, REFUSED_STORE, "a key slot of the backup is damaged");
		return 0;
	}
	if (index_find(rs->index, c.id) != NULL)
		r = VERR_EXISTS;
	else
		r = index_set(rs->index, &c);
	if (r != 0)
		give_up(rs, REFUSED_STORE,
		    "the backup has a row twice, or too many of them");
	return 0;
}

/*
 * The keys of the backup: by the files at hand, by what opened this vault, or
 * by a secret that the admin gave for one of its slots.
 */
static int
find_keys(struct restore *rs)
{
	char name[16];
	struct slice v;
	int r = slots_open(rs->slots, &rs->keys);

	if (r == VERR_NOTFOUND)
		r = slots_open_as(rs->slots, rs->k->slots, &rs->keys);
	for (uint32_t i = 0; r == VERR_NOTFOUND && i < SLOTS_MAX; i++) {
		(void)snprintf(name, sizeof(name), "unlock.%u", i);
		if (!act_given(rs->act, name, &v))
			continue;
		if (slots_unseal(rs->slots, i, v, &rs->keys) == 0)
			r = 0;
	}
	return r;
}

/*
 * Is it a whole store, and one that may come here?  NULL, or why not.
 */
static const char *
check(struct restore *rs, enum refusal *ret_refusal)
{
	uint8_t root[INDEX_HASH_LEN], id[ROW_ID_LEN];
	char vault[2 * VAULT_ID_LEN + 1];
	struct super super;
	struct slice word;

	*ret_refusal = REFUSED_STORE;
	if (rs->super == NULL || slots_count(rs->slots) == 0)
		return "the backup is not a vault's: it has no super row or no "
		       "key slot";
	*ret_refusal = REFUSED_UNSEAL;
	if (find_keys(rs) != 0)
		return "none of the secrets at hand opens a key slot of the "
		       "backup: give the key file of one (--slot-file N=FILE)";
	*ret_refusal = REFUSED_STORE;
	super_id(rs->keys, id);
	if (memcmp(id, rs->super_id, ROW_ID_LEN) != 0 ||
	    super_open(rs->keys, rs->generation,
	        slice_of(rs->super, rs->super_len), &super) != 0)
		return "the backup's super row is damaged, or another vault's";
	index_root(rs->index, root);
	if (memcmp(root, super.root, INDEX_HASH_LEN) != 0)
		return "rows of the backup were changed, removed or added: "
		       "they do not match its sealed root";
	*ret_refusal = REFUSED_EXISTS;
	(void)sodium_bin2hex(
	    vault, sizeof(vault), keys_vault_id(rs->k->keys), VAULT_ID_LEN);
	if (memcmp(super.vault_id, keys_vault_id(rs->k->keys), VAULT_ID_LEN) !=
	        0 &&
	    index_count(rows_index(rs->k->rows), ROW_PROFILE) > 0 &&
	    !(act_given(rs->act, "replace", &word) && slice_is(word, vault)))
		return "the backup is another vault's, and this one has "
		       "profiles, which would be lost: --replace-vault ID "
		       "with this vault's id (vaultctl status) says that it is "
		       "meant";
	return NULL;
}

/*
 * What opens this machine's vault at start shall open the restored one.
 */
static int
add_file_slots(struct restore *rs)
{
	static const enum slot_kind kinds[FILE_SLOTS] = {
	    SLOT_KEYFILE, SLOT_CREDENTIAL};
	int r;

	for (size_t i = 0; i < FILE_SLOTS; i++) {
		const uint8_t *key = slots_file(rs->slots, kinds[i]);
		struct slot s = {.kind = kinds[i],
		    .number = slots_free_number(rs->slots),
		    .created = keeper_time()};
		struct change *c = &rs->commit.changes[rs->commit.n];
		uint8_t *body = rs->bodies[rs->commit.n];

		if (key == NULL || slots_file_fits(rs->slots, kinds[i]))
			continue;
		if (s.number == SLOTS_MAX)
			return VERR_TOOBIG;
		keys_seal_slot(rs->keys, &s, key, body);
		if ((r = slots_set(rs->slots, slice_of(body, SLOT_BODY_LEN))) !=
		        0 ||
		    (r = slots_learn(rs->slots, s.number, key)) != 0)
			return r;
		*c = (struct change){.kind = ROW_SLOT,
		    .generation = 1,
		    .body = slice_of(body, SLOT_BODY_LEN)};
		keys_slot_id(s.number, c->id);
		rs->commit.n++;
	}
	return 0;
}

static void
on_opened(void *arg, const char *why)
{
	struct restore *rs = arg;
	struct act *a = rs->act;

	if (why != NULL) {
		(void)act_refuse(a, REFUSED_STORE, "%s", why);
		act_conclude(a);
		return;
	}
	sweep_resume(rs->k);
	(void)snprintf(a->change, sizeof(a->change),
	    "the store of generation %llu was restored, %llu rows",
	    (unsigned long long)rs->generation, (unsigned long long)rs->rows);
	memcpy(a->sentence, a->change, sizeof(a->sentence));
	act_conclude(a);
}

static void
on_committed(void *arg, int r)
{
	struct restore *rs = arg;
	struct keeper *k = rs->k;
	struct slots *slots = k->slots;
	struct keys *keys = k->keys;

	if (r != 0) {
		rs->index = rs->commit.restore;
		give_up(rs, REFUSED_STORE,
		    r == VERR_NOSPACE ? "the disk is full: nothing has changed"
		                      : "the store could not be replaced: "
		                        "nothing has changed");
		return;
	}
	rs->stage = STAGE_OVER;
	k->slots = rs->slots;
	k->keys = rs->keys;
	k->key_life++;
	rs->slots = slots; /* to be released */
	rs->keys = keys;
	links_forget(k->links);
	signer_forget(k->signer, NULL);
	rows_reopen(k->rows, on_opened, rs);
}

int
restore_read(struct keeper *k, const struct rec_STAGE_END *m)
{
	struct restore *rs = k->restore;
	enum refusal refusal = REFUSED_STORE;
	const char *why;

	if (rs == NULL || m->stage != rs->id || m->error > 100)
		return VERR_FORBIDDEN;
	if (rs->stage != STAGE_READING)
		return 0;
	if (m->error != 0 || m->rows != rs->rows)
		why = "the backup could not be read back";
	else if ((why = check(rs, &refusal)) == NULL && add_file_slots(rs) != 0)
		why = "all key slots of the backup are in use: none is left "
		      "for this machine's";
	if (why != NULL) {
		give_up(rs, refusal, why);
		return 0;
	}
	rs->stage = STAGE_COMMIT;
	rs->commit.done = on_committed;
	rs->commit.arg = rs;
	rs->commit.erase = true;
	rs->commit.keys = rs->keys;
	rs->commit.restore = rs->index;
	rs->commit.restore_generation = rs->generation;
	rs->index = NULL;
	rows_commit(k->rows, &rs->commit);
	return 0;
}

void
restore_lost(struct keeper *k)
{
	struct restore *rs = k->restore;

	if (rs == NULL || rs->stage >= STAGE_COMMIT)
		return; /* a commit goes on with the ledger that follows */
	give_up(rs, REFUSED_STORE,
	    "the ledger was lost meanwhile: nothing has changed");
}
