/*
 * jwt - JSON Web Tokens (RFC 7519) in compact serialisation (RFC 7515), made
 *	 as RFC 8725 asks: the algorithm is the key's and nobody's choice, the
 *	 type is explicit, the header and the times are the vault's.
 *
 * A client's wish is a list of pairs:
 *	lifetime	seconds as decimal digits: less than the profile's
 *	claims		pairs: a claim's name, and its value with its type
 *			before it:
 *				s TEXT		a string
 *				i DIGITS	an integer, -(2^53-1) to 2^53-1
 *				b true|false
 *				a PAIRS		strings, their names empty
 * (one byte, and the value right behind it).  Only claims that the profile
 * leaves to clients, each once, as its pattern has it: the whole of a string
 * or integer, each string of a list.  iss and sub are strings, aud is a string
 * or a list.
 */
#ifndef KEEPER_JWT_H
#define KEEPER_JWT_H

#include "vaultd/keeper/scheme.h"

#define JWT_LIST_MAX 32 /* strings of a list */

extern const struct scheme scheme_jwt;

#endif /* KEEPER_JWT_H */
