#include "vaultd/keeper/jwt.h"

#include <sodium.h>

#include "policy/pattern.h"
#include "protocol/lex.h"
#include "protocol/pairs.h"
#include "vaultd/keeper/json.h"

#define HEADER_MAX  1024
#define PAYLOAD_MAX 6144
#define INTEGER_MAX ((UINT64_C(1) << 53) - 1)
#define JTI_LEN     16
#define URL_BASE64  sodium_base64_VARIANT_URLSAFE_NO_PADDING

struct maker {
	const struct claims_bounds *bounds;
	struct json json;
	const char *why;
};

static int
refuse(struct maker *m, const char *why)
{
	m->why = why;
	return VERR_FORMAT;
}

/* UTF-8 without control characters, of a bearable length. */
static bool
is_text(struct slice v)
{
	if (v.n > CLAIM_VALUE_MAX)
		return false;
	for (size_t i = 0, n; i < v.n; i += n) {
		uint32_t code;

		n = lex_utf8(v.p + i, v.n - i, &code);
		if (n == 0 || code < ' ' || (code >= 0x7f && code < 0xa0))
			return false;
	}
	return true;
}

/* Decimal digits without a leading zero, up to "max". */
static bool
read_digits(struct slice v, uint64_t max, uint64_t *ret)
{
	uint64_t n = 0;

	if (v.n == 0 || v.n > 16 || (v.n > 1 && v.p[0] == '0'))
		return false;
	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] < '0' || v.p[i] > '9')
			return false;
		n = n * 10 + (v.p[i] - '0');
	}
	*ret = n;
	return n <= max;
}

/* "pattern" is empty, or ends with NUL. */
static bool
fits(struct slice pattern, struct slice v)
{
	return pattern.n == 0 ||
	    pattern_match((const char *)pattern.p, (const char *)v.p, v.n);
}

static int
put_string(
    struct maker *m, const char *name, struct slice pattern, struct slice v)
{
	if (!is_text(v))
		return refuse(m,
		    "a claim is too long, not UTF-8, or has a control "
		    "character");
	if (!fits(pattern, v))
		return refuse(m, "a claim is not as the profile bounds it");
	json_slice(&m->json, name, v);
	return 0;
}

static int
put_integer(
    struct maker *m, const char *name, struct slice pattern, struct slice v)
{
	bool below = v.n > 0 && v.p[0] == '-';
	uint64_t n;

	if (!read_digits(slice_of(v.p + below, v.n - below), INTEGER_MAX, &n) ||
	    (below && n == 0))
		return refuse(m,
		    "a number of a claim is no integer in its shortest form, "
		    "or beyond 2^53-1");
	if (!fits(pattern, v))
		return refuse(m, "a claim is not as the profile bounds it");
	json_signed(&m->json, name, below ? -(int64_t)n : (int64_t)n);
	return 0;
}

static int
put_bool(
    struct maker *m, const char *name, struct slice pattern, struct slice v)
{
	if (!slice_is(v, "true") && !slice_is(v, "false"))
		return refuse(m, "a claim is neither true nor false");
	if (!fits(pattern, v))
		return refuse(m, "a claim is not as the profile bounds it");
	json_bool(&m->json, name, v.n == 4);
	return 0;
}

static int
put_list(
    struct maker *m, const char *name, struct slice pattern, struct slice v)
{
	struct slice key, text;
	size_t n = 0;
	int r;

	json_open(&m->json, name, '[');
	while ((r = pairs_next(&v, &key, &text)) == 0) {
		if (key.n != 0 || ++n > JWT_LIST_MAX)
			return refuse(m, "a claim's list is too long or bad");
		if ((r = put_string(m, NULL, pattern, text)) != 0)
			return r;
	}
	json_close(&m->json, ']');
	return r == VERR_NOTFOUND
	    ? 0
	    : refuse(m, "a claim's list is too long or bad");
}

static const struct {
	char type;
	int (*put)(struct maker *m, const char *name, struct slice pattern,
	    struct slice v);
} types[] = {
    {'s', put_string},
    {'a', put_list},
    {'i', put_integer},
    {'b', put_bool},
};

/* The types that a claim may have, as "types" has them (RFC 7519, 4.1). */
static size_t
types_of(struct slice name)
{
	if (slice_is(name, "iss") || slice_is(name, "sub"))
		return 1;
	return slice_is(name, "aud") ? 2 : sizeof(types) / sizeof(types[0]);
}

/* The pattern that bounds a client's claim. */
static int
find_bound(struct maker *m, struct slice name, struct slice *ret)
{
	struct slice list = slice_of(m->bounds->client, m->bounds->nclient);
	struct slice other;

	while (pairs_next(&list, &other, ret) == 0)
		if (slice_equal(other, name))
			return 0;
	if (claims_is_header((const char *)name.p, name.n))
		return refuse(m, "the header is the vault's");
	return refuse(m, "a claim that the profile leaves to no client");
}

static int
put_claim(struct maker *m, struct slice name, struct slice value)
{
	char key[CLAIM_NAME_MAX + 1];
	struct slice pattern;
	int r;

	if ((r = find_bound(m, name, &pattern)) != 0)
		return r;
	memcpy(key, name.p, name.n); /* it is one of the profile's names */
	key[name.n] = '\0';
	for (size_t i = 0; i < types_of(name) && value.n > 0; i++)
		if ((char)value.p[0] == types[i].type)
			return types[i].put(m, key, pattern,
			    slice_of(value.p + 1, value.n - 1));
	return refuse(m, "a claim has no type, or not one it can have");
}

static int
put_claims(struct maker *m, struct slice claims)
{
	struct slice rest = claims, name, value, earlier, n, ignored;
	int r;

	while (earlier = claims, (r = pairs_next(&rest, &name, &value)) == 0) {
		while (pairs_next(&earlier, &n, &ignored) == 0 && n.p != name.p)
			if (slice_equal(n, name))
				return refuse(m, "a claim is there twice");
		if ((r = put_claim(m, name, value)) != 0)
			return r;
	}
	return r == VERR_NOTFOUND ? 0 : refuse(m, "the claims are malformed");
}

static void
put_fixed(struct maker *m)
{
	struct slice list = slice_of(m->bounds->fixed, m->bounds->nfixed);
	char key[CLAIM_NAME_MAX + 1];
	struct slice name, value;

	while (pairs_next(&list, &name, &value) == 0) {
		memcpy(key, name.p, name.n);
		key[name.n] = '\0';
		json_slice(&m->json, key, value);
	}
}

static void
put_vaults(struct maker *m, uint64_t now, uint64_t lifetime)
{
	char jti[sodium_base64_ENCODED_LEN(JTI_LEN, URL_BASE64)];
	uint8_t random[JTI_LEN];

	json_number(&m->json, "iat", now);
	if (m->bounds->nbf)
		json_number(&m->json, "nbf", now);
	json_number(&m->json, "exp", now + lifetime);
	if (!m->bounds->jti)
		return;
	randombytes_buf(random, sizeof(random));
	(void)sodium_bin2base64(
	    jti, sizeof(jti), random, sizeof(random), URL_BASE64);
	json_text(&m->json, "jti", jti);
}

/* What a client wishes for: its claims and a lifetime. */
static int
read_wish(struct maker *m, struct slice wish, struct slice *ret_claims,
    uint64_t *ret_lifetime)
{
	struct slice rest = wish, name, value;
	int r;

	*ret_claims = slice_of(NULL, 0);
	*ret_lifetime = m->bounds->lifetime;
	while ((r = pairs_next(&rest, &name, &value)) == 0) {
		if (claims_is_header((const char *)name.p, name.n))
			return refuse(m, "the header is the vault's");
		if (!slice_is(name, "claims") && !slice_is(name, "lifetime"))
			return refuse(m, "an unknown wish");
	}
	if (r != VERR_NOTFOUND)
		return refuse(m, "the wish is malformed");
	if (pairs_find(wish, "claims", ret_claims) == VERR_EXISTS ||
	    (r = pairs_find(wish, "lifetime", &value)) == VERR_EXISTS)
		return refuse(m, "a wish is there twice");
	if (r == 0 &&
	    (!read_digits(value, m->bounds->lifetime, ret_lifetime) ||
	        *ret_lifetime == 0))
		return refuse(
		    m, "a lifetime is 1 second up to what the profile allows");
	return 0;
}

/* Append base64url of the JSON, and a dot before it but for the header. */
static int
put_part(struct signing *s, const struct json *j)
{
	size_t dot = s->n > 0;
	size_t n = sodium_base64_ENCODED_LEN(j->n, URL_BASE64); /* and a NUL */

	if (j->overflow || dot + n > sizeof(s->text) - s->n)
		return VERR_TOOBIG;
	if (dot)
		s->text[s->n++] = '.';
	(void)sodium_bin2base64(
	    s->text + s->n, n, (const uint8_t *)j->p, j->n, URL_BASE64);
	s->n += n - 1;
	return 0;
}

static int
put_header(struct signing *s, const struct claims_bounds *b, const char *kid)
{
	char text[HEADER_MAX];
	struct json j;

	json_begin(&j, text, sizeof(text));
	json_open(&j, NULL, '{');
	json_text(&j, "alg", pkey_alg(s->type));
	json_text(&j, "typ", b->typ);
	json_text(&j, "kid", b->kid[0] != '\0' ? b->kid : kid);
	json_close(&j, '}');
	return put_part(s, &j);
}

/* True if a signature of the key's fits behind the text. */
static bool
has_room(const struct signing *s)
{
	static const size_t lengths[PKEY_TYPE_COUNT] = {
	    [PKEY_RSA] = PKEY_RSA_MAX / 8,
	    [PKEY_P256] = 64,
	    [PKEY_ED25519] = 64,
	};
	size_t n = sodium_base64_ENCODED_LEN(lengths[s->type], URL_BASE64);

	return 1 + n <= sizeof(s->text) - s->n;
}

static int
jwt_prepare(
    const struct scheme_request *req, struct signing *ret, const char **ret_why)
{
	struct maker m = {.bounds = &req->link->jwt};
	char payload[PAYLOAD_MAX];
	struct slice claims;
	uint64_t lifetime;
	int r;

	ret->scheme = &scheme_jwt;
	ret->type = req->type;
	ret->n = 0;
	if ((m.bounds->algs & claims_alg(pkey_alg(req->type))) == 0) {
		*ret_why = "the system takes no signatures of this kind of key";
		return VERR_FORMAT;
	}
	json_begin(&m.json, payload, sizeof(payload));
	json_open(&m.json, NULL, '{');
	put_fixed(&m);
	if ((r = read_wish(&m, req->wish, &claims, &lifetime)) != 0 ||
	    (r = put_claims(&m, claims)) != 0) {
		*ret_why = m.why;
		return r;
	}
	put_vaults(&m, req->now, lifetime);
	json_close(&m.json, '}');
	if (put_header(ret, m.bounds, req->kid) != 0 ||
	    put_part(ret, &m.json) != 0 || !has_room(ret)) {
		*ret_why = "the token would be longer than 8 KiB";
		return VERR_TOOBIG;
	}
	return 0;
}

static int
jwt_run(struct signing *s, const struct pkey *k)
{
	uint8_t signature[PKEY_SIGNATURE_MAX];
	size_t n;
	int r;

	r = pkey_sign(k, slice_of(s->text, s->n), signature, &n);
	if (r != 0)
		return r;
	s->text[s->n++] = '.';
	(void)sodium_bin2base64(
	    s->text + s->n, sizeof(s->text) - s->n, signature, n, URL_BASE64);
	s->n += sodium_base64_ENCODED_LEN(n, URL_BASE64) - 1;
	return 0;
}

static enum policy_verb
jwt_verb(const struct catalog_link *link)
{
	return link->jwt.token ? VERB_TOKEN : VERB_SIGN;
}

const struct scheme scheme_jwt = {
    .name = "jwt",
    .kind = CREDENTIAL_JWT,
    .verb = jwt_verb,
    .prepare = jwt_prepare,
    .run = jwt_run,
};
