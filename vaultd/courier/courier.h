/*
 * courier - the room's state: one customer's orders, the lanes on which gates
 *	     send their streams, the way to the dialer, libcurl's pools.
 */
#ifndef COURIER_COURIER_H
#define COURIER_COURIER_H

#include "vaultd/base/start.h"
#include "vaultd/courier/pool.h"

#define ORDERS_MAX  4096  /* four times what one gate may have under way */
#define MEETS_MAX   256   /* streams of one lane whose order has not come */
#define STREAMS_MAX 2048  /* streams of one lane: a gate's requests twice */
#define MEET_MS     10000 /* for an order and its stream to find each other */

struct order;
struct stream;

struct lane {
	struct courier *courier;
	uint32_t gate;
	struct channel *channel;
	struct stream *streams;
	size_t nstreams;
	size_t meets; /* those without an order yet */
	struct lane *next;
};

struct courier {
	struct room_life life;
	struct channel *keeper;
	struct channel *dialer; /* NULL: gone, another will come */
	struct lane *lanes;
	struct order *orders;
	size_t norders;
	struct pools pools;
};

/* What the channels call: dispatch.c. */
extern const struct channel_ops courier_supervisor_ops;
extern const struct channel_ops courier_keeper_ops;
extern const struct channel_ops courier_dialer_ops;
extern const struct channel_ops courier_lane_ops;

#endif /* COURIER_COURIER_H */
