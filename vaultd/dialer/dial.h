/*
 * dial - one DIAL of a courier: wait for its ticket, resolve, apply the
 *	  address rules, connect, hand the socket over.
 *
 * The rules are applied to the sockaddr that connect() gets, after the look-up
 * and whatever the host's spelling, so there is nothing to rebind.  Addresses
 * are tried in turn, the next one 250 ms after the last or when it fails
 * (RFC 8305 in small).  Not a byte is ever sent.
 */
#ifndef DIALER_DIAL_H
#define DIALER_DIAL_H

#include "vaultd/dialer/dialer.h"

/*
 * Begin a dial for "courier".  It answers with DIALED and is gone then.
 * Returns 0, VERR_FORBIDDEN (not that courier's ticket, or dialled too often),
 * VERR_BUSY or VERR_NOMEM.
 */
MUST_CHECK
int dial_start(struct dialer *d, struct courier *courier, uint64_t ticket,
    uint32_t attempt);

/*
 * A ticket has come: dials that wait for it go on.
 */
void dial_ticket_came(struct dialer *d, uint64_t ticket);

/*
 * There is room on the way to "courier": connections that wait for it go.
 */
void dial_deliver(const struct courier *courier);

/*
 * Give up the dials of a ticket, or of a courier that is gone.
 */
void dial_ticket_ended(struct dialer *d, uint64_t ticket);
void dial_courier_gone(struct dialer *d, const struct courier *courier);

#endif /* DIALER_DIAL_H */
