#include "vaultd/keeper/pubkey.h"

#include <stdio.h>

#include <sodium.h>

#include "vaultd/keeper/der.h"

#define COMMENT_MAX 255
#define NUMBER_MAX  (PKEY_RSA_MAX / 8)
#define URL_BASE64  sodium_base64_VARIANT_URLSAFE_NO_PADDING

static int
read_rsa(struct slice bits, struct pubkey *ret)
{
	struct slice in;

	return der_take(&bits, DER_SEQUENCE, &in) == 0 && bits.n == 0 &&
	        der_take_positive(&in, &ret->x) == 0 &&
	        der_take_positive(&in, &ret->y) == 0 && in.n == 0 &&
	        ret->x.n >= PKEY_RSA_MIN / 8 && ret->x.n <= NUMBER_MAX &&
	        ret->y.n <= 8
	    ? 0
	    : VERR_FORMAT;
}

int
pubkey_read(struct slice spki, struct pubkey *ret)
{
	struct pubkey p = {.spki = spki};
	struct slice in, bits;
	int r = 0;

	if (der_take(&spki, DER_SEQUENCE, &in) != 0 || spki.n != 0)
		return VERR_FORMAT;
	while (p.type < PKEY_TYPE_COUNT &&
	    der_take_bytes(&in, pkey_identifiers[p.type]) != 0)
		p.type++;
	if (p.type == PKEY_TYPE_COUNT || der_take(&in, DER_BITS, &bits) != 0 ||
	    in.n != 0 || bits.n == 0 || bits.p[0] != 0)
		return VERR_FORMAT;
	bits = slice_of(bits.p + 1, bits.n - 1);
	switch (p.type) {
	case PKEY_RSA:
		r = read_rsa(bits, &p);
		break;
	case PKEY_P256:
		if (bits.n != 65 || bits.p[0] != 4)
			return VERR_FORMAT;
		p.x = slice_of(bits.p + 1, 32);
		p.y = slice_of(bits.p + 33, 32);
		break;
	default:
		if (bits.n != 32)
			return VERR_FORMAT;
		p.x = bits;
	}
	if (r == 0)
		*ret = p;
	return r;
}

static void
put_number(struct json *j, const char *key, struct slice v)
{
	char text[sodium_base64_ENCODED_LEN(NUMBER_MAX, URL_BASE64)];

	(void)sodium_bin2base64(text, sizeof(text), v.p, v.n, URL_BASE64);
	json_text(j, key, text);
}

/* What every JWK of the kind must have, in the order of RFC 7638, 3. */
static void
put_required(struct json *j, const struct pubkey *p)
{
	switch (p->type) {
	case PKEY_RSA:
		put_number(j, "e", p->y);
		json_text(j, "kty", "RSA");
		put_number(j, "n", p->x);
		break;
	case PKEY_P256:
		json_text(j, "crv", "P-256");
		json_text(j, "kty", "EC");
		put_number(j, "x", p->x);
		put_number(j, "y", p->y);
		break;
	default:
		json_text(j, "crv", "Ed25519");
		json_text(j, "kty", "OKP");
		put_number(j, "x", p->x);
	}
}

void
pubkey_thumbprint(
    const struct pubkey *p, char ret[static PUBKEY_THUMBPRINT_LEN + 1])
{
	uint8_t digest[crypto_hash_sha256_BYTES];
	char text[PUBKEY_TEXT_MAX];
	struct json j;

	json_begin(&j, text, sizeof(text));
	json_open(&j, NULL, '{');
	put_required(&j, p);
	json_close(&j, '}');
	(void)crypto_hash_sha256(digest, (const uint8_t *)text, j.n);
	(void)sodium_bin2base64(
	    ret, PUBKEY_THUMBPRINT_LEN + 1, digest, sizeof(digest), URL_BASE64);
}

void
pubkey_jwk(
    const struct pubkey *p, const char *kid, const char *key, struct json *j)
{
	char thumbprint[PUBKEY_THUMBPRINT_LEN + 1];

	if (kid == NULL) {
		pubkey_thumbprint(p, thumbprint);
		kid = thumbprint;
	}
	json_open(j, key, '{');
	put_required(j, p);
	json_text(j, "kid", kid);
	json_text(j, "use", "sig");
	json_text(j, "alg", pkey_alg(p->type));
	json_close(j, '}');
}

void
pubkey_pem(const struct pubkey *p, char ret[static PUBKEY_TEXT_MAX])
{
	char text[sodium_base64_ENCODED_LEN(
	    PKEY_SPKI_MAX, sodium_base64_VARIANT_ORIGINAL)];
	size_t n, len;

	(void)sodium_bin2base64(text, sizeof(text), p->spki.p, p->spki.n,
	    sodium_base64_VARIANT_ORIGINAL);
	len = strlen(text);
	n = (size_t)snprintf(
	    ret, PUBKEY_TEXT_MAX, "-----BEGIN PUBLIC KEY-----\n");
	for (size_t at = 0; at < len; at += 64)
		n += (size_t)snprintf(
		    ret + n, PUBKEY_TEXT_MAX - n, "%.64s\n", text + at);
	(void)snprintf(
	    ret + n, PUBKEY_TEXT_MAX - n, "-----END PUBLIC KEY-----\n");
}

/* A string of RFC 4251, 5; of a number its bytes, with a sign bit of zero. */
static uint8_t *
put_string(uint8_t *out, struct slice v, int number)
{
	size_t pad = number && (v.p[0] & 0x80) != 0, n = pad + v.n;

	*out++ = 0;
	*out++ = 0;
	*out++ = (uint8_t)(n >> 8);
	*out++ = (uint8_t)n;
	if (pad)
		*out++ = 0;
	memcpy(out, v.p, v.n);
	return out + v.n;
}

int
pubkey_ssh(const struct pubkey *p, const char *comment,
    char ret[static PUBKEY_TEXT_MAX])
{
	static const char *const names[PKEY_TYPE_COUNT] = {
	    [PKEY_RSA] = "ssh-rsa",
	    [PKEY_P256] = "ecdsa-sha2-nistp256",
	    [PKEY_ED25519] = "ssh-ed25519",
	};
	uint8_t blob[NUMBER_MAX + 64], *end, point[65] = {4};
	char text[sodium_base64_ENCODED_LEN(
	    sizeof(blob), sodium_base64_VARIANT_ORIGINAL)];

	if (strlen(comment) > COMMENT_MAX)
		return VERR_TOOBIG;
	end = put_string(blob, slice_str(names[p->type]), 0);
	switch (p->type) {
	case PKEY_RSA:
		end = put_string(end, p->y, 1);
		end = put_string(end, p->x, 1);
		break;
	case PKEY_P256:
		memcpy(point + 1, p->x.p, 32);
		memcpy(point + 33, p->y.p, 32);
		end = put_string(end, slice_str("nistp256"), 0);
		end = put_string(end, slice_of(point, sizeof(point)), 0);
		break;
	default:
		end = put_string(end, p->x, 0);
	}
	(void)sodium_bin2base64(text, sizeof(text), blob, (size_t)(end - blob),
	    sodium_base64_VARIANT_ORIGINAL);
	(void)snprintf(ret, PUBKEY_TEXT_MAX, "%s %s%s%s\n", names[p->type],
	    text, comment[0] == '\0' ? "" : " ", comment);
	return 0;
}
