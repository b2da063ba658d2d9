/*
 * Zero on free, in every room: what libcurl, OpenSSL, jansson, SQLite or we
 * ourselves give back to the heap is wiped first.
 *
 * Interposed rather than hooked library by library, so that no library and no
 * forgotten call site is an exception.  glibc documents the replacement of
 * malloc(3); its own allocator stays in use behind these two.
 */
#include <malloc.h>
#include <stddef.h>
#include <string.h>

void __libc_free(void *p);

void
free(void *p)
{
	if (p != NULL)
		explicit_bzero(p, malloc_usable_size(p));
	__libc_free(p);
}

void *
realloc(void *p, size_t n)
{
	size_t old;
	void *q;

	if (p == NULL)
		return malloc(n);
	if (n == 0) {
		free(p);
		return NULL;
	}
	old = malloc_usable_size(p);
	if (n <= old && n >= old / 2)
		return p;
	if ((q = malloc(n)) == NULL)
		return NULL;
	memcpy(q, p, n < old ? n : old);
	free(p);
	return q;
}
