/*
 * dispatch - what rooms say to the supervisor.
 */
#ifndef SUPERVISOR_DISPATCH_H
#define SUPERVISOR_DISPATCH_H

#include "vaultd/base/channel.h"

/*
 * on_record() of every room's channel; "arg" is its struct room_proc.
 */
int dispatch_record(void *arg, struct channel *ch, uint16_t type,
    const union record *m, int *fd);

#endif /* SUPERVISOR_DISPATCH_H */
