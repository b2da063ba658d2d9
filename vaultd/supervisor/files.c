#include "vaultd/supervisor/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "protocol/lex.h"
#include "vaultd/base/buf.h"

#define READ_SIZE 8192

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
 * Read to the end into "b", and a NUL behind it, in pieces: what is given back
 * to the heap is wiped, so that a buffer for the longest text would be dear.
 */
static int
read_all(int fd, struct buf *b)
{
	uint8_t *p;
	ssize_t n;

	do {
		if (buf_reserve(b, READ_SIZE, &p) != 0) {
			errno = ENOMEM;
			return -1;
		}
		do
			n = read(fd, p, READ_SIZE - 1);
		while (n < 0 && errno == EINTR);
		if (n < 0)
			return -1;
		buf_grow(b, (size_t)n);
		p[n] = '\0';
		if (buf_used(b) > LEX_TEXT_MAX) {
			errno = EFBIG;
			return -1;
		}
	} while (n > 0);
	return 0;
}

int
file_read(const char *path, enum file_trust trust, uint8_t **ret_bytes,
    size_t *ret_len, char why[WHY_MAX])
{
	struct buf b = {NULL, 0, 0, 0};
	int fd, r = VERR_IO;

	errno = 0;
	if ((fd = file_open(path, trust, why)) < 0)
		return errno == ENOENT ? VERR_NOTFOUND : VERR_IO;
	if (read_all(fd, &b) != 0) {
		(void)fail(why, path, strerror(errno));
		buf_free(&b);
	} else {
		*ret_bytes = b.p;
		*ret_len = b.len;
		r = 0;
	}
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
	const char *wrong;
	struct stat st;
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
	else
		wrong = file_distrust(
		    &st, TRUST_FOLDER, uid >= 0 ? (uint32_t)uid : me());
	(void)close(fd);
	if (wrong == NULL)
		return 0;
	(void)fail(why, path, wrong);
	return VERR_IO;
}
