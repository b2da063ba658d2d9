#include "vaultd/keeper/pkey.h"

#include <stdlib.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>
#include <sodium.h>

#include "vaultd/keeper/der.h"

#define SCALAR_LEN 32
#define POINT_LEN  65 /* uncompressed */

struct pkey {
	enum pkey_type type;
	unsigned refs;
	EVP_PKEY *evp; /* RSA, P-256 */
	/* P-256: the scalar; Ed25519: seed and public key, as libsodium */
	uint8_t secret[crypto_sign_SECRETKEYBYTES];
	uint8_t point[POINT_LEN]; /* P-256 */
};

const struct slice pkey_identifiers[PKEY_TYPE_COUNT] = {
    [PKEY_RSA] = SLICE("\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01"
                       "\x01\x05\x00"),
    [PKEY_P256] = SLICE("\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06"
                        "\x08\x2a\x86\x48\xce\x3d\x03\x01\x07"),
    [PKEY_ED25519] = SLICE("\x30\x05\x06\x03\x2b\x65\x70"),
};

/* Algorithms that are known, and why they are refused. */
static const struct {
	struct slice oid;
	const char *why;
} refused[] = {
    {SLICE("\x06\x07\x2a\x86\x48\xce\x3d\x02\x01"),
        "the curve is not P-256, or is not named"},
    {SLICE("\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a"),
        "a key for RSA-PSS alone cannot sign with RS256"},
    {SLICE("\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"),
        "an RSA key with parameters"},
    {SLICE("\x06\x03\x2b\x65\x71"), "Ed448 is not supported"},
    {SLICE("\x06\x03\x2b\x65\x6e"), "an X25519 key does not sign"},
    {SLICE("\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0d"),
        "the key is encrypted"},
    {SLICE("\x06\x07\x2a\x86\x48\xce\x38\x04\x01"), "DSA is not supported"},
};

/* RFC 5958, with what P-256 and Ed25519 always have in it. */
static const uint8_t p256_head[] = {0x30, 0x81, 0x87, 0x02, 0x01, 0x00, 0x30,
    0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08,
    0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x04, 0x6d, 0x30, 0x6b,
    0x02, 0x01, 0x01, 0x04, 0x20};
static const uint8_t p256_middle[] = {0xa1, 0x44, 0x03, 0x42, 0x00};
static const uint8_t p256_spki[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00};
static const uint8_t ed_head[] = {0x30, 0x51, 0x02, 0x01, 0x01, 0x30, 0x05,
    0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20};
static const uint8_t ed_middle[] = {0x81, 0x21, 0x00};
static const uint8_t ed_spki[] = {
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};

static const char *const algs[PKEY_TYPE_COUNT] = {
    [PKEY_RSA] = "RS256",
    [PKEY_P256] = "ES256",
    [PKEY_ED25519] = "EdDSA",
};

const char *
pkey_alg(enum pkey_type type)
{
	return algs[type];
}

int
pkey_alg_parse(struct slice name, enum pkey_type *ret)
{
	for (enum pkey_type t = 0; t < PKEY_TYPE_COUNT; t++)
		if (slice_is(name, algs[t])) {
			*ret = t;
			return 0;
		}
	return VERR_NOTFOUND;
}

static int
malformed(const char **ret_why)
{
	*ret_why = "not a private key in PKCS#8 form, or damaged";
	return VERR_FORMAT;
}

/* What OpenSSL is to make a key of. */
struct recipe {
	OSSL_PARAM_BLD *bld;
	BIGNUM *numbers[8];
	size_t n;
	bool failed;
};

static void
recipe_number(struct recipe *c, const char *name, struct slice v)
{
	BIGNUM *b = BN_secure_new();

	c->numbers[c->n++] = b;
	if (b == NULL || BN_bin2bn(v.p, (int)v.n, b) == NULL ||
	    OSSL_PARAM_BLD_push_BN(c->bld, name, b) != 1)
		c->failed = true;
}

/*
 * Make the key and end the recipe.
 */
static int
recipe_cook(struct recipe *c, const char *type, EVP_PKEY **ret)
{
	OSSL_PARAM *params = c->failed ? NULL : OSSL_PARAM_BLD_to_param(c->bld);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY *key = NULL;

	if (params != NULL && ctx != NULL && EVP_PKEY_fromdata_init(ctx) == 1)
		(void)EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params);
	EVP_PKEY_CTX_free(ctx);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(c->bld);
	while (c->n > 0)
		BN_clear_free(c->numbers[--c->n]);
	if (key == NULL)
		return VERR_FORMAT;
	*ret = key;
	return 0;
}

static unsigned
bits_of(struct slice v)
{
	unsigned bits = (unsigned)v.n * 8;

	for (unsigned top = v.p[0]; top < 0x80; top <<= 1)
		bits--;
	return bits;
}

/* Whether size and exponent will do, or why not. */
static const char *
rsa_weakness(struct slice n, struct slice e)
{
	unsigned bits = bits_of(n);

	if (bits < PKEY_RSA_MIN)
		return "weak: an RSA key needs 2048 bits";
	if (bits > PKEY_RSA_MAX)
		return "an RSA key has at most 4096 bits";
	if ((n.p[n.n - 1] & 1) == 0)
		return "weak: the RSA modulus is even";
	if ((e.p[e.n - 1] & 1) == 0 || bits_of(e) < 17)
		return "weak: the RSA exponent is even or below 65537";
	return e.n > 8 ? "the RSA exponent is too long" : NULL;
}

/* RSAPrivateKey (RFC 8017, A.1.2), of two primes. */
static int
open_rsa(struct slice body, struct pkey *k, const char **ret_why)
{
	static const char *const names[] = {
	    OSSL_PKEY_PARAM_RSA_N,
	    OSSL_PKEY_PARAM_RSA_E,
	    OSSL_PKEY_PARAM_RSA_D,
	    OSSL_PKEY_PARAM_RSA_FACTOR1,
	    OSSL_PKEY_PARAM_RSA_FACTOR2,
	    OSSL_PKEY_PARAM_RSA_EXPONENT1,
	    OSSL_PKEY_PARAM_RSA_EXPONENT2,
	    OSSL_PKEY_PARAM_RSA_COEFFICIENT1,
	};
	static const struct slice two_primes = SLICE("\x02\x01\x00");
	struct slice in, v[8];
	struct recipe c = {.n = 0};

	if (der_take(&body, DER_SEQUENCE, &in) != 0 || body.n != 0 ||
	    der_take_bytes(&in, two_primes) != 0)
		return malformed(ret_why);
	for (size_t i = 0; i < 8; i++)
		if (der_take_positive(&in, &v[i]) != 0 || v[i].n > v[0].n)
			return malformed(ret_why);
	if (in.n != 0)
		return malformed(ret_why);
	if ((*ret_why = rsa_weakness(v[0], v[1])) != NULL)
		return VERR_FORMAT;
	if ((c.bld = OSSL_PARAM_BLD_new()) == NULL)
		return VERR_NOMEM;
	for (size_t i = 0; i < 8; i++)
		recipe_number(&c, names[i], v[i]);
	return recipe_cook(&c, "RSA", &k->evp) == 0 ? 0 : malformed(ret_why);
}

/*
 * True if the scalar is between 1 and the order of P-256, less one.  Constant
 * time.
 */
static bool
is_scalar(const uint8_t s[static SCALAR_LEN])
{
	static const uint8_t order[SCALAR_LEN] = {0xff, 0xff, 0xff, 0xff, 0x00,
	    0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca,
	    0xc2, 0xfc, 0x63, 0x25, 0x51};
	unsigned borrow = 0;

	for (size_t i = SCALAR_LEN; i-- > 0;)
		borrow = ((unsigned)s[i] - order[i] - borrow) >> 31;
	return borrow == 1 && sodium_is_zero(s, SCALAR_LEN) == 0;
}

/* Work out the public point, for keys that come without it. */
static int
find_point(struct pkey *k)
{
	EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	BIGNUM *d = BN_secure_new();
	EC_POINT *q = group == NULL ? NULL : EC_POINT_new(group);
	int r = VERR_NOMEM;

	if (q != NULL && d != NULL &&
	    BN_bin2bn(k->secret, SCALAR_LEN, d) != NULL &&
	    EC_POINT_mul(group, q, d, NULL, NULL, NULL) == 1 &&
	    EC_POINT_point2oct(group, q, POINT_CONVERSION_UNCOMPRESSED,
	        k->point, POINT_LEN, NULL) == POINT_LEN)
		r = 0;
	EC_POINT_free(q);
	BN_clear_free(d);
	EC_GROUP_free(group);
	return r;
}

/* The key out of k->secret and k->point. */
static int
build_p256(struct pkey *k)
{
	struct recipe c = {.bld = OSSL_PARAM_BLD_new()};

	if (c.bld == NULL)
		return VERR_NOMEM;
	c.failed = OSSL_PARAM_BLD_push_utf8_string(c.bld,
	               OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) != 1 ||
	    OSSL_PARAM_BLD_push_octet_string(
	        c.bld, OSSL_PKEY_PARAM_PUB_KEY, k->point, POINT_LEN) != 1;
	recipe_number(
	    &c, OSSL_PKEY_PARAM_PRIV_KEY, slice_of(k->secret, SCALAR_LEN));
	return recipe_cook(&c, "EC", &k->evp);
}

/* ECPrivateKey (RFC 5915); its parameters, if there, are those of P-256. */
static int
open_p256(struct slice body, struct pkey *k, const char **ret_why)
{
	static const struct slice version = SLICE("\x02\x01\x01");
	struct slice in, scalar, curve, wrapped, bits;
	const struct slice named = slice_of(
	    pkey_identifiers[PKEY_P256].p + 11, 10); /* the second OID */
	int r;

	if (der_take(&body, DER_SEQUENCE, &in) != 0 || body.n != 0 ||
	    der_take_bytes(&in, version) != 0 ||
	    der_take(&in, DER_OCTETS, &scalar) != 0 || scalar.n != SCALAR_LEN)
		return malformed(ret_why);
	if ((r = der_take(&in, DER_EXPLICIT0, &curve)) == VERR_FORMAT ||
	    (r == 0 && !slice_equal(curve, named)))
		return malformed(ret_why);
	if (!is_scalar(scalar.p)) {
		*ret_why = "weak: the private number is out of range";
		return VERR_FORMAT;
	}
	memcpy(k->secret, scalar.p, SCALAR_LEN);
	r = der_take(&in, DER_EXPLICIT1, &wrapped);
	if (r == 0 &&
	    (der_take(&wrapped, DER_BITS, &bits) != 0 || wrapped.n != 0 ||
	        bits.n != 1 + POINT_LEN || bits.p[0] != 0 || bits.p[1] != 4))
		return malformed(ret_why);
	if (r == VERR_FORMAT || in.n != 0)
		return malformed(ret_why);
	if (r == 0)
		memcpy(k->point, bits.p + 1, POINT_LEN);
	else if ((r = find_point(k)) != 0)
		return r;
	r = build_p256(k);
	return r == VERR_FORMAT ? malformed(ret_why) : r;
}

/* CurvePrivateKey (RFC 8410): the seed. */
static int
open_ed25519(struct slice body, struct slice public, struct pkey *k,
    const char **ret_why)
{
	uint8_t ignored[crypto_sign_PUBLICKEYBYTES];
	struct slice seed;

	if (der_take(&body, DER_OCTETS, &seed) != 0 || body.n != 0 ||
	    seed.n != crypto_sign_SEEDBYTES)
		return malformed(ret_why);
	if (public.n == 0) {
		(void)crypto_sign_seed_keypair(ignored, k->secret, seed.p);
		return 0;
	}
	if (public.n != 1 + crypto_sign_PUBLICKEYBYTES || public.p[0] != 0)
		return malformed(ret_why);
	memcpy(k->secret, seed.p, seed.n);
	memcpy(k->secret + seed.n, public.p + 1, crypto_sign_PUBLICKEYBYTES);
	return 0;
}

/* Why no key has this AlgorithmIdentifier. */
static int
refuse_algorithm(struct slice in, const char **ret_why)
{
	struct slice id;

	if (der_take(&in, DER_SEQUENCE, &id) != 0)
		return malformed(ret_why);
	*ret_why = "this kind of key is not supported";
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		if (der_take_bytes(&id, refused[i].oid) == 0) {
			*ret_why = refused[i].why;
			break;
		}
	return VERR_FORMAT;
}

/* The parts of a PrivateKeyInfo. */
struct info {
	enum pkey_type type;
	struct slice key;
	struct slice public; /* empty if there is none */
};

static int
read_info(struct slice der, struct info *ret, const char **ret_why)
{
	static const struct slice v1 = SLICE("\x02\x01\x00");
	static const struct slice v2 = SLICE("\x02\x01\x01");
	struct slice in;
	bool later;
	int r;

	if (der_take(&der, DER_SEQUENCE, &in) != 0)
		return malformed(ret_why);
	if (der.n != 0) {
		*ret_why = "something follows the key";
		return VERR_FORMAT;
	}
	if (in.n > 0 && in.p[0] == DER_SEQUENCE)
		return refuse_algorithm(in, ret_why); /* encrypted, mostly */
	later = der_take_bytes(&in, v2) == 0;
	if (!later && der_take_bytes(&in, v1) != 0)
		return malformed(ret_why);
	for (ret->type = 0; ret->type < PKEY_TYPE_COUNT; ret->type++)
		if (der_take_bytes(&in, pkey_identifiers[ret->type]) == 0)
			break;
	if (ret->type == PKEY_TYPE_COUNT)
		return refuse_algorithm(in, ret_why);
	if (der_take(&in, DER_OCTETS, &ret->key) != 0)
		return malformed(ret_why);
	/* Only of Ed25519 has the public half a place here, and then it must
	 * be there; attributes are nobody's. */
	ret->public = slice_of(NULL, 0);
	r = later ? der_take(&in, DER_IMPLICIT1, &ret->public) : 0;
	if (r != 0 || in.n != 0 || (later && ret->type != PKEY_ED25519))
		return malformed(ret_why);
	return 0;
}

int
pkey_open(struct slice der, struct pkey **ret, const char **ret_why)
{
	struct info info = {0};
	struct pkey *k;
	int r;

	if ((r = read_info(der, &info, ret_why)) != 0)
		return r;
	if ((k = calloc(1, sizeof(*k))) == NULL)
		return VERR_NOMEM;
	k->type = info.type;
	k->refs = 1;
	switch (info.type) {
	case PKEY_RSA:
		r = open_rsa(info.key, k, ret_why);
		break;
	case PKEY_P256:
		r = open_p256(info.key, k, ret_why);
		break;
	default:
		r = open_ed25519(info.key, info.public, k, ret_why);
	}
	if (r != 0) {
		pkey_free(k);
		return r;
	}
	*ret = k;
	return 0;
}

int
pkey_check(const struct pkey *k, const char **ret_why)
{
	uint8_t public[crypto_sign_PUBLICKEYBYTES];
	uint8_t secret[crypto_sign_SECRETKEYBYTES];
	EVP_PKEY_CTX *ctx;
	bool sound;

	if (k->type == PKEY_ED25519) {
		(void)crypto_sign_seed_keypair(public, secret, k->secret);
		sound = sodium_memcmp(secret, k->secret, sizeof(secret)) == 0;
		sodium_memzero(secret, sizeof(secret));
	} else {
		ctx = EVP_PKEY_CTX_new_from_pkey(NULL, k->evp, NULL);
		sound = ctx != NULL && EVP_PKEY_check(ctx) == 1;
		EVP_PKEY_CTX_free(ctx);
	}
	if (sound)
		return 0;
	*ret_why = "weak: the parts of the key do not belong together";
	return VERR_FORMAT;
}

/* Take the halves out of a P-256 key that OpenSSL made. */
static bool
take_halves(struct pkey *k)
{
	BIGNUM *d = NULL;
	size_t n;
	bool done =
	    EVP_PKEY_get_bn_param(k->evp, OSSL_PKEY_PARAM_PRIV_KEY, &d) == 1 &&
	    BN_bn2binpad(d, k->secret, SCALAR_LEN) == SCALAR_LEN &&
	    EVP_PKEY_get_octet_string_param(k->evp, OSSL_PKEY_PARAM_PUB_KEY,
	        k->point, POINT_LEN, &n) == 1 &&
	    n == POINT_LEN && k->point[0] == 4;

	BN_clear_free(d);
	return done;
}

int
pkey_make(enum pkey_type type, unsigned bits, struct pkey **ret)
{
	uint8_t ignored[crypto_sign_PUBLICKEYBYTES];
	struct pkey *k;
	bool made = false;

	if (type == PKEY_RSA && bits != 2048 && bits != 3072 && bits != 4096)
		return VERR_FORMAT;
	if ((k = calloc(1, sizeof(*k))) == NULL)
		return VERR_NOMEM;
	k->type = type;
	k->refs = 1;
	switch (type) {
	case PKEY_RSA:
		k->evp = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)bits);
		made = k->evp != NULL;
		break;
	case PKEY_P256:
		k->evp = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
		made = k->evp != NULL && take_halves(k);
		break;
	default:
		made = crypto_sign_keypair(ignored, k->secret) == 0;
	}
	if (!made) {
		pkey_free(k);
		return VERR_INTERNAL;
	}
	*ret = k;
	return 0;
}

struct pkey *
pkey_ref(struct pkey *k)
{
	k->refs++;
	return k;
}

void
pkey_free(struct pkey *k)
{
	if (k == NULL || --k->refs > 0)
		return;
	EVP_PKEY_free(k->evp);
	sodium_memzero(k, sizeof(*k));
	free(k);
}

enum pkey_type
pkey_type(const struct pkey *k)
{
	return k->type;
}

/* Three pieces, one after the other. */
static size_t
join(uint8_t *out, struct slice a, struct slice b, struct slice c)
{
	memcpy(out, a.p, a.n);
	memcpy(out + a.n, b.p, b.n);
	memcpy(out + a.n + b.n, c.p, c.n);
	return a.n + b.n + c.n;
}

static int
encode_rsa(const struct pkey *k, uint8_t *out, size_t *ret_len)
{
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(k->evp);
	uint8_t *der = NULL;
	int n = info == NULL ? -1 : i2d_PKCS8_PRIV_KEY_INFO(info, &der);
	int r = VERR_INTERNAL;

	if (n > 0 && n <= PKEY_DER_MAX) {
		memcpy(out, der, (size_t)n);
		*ret_len = (size_t)n;
		r = 0;
	}
	if (n > 0)
		OPENSSL_clear_free(der, (size_t)n);
	PKCS8_PRIV_KEY_INFO_free(info);
	return r;
}

int
pkey_encode(
    const struct pkey *k, uint8_t out[static PKEY_DER_MAX], size_t *ret_len)
{
	const struct slice p256 = slice_of(p256_head, sizeof(p256_head));
	const struct slice ed = slice_of(ed_head, sizeof(ed_head));
	size_t n;

	switch (k->type) {
	case PKEY_RSA:
		return encode_rsa(k, out, ret_len);
	case PKEY_P256:
		n = join(out, p256, slice_of(k->secret, SCALAR_LEN),
		    slice_of(p256_middle, sizeof(p256_middle)));
		memcpy(out + n, k->point, POINT_LEN);
		*ret_len = n + POINT_LEN;
		return 0;
	default:
		n = join(out, ed, slice_of(k->secret, crypto_sign_SEEDBYTES),
		    slice_of(ed_middle, sizeof(ed_middle)));
		memcpy(out + n, k->secret + crypto_sign_SEEDBYTES,
		    crypto_sign_PUBLICKEYBYTES);
		*ret_len = n + crypto_sign_PUBLICKEYBYTES;
		return 0;
	}
}

int
pkey_spki(
    const struct pkey *k, uint8_t out[static PKEY_SPKI_MAX], size_t *ret_len)
{
	static const struct slice none = {(const uint8_t *)"", 0};
	uint8_t *p = out;
	int n;

	switch (k->type) {
	case PKEY_RSA:
		n = i2d_PUBKEY(k->evp, NULL);
		if (n <= 0 || n > PKEY_SPKI_MAX || i2d_PUBKEY(k->evp, &p) != n)
			return VERR_INTERNAL;
		*ret_len = (size_t)n;
		return 0;
	case PKEY_P256:
		*ret_len = join(out, slice_of(p256_spki, sizeof(p256_spki)),
		    slice_of(k->point, POINT_LEN), none);
		return 0;
	default:
		*ret_len = join(out, slice_of(ed_spki, sizeof(ed_spki)),
		    slice_of(k->secret + crypto_sign_SEEDBYTES,
		        crypto_sign_PUBLICKEYBYTES),
		    none);
		return 0;
	}
}

/* ECDSA-Sig-Value (RFC 3279) to r and s. */
static int
to_jose(const uint8_t *der, size_t n, uint8_t out[static 2 * SCALAR_LEN])
{
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)n);
	int r = VERR_INTERNAL;

	if (sig != NULL &&
	    BN_bn2binpad(ECDSA_SIG_get0_r(sig), out, SCALAR_LEN) ==
	        SCALAR_LEN &&
	    BN_bn2binpad(ECDSA_SIG_get0_s(sig), out + SCALAR_LEN, SCALAR_LEN) ==
	        SCALAR_LEN)
		r = 0;
	ECDSA_SIG_free(sig);
	return r;
}

int
pkey_sign(const struct pkey *k, struct slice message,
    uint8_t ret[static PKEY_SIGNATURE_MAX], size_t *ret_len)
{
	uint8_t signature[PKEY_SIGNATURE_MAX];
	size_t n = sizeof(signature);
	EVP_MD_CTX *ctx;
	int r = VERR_INTERNAL;

	if (k->type == PKEY_ED25519) {
		(void)crypto_sign_detached(
		    ret, NULL, message.p, message.n, k->secret);
		*ret_len = crypto_sign_BYTES;
		return 0;
	}
	ctx = EVP_MD_CTX_new();
	if (ctx == NULL ||
	    EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, k->evp) != 1 ||
	    EVP_DigestSign(ctx, signature, &n, message.p, message.n) != 1)
		goto out;
	if (k->type == PKEY_P256) {
		if ((r = to_jose(signature, n, ret)) != 0)
			goto out;
		n = (size_t)2 * SCALAR_LEN;
	} else {
		memcpy(ret, signature, n);
	}
	*ret_len = n;
	r = 0;
out:
	EVP_MD_CTX_free(ctx);
	return r;
}

struct evp_pkey_st *
pkey_evp(const struct pkey *k)
{
	if (k->type == PKEY_ED25519)
		return EVP_PKEY_new_raw_private_key(
		    EVP_PKEY_ED25519, NULL, k->secret, crypto_sign_SEEDBYTES);
	return EVP_PKEY_up_ref(k->evp) == 1 ? k->evp : NULL;
}
