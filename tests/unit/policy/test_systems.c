/*
 * The systems that are shipped: what a profile's settings come to, which paths
 * are guarded, what keys look like.  Stripe and custom-rest: test_catalog.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/policy/entry.h"

#define HEX32    "0123456789abcdef0123456789abcdef"
#define ACCOUNT  "AC" HEX32
#define ACCOUNTS "/2010-04-01/Accounts"

/* One system with one set of settings. */
struct shape {
	const char *system;
	enum credential_kind kind;
	struct catalog_setting settings[3];
	const char *host, *inject_name, *inject, *health, *account;
	uint16_t port; /* 0 for 443 */
};

static const struct shape shapes[] = {
    {"sendgrid", CREDENTIAL_API_KEY, {{NULL, NULL}}, "api.sendgrid.com",
        "Authorization", "Bearer {secret}", "/v3/user/username", "/user_id", 0},
    {"sendgrid", CREDENTIAL_API_KEY, {{"region", ".eu"}}, "api.eu.sendgrid.com",
        "Authorization", "Bearer {secret}", "/v3/user/username", "/user_id", 0},
    {"mailchimp", CREDENTIAL_API_KEY, {{"dc", "us21"}},
        "us21.api.mailchimp.com", NULL, "anystring", "/3.0/?fields=account_id",
        "/account_id", 0},
    {"twilio", CREDENTIAL_BASIC, {{"account", ACCOUNT}}, "api.twilio.com", NULL,
        "{username}", ACCOUNTS "/" ACCOUNT "/Balance.json", "/account_sid", 0},
    {"twilio", CREDENTIAL_BASIC,
        {{"account", ACCOUNT}, {"region", ".sydney.au1"}},
        "api.sydney.au1.twilio.com", NULL, "{username}",
        ACCOUNTS "/" ACCOUNT "/Balance.json", "/account_sid", 0},
    {"shipstation", CREDENTIAL_API_KEY, {{NULL, NULL}}, "api.shipstation.com",
        "API-Key", "{secret}", "/v2/users?page_size=1", "", 0},
    {"shipstation-v1", CREDENTIAL_BASIC, {{NULL, NULL}},
        "ssapi.shipstation.com", NULL, "{username}", "/users", "", 0},
    {"woocommerce", CREDENTIAL_BASIC, {{"url", "https://shop.test:8443"}},
        "shop.test", NULL, "{username}",
        "/wp-json/wc/v3/system_status?_fields=environment.home_url",
        "/environment/home_url", 8443},
    {"woocommerce", CREDENTIAL_BASIC,
        {{"url", "https://a.test"}, {"path", "/shop"}}, "a.test", NULL,
        "{username}",
        "/shop/wp-json/wc/v3/system_status?_fields=environment.home_url",
        "/environment/home_url", 0},
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static struct catalog_link link_;

static struct catalog_entry *
shipped(const char *system)
{
	struct catalog_entry *entry;
	char file[128];

	snprintf(file, sizeof(file), "vaultd/catalog/%s.conf", system);
	entry = load(file);
	assert_string_equal(entry->system, system);
	return entry;
}

static int
resolve(const struct catalog_entry *entry, enum credential_kind kind,
    const struct catalog_setting *settings, size_t max)
{
	char why[CATALOG_WHY_MAX] = "";
	size_t n = 0;

	while (n < max && settings[n].name != NULL)
		n++;
	return catalog_resolve(entry, kind, settings, n, &link_, why);
}

static void
check_shape(const struct shape *s)
{
	struct catalog_entry *entry = shipped(s->system);

	assert_int_equal(
	    resolve(entry, s->kind, s->settings, COUNT(s->settings)), 0);
	assert_string_equal(link_.origin.host, s->host);
	assert_int_equal(link_.origin.port, s->port == 0 ? 443 : s->port);
	assert_int_equal(link_.injection.kind,
	    s->inject_name == NULL ? INJECT_BASIC : INJECT_HEADER);
	assert_string_equal(
	    link_.injection.name, s->inject_name == NULL ? "" : s->inject_name);
	assert_string_equal(link_.injection.template, s->inject);
	assert_string_equal(link_.health.method, "GET");
	assert_string_equal(link_.health.target, s->health);
	assert_string_equal(link_.account, s->account);
	assert_true(link_.network.public);
	assert_false(link_.network.private);
	/* The check itself must be one that a profile could name. */
	assert_false(catalog_guards(
	    entry, link_.health.target, strcspn(link_.health.target, "?")));
	/* Whom a sentence serves: rates, expiries, and what was verified. */
	assert_non_null(entry->rate);
	assert_non_null(entry->expiry);
	assert_non_null(strstr(entry->verified, "2026-"));
	assert_true(entry->nentities > 0 && entry->nguarded > 0);
	catalog_free(entry);
}

static void
catalog_systems_come_to_what_their_vendors_document(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(shapes); i++)
		check_shape(&shapes[i]);
}

/* No setting leads a key to somebody else's host, or to another path. */
static void
hostile_settings_of_systems_are_refused(void **state)
{
	static const struct shape cases[] = {
	    {.system = "sendgrid", .settings = {{"region", "eu"}}},
	    {.system = "sendgrid", .settings = {{"region", ".evil.test/"}}},
	    {.system = "sendgrid", .settings = {{"region", ".eu.eu"}}},
	    {.system = "mailchimp", .settings = {{NULL, NULL}}},
	    {.system = "mailchimp", .settings = {{"dc", "evil.test/us6"}}},
	    {.system = "mailchimp", .settings = {{"dc", "us6.evil"}}},
	    {.system = "mailchimp", .settings = {{"dc", "US6"}}},
	    {.system = "twilio", .settings = {{NULL, NULL}}},
	    {.system = "twilio", .settings = {{"account", "SK" HEX32}}},
	    {.system = "twilio", .settings = {{"account", ACCOUNT "/Keys"}}},
	    {.system = "twilio", .settings = {{"account", ACCOUNT "0"}}},
	    {.system = "twilio",
	        .settings = {{"account", ACCOUNT}, {"region", ".ie1"}}},
	    {.system = "twilio",
	        .settings = {{"account", ACCOUNT}, {"region", ".evil.test"}}},
	    {.system = "shipstation", .settings = {{"url", "https://a.test"}}},
	    {.system = "woocommerce", .settings = {{NULL, NULL}}},
	    {.system = "woocommerce", .settings = {{"url", "http://a.test"}}},
	    {.system = "woocommerce",
	        .settings = {{"url", "https://a.test"}, {"path", "/../x"}}},
	    {.system = "woocommerce",
	        .settings = {{"url", "https://a.test"}, {"path", "shop"}}},
	    {.system = "woocommerce",
	        .settings = {{"url", "https://a.test"}, {"path", "/a?b"}}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct catalog_entry *entry = shipped(cases[i].system);

		if (resolve(entry, entry->credentials[0].kind,
		        cases[i].settings,
		        COUNT(cases[i].settings)) != VERR_FORMAT)
			fail_msg("accepted case %zu", i);
		catalog_free(entry);
	}
}

static void
catalog_systems_seal_their_settings(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(shapes); i++) {
		struct catalog_entry *entry = shipped(shapes[i].system);

		for (size_t k = 0; k < entry->ninputs; k++)
			assert_true(entry->inputs[k].sealed);
		catalog_free(entry);
	}
}

static void
catalog_systems_guard_what_mints_credentials(void **state)
{
	static const struct {
		const char *system, *path;
		bool want;
	} cases[] = {
	    {"sendgrid", "/v3/api_keys", true},
	    {"sendgrid", "/v3/api_keys/abc", true},
	    {"sendgrid", "/V3/API_Keys/", true},
	    {"sendgrid", "/v3/scopes/requests/1/approve", true},
	    {"sendgrid", "/v3/subusers", true},
	    {"sendgrid", "/v3/subusers/blue/website_access", true},
	    {"sendgrid", "/v3/teammates/pending/abc/resend", true},
	    {"sendgrid", "/v3/sso/certificates", true},
	    {"sendgrid", "/v3/partners/accounts/1/sso", true},
	    {"sendgrid", "/v3/user/password", true},
	    {"sendgrid", "/v3/user/webhooks/event/settings/1", true},
	    {"sendgrid", "/v3/user/webhooks/security/policies", true},
	    {"sendgrid", "/v3/marketing/integrations/1", true},
	    {"sendgrid", "/v3/partner_settings/new_relic", true},
	    {"sendgrid", "/v3/mail/send", false},
	    {"sendgrid", "/v3/scopes", false},
	    {"sendgrid", "/v3/subusers/blue/stats/monthly", false},
	    {"sendgrid", "/v3/marketing/contacts", false},
	    {"mailchimp", "/3.0/authorized-apps", true},
	    {"mailchimp", "/3.0/authorized-apps/1", true},
	    {"mailchimp", "/3.0/batches", true},
	    {"mailchimp", "/3.0/Batches/", true},
	    {"mailchimp", "/3.0/account-exports/1", true},
	    {"mailchimp", "/3.0/lists/1/members", false},
	    {"mailchimp", "/3.0/batch-webhooks", false},
	    {"twilio", ACCOUNTS, true},
	    {"twilio", ACCOUNTS ".json", true},
	    {"twilio", ACCOUNTS "/" ACCOUNT, true},
	    {"twilio", ACCOUNTS "/" ACCOUNT ".json", true},
	    {"twilio", "/2010-04-01/accounts/" ACCOUNT ".csv", true},
	    {"twilio", "/2008-08-01/Accounts/" ACCOUNT, true},
	    {"twilio", ACCOUNTS "/" ACCOUNT "/Keys.json", true},
	    {"twilio", ACCOUNTS "/" ACCOUNT "/Keys/SK1.json", true},
	    {"twilio", ACCOUNTS "/" ACCOUNT "/SigningKeys", true},
	    {"twilio", ACCOUNTS "/" ACCOUNT "/Tokens.json", true},
	    {"twilio", ACCOUNTS "/" ACCOUNT "/SIP/CredentialLists.json", true},
	    {"twilio",
	        ACCOUNTS "/" ACCOUNT "/SIP/CredentialLists/CL1/"
	                 "Credentials.json",
	        true},
	    {"twilio", ACCOUNTS "/" ACCOUNT "/Messages.json", false},
	    {"twilio", ACCOUNTS "/" ACCOUNT "/Calls/CA1.json", false},
	    {"twilio", ACCOUNTS "/" ACCOUNT "/SIP/Domains.json", false},
	    {"shipstation", "/v2/tokens/ephemeral", true},
	    {"shipstation", "/v2/connections/carriers/ups", true},
	    {"shipstation", "/v2/environment/webhooks", true},
	    {"shipstation", "/v2/environment/webhooks/1", true},
	    {"shipstation", "/v2/labels", false},
	    {"shipstation", "/v2/carriers", false},
	    {"shipstation-v1", "/accounts/registeraccount", true},
	    {"shipstation-v1", "/Accounts/RegisterAccount/", true},
	    {"shipstation-v1", "/orders/createorder", false},
	    {"woocommerce", "/wp-json/wc/v3/payment_gateways", true},
	    {"woocommerce", "/wp-json/wc/v3/payment_gateways/stripe", true},
	    {"woocommerce", "/shop/wp-json/wc/v3/settings/general", true},
	    {"woocommerce", "/wp-json/wc-admin/options", true},
	    {"woocommerce", "/wp-json/wp/v2/users/me/application-passwords",
	        true},
	    {"woocommerce", "/shop/wp-json/wp/v2/users", true},
	    {"woocommerce", "/wp-json/batch/v1", true},
	    {"woocommerce", "/wc-auth/v1/authorize", true},
	    {"woocommerce", "/index.php/wp-json/wc/v3/products", true},
	    {"woocommerce", "/shop/index.php", true},
	    {"woocommerce", "/", true},
	    {"woocommerce", "/xmlrpc.php", true},
	    {"woocommerce", "/wp-admin/admin-ajax.php", true},
	    {"woocommerce", "/wp-json/wc/v3/orders", false},
	    {"woocommerce", "/wp-json/wc/v3/products/batch", false},
	    {"woocommerce", "/shop/wp-json/wc/v3/system_status", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct catalog_entry *entry = shipped(cases[i].system);

		if (catalog_guards(entry, cases[i].path,
		        strlen(cases[i].path)) != cases[i].want)
			fail_msg("%s %s", cases[i].system, cases[i].path);
		catalog_free(entry);
	}
}

static void
catalog_systems_know_their_keys(void **state)
{
	static const struct {
		const char *system, *field, *value;
		bool want;
	} cases[] = {
	    {"sendgrid", "key",
	        "SG.aaaaaaaaaaaaaaaaaaaaaa."
	        "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
	        true},
	    {"sendgrid", "key", "SG.short.short", false},
	    {"sendgrid", "key", "sk_live_0123456789", false},
	    {"mailchimp", "key", HEX32 "-us6", true},
	    {"mailchimp", "key", HEX32, false},
	    {"twilio", "username", "SK" HEX32, true},
	    {"twilio", "username", ACCOUNT, true},
	    {"twilio", "username", "PN" HEX32, false},
	    {"twilio", "password", HEX32, true},
	    {"shipstation", "key", "TEST_Abc/+=", true},
	    {"shipstation-v1", "username", HEX32, true},
	    {"shipstation-v1", "username", "a:b", false},
	    {"woocommerce", "username", "ck_" HEX32 "01234567", true},
	    {"woocommerce", "username", "cs_" HEX32 "01234567", false},
	    {"woocommerce", "password", "cs_" HEX32 "01234567", true},
	    {"woocommerce", "password", "ck_" HEX32 "01234567", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct catalog_entry *entry = shipped(cases[i].system);
		const struct catalog_credential *c = &entry->credentials[0];
		const char *why;
		size_t k = 0;

		while (strcmp(c->fields[k].name, cases[i].field) != 0)
			assert_true(++k < c->nfields);
		if ((catalog_field_check(&c->fields[k], cases[i].value,
		         strlen(cases[i].value), 255, &why) == 0) !=
		    cases[i].want)
			fail_msg("%s %s", cases[i].system, cases[i].value);
		catalog_free(entry);
	}
}

/* A status that the entry takes for a proof is one that the vendor gives to
 * a key that is good, and never to one that is not. */
static void
catalog_systems_believe_no_other_answer(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(shapes); i++) {
		struct catalog_entry *entry = shipped(shapes[i].system);

		for (unsigned status = 300; status < 600; status++)
			assert_int_equal(catalog_alive(entry, status),
			    status == 403 &&
			        strcmp(entry->system, "sendgrid") == 0);
		catalog_free(entry);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(
	        catalog_systems_come_to_what_their_vendors_document),
	    cmocka_unit_test(hostile_settings_of_systems_are_refused),
	    cmocka_unit_test(catalog_systems_seal_their_settings),
	    cmocka_unit_test(catalog_systems_guard_what_mints_credentials),
	    cmocka_unit_test(catalog_systems_know_their_keys),
	    cmocka_unit_test(catalog_systems_believe_no_other_answer),
	};

	return cmocka_run_group_tests_name("policy/systems", tests, NULL, NULL);
}
