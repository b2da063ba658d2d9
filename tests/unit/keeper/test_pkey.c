/*
 * What pkey.h, pkey_cache.h, pubkey.h and certificate.h promise.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "tests/support/make_key.h"
#include "tests/unit/keeper/world.h"
#include "vaultd/keeper/certificate.h"
#include "vaultd/keeper/pkey.h"
#include "vaultd/keeper/pkey_cache.h"
#include "vaultd/keeper/pubkey.h"

#define MESSAGE "what is signed"

static const char *why_;

static struct pkey *
open_der(const struct der *d)
{
	struct pkey *k = NULL;
	/* no longer than it is, so that a read beyond it is seen */
	uint8_t *exact = malloc(d->n);
	int r;

	assert_non_null(exact);
	memcpy(exact, d->p, d->n);
	why_ = NULL;
	r = pkey_open(slice_of(exact, d->n), &k, &why_);
	free(exact);
	if (r != 0) {
		assert_int_equal(r, VERR_FORMAT);
		assert_null(k);
		assert_non_null(why_);
		return NULL;
	}
	return k;
}

static void
refused(const struct der *d, const char *because)
{
	if (open_der(d) != NULL)
		fail_msg("taken: %s", because);
	if (strstr(why_, because) == NULL)
		fail_msg("\"%s\", not \"%s\"", why_, because);
}

/* The keys of the RFCs, one of each type. */
static struct pkey *
rfc_key(enum pkey_type type)
{
	struct der d;
	struct pkey *k;

	if (type == PKEY_RSA)
		make_rsa(&d, rfc_rsa);
	else if (type == PKEY_P256)
		make_p256(&d, RFC_EC_D, RFC_EC_X, RFC_EC_Y);
	else
		make_ed25519(&d, RFC_ED_D);
	k = open_der(&d);
	assert_non_null(k);
	assert_int_equal(pkey_type(k), type);
	assert_int_equal(pkey_check(k, &why_), 0);
	return k;
}

/* By OpenSSL, with the public half as it is given out. */
static bool
verifies(
    const struct pkey *k, struct slice message, const uint8_t *sig, size_t n)
{
	uint8_t spki[PKEY_SPKI_MAX], der[80];
	const uint8_t *p = spki;
	size_t len;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY *public;
	bool good;

	assert_int_equal(pkey_spki(k, spki, &len), 0);
	public = d2i_PUBKEY(NULL, &p, (long)len);
	assert_non_null(public);
	assert_ptr_equal(p, spki + len);
	if (pkey_type(k) == PKEY_P256) {
		ECDSA_SIG *s = ECDSA_SIG_new();
		uint8_t *out = der;

		assert_int_equal(n, 64);
		assert_int_equal(ECDSA_SIG_set0(s, BN_bin2bn(sig, 32, NULL),
		                     BN_bin2bn(sig + 32, 32, NULL)),
		    1);
		n = (size_t)i2d_ECDSA_SIG(s, &out);
		ECDSA_SIG_free(s);
		sig = der;
	}
	assert_int_equal(EVP_DigestVerifyInit(ctx, NULL,
	                     pkey_type(k) == PKEY_ED25519 ? NULL : EVP_sha256(),
	                     NULL, public),
	    1);
	good = EVP_DigestVerify(ctx, sig, n, message.p, message.n) == 1;
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(public);
	return good;
}

static void
is_base64url(const uint8_t *sig, size_t n, const char *want)
{
	char text[1024];

	(void)sodium_bin2base64(text, sizeof(text), sig, n,
	    sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	assert_string_equal(text, want);
}

static void
jwt_rfc7515_a2_rs256(void **state)
{
	struct pkey *k = rfc_key(PKEY_RSA);
	uint8_t sig[PKEY_SIGNATURE_MAX];
	size_t n;

	(void)state;
	assert_int_equal(
	    pkey_sign(
	        k, slice_str("eyJhbGciOiJSUzI1NiJ9" RFC_INPUT_TAIL), sig, &n),
	    0);
	is_base64url(sig, n, RFC_RSA_SIGNATURE);
	pkey_free(k);
}

static void
jwt_rfc7515_a3_es256(void **state)
{
	static const char input[] = "eyJhbGciOiJFUzI1NiJ9" RFC_INPUT_TAIL;
	struct pkey *k = rfc_key(PKEY_P256);
	uint8_t sig[PKEY_SIGNATURE_MAX];
	size_t n;

	(void)state;
	/* The RFC's own, which shows that verifies() reads r and s right. */
	n = from_base64url(RFC_EC_SIGNATURE, sig, sizeof(sig));
	assert_true(verifies(k, slice_str(input), sig, n));
	/* Ours; enough of them that r or s begins with zeros in some. */
	for (int i = 0; i < 600; i++) {
		assert_int_equal(pkey_sign(k, slice_str(input), sig, &n), 0);
		assert_int_equal(n, 64);
		assert_true(verifies(k, slice_str(input), sig, n));
	}
	sig[40] ^= 1;
	assert_false(verifies(k, slice_str(input), sig, n));
	pkey_free(k);
}

static void
jwt_rfc8037_a4_eddsa(void **state)
{
	struct pkey *k = rfc_key(PKEY_ED25519);
	uint8_t sig[PKEY_SIGNATURE_MAX];
	size_t n;

	(void)state;
	assert_int_equal(pkey_sign(k, slice_str(RFC_ED_INPUT), sig, &n), 0);
	is_base64url(sig, n, RFC_ED_SIGNATURE);
	assert_true(verifies(k, slice_str(RFC_ED_INPUT), sig, n));
	pkey_free(k);
}

static void
keys_made_here_sign_and_come_back(void **state)
{
	uint8_t der[PKEY_DER_MAX], again[PKEY_DER_MAX];
	uint8_t sig[PKEY_SIGNATURE_MAX];
	size_t n, m, len;

	(void)state;
	for (enum pkey_type t = 0; t < PKEY_TYPE_COUNT; t++) {
		struct pkey *k, *back;

		assert_int_equal(pkey_make(t, 2048, &k), 0);
		assert_int_equal(pkey_check(k, &why_), 0);
		assert_int_equal(pkey_encode(k, der, &n), 0);
		assert_int_equal(pkey_open(slice_of(der, n), &back, &why_), 0);
		assert_int_equal(pkey_check(back, &why_), 0);
		assert_int_equal(pkey_encode(back, again, &m), 0);
		assert_int_equal(n, m);
		assert_memory_equal(der, again, n);
		assert_int_equal(
		    pkey_sign(back, slice_str(MESSAGE), sig, &len), 0);
		assert_true(verifies(k, slice_str(MESSAGE), sig, len));
		assert_false(verifies(k, slice_str("another"), sig, len));
		pkey_free(k);
		pkey_free(back);
	}
}

static void
keys_largest_fits_its_bounds(void **state)
{
	uint8_t der[PKEY_DER_MAX], spki[PKEY_SPKI_MAX];
	uint8_t sig[PKEY_SIGNATURE_MAX];
	char text[PUBKEY_TEXT_MAX], comment[300];
	struct pubkey p;
	struct pkey *k;
	size_t n;

	(void)state;
	assert_int_equal(pkey_make(PKEY_RSA, 1024, &k), VERR_FORMAT);
	assert_int_equal(pkey_make(PKEY_RSA, 4096, &k), 0);
	assert_int_equal(pkey_encode(k, der, &n), 0);
	assert_int_equal(pkey_sign(k, slice_str(MESSAGE), sig, &n), 0);
	assert_int_equal(n, 512);
	assert_int_equal(pkey_spki(k, spki, &n), 0);
	assert_int_equal(pubkey_read(slice_of(spki, n), &p), 0);
	pubkey_pem(&p, text);
	assert_non_null(strstr(text, "\n-----END PUBLIC KEY-----\n"));
	memset(comment, 'c', sizeof(comment));
	comment[256] = '\0';
	assert_int_equal(pubkey_ssh(&p, comment, text), VERR_TOOBIG);
	comment[255] = '\0';
	assert_int_equal(pubkey_ssh(&p, comment, text), 0);
	assert_int_equal(text[strlen(text) - 1], '\n');
	pkey_free(k);
}

static void
hostile_keys_are_refused_with_a_reason(void **state)
{
	/* The order of P-256, and one below. */
	static const char order[] =
	    "_____wAAAAD__________7zm-q2nF56E87nKwvxjJVE";
	static const char below[] =
	    "_____wAAAAD__________7zm-q2nF56E87nKwvxjJVA";
	static const char zero[] =
	    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
	const char *numbers[8];
	struct pkey *k;
	struct der d, key = {.n = 0};

	(void)state;
	make_p256(&d, order, NULL, NULL);
	refused(&d, "weak: the private number is out of range");
	make_p256(&d, zero, NULL, NULL);
	refused(&d, "weak: the private number is out of range");
	make_p256(&d, below, NULL, NULL);
	k = open_der(&d);
	assert_non_null(k);
	assert_int_equal(pkey_check(k, &why_), 0);
	pkey_free(k);
	make_p256(&d, RFC_EC_D, RFC_EC_X, RFC_EC_X);
	refused(&d, "damaged"); /* not on the curve */

	memcpy(numbers, rfc_rsa, sizeof(numbers));
	numbers[0] = RFC_RSA_P; /* 1024 bits */
	numbers[2] = "AQAB";
	for (int i = 3; i < 8; i++)
		numbers[i] = "Aw";
	make_rsa(&d, numbers);
	refused(&d, "weak: an RSA key needs 2048 bits");
	memcpy(numbers, rfc_rsa, sizeof(numbers));
	numbers[1] = "Aw";
	make_rsa(&d, numbers);
	refused(&d, "exponent is even or below 65537");
	numbers[1] = "AQAA";
	make_rsa(&d, numbers);
	refused(&d, "exponent is even or below 65537");
	numbers[1] = "AQAAAAAAAAAB";
	make_rsa(&d, numbers);
	refused(&d, "exponent is too long");

	make_ed25519(&d, RFC_ED_D);
	der_raw(&d, "", 1);
	refused(&d, "something follows");
	der_put(&key, 0x04, RFC_ED_D, 32);
	MAKE_INFO(&d, 0, "\x30\x05\x06\x03\x2b\x65\x71", &key);
	refused(&d, "Ed448");
	MAKE_INFO(&d, 0, "\x30\x05\x06\x03\x2b\x65\x6e", &key);
	refused(&d, "X25519");
	MAKE_INFO(&d, 0, "\x30\x05\x06\x03\x2b\x65\x01", &key);
	refused(&d, "not supported");
	MAKE_INFO(&d, 0, "\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a",
	    &key);
	refused(&d, "RSA-PSS");
	/* P-384 */
	MAKE_INFO(&d, 0,
	    "\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04"
	    "\x00\x22",
	    &key);
	refused(&d, "the curve is not P-256");
	MAKE_INFO(&d, 1, RSA_ID, &key);
	refused(&d, "not a private key");
	/* EncryptedPrivateKeyInfo with PBES2 */
	d.n = 0;
	der_put(&d, 0x30,
	    "\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0d\x04\x01\x00",
	    16);
	refused(&d, "encrypted");
}

/* Every key whose parts do not belong together, though each looks right. */
static void
hostile_keys_of_mixed_parts_fail_their_check(void **state)
{
	uint8_t der[PKEY_DER_MAX];
	const char *numbers[8];
	struct pkey *k;
	struct der d;
	size_t n;

	(void)state;
	make_p256(&d, RFC_ED_D, RFC_EC_X, RFC_EC_Y);
	assert_non_null(k = open_der(&d));
	assert_int_equal(pkey_check(k, &why_), VERR_FORMAT);
	pkey_free(k);
	for (size_t i = 2; i < 8; i++) {
		memcpy(numbers, rfc_rsa, sizeof(numbers));
		numbers[i] = i == 3 ? RFC_RSA_DP : RFC_RSA_P;
		make_rsa(&d, numbers);
		if ((k = open_der(&d)) == NULL)
			continue;
		if (pkey_check(k, &why_) == 0)
			fail_msg("number %zu may be any", i);
		pkey_free(k);
	}
	/* Ed25519: a public half that is another's would give the key away. */
	k = rfc_key(PKEY_ED25519);
	assert_int_equal(pkey_encode(k, der, &n), 0);
	pkey_free(k);
	der[n - 1] ^= 1;
	assert_int_equal(pkey_open(slice_of(der, n), &k, &why_), 0);
	assert_int_equal(pkey_check(k, &why_), VERR_FORMAT);
	pkey_free(k);
}

/* Cut anywhere, or with any byte of its frame another: no key, or the same. */
static void
hostile_keys_cut_or_changed(void **state)
{
	struct der d, whole;

	(void)state;
	for (enum pkey_type t = 0; t < PKEY_TYPE_COUNT; t++) {
		if (t == PKEY_RSA)
			make_rsa(&whole, rfc_rsa);
		else if (t == PKEY_P256)
			make_p256(&whole, RFC_EC_D, RFC_EC_X, RFC_EC_Y);
		else
			make_ed25519(&whole, RFC_ED_D);
		for (size_t n = 1; n < whole.n; n++) {
			d = whole;
			d.n = n;
			assert_null(open_der(&d));
		}
		for (size_t i = 0; i < 26 && i < whole.n - 32; i++)
			for (unsigned bit = 0; bit < 8; bit++) {
				d = whole;
				d.p[i] ^= (uint8_t)(1u << bit);
				if (open_der(&d) != NULL)
					fail_msg("type %d: byte %zu, bit %u",
					    (int)t, i, bit);
			}
	}
}

static void
public_of(const struct pkey *k, uint8_t spki[static PKEY_SPKI_MAX],
    struct pubkey *ret)
{
	size_t n;

	assert_int_equal(pkey_spki(k, spki, &n), 0);
	assert_int_equal(pubkey_read(slice_of(spki, n), ret), 0);
	assert_int_equal(ret->type, pkey_type(k));
}

static void
keys_rfc7638_thumbprint(void **state)
{
	char text[PUBKEY_THUMBPRINT_LEN + 1];
	uint8_t n[256];
	struct pubkey p = {
	    .type = PKEY_RSA, .y = slice_of((const uint8_t *)"\1\0\1", 3)};

	(void)state;
	p.x = slice_of(n, from_base64url(RFC_THUMB_N, n, sizeof(n)));
	pubkey_thumbprint(&p, text);
	assert_string_equal(text, RFC_THUMBPRINT);
}

static void
keys_rfc8037_a2_a3_jwk_and_thumbprint(void **state)
{
	struct pkey *k = rfc_key(PKEY_ED25519);
	char text[512], thumbprint[PUBKEY_THUMBPRINT_LEN + 1];
	uint8_t spki[PKEY_SPKI_MAX];
	struct pubkey p;
	struct json j;

	(void)state;
	public_of(k, spki, &p);
	pubkey_thumbprint(&p, thumbprint);
	assert_string_equal(thumbprint, RFC_ED_THUMBPRINT);
	json_begin(&j, text, sizeof(text));
	json_open(&j, NULL, '{');
	json_open(&j, "keys", '[');
	pubkey_jwk(&p, NULL, NULL, &j);
	pubkey_jwk(&p, "staged", NULL, &j);
	json_close(&j, ']');
	json_close(&j, '}');
	assert_false(j.overflow);
	text[j.n] = '\0';
#define JWK(kid)                                                               \
	"{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"" RFC_ED_X               \
	"\",\"kid\":\"" kid "\",\"use\":\"sig\",\"alg\":\"EdDSA\"}"
	assert_string_equal(
	    text, "{\"keys\":[" JWK(RFC_ED_THUMBPRINT) "," JWK("staged") "]}");
	pkey_free(k);
}

static void
keys_rfc7517_jwk_of_rsa_and_p256(void **state)
{
	static const char *const want[] = {
	    [PKEY_RSA] = "{\"e\":\"AQAB\",\"kty\":\"RSA\",\"n\":\"" RFC_RSA_N
	                 "\",\"kid\":\"k\",\"use\":\"sig\",\"alg\":\"RS256\"}",
	    [PKEY_P256] = "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"" RFC_EC_X
	                  "\",\"y\":\"" RFC_EC_Y
	                  "\",\"kid\":\"k\",\"use\":\"sig\",\"alg\":\"ES256\"}",
	};

	(void)state;
	for (enum pkey_type t = PKEY_RSA; t <= PKEY_P256; t++) {
		struct pkey *k = rfc_key(t);
		uint8_t spki[PKEY_SPKI_MAX];
		char text[1024];
		struct pubkey p;
		struct json j;

		public_of(k, spki, &p);
		json_begin(&j, text, sizeof(text));
		pubkey_jwk(&p, "k", NULL, &j);
		assert_int_equal(j.n, strlen(want[t]));
		assert_memory_equal(text, want[t], j.n);
		pkey_free(k);
	}
}

static void
keys_pem_is_read_by_openssl(void **state)
{
	(void)state;
	for (enum pkey_type t = 0; t < PKEY_TYPE_COUNT; t++) {
		struct pkey *k = rfc_key(t);
		EVP_PKEY *theirs = pkey_evp(k), *ours;
		uint8_t spki[PKEY_SPKI_MAX];
		char text[PUBKEY_TEXT_MAX];
		struct pubkey p;
		BIO *bio;

		public_of(k, spki, &p);
		pubkey_pem(&p, text);
		bio = BIO_new_mem_buf(text, -1);
		ours = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
		assert_non_null(ours);
		assert_int_equal(EVP_PKEY_eq(ours, theirs), 1);
		BIO_free(bio);
		EVP_PKEY_free(ours);
		EVP_PKEY_free(theirs);
		pkey_free(k);
	}
}

/* RFC 8709, RFC 5656, RFC 4253: the blobs by hand. */
static void
keys_ssh_lines(void **state)
{
	struct pkey *k = rfc_key(PKEY_ED25519);
	uint8_t spki[PKEY_SPKI_MAX], blob[600];
	char text[PUBKEY_TEXT_MAX], want[1100], base64[1024];
	struct pubkey p;
	size_t n = 4 + 11 + 4;

	(void)state;
	public_of(k, spki, &p);
	memcpy(blob, "\0\0\0\013ssh-ed25519\0\0\0\040", n);
	n += from_base64url(RFC_ED_X, blob + n, 32);
	(void)sodium_bin2base64(
	    base64, sizeof(base64), blob, n, sodium_base64_VARIANT_ORIGINAL);
	snprintf(want, sizeof(want), "ssh-ed25519 %s acme/sftp\n", base64);
	assert_int_equal(pubkey_ssh(&p, "acme/sftp", text), 0);
	assert_string_equal(text, want);
	pkey_free(k);

	k = rfc_key(PKEY_P256);
	public_of(k, spki, &p);
	n = 4 + 19 + 4 + 8 + 4 + 1;
	memcpy(blob,
	    "\0\0\0\023ecdsa-sha2-nistp256\0\0\0\010nistp256\0\0\0\101\4", n);
	n += from_base64url(RFC_EC_X, blob + n, 32);
	n += from_base64url(RFC_EC_Y, blob + n, 32);
	(void)sodium_bin2base64(
	    base64, sizeof(base64), blob, n, sodium_base64_VARIANT_ORIGINAL);
	snprintf(want, sizeof(want), "ecdsa-sha2-nistp256 %s\n", base64);
	assert_int_equal(pubkey_ssh(&p, "", text), 0);
	assert_string_equal(text, want);
	pkey_free(k);

	k = rfc_key(PKEY_RSA);
	public_of(k, spki, &p);
	n = 4 + 7 + 4 + 3 + 4 + 1;
	memcpy(blob, "\0\0\0\7ssh-rsa\0\0\0\3\1\0\1\0\0\1\1\0", n);
	n += from_base64url(RFC_RSA_N, blob + n, 256);
	(void)sodium_bin2base64(
	    base64, sizeof(base64), blob, n, sodium_base64_VARIANT_ORIGINAL);
	snprintf(want, sizeof(want), "ssh-rsa %s\n", base64);
	assert_int_equal(pubkey_ssh(&p, "", text), 0);
	assert_string_equal(text, want);
	pkey_free(k);
}

static void
check_certificate(enum pkey_type type)
{
	static const uint64_t now = 1795000000;
	struct pkey *k = rfc_key(type);
	char first[CERTIFICATE_MAX], text[CERTIFICATE_MAX], name[80];
	EVP_PKEY *key = pkey_evp(k);
	time_t at = (time_t)now;
	int days, seconds;
	X509 *cert;
	BIO *bio;

	assert_int_equal(certificate_make(k, "acme/netsuite", now, first), 0);
	assert_int_equal(certificate_make(k, "acme/netsuite", now, text), 0);
	assert_string_not_equal(first, text); /* the serial */
	bio = BIO_new_mem_buf(text, -1);
	cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	assert_non_null(cert);
	assert_int_equal(X509_verify(cert, key), 1);
	assert_int_equal(X509_get_version(cert), 2);
	assert_int_equal(X509_get_extension_flags(cert) & EXFLAG_CA, 0);
	assert_int_equal(X509_get_key_usage(cert), KU_DIGITAL_SIGNATURE);
	X509_NAME_get_text_by_NID(
	    X509_get_subject_name(cert), NID_commonName, name, sizeof(name));
	assert_string_equal(name, "acme/netsuite");
	assert_int_equal(X509_cmp_time(X509_get0_notBefore(cert), &at), -1);
	ASN1_TIME_diff(&days, &seconds, X509_get0_notBefore(cert),
	    X509_get0_notAfter(cert));
	assert_int_equal(days, 729); /* two years, less the last second */
	assert_int_equal(seconds, 86399);
	X509_free(cert);
	BIO_free(bio);
	EVP_PKEY_free(key);
	pkey_free(k);
}

static void
keys_certificate_is_the_keys_own(void **state)
{
	(void)state;
	for (enum pkey_type t = 0; t < PKEY_TYPE_COUNT; t++)
		check_certificate(t);
}

static void
keys_certificate_request_is_signed(void **state)
{
	char long_name[131];

	(void)state;
	memset(long_name, 'n', sizeof(long_name) - 1);
	long_name[130] = '\0';
	for (enum pkey_type t = 0; t < PKEY_TYPE_COUNT; t++) {
		struct pkey *k = rfc_key(t);
		char text[CERTIFICATE_MAX], name[200];
		X509_REQ *req;
		BIO *bio;

		assert_int_equal(certificate_request(k, long_name, text), 0);
		bio = BIO_new_mem_buf(text, -1);
		req = PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL);
		assert_non_null(req);
		assert_int_equal(
		    X509_REQ_verify(req, X509_REQ_get0_pubkey(req)), 1);
		X509_NAME_get_text_by_NID(X509_REQ_get_subject_name(req),
		    NID_commonName, name, sizeof(name));
		assert_int_equal(strlen(name), CERTIFICATE_NAME);
		X509_REQ_free(req);
		BIO_free(bio);
		pkey_free(k);
	}
}

static void
hostile_public_keys_are_refused(void **state)
{
	struct pkey *k = rfc_key(PKEY_P256);
	uint8_t spki[PKEY_SPKI_MAX], changed[PKEY_SPKI_MAX];
	struct pubkey p;
	size_t n;

	(void)state;
	assert_int_equal(pkey_spki(k, spki, &n), 0);
	for (size_t cut = 0; cut < n; cut++)
		assert_int_equal(
		    pubkey_read(slice_of(spki, cut), &p), VERR_FORMAT);
	for (size_t i = 0; i < n - 64; i++) {
		memcpy(changed, spki, n);
		changed[i] ^= 1;
		assert_int_equal(
		    pubkey_read(slice_of(changed, n), &p), VERR_FORMAT);
	}
	pkey_free(k);
}

static void
keys_cache_forgets_what_it_should(void **state)
{
	static struct pkey_cache c;
	uint8_t id[ROW_ID_LEN] = {0};
	struct pkey *k = rfc_key(PKEY_ED25519), *got;
	size_t kept = 0;

	(void)state;
	assert_null(pkey_cache_get(&c, id, 1, 5));
	for (uint8_t i = 0; i < PKEY_CACHE_MAX; i++) {
		id[0] = i;
		pkey_cache_put(&c, id, 1, k, 100 + i);
	}
	id[0] = 0; /* used again, so that 1 is now the oldest */
	got = pkey_cache_get(&c, id, 1, 200);
	assert_ptr_equal(got, k);
	pkey_free(got);
	assert_null(pkey_cache_get(&c, id, 2, 200)); /* another version */
	id[0] = 99;
	pkey_cache_put(&c, id, 1, k, 201);
	id[0] = 1;
	assert_null(pkey_cache_get(&c, id, 1, 202));
	id[0] = 2;
	pkey_free(got = pkey_cache_get(&c, id, 1, 203));
	assert_non_null(got);
	pkey_cache_drop(&c, id);
	assert_null(pkey_cache_get(&c, id, 1, 204));
	/* idle: only 99 was used since */
	pkey_cache_expire(&c, 200 + PKEY_CACHE_IDLE);
	for (size_t i = 0; i < PKEY_CACHE_MAX; i++)
		kept += c.entries[i].key != NULL;
	assert_int_equal(kept, 1);
	id[0] = 0;
	assert_null(pkey_cache_get(&c, id, 1, 200 + PKEY_CACHE_IDLE));
	id[0] = 99;
	pkey_free(got = pkey_cache_get(&c, id, 1, 200 + PKEY_CACHE_IDLE));
	assert_non_null(got);
	/* a key in use outlives what the cache does */
	got = pkey_cache_get(&c, id, 1, 200 + PKEY_CACHE_IDLE);
	pkey_free(k);
	pkey_cache_clear(&c);
	assert_null(pkey_cache_get(&c, id, 1, 200 + PKEY_CACHE_IDLE));
	assert_int_equal(pkey_check(got, &why_), 0);
	pkey_free(got);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(jwt_rfc7515_a2_rs256),
	    cmocka_unit_test(jwt_rfc7515_a3_es256),
	    cmocka_unit_test(jwt_rfc8037_a4_eddsa),
	    cmocka_unit_test(keys_made_here_sign_and_come_back),
	    cmocka_unit_test(keys_largest_fits_its_bounds),
	    cmocka_unit_test(hostile_keys_are_refused_with_a_reason),
	    cmocka_unit_test(hostile_keys_of_mixed_parts_fail_their_check),
	    cmocka_unit_test(hostile_keys_cut_or_changed),
	    cmocka_unit_test(keys_rfc7638_thumbprint),
	    cmocka_unit_test(keys_rfc8037_a2_a3_jwk_and_thumbprint),
	    cmocka_unit_test(keys_rfc7517_jwk_of_rsa_and_p256),
	    cmocka_unit_test(keys_pem_is_read_by_openssl),
	    cmocka_unit_test(keys_ssh_lines),
	    cmocka_unit_test(keys_certificate_is_the_keys_own),
	    cmocka_unit_test(keys_certificate_request_is_signed),
	    cmocka_unit_test(hostile_public_keys_are_refused),
	    cmocka_unit_test(keys_cache_forgets_what_it_should),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests_name("keeper/pkey", tests, NULL, NULL);
}
