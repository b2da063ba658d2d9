/*
 * transfer - one order as a libcurl easy handle.
 *
 * A handle serves one attempt-chain of one order and is destroyed with it:
 * libcurl keeps a request's headers in the handle's buffers, and freeing them
 * is what wipes them.
 */
#ifndef COURIER_TRANSFER_H
#define COURIER_TRANSFER_H

#include "vaultd/courier/order.h"

/*
 * Make o->easy for the order and its pool.  Returns 0, VERR_FORMAT (what the
 * order says cannot be sent) or VERR_NOMEM; o->easy may then be half made, and
 * transfer_free() is due all the same.
 */
MUST_CHECK
int transfer_new(struct order *o, const struct rec_ORDER *m);

/*
 * Release it; it is in no pool.
 */
void transfer_free(struct order *o);

/*
 * Go on where a callback had nothing to send, or no room for more.
 */
void transfer_resume(struct order *o);

/*
 * True if libcurl has written any of the request to a connection.
 */
int transfer_has_begun(const struct order *o);

#endif /* COURIER_TRANSFER_H */
