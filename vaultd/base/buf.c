#include "vaultd/base/buf.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define BUF_MIN 4096

int
buf_reserve(struct buf *b, size_t n, uint8_t **ret_p)
{
	size_t used = buf_used(b), cap = b->cap < BUF_MIN ? BUF_MIN : b->cap;
	uint8_t *p;

	if (b->cap - b->len < n) {
		while (cap - used < n) {
			if (cap > SIZE_MAX / 4)
				return VERR_NOMEM;
			cap *= 2;
		}
		if (cap == b->cap) {
			memmove(b->p, b->p + b->off, used);
			explicit_bzero(b->p + used, b->len - used);
		} else {
			if ((p = malloc(cap)) == NULL)
				return VERR_NOMEM;
			if (used > 0)
				memcpy(p, b->p + b->off, used);
			buf_free(b);
			b->p = p;
			b->cap = cap;
		}
		b->off = 0;
		b->len = used;
	}
	*ret_p = b->p + b->len;
	return 0;
}

void
buf_grow(struct buf *b, size_t n)
{
	assert(b->cap - b->len >= n);
	b->len += n;
}

int
buf_add(struct buf *b, const void *p, size_t n)
{
	uint8_t *to;
	int r;

	if (n == 0)
		return 0;
	if ((r = buf_reserve(b, n, &to)) != 0)
		return r;
	memcpy(to, p, n);
	b->len += n;
	return 0;
}

void
buf_drop(struct buf *b, size_t n)
{
	assert(buf_used(b) >= n);
	if (n == 0)
		return;
	explicit_bzero(b->p + b->off, n);
	b->off += n;
	if (b->off == b->len)
		b->off = b->len = 0;
}

void
buf_free(struct buf *b)
{
	if (b->p != NULL)
		explicit_bzero(b->p, b->len);
	free(b->p);
	*b = (struct buf){NULL, 0, 0, 0};
}
