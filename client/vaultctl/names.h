/*
 * names - users and groups as vaultd knows them: from /etc/passwd and
 *	   /etc/group alone.
 */
#ifndef VAULTCTL_NAMES_H
#define VAULTCTL_NAMES_H

#include "policy/policy.h"

/* For policy_parse(); constant. */
extern const struct policy_names names_local;

#endif /* VAULTCTL_NAMES_H */
