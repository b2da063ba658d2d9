/*
 * What catalog.h promises, with the entries that are shipped.  Runs in the
 * root of the tree.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/policy/entry.h"

#define CUSTOM "vaultd/catalog/custom-rest.conf"
#define STRIPE "vaultd/catalog/stripe.conf"
#define PIN    "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

static struct catalog_link link_;
static char why_[CATALOG_WHY_MAX];

/* "settings" is NAME VALUE pairs, ended with NULL. */
static int
resolve(
    const char *file, enum credential_kind kind, const char *const *settings)
{
	struct catalog_setting set[32];
	struct catalog_entry *entry = load(file);
	size_t n = 0;
	int r;

	for (; settings[2 * n] != NULL; n++)
		set[n] = (struct catalog_setting){
		    settings[2 * n], settings[2 * n + 1]};
	why_[0] = '\0';
	r = catalog_resolve(entry, kind, set, n, &link_, why_);
	catalog_free(entry);
	if (r != 0)
		assert_string_not_equal(why_, "");
	return r;
}

#define RESOLVE(file, kind, ...)                                               \
	resolve(file, kind, (const char *const[]){__VA_ARGS__, NULL, NULL})

static void
catalog_custom_rest_has_the_documented_defaults(void **state)
{
	(void)state;
	assert_int_equal(
	    RESOLVE(CUSTOM, CREDENTIAL_API_KEY, "url", "https://api.test:8443"),
	    0);
	assert_string_equal(link_.origin.host, "api.test");
	assert_int_equal(link_.origin.port, 8443);
	assert_int_equal(link_.injection.kind, INJECT_HEADER);
	assert_string_equal(link_.injection.name, "Authorization");
	assert_string_equal(link_.injection.template, "Bearer {secret}");
	assert_true(link_.network.public);
	assert_false(link_.network.private);
	assert_int_equal(link_.network.count, 0);
	assert_null(link_.health.method);
	assert_null(link_.ca);
	assert_string_equal(link_.account, "");
	assert_string_equal(link_.pin, "");
	assert_int_equal(link_.nheaders, 0);
}

static void
catalog_custom_rest_takes_every_setting(void **state)
{
	static const char pem[] = "-----BEGIN CERTIFICATE-----\nMIIB\n"
	                          "-----END CERTIFICATE-----\n";

	(void)state;
	assert_int_equal(
	    RESOLVE(CUSTOM, CREDENTIAL_API_KEY, "url", "https://api.test",
	        "inject", "query api_key", "account", "/data/0/a~1b", "ca", pem,
	        "pin", PIN, "network", "private, 127.0.0.0/8"),
	    0);
	assert_int_equal(link_.injection.kind, INJECT_QUERY);
	assert_string_equal(link_.injection.name, "api_key");
	assert_string_equal(link_.account, "/data/0/a~1b");
	assert_ptr_equal(link_.ca, pem);
	assert_string_equal(link_.pin, PIN);
	assert_false(link_.network.public);
	assert_true(link_.network.private);
	assert_int_equal(link_.network.count, 1);
}

static void
catalog_each_kind_has_its_injection(void **state)
{
	(void)state;
	assert_int_equal(
	    RESOLVE(CUSTOM, CREDENTIAL_BASIC, "url", "https://api.test"), 0);
	assert_int_equal(link_.injection.kind, INJECT_BASIC);
	assert_string_equal(link_.injection.template, "{username}");
	/* Bearer is what it says, whatever "inject" is. */
	assert_int_equal(RESOLVE(CUSTOM, CREDENTIAL_BEARER, "url",
	                     "https://api.test", "inject", "query key"),
	    0);
	assert_string_equal(link_.injection.template, "Bearer {secret}");
	assert_int_equal(RESOLVE(CUSTOM, CREDENTIAL_API_KEY, "url",
	                     "https://api.test", "inject", "basic robot"),
	    0);
	assert_string_equal(link_.injection.template, "robot");
	assert_int_equal(resolve(STRIPE, CREDENTIAL_BASIC,
	                     (const char *const[]){NULL, NULL}),
	    VERR_NOTFOUND);
}

static void
hostile_settings_are_refused(void **state)
{
	static const char *const cases[][6] = {
	    {NULL, NULL},
	    {"network", "public", NULL, NULL},
	    {"url", "http://api.test", NULL, NULL},
	    {"url", "https://api.test/", NULL, NULL},
	    {"url", "https://api.test@evil.test", NULL, NULL},
	    {"url", "", NULL, NULL},
	    {"url", "https://a.test", "url", "https://b.test", NULL, NULL},
	    {"url", "https://a.test", "urls", "x", NULL, NULL},
	    {"url", "https://a.test", "inject", "header Host: {secret}", NULL,
	        NULL},
	    {"url", "https://a.test", "inject", "header X: {username}{secret}",
	        NULL, NULL},
	    {"url", "https://a.test", "inject", "header X: {url}{secret}", NULL,
	        NULL},
	    {"url", "https://a.test", "inject", "basic {username}", NULL, NULL},
	    {"url", "https://a.test", "account", "id", NULL, NULL},
	    {"url", "https://a.test", "account", "/a~2", NULL, NULL},
	    {"url", "https://a.test", "account", "/a~", NULL, NULL},
	    {"url", "https://a.test", "account", "/a\n", NULL, NULL},
	    {"url", "https://a.test", "ca", "/etc/ssl/ca.pem", NULL, NULL},
	    {"url", "https://a.test", "ca", "-----BEGIN PRIVATE KEY-----\nMI\n",
	        NULL, NULL},
	    {"url", "https://a.test", "ca",
	        "-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\n",
	        NULL, NULL},
	    {"url", "https://a.test", "pin", "sha256//short=", NULL, NULL},
	    {"url", "https://a.test", "pin", PIN "A", NULL, NULL},
	    {"url", "https://a.test", "network", "everything", NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (resolve(CUSTOM, CREDENTIAL_API_KEY, cases[i]) !=
		    VERR_FORMAT)
			fail_msg("accepted case %zu", i);
}

/* Sentences about settings name the setting and never show its value. */
static void
hostile_setting_values_are_not_repeated(void **state)
{
	(void)state;
	assert_int_equal(
	    RESOLVE(CUSTOM, CREDENTIAL_API_KEY, "url", "https://sk_live_leak/"),
	    VERR_FORMAT);
	assert_non_null(strstr(why_, "\"url\""));
	assert_null(strstr(why_, "leak"));
}

static void
catalog_custom_rest_seals_what_aims_a_credential(void **state)
{
	static const char *const names[] = {
	    "url", "inject", "account", "ca", "pin", "network"};
	struct catalog_entry *entry = load(CUSTOM);

	(void)state;
	assert_int_equal(entry->ninputs, sizeof(names) / sizeof(names[0]));
	for (size_t i = 0; i < entry->ninputs; i++)
		assert_true(catalog_input(entry, names[i])->sealed);
	assert_true(catalog_input(entry, "url")->required);
	assert_null(catalog_input(entry, "secret"));
	assert_false(catalog_guards(entry, "/v1/ephemeral_keys", 18));
	catalog_free(entry);
}

static void
catalog_stripe_is_checked_by_its_account(void **state)
{
	struct catalog_entry *entry = load(STRIPE);
	char why[CATALOG_WHY_MAX];

	(void)state;
	assert_int_equal(
	    catalog_resolve(entry, CREDENTIAL_API_KEY, NULL, 0, &link_, why),
	    0);
	assert_string_equal(entry->system, "stripe");
	assert_string_equal(link_.origin.host, "api.stripe.com");
	assert_string_equal(link_.health.method, "GET");
	assert_string_equal(link_.health.target, "/v1/account");
	assert_string_equal(link_.account, "/id");
	assert_true(catalog_alive(entry, 200));
	assert_true(catalog_alive(entry, 403));
	assert_false(catalog_alive(entry, 401));
	assert_false(catalog_alive(entry, 404));
	assert_false(catalog_alive(entry, 500));
	assert_false(catalog_alive(entry, 302));
	catalog_free(entry);
}

static void
catalog_stripe_guards_what_mints_credentials(void **state)
{
	static const struct {
		const char *path;
		bool want;
	} cases[] = {
	    {"/v1/ephemeral_keys", true},
	    {"/v1/ephemeral_keys/ephkey_1", true},
	    {"/V1/Ephemeral_Keys/", true},
	    {"/v1/ephemeral_keys;x", true},
	    {"/v1/account_sessions", true},
	    {"/v1/customer_sessions", true},
	    {"/v1/terminal/connection_tokens", true},
	    {"/v1/webhook_endpoints", true},
	    {"/v1/webhook_endpoints/we_1", true},
	    {"/v1/apps/secrets/find", true},
	    {"/v1/accounts/acct_1/login_links", true},
	    {"/v2/iam/api_keys", true},
	    {"/v1/oauth/token", true},
	    {"/v1/charges", false},
	    {"/v1/accounts/acct_1", false},
	    {"/v1/account", false},
	    {"/v1/ephemeral_keysx", false},
	};
	struct catalog_entry *entry = load(STRIPE);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (catalog_guards(entry, cases[i].path,
		        strlen(cases[i].path)) != cases[i].want)
			fail_msg("%s", cases[i].path);
	catalog_free(entry);
}

static void
catalog_fields_are_checked(void **state)
{
	struct catalog_entry *entry = load(STRIPE);
	const struct catalog_field *key = &entry->credentials[0].fields[0];
	const struct catalog_field any = {.name = "x", .secret = true};
	const char *why;

	(void)state;
	assert_true(key->secret);
	assert_int_equal(
	    catalog_field_check(key, "sk_live_0123456789", 18, 99, &why), 0);
	assert_int_equal(
	    catalog_field_check(key, "pk_live_0123456789", 18, 99, &why),
	    VERR_FORMAT);
	assert_int_equal(
	    catalog_field_check(key, "sk_live_0123456789\n", 19, 99, &why),
	    VERR_FORMAT);
	assert_int_equal(
	    catalog_field_check(&any, "", 0, 9, &why), VERR_FORMAT);
	assert_int_equal(
	    catalog_field_check(&any, "a\r\nb", 4, 9, &why), VERR_FORMAT);
	assert_int_equal(
	    catalog_field_check(&any, "a\0b", 3, 9, &why), VERR_FORMAT);
	assert_int_equal(
	    catalog_field_check(&any, "\xff", 1, 9, &why), VERR_FORMAT);
	assert_int_equal(
	    catalog_field_check(&any, "0123456789", 10, 9, &why), VERR_FORMAT);
	assert_int_equal(
	    catalog_field_check(&any, "p\xc3\xa4ss w", 7, 9, &why), 0);
	catalog_free(entry);
}

static void
catalog_health_checks_are_strict(void **state)
{
	static const char *const bad[] = {"", "GET", "GET ", "GET a", "get /",
	    "POST /", "GET /../a", "GET  /a", "GET /a b", "GET https://x/",
	    "GET /a\r\nX: y", "TRACE /"};
	struct health health = {.method = NULL};
	const char *why;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (health_parse(bad[i], strlen(bad[i]), &health, &why) == 0)
			fail_msg("accepted: %s", bad[i]);
		assert_null(health.method);
	}
	assert_int_equal(
	    health_parse("HEAD /v1/%7ea?b=c", 17, &health, &why), 0);
	assert_string_equal(health.method, "HEAD");
	assert_string_equal(health.target, "/v1/~a?b=c");
}

#define TOP "system x { title X; category c; "
#define CRED                                                                   \
	"credential bearer { inject \"header X: {secret}\"; field t { "        \
	"secret; prompt T } } "
#define ORIG "origin \"https://x.test\"; "

static void
catalog_bad_entries_are_refused(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
	    {"", "an entry is"},
	    {"system x", "an entry is"},
	    {"system X { }", "an entry is"},
	    {"system \"\" { }", "an entry is"},
	    {"sys x { }", "an entry is"},
	    {"}", "no block"},
	    {"system x { }", "are needed"},
	    {TOP ORIG "}", "are needed"},
	    {TOP CRED "}", "origin is needed"},
	    {TOP ORIG CRED, "not closed"},
	    {TOP ORIG CRED "} system y { }", "one entry"},
	    {TOP ORIG CRED "url x }", "unknown key"},
	    {TOP ORIG CRED "title Y }", "twice"},
	    {TOP CRED "origin \"http://x.test\" }", "https"},
	    {TOP CRED "origin \"https://x.test/v1\" }", "origin:"},
	    {TOP CRED "origin \"https://{shop}.test\" }", "unknown name"},
	    {TOP CRED "origin \"https://{shop.test\" }", "bad template"},
	    {TOP CRED "origin \"https://{secret}.test\" }", "unknown name"},
	    {TOP ORIG CRED "account id }", "JSON pointer"},
	    {TOP ORIG CRED "pin abc }", "sha256"},
	    {TOP ORIG CRED "network nowhere }", "not \"public\""},
	    {TOP ORIG CRED "ca \"abc\" }", "must name an input"},
	    {TOP ORIG CRED "health POST /v1 }", "health"},
	    {TOP ORIG CRED "health GET /v1/../x }", "health"},
	    {TOP ORIG CRED "alive 200 }", "number"},
	    {TOP ORIG CRED "alive 401 }", "401"},
	    {TOP ORIG CRED "guarded v1 }", "begin with"},
	    {TOP ORIG CRED "guarded /a /b/*** }", "two stars"},
	    {TOP ORIG CRED "header \"Host: x\" }", "bad header"},
	    {TOP ORIG CRED "header \"X\" }", "bad header"},
	    {TOP ORIG CRED "header \"X Y: z\" }", "bad header"},
	    {TOP ORIG CRED "header \"X: {secret}\" }", "unknown name"},
	    {TOP ORIG CRED "input a { }}", "\"what\" is missing"},
	    {TOP ORIG CRED "input A { what w }}", "a name is"},
	    {TOP ORIG CRED "input secret { what w }}", "a name is"},
	    {TOP ORIG CRED "input a { what w } input a { what w }}", "twice"},
	    {TOP ORIG CRED "input a { what w; required }}", "example"},
	    {TOP ORIG CRED "input a { what w; type int }}", "unknown type"},
	    {TOP ORIG CRED "input a { what w; pattern \"a*\" }}", "pattern:"},
	    {TOP ORIG CRED "input a { what w; pattern b; example c }}",
	        "does not look"},
	    {TOP ORIG CRED "input a { what w; pattern b; default c }}",
	        "does not look"},
	    {TOP ORIG CRED "input a { what w; type url; default c }}",
	        "default of"},
	    {TOP ORIG CRED "credential bearer { }}", "twice"},
	    {TOP ORIG "credential cookie { }}", "unknown credential"},
	    {TOP ORIG "credential bearer { inject \"query k\" }}",
	        "one secret field"},
	    {TOP ORIG "credential bearer { field t { secret; prompt T } }}",
	        "one secret field"},
	    {TOP ORIG "credential bearer { inject \"query k\"; field t { "
	              "secret; prompt T }; field u { secret; prompt U } }}",
	        "one secret field"},
	    {TOP ORIG "credential bearer { inject \"query k\"; field t { "
	              "secret } }}",
	        "\"prompt\" is missing"},
	    {TOP ORIG "credential bearer { inject \"header Cookie: {secret}\"; "
	              "field t { secret; prompt T } }}",
	        "inject:"},
	    {TOP ORIG "credential basic { inject \"basic {user}\"; field t { "
	              "secret; prompt T } }}",
	        "unknown name"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct catalog_entry *entry = NULL;
		struct lex_error err;

		if (catalog_parse("c", cases[i].text, strlen(cases[i].text),
		        &entry, &err) != VERR_FORMAT)
			fail_msg("accepted: %s", cases[i].text);
		assert_null(entry);
		if (strstr(err.message, cases[i].message) == NULL)
			fail_msg("%s: %s", cases[i].text, err.message);
	}
}

/* An input's value cannot bend the template that it goes into. */
static void
hostile_inputs_stay_in_their_place(void **state)
{
	static const char text[] =
	    TOP CRED "origin \"https://{shop}.x.test\"\n"
	             "health GET \"/v1/{shop}/me\"\n"
	             "header \"X-Shop: {shop}\"\n"
	             "input shop { what w; example blue; required } }";
	static const char *const bad[] = {"evil.test#", "evil.test/", "a@b",
	    "evil.test:443", "a/../b", "", "..", "a b", "a\r\nX: y", "{secret}",
	    "Blue"};
	struct catalog_setting setting = {"shop", "green"};
	struct catalog_entry *entry;
	struct lex_error err;

	(void)state;
	assert_int_equal(
	    catalog_parse("c", text, sizeof(text) - 1, &entry, &err), 0);
	assert_int_equal(catalog_resolve(entry, CREDENTIAL_BEARER, &setting, 1,
	                     &link_, why_),
	    0);
	assert_string_equal(link_.origin.host, "green.x.test");
	assert_string_equal(link_.health.target, "/v1/green/me");
	assert_int_equal(link_.nheaders, 1);
	assert_string_equal(link_.headers[0], "X-Shop: green");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		setting.value = bad[i];
		if (catalog_resolve(entry, CREDENTIAL_BEARER, &setting, 1,
		        &link_, why_) != VERR_FORMAT)
			fail_msg("accepted: %s", bad[i]);
	}
	catalog_free(entry);
}

/* Nor become a template itself. */
static void
hostile_inputs_name_no_field(void **state)
{
	static const char text[] = TOP ORIG
	    "input note { what w }\n"
	    "credential basic { inject \"header X: {note}{secret}\"\n"
	    "field user { prompt U }\nfield word { secret; prompt P } } }";
	struct catalog_setting setting = {"note", "a"};
	struct catalog_entry *entry;
	struct lex_error err;

	(void)state;
	assert_int_equal(
	    catalog_parse("c", text, sizeof(text) - 1, &entry, &err), 0);
	assert_int_equal(
	    catalog_resolve(entry, CREDENTIAL_BASIC, &setting, 1, &link_, why_),
	    0);
	assert_string_equal(link_.injection.template, "a{secret}");
	setting.value = "{user}";
	assert_int_equal(
	    catalog_resolve(entry, CREDENTIAL_BASIC, &setting, 1, &link_, why_),
	    VERR_FORMAT);
	catalog_free(entry);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(catalog_custom_rest_has_the_documented_defaults),
	    cmocka_unit_test(catalog_custom_rest_takes_every_setting),
	    cmocka_unit_test(catalog_each_kind_has_its_injection),
	    cmocka_unit_test(hostile_settings_are_refused),
	    cmocka_unit_test(hostile_setting_values_are_not_repeated),
	    cmocka_unit_test(catalog_custom_rest_seals_what_aims_a_credential),
	    cmocka_unit_test(catalog_stripe_is_checked_by_its_account),
	    cmocka_unit_test(catalog_stripe_guards_what_mints_credentials),
	    cmocka_unit_test(catalog_fields_are_checked),
	    cmocka_unit_test(catalog_health_checks_are_strict),
	    cmocka_unit_test(catalog_bad_entries_are_refused),
	    cmocka_unit_test(hostile_inputs_stay_in_their_place),
	    cmocka_unit_test(hostile_inputs_name_no_field),
	};

	return cmocka_run_group_tests_name("policy/catalog", tests, NULL, NULL);
}
