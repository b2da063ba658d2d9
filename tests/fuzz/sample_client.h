/*
 * sample_client - a message of any declared type, for tests and seeds.
 */
#ifndef FUZZ_SAMPLE_CLIENT_H
#define FUZZ_SAMPLE_CLIENT_H

#include <string.h>

#include "protocol/codec.h"

enum sample { SAMPLE_LEAST, SAMPLE_USUAL, SAMPLE_MOST };

/*
 * Return a message of "d" whose fields are as small or as large as declared,
 * or in between; its slices point to static bytes, good UTF-8 all of them.
 */
static inline struct client_msg
sample_client(const struct codec_message *d, enum sample how)
{
	static const char start[] = "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80";
	static uint8_t bytes[FRAME_BODY_MAX];
	struct client_msg m = {.type = d->type};

	memset(bytes, 'x', sizeof(bytes));
	memcpy(bytes, start, sizeof(start) - 1);
	for (size_t i = 0; i < d->nfields; i++) {
		const struct codec_field *f = &d->fields[i];
		void *at = (uint8_t *)&m + f->offset;
		uint64_t n = f->min + (f->max - f->min < 20 ? 0 : 20);
		struct slice s;
		uint32_t u32;

		if (how != SAMPLE_USUAL)
			n = how == SAMPLE_LEAST ? f->min : f->max;
		/* not within a character of the start */
		s = slice_of(n < sizeof(start) ? bytes + 100 : bytes, n);
		u32 = (uint32_t)n;
		if (f->kind == CODEC_U32)
			memcpy(at, &u32, sizeof(u32));
		else if (f->kind == CODEC_U64)
			memcpy(at, &n, sizeof(n));
		else
			memcpy(at, &s, sizeof(s));
	}
	return m;
}

#endif /* FUZZ_SAMPLE_CLIENT_H */
