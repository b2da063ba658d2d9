/*
 * What policy.h promises.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "policy/policy.h"

/* Users flow 1001, root 0, admin 1002; groups ops 2001, flow 1001. */
static bool
find_user(void *ctx, const char *name, uint32_t *ret_id)
{
	(void)ctx;
	*ret_id = strcmp(name, "flow") == 0 ? 1001
	    : strcmp(name, "admin") == 0    ? 1002
	                                    : 0;
	return *ret_id != 0 || strcmp(name, "root") == 0;
}

static bool
find_group(void *ctx, const char *name, uint32_t *ret_id)
{
	(void)ctx;
	*ret_id = strcmp(name, "ops") == 0 ? 2001 : 1001;
	return strcmp(name, "ops") == 0 || strcmp(name, "flow") == 0;
}

static const struct policy_names names = {find_user, find_group, NULL};

static struct policy *
parse(const char *text)
{
	struct policy *policy = NULL;
	struct lex_error err;

	if (policy_parse("p", text, strlen(text), &names, &policy, &err) != 0)
		fail_msg(
		    "%s: %u:%u: %s", text, err.line, err.column, err.message);
	return policy;
}

static const uint32_t ops[] = {5, 2001};
static const struct policy_principal worker = {.uid = 1001, .gid = 1001};
static const struct policy_principal admin = {
    .uid = 1002, .gid = 100, .groups = ops, .ngroups = 2};
static const struct policy_principal dim = {
    .uid = 1002, .groups_unknown = true};
static const struct policy_principal root = {0};

static struct policy_verdict
ask(const char *text, const struct policy_principal *who,
    const struct policy_facts *facts)
{
	struct policy *policy = parse(text);
	struct policy_verdict verdict;
	struct policy_view *view;

	assert_int_equal(policy_view_new(policy, who, &view), 0);
	policy_evaluate(view, facts, &verdict);
	policy_view_free(view);
	policy_free(policy);
	assert_int_equal(verdict.permitted, verdict.ground == POLICY_PERMIT);
	assert_int_equal(verdict.line == 0, verdict.ground == POLICY_DEFAULT);
	return verdict;
}

/* A request of the worker for acme/shop; NULL: not known. */
static struct policy_verdict
request(const char *text, const char *method, const char *path)
{
	const struct policy_facts facts = {
	    .verb = VERB_REQUEST,
	    .profile = "acme/shop",
	    .method = method,
	    .path = path,
	    .path_len = path == NULL ? 0 : strlen(path),
	};

	return ask(text, &worker, &facts);
}

#define W "client w { user flow }\n"

static void
policy_default_is_deny(void **state)
{
	static const char *const cases[] = {
	    "",
	    W,
	    W "permit w to sign on **",
	    W "permit w to request on acme/other",
	    W "permit w to request on other/shop",
	    W "permit w to request on acme/sho*p-*",
	    W "client x { user admin }\npermit x to request on **",
	    W "client x { user flow; gid 7 }\npermit x to request on **",
	    W "deny w to sign on **",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct policy_verdict v = request(cases[i], "GET", "/a");

		assert_int_equal(v.ground, POLICY_DEFAULT);
		assert_string_not_equal(v.reason, "");
	}
}

static void
policy_permits_what_it_names(void **state)
{
	static const char *const cases[] = {
	    W "permit w to request on acme/shop",
	    W "permit w to request on acme/*",
	    W "permit w to request on */shop",
	    W "permit w to request on */*",
	    W "permit w to request on acme/**",
	    W "permit w to request on **",
	    W "permit w to read, request sign on x/y, acme/sh*",
	    W "client x { user admin }\npermit x, w to request on **",
	    W "permit w to request on ** { method GET; path /a }",
	    W "permit w to request on ** { method POST GET\n path /b, /* }",
	    "permit w to request on **\n" W,
	    "client w { uid 1001 }\npermit w to request on **",
	    "client w { gid 1001 }\npermit w to request on **",
	    "client w { group ops, flow }\npermit w to request on **",
	    "client w { user root flow; group flow; uid 1 1001; gid 1001 }\n"
	    "permit w to request on **",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (!request(cases[i], "GET", "/a").permitted)
			fail_msg("denied: %s", cases[i]);
}

/* In every order of the lines. */
static void
policy_deny_beats_permit(void **state)
{
	static const char *const lines[] = {"client w { user flow }\n",
	    "permit w to request on **\n", "permit w to request on acme/shop\n",
	    "deny w to request on acme/s*\n"};
	static const int orders[][4] = {{0, 1, 2, 3}, {3, 2, 1, 0},
	    {1, 3, 2, 0}, {2, 0, 3, 1}, {3, 0, 1, 2}, {1, 2, 3, 0}};

	(void)state;
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		struct policy_verdict v;
		char text[256];
		uint32_t line = 0;

		text[0] = '\0';
		for (size_t k = 0; k < 4; k++) {
			strncat(text, lines[orders[i][k]], 64);
			if (orders[i][k] == 3)
				line = (uint32_t)k + 1;
		}
		v = request(text, "GET", "/a");
		assert_int_equal(v.ground, POLICY_DENY);
		assert_int_equal(v.line, line);
	}
}

static void
policy_unknown_is_no_permit_and_no_escape(void **state)
{
	static const struct {
		const char *block, *method, *path;
		bool permit, deny; /* what each kind of rule does */
	} cases[] = {
	    {"", NULL, NULL, true, true},
	    {"{ }", NULL, NULL, true, true},
	    {"{ method GET }", "GET", "/a", true, true},
	    {"{ method GET }", "POST", "/a", false, false},
	    {"{ method GET }", NULL, "/a", false, true},
	    {"{ path /a }", "GET", "/a", true, true},
	    {"{ path /a }", "GET", "/b", false, false},
	    {"{ path /a }", "GET", NULL, false, true},
	    {"{ method GET; path /a }", "GET", "/b", false, false},
	    {"{ method GET; path /a }", "POST", "/a", false, false},
	    {"{ method GET; path /a }", NULL, "/a", false, true},
	    {"{ method GET; path /a }", NULL, "/b", false, false},
	    {"{ method GET; path /a }", "POST", NULL, false, false},
	    {"{ method GET; path /a }", NULL, NULL, false, true},
	};
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text), W "permit w to request on ** %s",
		    cases[i].block);
		assert_int_equal(
		    request(text, cases[i].method, cases[i].path).permitted,
		    cases[i].permit);
		snprintf(text, sizeof(text),
		    W "permit w to request on **\ndeny w to request on ** %s",
		    cases[i].block);
		assert_int_equal(
		    !request(text, cases[i].method, cases[i].path).permitted,
		    cases[i].deny);
	}
}

static void
policy_unknown_groups_are_no_permit_and_no_escape(void **state)
{
	static const char permit[] =
	    "client o { group ops }\npermit o to read on **";
	static const char deny[] =
	    "client o { group ops }\nclient a { user admin root }\n"
	    "permit a to read on **\ndeny o to read on **";
	static const char narrowed[] =
	    "client o { group ops; user flow }\nclient a { user admin }\n"
	    "permit a to read on **\ndeny o to read on **";
	const struct policy_facts facts = {
	    .verb = VERB_READ, .profile = "acme/shop"};
	struct policy_principal part = dim;

	(void)state;
	assert_true(ask(permit, &admin, &facts).permitted);
	assert_false(ask(permit, &root, &facts).permitted);
	assert_false(ask(permit, &dim, &facts).permitted);
	assert_non_null(
	    strstr(ask(permit, &dim, &facts).reason, "not known to be"));
	assert_false(ask(deny, &admin, &facts).permitted);
	assert_true(ask(deny, &root, &facts).permitted);
	assert_false(ask(deny, &dim, &facts).permitted);
	assert_true(ask(narrowed, &dim, &facts).permitted);
	part.groups = ops;
	part.ngroups = 2;
	assert_true(ask(permit, &part, &facts).permitted);
}

/* The primary group is one of the groups; gid 0 of an unknown is not. */
static void
policy_primary_group_counts_if_known(void **state)
{
	static const char text[] = "client g { gid 0 }\npermit g to read on **";
	const struct policy_facts facts = {
	    .verb = VERB_READ, .profile = "acme/shop"};

	(void)state;
	assert_true(ask(text, &root, &facts).permitted);
	assert_false(ask(text, &dim, &facts).permitted);
}

static void
policy_guarded_paths_need_their_literal_name(void **state)
{
	static const struct {
		const char *block;
		bool want;
	} cases[] = {
	    {"", false},
	    {"{ method POST }", false},
	    {"{ path /** }", false},
	    {"{ path /v1/key* }", false},
	    {"{ path /v1/key /v1/* }", false},
	    {"{ path /v1/** /v1/keys }", true},
	    {"{ path /v1/keys }", true},
	    {"{ path /v1/keys; method GET }", false},
	};
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct policy_facts facts = {
		    .verb = VERB_REQUEST,
		    .profile = "acme/shop",
		    .method = "POST",
		    .path = "/v1/keys",
		    .path_len = 8,
		    .guarded = true,
		};

		snprintf(text, sizeof(text), W "permit w to request on ** %s",
		    cases[i].block);
		assert_int_equal(
		    ask(text, &worker, &facts).permitted, cases[i].want);
		facts.path = NULL;
		assert_false(ask(text, &worker, &facts).permitted);
	}
	{
		const struct policy_facts facts = {
		    .verb = VERB_REQUEST,
		    .profile = "acme/shop",
		    .method = "POST",
		    .path = "/v1/keys",
		    .path_len = 8,
		    .guarded = true,
		};

		assert_int_equal(ask(W "permit w to request on ** { path "
		                       "/v1/keys }\ndeny w to request on ** { "
		                       "path /v1/** }",
		                     &worker, &facts)
		                     .ground,
		    POLICY_DENY);
	}
}

static void
hostile_spellings_do_not_slip_past_a_deny(void **state)
{
	static const char *const paths[] = {"/v1/refunds", "/v1/Refunds",
	    "/V1/REFUNDS/", "/v1/refunds/", "/v1/refunds;a=b", "/v1;x/refunds",
	    "/v1/refunds%3Bx"};
	static const char text[] = W "permit w to request on **\n"
	                             "deny w to request on ** { path "
	                             "/v1/refunds }";

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (request(text, "GET", paths[i]).ground != POLICY_DENY)
			fail_msg("slipped past: %s", paths[i]);
	assert_true(request(text, "GET", "/v1/refund").permitted);
	/* A permit, though, is exact. */
	assert_false(request(
	    W "permit w to request on ** { path /v1/a }", "GET", "/v1/A")
	                 .permitted);
}

static void
policy_what_concerns_no_profile_needs_two_stars(void **state)
{
	const struct policy_facts facts = {.verb = VERB_AUDIT};

	(void)state;
	assert_true(
	    ask(W "permit w to audit on **", &worker, &facts).permitted);
	assert_false(
	    ask(W "permit w to audit on */*", &worker, &facts).permitted);
	assert_false(
	    ask(W "permit w to audit on acme/**", &worker, &facts).permitted);
	assert_true(ask(W "permit w to audit on **\ndeny w to audit on */*",
	    &worker, &facts)
	                .permitted);
	assert_false(ask(
	    W "permit w to audit on **\ndeny w to audit on **", &worker, &facts)
	                 .permitted);
}

static void
policy_explains_the_nearest_permit(void **state)
{
	static const struct {
		const char *rules, *method, *path;
		const char *want; /* part of the reason */
	} cases[] = {
	    {"permit w to sign on **", "GET", "/a",
	        "no permit to request names a client"},
	    {"permit w to request on x/y", "GET", "/a",
	        "line 2, permit w to request on x/y, is about other profiles"},
	    {"permit w to request on x/y\npermit w to request on acme/* { "
	     "method POST }",
	        "GET", "/a",
	        "line 3, permit w to request on acme/*, is about "
	        "other methods"},
	    {"permit w to request on ** { path /b }\npermit w to request on "
	     "acme/* { method POST }",
	        "GET", "/a",
	        "line 2, permit w to request on **, is about "
	        "other paths"},
	    {"permit w to request on ** { path /b }", "GET", NULL,
	        "the path is not known"},
	    {"permit w to request on ** { method GET }", NULL, "/b",
	        "the method is not known"},
	    {"permit w to request on acme/*", "GET", "/a",
	        "line 2, permit w to request on acme/*"},
	    {"permit w to request on **\ndeny w to request on */shop", "GET",
	        "/a", "line 3, deny w to request on */shop"},
	};
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct policy_verdict v;

		snprintf(text, sizeof(text), W "%s", cases[i].rules);
		v = request(text, cases[i].method, cases[i].path);
		if (strstr(v.reason, cases[i].want) == NULL)
			fail_msg("%s: %s", cases[i].rules, v.reason);
	}
}

static void
policy_existence_is_for_readers(void **state)
{
	struct policy *policy = parse(W "permit w to read on acme/*\n"
	                                "permit w to request, manage on **\n"
	                                "deny w to read on acme/hidden");
	struct policy_view *view;

	(void)state;
	assert_int_equal(policy_view_new(policy, &worker, &view), 0);
	assert_true(policy_may_know(view, "acme/shop"));
	assert_false(policy_may_know(view, "acme/hidden"));
	assert_false(policy_may_know(view, "other/shop"));
	policy_view_free(view);
	policy_free(policy);
}

static void
policy_errors_say_where(void **state)
{
	static const struct {
		const char *text;
		unsigned line, column;
		const char *message;
	} cases[] = {
	    {"clients x { user flow }", 1, 1, "begins no statement"},
	    {"client x", 1, 1, "must be: client NAME"},
	    {"client x y { user flow }", 1, 1, "must be: client NAME"},
	    {"client X { user flow }", 1, 8, "a client's name"},
	    {"client \xd1\x85 { }", 1, 8, "quotes"},
	    {"client \"\xd1\x85\" { }", 1, 8, "a client's name"},
	    {"client to { user flow }", 1, 8, "a client's name"},
	    {"client x { }", 1, 8, "everybody"},
	    {"client x { user nobody }", 1, 17, "there is no user"},
	    {"client x { user flow nobody }", 1, 22, "there is no user"},
	    {"client x { group root }", 1, 18, "there is no group"},
	    {"client x { uid flow }", 1, 16, "number"},
	    {"client x { uid 4294967295 }", 1, 16, "number"},
	    {"client x { uid 4294967296 }", 1, 16, "number"},
	    {"client x { gid -1 }", 1, 16, "number"},
	    {"client x { user flow; user flow }", 1, 23, "twice"},
	    {"client x { user }", 1, 12, "at least 1"},
	    {"client x { exe /bin/sh }", 1, 12, "unknown key"},
	    {"client x { cgroup /a }", 1, 12, "unknown key"},
	    {"client x { user flow { } }", 1, 12, "opens no block"},
	    {W "client w { user flow }", 2, 8, "twice"},
	    {W "permit v to read on **", 2, 8, "no client \"v\""},
	    {W "permit w, v to read on **", 2, 11, "no client \"v\""},
	    {W "permit w to read", 2, 1, "must be: permit"},
	    {W "permit to read on **", 2, 1, "must be: permit"},
	    {W "deny w to on **", 2, 1, "must be: deny"},
	    {W "permit w read on **", 2, 1, "must be: permit"},
	    {W "permit w to read on", 2, 1, "must be: permit"},
	    {W "permit w to write on **", 2, 13, "no verb"},
	    {W "permit w to READ on **", 2, 13, "no verb"},
	    {W "permit w to read on acme", 2, 21, "CUSTOMER/PROFILE"},
	    {W "permit w to read on *", 2, 21, "CUSTOMER/PROFILE"},
	    {W "permit w to read on a/b x/***", 2, 25, "two stars"},
	    {W "permit w to request on ** {\n method get }", 3, 9, "upper"},
	    {W "permit w to request on ** {\n method TRACE }", 3, 9, "upper"},
	    {W "permit w to request on ** {\n path a }", 3, 7, "begin with"},
	    {W "permit w to request on ** {\n path /a/../b }", 3, 7, "dot"},
	    {W "permit w to request on ** {\n path /%41 }", 3, 7, "normal"},
	    {W "permit w to request on ** {\n path /a?b }", 3, 7, "query"},
	    {W "deny w to request on ** {\n path /a//b }", 3, 7, "empty"},
	    {W "permit w to request on ** {\n path /a\n path /b }", 4, 2,
	        "twice"},
	    {W "permit w to request on ** {\n rate 5/s }", 3, 2, "unknown"},
	    {W "permit w to request on ** {\n flow x }", 3, 2, "unknown"},
	    {W "permit w to request on ** {\n regex x }", 3, 2, "unknown"},
	    {W "permit w to request on ** {", 2, 27, "not closed"},
	    {"flow x { client w }", 1, 1, "begins no statement"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct policy *policy = NULL;
		struct lex_error err;
		const char *text = cases[i].text;

		if (policy_parse("p", text, strlen(text), &names, &policy,
		        &err) != VERR_FORMAT)
			fail_msg("accepted: %s", text);
		assert_null(policy);
		if (err.line != cases[i].line ||
		    err.column != cases[i].column ||
		    strstr(err.message, cases[i].message) == NULL)
			fail_msg("%s: %u:%u: %s", text, err.line, err.column,
			    err.message);
	}
}

static void
policy_verbs_have_names(void **state)
{
	enum policy_verb verb;

	(void)state;
	for (enum policy_verb v = 0; v < VERB_COUNT; v++) {
		assert_int_equal(
		    policy_verb_parse(policy_verb_name(v), &verb), 0);
		assert_int_equal(verb, v);
	}
	assert_int_equal(policy_verb_parse("write", &verb), VERR_NOTFOUND);
	assert_int_equal(policy_verb_parse("", &verb), VERR_NOTFOUND);
}

/* 10,000 rules that are all the worker's, each for a customer of its own. */
static void
policy_ten_thousand_rules_are_quick(void **state)
{
	enum { RULES = 10000, ASKED = 1000, LINE = 64 };
	size_t size = (RULES + 1) * LINE, n;
	struct policy_facts facts = {.verb = VERB_REQUEST, .method = "GET"};
	struct policy_verdict verdict;
	struct policy_view *view;
	struct policy *policy;
	char *text = malloc(size), profile[LINE];
	clock_t begin;

	(void)state;
	n = (size_t)snprintf(text, size, W);
	for (size_t i = 0; i < RULES; i++)
		n += (size_t)snprintf(text + n, size - n,
		    "permit w to request on c%zu/* { method GET }\n", i);
	policy = parse(text);
	assert_int_equal(policy_view_new(policy, &worker, &view), 0);
	begin = clock();
	for (size_t i = 0; i < ASKED; i++) {
		snprintf(
		    profile, sizeof(profile), "c%zu/shop", i * 7919 % RULES);
		facts.profile = profile;
		policy_evaluate(view, &facts, &verdict);
		assert_true(verdict.permitted);
		assert_int_equal(verdict.line, i * 7919 % RULES + 2);
	}
	/* 1 ms each, under sanitizers; a scan of every pattern takes more. */
	assert_true(clock() - begin < CLOCKS_PER_SEC);
	facts.profile = "c10000/shop";
	policy_evaluate(view, &facts, &verdict);
	assert_false(verdict.permitted);
	policy_view_free(view);
	policy_free(policy);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(policy_default_is_deny),
	    cmocka_unit_test(policy_permits_what_it_names),
	    cmocka_unit_test(policy_deny_beats_permit),
	    cmocka_unit_test(policy_unknown_is_no_permit_and_no_escape),
	    cmocka_unit_test(policy_unknown_groups_are_no_permit_and_no_escape),
	    cmocka_unit_test(policy_primary_group_counts_if_known),
	    cmocka_unit_test(policy_guarded_paths_need_their_literal_name),
	    cmocka_unit_test(hostile_spellings_do_not_slip_past_a_deny),
	    cmocka_unit_test(policy_what_concerns_no_profile_needs_two_stars),
	    cmocka_unit_test(policy_explains_the_nearest_permit),
	    cmocka_unit_test(policy_existence_is_for_readers),
	    cmocka_unit_test(policy_errors_say_where),
	    cmocka_unit_test(policy_verbs_have_names),
	    cmocka_unit_test(policy_ten_thousand_rules_are_quick),
	};

	return cmocka_run_group_tests_name("policy/policy", tests, NULL, NULL);
}
