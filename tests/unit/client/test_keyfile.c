/*
 * What keyfile.h promises.  What comes out is compared with PKCS#8 made by
 * hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/rsa.h>

#include "client/vaultctl/keyfile.h"
#include "tests/support/make_key.h"

#define PASSPHRASE "correct horse"
#define JWK_RSA                                                                \
	"{\"kty\":\"RSA\",\"n\":\"" RFC_RSA_N                                  \
	"\",\"e\":\"AQAB\",\"d\":\"" RFC_RSA_D "\",\"p\":\"" RFC_RSA_P         \
	"\",\"q\":\"" RFC_RSA_Q "\",\"dp\":"                                   \
	"\"" RFC_RSA_DP "\",\"dq\":\"" RFC_RSA_DQ "\",\"qi\":\"" RFC_RSA_QI    \
	"\"}"
#define JWK_EC(d)                                                              \
	"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" RFC_EC_X                  \
	"\",\"y\":\"" RFC_EC_Y "\",\"d\":\"" d "\"}"
#define JWK_ED(d)                                                              \
	"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"d\":\"" d                      \
	"\",\"x\":\"" RFC_ED_X "\"}"

enum { RSA_KEY, P256_KEY, ED_KEY, KEYS };

static uint8_t out_[KEYFILE_DER_MAX];
static size_t len_;
static const char *why_;
static const char *passphrase_;
static int questions_;

static int
answer(void *arg, char *buf, size_t size, size_t *ret_n)
{
	(void)arg;
	questions_++;
	if (passphrase_ == NULL)
		return VERR_CLOSED;
	assert_true(strlen(passphrase_) <= size);
	memcpy(buf, passphrase_, strlen(passphrase_));
	*ret_n = strlen(passphrase_);
	return 0;
}

static const struct keyfile_ask ask_ = {answer, NULL};

static int
read_bytes(const void *p, size_t n)
{
	/* no longer than it is, so that a read beyond it is seen */
	uint8_t *exact = malloc(n + !n);
	int r;

	assert_non_null(exact);
	memcpy(exact, p, n);
	why_ = NULL;
	len_ = 0;
	questions_ = 0;
	memset(out_, 0xee, sizeof(out_));
	r = keyfile_read(slice_of(exact, n), &ask_, out_, &len_, &why_);
	free(exact);
	if (r != 0) {
		assert_non_null(why_);
		assert_int_equal(len_, 0);
		for (size_t i = 0;
		     i < sizeof(out_) && n > 0 && n <= KEYFILE_MAX; i++)
			assert_int_equal(out_[i], 0);
	}
	return r;
}

static void
refused(const char *text, const char *because)
{
	if (read_bytes(text, strlen(text)) == 0)
		fail_msg("taken: %s", because);
	if (strstr(why_, because) == NULL)
		fail_msg("\"%s\", not \"%s\"", why_, because);
}

static void
by_hand(int which, struct der *d)
{
	if (which == RSA_KEY)
		make_rsa(d, rfc_rsa);
	else if (which == P256_KEY)
		make_p256(d, RFC_EC_D, RFC_EC_X, RFC_EC_Y);
	else
		make_ed25519(d, RFC_ED_D);
}

static void
came_out(int which)
{
	struct der d;

	by_hand(which, &d);
	assert_int_equal(len_, d.n);
	assert_memory_equal(out_, d.p, d.n);
}

static EVP_PKEY *
theirs(int which)
{
	struct der d;
	const uint8_t *p = d.p;
	EVP_PKEY *key;

	by_hand(which, &d);
	key = d2i_AutoPrivateKey(NULL, &p, (long)d.n);
	assert_non_null(key);
	return key;
}

/* The text in "bio", which is ended. */
static char *
text_of(BIO *bio, char *buf, size_t size)
{
	int n = BIO_read(bio, buf, (int)size - 1);

	assert_true(n > 0);
	buf[n] = '\0';
	BIO_free(bio);
	return buf;
}

static void
keys_jwk_of_the_rfcs(void **state)
{
	static const char *const jwks[KEYS] = {
	    JWK_RSA, JWK_EC(RFC_EC_D), " \r\n\t" JWK_ED(RFC_ED_D) "\n"};

	(void)state;
	for (int i = 0; i < KEYS; i++) {
		assert_int_equal(read_bytes(jwks[i], strlen(jwks[i])), 0);
		came_out(i);
		assert_int_equal(questions_, 0);
	}
}

static void
keys_pem_of_every_kind(void **state)
{
	char text[8192];

	(void)state;
	for (int i = 0; i < KEYS; i++) {
		EVP_PKEY *key = theirs(i);
		BIO *bio = BIO_new(BIO_s_mem());

		/* PKCS#8, with words before it as openssl writes them */
		BIO_puts(bio, "Bag Attributes\n    friendlyName: k\n");
		PEM_write_bio_PKCS8PrivateKey(
		    bio, key, NULL, NULL, 0, NULL, NULL);
		text_of(bio, text, sizeof(text));
		assert_int_equal(read_bytes(text, strlen(text)), 0);
		came_out(i);
		EVP_PKEY_free(key);
		if (i == ED_KEY)
			continue;
		/* PKCS#1, SEC1 */
		key = theirs(i);
		bio = BIO_new(BIO_s_mem());
		PEM_write_bio_PrivateKey_traditional(
		    bio, key, NULL, NULL, 0, NULL, NULL);
		text_of(bio, text, sizeof(text));
		assert_non_null(strstr(
		    text, i == RSA_KEY ? "BEGIN RSA" : "BEGIN EC PRIVATE"));
		assert_int_equal(read_bytes(text, strlen(text)), 0);
		came_out(i);
		EVP_PKEY_free(key);
	}
}

static void
keys_encrypted_pem_asks_once(void **state)
{
	EVP_PKEY *key = theirs(P256_KEY);
	BIO *bio = BIO_new(BIO_s_mem());
	char text[4096];

	(void)state;
	PEM_write_bio_PKCS8PrivateKey(bio, key, EVP_aes_256_cbc(), PASSPHRASE,
	    (int)strlen(PASSPHRASE), NULL, NULL);
	EVP_PKEY_free(key);
	text_of(bio, text, sizeof(text));
	passphrase_ = PASSPHRASE;
	assert_int_equal(read_bytes(text, strlen(text)), 0);
	came_out(P256_KEY);
	assert_int_equal(questions_, 1);
	passphrase_ = "wrong";
	assert_int_equal(read_bytes(text, strlen(text)), VERR_AUTH);
	assert_int_equal(questions_, 1);
	passphrase_ = NULL;
	assert_int_equal(read_bytes(text, strlen(text)), VERR_AUTH);
}

static void
keys_pkcs12_asks_once(void **state)
{
	static const char *const words[] = {PASSPHRASE, ""};

	(void)state;
	for (int i = 0; i < 2; i++) {
		EVP_PKEY *key = theirs(RSA_KEY);
		PKCS12 *p12 = PKCS12_create(
		    words[i], "name", key, NULL, NULL, 0, 0, 2000, 2000, 0);
		uint8_t *der = NULL;
		int n = i2d_PKCS12(p12, &der);

		assert_true(n > 0);
		passphrase_ = words[i];
		assert_int_equal(read_bytes(der, (size_t)n), 0);
		came_out(RSA_KEY);
		assert_int_equal(questions_, 1);
		passphrase_ = "wrong";
		assert_int_equal(read_bytes(der, (size_t)n), VERR_AUTH);
		passphrase_ = NULL;
		assert_int_equal(read_bytes(der, (size_t)n), VERR_AUTH);
		der[n - 1] ^= 1;
		passphrase_ = words[i];
		assert_int_not_equal(read_bytes(der, (size_t)n), 0);
		OPENSSL_free(der);
		PKCS12_free(p12);
		EVP_PKEY_free(key);
	}
}

static void
keys_der_as_it_is(void **state)
{
	struct der d;

	(void)state;
	for (int i = 0; i < KEYS; i++) {
		by_hand(i, &d);
		assert_int_equal(read_bytes(d.p, d.n), 0);
		came_out(i);
		d.p[d.n] = 0;
		assert_int_equal(read_bytes(d.p, d.n + 1), VERR_FORMAT);
		for (size_t n = 0; n < d.n; n += 7)
			assert_int_not_equal(read_bytes(d.p, n), 0);
	}
}

static void
hostile_jwks_are_refused(void **state)
{
	(void)state;
	refused("{", "begins as JSON");
	refused("{\"kty\":\"RSA\"} x", "begins as JSON");
	refused("{\"kty\":\"OKP\",\"kty\":\"RSA\"}", "begins as JSON");
	refused("{}", "no JWK");
	refused("{\"kty\":1,\"d\":\"x\"}", "no JWK");
	refused("{\"keys\":[" JWK_ED(RFC_ED_D) "]}", "a set of JWKs");
	refused("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" RFC_ED_X "\"}",
	    "without a private key");
	refused("{\"kty\":\"oct\",\"k\":\"AAAA\",\"d\":\"AAAA\"}", "no JWK");
	refused("{\"kty\":\"EC\",\"crv\":\"P-384\",\"d\":\"AAAA\"}", "no JWK");
	refused("{\"kty\":\"EC\",\"d\":\"AAAA\"}", "no JWK");
	refused("{\"kty\":\"RSA\",\"d\":\"AAAA\",\"oth\":[]}", "two primes");
	refused("{\"kty\":\"RSA\",\"d\":\"AAAA\"}", "lacks a number");
	/* padding, standard base64, a bit beyond the end, too short */
	refused(JWK_ED(RFC_ED_D "="), "lacks a number");
	refused(
	    JWK_ED("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"), "lacks a");
	refused(
	    JWK_ED("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2B"), "lacks a");
	refused(JWK_ED("AAAA"), "lacks a");
	refused(JWK_EC(RFC_ED_D "AAAA"), "lacks a");
	/* the private half of another */
	refused(JWK_ED(RFC_EC_D), "do not belong together");
	refused("{\"kty\":\"RSA\",\"n\":\"" RFC_RSA_P "\",\"e\":\"AQAB\",\"d\":"
	        "\"AQAB\",\"p\":\"Aw\",\"q\":\"BQ\",\"dp\":\"Aw\",\"dq\":\"Aw\""
	        ",\"qi\":\"Aw\"}",
	    "2048 to 4096 bits");
}

static void
made_pem(const char *type, const char *param, bool weak, char *text, size_t n)
{
	EVP_PKEY *key = weak
	    ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024)
	    : param != NULL ? EVP_PKEY_Q_keygen(NULL, NULL, type, param)
	                    : EVP_PKEY_Q_keygen(NULL, NULL, type);
	BIO *bio = BIO_new(BIO_s_mem());

	assert_non_null(key);
	PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
	text_of(bio, text, n);
	EVP_PKEY_free(key);
}

static void
hostile_files_are_refused(void **state)
{
	static char text[16384], large[KEYFILE_MAX + 1];
	char *middle;
	size_t n;

	(void)state;
	refused("", "empty");
	memset(large, ' ', sizeof(large));
	assert_int_equal(read_bytes(large, sizeof(large)), VERR_TOOBIG);
	assert_int_equal(read_bytes(large, sizeof(large) - 1), VERR_FORMAT);
	refused("hello", "neither PKCS#12 nor PKCS#8");
	refused(
	    "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n",
	    "no private key");
	refused("-----BEGIN OPENSSH PRIVATE KEY-----\nAA==\n"
	        "-----END OPENSSH PRIVATE KEY-----\n",
	    "ssh-keygen");
	refused(
	    "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n",
	    "damaged");
	made_pem("RSA", NULL, true, text, sizeof(text));
	refused(text, "2048 to 4096 bits");
	made_pem("EC", "P-384", false, text, sizeof(text));
	refused(text, "not P-256");
	made_pem("EC", "secp256k1", false, text, sizeof(text));
	refused(text, "not P-256");
	made_pem("ED448", NULL, false, text, sizeof(text));
	refused(text, "neither RSA, P-256 nor Ed25519");
	made_pem("X25519", NULL, false, text, sizeof(text));
	refused(text, "neither RSA, P-256 nor Ed25519");
	/* two keys: which is meant? */
	made_pem("EC", "P-256", false, text, sizeof(text));
	n = strlen(text);
	assert_int_equal(read_bytes(text, n), 0);
	memcpy(text + n, text, n);
	text[2 * n] = '\0';
	refused(text, "more than one");
	text[n] = '\0';
	middle = text + 60;
	*middle = '*';
	refused(text, "damaged");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(keys_jwk_of_the_rfcs),
	    cmocka_unit_test(keys_pem_of_every_kind),
	    cmocka_unit_test(keys_encrypted_pem_asks_once),
	    cmocka_unit_test(keys_pkcs12_asks_once),
	    cmocka_unit_test(keys_der_as_it_is),
	    cmocka_unit_test(hostile_jwks_are_refused),
	    cmocka_unit_test(hostile_files_are_refused),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests_name("client/keyfile", tests, NULL, NULL);
}
