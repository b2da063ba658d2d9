#ifndef DIALER_ALLOWLIST_H
#define DIALER_ALLOWLIST_H

#include "vaultd/base/walls.h"

extern const struct walls dialer_walls;

#endif /* DIALER_ALLOWLIST_H */
