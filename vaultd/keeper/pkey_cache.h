/*
 * pkey_cache - a few opened keys: to open an RSA key costs half a signature,
 *		the blinding of the first use included, and to open a P-256 key
 *		several signatures.  Ed25519 keys are opened for each use.
 *
 * On the loop alone.  It has references of its own: a key that is dropped while
 * a thread signs with it lives until that signature is done.
 */
#ifndef KEEPER_PKEY_CACHE_H
#define KEEPER_PKEY_CACHE_H

#include "protocol/change.h"
#include "vaultd/keeper/pkey.h"

#define PKEY_CACHE_MAX  64
#define PKEY_CACHE_IDLE 60000 /* ms unused, then it is dropped */

struct pkey_cache {
	struct {
		uint8_t id[ROW_ID_LEN]; /* the credential's row */
		uint64_t version;
		uint64_t used; /* in loop_now()'s milliseconds */
		struct pkey *key;
	} entries[PKEY_CACHE_MAX];
};

/*
 * The key of the row in this version, with a reference for the caller; or NULL.
 */
struct pkey *pkey_cache_get(struct pkey_cache *c,
    const uint8_t id[static ROW_ID_LEN], uint64_t version, uint64_t now);

/*
 * Keep "key", a reference of the cache's own, in place of the one that was
 * longest unused.
 */
void pkey_cache_put(struct pkey_cache *c, const uint8_t id[static ROW_ID_LEN],
    uint64_t version, struct pkey *key, uint64_t now);

/* Drop all versions of the row; what was not used of late; everything. */
void pkey_cache_drop(struct pkey_cache *c, const uint8_t id[static ROW_ID_LEN]);
void pkey_cache_expire(struct pkey_cache *c, uint64_t now);
void pkey_cache_clear(struct pkey_cache *c);

#endif /* KEEPER_PKEY_CACHE_H */
