/*
 * der - read the DER (X.690, 10) of keys, strictly: one-byte tags, definite
 *	 lengths in their shortest form.
 */
#ifndef KEEPER_DER_H
#define KEEPER_DER_H

#include "protocol/slice.h"
#include "protocol/verr.h"

#define DER_INTEGER   0x02
#define DER_BITS      0x03
#define DER_OCTETS    0x04
#define DER_SEQUENCE  0x30
#define DER_EXPLICIT0 0xa0 /* [0], constructed */
#define DER_EXPLICIT1 0xa1
#define DER_IMPLICIT1 0x81 /* [1], primitive */

/*
 * Take the element with "tag" off the front of *in: *ret is its content, which
 * lies in *in.  Returns 0; VERR_NOTFOUND if *in begins with another tag, or is
 * empty; or VERR_FORMAT.  Only success changes *in.
 */
MUST_CHECK
int der_take(struct slice *in, uint8_t tag, struct slice *ret);

/*
 * Take an INTEGER above zero: its bytes, big-endian, without leading zeros.
 * Returns as der_take(), VERR_FORMAT for zero and below, too.
 */
MUST_CHECK
int der_take_positive(struct slice *in, struct slice *ret);

/*
 * Take exactly these bytes.  Returns 0 or VERR_NOTFOUND.
 */
MUST_CHECK
int der_take_bytes(struct slice *in, struct slice bytes);

#endif /* KEEPER_DER_H */
