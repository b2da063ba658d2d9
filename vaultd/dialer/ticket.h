/*
 * ticket - the keeper's word on where an order may be connected to, and
 *	    through which courier.
 */
#ifndef DIALER_TICKET_H
#define DIALER_TICKET_H

#include "policy/network.h"
#include "protocol/slice.h"

#define TICKETS_MAX      65536
#define TICKET_DIALS_MAX 4
#define TICKET_HOST_MAX  255
#define TICKET_BUCKETS   4096

struct ticket {
	uint64_t id;
	uint32_t courier; /* the only one that may use it */
	uint16_t port;
	uint8_t dials; /* so far */
	struct network network;
	struct ticket *next;
	char host[]; /* a name or an address, as the keeper has it sealed */
};

struct tickets {
	struct ticket *bucket[TICKET_BUCKETS];
	size_t count;
};

/*
 * Keep a ticket.  A "network" that does not parse permits nothing.
 * Returns 0, VERR_FORMAT (host or port), VERR_EXISTS, VERR_BUSY (TICKETS_MAX
 * are kept) or VERR_NOMEM.
 */
MUST_CHECK
int ticket_add(struct tickets *all, uint64_t id, uint64_t courier,
    struct slice host, uint64_t port, struct slice network);

/*
 * Forget a ticket; one that is not kept is a no-op.
 */
void ticket_remove(struct tickets *all, uint64_t id);

/*
 * Take one dial on a ticket.  *ret is valid until the ticket is removed.
 * Returns 0, VERR_NOTFOUND, or VERR_FORBIDDEN: another courier's, or dialled
 * TICKET_DIALS_MAX times.
 */
MUST_CHECK
int ticket_use(struct tickets *all, uint64_t id, uint32_t courier,
    const struct ticket **ret);

#endif /* DIALER_TICKET_H */
