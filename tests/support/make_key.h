/*
 * make_key - PKCS#8 and SubjectPublicKeyInfo of numbers, by hand: what the
 *	      parsers under test must not have written themselves.
 */
#ifndef TESTS_SUPPORT_MAKE_KEY_H
#define TESTS_SUPPORT_MAKE_KEY_H

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/slice.h"
#include "tests/support/rfc_keys.h"

struct der {
	uint8_t p[4096];
	size_t n;
};

static inline void
der_raw(struct der *d, const void *p, size_t n)
{
	if (n > sizeof(d->p) - d->n)
		abort();
	memcpy(d->p + d->n, p, n);
	d->n += n;
}

static inline void
der_put(struct der *d, uint8_t tag, const void *p, size_t n)
{
	uint8_t head[4] = {tag, (uint8_t)n};
	size_t len = 2;

	if (n >= 0x100) {
		head[1] = 0x82;
		head[2] = (uint8_t)(n >> 8);
		head[3] = (uint8_t)n;
		len = 4;
	} else if (n >= 0x80) {
		head[1] = 0x81;
		head[2] = (uint8_t)n;
		len = 3;
	}
	der_raw(d, head, len);
	der_raw(d, p, n);
}

static inline size_t
from_base64url(const char *text, uint8_t *out, size_t max)
{
	size_t n;

	if (sodium_base642bin(out, max, text, strlen(text), NULL, &n, NULL,
	        sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0)
		abort();
	return n;
}

static inline void
der_put_number(struct der *d, const char *base64url)
{
	uint8_t v[513] = {0};
	size_t n = from_base64url(base64url, v + 1, sizeof(v) - 1);
	size_t sign = (v[1] & 0x80) != 0;

	der_put(d, 0x02, v + 1 - sign, n + sign);
}

#define RSA_ID "\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00"
#define P256_ID                                                                \
	"\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce" \
	"\x3d\x03\x01\x07"
#define ED_ID "\x30\x05\x06\x03\x2b\x65\x70"

/* PrivateKeyInfo of an AlgorithmIdentifier and a key; "version" 0 or 1. */
static inline void
make_info(struct der *d, char version, const char *id, size_t id_len,
    const struct der *key)
{
	struct der in = {.n = 0};

	der_put(&in, 0x02, &version, 1);
	der_raw(&in, id, id_len);
	der_put(&in, 0x04, key->p, key->n);
	d->n = 0;
	der_put(d, 0x30, in.p, in.n);
}

#define MAKE_INFO(d, version, id, key)                                         \
	make_info(d, version, id, sizeof(id) - 1, key)

/* n, e, d, p, q, dp, dq, qi */
static inline void
make_rsa(struct der *d, const char *const numbers[8])
{
	struct der in = {.n = 0}, key = {.n = 0};

	der_put(&in, 0x02, "", 1);
	for (size_t i = 0; i < 8; i++)
		der_put_number(&in, numbers[i]);
	der_put(&key, 0x30, in.p, in.n);
	MAKE_INFO(d, 0, RSA_ID, &key);
}

static const char *const rfc_rsa[8] = {RFC_RSA_N, "AQAB", RFC_RSA_D, RFC_RSA_P,
    RFC_RSA_Q, RFC_RSA_DP, RFC_RSA_DQ, RFC_RSA_QI};

/* With the public half if "x" is not NULL. */
static inline void
make_p256(struct der *d, const char *scalar, const char *x, const char *y)
{
	struct der in = {.n = 0}, key = {.n = 0}, bits = {.n = 0};
	uint8_t v[66] = {0, 4};

	der_put(&in, 0x02, "\1", 1);
	(void)from_base64url(scalar, v + 2, 32);
	der_put(&in, 0x04, v + 2, 32);
	if (x != NULL) {
		(void)from_base64url(x, v + 2, 32);
		(void)from_base64url(y, v + 34, 32);
		der_put(&bits, 0x03, v, sizeof(v));
		der_put(&in, 0xa1, bits.p, bits.n);
	}
	der_put(&key, 0x30, in.p, in.n);
	MAKE_INFO(d, 0, P256_ID, &key);
}

static inline void
make_ed25519(struct der *d, const char *seed)
{
	struct der key = {.n = 0};
	uint8_t v[32];

	(void)from_base64url(seed, v, sizeof(v));
	der_put(&key, 0x04, v, sizeof(v));
	MAKE_INFO(d, 0, ED_ID, &key);
}

#endif /* TESTS_SUPPORT_MAKE_KEY_H */
