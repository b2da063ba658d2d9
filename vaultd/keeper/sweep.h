/*
 * sweep - what becomes of the rows when a key was replaced or destroyed: they
 *	   are sealed anew, or removed, some at a time, while the vault serves.
 *
 *	root		profiles and customers' keys, under the new root
 *	customer	the customer's secrets, under its new key
 *	destroy		the customer's profiles are removed
 *
 * A row in the store says that it is under way, so that a restart goes on with
 * it: ROW_OLD_ROOT for the root, else ROW_SWEEP.  That row is the last to go,
 * and with it the old key.  One sweep at a time.
 */
#ifndef KEEPER_SWEEP_H
#define KEEPER_SWEEP_H

#include "vaultd/keeper/json.h"
#include "vaultd/keeper/rows.h"

#define SWEEP_NAME "sweep" /* of its row */

enum sweep_kind { SWEEP_ROOT, SWEEP_CUSTOMER, SWEEP_DESTROY };

/* "rotate-root", "rotate-customer", "destroy-customer". */
const char *sweep_name(enum sweep_kind kind);

/*
 * The body of ROW_SWEEP for its place "at": SEALED_MAX bytes.
 * Returns as keys_seal_row().
 */
MUST_CHECK
int sweep_seal(const struct keys *keys, const struct row_place *at,
    enum sweep_kind kind, const char *customer, uint8_t *out, size_t *ret_len);

/*
 * Begin one whose row was committed.  "customer" is NULL for the root.
 */
void sweep_start(struct keeper *k, enum sweep_kind kind, const char *customer);

/*
 * The vault was opened: go on with what an earlier life has begun.
 */
void sweep_resume(struct keeper *k);

/*
 * True while one is under way; or one that destroys the customer of "profile".
 */
bool sweep_is_on(const struct keeper *k);
bool sweep_destroys(const struct keeper *k, const char *profile);

/* Its row of "status". */
void sweep_json(const struct keeper *k, struct json *j);

#endif /* KEEPER_SWEEP_H */
