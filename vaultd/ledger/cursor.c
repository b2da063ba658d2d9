#include "vaultd/ledger/cursor.h"

#include <errno.h>
#include <unistd.h>

static uint8_t shared[CURSOR_BLOCK];

struct place
cursor_end(const struct audit *a)
{
	struct place p = {audit_segments(a) - 1, audit_size(a)};

	return p;
}

struct place
cursor_find(const struct audit *a, uint64_t seq)
{
	struct place p = {audit_segments(a) - 1, 0};

	while (p.segment > 0 && audit_segment_first(a, p.segment) > seq)
		p.segment--;
	return p;
}

void
cursor_close(struct cursor *c)
{
	if (c->fd >= 0)
		(void)close(c->fd);
	c->fd = -1;
}

/*
 * Have the cursor's segment open.
 */
static int
enter(const struct audit *a, struct cursor *c, uint64_t *ret_size)
{
	if (c->fd >= 0 && c->fd_segment != c->place.segment)
		cursor_close(c);
	c->fd_segment = c->place.segment;
	if (c->fd < 0)
		return audit_segment_open(
		    a, c->place.segment, &c->fd, ret_size);
	return audit_segment_size(a, c->place.segment, c->fd, ret_size);
}

static int
read_at(int fd, uint64_t at, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n =
		    pread(fd, shared + done, len - done, (off_t)(at + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return VERR_IO;
		done += (size_t)n;
	}
	return 0;
}

int
cursor_next(const struct audit *a, struct cursor *c, struct place end,
    struct block *ret)
{
	const uint8_t *last;
	uint64_t size;
	size_t len;
	int r;

	for (;;) {
		if ((r = enter(a, c, &size)) != 0)
			return r;
		if (c->place.segment == end.segment && end.at < size)
			size = end.at;
		if (c->place.at < size)
			break;
		ret->lines = slice_of(shared, 0);
		if (c->place.segment >= end.segment)
			return 0;
		c->place = (struct place){c->place.segment + 1, 0};
	}
	len = size - c->place.at < sizeof(shared) ? (size_t)(size - c->place.at)
	                                          : sizeof(shared);
	if ((r = read_at(c->fd, c->place.at, len)) != 0)
		return r;
	if ((last = memrchr(shared, '\n', len)) == NULL)
		return VERR_FORMAT;
	ret->lines = slice_of(shared, (size_t)(last + 1 - shared));
	ret->place = c->place;
	c->place.at += ret->lines.n;
	return 0;
}

int
cursor_back(const struct audit *a, struct cursor *c, struct block *ret)
{
	const uint8_t *p = shared;
	uint64_t size;
	size_t len;
	int r;

	while (c->place.at == 0) {
		ret->lines = slice_of(shared, 0);
		if (c->place.segment == 0)
			return 0;
		c->place.segment--;
		if ((r = enter(a, c, &size)) != 0)
			return r;
		c->place.at = size;
	}
	if ((r = enter(a, c, &size)) != 0)
		return r;
	len =
	    c->place.at < sizeof(shared) ? (size_t)c->place.at : sizeof(shared);
	if ((r = read_at(c->fd, c->place.at - len, len)) != 0)
		return r;
	if (shared[len - 1] != '\n')
		return VERR_FORMAT;
	/* What comes before the first newline may be part of a line. */
	if (c->place.at > len) {
		if ((p = memchr(shared, '\n', len - 1)) == NULL)
			return VERR_FORMAT;
		p++;
	}
	ret->lines = slice_of(p, len - (size_t)(p - shared));
	c->place.at -= ret->lines.n;
	ret->place = c->place;
	return 0;
}
