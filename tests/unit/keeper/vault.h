/*
 * vault - customers, profiles and their secrets in the played ledger's store,
 *	   as acts put them there.
 */
#ifndef TESTS_UNIT_KEEPER_VAULT_H
#define TESTS_UNIT_KEEPER_VAULT_H

#include "tests/unit/keeper/ledger.h"

static struct {
	struct commit commit;
	uint8_t body[COMMIT_CHANGES][SEALED_MAX];
	size_t calls;
	int r;
	struct fetch fetch[2];
	size_t fetched;
} vault;

static const uint8_t vault_link[LINK_LEN] = "where it may go";

static inline void
vault_on_committed(void *arg, int r)
{
	(void)arg;
	vault.calls++;
	vault.r = r;
}

static inline void
vault_begin(void)
{
	vault.commit = (struct commit){.done = vault_on_committed};
	vault.calls = 0;
}

/*
 * The next change: of the row "id"; its body is vault.body[*], to be given a
 * length.
 */
static inline struct change *
vault_add(enum row_kind kind, const uint8_t *id, struct row_place *ret_at)
{
	size_t i = vault.commit.n++;
	struct change *c = &vault.commit.changes[i];

	*c = (struct change){.kind = kind};
	memcpy(c->id, id, ROW_ID_LEN);
	rows_next_generation(k->rows, c);
	c->body.p = vault.body[i];
	*ret_at = (struct row_place){.kind = kind, .generation = c->generation};
	memcpy(ret_at->id, id, ROW_ID_LEN);
	return c;
}

static inline struct change *
vault_add_named(enum row_kind kind, const char *name, struct row_place *ret_at)
{
	uint8_t id[ROW_ID_LEN];

	keys_row_id(k->keys, kind, slice_str(name), id);
	return vault_add(kind, id, ret_at);
}

static inline uint8_t *
vault_last_body(void)
{
	return vault.body[vault.commit.n - 1];
}

static inline int
vault_commit(void)
{
	rows_commit(k->rows, &vault.commit);
	for (int i = 0; i < 20 && vault.calls == 0; i++)
		ledger_play(); /* long records come in pieces */
	assert_int_equal(vault.calls, 1);
	return vault.r;
}

static inline void
vault_on_fetched(void *arg, struct fetch *f)
{
	(void)arg;
	(void)f;
	vault.fetched++;
}

/*
 * Fetch the row into vault.fetch[i].  Returns what became of it.
 */
static inline int
vault_fetch(size_t i, enum row_kind kind, const char *name)
{
	struct fetch *f = &vault.fetch[i];

	*f = (struct fetch){.done = vault_on_fetched};
	keys_row_id(k->keys, kind, slice_str(name), f->id);
	vault.fetched = 0;
	rows_fetch(k->rows, f);
	ledger_play();
	assert_int_equal(vault.fetched, 1);
	return f->r;
}

static inline void
vault_customer(const char *profile, char *ret)
{
	size_t n = strcspn(profile, "/");

	memcpy(ret, profile, n);
	ret[n] = '\0';
}

/*
 * Prepare the rows of "profile": a customer's key, if there is none.
 */
static inline void
vault_seal_profile(const char *profile, const char *secret)
{
	const struct profile p = {.name = profile,
	    .system = "none",
	    .status = STATUS_ACTIVE,
	    .version = 1};
	struct customer_row customer;
	struct row_place at;
	uint8_t plain[1024];
	struct change *c;
	char owner[64];
	size_t len;

	vault_customer(profile, owner);
	if (vault_fetch(0, ROW_CUSTOMER, owner) == 0) {
		customer.at = vault.fetch[0].at;
		customer.sealed =
		    slice_of(vault.fetch[0].body, vault.fetch[0].len);
	}
	vault_begin();
	c = vault_add_named(ROW_PROFILE, profile, &at);
	assert_int_equal(profile_encode(&p, plain, sizeof(plain), &len), 0);
	assert_int_equal(keys_seal_row(k->keys, &at, slice_of(plain, len),
	                     vault_last_body(), &c->body.n),
	    0);
	if (vault.fetch[0].r != 0) {
		c = vault_add_named(ROW_CUSTOMER, owner, &customer.at);
		assert_int_equal(keys_make_customer(k->keys, &customer.at,
		                     vault_last_body(), &c->body.n),
		    0);
		customer.sealed = c->body;
	}
	c = vault_add_named(ROW_CREDENTIAL, profile, &at);
	assert_int_equal(keys_seal_secret(k->keys, &customer, &at, vault_link,
	                     slice_str(secret), vault_last_body(), &c->body.n),
	    0);
	fetch_release(&vault.fetch[0]);
}

static inline void
vault_put(const char *profile, const char *secret)
{
	vault_seal_profile(profile, secret);
	assert_int_equal(vault_commit(), 0);
}

/*
 * The secret of "profile" as it can be had from the store, or NULL.
 */
static inline const char *
vault_secret(const char *profile)
{
	static char text[64];
	struct customer_row customer;
	struct fetch *f = vault.fetch;
	uint8_t *secret;
	char owner[64];
	size_t len;
	int r;

	vault_customer(profile, owner);
	if ((r = vault_fetch(0, ROW_CUSTOMER, owner)) == 0 &&
	    (r = vault_fetch(1, ROW_CREDENTIAL, profile)) == 0) {
		customer.at = f[0].at;
		customer.sealed = slice_of(f[0].body, f[0].len);
		r = keys_open_secret(k->keys, &customer, &f[1].at, vault_link,
		    slice_of(f[1].body, f[1].len), &secret, &len);
		fetch_release(&f[1]);
	}
	fetch_release(&f[0]);
	if (r != 0)
		return NULL;
	assert_true(len < sizeof(text));
	memcpy(text, secret, len);
	text[len] = '\0';
	secret_free(secret);
	return text;
}

/*
 * Prepare the replacement of the root, for which the first slot is a file's:
 * the keys that are in force once it is committed.
 */
static inline struct keys *
vault_seal_next_root(void)
{
	struct keys *next = NULL;
	struct row_place at;
	uint8_t id[ROW_ID_LEN];
	struct change *c;
	struct slot s;

	assert_int_equal(keys_next(k->keys, &next), 0);
	vault_begin();
	keys_slot_id(0, id);
	c = vault_add(ROW_SLOT, id, &at);
	s = *slots_get(k->slots, 0);
	keys_seal_slot(next, &s, slots_key(k->slots, 0), vault_last_body());
	c->body.n = SLOT_BODY_LEN;
	c = vault_add_named(ROW_OLD_ROOT, OLD_ROOT_NAME, &at);
	keys_seal_old(next, &at, vault_last_body(), &c->body.n);
	vault.commit.keys = next;
	return next;
}

/* The root was replaced. */
static inline void
vault_take_root(struct keys *next)
{
	keys_free(k->keys);
	k->keys = next;
	assert_int_equal(slots_set(k->slots, vault.commit.changes[0].body), 0);
}

#endif /* TESTS_UNIT_KEEPER_VAULT_H */
