#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/frame.h"

static const struct frame sample = {
    .id = 0x1122334455667788, .length = 0x0000fedc, .type = 0x0940};

static const uint8_t sample_head[FRAME_HEADER] = {'V', 'L', 'T', 'D', 24, 0, 1,
    0, 0x40, 0x09, 0, 0, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0xdc,
    0xfe, 0, 0};

/*
 * Parse must refuse "head" with "r", and leave its output alone.
 */
static void
refused(const uint8_t head[FRAME_HEADER], int r)
{
	struct frame f, before;

	memset(&f, 0x5a, sizeof(f));
	before = f;
	assert_int_equal(frame_parse(head, &f), r);
	assert_memory_equal(&f, &before, sizeof(f));
}

static void
hostile_frame_layout_is_as_documented(void **state)
{
	uint8_t head[FRAME_HEADER];
	struct frame f;

	(void)state;
	frame_put(head, &sample);
	assert_memory_equal(head, sample_head, sizeof(head));
	assert_int_equal(frame_parse(head, &f), 0);
	assert_true(f.id == sample.id);
	assert_int_equal(f.length, sample.length);
	assert_int_equal(f.type, sample.type);
}

static void
hostile_frame_every_bit_flip(void **state)
{
	uint8_t head[FRAME_HEADER], again[FRAME_HEADER];
	struct frame f;

	(void)state;
	for (size_t bit = 0; bit < FRAME_HEADER * 8; bit++) {
		size_t byte = bit / 8;

		memcpy(head, sample_head, sizeof(head));
		head[byte] ^= (uint8_t)(1 << bit % 8);
		if (byte == 6 || byte == 7) {
			refused(head, VERR_VERSION);
		} else if (byte < 8 || byte == 10 || byte == 11) {
			refused(head, VERR_FORMAT);
		} else if (byte >= 22) {
			refused(head, VERR_TOOBIG);
		} else {
			assert_int_equal(frame_parse(head, &f), 0);
			frame_put(again, &f);
			assert_memory_equal(again, head, sizeof(head));
		}
	}
}

/* A later version may have another header: nothing behind it is judged. */
static void
hostile_frame_other_version_is_told_apart(void **state)
{
	uint8_t head[FRAME_HEADER];

	(void)state;
	memset(head, 0xff, sizeof(head));
	memcpy(head, "VLTD", 4);
	refused(head, VERR_VERSION);
	memset(head + 4, 0, sizeof(head) - 4);
	refused(head, VERR_VERSION);
	head[0] = 'v';
	refused(head, VERR_FORMAT);
}

static void
hostile_frame_body_is_bounded(void **state)
{
	uint8_t head[FRAME_HEADER];
	struct frame f;

	(void)state;
	memcpy(head, sample_head, sizeof(head));
	memcpy(head + 20, "\x00\x00\x01\x00", 4);
	assert_int_equal(frame_parse(head, &f), 0);
	assert_int_equal(f.length, 65536);
	memcpy(head + 20, "\x01\x00\x01\x00", 4);
	refused(head, VERR_TOOBIG);
	memcpy(head + 20, "\xff\xff\xff\xff", 4);
	refused(head, VERR_TOOBIG);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(hostile_frame_layout_is_as_documented),
	    cmocka_unit_test(hostile_frame_every_bit_flip),
	    cmocka_unit_test(hostile_frame_other_version_is_told_apart),
	    cmocka_unit_test(hostile_frame_body_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
