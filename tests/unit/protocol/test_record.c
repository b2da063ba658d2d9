#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/bytes.h"
#include "protocol/record.h"

/* A body written by hand, after room.def and the comment in record.h alone. */
struct body {
	uint8_t *p;
	size_t n;
	size_t want;  /* bytes of each STR and BLOB, if it takes so many */
	int over;     /* index of the field that is one byte too long, or -1 */
	int field;    /* index of the next STR or BLOB */
	uint8_t fill; /* differs from byte to byte */
};

static void
put(struct body *b, uint64_t v, size_t n)
{
	put_le(b->p + b->n, v, n);
	b->n += n;
}

static void
put_bytes(struct body *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		b->p[b->n++] = (uint8_t)('a' + b->fill++ % 26);
}

static void
put_long(struct body *b, size_t max)
{
	size_t n = b->want < max ? b->want : max;

	if (b->field++ == b->over)
		n = max + 1;
	put(b, n, 4);
	put_bytes(b, n);
}

/* clang-format off */
#define U32(name)	put(b, 0x81020304u + b->fill++, 4);
#define U64(name)	put(b, 0x8102030405060708u + b->fill++, 8);
#define FIX(name, len)	put_bytes(b, len);
#define STR(name, max)	put_long(b, max);
#define BLOB(name, max) put_long(b, max);
#define RECORD(name, id, from, to, fd, fields)                                 \
	static void make_##name(struct body *b) { (void)b; fields }
#include "protocol/room.def"
#undef RECORD
#undef U32
#undef U64
#undef FIX
#undef STR
#undef BLOB

static const struct row {
	const char *name;
	uint16_t type;
	unsigned from, to;
	int fd;
	void (*make)(struct body *b);
} rows[] = {
#define RECORD(name, id, from, to, fd, fields)                                 \
	{#name, (id), (from), (to), (fd), make_##name},
#include "protocol/room.def"
#undef RECORD
};
/* clang-format on */

#define ROWS (sizeof(rows) / sizeof(rows[0]))

/* Exactly as long as the body, so that a read behind it is seen. */
static struct body
body_of(const struct row *row, size_t want, int over)
{
	struct body b = {.want = want, .over = over};
	uint8_t *exact;

	b.p = malloc(RECORD_MAX + 64);
	assert_non_null(b.p);
	row->make(&b);
	exact = malloc(b.n + 1);
	assert_non_null(exact);
	memcpy(exact, b.p, b.n);
	free(b.p);
	b.p = exact;
	return b;
}

/*
 * Decoding a copy of "len" bytes must fail with "r" and leave the output
 * alone.
 */
static void
refused(uint16_t type, const uint8_t *p, size_t len, int r)
{
	uint8_t *copy = malloc(len + (len == 0));
	union record m, before;

	assert_non_null(copy);
	memcpy(copy, p, len);
	memset(&m, 0x5a, sizeof(m));
	before = m;
	assert_int_equal(record_decode(type, copy, len, &m), r);
	assert_memory_equal(&m, &before, sizeof(m));
	free(copy);
}

static void
encodes_to(uint16_t type, const union record *m, const uint8_t *p, size_t len)
{
	uint8_t *again;
	int ok = 0;

	assert_int_equal(record_size(type, m, &ok), len);
	assert_true(ok);
	again = malloc(len + 1);
	assert_non_null(again);
	record_encode(type, m, again);
	assert_memory_equal(again, p, len);
	free(again);
}

static void
rooms_record_declarations_are_room_def(void **state)
{
	size_t known = 0;

	(void)state;
	for (size_t i = 0; i < ROWS; i++) {
		const struct record_info *info = record_info(rows[i].type);

		assert_non_null(info);
		assert_string_equal(info->name, rows[i].name);
		assert_int_equal(info->type, rows[i].type);
		assert_int_equal(info->from, rows[i].from);
		assert_int_equal(info->to, rows[i].to);
		assert_int_equal(info->descriptor, rows[i].fd);
		assert_true(info->max <= RECORD_MAX);
	}
	for (unsigned type = 0; type <= UINT16_MAX; type++)
		known += record_info((uint16_t)type) != NULL;
	assert_int_equal(known, ROWS);
}

static void
rooms_record_round_trip(void **state)
{
	static const size_t wants[] = {0, 1, 7, RECORD_MAX};
	union record m;

	(void)state;
	for (size_t i = 0; i < ROWS; i++)
		for (size_t w = 0; w < 4; w++) {
			struct body b = body_of(&rows[i], wants[w], -1);
			uint16_t type = rows[i].type;

			assert_int_equal(record_decode(type, b.p, b.n, &m), 0);
			encodes_to(type, &m, b.p, b.n);
			if (w == 0)
				assert_int_equal(b.n, record_info(type)->min);
			if (w == 3)
				assert_int_equal(b.n, record_info(type)->max);
			free(b.p);
		}
}

static void
rooms_record_layout_is_as_documented(void **state)
{
	static const uint8_t body[] = {0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	    0x7f, 0, 1, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 'h', 'i'};
	union record m;

	(void)state;
	assert_int_equal(record_decode(REC_DONE, body, sizeof(body), &m), 0);
	assert_true(m.DONE.number == 0x7ffffffffffffffe);
	assert_int_equal(m.DONE.audit, 256);
	assert_true(slice_is(m.DONE.sentence, "hi"));
	encodes_to(REC_DONE, &m, body, sizeof(body));
}

static void
hostile_record_unknown_type(void **state)
{
	int ok = 1;
	union record m = {.DONE = {.number = 1}};

	(void)state;
	for (unsigned type = 0; type <= UINT16_MAX; type++)
		if (record_info((uint16_t)type) == NULL) {
			refused((uint16_t)type, (const uint8_t *)"", 0,
			    VERR_UNKNOWN);
			assert_int_equal(
			    record_size((uint16_t)type, &m, &ok), 0);
			assert_false(ok);
		}
}

static void
hostile_record_every_truncation(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS; i++) {
		struct body b = body_of(&rows[i], 5, -1);

		for (size_t n = 0; n < b.n; n++)
			refused(rows[i].type, b.p, n, VERR_TRUNCATED);
		free(b.p);
	}
}

static void
hostile_record_bytes_left_over(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS; i++) {
		struct body b = body_of(&rows[i], 5, -1);
		uint16_t type = rows[i].type;
		size_t max = record_info(type)->max;

		b.p[b.n] = 0;
		refused(
		    type, b.p, b.n + 1, b.n == max ? VERR_TOOBIG : VERR_FORMAT);
		free(b.p);
	}
}

static void
hostile_record_longer_than_declared(void **state)
{
	size_t longs = 0;

	(void)state;
	for (size_t i = 0; i < ROWS; i++)
		for (int over = 0;; over++) {
			struct body b = body_of(&rows[i], 2, over);

			if (over < b.field) {
				refused(rows[i].type, b.p, b.n, VERR_TOOBIG);
				longs++;
			}
			free(b.p);
			if (over >= b.field)
				break;
		}
	assert_true(longs > 30);
}

/*
 * What is still accepted says exactly what its bytes say: no two bodies are
 * one message.
 */
static void
hostile_record_every_bit_flip(void **state)
{
	size_t accepted = 0, rejected = 0;
	union record m, before;

	(void)state;
	for (size_t i = 0; i < ROWS; i++) {
		struct body b = body_of(&rows[i], 5, -1);
		uint16_t type = rows[i].type;

		for (size_t bit = 0; bit < b.n * 8; bit++) {
			b.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
			memset(&m, 0x5a, sizeof(m));
			before = m;
			if (record_decode(type, b.p, b.n, &m) == 0) {
				encodes_to(type, &m, b.p, b.n);
				accepted++;
			} else {
				assert_memory_equal(&m, &before, sizeof(m));
				rejected++;
			}
			b.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		free(b.p);
	}
	assert_true(accepted > 1000 && rejected > 1000);
}

static void
hostile_record_text_has_no_controls(void **state)
{
	uint8_t body[8 + 8 + 4 + 3] = {0};
	union record m;

	(void)state;
	body[16] = 3;
	for (unsigned c = 0; c < 256; c++)
		for (size_t at = 20; at < 23; at++) {
			memset(body + 20, 'x', 3);
			body[at] = (uint8_t)c;
			if (c < 0x20 || c == 0x7f)
				refused(
				    REC_DONE, body, sizeof(body), VERR_FORMAT);
			else
				assert_int_equal(record_decode(REC_DONE, body,
				                     sizeof(body), &m),
				    0);
		}
	/* A BLOB is not text. */
	memset(body, 0, sizeof(body));
	body[8] = 3;
	assert_int_equal(record_decode(REC_ROW, body, 8 + 4 + 3, &m), 0);
}

static void
hostile_record_is_not_sent_with_fields_too_long(void **state)
{
	static uint8_t bytes[RECORD_MAX];
	union record m = {.DONE = {.sentence = {bytes, 1024}}};
	int ok;

	(void)state;
	assert_int_equal(record_size(REC_DONE, &m, &ok), 16 + 4 + 1024);
	m.DONE.sentence.n++;
	assert_int_equal(record_size(REC_DONE, &m, &ok), 0);
	assert_false(ok);

	m = (union record){.HELLO = {.walls = UINT32_MAX}};
	assert_int_equal(record_size(REC_HELLO, &m, &ok), 12);
	m.HELLO.walls++;
	assert_int_equal(record_size(REC_HELLO, &m, &ok), 0);
	assert_false(ok);

	m = (union record){.NONCE = {.nonce = {bytes, 24}}};
	assert_int_equal(record_size(REC_NONCE, &m, &ok), 8 + 24);
	for (size_t n = 23; n <= 25; n += 2) {
		m.NONCE.nonce.n = n;
		assert_int_equal(record_size(REC_NONCE, &m, &ok), 0);
		assert_false(ok);
	}

	/* A record without fields is empty, not refused. */
	assert_int_equal(record_size(REC_DRAIN, &m, &ok), 0);
	assert_true(ok);
}

static void
rooms_record_room_names(void **state)
{
	(void)state;
	assert_string_equal(room_name(ROOM_SUPERVISOR), "supervisor");
	assert_string_equal(room_name(ROOM_DIALER), "dialer");
	assert_string_equal(room_name(ROOM_COUNT), "unknown room");
	assert_string_equal(room_name((enum room) - 1), "unknown room");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(rooms_record_declarations_are_room_def),
	    cmocka_unit_test(rooms_record_round_trip),
	    cmocka_unit_test(rooms_record_layout_is_as_documented),
	    cmocka_unit_test(hostile_record_unknown_type),
	    cmocka_unit_test(hostile_record_every_truncation),
	    cmocka_unit_test(hostile_record_bytes_left_over),
	    cmocka_unit_test(hostile_record_longer_than_declared),
	    cmocka_unit_test(hostile_record_every_bit_flip),
	    cmocka_unit_test(hostile_record_text_has_no_controls),
	    cmocka_unit_test(hostile_record_is_not_sent_with_fields_too_long),
	    cmocka_unit_test(rooms_record_room_names),
	};

	return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
