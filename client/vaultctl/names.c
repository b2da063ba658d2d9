#include "client/vaultctl/names.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

static bool
find_user(void *ctx, const char *name, uint32_t *ret_id)
{
	FILE *f = fopen("/etc/passwd", "re");
	struct passwd *found = NULL;

	(void)ctx;
	if (f == NULL)
		return false;
	do
		found = fgetpwent(f);
	while (found != NULL && strcmp(found->pw_name, name) != 0);
	if (found != NULL)
		*ret_id = found->pw_uid;
	fclose(f);
	return found != NULL;
}

static bool
find_group(void *ctx, const char *name, uint32_t *ret_id)
{
	FILE *f = fopen("/etc/group", "re");
	struct group *found = NULL;

	(void)ctx;
	if (f == NULL)
		return false;
	do
		found = fgetgrent(f);
	while (found != NULL && strcmp(found->gr_name, name) != 0);
	if (found != NULL)
		*ret_id = found->gr_gid;
	fclose(f);
	return found != NULL;
}

const struct policy_names names_local = {
    .user = find_user, .group = find_group};
