/*
 * dev - a working vault out of nothing, for the user who asks.
 */
#ifndef SUPERVISOR_DEV_H
#define SUPERVISOR_DEV_H

#include "vaultd/supervisor/files.h"

/*
 * Make the folder "path" with config, policy and key in it; one that has a
 * config already is left as it is.  *ret_config is the config's path, to be
 * freed.  Returns 0, VERR_NOMEM, or VERR_IO with a sentence.
 */
MUST_CHECK
int dev_make(const char *path, char **ret_config, char why[WHY_MAX]);

#endif /* SUPERVISOR_DEV_H */
