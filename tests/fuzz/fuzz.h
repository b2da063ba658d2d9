/*
 * fuzz - what the fuzz targets share.
 */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stdlib.h>

#include "protocol/pairs.h"

#define CHECK(what)                                                            \
	do {                                                                   \
		if (!(what))                                                   \
			abort();                                               \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* Take the first line off "text", without its newline. */
static inline struct slice
fuzz_line(struct slice *text)
{
	const uint8_t *end =
	    text->n == 0 ? NULL : memchr(text->p, '\n', text->n);
	struct slice line =
	    slice_of(text->p, end == NULL ? text->n : (size_t)(end - text->p));
	size_t used = line.n + (end != NULL);

	if (used > 0)
		*text = slice_of(text->p + used, text->n - used);
	return line;
}

/* The same, as a C string that the caller frees. */
static inline char *
fuzz_string(struct slice *text)
{
	struct slice line = fuzz_line(text);
	char *s = NULL;

	CHECK(line.n < SIZE_MAX && (s = malloc(line.n + 1)) != NULL);
	if (line.n > 0)
		memcpy(s, line.p, line.n);
	s[line.n] = '\0';
	return s;
}

/*
 * Lines "name" sep "value" as pairs, which the caller frees: seeds that people
 * can read.  A line without "sep" is put in as it is: a malformed list.
 */
static inline struct slice
fuzz_pairs(struct slice text, char sep)
{
	uint8_t *out = malloc(7 * (text.n + 1)), *exact;
	struct pairs_writer w = {.p = out, .cap = 7 * (text.n + 1)};

	CHECK(out != NULL);
	while (text.n > 0) {
		struct slice line = fuzz_line(&text);
		const uint8_t *at =
		    line.n == 0 ? NULL : memchr(line.p, sep, line.n);
		size_t n = at == NULL ? 0 : (size_t)(at - line.p);

		if (at == NULL && line.n > 0) {
			memcpy(w.p + w.n, line.p, line.n);
			w.n += line.n;
		} else if (at != NULL) {
			pairs_put(&w, slice_of(line.p, n),
			    slice_of(at + 1, line.n - n - 1));
		}
	}
	/* no longer than it is, so that a read beyond it is seen */
	exact = realloc(out, w.n == 0 ? 1 : w.n);
	CHECK(exact != NULL);
	return slice_of(exact, w.n);
}

#endif /* FUZZ_FUZZ_H */
