#include "vaultd/keeper/operate.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <sodium.h>

#include "vaultd/base/log.h"
#include "vaultd/base/secret.h"
#include "vaultd/keeper/sign.h"
#include "vaultd/keeper/slots.h"
#include "vaultd/keeper/sweep.h"

#define TRY_MS_MAX 60000 /* the longest wait after a wrong secret */

/* What an act of this file has under way. */
struct operate {
	struct act *act;
	struct keeper *k;
	const struct operate_kind *kind;
	uint32_t number;  /* of a slot */
	struct slot slot; /* to be added */
	char customer[64];
	struct slice secret; /* of a slot, in the act */
	struct keys *next;   /* under a new root */
	struct fetch fetch;
	struct commit commit;
	uint8_t *bodies; /* BODY_MAX bytes a change */
	bool seal;       /* when the admin has the answer */
};

#define BODY_MAX 1024 /* of a slot, a customer, an old root, a sweep */

struct operate_kind {
	const char *name;
	/* Check what the act says.  Returns 0, or the refusal is set. */
	int (*prepare)(struct operate *o);
	/* Do it: act_conclude() follows. */
	void (*run)(struct operate *o);
};

static const struct operate_kind kinds[];

void
operate_release(struct act *act)
{
	struct operate *o = act->state;

	if (o->seal)
		channel_put(o->k->life.supervisor, REC_KEEPER_SEALS,
		    &(const union record){0}, -1);
	fetch_release(&o->fetch);
	keys_free(o->next);
	free(o->bodies);
	free(o);
}

static void
on_decided(struct act *act)
{
	struct operate *o = act->state;

	o->kind->run(o);
}

void
operate_begin(struct act *act)
{
	struct operate *o = calloc(1, sizeof(*o));
	struct matter m = act_matter(act, job_session(act->k, &act->job));
	bool permitted = matter_decide(act->k, &m);
	int r;

	if (o != NULL)
		o->bodies = calloc(COMMIT_CHANGES, BODY_MAX);
	if (o == NULL || o->bodies == NULL) {
		free(o);
		(void)act_refuse(act, REFUSED_BUDGET, "out of memory");
		act_reject(act, &m);
		return;
	}
	act->state = o;
	o->act = act;
	o->k = act->k;
	for (o->kind = kinds; strcmp(o->kind->name, act->kind->name) != 0;)
		o->kind++;
	r = permitted
	    ? 0
	    : act_refuse(act, m.refusal, "the policy does not permit it");
	if (r == 0 && o->kind->prepare != NULL)
		r = o->kind->prepare(o);
	if (r != 0)
		act_reject(act, &m);
	else
		act_decide(act, &m, on_decided);
}

static void
fail(struct operate *o, int r)
{
	(void)act_refuse(o->act,
	    r == VERR_STALE ? REFUSED_STALE : REFUSED_STORE,
	    r == VERR_STALE ? "something else changed the same rows: try again"
	                    : "the store cannot be written: %s",
	    verr_text(r));
	act_conclude(o->act);
}

static void __attribute__((format(printf, 2, 3)))
done(struct operate *o, const char *format, ...)
{
	struct act *a = o->act;
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(a->change, sizeof(a->change), format, ap);
	va_end(ap);
	if (a->sentence[0] == '\0')
		memcpy(a->sentence, a->change, sizeof(a->sentence));
	act_conclude(a);
}

/*
 * The next change of the commit: the row "id" of "kind".  Its body is to be
 * written to *ret_body, BODY_MAX bytes.
 */
static struct change *
add_change(struct operate *o, enum row_kind kind,
    const uint8_t id[static ROW_ID_LEN], uint8_t **ret_body,
    struct row_place *ret_at)
{
	struct change *c = &o->commit.changes[o->commit.n];

	*c = (struct change){.kind = kind};
	memcpy(c->id, id, ROW_ID_LEN);
	rows_next_generation(o->k->rows, c);
	*ret_body = o->bodies + o->commit.n * BODY_MAX;
	*ret_at = (struct row_place){.kind = kind, .generation = c->generation};
	memcpy(ret_at->id, id, ROW_ID_LEN);
	o->commit.n++;
	return c;
}

static struct change *
add_named(struct operate *o, enum row_kind kind, const char *name,
    uint8_t **ret_body, struct row_place *ret_at)
{
	uint8_t id[ROW_ID_LEN];

	keys_row_id(o->k->keys, kind, slice_str(name), id);
	return add_change(o, kind, id, ret_body, ret_at);
}

static void
commit(struct operate *o, void (*committed)(void *arg, int r), bool erase)
{
	o->commit.done = committed;
	o->commit.arg = o;
	o->commit.erase = erase;
	rows_commit(o->k->rows, &o->commit);
}

/*
 * Seal and unseal.
 */

static int
read_slot(struct operate *o)
{
	uint64_t n;

	if (!act_number(o->act, "slot", SLOTS_MAX - 1, &n) ||
	    slots_get(o->k->slots, (uint32_t)n) == NULL)
		return act_refuse(o->act, REFUSED_NOT_FOUND,
		    "there is no such key slot (vaultctl key slot list)");
	o->number = (uint32_t)n;
	return 0;
}

static int
prepare_unseal(struct operate *o)
{
	struct keeper *k = o->k;

	if (k->keys != NULL)
		return act_refuse(
		    o->act, REFUSED_EXISTS, "the vault is not sealed");
	if (keeper_time() < k->unseal_after) {
		o->act->retry_after =
		    (uint32_t)((k->unseal_after - keeper_time()) / 1000 + 1);
		return act_refuse(o->act, REFUSED_BUDGET,
		    "a wrong secret was given a moment ago");
	}
	if (!act_given(o->act, "unlock", &o->secret))
		return act_refuse(o->act, REFUSED_BAD_REQUEST,
		    "the secret of the slot is missing");
	return read_slot(o);
}

static void
on_unsealed(void *arg, const char *why)
{
	struct operate *o = arg;

	if (why != NULL) {
		keys_free(o->k->keys);
		o->k->keys = NULL;
		(void)act_refuse(o->act, REFUSED_STORE, "%s", why);
		act_conclude(o->act);
		return;
	}
	o->k->unseal_failures = 0;
	channel_put(o->k->life.supervisor, REC_KEEPER_OPENS,
	    &(const union record){0}, -1);
	sweep_resume(o->k);
	done(o, "the vault was unsealed by key slot %u", o->number);
}

static void
run_unseal(struct operate *o)
{
	struct keeper *k = o->k;
	uint64_t wait;
	int r = k->keys != NULL
	    ? VERR_EXISTS
	    : slots_unseal(k->slots, o->number, o->secret, &k->keys);

	if (r == 0) {
		rows_open(k->rows, on_unsealed, o);
		return;
	}
	if (r == VERR_AUTH || r == VERR_FORMAT) {
		k->unseal_failures += k->unseal_failures < 6;
		wait = 1000ULL << k->unseal_failures;
		k->unseal_after =
		    keeper_time() + (wait < TRY_MS_MAX ? wait : TRY_MS_MAX);
		(void)act_refuse(o->act, REFUSED_UNSEAL,
		    "the secret does not open key slot %u", o->number);
	} else {
		(void)act_refuse(o->act,
		    r == VERR_EXISTS ? REFUSED_EXISTS : REFUSED_BUDGET, "%s",
		    r == VERR_EXISTS ? "the vault is not sealed"
		                     : "out of locked memory");
	}
	act_conclude(o->act);
}

/*
 * The keeper ends, and with it everything that it has in memory; the one that
 * follows is not given the files.
 */
static void
run_seal(struct operate *o)
{
	o->seal = true;
	o->k->sealing = true;
	done(o, "the vault was sealed");
}

/*
 * Key slots.
 */

static int
read_stretch(struct operate *o)
{
	uint64_t passes = 0, memory = 0;
	struct slice salt;

	if (o->slot.kind != SLOT_PASSPHRASE)
		return 0;
	if (!act_number(o->act, "opslimit", SLOT_PASSES_MAX, &passes) ||
	    passes < SLOT_PASSES_MIN ||
	    !act_number(o->act, "memlimit", SLOT_MEMORY_MAX, &memory) ||
	    memory < SLOT_MEMORY_MIN || !act_given(o->act, "salt", &salt) ||
	    salt.n != SLOT_SALT_LEN)
		return act_refuse(o->act, REFUSED_BAD_REQUEST,
		    "a passphrase is stretched with at least 64 MiB in %d to "
		    "%d passes, and a salt of %d bytes",
		    SLOT_PASSES_MIN, SLOT_PASSES_MAX, SLOT_SALT_LEN);
	o->slot.passes = (uint32_t)passes;
	o->slot.memory = (uint32_t)memory;
	memcpy(o->slot.salt, salt.p, SLOT_SALT_LEN);
	return 0;
}

static int
read_title(struct operate *o)
{
	struct slice v;

	if (!act_given(o->act, "title", &v))
		return 0;
	if (v.n > SLOT_NAME_MAX)
		return act_refuse(o->act, REFUSED_BAD_REQUEST,
		    "a slot's name has at most %d bytes", SLOT_NAME_MAX);
	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] < 0x20 || v.p[i] == 0x7f)
			return act_refuse(o->act, REFUSED_BAD_REQUEST,
			    "a slot's name holds no control characters");
	memcpy(o->slot.name, v.p, v.n);
	return 0;
}

static int
prepare_slot_add(struct operate *o)
{
	struct slice v;
	int r;

	if (!act_given(o->act, "kind", &v) ||
	    slot_kind_parse(v, &o->slot.kind) != 0)
		return act_refuse(o->act, REFUSED_BAD_REQUEST,
		    "a slot is a keyfile, a passphrase or a credential");
	if ((r = read_stretch(o)) != 0 || (r = read_title(o)) != 0)
		return r;
	if (!act_given(o->act, "unlock", &o->secret) ||
	    o->secret.n !=
	        (o->slot.kind == SLOT_PASSPHRASE ? SLOT_KEY_LEN
	                                         : SLOT_FILE_LEN))
		return act_refuse(o->act, REFUSED_BAD_REQUEST,
		    "a key file has exactly %d bytes", SLOT_FILE_LEN);
	return 0;
}

static void
on_slot_added(void *arg, int r)
{
	struct operate *o = arg;
	uint8_t *key;

	if (r != 0) {
		fail(o, r);
		return;
	}
	key = secret_alloc(SLOT_KEY_LEN);
	/* Without its key the slot is as if it had been there at start. */
	if (slots_set(o->k->slots, o->commit.changes[0].body) != 0 ||
	    key == NULL || slot_key(o->slot.kind, o->secret, key) != 0 ||
	    slots_learn(o->k->slots, o->slot.number, key) != 0)
		log_say(LOG_NO_MEMORY, 0, 0, 0);
	secret_free(key);
	done(o, "key slot %u was added, %s%s%s", o->slot.number,
	    slot_kind_name(o->slot.kind), o->slot.name[0] != '\0' ? ": " : "",
	    o->slot.name);
}

static void
run_slot_add(struct operate *o)
{
	uint8_t id[ROW_ID_LEN], *body, *key;
	struct row_place at;
	struct change *c;

	o->slot.number = slots_free_number(o->k->slots);
	if (o->slot.number == SLOTS_MAX) {
		(void)act_refuse(o->act, REFUSED_TOO_LARGE,
		    "all %d key slots are in use", SLOTS_MAX);
		act_conclude(o->act);
		return;
	}
	o->slot.created = keeper_time();
	if ((key = secret_alloc(SLOT_KEY_LEN)) == NULL) {
		fail(o, VERR_NOMEM);
		return;
	}
	keys_slot_id(o->slot.number, id);
	c = add_change(o, ROW_SLOT, id, &body, &at);
	if (slot_key(o->slot.kind, o->secret, key) == 0)
		keys_seal_slot(o->k->keys, &o->slot, key, body);
	secret_free(key);
	c->body = slice_of(body, SLOT_BODY_LEN);
	commit(o, on_slot_added, false);
}

static int
prepare_slot_remove(struct operate *o)
{
	int r = read_slot(o);

	if (r == 0 && slots_count(o->k->slots) == 1)
		return act_refuse(o->act, REFUSED_EXISTS,
		    "it is the last key slot: without it the vault could never "
		    "be opened again");
	return r;
}

static void
on_slot_removed(void *arg, int r)
{
	struct operate *o = arg;

	if (r != 0) {
		fail(o, r);
		return;
	}
	slots_remove(o->k->slots, o->number);
	(void)snprintf(o->act->sentence, sizeof(o->act->sentence),
	    "key slot %u was removed.  Copies of the store that were made "
	    "before still have it: vaultctl key rotate --root leaves them "
	    "behind",
	    o->number);
	done(o, "key slot %u was removed", o->number);
}

static void
run_slot_remove(struct operate *o)
{
	uint8_t id[ROW_ID_LEN], *body;
	struct row_place at;

	keys_slot_id(o->number, id);
	add_change(o, ROW_SLOT, id, &body, &at)->generation = 0;
	commit(o, on_slot_removed, true);
}

/*
 * The rotation of the root.  Every slot gets the new one, so every slot's
 * secret is needed, or it is left behind.
 */

static bool
is_dropped(const struct operate *o, uint32_t number)
{
	char name[16];

	(void)snprintf(name, sizeof(name), "drop.%u", number);
	return act_is_set(o->act, name);
}

/*
 * See to it that the key of slot "number" is known.
 */
static int
learn_slot(struct operate *o, uint32_t number)
{
	char name[16];
	struct slice v;
	struct keys *keys;
	int r;

	if (slots_key(o->k->slots, number) != NULL)
		return 0;
	(void)snprintf(name, sizeof(name), "unlock.%u", number);
	if (!act_given(o->act, name, &v))
		return act_refuse(o->act, REFUSED_BAD_REQUEST,
		    "the secret of key slot %u is needed, or the slot has to "
		    "be dropped",
		    number);
	if ((r = slots_unseal(o->k->slots, number, v, &keys)) != 0)
		return act_refuse(o->act, REFUSED_UNSEAL,
		    "the secret does not open key slot %u", number);
	keys_free(keys);
	return 0;
}

/*
 * Nothing else may be replacing what would be replaced.
 */
static bool
is_occupied(const struct keeper *k)
{
	return sweep_is_on(k) || k->restore != NULL;
}

static int
refuse_second_sweep(struct operate *o)
{
	return act_refuse(o->act, REFUSED_STALE,
	    "another rotation, destruction or restore is under way (vaultctl "
	    "status)");
}

static int
prepare_rotate_root(struct operate *o)
{
	size_t kept = 0;
	int r;

	if (is_occupied(o->k))
		return refuse_second_sweep(o);
	for (uint32_t i = 0; i < SLOTS_MAX; i++) {
		if (slots_get(o->k->slots, i) == NULL || is_dropped(o, i))
			continue;
		if ((r = learn_slot(o, i)) != 0)
			return r;
		kept++;
	}
	if (kept == 0)
		return act_refuse(o->act, REFUSED_BAD_REQUEST,
		    "at least one key slot has to stay");
	return 0;
}

static void
on_root_rotated(void *arg, int r)
{
	struct operate *o = arg;
	struct keeper *k = o->k;

	if (r != 0) {
		fail(o, r);
		return;
	}
	for (uint32_t i = 0; i < SLOTS_MAX; i++)
		if (slots_get(k->slots, i) != NULL && is_dropped(o, i))
			slots_remove(k->slots, i);
	for (size_t i = 0; i < o->commit.n; i++)
		if (o->commit.changes[i].kind == ROW_SLOT &&
		    o->commit.changes[i].generation != 0 &&
		    slots_set(k->slots, o->commit.changes[i].body) != 0)
			break; /* it was made a moment ago */
	keys_free(k->keys);
	k->keys = o->next;
	k->key_life++;
	o->next = NULL;
	sweep_start(k, SWEEP_ROOT, NULL);
	(void)snprintf(o->act->sentence, sizeof(o->act->sentence),
	    "the root key was replaced, epoch %u; the rows follow.  A copy of "
	    "the store made before opens with the slots that it had then: "
	    "destroy the secrets of those too, if they may be in wrong hands",
	    keys_epoch(k->keys));
	done(o, "the root key was replaced, epoch %u", keys_epoch(k->keys));
}

static void
put_slots(struct operate *o)
{
	for (uint32_t i = 0; i < SLOTS_MAX; i++) {
		const struct slot *old = slots_get(o->k->slots, i);
		uint8_t id[ROW_ID_LEN], *body;
		struct row_place at;
		struct change *c;
		struct slot s;

		if (old == NULL)
			continue;
		keys_slot_id(i, id);
		c = add_change(o, ROW_SLOT, id, &body, &at);
		if (is_dropped(o, i)) {
			c->generation = 0;
			continue;
		}
		s = *old;
		keys_seal_slot(o->next, &s, slots_key(o->k->slots, i), body);
		c->body = slice_of(body, SLOT_BODY_LEN);
	}
}

static void
run_rotate_root(struct operate *o)
{
	struct row_place at;
	struct change *c;
	uint8_t *body;
	size_t len;

	/* What was true before the decision was on record is asked again. */
	if (prepare_rotate_root(o) != 0) {
		act_conclude(o->act);
		return;
	}
	if (keys_next(o->k->keys, &o->next) != 0) {
		fail(o, VERR_NOMEM);
		return;
	}
	put_slots(o);
	c = add_named(o, ROW_OLD_ROOT, OLD_ROOT_NAME, &body, &at);
	keys_seal_old(o->next, &at, body, &len);
	c->body = slice_of(body, len);
	o->commit.keys = o->next;
	commit(o, on_root_rotated, true);
}

/*
 * A customer's key: replaced, or destroyed.
 */

static int
prepare_customer(struct operate *o)
{
	uint8_t id[ROW_ID_LEN];
	struct slice v;

	if (is_occupied(o->k))
		return refuse_second_sweep(o);
	if (!act_given(o->act, "customer", &v) || v.n == 0 ||
	    v.n >= sizeof(o->customer))
		return act_refuse(o->act, REFUSED_BAD_REQUEST,
		    "a customer is named by [a-z0-9-], at most 63");
	memcpy(o->customer, v.p, v.n);
	keys_row_id(o->k->keys, ROW_CUSTOMER, v, id);
	if (index_find(rows_index(o->k->rows), id) == NULL)
		return act_refuse(o->act, REFUSED_NOT_FOUND,
		    "there is no such customer, or it has no key yet");
	memcpy(o->fetch.id, id, ROW_ID_LEN);
	return 0;
}

static int
put_sweep(struct operate *o, enum sweep_kind kind)
{
	struct row_place at;
	struct change *c;
	uint8_t *body;
	size_t len;
	int r;

	c = add_named(o, ROW_SWEEP, SWEEP_NAME, &body, &at);
	if ((r = sweep_seal(o->k->keys, &at, kind, o->customer, body, &len)) ==
	    0)
		c->body = slice_of(body, len);
	return r;
}

static void
on_customer_rotated(void *arg, int r)
{
	struct operate *o = arg;

	if (r != 0) {
		fail(o, r);
		return;
	}
	sweep_start(o->k, SWEEP_CUSTOMER, o->customer);
	done(o, "the key of customer %s was replaced", o->customer);
}

static void
on_customer_row(void *arg, struct fetch *f)
{
	struct operate *o = arg;
	struct customer_row row = {f->at, slice_of(f->body, f->len)};
	struct row_place at;
	struct change *c;
	uint8_t *body;
	size_t len;
	int r = f->r;

	if (r == 0 && is_occupied(o->k))
		r = VERR_STALE;
	if (r == 0) {
		c = add_change(o, ROW_CUSTOMER, f->id, &body, &at);
		r = keys_change_customer(
		    o->k->keys, &row, CUSTOMER_NEW_KEY, &at, body, &len);
		c->body = slice_of(body, r == 0 ? len : 0);
	}
	if (r == 0)
		r = put_sweep(o, SWEEP_CUSTOMER);
	if (r != 0)
		fail(o, r);
	else
		commit(o, on_customer_rotated, false);
}

static void
run_rotate_customer(struct operate *o)
{
	o->fetch.done = on_customer_row;
	o->fetch.arg = o;
	rows_fetch(o->k->rows, &o->fetch);
}

static void
on_customer_destroyed(void *arg, int r)
{
	struct operate *o = arg;

	if (r != 0) {
		fail(o, r);
		return;
	}
	signer_forget(o->k->signer, NULL);
	sweep_start(o->k, SWEEP_DESTROY, o->customer);
	(void)snprintf(o->act->sentence, sizeof(o->act->sentence),
	    "the key of customer %s is destroyed: level 1, live.  What it "
	    "sealed cannot be read from this store any more.  Copies made "
	    "before (backups, snapshots, worn blocks of an SSD) still have it "
	    "under the root of epoch %u; level 2, everywhere, holds after "
	    "\"vaultctl key rotate --root\" and once every secret that opened "
	    "a slot of that epoch is destroyed",
	    o->customer, keys_epoch(o->k->keys));
	done(o, "the key of customer %s was destroyed", o->customer);
}

static void
run_destroy_customer(struct operate *o)
{
	struct row_place at;
	uint8_t *body;
	int r;

	if (is_occupied(o->k)) {
		fail(o, VERR_STALE);
		return;
	}
	add_change(o, ROW_CUSTOMER, o->fetch.id, &body, &at)->generation = 0;
	if ((r = put_sweep(o, SWEEP_DESTROY)) != 0)
		fail(o, r);
	else
		commit(o, on_customer_destroyed, true);
}

static const struct operate_kind kinds[] = {
    {"unseal", prepare_unseal, run_unseal},
    {"seal", NULL, run_seal},
    {"slot-add", prepare_slot_add, run_slot_add},
    {"slot-remove", prepare_slot_remove, run_slot_remove},
    {"rotate-root", prepare_rotate_root, run_rotate_root},
    {"rotate-customer", prepare_customer, run_rotate_customer},
    {"destroy-customer", prepare_customer, run_destroy_customer},
};
