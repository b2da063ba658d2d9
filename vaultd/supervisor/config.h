/*
 * config - vaultd.conf, as packaging/vaultd.conf explains it.
 */
#ifndef SUPERVISOR_CONFIG_H
#define SUPERVISOR_CONFIG_H

#include <stddef.h>
#include <stdint.h>

#include "protocol/lex.h"

/* In the order of "room-uids"; the last is kept for token exchanges. */
#define CONFIG_UIDS         6
#define CONFIG_CATALOGS_MAX 16

struct config {
	char *folder; /* of the file; relative paths begin here */
	char *socket_dir;
	char *state_dir;
	char *key;
	char *credential; /* its name in $CREDENTIALS_DIRECTORY, or NULL */
	char *policy;
	char *ca_bundle;
	char *catalogs[CONFIG_CATALOGS_MAX]; /* beside the built-in ones */
	size_t ncatalogs;
	char *admin_group;  /* NULL: uid 0 alone is an admin */
	char *socket_group; /* NULL: as the process */
	uint32_t socket_mode;
	uint32_t room_uids[CONFIG_UIDS];
	int relaxed;
	int sync_every;
};

/*
 * Read the "len" bytes at "text", which are called "file" in errors and lie
 * in the absolute "folder".  Every path in *ret is then absolute.
 * Returns 0, VERR_NOMEM, VERR_TOOBIG or VERR_FORMAT with *ret_error filled in.
 */
MUST_CHECK
int config_parse(const char *file, const char *folder, const void *text,
    size_t len, struct config *ret, struct lex_error *ret_error);

/*
 * Release what config_parse() made; "c" is empty afterwards.
 */
void config_free(struct config *c);

#endif /* SUPERVISOR_CONFIG_H */
