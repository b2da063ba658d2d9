/*
 * courier - the keeper's side of couriers and dialer: orders and tickets.
 *
 * A courier serves one customer.  It is started on demand, ended when idle,
 * replaced after so many orders; it never learns who the client is.
 */
#ifndef KEEPER_COURIER_H
#define KEEPER_COURIER_H

#include "protocol/refusal.h"
#include "vaultd/keeper/profile.h"

struct courier;

/* How an order ended. */
struct order_result {
	enum refusal refusal; /* REFUSED_NONE: the upstream answered */
	int error;            /* a VERR_*, where it did not */
	uint32_t status;
	uint64_t sent, received;           /* bytes of the bodies */
	char account[CATALOG_ACCOUNT_MAX]; /* a probe's, or "" */
};

/*
 * One order, embedded in what waits for it: first for a courier (ready), then
 * for the end (done).  done() is called exactly once.
 */
struct order {
	/* The courier is there: call order_issue(), at once. */
	void (*ready)(void *arg, uint32_t courier);
	void (*done)(void *arg, const struct order_result *res);
	void *arg;
	uint32_t gate;   /* 0: a probe of the keeper's own */
	uint64_t number; /* of the gate's request */

	uint64_t id;        /* 0 until it is issued */
	uint64_t cancelled; /* loop_now() of that; 0: it was not */
	struct courier *courier;
	struct order *next, **prev; /* in the courier's list */
	bool ticketed;              /* the dialer may connect for it */
	const struct catalog_link *to;
};

MUST_CHECK
int couriers_new(struct keeper *k, struct couriers **ret);

/*
 * Wait for a courier of "customer".  o->ready() or o->done() follows, never
 * from within.
 */
void order_begin(struct keeper *k, struct order *o, const char *customer);

/* What is sent; borrowed for the call, but for "link": until o->done(). */
struct order_request {
	const struct catalog_link *link;
	uint64_t pool; /* connections are reused inside it alone */
	const char *method;
	struct slice target, headers;
	uint32_t body; /* enum body_kind */
	uint64_t length;
	const char *account; /* a probe's pointer into the answer, or "" */
};

/*
 * Send the order to its courier; o->done() follows, never from within.  The
 * dialer gets its ticket when the courier has no connection for it.
 */
void order_issue(
    struct keeper *k, struct order *o, const struct order_request *req);

/*
 * It is no longer wanted: o->done() follows soon, with VERR_CLOSED.
 */
void order_cancel(struct keeper *k, struct order *o);

/*
 * The number that stands for the connections of one credential version.
 */
uint64_t order_pool(const struct keeper *k, const struct profile *p);

/* Connections made with this credential version are closed. */
void couriers_drop_pool(struct keeper *k, const char *customer, uint64_t pool);

/* True if a courier has an order that has not ended. */
bool couriers_busy(const struct keeper *k);

/* From the supervisor: a courier, or a new dialer, is there. */
MUST_CHECK
int couriers_attach(struct keeper *k, uint32_t number, uint64_t want, int fd);
MUST_CHECK
int couriers_attach_dialer(struct keeper *k, int fd);

/* A gate is gone, and with it its lanes. */
void couriers_forget_gate(struct keeper *k, uint32_t gate);

#endif /* KEEPER_COURIER_H */
