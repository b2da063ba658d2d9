/*
 * trust - the certificate authorities that upstreams are held to.
 */
#ifndef COURIER_TRUST_H
#define COURIER_TRUST_H

#include <openssl/x509_vfy.h>

#include "protocol/slice.h"
#include "protocol/verr.h"

#define TRUST_PEM_MAX (4 * 1024 * 1024) /* Debian's bundle has 220 KiB */

/*
 * Read PEM certificates into a new store, X509_STORE_free()d by the caller.
 * Each one is an anchor, intermediates too; anything else in the text is
 * skipped.  Returns 0, VERR_NOMEM, or VERR_FORMAT: there was not one.
 */
MUST_CHECK
int trust_parse(struct slice pem, X509_STORE **ret);

/*
 * The same from a descriptor, read to its end; before the walls.
 * Returns 0, VERR_IO, VERR_TOOBIG or as above.
 */
MUST_CHECK
int trust_read(int fd, X509_STORE **ret);

#endif /* COURIER_TRUST_H */
