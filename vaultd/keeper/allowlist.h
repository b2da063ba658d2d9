#ifndef KEEPER_ALLOWLIST_H
#define KEEPER_ALLOWLIST_H

#include "vaultd/base/walls.h"

extern const struct walls keeper_walls;

#endif /* KEEPER_ALLOWLIST_H */
