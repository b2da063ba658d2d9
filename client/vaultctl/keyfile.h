/*
 * keyfile - a private key out of whatever file a person has: PEM (PKCS#8,
 *	     encrypted or not, PKCS#1, SEC1), JWK, PKCS#12, PKCS#8 in DER.
 *
 * The vault takes PKCS#8 in DER, unencrypted, and nothing else.  What OpenSSL
 * and jansson hold on the way is wiped by this program's free()
 * (vaultd/base/zerofree.c).
 */
#ifndef VAULTCTL_KEYFILE_H
#define VAULTCTL_KEYFILE_H

#include "protocol/slice.h"
#include "protocol/verr.h"

#define KEYFILE_MAX     (32u * 1024) /* bytes of a file */
#define KEYFILE_DER_MAX 2560

/*
 * Asks for the passphrase of the file: writes it to "buf" and nowhere else, its
 * length to *ret_n.  Returns 0 or a VERR_*.  Called at most once for a file.
 */
struct keyfile_ask {
	int (*ask)(void *arg, char *buf, size_t size, size_t *ret_n);
	void *arg;
};

/*
 * Read the one private key in "file", of a kind that signs: RSA of 2048 to 4096
 * bits, P-256, Ed25519.  "out" is the caller's locked memory, wiped on failure.
 * Returns 0; VERR_FORMAT, VERR_TOOBIG or VERR_AUTH (a wrong passphrase, or
 * none) with a sentence in *ret_why, which is constant; or VERR_NOMEM.
 */
MUST_CHECK
int keyfile_read(struct slice file, const struct keyfile_ask *ask,
    uint8_t out[static KEYFILE_DER_MAX], size_t *ret_len, const char **ret_why);

#endif /* VAULTCTL_KEYFILE_H */
