/*
 * request - an order's words turned into what libcurl sends, checked once more
 *	     where they become bytes on a wire.
 *
 * libcurl sends CR and LF in a header or method as they are, collapses dots in
 * paths and decodes escapes in hosts; so nothing reaches it that could be read
 * in two ways.
 */
#ifndef COURIER_REQUEST_H
#define COURIER_REQUEST_H

#include <curl/curl.h>

#include "protocol/record.h"

/*
 * Build the URL of the order's origin, "https://HOST:PORT/", and prove that a
 * URL of that origin and the order's target has exactly these parts: no
 * userinfo, no fragment, no other host, port, path or query.  The target
 * itself is sent byte for byte, so it is not in the URL.
 * *ret is the caller's to curl_free().  Returns 0, VERR_FORMAT or VERR_NOMEM.
 */
MUST_CHECK
int request_url(const struct rec_ORDER *order, char **ret);

/*
 * Build libcurl's header list from the order's pairs: those and nothing of
 * libcurl's own.  Names are tokens, values without control bytes; what frames
 * the message is libcurl's and refused here.  "Accept-Encoding: identity" is
 * added where there is none.  *ret is the caller's to curl_slist_free_all(),
 * which wipes (base/zerofree.c).  Returns 0, VERR_FORMAT or VERR_NOMEM.
 */
MUST_CHECK
int request_headers(const struct rec_ORDER *order, struct curl_slist **ret);

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
