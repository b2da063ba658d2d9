/*
 * load - the config file, found, trusted and read.
 */
#ifndef SUPERVISOR_LOAD_H
#define SUPERVISOR_LOAD_H

#include "vaultd/supervisor/config.h"
#include "vaultd/supervisor/files.h"

/*
 * Read "file", which lies in the absolute "folder"; NULL: find out which.
 * Returns 0 and the config, or an error with a sentence, or the three lines
 * of lex_format(), in "why".
 */
MUST_CHECK
int load_config(const char *file, const char *folder, struct config *ret,
    char why[WHY_MAX]);

#endif /* SUPERVISOR_LOAD_H */
