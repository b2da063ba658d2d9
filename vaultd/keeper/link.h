/*
 * link - a profile with its rows: fetched together, resolved, opened.
 *
 * What request and act have in common.
 */
#ifndef KEEPER_LINK_H
#define KEEPER_LINK_H

#include "vaultd/keeper/courier.h"
#include "vaultd/keeper/render.h"
#include "vaultd/keeper/rows.h"

struct link {
	struct keeper *k;
	char name[PROFILE_MAX + 1]; /* customer/profile */
	struct profile_id id;
	struct fetch profile_row, credential_row, customer_row;
	size_t fetching;
	void (*fetched)(void *arg);
	void *arg;
	/* After "fetched", if profile_row.r is 0: */
	struct profile profile;
	/* After link_resolve(): */
	struct catalog_link to;
};

/*
 * Fetch the rows of "name", which must be a valid CUSTOMER/NAME; "fetched"
 * follows, never from within.  Returns 0 or VERR_FORMAT.
 */
MUST_CHECK
int link_fetch(struct link *l, struct keeper *k, struct slice name,
    void (*fetched)(void *arg), void *arg);

/*
 * Work out where "p" goes under the catalog in force.  Returns 0,
 * VERR_NOTFOUND (no such system), or VERR_FORMAT with a sentence in "why".
 */
MUST_CHECK
int link_resolve(
    struct link *l, const struct profile *p, char why[static CATALOG_WHY_MAX]);

/*
 * True if the rows are still those in force.
 */
bool link_is_current(const struct link *l);

/*
 * Open the credential: *ret_secret are pairs in the arena, to be given to
 * secret_free().  Returns 0, or VERR_AUTH and the like: the rows do not belong
 * together.
 */
MUST_CHECK
int link_open(const struct link *l, uint8_t **ret_secret, size_t *ret_len);

/*
 * Release what was fetched.
 */
void link_release(struct link *l);

#endif /* KEEPER_LINK_H */
