/*
 * allowlist - the walls of the ledger: one folder, and no way out of it.
 */
#ifndef LEDGER_ALLOWLIST_H
#define LEDGER_ALLOWLIST_H

#include "vaultd/base/walls.h"

/* Landlock opens the working directory alone: enter it before. */
extern const struct walls ledger_walls;

#endif /* LEDGER_ALLOWLIST_H */
