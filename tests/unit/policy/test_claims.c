/*
 * What claims.h promises, and credentials of kind jwt in the catalog.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "protocol/pairs.h"
#include "tests/unit/policy/entry.h"

#define JWT    "vaultd/catalog/custom-jwt.conf"
#define TOP    "system x { title X; category c; input i { what W } "
#define KEY    "field key { secret; prompt K } "
#define RIGHT  "alg RS256; lifetime 60; " KEY
#define WHO    "issuer", "us"
#define WHOM   "audience", "them"
#define BEARER "credential bearer { inject \"header X: {secret}\"; " KEY "} "

static struct catalog_link link_;
static char why_[CATALOG_WHY_MAX];

static int
resolve(struct catalog_entry *entry, const char *const *settings)
{
	struct catalog_setting set[8];
	size_t n = 0;

	for (; settings[2 * n] != NULL; n++)
		set[n] = (struct catalog_setting){
		    settings[2 * n], settings[2 * n + 1]};
	return catalog_resolve(entry, CREDENTIAL_JWT, set, n, &link_, why_);
}

#define CUSTOM(...) custom((const char *const[]){__VA_ARGS__, NULL, NULL})

static int
custom(const char *const *settings)
{
	struct catalog_entry *entry = load(JWT);
	int r = resolve(entry, settings);

	catalog_free(entry);
	return r;
}

static void
has(const uint8_t *p, size_t n, const char *name, const char *want)
{
	struct slice value;

	if (want == NULL) {
		assert_int_equal(
		    pairs_find(slice_of(p, n), name, &value), VERR_NOTFOUND);
		return;
	}
	assert_int_equal(pairs_find(slice_of(p, n), name, &value), 0);
	assert_true(slice_is(value, want));
}

static void
catalog_custom_jwt_has_the_documented_defaults(void **state)
{
	const struct claims_bounds *b = &link_.jwt;

	(void)state;
	assert_int_equal(CUSTOM(WHO, WHOM), 0);
	assert_false(link_.sends);
	assert_string_equal(link_.origin.host, "");
	assert_null(link_.health.method);
	assert_int_equal(b->algs,
	    claims_alg("RS256") | claims_alg("ES256") | claims_alg("EdDSA"));
	assert_int_equal(b->lifetime, 300);
	assert_string_equal(b->typ, "JWT");
	assert_string_equal(b->kid, "");
	assert_true(b->jti && b->nbf);
	assert_false(b->token);
	has(b->fixed, b->nfixed, "iss", "us");
	has(b->fixed, b->nfixed, "aud", "them");
	has(b->fixed, b->nfixed, "sub", NULL);
	assert_int_equal(b->nclient, 0);
}

static void
catalog_custom_jwt_takes_every_setting(void **state)
{
	const struct claims_bounds *b = &link_.jwt;

	(void)state;
	assert_int_equal(CUSTOM(WHO, WHOM, "subject", "robot", "kid", "k1",
	                     "typ", "at+jwt", "claims", " scope  role "),
	    0);
	assert_string_equal(b->typ, "at+jwt");
	assert_string_equal(b->kid, "k1");
	has(b->fixed, b->nfixed, "sub", "robot");
	has(b->client, b->nclient, "scope", "");
	has(b->client, b->nclient, "role", "");
	assert_int_equal(
	    CUSTOM(WHO, WHOM, "lifetime", "86400", "output", "token"), 0);
	assert_int_equal(b->lifetime, 86400);
	assert_true(b->token);
}

static void
hostile_settings_of_jwts_are_refused(void **state)
{
	static const char *const cases[][3] = {
	    {"lifetime", "0", "lifetime is"},
	    {"lifetime", "86401", "lifetime is"},
	    {"lifetime", "060", "lifetime is"},
	    {"lifetime", "1h", "does not look"},
	    {"claims", "exp", "set by the vault"},
	    {"claims", "jti", "set by the vault"},
	    {"claims", "scope alg", "header parameter"},
	    {"claims", "x5t#S256", "header parameter"},
	    {"claims", "iss", "where a pattern bounds them"},
	    {"claims", "sub", "where a pattern bounds them"},
	    {"claims", "role role", "twice"},
	    {"claims", "a\"b", "does not look"},
	    {"output", "both", "token or sign"},
	    {"kid", "a b", "does not look"},
	    {"typ", "a/b", "does not look"},
	    {"issuer", "again", "twice"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (CUSTOM(WHO, WHOM, cases[i][0], cases[i][1]) == 0)
			fail_msg("accepted: %s %s", cases[i][0], cases[i][1]);
		if (strstr(why_, cases[i][2]) == NULL)
			fail_msg("%s %s: %s", cases[i][0], cases[i][1], why_);
	}
	assert_int_equal(CUSTOM(WHO), VERR_FORMAT);
	assert_int_equal(CUSTOM(WHOM), VERR_FORMAT);
}

static void
catalog_bad_jwt_credentials_are_refused(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
	    {"lifetime 60; " KEY, "needs \"alg\""},
	    {"alg RS256; " KEY, "needs \"alg\""},
	    {"alg RS256; lifetime 60", "one secret field"},
	    {RIGHT "inject \"header X: {secret}\"", "never sent"},
	    {RIGHT "alg HS256", "twice"},
	    {"alg HS256; lifetime 60; " KEY, "RS256, ES256 or EdDSA"},
	    {"alg none; lifetime 60; " KEY, "RS256, ES256 or EdDSA"},
	    {"alg RS256 RS256; lifetime 60; " KEY, "each once"},
	    {RIGHT "add exp", "jti and nbf"},
	    {RIGHT "add jti jti", "jti and nbf"},
	    {RIGHT "output all", "token or sign"},
	    {RIGHT "claim iss", "claim"},
	    {RIGHT "claim exp 5", "set by the vault"},
	    {RIGHT "claim kid 5", "header parameter"},
	    {RIGHT "claim \"a b\" 5", "may not stand"},
	    {RIGHT "claim iss a; claim iss b", "twice"},
	    {RIGHT "claim iss a; client iss a", "twice"},
	    {RIGHT "client aud", "where a pattern"},
	    {RIGHT "client aud \"[\"", "pattern"},
	    {RIGHT "claim iss \"{nobody}\"", "unknown name"},
	    {RIGHT "claim iss \"{secret}\"", "unknown name"},
	    {RIGHT "kid \"{nobody}\"", "unknown name"},
	    {"alg RS256; lifetime 0; " KEY, "lifetime is"},
	    {"alg RS256; lifetime \"{i}\"; " KEY, "lifetime is"},
	};
	struct catalog_entry *entry;
	struct lex_error err;
	char text[1024];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int n = snprintf(text, sizeof(text),
		    TOP "credential jwt { %s } }", cases[i].text);

		if (catalog_parse("c", text, (size_t)n, &entry, &err) == 0)
			fail_msg("accepted: %s", cases[i].text);
		if (strstr(err.message, cases[i].message) == NULL)
			fail_msg("%s: %s", cases[i].text, err.message);
	}
	/* what is jwt's is nobody else's */
	assert_int_not_equal(
	    catalog_parse("c",
	        TOP "origin \"https://x.test\"; credential bearer { alg RS256; "
	            "inject \"header X: {secret}\"; " KEY "} }",
	        sizeof(TOP "origin \"https://x.test\"; credential bearer { alg "
	                   "RS256; inject \"header X: {secret}\"; " KEY "} }") -
	            1,
	        &entry, &err),
	    0);
	assert_non_null(strstr(err.message, "kind jwt"));
}

/* An entry may have both: what is sent, and what signs. */
static void
catalog_jwt_beside_what_is_sent(void **state)
{
	static const char text[] =
	    TOP "origin \"https://x.test\"; health GET /me; " BEARER
	        "credential jwt { " RIGHT "} }";
	struct catalog_entry *entry;
	struct lex_error err;

	(void)state;
	assert_int_equal(
	    catalog_parse("c", text, sizeof(text) - 1, &entry, &err), 0);
	assert_int_equal(resolve(entry, (const char *const[]){NULL, NULL}), 0);
	assert_false(link_.sends);
	assert_null(link_.health.method);
	assert_int_equal(link_.jwt.algs, claims_alg("RS256"));
	assert_int_equal(
	    catalog_resolve(entry, CREDENTIAL_BEARER, NULL, 0, &link_, why_),
	    0);
	assert_true(link_.sends);
	assert_string_equal(link_.origin.host, "x.test");
	assert_int_equal(link_.jwt.algs, 0);
	catalog_free(entry);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(catalog_custom_jwt_has_the_documented_defaults),
	    cmocka_unit_test(catalog_custom_jwt_takes_every_setting),
	    cmocka_unit_test(hostile_settings_of_jwts_are_refused),
	    cmocka_unit_test(catalog_bad_jwt_credentials_are_refused),
	    cmocka_unit_test(catalog_jwt_beside_what_is_sent),
	};

	return cmocka_run_group_tests_name("policy/claims", tests, NULL, NULL);
}
