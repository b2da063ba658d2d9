/*
 * by_hand - client messages from their declarations alone, so that codec.c
 *	     has something to be compared with.
 */
#ifndef UNIT_BY_HAND_H
#define UNIT_BY_HAND_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/bytes.h"
#include "protocol/codec.h"
#include "tests/fuzz/sample_client.h"

#define EACH_MESSAGE(d)                                                        \
	for (const struct codec_message *d = codec_messages;                   \
	     d < codec_messages + codec_nmessages; d++)
#define EACH_FIELD(f, d)                                                       \
	for (const struct codec_field *f = (d)->fields;                        \
	     f < (d)->fields + (d)->nfields; f++)

static uint8_t frame[FRAME_MAX], again[FRAME_MAX];

static inline int
is_number(const struct codec_field *f)
{
	return f->kind == CODEC_U32 || f->kind == CODEC_U64;
}

static inline uint64_t
number_of(const struct client_msg *m, const struct codec_field *f)
{
	return get_le(
	    (const uint8_t *)m + f->offset, f->kind == CODEC_U32 ? 4 : 8);
}

static inline struct slice
bytes_of(const struct client_msg *m, const struct codec_field *f)
{
	struct slice s;

	memcpy(&s, (const uint8_t *)m + f->offset, sizeof(s));
	return s;
}

static inline void
set_bytes(struct client_msg *m, const struct codec_field *f, struct slice s)
{
	memcpy((uint8_t *)m + f->offset, &s, sizeof(s));
}

static inline void
set_number(struct client_msg *m, const struct codec_field *f, uint64_t v)
{
	put_le((uint8_t *)m + f->offset, v, f->kind == CODEC_U32 ? 4 : 8);
}

static inline struct client_msg
usual(uint32_t type)
{
	return sample_client(codec_message(type), SAMPLE_USUAL);
}

/*
 * Write the body of "m" from the declaration alone: no tpl, no limits.  The
 * place where the value of "mark" begins goes to *ret_at.  Returns its length.
 */
static inline size_t
image_by_hand(const struct codec_message *d, const struct client_msg *m,
    uint8_t *out, const struct codec_field *mark, size_t *ret_at)
{
	static const char letters[] = "uUsB";
	uint8_t *p = out;

	if (d->nfields > 0 && d->fields[0].kind != CODEC_RAW) {
		memcpy(p, "tpl", 4);
		p += 8;
		EACH_FIELD(f, d)
		{
			*p++ = (uint8_t)letters[f->kind];
			if (f->kind == CODEC_STR)
				out[3] = 2;
		}
		*p++ = 0;
	}
	EACH_FIELD(f, d)
	{
		struct slice s = {0};

		if (f == mark)
			*ret_at = (size_t)(p - out);
		if (is_number(f)) {
			put_le(
			    p, number_of(m, f), f->kind == CODEC_U32 ? 4 : 8);
			p += f->kind == CODEC_U32 ? 4 : 8;
			continue;
		}
		s = bytes_of(m, f);
		if (f->kind != CODEC_RAW) {
			put_le(p, s.n + (f->kind == CODEC_STR), 4);
			p += 4;
		}
		if (s.n > 0)
			memcpy(p, s.p, s.n);
		p += s.n;
	}
	if (d->nfields > 0 && d->fields[0].kind != CODEC_RAW)
		put_le(out + 4, (uint64_t)(p - out), 4);
	return (size_t)(p - out);
}

/*
 * Decode a copy that has not one byte more than "n".
 */
static inline int
decode(uint32_t type, const uint8_t *body, size_t n, struct client_msg *ret)
{
	uint8_t *copy = malloc(n > 0 ? n : 1);
	struct client_msg m, before;
	int r;

	assert_non_null(copy);
	memcpy(copy, body, n);
	memset(&m, 0x5a, sizeof(m));
	before = m;
	r = codec_decode(type, copy, n, &m);
	if (r != 0)
		assert_memory_equal(&m, &before, sizeof(m));
	if (r == 0) {
		/* what is accepted is what we would have written */
		size_t again_n = 0;

		assert_int_equal(
		    codec_encode(7, &m, again, sizeof(again), &again_n), 0);
		assert_int_equal(again_n, FRAME_HEADER + n);
		assert_memory_equal(again + FRAME_HEADER, body, n);
	}
	if (r == 0 && ret != NULL)
		*ret = m; /* for its numbers: the slices are dead */
	free(copy);
	return r;
}

#endif /* UNIT_BY_HAND_H */
