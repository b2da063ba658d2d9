/*
 * keys - the key hierarchy, and everything that is sealed under it.
 *
 *	slot -> root key -> customer key -> data key -> secret
 *
 * The root key is random and never used itself: crypto_kdf gives one subkey
 * per purpose.  Customer keys and data keys are random too, so that destroying
 * one destroys what it sealed.  All sealing is XChaCha20-Poly1305 with random
 * nonces (libsodium), plaintexts padded into buckets.
 *
 * Everything sealed names the epoch of the key that sealed it: of the root for
 * rows and customers' keys, of the customer's key for secrets.  While a key is
 * being replaced both its epochs can be read, and only the new one is sealed
 * under.  The ids of rows come from a key of their own, which stays.
 *
 * Associated data, little-endian, bind a row to its place:
 *	"vaultrow" || vault id[16] || row id[16] || u32 kind ||
 *	u64 generation || u32 key epoch || link[32] || u32 padded length
 * "link" is the hash of a profile's sealed settings for a secret (where it may
 * go, and how), the epoch of a customer's key in its row, else zero.  A secret
 * is bound to the generation in which it was sealed; that it is the one in
 * force, its data key's wrap says, which is renewed with the row.
 *
 * SECRETS	root and subkeys live in the arena from keys_open() to
 *		keys_free(); opened secrets in the arena until secret_free().
 */
#ifndef KEEPER_KEYS_H
#define KEEPER_KEYS_H

#include "protocol/change.h"
#include "vaultd/keeper/slot.h"

#define KEY_LEN      32
#define VAULT_ID_LEN SLOT_ID_LEN
#define LINK_LEN     32
#define SECRET_MAX   65000 /* bytes of one plaintext */
#define SEALED_MAX   (65536 + 512)

enum row_kind {
	ROW_SLOT = 1, /* the root key, sealed under what opens the slot */
	ROW_SUPER,    /* generation, index root and audit frontier */
	ROW_CUSTOMER, /* a customer's key, sealed under the root */
	ROW_PROFILE,
	ROW_CREDENTIAL,
	ROW_OLD_ROOT, /* while it is being replaced, under the new one */
	ROW_SWEEP,    /* what is being replaced or destroyed, row by row */
	ROW_STAGED,   /* a profile's next credential */
};

struct keys;

/*
 * Make a new hierarchy.  Returns 0 or VERR_NOMEM.
 */
MUST_CHECK
int keys_make(struct keys **ret);

/*
 * Open the hierarchy through a slot that slot_parse() takes.
 * Returns 0, VERR_NOMEM, or VERR_AUTH: another key, or a damaged slot.
 */
MUST_CHECK
int keys_open(const uint8_t body[static SLOT_BODY_LEN],
    const uint8_t key[static SLOT_KEY_LEN], struct keys **ret);

/* Wipes.  NULL is a no-op. */
void keys_free(struct keys *k);

/*
 * Put the root key into a slot, of which everything but epoch and vault is
 * filled in.
 */
void keys_seal_slot(const struct keys *k, struct slot *s,
    const uint8_t key[static SLOT_KEY_LEN],
    uint8_t ret_body[static SLOT_BODY_LEN]);

/* The vault's identity, for ever. */
const uint8_t *keys_vault_id(const struct keys *k);

/* The epoch of the root key, from 1. */
uint32_t keys_epoch(const struct keys *k);

/*
 * The id of the row of "kind" that is called "name": a keyed hash, so that a
 * stolen store shows no names.
 */
void keys_row_id(const struct keys *k, enum row_kind kind, struct slice name,
    uint8_t ret[static ROW_ID_LEN]);

/* The id of a key slot, which must be found before there is a key. */
void keys_slot_id(uint32_t number, uint8_t ret[static ROW_ID_LEN]);

/* Which row is meant. */
struct row_place {
	uint8_t id[ROW_ID_LEN];
	enum row_kind kind;
	uint64_t generation;
};

/*
 * Seal a row that holds no secret under the root's subkey for its kind.
 * "out" has SEALED_MAX bytes.  Returns 0 or VERR_TOOBIG.
 */
MUST_CHECK
int keys_seal_row(const struct keys *k, const struct row_place *at,
    struct slice plain, uint8_t *out, size_t *ret_len);

/*
 * Open it: *ret_plain is malloc'ed, *ret_len bytes, the caller's to free.
 * Returns 0, VERR_NOMEM, VERR_FORMAT or VERR_AUTH.
 */
MUST_CHECK
int keys_open_row(const struct keys *k, const struct row_place *at,
    struct slice sealed, uint8_t **ret_plain, size_t *ret_len);

/* A customer's row as it was fetched: what its secrets are sealed under. */
struct customer_row {
	struct row_place at;
	struct slice sealed;
};

/*
 * Make a customer's first key: the body of its row, KEYS_CUSTOMER_MAX bytes.
 * Returns 0 or VERR_NOMEM.
 */
#define KEYS_CUSTOMER_MAX 256
MUST_CHECK
int keys_make_customer(const struct keys *k, const struct row_place *at,
    uint8_t *out, size_t *ret_len);

/*
 * The body of a customer's row at its next generation, under the present root:
 * with the keys that it has; with a new key in force beside the one there was;
 * or with the one in force alone.
 * Returns 0, VERR_NOMEM, VERR_EXISTS (a new key while there are two), or
 * VERR_AUTH and VERR_FORMAT: the old row does not open.
 */
enum customer_change { CUSTOMER_REWRAP, CUSTOMER_NEW_KEY, CUSTOMER_ONE_KEY };
MUST_CHECK
int keys_change_customer(const struct keys *k,
    const struct customer_row *customer, enum customer_change change,
    const struct row_place *at, uint8_t *out, size_t *ret_len);

/*
 * Seal "secret" under a data key of its own, and that under the customer's.
 * "out" has SEALED_MAX bytes.  Returns 0, VERR_NOMEM, VERR_TOOBIG, or
 * VERR_AUTH: the customer's row does not open.
 */
MUST_CHECK
int keys_seal_secret(const struct keys *k, const struct customer_row *customer,
    const struct row_place *at, const uint8_t link[static LINK_LEN],
    struct slice secret, uint8_t *out, size_t *ret_len);

/*
 * Open it: *ret_secret lies in the arena, *ret_len bytes, to be given to
 * secret_free().  Returns 0, VERR_NOMEM, VERR_FORMAT or VERR_AUTH.
 */
MUST_CHECK
int keys_open_secret(const struct keys *k, const struct customer_row *customer,
    const struct row_place *at, const uint8_t link[static LINK_LEN],
    struct slice sealed, uint8_t **ret_secret, size_t *ret_len);

/*
 * The secret in "sealed", its data key wrapped anew under the customer's key in
 * force, for the row's next generation.  Returns as keys_seal_secret().
 */
MUST_CHECK
int keys_rewrap_secret(const struct keys *k,
    const struct customer_row *customer, const struct row_place *from,
    struct slice sealed, const struct row_place *at, uint8_t *out,
    size_t *ret_len);

/*
 * Is it sealed under a key that is being replaced?  Of a row or a customer's
 * key: the root; of a secret: the customer's key.
 */
bool keys_is_old(const struct keys *k, struct slice sealed);
bool keys_is_old_secret(
    const struct customer_row *customer, struct slice sealed);

/*
 * Replacing the root.  keys_next() makes the hierarchy under a new root, which
 * can read what the old one sealed; keys_seal_old() is the body of ROW_OLD_ROOT
 * by which keys_open_old() gets that back after a restart; keys_drop_old()
 * forgets it.  Return 0, VERR_NOMEM, and VERR_AUTH or VERR_FORMAT: the row is
 * damaged.
 */
MUST_CHECK
int keys_next(const struct keys *k, struct keys **ret);
void keys_seal_old(const struct keys *k, const struct row_place *at,
    uint8_t *out, size_t *ret_len);
MUST_CHECK
int keys_open_old(
    struct keys *k, const struct row_place *at, struct slice sealed);
void keys_drop_old(struct keys *k);

#endif /* KEEPER_KEYS_H */
