/*
 * fields - which headers go past a gate.  Framing and the hop are its own
 *	    business; what else may pass is for the keeper to judge.
 */
#ifndef GATE_FIELDS_H
#define GATE_FIELDS_H

#include "protocol/pairs.h"
#include "vaultd/gate/http.h"

/*
 * Add the client's end-to-end headers to "w", whose overflow the caller checks.
 */
void fields_to_keeper(
    const struct http_field *fields, size_t n, struct pairs_writer *w);

#define FIELDS_TO_CLIENT_MAX 2048 /* each is looked for in all */

/*
 * Put the upstream's end-to-end headers as field lines; Content-Length only
 * with "length".  They take no more bytes than "pairs" has.
 * Returns 0, VERR_FORMAT (not a list of headers) or VERR_TOOBIG.
 */
MUST_CHECK
int fields_to_client(struct slice pairs, int length, struct http_out *o);

/*
 * Find the body's length in the upstream's headers.
 * Returns 0, or VERR_NOTFOUND: not said once, or not a number.
 */
MUST_CHECK
int fields_length(struct slice pairs, uint64_t *ret_length);

#endif /* GATE_FIELDS_H */
