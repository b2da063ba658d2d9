#include "vaultd/ledger/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/record.h"
#include "vaultd/base/buf.h"
#include "vaultd/base/log.h"
#include "vaultd/ledger/segments.h"

#define OUTCOME      (AUDIT_LINE_MAX + 1) /* disk kept per open decision */
#define SPARE        16                   /* and for so many lines more */
#define AHEAD        (256 << 10) /* reserved at once, while there is plenty */
#define UNSYNCED_MAX (4 << 20)   /* held in memory at most, and then synced */

struct audit {
	struct segments seg;
	uint64_t segment_max;
	int fd; /* the last segment, O_APPEND */
	dev_t dev;
	ino_t ino;
	uint64_t size;     /* end of the flushed lines */
	uint64_t on_disk;  /* end of the synced lines */
	uint64_t reserved; /* the disk is ours up to here */
	uint64_t flushed, synced;
	uint64_t open, open_flushed; /* decisions without outcome */
	uint64_t lines;              /* collected */
	struct buf
	    tail;    /* the bytes from on_disk to size, then the collected */
	int checked; /* check_place() has seen it since it was last synced */
	int broken;
	int told; /* that the disk is full, since it was last not so */
};

static uint64_t
collected(const struct audit *a)
{
	return buf_used(&a->tail) - (a->size - a->on_disk);
}

static int
fail(struct audit *a)
{
	int r = segment_errno();

	log_say(LOG_AUDIT_ERROR, (uint64_t)errno, a->flushed, 0);
	return r;
}

/*
 * Have the disk up to "need", and more where there is plenty.
 */
static int
reserve(struct audit *a, uint64_t need)
{
	uint64_t len;
	int r;

	if (need <= a->reserved)
		return 0;
	len = need - a->reserved;
	do
		r = fallocate(a->fd, FALLOC_FL_KEEP_SIZE, (off_t)a->reserved,
		    (off_t)(len + AHEAD));
	while (r != 0 && errno == EINTR);
	if (r == 0) {
		a->reserved += len + AHEAD;
		return 0;
	}
	if (errno == EOPNOTSUPP || errno == ENOSYS) {
		/* A file system that can promise nothing: write and see. */
		a->reserved = UINT64_MAX;
		return 0;
	}
	do
		r = fallocate(
		    a->fd, FALLOC_FL_KEEP_SIZE, (off_t)a->reserved, (off_t)len);
	while (r != 0 && errno == EINTR);
	if (r != 0)
		return segment_errno();
	a->reserved += len;
	return 0;
}

/*
 * What has to be kept free behind the lines: "open" outcomes, and some lines
 * for what belongs to no decision of this process's.
 */
static uint64_t
kept(uint64_t open)
{
	return (open + SPARE) * OUTCOME;
}

/*
 * Cut the file at the flushed lines.  The reserved disk goes with it.  What is
 * cut off must not come back, after a power cut, between what is written next.
 */
static int
cut(struct audit *a)
{
	if (ftruncate(a->fd, (off_t)a->size) != 0 || fdatasync(a->fd) != 0)
		return segment_errno();
	if (a->reserved != UINT64_MAX) {
		a->reserved = a->size;
		(void)!reserve(a, a->size + kept(a->open));
	}
	return 0;
}

static void
drop_collected(struct audit *a)
{
	a->tail.len -= (size_t)collected(a);
	a->lines = 0;
	a->open = a->open_flushed;
}

/*
 * Make "fd" the segment that is written.
 */
static int
adopt(struct audit *a, int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return VERR_IO;
	if (a->fd >= 0)
		(void)close(a->fd);
	a->fd = fd;
	a->dev = st.st_dev;
	a->ino = st.st_ino;
	return 0;
}

/*
 * Find out what the last segment holds and cut what is torn.
 */
static int
measure(struct audit *a)
{
	uint64_t lines, end;
	struct stat st;

	if (segment_measure(a->fd, &lines, &end) != 0 || fstat(a->fd, &st) != 0)
		return VERR_IO;
	if ((uint64_t)st.st_size != end) {
		log_say(LOG_AUDIT_TORN, (uint64_t)st.st_size - end, 0, 0);
		if (ftruncate(a->fd, (off_t)end) != 0)
			return VERR_IO;
	}
	if (fdatasync(a->fd) != 0)
		return VERR_IO;
	a->size = a->on_disk = a->reserved = end;
	a->flushed = a->synced = a->seg.first[a->seg.n - 1] + lines;
	return 0;
}

/*
 * Open the segment to go on with.  An empty one behind another was made by a
 * rotation that came to nothing.
 */
static int
last_segment(struct audit *a, int *ret_fd)
{
	struct stat st;
	int fd, r;

	if (a->seg.n == 0)
		return segments_add(&a->seg, AUDIT_FIRST, ret_fd);
	for (;;) {
		r = segments_get(&a->seg, a->seg.n - 1, O_RDWR | O_APPEND, &fd);
		if (r != 0)
			return r;
		if (a->seg.n == 1 || fstat(fd, &st) != 0 || st.st_size > 0)
			break;
		(void)close(fd);
		segments_undo(&a->seg);
	}
	*ret_fd = fd;
	return 0;
}

int
audit_open(const char *dir, uint64_t segment_max, struct audit **ret)
{
	struct audit *a;
	int fd = -1, r;

	if ((a = calloc(1, sizeof(*a))) == NULL)
		return VERR_NOMEM;
	a->fd = -1;
	a->segment_max = segment_max;
	if ((r = segments_open(&a->seg, dir)) != 0)
		goto out;
	if ((r = last_segment(a, &fd)) != 0 || (r = adopt(a, fd)) != 0 ||
	    (r = measure(a)) != 0)
		goto out;
	/* On a full disk the log can still be read. */
	(void)!reserve(a, a->size + kept(0));
	*ret = a;
	return 0;
out:
	if (fd >= 0 && a->fd != fd)
		(void)close(fd);
	audit_close(a);
	return r;
}

void
audit_close(struct audit *a)
{
	if (a == NULL)
		return;
	if (a->fd >= 0) {
		(void)!audit_flush(a, 1);
		if (!a->broken)
			(void)!ftruncate(a->fd, (off_t)a->size);
		(void)close(a->fd);
	}
	segments_close(&a->seg);
	buf_free(&a->tail);
	free(a);
}

uint64_t
audit_next(const struct audit *a)
{
	return a->flushed + a->lines;
}

uint64_t
audit_flushed(const struct audit *a)
{
	return a->flushed;
}

uint64_t
audit_synced(const struct audit *a)
{
	return a->synced;
}

int
audit_put(struct audit *a, struct slice line, unsigned flags)
{
	uint64_t end, open = a->open;
	uint8_t *p;
	int r;

	if (line.n == 0 || line.n > AUDIT_LINE_MAX ||
	    memchr(line.p, '\n', line.n) != NULL ||
	    memchr(line.p, '\0', line.n) != NULL)
		return VERR_FORMAT;
	if (a->broken)
		return VERR_IO;
	end = a->size + collected(a) + line.n + 1;
	if (flags & APPEND_RESERVE)
		open++;
	/* After a restart there are outcomes that nothing was kept for. */
	if ((flags & APPEND_RELEASE) && open > 0)
		open--;
	/* An outcome may take what was kept: for itself, or as a spare. */
	if ((flags & APPEND_RELEASE) && end <= a->reserved)
		r = 0;
	else
		r = reserve(a, end + kept(open));
	if (r != 0) {
		if (!a->told)
			(void)fail(a);
		a->told = 1;
		return r;
	}
	a->told &= (flags & APPEND_RELEASE) != 0;
	if ((r = buf_reserve(&a->tail, line.n + 1, &p)) != 0)
		return r;
	memcpy(p, line.p, line.n);
	p[line.n] = '\n';
	buf_grow(&a->tail, line.n + 1);
	a->lines++;
	a->open = open;
	return 0;
}

/*
 * Is the file still the one that we wrote, at its place and of its size?
 */
static int
check_place(struct audit *a)
{
	char name[SEGMENT_NAME];
	struct stat st;

	segment_name(a->seg.first[a->seg.n - 1], name);
	if (fstatat(a->seg.dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return fail(a);
	if (st.st_dev != a->dev || st.st_ino != a->ino ||
	    (uint64_t)st.st_size != a->size) {
		errno = ESTALE;
		return fail(a);
	}
	return 0;
}

static void
count_synced(struct audit *a)
{
	a->checked = 0;
	buf_drop(&a->tail, (size_t)(a->size - a->on_disk));
	a->on_disk = a->size;
	a->synced = a->flushed;
}

/*
 * Go on in a new segment.  Where the disk has no room for that, the old one
 * goes on growing.
 */
static int
rotate(struct audit *a)
{
	uint64_t was_reserved = a->reserved, was_size = a->size;
	int fd, old = a->fd;

	if (a->size > a->on_disk) {
		if (fdatasync(a->fd) != 0)
			return fail(a);
		count_synced(a);
	}
	if (segments_add(&a->seg, a->flushed, &fd) != 0)
		return 0;
	a->fd = fd;
	a->reserved = a->size = a->on_disk = 0;
	if (reserve(a, collected(a) + kept(a->open)) == 0) {
		(void)!ftruncate(old, (off_t)was_size);
		a->fd = old;
		return adopt(a, fd);
	}
	segments_undo(&a->seg);
	(void)close(fd);
	a->fd = old;
	a->size = a->on_disk = was_size;
	a->reserved = was_reserved;
	return 0;
}

static int
write_collected(struct audit *a)
{
	const uint8_t *p = buf_data(&a->tail) + (a->size - a->on_disk);
	uint64_t left = collected(a);

	while (left > 0) {
		ssize_t n = write(a->fd, p, (size_t)left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return fail(a);
		p += n;
		left -= (uint64_t)n;
	}
	return 0;
}

int
audit_flush(struct audit *a, int sync)
{
	int r = 0;

	if (a->broken)
		return VERR_IO;
	if (a->lines == 0 && (!sync || a->synced == a->flushed))
		return 0;
	/* What is not yet synced could be written anew: so it is enough to
	 * look before the first of it is written, and before it is synced. */
	if ((sync || !a->checked) && (r = check_place(a)) != 0)
		goto broken;
	a->checked = 1;
	if (a->lines > 0 && a->size >= a->segment_max && (r = rotate(a)) != 0)
		goto broken;
	if ((r = write_collected(a)) != 0) {
		drop_collected(a);
		a->broken = cut(a) != 0;
		return r;
	}
	if (buf_used(&a->tail) > UNSYNCED_MAX)
		sync = 1;
	if (sync && fdatasync(a->fd) != 0) {
		r = fail(a);
		/* What nobody was told of is not to be found either. */
		drop_collected(a);
		(void)!cut(a);
		goto broken;
	}
	a->size += collected(a);
	a->flushed += a->lines;
	a->lines = 0;
	a->open_flushed = a->open;
	if (sync)
		count_synced(a);
	return 0;
broken:
	drop_collected(a);
	a->broken = 1;
	return r;
}

/*
 * Write "a->tail" anew, at its place.
 */
static int
write_again(struct audit *a, int fd)
{
	size_t done = 0, n = buf_used(&a->tail);

	while (done < n) {
		ssize_t w = pwrite(fd, buf_data(&a->tail) + done, n - done,
		    (off_t)(a->on_disk + done));

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return VERR_IO;
		done += (size_t)w;
	}
	if (ftruncate(fd, (off_t)a->size) != 0 || fdatasync(fd) != 0)
		return VERR_IO;
	return 0;
}

/*
 * Is "fd" the file that we wrote, with all that was synced?
 */
static int
check_whole(const struct audit *a, int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return VERR_IO;
	if (st.st_dev != a->dev || st.st_ino != a->ino ||
	    (uint64_t)st.st_size < a->on_disk) {
		errno = ESTALE;
		return VERR_IO;
	}
	return 0;
}

int
audit_recover(struct audit *a)
{
	size_t last = a->seg.n - 1;
	int fd = -1, appending = -1, r;

	if (!a->broken)
		return 0;
	errno = 0;
	if ((r = segments_get(&a->seg, last, O_RDWR, &fd)) != 0 ||
	    (r = check_whole(a, fd)) != 0 || (r = write_again(a, fd)) != 0)
		goto out;
	r = segments_get(&a->seg, last, O_RDWR | O_APPEND, &appending);
	if (r != 0 || (r = adopt(a, appending)) != 0)
		goto out;
	appending = -1;
	count_synced(a);
	a->broken = 0;
	if (a->reserved != UINT64_MAX) {
		a->reserved = a->size;
		(void)!reserve(a, a->size + kept(a->open));
	}
out:
	if (r != 0)
		log_say(LOG_AUDIT_ERROR, (uint64_t)errno, a->flushed, 0);
	if (fd >= 0)
		(void)close(fd);
	if (appending >= 0)
		(void)close(appending);
	return r;
}

size_t
audit_segments(const struct audit *a)
{
	return a->seg.n;
}

uint64_t
audit_segment_first(const struct audit *a, size_t i)
{
	return a->seg.first[i];
}

uint64_t
audit_size(const struct audit *a)
{
	return a->size;
}

int
audit_segment_size(const struct audit *a, size_t i, int fd, uint64_t *ret_size)
{
	struct stat st;

	if (i + 1 == a->seg.n) {
		*ret_size = a->size;
		return 0;
	}
	if (fstat(fd, &st) != 0)
		return VERR_IO;
	*ret_size = (uint64_t)st.st_size;
	return 0;
}

int
audit_segment_open(
    const struct audit *a, size_t i, int *ret_fd, uint64_t *ret_size)
{
	int fd, r;

	if ((r = segments_get(&a->seg, i, O_RDONLY, &fd)) != 0)
		return r;
	if ((r = audit_segment_size(a, i, fd, ret_size)) != 0) {
		(void)close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}
