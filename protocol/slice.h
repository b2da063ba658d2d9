/*
 * slice - borrowed bytes: a pointer into memory that somebody else owns.
 */
#ifndef PROTOCOL_SLICE_H
#define PROTOCOL_SLICE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
	const uint8_t *p;
	size_t n;
};

/* The bytes of a literal or another NUL-terminated string, without its NUL. */
static inline struct slice
slice_str(const char *s)
{
	return (struct slice){(const uint8_t *)s, s == NULL ? 0 : strlen(s)};
}

/* The same of a literal, for tables. */
#define SLICE(text)                                                            \
	{                                                                      \
		(const uint8_t *)(text), sizeof(text) - 1                      \
	}

static inline struct slice
slice_of(const void *p, size_t n)
{
	return (struct slice){p, n};
}

/* Not for secrets: the time taken depends on the bytes. */
static inline int
slice_equal(struct slice a, struct slice b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline int
slice_is(struct slice a, const char *s)
{
	return slice_equal(a, slice_str(s));
}

#endif /* PROTOCOL_SLICE_H */
