#include "vaultd/supervisor/dev.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

static const char config_text[] =
    "# Made by vaultd --dev.  Paths are relative to this file.\n"
    "socket-dir  .\n"
    "socket-mode 0666\n"
    "state-dir   state\n"
    "key         key\n"
    "policy      policy.conf\n";

static const char policy_text[] =
    "# Made by vaultd --dev: its user may do everything.\n"
    "client me {\n"
    "\tuid %u\n"
    "}\n"
    "permit me to request, sign, verify, token, read, manage, audit, operate "
    "on **\n";

static int
fail(char why[WHY_MAX], const char *folder, const char *name)
{
	(void)snprintf(
	    why, WHY_MAX, "%s/%s: %s", folder, name, strerror(errno));
	return VERR_IO;
}

/*
 * Write a new file; one that is there stays as it is.
 */
static int
make_file(const char *folder, int at, const char *name, mode_t mode,
    const void *p, size_t n, char why[WHY_MAX])
{
	int fd = openat(at, name,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	int ok;

	if (fd < 0 && errno == EEXIST)
		return 0;
	if (fd < 0)
		return fail(why, folder, name);
	ok = write(fd, p, n) == (ssize_t)n && fsync(fd) == 0;
	if (close(fd) == 0 && ok)
		return 0;
	(void)fail(why, folder, name);
	(void)unlinkat(at, name, 0);
	return VERR_IO;
}

static int
make_key(const char *folder, int at, char why[WHY_MAX])
{
	uint8_t key[KEY_SIZE];
	int r;

	if (getrandom(key, sizeof(key), 0) != (ssize_t)sizeof(key))
		return fail(why, folder, "key");
	r = make_file(folder, at, "key", 0600, key, sizeof(key), why);
	explicit_bzero(key, sizeof(key));
	return r;
}

/*
 * The config comes last: with it, the folder counts as made.
 */
static int
make_files(const char *folder, int at, char why[WHY_MAX])
{
	char policy[sizeof(policy_text) + 16];
	int n, r;

	n = snprintf(policy, sizeof(policy), policy_text, (unsigned)getuid());
	if ((r = make_key(folder, at, why)) != 0)
		return r;
	if ((r = make_file(
	         folder, at, "policy.conf", 0644, policy, (size_t)n, why)) != 0)
		return r;
	return make_file(folder, at, "vaultd.conf", 0644, config_text,
	    sizeof(config_text) - 1, why);
}

static int
fail_at(char why[WHY_MAX], const char *folder)
{
	(void)snprintf(why, WHY_MAX, "%s: %s", folder, strerror(errno));
	return VERR_IO;
}

static int
make_folder(const char *path, char why[WHY_MAX])
{
	int at, r;

	if (mkdir(path, 0755) != 0 && errno != EEXIST)
		return fail_at(why, path);
	if ((at = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		return fail_at(why, path);
	r = make_files(path, at, why);
	(void)close(at);
	return r;
}

int
dev_make(const char *path, char **ret_config, char why[WHY_MAX])
{
	char *config;
	int r = 0;

	if (asprintf(&config, "%s/vaultd.conf", path) < 0)
		return VERR_NOMEM;
	if (access(config, F_OK) != 0)
		r = make_folder(path, why);
	if (r == 0)
		*ret_config = config;
	else
		free(config);
	return r;
}
