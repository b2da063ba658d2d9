/*
 * super - the row that vouches for the others: which vault this is, the
 *	   store's generation, the root over all rows, and of the audit log as
 *far as it had come.  Sealed anew with each commit.
 */
#ifndef KEEPER_SUPER_H
#define KEEPER_SUPER_H

#include "vaultd/keeper/audit.h"

struct super {
	uint8_t vault_id[VAULT_ID_LEN];
	uint64_t generation; /* of the store; also of the row */
	uint8_t root[INDEX_HASH_LEN];
	uint64_t audit_size;
	uint8_t audit_root[TREE_HASH_LEN]; /* of the log's first records */
};

void super_id(const struct keys *k, uint8_t ret[static ROW_ID_LEN]);

/*
 * The size of the log, which is in clear before the seal, too: it has to be
 * known before the keys are, and is no secret.  0 if there is none.
 */
uint64_t super_audit_size(struct slice sealed);

/*
 * Seal "s" into "out", SEALED_MAX bytes.  Returns 0 or VERR_TOOBIG.
 */
MUST_CHECK
int super_seal(
    const struct keys *k, const struct super *s, uint8_t *out, size_t *ret_len);

/*
 * Open the row that the ledger calls generation "generation".
 * Returns 0, VERR_AUTH, VERR_FORMAT or VERR_NOMEM.
 */
MUST_CHECK
int super_open(const struct keys *k, uint64_t generation, struct slice sealed,
    struct super *ret);

#endif /* KEEPER_SUPER_H */
