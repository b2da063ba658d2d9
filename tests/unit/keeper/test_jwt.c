/*
 * What jwt.h and scheme.h promise: RFC 7519 and RFC 8725, with the catalog's
 * own entry for JWTs.  Runs in the root of the tree.
 */
#include <jansson.h>

#include "protocol/pairs.h"
#include "tests/support/make_key.h"
#include "tests/unit/keeper/world.h"
#include "tests/unit/policy/entry.h"
#include "vaultd/keeper/jwt.h"
#include "vaultd/keeper/pubkey.h"

#define NOW 1763830431
#define AUD "https://api.example.com"
#define BIG "9007199254740991"

/* One of the entry's credentials, with a claim of every sort for clients. */
static const char entry_text[] =
    "system erp {\n"
    "	title ERP; category erp\n"
    "	input sub { what S }\n"
    "	credential jwt {\n"
    "		alg RS256 EdDSA\n"
    "		claim iss erp-client\n"
    "		claim sub \"{sub}\"\n"
    "		client \"scope other https://erp.test/role\"\n"
    "		client aud \"https://[a-z.]{1,40}\"\n"
    "		client level \"[0-9]{1,3}\"\n"
    "		lifetime 600; typ at+jwt; output token\n"
    "		field key { secret; prompt Key }\n"
    "	}\n"
    "}\n";

static struct catalog_link link_;
static struct signing signing_;
static const char *why_;

static void
resolve(struct catalog_entry *e, const struct catalog_setting *set, size_t n)
{
	char why[CATALOG_WHY_MAX] = "";

	if (catalog_resolve(e, CREDENTIAL_JWT, set, n, &link_, why) != 0)
		fail_msg("%s", why);
	catalog_free(e); /* the bounds outlive it */
}

static void
use_erp(void)
{
	struct catalog_entry *e;
	struct lex_error err;

	if (catalog_parse(
	        "erp", entry_text, sizeof(entry_text) - 1, &e, &err) != 0)
		fail_msg("%s", err.message);
	resolve(e, NULL, 0);
}

static void
use_custom(void)
{
	static const struct catalog_setting set[] = {
	    {"issuer", "us \"quoted\""},
	    {"audience", AUD},
	    {"kid", "key-1"},
	};

	resolve(load("vaultd/catalog/custom-jwt.conf"), set, 3);
}

/* A wish with "claims", NAME and VALUE in turn, ended with NULL; and a
 * lifetime or NULL. */
static struct slice
wish(const char *const *claims, const char *lifetime)
{
	static uint8_t inner[1 << 17], outer[1 << 17];
	struct pairs_writer in = {.p = inner, .cap = sizeof(inner)};
	struct pairs_writer out = {.p = outer, .cap = sizeof(outer)};

	for (; claims[0] != NULL; claims += 2)
		pairs_add(&in, claims[0], slice_str(claims[1]));
	pairs_add(&out, "claims", slice_of(inner, in.n));
	if (lifetime != NULL)
		pairs_add(&out, "lifetime", slice_str(lifetime));
	assert_false(in.overflow || out.overflow);
	return slice_of(outer, out.n);
}

#define CLAIMS(...) wish((const char *const[]){__VA_ARGS__, NULL}, NULL)

static int
prepare(enum pkey_type type, struct slice w)
{
	const struct scheme *s = scheme_find(slice_str(""), CREDENTIAL_JWT);
	const struct scheme_request req = {.link = &link_,
	    .wish = w,
	    .type = type,
	    .kid = "thumb",
	    .now = NOW};
	int r;

	assert_non_null(s);
	assert_ptr_equal(s, scheme_find(slice_str("jwt"), CREDENTIAL_JWT));
	why_ = NULL;
	r = s->prepare(&req, &signing_, &why_);
	assert_int_equal(r != 0, why_ != NULL);
	return r;
}

static void
refused(struct slice w, const char *because)
{
	if (prepare(PKEY_ED25519, w) == 0)
		fail_msg("taken: %s", because);
	if (strstr(why_, because) == NULL)
		fail_msg("\"%s\", not \"%s\"", why_, because);
}

/* The JSON of the part that begins at *at, which moves behind its dot. */
static json_t *
part(size_t *at)
{
	static char json[SIGNING_MAX];
	const char *p = signing_.text + *at;
	const char *dot = memchr(p, '.', signing_.n - *at);
	size_t n = dot == NULL ? signing_.n - *at : (size_t)(dot - p), len;
	json_error_t err;
	json_t *j;

	assert_int_equal(
	    sodium_base642bin((uint8_t *)json, sizeof(json), p, n, NULL, &len,
	        NULL, sodium_base64_VARIANT_URLSAFE_NO_PADDING),
	    0);
	*at += n + 1;
	j = json_loadb(json, len, JSON_REJECT_DUPLICATES, &err);
	if (j == NULL)
		fail_msg("%s: %.*s", err.text, (int)len, json);
	return j;
}

static const char *
text_of(json_t *j, const char *name)
{
	return json_string_value(json_object_get(j, name));
}

static long long
number_of(json_t *j, const char *name)
{
	return json_integer_value(json_object_get(j, name));
}

static void
jwt_says_what_the_profile_fixes(void **state)
{
	json_t *header, *payload;
	size_t at = 0;
	char first[23];

	(void)state;
	use_custom();
	assert_int_equal(scheme_jwt.verb(&link_), VERB_SIGN);
	assert_int_equal(prepare(PKEY_P256, slice_of(NULL, 0)), 0);
	header = part(&at);
	assert_int_equal(json_object_size(header), 3);
	assert_string_equal(text_of(header, "alg"), "ES256");
	assert_string_equal(text_of(header, "typ"), "JWT");
	assert_string_equal(text_of(header, "kid"), "key-1");
	payload = part(&at);
	assert_int_equal(at, signing_.n + 1);
	assert_int_equal(json_object_size(payload), 6); /* no sub */
	assert_string_equal(text_of(payload, "iss"), "us \"quoted\"");
	assert_string_equal(text_of(payload, "aud"), AUD);
	assert_int_equal(number_of(payload, "iat"), NOW);
	assert_int_equal(number_of(payload, "nbf"), NOW);
	assert_int_equal(number_of(payload, "exp"), NOW + 300);
	assert_int_equal(strlen(text_of(payload, "jti")), 22);
	memcpy(first, text_of(payload, "jti"), 23);
	json_decref(header);
	json_decref(payload);
	/* never the same twice */
	assert_int_equal(prepare(PKEY_P256, slice_of(NULL, 0)), 0);
	at = 0;
	json_decref(part(&at));
	payload = part(&at);
	assert_string_not_equal(text_of(payload, "jti"), first);
	json_decref(payload);
}

static void
jwt_takes_what_the_profile_leaves_to_clients(void **state)
{
	uint8_t list[64], inner[512], outer[512];
	struct pairs_writer l = {.p = list + 1, .cap = 63};
	struct pairs_writer in = {.p = inner, .cap = sizeof(inner)};
	struct pairs_writer out = {.p = outer, .cap = sizeof(outer)};
	json_t *header, *payload, *aud;
	size_t at = 0;

	(void)state;
	use_erp();
	assert_int_equal(scheme_jwt.verb(&link_), VERB_TOKEN);
	list[0] = 'a';
	pairs_add(&l, "", slice_str("https://a.test"));
	pairs_add(&l, "", slice_str("https://b.test"));
	pairs_add(&in, "aud", slice_of(list, 1 + l.n));
	pairs_add(&in, "scope", slice_str("sa \\ \"b\" \xc3\xa9"));
	pairs_add(&in, "other", slice_str("i-" BIG));
	pairs_add(&in, "level", slice_str("i7"));
	pairs_add(&in, "https://erp.test/role", slice_str("btrue"));
	pairs_add(&out, "lifetime", slice_str("60"));
	pairs_add(&out, "claims", slice_of(inner, in.n));
	assert_int_equal(prepare(PKEY_RSA, slice_of(outer, out.n)), 0);
	header = part(&at);
	assert_string_equal(text_of(header, "alg"), "RS256");
	assert_string_equal(text_of(header, "typ"), "at+jwt");
	assert_string_equal(text_of(header, "kid"), "thumb");
	payload = part(&at);
	assert_int_equal(json_object_size(payload), 8);
	assert_string_equal(text_of(payload, "iss"), "erp-client");
	assert_string_equal(text_of(payload, "scope"), "a \\ \"b\" \xc3\xa9");
	assert_int_equal(number_of(payload, "other"), -9007199254740991);
	assert_int_equal(number_of(payload, "level"), 7);
	assert_true(
	    json_is_true(json_object_get(payload, "https://erp.test/role")));
	assert_int_equal(number_of(payload, "exp"), NOW + 60);
	aud = json_object_get(payload, "aud");
	assert_int_equal(json_array_size(aud), 2);
	assert_string_equal(
	    json_string_value(json_array_get(aud, 1)), "https://b.test");
	json_decref(header);
	json_decref(payload);
}

/* SECURITY: whatever a client asks for, it gets no other header and no other
 * algorithm. */
static void
hostile_wishes_for_the_header(void **state)
{
	static const char *const names[] = {"alg", "kid", "jku", "jwk", "x5u",
	    "x5c", "typ", "cty", "crit", "b64", "zip", "enc"};
	uint8_t outer[64];

	(void)state;
	use_erp();
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct pairs_writer out = {.p = outer, .cap = sizeof(outer)};

		refused(CLAIMS(names[i], "snone"), "the header is the vault's");
		pairs_add(&out, names[i], slice_str("none"));
		refused(slice_of(outer, out.n), "the header is the vault's");
	}
	/* a key whose algorithm the system does not take */
	assert_int_equal(prepare(PKEY_P256, slice_of(NULL, 0)), VERR_FORMAT);
	assert_non_null(strstr(why_, "kind of key"));
}

static void
hostile_claims_beyond_the_profile(void **state)
{
	static const char *const theirs[] = {"iss", "sub", "exp", "iat", "nbf",
	    "jti", "azp", "", "scope ", "Scope", "__proto__"};
	static char text[CLAIM_VALUE_MAX + 3];

	(void)state;
	use_erp();
	for (size_t i = 0; i < sizeof(theirs) / sizeof(theirs[0]); i++)
		refused(CLAIMS(theirs[i], "sx"), "leaves to no client");
	refused(CLAIMS("scope", "sa", "scope", "sb"), "twice");
	refused(CLAIMS("aud", "shttps://UPPER.test"), "bounds it");
	refused(CLAIMS("aud", "i1"), "not one it can have");
	refused(CLAIMS("aud", "btrue"), "not one it can have");
	refused(CLAIMS("level", "i1000"), "bounds it");
	refused(CLAIMS("level", "i-1"), "bounds it");
	refused(CLAIMS("level", "btrue"), "bounds it");
	refused(CLAIMS("scope", ""), "has no type");
	refused(CLAIMS("scope", "n1"), "has no type");
	refused(CLAIMS("scope", "sa\nb"), "control character");
	refused(CLAIMS("scope", "s\x7f"), "control character");
	refused(CLAIMS("scope", "s\xc2\x85"), "control character");
	refused(CLAIMS("scope", "s\xff"), "not UTF-8");
	refused(CLAIMS("scope", "s\xed\xa0\x80"), "not UTF-8");
	refused(CLAIMS("scope", "s\xc0\xaf"), "not UTF-8");
	refused(CLAIMS("scope", "ax"), "list is too long or bad");
	memset(text, 'x', sizeof(text) - 1);
	text[0] = 's';
	refused(CLAIMS("scope", text), "too long");
	text[CLAIM_VALUE_MAX + 1] = '\0';
	assert_int_equal(prepare(PKEY_ED25519, CLAIMS("scope", text)), 0);
}

static void
hostile_numbers_that_are_not_canonical(void **state)
{
	static const char *const bad[] = {"i", "i-", "i-0", "i01", "i+1",
	    "i1.0", "i1e3", "i 1", "i0x1", "i9007199254740992",
	    "i-9007199254740992", "i99999999999999999999", "bTRUE", "b", "b1"};
	static const char *const good[] = {"i0", "i-1", ("i" BIG), "bfalse"};

	(void)state;
	use_erp();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refused(CLAIMS("other", bad[i]), "a ");
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(
		    prepare(PKEY_ED25519, CLAIMS("other", good[i])), 0);
}

static void
hostile_lifetimes(void **state)
{
	static const char *const none[] = {NULL};
	static const char *const bad[] = {
	    "", "0", "601", "-1", "060", "1e2", "99999999999999999999", " 1"};

	(void)state;
	use_erp();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refused(wish(none, bad[i]), "lifetime");
	assert_int_equal(prepare(PKEY_ED25519, wish(none, "600")), 0);
	assert_int_equal(prepare(PKEY_ED25519, wish(none, "1")), 0);
}

static void
hostile_wishes_that_are_malformed(void **state)
{
	static const char *const claims[] = {"scope", "sx", NULL};
	uint8_t twice[256];
	struct slice w = wish(claims, "60");
	struct pairs_writer out = {.p = twice, .cap = sizeof(twice)};

	(void)state;
	use_erp();
	/* cut behind the first pair it is a shorter wish, else none */
	for (size_t n = 1; n < w.n; n++)
		if (prepare(PKEY_ED25519, slice_of(w.p, n)) == 0)
			assert_int_equal(n, w.n - (2 + 8 + 4 + 2));
	pairs_add(&out, "claims", slice_str(""));
	pairs_add(&out, "claims", slice_str(""));
	refused(slice_of(twice, out.n), "twice");
	out.n = 0;
	pairs_add(&out, "audience", slice_str("x"));
	refused(slice_of(twice, out.n), "an unknown wish");
}

/* Exactly 8 KiB is the end, whatever the key. */
static void
hostile_tokens_do_not_outgrow_their_room(void **state)
{
	static uint8_t inner[1 << 16], outer[1 << 16];
	static char text[CLAIM_VALUE_MAX + 2];
	size_t taken = 0;

	(void)state;
	use_erp();
	memset(text, '"', sizeof(text) - 1); /* two bytes each in JSON */
	text[0] = 's';
	for (size_t n = 0; n <= 4 * CLAIM_VALUE_MAX; n += 256) {
		struct pairs_writer in = {.p = inner, .cap = sizeof(inner)};
		struct pairs_writer out = {.p = outer, .cap = sizeof(outer)};
		uint8_t list[5 * CLAIM_VALUE_MAX] = "a";
		struct pairs_writer l = {
		    .p = list + 1, .cap = sizeof(list) - 1};

		for (size_t left = n; left > 0; left -= 256)
			pairs_add(&l, "", slice_of(text + 1, 256));
		pairs_add(&in, "scope", slice_of(list, 1 + l.n));
		pairs_add(&out, "claims", slice_of(inner, in.n));
		if (prepare(PKEY_RSA, slice_of(outer, out.n)) == 0)
			taken = n;
		else
			assert_non_null(strstr(why_, "8 KiB"));
		assert_true(signing_.n + 1 + 683 <= SIGNING_MAX || why_);
	}
	assert_in_range(taken, 2048, 3072);
}

static void
jwt_is_signed_by_its_key_alone(void **state)
{
	struct der d;
	struct pkey *key = NULL;
	uint8_t sig[64];
	uint8_t public[32];
	size_t n, end;

	(void)state;
	use_erp();
	assert_int_equal(prepare(PKEY_ED25519, slice_of(NULL, 0)), 0);
	n = signing_.n;
	make_p256(&d, RFC_EC_D, RFC_EC_X, RFC_EC_Y);
	assert_int_equal(
	    scheme_run(&signing_, slice_of(d.p, d.n), &key), VERR_AUTH);
	assert_int_equal(signing_.n, n);
	pkey_free(key);
	key = NULL;
	assert_int_equal(
	    scheme_run(&signing_, slice_of(d.p, 3), &key), VERR_FORMAT);
	assert_null(key);
	make_ed25519(&d, RFC_ED_D);
	assert_int_equal(scheme_run(&signing_, slice_of(d.p, d.n), &key), 0);
	assert_non_null(key);
	assert_int_equal(signing_.n, n + 1 + 86);
	assert_int_equal(signing_.text[n], '.');
	assert_int_equal(
	    sodium_base642bin(sig, sizeof(sig), signing_.text + n + 1, 86, NULL,
	        &end, NULL, sodium_base64_VARIANT_URLSAFE_NO_PADDING),
	    0);
	(void)from_base64url(RFC_ED_X, public, sizeof(public));
	assert_int_equal(crypto_sign_verify_detached(
	                     sig, (const uint8_t *)signing_.text, n, public),
	    0);
	/* and with a key that is open already */
	assert_int_equal(prepare(PKEY_ED25519, slice_of(NULL, 0)), 0);
	assert_int_equal(scheme_run(&signing_, slice_of(NULL, 0), &key), 0);
	pkey_free(key);
	assert_null(scheme_find(slice_str("none"), CREDENTIAL_JWT));
	assert_null(scheme_find(slice_str(""), CREDENTIAL_API_KEY));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(jwt_says_what_the_profile_fixes),
	    cmocka_unit_test(jwt_takes_what_the_profile_leaves_to_clients),
	    cmocka_unit_test(hostile_wishes_for_the_header),
	    cmocka_unit_test(hostile_claims_beyond_the_profile),
	    cmocka_unit_test(hostile_numbers_that_are_not_canonical),
	    cmocka_unit_test(hostile_lifetimes),
	    cmocka_unit_test(hostile_wishes_that_are_malformed),
	    cmocka_unit_test(hostile_tokens_do_not_outgrow_their_room),
	    cmocka_unit_test(jwt_is_signed_by_its_key_alone),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests_name("keeper/jwt", tests, NULL, NULL);
}
