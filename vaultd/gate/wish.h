/*
 * wish - what is asked for at /-/sign: one JSON object (RFC 8259) of
 *
 *	profile		"CUSTOMER/NAME"
 *	scheme		"jwt"; the credential's first if it is missing
 *	lifetime	seconds
 *	claims		an object: strings, integers, booleans, lists of strings
 *
 * and the same as the keeper takes it, which parses no JSON.
 */
#ifndef GATE_WISH_H
#define GATE_WISH_H

#include "protocol/slice.h"
#include "protocol/verr.h"

#define WISH_JSON_MAX  16384 /* bytes of the object */
#define WISH_PAIRS_MAX 16384 /* of SIGN in room.def */

struct wish {
	char profile[128]; /* any text: route_is_profile() tells */
	char scheme[33];
	uint8_t pairs[WISH_PAIRS_MAX];
	size_t len;
};

/*
 * Returns 0, VERR_TOOBIG, or VERR_FORMAT with a constant sentence in *ret_why.
 */
MUST_CHECK
int wish_parse(struct slice json, struct wish *ret, const char **ret_why);

#endif /* GATE_WISH_H */
