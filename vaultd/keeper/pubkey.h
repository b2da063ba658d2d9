/*
 * pubkey - the public half of a key, in the forms that upstreams take.
 */
#ifndef KEEPER_PUBKEY_H
#define KEEPER_PUBKEY_H

#include "vaultd/keeper/json.h"
#include "vaultd/keeper/pkey.h"

#define PUBKEY_THUMBPRINT_LEN 43   /* base64url of SHA-256 */
#define PUBKEY_TEXT_MAX       1024 /* of PEM or an OpenSSH line, with its NUL */

/* Borrowed from the SubjectPublicKeyInfo it was read from. */
struct pubkey {
	enum pkey_type type;
	struct slice spki;
	struct slice x, y; /* RSA: n, e; P-256: x, y; Ed25519: x, none */
};

/*
 * Read a SubjectPublicKeyInfo, the whole of "spki", of a key as pkey.h has
 * them.  Returns 0 or VERR_FORMAT.
 */
MUST_CHECK
int pubkey_read(struct slice spki, struct pubkey *ret);

/*
 * The thumbprint of RFC 7638, the usual key id.
 */
void pubkey_thumbprint(
    const struct pubkey *p, char ret[static PUBKEY_THUMBPRINT_LEN + 1]);

/*
 * Write a JWK (RFC 7517, RFC 8037) for signatures, with "kid", or the
 * thumbprint if it is NULL; "key" is the member's name, or NULL in an array.
 * A JWK set is "keys", an array of these: every key that signatures may be of.
 */
void pubkey_jwk(
    const struct pubkey *p, const char *kid, const char *key, struct json *j);

/*
 * Write PEM (RFC 7468), or a line of OpenSSH's authorized_keys with "comment",
 * which is printable ASCII of at most 255 characters; both end with a newline.
 */
void pubkey_pem(const struct pubkey *p, char ret[static PUBKEY_TEXT_MAX]);
MUST_CHECK
int pubkey_ssh(const struct pubkey *p, const char *comment,
    char ret[static PUBKEY_TEXT_MAX]); /* 0 or VERR_TOOBIG */

#endif /* KEEPER_PUBKEY_H */
