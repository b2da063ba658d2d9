/*
 * dispatch - the keeper's peers: which record of whom goes to which handler.
 *
 * Direction, size and fields were checked by channel.c against room.def; a
 * table here says which records this peer may send in its role.
 */
#ifndef KEEPER_DISPATCH_H
#define KEEPER_DISPATCH_H

#include "vaultd/keeper/keeper.h"

struct handler {
	uint16_t type;
	int (*handle)(void *arg, const union record *m, int *fd);
};

/*
 * Call the handler of "type" in "table", which ends with a row of zeros.
 * Returns what it returned, or VERR_FORBIDDEN.
 */
MUST_CHECK
int dispatch(const struct handler *table, void *arg, uint16_t type,
    const union record *m, int *fd);

/* The channel to the supervisor. */
extern const struct channel_ops supervisor_ops;

#endif /* KEEPER_DISPATCH_H */
