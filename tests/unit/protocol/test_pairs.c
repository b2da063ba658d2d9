#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/pairs.h"

/* name: value, one empty of each, one value longer than a byte can say */
static const uint8_t sample[] = {4, 0, 'n', 'a', 'm', 'e', 5, 0, 0, 0, 'v', 'a',
    'l', 'u', 'e', 0, 0, 1, 0, 0, 0, 'x', 1, 0, 'e', 0, 0, 0, 0};

static void
write_sample(struct pairs_writer *w)
{
	pairs_add(w, "name", slice_str("value"));
	pairs_put(w, slice_of(NULL, 0), slice_str("x"));
	pairs_add(w, "e", slice_of(NULL, 0));
}

static void
hostile_pairs_layout_is_as_documented(void **state)
{
	uint8_t out[64];
	struct pairs_writer w = {.p = out, .cap = sizeof(out)};
	struct slice list = slice_of(sample, sizeof(sample)), name, value;

	(void)state;
	write_sample(&w);
	assert_false(w.overflow);
	assert_int_equal(w.n, sizeof(sample));
	assert_memory_equal(out, sample, sizeof(sample));

	assert_int_equal(pairs_next(&list, &name, &value), 0);
	assert_true(slice_is(name, "name") && slice_is(value, "value"));
	assert_int_equal(pairs_next(&list, &name, &value), 0);
	assert_true(name.n == 0 && slice_is(value, "x"));
	assert_int_equal(pairs_next(&list, &name, &value), 0);
	assert_true(slice_is(name, "e") && value.n == 0);
	assert_int_equal(pairs_next(&list, &name, &value), VERR_NOTFOUND);
	assert_true(slice_is(name, "e"));
}

static void
hostile_pairs_writer_stops_at_its_capacity(void **state)
{
	(void)state;
	for (size_t cap = 0; cap <= sizeof(sample); cap++) {
		uint8_t *out = malloc(cap + 1);
		struct pairs_writer w = {.p = out, .cap = cap};
		size_t n;

		assert_non_null(out);
		out[cap] = 0x5a;
		write_sample(&w);
		assert_int_equal(w.overflow, cap < sizeof(sample));
		assert_memory_equal(out, sample, w.n);
		assert_int_equal(out[cap], 0x5a);
		/* What would fit is not written after what did not. */
		n = w.n;
		if (w.overflow) {
			pairs_add(&w, "", slice_of(NULL, 0));
			assert_int_equal(w.n, n);
		}
		free(out);
	}
}

static void
hostile_pairs_writer_refuses_what_no_length_can_say(void **state)
{
	uint8_t *big = calloc(1, UINT16_MAX + 16);
	uint8_t *out = malloc(UINT16_MAX + 16);
	struct pairs_writer w = {.p = out, .cap = UINT16_MAX + 16};

	(void)state;
	assert_non_null(big);
	assert_non_null(out);
	pairs_put(&w, slice_of(big, UINT16_MAX + 1), slice_of(NULL, 0));
	assert_true(w.overflow && w.n == 0);
	w.overflow = 0;
	pairs_put(&w, slice_of(big, UINT16_MAX), slice_of(NULL, 0));
	assert_true(!w.overflow && w.n == UINT16_MAX + 6);
	w = (struct pairs_writer){.p = out, .cap = UINT16_MAX + 16};
	pairs_put(&w, slice_of(big, 1), slice_of(big, SIZE_MAX));
	assert_true(w.overflow && w.n == 0);
	free(big);
	free(out);
}

/*
 * Walk a copy of exactly "n" bytes to its end.  Returns the last error, the
 * pairs before it in *ret_count.
 */
static int
walk(const uint8_t *p, size_t n, size_t *ret_count)
{
	uint8_t *copy = malloc(n + (n == 0));
	struct slice list = slice_of(copy, n), before, name, value;
	int r;

	assert_non_null(copy);
	memcpy(copy, p, n);
	for (*ret_count = 0;; ++*ret_count) {
		before = list;
		name = value = slice_of("untouched", 9);
		if ((r = pairs_next(&list, &name, &value)) != 0)
			break;
		assert_true(name.p + name.n <= copy + n);
		assert_true(value.p + value.n <= copy + n);
		assert_true(list.n < before.n);
	}
	assert_true(list.p == before.p && list.n == before.n);
	assert_true(slice_is(name, "untouched"));
	assert_true(slice_is(value, "untouched"));
	free(copy);
	return r;
}

static void
hostile_pairs_every_truncation(void **state)
{
	size_t count;

	(void)state;
	for (size_t n = 0; n <= sizeof(sample); n++) {
		int whole = n == 0 || n == 15 || n == 22 || n == sizeof(sample);

		assert_int_equal(walk(sample, n, &count),
		    whole ? VERR_NOTFOUND : VERR_FORMAT);
		assert_int_equal(
		    count, (n >= 15) + (n >= 22) + (n >= sizeof(sample)));
	}
}

static void
hostile_pairs_every_bit_flip(void **state)
{
	uint8_t copy[sizeof(sample)];
	size_t count, refused = 0;

	(void)state;
	for (size_t bit = 0; bit < sizeof(sample) * 8; bit++) {
		memcpy(copy, sample, sizeof(copy));
		copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
		refused += walk(copy, sizeof(copy), &count) == VERR_FORMAT;
	}
	assert_true(refused > 50);
}

static void
hostile_pairs_find_takes_only_the_only_one(void **state)
{
	uint8_t out[128];
	struct pairs_writer w = {.p = out, .cap = sizeof(out)};
	struct slice value = slice_of("untouched", 9);

	(void)state;
	pairs_add(&w, "a", slice_str("1"));
	pairs_add(&w, "ab", slice_str("2"));
	pairs_add(&w, "b", slice_str("3"));
	pairs_add(&w, "b", slice_str("4"));
	assert_int_equal(
	    pairs_find(slice_of(out, w.n), "b", &value), VERR_EXISTS);
	assert_int_equal(
	    pairs_find(slice_of(out, w.n), "c", &value), VERR_NOTFOUND);
	assert_int_equal(
	    pairs_find(slice_of(out, w.n), "A", &value), VERR_NOTFOUND);
	assert_int_equal(
	    pairs_find(slice_of(out, 0), "a", &value), VERR_NOTFOUND);
	/* Damage behind what was looked for is damage. */
	assert_int_equal(
	    pairs_find(slice_of(out, w.n - 1), "a", &value), VERR_FORMAT);
	assert_true(slice_is(value, "untouched"));
	assert_int_equal(pairs_find(slice_of(out, w.n), "a", &value), 0);
	assert_true(slice_is(value, "1"));
	assert_int_equal(pairs_find(slice_of(out, w.n), "ab", &value), 0);
	assert_true(slice_is(value, "2"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(hostile_pairs_layout_is_as_documented),
	    cmocka_unit_test(hostile_pairs_writer_stops_at_its_capacity),
	    cmocka_unit_test(
	        hostile_pairs_writer_refuses_what_no_length_can_say),
	    cmocka_unit_test(hostile_pairs_every_truncation),
	    cmocka_unit_test(hostile_pairs_every_bit_flip),
	    cmocka_unit_test(hostile_pairs_find_takes_only_the_only_one),
	};

	return cmocka_run_group_tests_name("pairs", tests, NULL, NULL);
}
