#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/change.h"

#define FIRST_LEN (CHANGE_OVERHEAD + 4)
#define LIST_LEN  (FIRST_LEN + CHANGE_OVERHEAD)

static const struct change first = {.id = "0123456789abcde",
    .kind = 0x81828384,
    .generation = 0x0807060504030201,
    .expected = 0x1817161514131211,
    .body = {(const uint8_t *)"body", 4}};

static void
make_list(uint8_t list[static LIST_LEN])
{
	const struct change second = {.id = {0xff}, .kind = 1, .expected = 9};

	change_encode(&first, list);
	change_encode(&second, list + FIRST_LEN);
}

static void
hostile_change_layout_is_as_documented(void **state)
{
	static const uint8_t wire[] = "0123456789abcde\0\x84\x83\x82\x81"
	                              "\x01\x02\x03\x04\x05\x06\x07\x08"
	                              "\x11\x12\x13\x14\x15\x16\x17\x18"
	                              "\x04\0\0\0"
	                              "body";
	uint8_t list[LIST_LEN];
	struct slice rest = slice_of(list, LIST_LEN);
	struct change c;

	(void)state;
	make_list(list);
	assert_memory_equal(list, wire, FIRST_LEN);
	assert_int_equal(change_next(&rest, &c), 0);
	assert_memory_equal(c.id, first.id, ROW_ID_LEN);
	assert_int_equal(c.kind, first.kind);
	assert_true(c.generation == first.generation);
	assert_true(c.expected == first.expected);
	assert_true(slice_is(c.body, "body") && c.body.p == list + 40);
	assert_int_equal(change_next(&rest, &c), 0);
	assert_true(c.generation == 0 && c.expected == 9 && c.body.n == 0);
	assert_int_equal(change_next(&rest, &c), VERR_NOTFOUND);
}

/*
 * Walk a copy of exactly "n" bytes.  Returns the last error.
 */
static int
walk(const uint8_t *p, size_t n, size_t *ret_count)
{
	uint8_t *copy = malloc(n + (n == 0));
	struct slice list = slice_of(copy, n), before;
	struct change c, untouched;
	int r;

	assert_non_null(copy);
	memcpy(copy, p, n);
	for (*ret_count = 0;; ++*ret_count) {
		before = list;
		memset(&c, 0x5a, sizeof(c));
		untouched = c;
		if ((r = change_next(&list, &c)) != 0)
			break;
		assert_true(c.body.p + c.body.n <= copy + n);
		assert_true(list.n + CHANGE_OVERHEAD <= before.n);
	}
	assert_memory_equal(&c, &untouched, sizeof(c));
	assert_true(list.p == before.p && list.n == before.n);
	free(copy);
	return r;
}

static void
hostile_change_every_truncation(void **state)
{
	uint8_t list[LIST_LEN];
	size_t count;

	(void)state;
	make_list(list);
	for (size_t n = 0; n <= LIST_LEN; n++) {
		int whole = n == 0 || n == FIRST_LEN || n == LIST_LEN;

		assert_int_equal(
		    walk(list, n, &count), whole ? VERR_NOTFOUND : VERR_FORMAT);
		assert_int_equal(count, (n >= FIRST_LEN) + (n >= LIST_LEN));
	}
}

/* Every bit counts: the changes differ, or the list is refused. */
static void
hostile_change_every_bit_flip(void **state)
{
	uint8_t list[LIST_LEN], again[LIST_LEN];
	size_t count, refused = 0;

	(void)state;
	for (size_t bit = 0; bit < LIST_LEN * 8; bit++) {
		struct slice rest = slice_of(list, LIST_LEN);
		struct change c;
		size_t n = 0;

		make_list(list);
		list[bit / 8] ^= (uint8_t)(1 << bit % 8);
		if (walk(list, LIST_LEN, &count) != VERR_NOTFOUND) {
			refused++;
			continue;
		}
		while (change_next(&rest, &c) == 0) {
			change_encode(&c, again + n);
			n += CHANGE_OVERHEAD + c.body.n;
		}
		assert_int_equal(n, LIST_LEN);
		assert_memory_equal(again, list, LIST_LEN);
	}
	/* All bits of both body lengths, and no other, make nonsense of it. */
	assert_int_equal(refused, 2 * 32);
}

/*
 * However a run is cut, the same is found in it.
 */
static void
backup_run_in_pieces_is_the_run(void **state)
{
	uint8_t list[3 * (CHANGE_OVERHEAD + 4)];
	struct change c = {.kind = 1, .generation = 5};
	size_t n = 0;

	(void)state;
	for (uint8_t i = 0; i < 3; i++) {
		c.id[0] = i;
		c.kind = i == 1 ? RUN_SUPER : RUN_KIND_MAX;
		c.generation = 5 + i;
		c.body = slice_of("body", i);
		change_encode(&c, list + n);
		n += CHANGE_OVERHEAD + i;
	}
	for (size_t piece = 1; piece <= n; piece++) {
		struct change_run run = {0};

		for (size_t at = 0; at < n; at += piece) {
			size_t part = n - at < piece ? n - at : piece;

			assert_int_equal(
			    change_run_feed(&run, slice_of(list + at, part)),
			    0);
		}
		assert_int_equal(change_run_end(&run), 0);
		assert_true(run.rows == 3 && run.bytes == n);
		assert_true(run.generation == 6);
	}
	for (size_t cut = 1; cut < n; cut++) {
		struct change_run run = {0};

		assert_int_equal(change_run_feed(&run, slice_of(list, cut)), 0);
		assert_int_equal(change_run_end(&run),
		    cut == CHANGE_OVERHEAD || cut == 2 * CHANGE_OVERHEAD + 1
		        ? 0
		        : VERR_TRUNCATED);
	}
}

static void
backup_run_has_an_end(void **state)
{
	struct change_run rows = {.rows = RUN_ROWS_MAX};
	struct change_run bytes = {.bytes = RUN_BYTES_MAX - CHANGE_OVERHEAD};
	struct change c = {.id = {1}, .generation = 1};
	uint8_t one[CHANGE_OVERHEAD];

	(void)state;
	change_encode(&c, one);
	assert_int_equal(
	    change_run_feed(&rows, slice_of(one, sizeof(one))), VERR_TOOBIG);
	assert_int_equal(
	    change_run_feed(&bytes, slice_of(one, sizeof(one))), 0);
	assert_int_equal(
	    change_run_feed(&bytes, slice_of(one, 1)), VERR_TOOBIG);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(hostile_change_layout_is_as_documented),
	    cmocka_unit_test(hostile_change_every_truncation),
	    cmocka_unit_test(hostile_change_every_bit_flip),
	    cmocka_unit_test(backup_run_in_pieces_is_the_run),
	    cmocka_unit_test(backup_run_has_an_end),
	};

	return cmocka_run_group_tests_name("change", tests, NULL, NULL);
}
