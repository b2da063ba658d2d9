/*
 * users - names in /etc/passwd and /etc/group, and in nothing else: no NSS,
 *	   which could load code or ask the network.
 */
#ifndef SUPERVISOR_USERS_H
#define SUPERVISOR_USERS_H

#include <stdint.h>

#include "protocol/slice.h"
#include "protocol/verr.h"

/*
 * Find "name" in the text of /etc/passwd.
 * Returns 0 or VERR_NOTFOUND; malformed lines are passed over.
 */
MUST_CHECK
int users_find(struct slice passwd, const char *name, uint32_t *ret_uid,
    uint32_t *ret_gid);

/*
 * Find the group "name", or a plain number, in the text of /etc/group.
 * Returns 0 or VERR_NOTFOUND.
 */
MUST_CHECK
int users_find_group(struct slice group, const char *name, uint32_t *ret_gid);

#endif /* SUPERVISOR_USERS_H */
