#include "vaultd/keeper/certificate.h"

#include <time.h>

#include <openssl/bn.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <sodium.h>

/* SHA-256, but for Ed25519, which has a hash of its own. */
static const EVP_MD *
digest_of(const struct pkey *k)
{
	return pkey_type(k) == PKEY_ED25519 ? NULL : EVP_sha256();
}

static bool
put_name(X509_NAME *at, const char *name)
{
	return at != NULL &&
	    X509_NAME_add_entry_by_txt(at, "CN", MBSTRING_ASC,
	        (const uint8_t *)name, (int)strnlen(name, CERTIFICATE_NAME), -1,
	        0) == 1;
}

/* Positive, with 127 random bits, the first of which is set: RFC 5280, 4.1.2.2.
 */
static bool
put_serial(X509 *cert)
{
	uint8_t bytes[16];
	BIGNUM *number;
	bool done;

	randombytes_buf(bytes, sizeof(bytes));
	bytes[0] = (bytes[0] & 0x7f) | 0x40;
	number = BN_bin2bn(bytes, sizeof(bytes), NULL);
	done = number != NULL &&
	    BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert)) != NULL;
	BN_free(number);
	return done;
}

static bool
put_extension(X509 *cert, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *e;
	bool done;

	X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	done = e != NULL && X509_add_ext(cert, e, -1) == 1;
	X509_EXTENSION_free(e);
	return done;
}

static bool
fill_certificate(X509 *cert, EVP_PKEY *key, const char *name, uint64_t now)
{
	time_t from = (time_t)now;

	return X509_set_version(cert, 2) == 1 && put_serial(cert) &&
	    X509_time_adj_ex(X509_getm_notBefore(cert), 0, 0, &from) != NULL &&
	    X509_time_adj_ex(X509_getm_notAfter(cert), CERTIFICATE_DAYS, -1,
	        &from) != NULL &&
	    put_name(X509_get_subject_name(cert), name) &&
	    X509_set_issuer_name(cert, X509_get_subject_name(cert)) == 1 &&
	    X509_set_pubkey(cert, key) == 1 &&
	    put_extension(cert, NID_basic_constraints, "critical,CA:FALSE") &&
	    put_extension(cert, NID_key_usage, "critical,digitalSignature") &&
	    put_extension(cert, NID_subject_key_identifier, "hash");
}

/* What "bio" holds, as a string. */
static int
take_text(BIO *bio, char ret[static CERTIFICATE_MAX])
{
	char *text;
	long n = BIO_get_mem_data(bio, &text);

	if (n <= 0 || n >= CERTIFICATE_MAX)
		return VERR_INTERNAL;
	memcpy(ret, text, (size_t)n);
	ret[n] = '\0';
	return 0;
}

int
certificate_make(const struct pkey *k, const char *name, uint64_t now,
    char ret[static CERTIFICATE_MAX])
{
	EVP_PKEY *key = pkey_evp(k);
	X509 *cert = X509_new();
	BIO *bio = BIO_new(BIO_s_mem());
	int r = VERR_NOMEM;

	if (key == NULL || cert == NULL || bio == NULL)
		goto out;
	r = VERR_INTERNAL;
	if (fill_certificate(cert, key, name, now) &&
	    X509_sign(cert, key, digest_of(k)) > 0 &&
	    PEM_write_bio_X509(bio, cert) == 1)
		r = take_text(bio, ret);
out:
	BIO_free(bio);
	X509_free(cert);
	EVP_PKEY_free(key);
	return r;
}

int
certificate_request(
    const struct pkey *k, const char *name, char ret[static CERTIFICATE_MAX])
{
	EVP_PKEY *key = pkey_evp(k);
	X509_REQ *req = X509_REQ_new();
	BIO *bio = BIO_new(BIO_s_mem());
	int r = VERR_NOMEM;

	if (key == NULL || req == NULL || bio == NULL)
		goto out;
	r = VERR_INTERNAL;
	if (X509_REQ_set_version(req, 0) == 1 &&
	    put_name(X509_REQ_get_subject_name(req), name) &&
	    X509_REQ_set_pubkey(req, key) == 1 &&
	    X509_REQ_sign(req, key, digest_of(k)) > 0 &&
	    PEM_write_bio_X509_REQ(bio, req) == 1)
		r = take_text(bio, ret);
out:
	BIO_free(bio);
	X509_REQ_free(req);
	EVP_PKEY_free(key);
	return r;
}
