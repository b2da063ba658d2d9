/*
 * claims - what the JWTs of a profile may say: the bounds that its catalog
 *	    entry sets, and who may set which claim.
 *
 * Pure, as all of policy/.
 */
#ifndef POLICY_CLAIMS_H
#define POLICY_CLAIMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/verr.h"

#define CLAIM_NAME_MAX      128
#define CLAIM_VALUE_MAX     1024
#define CLAIMS_KID_MAX      128
#define CLAIMS_TYP_MAX      32
#define CLAIMS_TEXT_MAX     1024
#define CLAIMS_LIFETIME_MAX 86400 /* seconds */

/*
 * The bounds, worked out for a profile.  A value without pointers: it outlives
 * the catalog, and its bytes up to the lengths are what a seal can be bound to.
 */
struct claims_bounds {
	uint32_t algs;     /* a bit each, see claims_alg(); 0: no JWT at all */
	uint32_t lifetime; /* seconds: the longest, and the usual */
	bool token;        /* a JWT is itself a credential */
	bool jti, nbf;     /* are added */
	char typ[CLAIMS_TYP_MAX + 1];
	char kid[CLAIMS_KID_MAX + 1];    /* "": the key's thumbprint */
	size_t nfixed, nclient;          /* bytes of the next two */
	uint8_t fixed[CLAIMS_TEXT_MAX];  /* pairs: claim, value */
	uint8_t client[CLAIMS_TEXT_MAX]; /* pairs: claim, pattern with its NUL,
	                                  * empty if any value will do */
};

/* The bit of "RS256", "ES256" or "EdDSA", or 0. */
uint32_t claims_alg(const char *name);

/*
 * What is wrong with a claim that an entry names, or NULL: a name is 1 to
 * CLAIM_NAME_MAX of letters, digits and "_:/.#-"; exp, iat, nbf and jti are
 * the vault's; names of header parameters (RFC 7515, 4.1) are refused, so that
 * nobody takes one for the other.  The sentence is constant.
 */
const char *claims_name_fault(const char *name, size_t len);

/* True if "name" is a header parameter's, which nobody but the vault sets. */
bool claims_is_header(const char *name, size_t len);

#endif /* POLICY_CLAIMS_H */
