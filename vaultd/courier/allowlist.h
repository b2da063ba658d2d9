#ifndef COURIER_ALLOWLIST_H
#define COURIER_ALLOWLIST_H

#include "vaultd/base/walls.h"

extern const struct walls courier_walls;

#endif /* COURIER_ALLOWLIST_H */
