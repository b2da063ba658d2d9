/*
 * act - an act of administration while it is put together: the pairs of
 *	 protocol/act.h.
 */
#ifndef VAULTCTL_ACT_H
#define VAULTCTL_ACT_H

#include "client/vaultctl/ctl.h"
#include "client/vaultctl/intake.h"
#include "policy/catalog.h"

#define ACT_PAIRS_MAX (CATALOG_INPUTS_MAX + INTAKE_FIELDS_MAX + 16)
#define ACT_NAME_MAX  128

struct act {
	size_t n;
	struct vault_pair pairs[ACT_PAIRS_MAX];
	char names[ACT_PAIRS_MAX][ACT_NAME_MAX];
	size_t nfiles;
	char *files[CATALOG_INPUTS_MAX]; /* contents that settings named */
	char days[16];
	bool sealed; /* a setting says where the credential goes */
};

/* Zeroed is empty; what is added is borrowed, but for the names. */
void act_free(struct act *act);

/*
 * Add "value" as "prefix" and "name".  A value that is NULL is not added.
 */
void act_text(
    struct act *act, const char *prefix, const char *name, const char *value);

/* The same for bytes. */
void act_bytes(struct act *act, const char *prefix, const char *name,
    const void *value, size_t len);

/*
 * Add the options that all kinds of change share, checked: title, health,
 * expires, rotate-every, no-verify, new-account.  Returns STATUS_DONE or what
 * to exit with, having said why.
 */
MUST_CHECK
int act_options(struct ctl *ctl, struct act *act);

/*
 * Add every --set, checked against the inputs of the catalog's row "system".
 * With "whole" those that are required have to be among them.
 */
MUST_CHECK
int act_settings(struct ctl *ctl, struct act *act, json_t *system, bool whole);

/* Add the fields of a credential, which stay in its memory. */
void act_intake(struct act *act, const struct intake *intake);

/* Seal and send it, and print what the vault says. */
MUST_CHECK
int act_send(struct ctl *ctl, const struct act *act);

#endif /* VAULTCTL_ACT_H */
