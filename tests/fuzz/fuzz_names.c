/*
 * /etc/passwd and /etc/group, the first line the name that is asked for, and a
 * "---" line between the two: what is found stands there.  The same bytes as
 * /proc/PID/cgroup.
 */
#include "tests/fuzz/fuzz.h"
#include "vaultd/keeper/names.h"
#include "vaultd/supervisor/identity.h"
#include "vaultd/supervisor/users.h"

/* True if a line of "text" is "name:...:id:...". */
static bool
stands(struct slice text, const char *name, uint32_t id)
{
	while (text.n > 0) {
		char *line = fuzz_string(&text),
		     *p = line + strspn(line, " \t");
		size_t n = strlen(name);
		char *second = strncmp(p, name, n) == 0 && p[n] == ':'
		    ? strchr(p + n + 1, ':')
		    : NULL;
		bool found = second != NULL && second[1] >= '0' &&
		    second[1] <= '9' && strtoul(second + 1, NULL, 10) == id;

		free(line);
		if (found)
			return true;
	}
	return false;
}

static void
check_cgroup(struct slice text)
{
	char path[IDENTITY_CGROUP_MAX + 1];

	if (identity_cgroup((const char *)text.p, text.n, path) != 0)
		return;
	CHECK(path[0] == '/');
	for (const char *p = path; *p != '\0'; p++)
		CHECK((uint8_t)*p >= ' ' && *p != 0x7f);
	CHECK(memmem(text.p, text.n, "0::/", 4) != NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice rest = slice_of(data, size), passwd, group;
	char *name = fuzz_string(&rest);
	const uint8_t *cut =
	    rest.n == 0 ? NULL : memmem(rest.p, rest.n, "---\n", 4);
	uint32_t id, gid, groups[4];
	struct policy_names ask;
	struct names *names;
	size_t n;

	passwd = cut == NULL ? rest : slice_of(rest.p, (size_t)(cut - rest.p));
	group = cut == NULL ? slice_of("", 0)
	                    : slice_of(cut + 4, rest.n - passwd.n - 4);
	CHECK(names_new(passwd, group, &names) == 0);
	ask = names_for_policy(names);
	if (memchr(data, '\0', size) == NULL) {
		if (ask.user(ask.ctx, name, &id))
			CHECK(name[0] != '\0' && stands(passwd, name, id));
		if (ask.group(ask.ctx, name, &id))
			CHECK(name[0] != '\0' && stands(group, name, id));
		if (names_principal(names, name, &id, &gid, groups, 4, &n) == 0)
			CHECK(n <= 4 && stands(passwd, name, id));
		if (users_find_group(group, name, &gid) == 0)
			CHECK(stands(group, name, gid) ||
			    strtoul(name, NULL, 10) == gid);
		if (users_find(passwd, name, &id, &gid) == 0)
			CHECK(id != UINT32_MAX && stands(passwd, name, id));
	}
	(void)names_group(names, 7);
	CHECK(names_user(names, 7) != NULL);
	if (rest.n > 0)
		check_cgroup(rest);
	names_free(names);
	free(name);
	return 0;
}
