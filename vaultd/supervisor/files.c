#include "vaultd/supervisor/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "protocol/lex.h"

const char *
file_distrust(const struct stat *st, enum file_trust trust, uint32_t me)
{
	if (trust == TRUST_FOLDER ? !S_ISDIR(st->st_mode)
	                          : !S_ISREG(st->st_mode))
		return trust == TRUST_FOLDER ? "is not a folder"
		                             : "is not a regular file";
	if (trust == TRUST_ANY)
		return NULL;
	if (st->st_uid != 0 && st->st_uid != me)
		return "belongs neither to root nor to the user of vaultd";
	if (st->st_mode & S_IWOTH)
		return "is writable by everybody";
	if (st->st_mode & S_IWGRP)
		return "is writable by its group";
	if (trust == TRUST_SECRET && (st->st_mode & (S_IRWXG | S_IRWXO)))
		return "is readable by others: chmod 600 it";
	return NULL;
}

/* Asked once: the call is not among those that the walls leave. */
static uint32_t
me(void)
{
	static int64_t uid = -1;

	if (uid < 0)
		uid = geteuid();
	return (uint32_t)uid;
}

static int
fail(char why[WHY_MAX], const char *path, const char *what)
{
	(void)snprintf(why, WHY_MAX, "%s: %s", path, what);
	return -1;
}

int
file_open(const char *path, enum file_trust trust, char why[WHY_MAX])
{
	int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	const char *wrong;
	struct stat st;
	int fd;

	if (trust == TRUST_SECRET)
		flags |= O_NOFOLLOW;
	if ((fd = open(path, flags)) < 0)
		return fail(why, path, strerror(errno));
	if (fstat(fd, &st) != 0) {
		wrong = strerror(errno);
		goto out;
	}
	if ((wrong = file_distrust(&st, trust, me())) == NULL)
		return fd;
out:
	(void)close(fd);
	return fail(why, path, wrong);
}

/*
 * Read to the end into "buf", which has LEX_TEXT_MAX + 1 bytes.
 * Returns how many, or -1.
 */
static ssize_t
read_all(int fd, uint8_t *buf)
{
	size_t len = 0;
	ssize_t n;

	while (len <= LEX_TEXT_MAX) {
		n = read(fd, buf + len, LEX_TEXT_MAX + 1 - len);
		if (n == 0)
			return (ssize_t)len;
		if (n < 0 && errno != EINTR)
			return -1;
		len += n > 0 ? (size_t)n : 0;
	}
	errno = EFBIG;
	return -1;
}

int
file_read(const char *path, enum file_trust trust, uint8_t **ret_bytes,
    size_t *ret_len, char why[WHY_MAX])
{
	uint8_t *buf = NULL, *fit;
	ssize_t n;
	int fd, r = VERR_IO;

	errno = 0;
	if ((fd = file_open(path, trust, why)) < 0)
		return errno == ENOENT ? VERR_NOTFOUND : VERR_IO;
	if ((buf = malloc(LEX_TEXT_MAX + 1)) == NULL ||
	    (n = read_all(fd, buf)) < 0) {
		(void)fail(why, path, strerror(errno));
		goto out;
	}
	buf[n] = '\0';
	if ((fit = realloc(buf, (size_t)n + 1)) != NULL)
		buf = fit;
	*ret_bytes = buf;
	*ret_len = (size_t)n;
	buf = NULL;
	r = 0;
out:
	free(buf);
	(void)close(fd);
	return r;
}

int
file_open_key(const char *path, char why[WHY_MAX])
{
	struct stat st;
	int fd;

	if ((fd = file_open(path, TRUST_SECRET, why)) < 0)
		return -1;
	if (fstat(fd, &st) == 0 && st.st_size == KEY_SIZE)
		return fd;
	(void)close(fd);
	return fail(why, path, "a key file has exactly 32 bytes");
}

int
file_make_folder(
    const char *path, mode_t mode, int64_t uid, int64_t gid, char why[WHY_MAX])
{
	const char *wrong = NULL;
	struct stat st;
	uint32_t owner;
	int fd;

	if (mkdir(path, mode) != 0 && errno != EEXIST) {
		(void)fail(why, path, strerror(errno));
		return VERR_IO;
	}
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		(void)fail(why, path, strerror(errno));
		return VERR_IO;
	}
	if (uid >= 0 && fchown(fd, (uid_t)uid, (gid_t)gid) != 0)
		wrong = strerror(errno);
	else if (fstat(fd, &st) != 0)
		wrong = strerror(errno);
	owner = uid >= 0 ? (uint32_t)uid : me();
	if (wrong == NULL)
		wrong = file_distrust(&st, TRUST_FOLDER, owner);
	(void)close(fd);
	if (wrong == NULL)
		return 0;
	(void)fail(why, path, wrong);
	return VERR_IO;
}
