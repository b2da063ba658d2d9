/*
 * certificate - the public half of a key as X.509 has it, signed by the key:
 *		 for upstreams that take no bare key, such as NetSuite.
 *
 * May be called on a thread of work.h; one signature each (pkey.h has what
 * that costs).
 */
#ifndef KEEPER_CERTIFICATE_H
#define KEEPER_CERTIFICATE_H

#include "vaultd/keeper/pkey.h"

#define CERTIFICATE_MAX  4096 /* of the PEM */
#define CERTIFICATE_DAYS 730
#define CERTIFICATE_NAME 64 /* characters of a common name (RFC 5280, A.1) */

/*
 * Write a self-signed certificate for "name" (printable ASCII; what is longer
 * than a common name may be is cut), valid from "now", in seconds since 1970,
 * for CERTIFICATE_DAYS, as PEM with a NUL at the end.  It may sign nothing but
 * data: it is no CA's.
 * Returns 0, VERR_NOMEM or VERR_INTERNAL.
 */
MUST_CHECK
int certificate_make(const struct pkey *k, const char *name, uint64_t now,
    char ret[static CERTIFICATE_MAX]);

/*
 * Write a request for a certificate (PKCS#10, RFC 2986), likewise.
 */
MUST_CHECK
int certificate_request(
    const struct pkey *k, const char *name, char ret[static CERTIFICATE_MAX]);

#endif /* KEEPER_CERTIFICATE_H */
