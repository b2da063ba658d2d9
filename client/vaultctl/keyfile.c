#include "client/vaultctl/keyfile.h"

#include <jansson.h>
#include <stdbool.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <sodium.h>

#define PASSPHRASE_MAX 1024
#define NUMBER_MAX     1024 /* bytes of a JWK's number */
#define NUMBERS_MAX    8

struct reader {
	const struct keyfile_ask *ask;
	bool asked;
	const char *why;
};

static int
refuse(struct reader *rd, int r, const char *why)
{
	rd->why = why;
	return r;
}

static int
wrong_passphrase(struct reader *rd)
{
	return refuse(
	    rd, VERR_AUTH, "the passphrase is wrong, or the file is damaged");
}

/* For OpenSSL: a passphrase, or -1. */
static int
on_passphrase(char *buf, int size, int writing, void *arg)
{
	struct reader *rd = arg;
	size_t n = 0;

	(void)writing;
	if (rd->asked || size <= 0)
		return -1;
	rd->asked = true;
	if (rd->ask->ask(rd->ask->arg, buf, (size_t)size, &n) != 0 ||
	    n > (size_t)size)
		return -1;
	return (int)n;
}

/* The private keys in a PEM file, by their first and last lines. */
static size_t
count_keys(struct slice file)
{
	static const char mark[] = "PRIVATE KEY-----";
	const uint8_t *p = file.p, *end = file.p + file.n;
	size_t lines = 0;

	while ((p = memmem(p, (size_t)(end - p), mark, sizeof(mark) - 1)) !=
	    NULL) {
		p += sizeof(mark) - 1;
		lines++;
	}
	return lines / 2;
}

static int
read_pem(struct reader *rd, struct slice file, EVP_PKEY **ret)
{
	size_t count = count_keys(file);
	BIO *bio;

	if (count != 1)
		return refuse(rd, VERR_FORMAT,
		    count == 0 ? "there is no private key in it"
		               : "there is more than one private key");
	if ((bio = BIO_new_mem_buf(file.p, (int)file.n)) == NULL)
		return VERR_NOMEM;
	*ret = PEM_read_bio_PrivateKey(bio, NULL, on_passphrase, rd);
	BIO_free(bio);
	if (*ret != NULL)
		return 0;
	return rd->asked
	    ? wrong_passphrase(rd)
	    : refuse(rd, VERR_FORMAT, "the private key is damaged");
}

/* The numbers that a JWK must have, and what OpenSSL calls them. */
struct member {
	const char *name, *param;
};

static const struct member rsa_members[] = {
    {"n", OSSL_PKEY_PARAM_RSA_N},
    {"e", OSSL_PKEY_PARAM_RSA_E},
    {"d", OSSL_PKEY_PARAM_RSA_D},
    {"p", OSSL_PKEY_PARAM_RSA_FACTOR1},
    {"q", OSSL_PKEY_PARAM_RSA_FACTOR2},
    {"dp", OSSL_PKEY_PARAM_RSA_EXPONENT1},
    {"dq", OSSL_PKEY_PARAM_RSA_EXPONENT2},
    {"qi", OSSL_PKEY_PARAM_RSA_COEFFICIENT1},
};

/* base64url without padding, at most "max" bytes; 0 if it is not. */
static size_t
jwk_bytes(json_t *jwk, const char *name, uint8_t *out, size_t max)
{
	json_t *v = json_object_get(jwk, name);
	const char *text = json_string_value(v);
	size_t n = 0;

	if (text == NULL ||
	    sodium_base642bin(out, max, text, json_string_length(v), NULL, &n,
	        NULL, sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0)
		return 0;
	return n;
}

static EVP_PKEY *
make_key(OSSL_PARAM_BLD *bld, const char *type)
{
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY *key = NULL;

	if (params != NULL && ctx != NULL && EVP_PKEY_fromdata_init(ctx) == 1)
		(void)EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params);
	EVP_PKEY_CTX_free(ctx);
	OSSL_PARAM_free(params);
	return key;
}

static EVP_PKEY *
jwk_rsa(json_t *jwk)
{
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	BIGNUM *numbers[NUMBERS_MAX] = {NULL};
	uint8_t bytes[NUMBER_MAX];
	EVP_PKEY *key = NULL;
	size_t n = bld != NULL, i;

	for (i = 0; n > 0 && i < NUMBERS_MAX; i++) {
		n = jwk_bytes(jwk, rsa_members[i].name, bytes, sizeof(bytes));
		if (n == 0 ||
		    (numbers[i] = BN_bin2bn(bytes, (int)n, NULL)) == NULL ||
		    OSSL_PARAM_BLD_push_BN(
		        bld, rsa_members[i].param, numbers[i]) != 1)
			n = 0;
	}
	if (n > 0)
		key = make_key(bld, "RSA");
	sodium_memzero(bytes, sizeof(bytes));
	OSSL_PARAM_BLD_free(bld);
	for (i = 0; i < NUMBERS_MAX; i++)
		BN_clear_free(numbers[i]);
	return key;
}

static EVP_PKEY *
jwk_p256(json_t *jwk)
{
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	uint8_t d[32], point[65] = {4};
	BIGNUM *number = NULL;
	EVP_PKEY *key = NULL;

	if (bld != NULL && jwk_bytes(jwk, "d", d, 32) == 32 &&
	    jwk_bytes(jwk, "x", point + 1, 32) == 32 &&
	    jwk_bytes(jwk, "y", point + 33, 32) == 32 &&
	    (number = BN_bin2bn(d, 32, NULL)) != NULL &&
	    OSSL_PARAM_BLD_push_utf8_string(
	        bld, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) == 1 &&
	    OSSL_PARAM_BLD_push_octet_string(
	        bld, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)) == 1 &&
	    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_PRIV_KEY, number) == 1)
		key = make_key(bld, "EC");
	sodium_memzero(d, sizeof(d));
	BN_clear_free(number);
	OSSL_PARAM_BLD_free(bld);
	return key;
}

static EVP_PKEY *
jwk_ed25519(json_t *jwk)
{
	uint8_t d[32], x[32], public[32];
	size_t n = sizeof(public);
	EVP_PKEY *key = NULL;

	if (jwk_bytes(jwk, "d", d, 32) == 32 &&
	    jwk_bytes(jwk, "x", x, 32) == 32)
		key = EVP_PKEY_new_raw_private_key(
		    EVP_PKEY_ED25519, NULL, d, sizeof(d));
	sodium_memzero(d, sizeof(d));
	/* The public half does not travel: this is who can see whether it is
	 * the key's. */
	if (key != NULL &&
	    (EVP_PKEY_get_raw_public_key(key, public, &n) != 1 ||
	        memcmp(public, x, sizeof(x)) != 0)) {
		EVP_PKEY_free(key);
		key = NULL;
	}
	return key;
}

static int
read_jwk(struct reader *rd, struct slice file, EVP_PKEY **ret)
{
	static const struct {
		const char *kty, *crv;
		EVP_PKEY *(*make)(json_t *jwk);
	} kinds[] = {
	    {"RSA", NULL, jwk_rsa},
	    {"EC", "P-256", jwk_p256},
	    {"OKP", "Ed25519", jwk_ed25519},
	};
	json_t *jwk = json_loadb(
	    (const char *)file.p, file.n, JSON_REJECT_DUPLICATES, NULL);
	const char *kty = json_string_value(json_object_get(jwk, "kty"));
	const char *crv = json_string_value(json_object_get(jwk, "crv"));
	int r = refuse(rd, VERR_FORMAT, "no JWK of a key that we can use");

	if (jwk == NULL)
		r = refuse(rd, VERR_FORMAT, "it begins as JSON, but is none");
	else if (json_object_get(jwk, "keys") != NULL)
		r = refuse(rd, VERR_FORMAT,
		    "a set of JWKs: give the one that is meant");
	else if (kty != NULL && json_object_get(jwk, "d") == NULL)
		r = refuse(rd, VERR_FORMAT, "a JWK without a private key");
	else if (kty != NULL && json_object_get(jwk, "oth") != NULL)
		r = refuse(rd, VERR_FORMAT, "RSA of more than two primes");
	else
		for (size_t i = 0;
		     kty != NULL && i < sizeof(kinds) / sizeof(kinds[0]); i++)
			if (strcmp(kinds[i].kty, kty) == 0 &&
			    (kinds[i].crv == NULL ||
			        (crv != NULL &&
			            strcmp(kinds[i].crv, crv) == 0)))
				r = (*ret = kinds[i].make(jwk)) != NULL
				    ? 0
				    : refuse(rd, VERR_FORMAT,
				          "the JWK lacks a number, or they do "
				          "not belong together");
	json_decref(jwk);
	return r;
}

static int
parse_pkcs12(struct reader *rd, PKCS12 *p12, EVP_PKEY **ret)
{
	char passphrase[PASSPHRASE_MAX + 1];
	int n = on_passphrase(passphrase, PASSPHRASE_MAX, 0, rd), r = 0;
	const char *p = passphrase;

	if (n < 0)
		return refuse(rd, VERR_AUTH, "it needs a passphrase");
	passphrase[n] = '\0';
	if (n == 0 && PKCS12_verify_mac(p12, NULL, 0) == 1)
		p = NULL;
	if (PKCS12_mac_present(p12) != 1)
		r = refuse(rd, VERR_FORMAT, "PKCS#12 without a checksum");
	else if (PKCS12_verify_mac(p12, p, p == NULL ? 0 : n) != 1)
		r = wrong_passphrase(rd);
	else if (PKCS12_parse(p12, p, ret, NULL, NULL) != 1)
		r = refuse(rd, VERR_FORMAT,
		    "PKCS#12 with an encryption that is no longer safe: "
		    "export it again with AES");
	else if (*ret == NULL)
		r = refuse(rd, VERR_FORMAT, "there is no private key in it");
	sodium_memzero(passphrase, sizeof(passphrase));
	return r;
}

/* PKCS#12, which begins with version 3, or PKCS#8. */
static int
read_der(struct reader *rd, struct slice file, EVP_PKEY **ret)
{
	const uint8_t *p = file.p, *end = file.p + file.n;
	PKCS12 *p12 = d2i_PKCS12(NULL, &p, (long)file.n);
	PKCS8_PRIV_KEY_INFO *info = NULL;
	int r;

	if (p12 != NULL && p == end) {
		r = parse_pkcs12(rd, p12, ret);
	} else {
		p = file.p;
		info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &p, (long)file.n);
		r = info != NULL && p == end &&
		        (*ret = EVP_PKCS82PKEY(info)) != NULL
		    ? 0
		    : refuse(rd, VERR_FORMAT,
		          "neither PKCS#12 nor PKCS#8, or damaged");
	}
	PKCS8_PRIV_KEY_INFO_free(info);
	PKCS12_free(p12);
	return r;
}

static int
read_any(struct reader *rd, struct slice file, EVP_PKEY **ret)
{
	static const char openssh[] = "-----BEGIN OPENSSH PRIVATE KEY-----";
	static const char begin[] = "-----BEGIN ";
	size_t blanks = 0;

	if (memmem(file.p, file.n, openssh, sizeof(openssh) - 1) != NULL)
		return refuse(rd, VERR_FORMAT,
		    "OpenSSH's own form is not read; ssh-keygen -p -m PKCS8 -f "
		    "FILE changes an RSA or ECDSA key into one that is");
	if (memmem(file.p, file.n, begin, sizeof(begin) - 1) != NULL)
		return read_pem(rd, file, ret);
	while (blanks < file.n && memchr(" \t\r\n", file.p[blanks], 4) != NULL)
		blanks++;
	if (blanks < file.n && file.p[blanks] == '{')
		return read_jwk(rd, file, ret);
	return read_der(rd, file, ret);
}

/* What the vault would say of the key, said before it is sent. */
static int
check_kind(struct reader *rd, EVP_PKEY *key)
{
	char group[32] = "";
	int explicit = 0;

	if (EVP_PKEY_is_a(key, "ED25519"))
		return 0;
	if (EVP_PKEY_is_a(key, "RSA")) {
		int bits = EVP_PKEY_get_bits(key);

		return bits >= 2048 && bits <= 4096
		    ? 0
		    : refuse(rd, VERR_FORMAT,
		          "an RSA key needs 2048 to 4096 bits");
	}
	if (!EVP_PKEY_is_a(key, "EC"))
		return refuse(rd, VERR_FORMAT,
		    "the key is neither RSA, P-256 nor Ed25519");
	(void)EVP_PKEY_get_int_param(
	    key, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, &explicit);
	(void)EVP_PKEY_get_group_name(key, group, sizeof(group), NULL);
	if (explicit || strcmp(group, "prime256v1") != 0)
		return refuse(
		    rd, VERR_FORMAT, "the curve is not P-256, or is not named");
	return EVP_PKEY_set_utf8_string_param(key,
	           OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT,
	           "uncompressed") == 1
	    ? 0
	    : VERR_NOMEM;
}

static int
write_der(struct reader *rd, EVP_PKEY *key, uint8_t *out, size_t *ret_len)
{
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);
	uint8_t *p = out;
	int n = info == NULL ? -1 : i2d_PKCS8_PRIV_KEY_INFO(info, NULL), r = 0;

	if (n <= 0)
		r = refuse(rd, VERR_FORMAT, "the key is not whole");
	else if (n > KEYFILE_DER_MAX)
		r = refuse(rd, VERR_TOOBIG, "the key is too large");
	else if (i2d_PKCS8_PRIV_KEY_INFO(info, &p) != n)
		r = VERR_NOMEM;
	else
		*ret_len = (size_t)n;
	PKCS8_PRIV_KEY_INFO_free(info);
	return r;
}

int
keyfile_read(struct slice file, const struct keyfile_ask *ask,
    uint8_t out[static KEYFILE_DER_MAX], size_t *ret_len, const char **ret_why)
{
	struct reader rd = {.ask = ask, .why = "out of memory"};
	EVP_PKEY *key = NULL;
	int r;

	if (file.n == 0 || file.n > KEYFILE_MAX) {
		*ret_why = file.n == 0 ? "it is empty" : "it is too long";
		return file.n == 0 ? VERR_FORMAT : VERR_TOOBIG;
	}
	/* A configuration file could load code. */
	(void)OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	if ((r = read_any(&rd, file, &key)) != 0 ||
	    (r = check_kind(&rd, key)) != 0 ||
	    (r = write_der(&rd, key, out, ret_len)) != 0) {
		sodium_memzero(out, KEYFILE_DER_MAX);
		*ret_why = rd.why;
	}
	EVP_PKEY_free(key);
	ERR_clear_error();
	return r;
}
