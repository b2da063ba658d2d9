/*
 * buf - a growing queue of bytes that wipes whatever leaves it.
 *
 * Every channel may carry a secret, so every buffer is treated as one and
 * nobody has to decide.  Zero-initialised is empty.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

#include "protocol/verr.h"

struct buf {
	uint8_t *p;
	size_t off; /* first byte still in it */
	size_t len; /* behind the last */
	size_t cap;
};

static inline size_t
buf_used(const struct buf *b)
{
	return b->len - b->off;
}

static inline uint8_t *
buf_data(const struct buf *b)
{
	return b->p + b->off;
}

/*
 * Make room for "n" bytes behind the last one and point *ret_p at it; they
 * count once buf_grow() says so.  Pointers into "b" are then void.
 * Returns 0 or VERR_NOMEM.
 */
MUST_CHECK
int buf_reserve(struct buf *b, size_t n, uint8_t **ret_p);
void buf_grow(struct buf *b, size_t n);

/*
 * Append a copy of "n" bytes.  Returns 0 or VERR_NOMEM, "b" unchanged.
 */
MUST_CHECK
int buf_add(struct buf *b, const void *p, size_t n);

/*
 * Wipe and drop the first "n" bytes, of which there must be so many.
 */
void buf_drop(struct buf *b, size_t n);

/*
 * Wipe and release everything; "b" is empty afterwards.
 */
void buf_free(struct buf *b);

#endif /* BASE_BUF_H */
