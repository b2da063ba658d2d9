/*
 * request - an order's words turned into bytes on a wire, checked once more
 *	     where that happens.
 *
 * What is written here is all that is sent: request line, Host, the order's
 * fields and the framing.  Nothing can be read in two ways, by libcurl, which
 * makes the connection, or by the upstream.
 */
#ifndef COURIER_REQUEST_H
#define COURIER_REQUEST_H

#include "protocol/record.h"
#include "vaultd/base/buf.h"

#define HOST_MAX 253

/*
 * Append the head of the order's request (RFC 9112, 3) to "out": the method
 * and the target byte for byte, Host, the order's pairs, "Accept-Encoding:
 * identity" where they have none, and how the body is framed.  Fields that
 * frame or route a message are not an order's to say.
 * Returns 0, VERR_FORMAT or VERR_NOMEM; "out" may then hold a part.
 */
MUST_CHECK
int request_head(const struct rec_ORDER *order, struct buf *out);

/*
 * True if "method" is 1 to 20 upper-case letters (and '-', '_').
 */
int request_method_valid(struct slice method);

/*
 * True if the method may be sent again after a connection died with the
 * request on it (RFC 9110, 9.2.2).
 */
int request_method_idempotent(struct slice method);

/*
 * True if the request has a body, be it an empty one: these methods are
 * expected to say so with "Content-Length: 0" (RFC 9110, 8.6).
 */
int request_has_body(const struct rec_ORDER *order);

#endif /* COURIER_REQUEST_H */
