/*
 * dispatch - what the supervisor says to the keeper, and who does it.
 */
#ifndef KEEPER_DISPATCH_H
#define KEEPER_DISPATCH_H

#include "vaultd/keeper/keeper.h"

/* The channel to the supervisor. */
extern const struct channel_ops supervisor_ops;

#endif /* KEEPER_DISPATCH_H */
