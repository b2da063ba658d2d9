#include "vaultd/ledger/segments.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX      ".jsonl"
#define DIGITS      20
#define MODE        0600
#define MODE_FOLDER 0700
#define CHUNK       65536

int
segment_errno(void)
{
	return errno == ENOSPC || errno == EDQUOT || errno == EFBIG
	    ? VERR_NOSPACE
	    : VERR_IO;
}

void
segment_name(uint64_t first, char ret[SEGMENT_NAME])
{
	(void)snprintf(
	    ret, SEGMENT_NAME, "%020llu" SUFFIX, (unsigned long long)first);
}

/*
 * Is this the name of a segment?  Returns 1 with its number, or 0.
 */
static int
name_parse(const char *name, uint64_t *ret)
{
	char again[SEGMENT_NAME];
	uint64_t v;

	if (strspn(name, "0123456789") != DIGITS)
		return 0;
	v = strtoull(name, NULL, 10);
	segment_name(v, again);
	if (strcmp(name, again) != 0)
		return 0;
	*ret = v;
	return 1;
}

static int
push(struct segments *s, uint64_t first)
{
	size_t cap = s->cap == 0 ? 16 : s->cap * 2;
	uint64_t *p;

	if (s->n == s->cap) {
		if ((p = realloc(s->first, cap * sizeof(*p))) == NULL)
			return VERR_NOMEM;
		s->first = p;
		s->cap = cap;
	}
	s->first[s->n++] = first;
	return 0;
}

static int
compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static int
list(struct segments *s)
{
	struct dirent *e;
	uint64_t first;
	DIR *d;
	int fd, r = 0;

	if ((fd = dup(s->dir)) < 0)
		return VERR_IO;
	if ((d = fdopendir(fd)) == NULL) {
		(void)close(fd);
		return VERR_IO;
	}
	errno = 0;
	while (r == 0 && (e = readdir(d)) != NULL)
		if (name_parse(e->d_name, &first))
			r = push(s, first);
	if (r == 0 && errno != 0)
		r = VERR_IO;
	(void)closedir(d);
	if (s->n > 0)
		qsort(s->first, s->n, sizeof(s->first[0]), compare);
	return r;
}

int
segments_open(struct segments *s, const char *path)
{
	*s = (struct segments){.dir = -1};
	if (mkdir(path, MODE_FOLDER) != 0 && errno != EEXIST)
		return segment_errno();
	s->dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (s->dir < 0)
		return VERR_IO;
	return list(s);
}

void
segments_close(struct segments *s)
{
	if (s->dir >= 0)
		(void)close(s->dir);
	free(s->first);
	*s = (struct segments){.dir = -1};
}

int
segments_add(struct segments *s, uint64_t first, int *ret_fd)
{
	char name[SEGMENT_NAME];
	int fd, r;

	segment_name(first, name);
	fd = openat(s->dir, name,
	    O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
	    MODE);
	if (fd < 0)
		return segment_errno();
	if (fsync(s->dir) != 0)
		r = segment_errno();
	else
		r = push(s, first);
	if (r != 0) {
		(void)unlinkat(s->dir, name, 0);
		(void)close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

void
segments_undo(struct segments *s)
{
	char name[SEGMENT_NAME];

	segment_name(s->first[--s->n], name);
	(void)unlinkat(s->dir, name, 0);
}

int
segments_get(const struct segments *s, size_t i, int flags, int *ret_fd)
{
	char name[SEGMENT_NAME];
	struct stat st;
	int fd;

	segment_name(s->first[i], name);
	fd = openat(s->dir, name, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return VERR_IO;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		(void)close(fd);
		return VERR_IO;
	}
	*ret_fd = fd;
	return 0;
}

int
segment_measure(int fd, uint64_t *ret_lines, uint64_t *ret_end)
{
	uint64_t lines = 0, end = 0, at = 0;
	char buf[CHUNK];
	ssize_t n;

	while ((n = pread(fd, buf, sizeof(buf), (off_t)at)) != 0) {
		const char *p = buf, *nul, *nl;
		size_t left = n > 0 ? (size_t)n : 0;

		if (n < 0 && errno != EINTR)
			return VERR_IO;
		nul = memchr(buf, '\0', left);
		if (nul != NULL)
			left = (size_t)(nul - buf);
		while ((nl = memchr(p, '\n', left)) != NULL) {
			left -= (size_t)(nl + 1 - p);
			p = nl + 1;
			lines++;
			end = at + (uint64_t)(p - buf);
		}
		if (nul != NULL)
			break;
		at += n > 0 ? (uint64_t)n : 0;
	}
	*ret_lines = lines;
	*ret_end = end;
	return 0;
}
