#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vaultd/base/buf.h"

static int
all_zero(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != 0)
			return 0;
	return 1;
}

/* Against a plain model: what goes in comes out, in order. */
static void
rooms_buf_is_a_queue(void **state)
{
	struct buf b = {NULL, 0, 0, 0};
	uint8_t in[5000], next_in = 0, next_out = 0;
	unsigned seed = 1;

	(void)state;
	for (int round = 0; round < 3000; round++) {
		size_t n = (seed = seed * 1103515245 + 12345) >> 16;
		size_t used = buf_used(&b);

		if (n & 1) {
			n %= sizeof(in);
			for (size_t i = 0; i < n; i++)
				in[i] = next_in++;
			assert_int_equal(buf_add(&b, in, n), 0);
			assert_int_equal(buf_used(&b), used + n);
		} else {
			n = used == 0 ? 0 : n % (used + 1);
			for (size_t i = 0; i < n; i++)
				assert_int_equal(buf_data(&b)[i], next_out++);
			buf_drop(&b, n);
			assert_int_equal(buf_used(&b), used - n);
		}
	}
	buf_free(&b);
	assert_int_equal(buf_used(&b), 0);
	assert_null(b.p);
}

/* Whatever leaves the queue is zero where it was. */
static void
hostile_buf_wipes_what_leaves(void **state)
{
	struct buf b = {NULL, 0, 0, 0};
	uint8_t secret[3000], *p;

	(void)state;
	memset(secret, 's', sizeof(secret));
	assert_int_equal(buf_add(&b, secret, sizeof(secret)), 0);
	buf_drop(&b, 1000);
	assert_true(all_zero(b.p, 1000));
	assert_int_equal(b.p[1000], 's');

	/* Room is made by moving: the place it had is wiped, too. */
	p = b.p;
	assert_int_equal(buf_reserve(&b, 2000, &p), 0);
	assert_ptr_equal(b.p + 2000, p);
	assert_true(all_zero(b.p + 2000, 1000));
	buf_drop(&b, 2000);
	assert_true(all_zero(b.p, 3000));
	buf_free(&b);
}

static void
hostile_buf_reserve_does_not_count_until_grown(void **state)
{
	struct buf b = {NULL, 0, 0, 0};
	uint8_t *p;

	(void)state;
	assert_int_equal(buf_reserve(&b, 10, &p), 0);
	memset(p, 'x', 10);
	assert_int_equal(buf_used(&b), 0);
	buf_grow(&b, 4);
	assert_int_equal(buf_used(&b), 4);
	assert_int_equal(buf_add(&b, "yz", 2), 0);
	assert_memory_equal(buf_data(&b), "xxxxyz", 6);
	buf_free(&b);
}

static void
hostile_buf_impossible_sizes(void **state)
{
	struct buf b = {NULL, 0, 0, 0};
	uint8_t *p = NULL, *before;

	(void)state;
	assert_int_equal(buf_add(&b, "abc", 3), 0);
	before = b.p;
	assert_int_equal(buf_reserve(&b, SIZE_MAX, &p), VERR_NOMEM);
	assert_int_equal(buf_reserve(&b, SIZE_MAX - 3, &p), VERR_NOMEM);
	assert_int_equal(buf_reserve(&b, SIZE_MAX / 2, &p), VERR_NOMEM);
	assert_null(p);
	assert_ptr_equal(b.p, before);
	assert_memory_equal(buf_data(&b), "abc", 3);
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(rooms_buf_is_a_queue),
	    cmocka_unit_test(hostile_buf_wipes_what_leaves),
	    cmocka_unit_test(hostile_buf_reserve_does_not_count_until_grown),
	    cmocka_unit_test(hostile_buf_impossible_sizes),
	};

	return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
