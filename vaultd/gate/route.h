/*
 * route - whose request it is: the two forms of http.sock's targets.
 */
#ifndef GATE_ROUTE_H
#define GATE_ROUTE_H

#include "protocol/slice.h"
#include "protocol/verr.h"

#define ROUTE_PROFILE_MAX 127 /* CUSTOMER/NAME */

struct route {
	char profile[ROUTE_PROFILE_MAX + 1]; /* empty: the gate's own "/-/" */
	struct slice target; /* for the upstream; or what follows "/-/" */
};

/*
 * Return whether "s" is CUSTOMER/NAME, and whether it is one such id.
 */
int route_is_profile(struct slice s);
int route_is_id(struct slice s);

/*
 * Find the profile that "target" (origin-form) and "host" name, by
 * "PROFILE.CUSTOMER.vaultd" or "/CUSTOMER/PROFILE/...".  The rest of the
 * target is passed on as it is; nothing in it is decoded.
 * Returns 0, or VERR_FORMAT: neither names a profile.
 */
MUST_CHECK
int route_find(struct slice target, struct slice host, struct route *ret);

#endif /* GATE_ROUTE_H */
