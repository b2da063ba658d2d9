/*
 * The policy, on any bytes.  The last line is the request's target.  Oracles:
 * who is denied everything gets nothing, what is permitted without being known
 * is permitted when known, and order does not matter.
 */
#include <stdio.h>

#include "policy/path.h"
#include "policy/policy.h"
#include "tests/fuzz/fuzz.h"

static const char deny_all[] = "\nclient fuzz-all { uid 97 }\n"
                               "deny fuzz-all to request, sign, verify, token, "
                               "read, manage, audit, operate on **\n";

static bool
find(void *ctx, const char *name, uint32_t *ret_id)
{
	(void)ctx;
	*ret_id = (uint8_t)name[0];
	return name[0] != 'x';
}

static const struct policy_names names = {find, find, NULL};

static bool
ask(const struct policy *policy, const struct policy_principal *who,
    const struct policy_facts *facts)
{
	struct policy_verdict verdict;
	struct policy_view *view;

	CHECK(policy_view_new(policy, who, &view) == 0);
	policy_evaluate(view, facts, &verdict);
	CHECK(verdict.permitted == (verdict.ground == POLICY_PERMIT));
	CHECK((verdict.line == 0) == (verdict.ground == POLICY_DEFAULT));
	CHECK(facts->verb != VERB_READ || facts->path != NULL ||
	    policy_may_know(view, facts->profile) == verdict.permitted ||
	    facts->method != NULL);
	policy_view_free(view);
	return verdict.permitted;
}

static const uint32_t groups[] = {'c', 'd'};

static void
check(const struct policy *policy, struct policy_facts facts)
{
	static const struct policy_principal
	    who = {.uid = 'a', .gid = 'b', .groups = groups, .ngroups = 2},
	    vague = {.uid = 'a', .gid = 'b', .groups_unknown = true},
	    nobody = {.uid = UINT32_MAX, .gid = UINT32_MAX};
	const struct policy_facts known = facts;
	bool permitted = ask(policy, &who, &facts);

	CHECK(!ask(policy, &nobody, &facts));
	if (ask(policy, &vague, &facts))
		CHECK(permitted);
	facts.path = NULL;
	if (ask(policy, &who, &facts))
		CHECK(permitted);
	facts = known;
	facts.method = NULL;
	if (ask(policy, &who, &facts))
		CHECK(permitted);
	facts = known;
	facts.guarded = true;
	if (ask(policy, &who, &facts))
		CHECK(permitted);
}

/* The rules the other way round, or with one more, say no more than before. */
static void
check_more(const char *text, size_t n, const struct policy_facts *facts)
{
	static const struct policy_principal who = {.uid = 'a', .gid = 'b'};
	char *longer = malloc(n + sizeof(deny_all));
	struct policy *policy;
	struct lex_error err;

	CHECK(longer != NULL);
	if (n > 0)
		memcpy(longer, text, n);
	memcpy(longer + n, deny_all, sizeof(deny_all));
	if (policy_parse("fuzz", longer, n + sizeof(deny_all) - 1, &names,
	        &policy, &err) == 0) {
		CHECK(!ask(policy, &who, facts));
		policy_free(policy);
	}
	free(longer);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data, *why;
	const char *line = size == 0 ? NULL : memrchr(text, '\n', size);
	size_t target = line == NULL ? 0 : (size_t)(line - text) + 1, n;
	struct policy_facts facts = {.profile = "acme/shop", .method = "GET"};
	char path[PATH_TARGET_MAX + 1];
	struct policy *policy;
	struct lex_error err;

	if (path_normalise(text + target, size - target, path, &n,
	        &facts.path_len, &why) == 0)
		facts.path = path;
	if (policy_parse("fuzz", text, target, &names, &policy, &err) != 0) {
		CHECK(err.message[0] != '\0');
		return 0;
	}
	for (facts.verb = 0; facts.verb < VERB_COUNT; facts.verb++) {
		check(policy, facts);
		check_more(text, target, &facts);
	}
	policy_free(policy);
	return 0;
}
