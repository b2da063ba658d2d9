/*
 * allowlist - what the supervisor may still do once it serves.
 */
#ifndef SUPERVISOR_ALLOWLIST_H
#define SUPERVISOR_ALLOWLIST_H

#include "vaultd/base/walls.h"
#include "vaultd/supervisor/config.h"

#define SUPERVISOR_PATHS_MAX (CONFIG_CATALOGS_MAX + 16)

/* The walls with the paths that they point to. */
struct supervisor_walls {
	struct walls walls;
	struct wall_path paths[SUPERVISOR_PATHS_MAX];
	char *own[2]; /* folders of files, to be freed */
};

/*
 * Fill in "w" for this config and the folder of the built-in catalog.
 * Returns 0 or VERR_NOMEM.
 */
MUST_CHECK
int allowlist_make(
    struct supervisor_walls *w, const struct config *c, const char *catalog);

void allowlist_free(struct supervisor_walls *w);

extern const struct wall_rule allowlist_rules[];
extern const size_t allowlist_rules_len;

#endif /* SUPERVISOR_ALLOWLIST_H */
