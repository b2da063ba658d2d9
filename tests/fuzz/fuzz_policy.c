/*
 * The policy, on any bytes: what parses can be asked, a deny never permits, and
 * a path's normal form is its own normal form.  The last line of the input is
 * the request's target.
 */
#include <assert.h>
#include <string.h>

#include "policy/path.h"
#include "policy/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
find(void *ctx, const char *name, uint32_t *ret_id)
{
	(void)ctx;
	*ret_id = (uint32_t)name[0];
	return name[0] != 'x';
}

static size_t
normalise(const char *target, size_t len, char *out)
{
	char again[PATH_TARGET_MAX + 1];
	size_t n, m, path_len, path_len2;
	const char *why;

	if (path_normalise(target, len, out, &n, &path_len, &why) != 0)
		return 0;
	assert(n <= len && strlen(out) == n);
	assert(path_normalise(out, n, again, &m, &path_len2, &why) == 0);
	assert(m == n && path_len == path_len2 && memcmp(out, again, n) == 0);
	path_elide(out, n, path_len, again, 100);
	return path_len;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct policy_names names = {find, find, NULL};
	const char *text = (const char *)data;
	const char *line = memrchr(text, '\n', size);
	size_t target = line == NULL ? 0 : (size_t)(line - text) + 1;
	struct policy_principal who = {.uid = 'a', .gid = 'b'};
	struct policy_facts facts = {.profile = "acme/shop", .method = "GET"};
	char path[PATH_TARGET_MAX + 1];
	struct policy_verdict verdict;
	struct policy_view *view;
	struct policy *policy;
	struct lex_error err;

	facts.path_len = normalise(text + target, size - target, path);
	facts.path = facts.path_len == 0 ? NULL : path;
	if (policy_parse("fuzz", text, target, &names, &policy, &err) != 0) {
		assert(err.message[0] != '\0');
		return 0;
	}
	assert(policy_view_new(policy, &who, &view) == 0);
	for (facts.verb = 0; facts.verb < VERB_COUNT; facts.verb++) {
		policy_evaluate(view, &facts, &verdict);
		assert(verdict.permitted == (verdict.ground == POLICY_PERMIT));
	}
	policy_view_free(view);
	policy_free(policy);
	return 0;
}
