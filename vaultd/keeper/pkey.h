/*
 * pkey - a private key that signs: RSA (2048 to 4096 bits), P-256, Ed25519.
 *
 * It comes as PKCS#8 (RFC 5958, RFC 8017 A.1, RFC 5915, RFC 8410) in DER, or is
 * made here.  A key does one algorithm and no other, which is what it signs
 * with whatever anybody asks for: RS256, ES256, EdDSA (RFC 7518, RFC 8037).
 *
 * THREADS	All but pkey_ref() and pkey_free() may be called on a thread of
 *		work.h: no arena, no state but the key's.  Several threads may
 *		sign with one key.  References are counted on the loop alone; a
 *		thread may free only a key that nobody else has.
 * SECRETS	in the heap, wiped by pkey_free(); OpenSSL's copies by the
 *		process's free() (vaultd/base/zerofree.c).
 */
#ifndef KEEPER_PKEY_H
#define KEEPER_PKEY_H

#include <stdbool.h>

#include "protocol/slice.h"
#include "protocol/verr.h"

#define PKEY_DER_MAX       2560 /* of a private key as pkey_encode() has it */
#define PKEY_SPKI_MAX      560
#define PKEY_SIGNATURE_MAX 512
#define PKEY_RSA_MIN       2048 /* bits */
#define PKEY_RSA_MAX       4096

enum pkey_type { PKEY_RSA, PKEY_P256, PKEY_ED25519, PKEY_TYPE_COUNT };

/* The AlgorithmIdentifier of each, DER. */
extern const struct slice pkey_identifiers[PKEY_TYPE_COUNT];

struct pkey;
struct evp_pkey_st; /* OpenSSL's EVP_PKEY */

/* "RS256", "ES256", "EdDSA".  Never NULL; "type" below the count. */
const char *pkey_alg(enum pkey_type type);

/* Returns 0 or VERR_NOTFOUND. */
MUST_CHECK
int pkey_alg_parse(struct slice name, enum pkey_type *ret);

/*
 * Open a PKCS#8 key, the whole of "der".  The form, sizes and ranges are
 * checked, the mathematics are not: that is pkey_check(), once, before a key
 * from outside is kept.  *ret has one reference.
 * Returns 0, VERR_NOMEM, or VERR_FORMAT with a constant sentence in *ret_why.
 */
MUST_CHECK
int pkey_open(struct slice der, struct pkey **ret, const char **ret_why);

/*
 * Check that the key is sound: primes, factors and exponents of RSA; that the
 * public half belongs to the private one.  Seconds for RSA.
 * Returns 0, or VERR_FORMAT with a constant sentence in *ret_why.
 */
MUST_CHECK
int pkey_check(const struct pkey *k, const char **ret_why);

/*
 * Make a key; "bits" is 2048, 3072 or 4096 for RSA, else not looked at.
 * Seconds for RSA.  Returns 0, VERR_NOMEM, VERR_FORMAT (another size), or
 * VERR_INTERNAL.
 */
MUST_CHECK
int pkey_make(enum pkey_type type, unsigned bits, struct pkey **ret);

struct pkey *pkey_ref(struct pkey *k);
void pkey_free(struct pkey *k); /* one reference; NULL is a no-op */

enum pkey_type pkey_type(const struct pkey *k);

/*
 * Write it as PKCS#8, with its public half so that pkey_open() need not work
 * that out.  "out" has PKEY_DER_MAX bytes and is the caller's to wipe.
 * Returns 0, VERR_NOMEM or VERR_INTERNAL.
 */
MUST_CHECK
int pkey_encode(
    const struct pkey *k, uint8_t out[static PKEY_DER_MAX], size_t *ret_len);

/*
 * Write the public half as SubjectPublicKeyInfo (RFC 5280).
 * Returns 0, VERR_NOMEM or VERR_INTERNAL.
 */
MUST_CHECK
int pkey_spki(
    const struct pkey *k, uint8_t out[static PKEY_SPKI_MAX], size_t *ret_len);

/*
 * Sign "message" with the key's algorithm, as JWS has it: ES256 is r and s of
 * 32 bytes each.  About 30 us for P-256 and Ed25519, 0.7 to 5 ms for RSA, which
 * belongs on a thread.  Returns 0 or VERR_INTERNAL.
 */
MUST_CHECK
int pkey_sign(const struct pkey *k, struct slice message,
    uint8_t ret[static PKEY_SIGNATURE_MAX], size_t *ret_len);

/*
 * The key as OpenSSL has it, for certificates: a reference that the caller
 * gives to EVP_PKEY_free(), or NULL.
 */
struct evp_pkey_st *pkey_evp(const struct pkey *k);

#endif /* KEEPER_PKEY_H */
