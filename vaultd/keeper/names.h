/*
 * names - users and groups, from the text of /etc/passwd and /etc/group.
 */
#ifndef KEEPER_NAMES_H
#define KEEPER_NAMES_H

#include "policy/policy.h"
#include "protocol/slice.h"

struct names;

/*
 * Read both texts; lines that are not well-formed are passed over, as libc
 * does.  Keeps copies.  Returns 0 or VERR_NOMEM.
 */
MUST_CHECK
int names_new(struct slice passwd, struct slice group, struct names **ret);
void names_free(struct names *n);

/*
 * How policy_parse() asks; borrows "n".
 */
struct policy_names names_for_policy(struct names *n);

/*
 * The name of a number, or "" if it has none.  Borrowed.
 */
const char *names_user(const struct names *n, uint32_t uid);
const char *names_group(const struct names *n, uint32_t gid);

/*
 * What "user" would be: uid, primary group and up to "cap" supplementary
 * groups, of which *ret_ngroups are filled in.  Returns 0 or VERR_NOTFOUND.
 */
MUST_CHECK
int names_principal(const struct names *n, const char *user, uint32_t *ret_uid,
    uint32_t *ret_gid, uint32_t *groups, size_t cap, size_t *ret_ngroups);

#endif /* KEEPER_NAMES_H */
