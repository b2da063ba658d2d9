/*
 * dialer - the room's state: tickets, couriers, dials under way.
 */
#ifndef DIALER_DIALER_H
#define DIALER_DIALER_H

#include "vaultd/base/start.h"
#include "vaultd/dialer/ticket.h"

#define DIALS_MAX 1024 /* under way at once */

struct dial;

struct courier {
	struct dialer *dialer;
	uint32_t number;
	struct channel *channel;
	size_t ndials;
	struct courier *next;
};

struct dialer {
	struct room_life life;
	struct channel *keeper;
	struct courier *couriers;
	struct tickets tickets;
	struct dial *dials;
	size_t ndials;
};

/* What the channels call: dispatch.c. */
extern const struct channel_ops dialer_supervisor_ops;
extern const struct channel_ops dialer_keeper_ops;
extern const struct channel_ops dialer_courier_ops;

/*
 * Close the channel to a courier; if "r" says that it broke the rules, report
 * it.
 */
void dialer_drop_courier(struct courier *courier, int r);

#endif /* DIALER_DIALER_H */
