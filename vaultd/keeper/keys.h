/*
 * keys - the key hierarchy, and everything that is sealed under it.
 *
 *	slot (key file) -> root key -> customer key -> data key -> secret
 *
 * The root key is random and never used itself: crypto_kdf gives one subkey
 * per purpose.  Customer keys and data keys are random too, so that destroying
 * one destroys what it sealed.  All sealing is XChaCha20-Poly1305 with random
 * nonces (libsodium), plaintexts padded into buckets.
 *
 * Associated data, little-endian, bind a row to its place:
 *	"vaultrow" || vault id[16] || row id[16] || u32 kind ||
 *	u64 generation || u32 key epoch || link[32] || u32 padded length
 * "link" is the hash of a profile's sealed settings for a credential (where it
 * may go, and how), and zero for other rows.
 *
 * SECRETS	root and subkeys live in the arena from keys_open() to the end
 *		of the process; opened secrets in the arena until secret_free().
 */
#ifndef KEEPER_KEYS_H
#define KEEPER_KEYS_H

#include "protocol/change.h"

#define KEY_LEN       32
#define VAULT_ID_LEN  16
#define LINK_LEN      32
#define SECRET_MAX    65000 /* bytes of one plaintext */
#define SEALED_MAX    (65536 + 512)
#define SLOT_BODY_LEN (1 + 1 + 24 + KEY_LEN + 16)

enum row_kind {
	ROW_SLOT = 1, /* the root key, sealed under what opens the slot */
	ROW_SUPER,    /* generation, index root and audit frontier */
	ROW_CUSTOMER, /* a customer's key, sealed under the root */
	ROW_PROFILE,
	ROW_CREDENTIAL,
};

struct keys;

/*
 * Make a new hierarchy, with "ret_slot" as the slot that "key_file" opens.
 * Returns 0 or VERR_NOMEM.
 */
MUST_CHECK
int keys_make(const uint8_t key_file[static KEY_LEN],
    uint8_t ret_slot[static SLOT_BODY_LEN], struct keys **ret);

/*
 * Open the hierarchy with the slot.  Returns 0, VERR_NOMEM, VERR_FORMAT or
 * VERR_AUTH: another key, or a damaged slot.
 */
MUST_CHECK
int keys_open(const uint8_t key_file[static KEY_LEN], struct slice slot,
    struct keys **ret);

/*
 * The vault's identity: random at first, then as the super row says.
 */
const uint8_t *keys_vault_id(const struct keys *k);
void keys_set_vault_id(struct keys *k, const uint8_t id[static VAULT_ID_LEN]);

/*
 * The id of the row of "kind" that is called "name": a keyed hash, so that a
 * stolen store shows no names.
 */
void keys_row_id(const struct keys *k, enum row_kind kind, struct slice name,
    uint8_t ret[static ROW_ID_LEN]);

/* The id of the key slot, which must be found before there is a key. */
void keys_slot_id(uint8_t ret[static ROW_ID_LEN]);

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

/*
 * Make a customer's key: the body of its row.  Returns 0 or VERR_NOMEM.
 */
MUST_CHECK
int keys_make_customer(const struct keys *k, const struct row_place *at,
    uint8_t *out, size_t *ret_len);

/* A customer's row as it was fetched: what its secrets are sealed under. */
struct customer_row {
	struct row_place at;
	struct slice sealed;
};

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

#endif /* KEEPER_KEYS_H */
