/*
 * dispatch - what rooms say to the supervisor.
 */
#ifndef SUPERVISOR_DISPATCH_H
#define SUPERVISOR_DISPATCH_H

#include "vaultd/base/channel.h"

/*
 * What any room may say, by room.def; the handlers' "arg" is its struct
 * room_proc.
 */
extern const struct handler from_rooms[];

#endif /* SUPERVISOR_DISPATCH_H */
