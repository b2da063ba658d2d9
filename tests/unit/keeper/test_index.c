#include <stdio.h>

#include "tests/unit/keeper/world.h"
#include "vaultd/keeper/index.h"

#define ROWS 20000

static struct index *ix;

static int
setup(void **state)
{
	(void)state;
	return index_new(&ix);
}

static int
teardown(void **state)
{
	(void)state;
	index_free(ix);
	index_free(NULL);
	return 0;
}

/* Ids that are spread evenly, and some that differ in the last byte alone. */
static struct change
row(uint32_t number, uint32_t kind, uint64_t generation, const char *body)
{
	struct change c = {
	    .kind = kind, .generation = generation, .body = slice_str(body)};
	uint32_t x = (number / 4) * 2654435761u;

	memcpy(c.id, &x, sizeof(x));
	c.id[ROW_ID_LEN - 1] = (uint8_t)(number % 4);
	return c;
}

static void
set(struct index *to, uint32_t number, uint64_t generation, const char *body)
{
	struct change c = row(number, 4, generation, body);

	assert_int_equal(index_set(to, &c), 0);
}

static bool
current(uint32_t number, uint32_t kind, uint64_t generation, const char *body)
{
	struct change c = row(number, kind, generation, body);

	return index_is_current(ix, c.id, kind, generation, c.body);
}

static void
roots_equal(struct index *a, struct index *b, int equal)
{
	uint8_t x[INDEX_HASH_LEN], y[INDEX_HASH_LEN];

	index_root(a, x);
	index_root(b, y);
	assert_int_equal(memcmp(x, y, sizeof(x)) == 0, equal);
}

static void
keys_index_takes_no_row_but_the_last(void **state)
{
	(void)state;
	assert_false(current(1, 4, 1, "one"));
	set(ix, 1, 1, "one");
	assert_true(current(1, 4, 1, "one"));
	assert_false(current(1, 4, 1, "One"));
	assert_false(current(1, 4, 1, "one "));
	assert_false(current(1, 4, 1, ""));
	assert_false(current(1, 4, 2, "one"));
	assert_false(current(1, 4, 0, "one"));
	assert_false(current(1, 5, 1, "one"));
	assert_false(current(2, 4, 1, "one"));
	set(ix, 1, 2, "two");
	assert_false(current(1, 4, 1, "one"));
	assert_true(current(1, 4, 2, "two"));
	set(ix, 1, 0, "");
	assert_false(current(1, 4, 2, "two"));
	set(ix, 1, 0, ""); /* what is not there may be removed */
}

static void
keys_index_many_rows(void **state)
{
	char body[16];
	uint64_t cursor = 0;
	const struct index_entry *e, *last = NULL;
	size_t n = 0;

	(void)state;
	for (uint32_t i = 0; i < ROWS; i++) {
		snprintf(body, sizeof(body), "%u", i);
		set(ix, i, i + 1, body);
	}
	for (uint32_t i = 0; i < ROWS; i += 3)
		set(ix, i, 0, "");
	for (uint32_t i = 0; i < ROWS; i++) {
		snprintf(body, sizeof(body), "%u", i);
		assert_int_equal(current(i, 4, i + 1, body), i % 3 != 0);
	}
	while ((e = index_next(ix, &cursor)) != NULL) {
		if (last != NULL)
			assert_true(memcmp(last->id, e->id, ROW_ID_LEN) < 0);
		last = e;
		n++;
	}
	assert_int_equal(n, ROWS - (ROWS + 2) / 3);
	assert_int_equal(index_count(ix, 4), n);
	assert_int_equal(index_count(ix, 5), 0);
}

static void
keys_index_root_is_of_the_rows_alone(void **state)
{
	struct index *other;

	(void)state;
	assert_int_equal(index_new(&other), 0);
	roots_equal(ix, other, 1);
	for (uint32_t i = 0; i < 3000; i++)
		set(ix, i, i + 1, "body");
	for (uint32_t i = 3000; i-- > 0;) {
		uint8_t unused[INDEX_HASH_LEN];

		set(other, i, i + 7, "an older body");
		set(other, i + 5000, 1, "soon gone");
		if (i % 100 == 0)
			index_root(other, unused);
		set(other, i, i + 1, "body");
		set(other, i + 5000, 0, "");
	}
	roots_equal(ix, other, 1);
	index_free(other);
}

/* Whatever a row says is in the root. */
static void
keys_index_root_covers_everything(void **state)
{
	struct index *other;
	struct change c;

	(void)state;
	assert_int_equal(index_new(&other), 0);
	for (uint32_t i = 0; i < 100; i++) {
		set(ix, i, 5, "body");
		set(other, i, 5, "body");
	}
	roots_equal(ix, other, 1);
	set(other, 50, 6, "body");
	roots_equal(ix, other, 0);
	set(other, 50, 5, "bodY");
	roots_equal(ix, other, 0);
	c = row(50, 5, 5, "body");
	assert_int_equal(index_set(other, &c), 0);
	roots_equal(ix, other, 0);
	set(other, 50, 0, "");
	roots_equal(ix, other, 0);
	set(other, 50, 5, "body");
	roots_equal(ix, other, 1);
	set(other, 1000, 1, "");
	roots_equal(ix, other, 0);
	index_free(other);
}

static void
keys_index_undo_puts_everything_back(void **state)
{
	struct index *other;
	struct index_entry old;
	struct change c;

	(void)state;
	assert_int_equal(index_new(&other), 0);
	for (uint32_t i = 0; i < 50; i++) {
		set(ix, i, 5, "body");
		set(other, i, 5, "body");
	}
	/* a changed row */
	c = row(7, 3, 6, "new");
	old = *index_find(ix, c.id);
	assert_int_equal(index_set(ix, &c), 0);
	roots_equal(ix, other, 0);
	assert_int_equal(index_count(ix, 3), 1);
	index_undo(ix, c.id, &old);
	roots_equal(ix, other, 1);
	/* a removed one */
	set(ix, 7, 0, "");
	roots_equal(ix, other, 0);
	index_undo(ix, c.id, &old);
	roots_equal(ix, other, 1);
	/* a new one, and none at all */
	c = row(77, 4, 1, "new");
	assert_int_equal(index_set(ix, &c), 0);
	index_undo(ix, c.id, NULL);
	index_undo(ix, c.id, NULL);
	assert_null(index_find(ix, c.id));
	roots_equal(ix, other, 1);
	assert_int_equal(index_count(ix, 4), 50);
	assert_int_equal(index_count(ix, 3), 0);
	index_free(other);
}

/* A row of the bucket that ids beginning with "bucket" go to. */
static struct change
row_of(uint32_t bucket, uint32_t number)
{
	struct change c = {.kind = 4, .generation = 1, .body = slice_str("x")};

	c.id[0] = (uint8_t)(bucket >> 4);
	c.id[1] = (uint8_t)(bucket << 4);
	memcpy(c.id + 2, &number, sizeof(number));
	return c;
}

static void
load(struct index *to, uint32_t number)
{
	struct change c = row(number, 4, 1, "body");

	assert_int_equal(index_load(to, &c), 0);
}

static void
keys_index_loaded_in_any_order_is_the_same(void **state)
{
	struct index *other;

	(void)state;
	assert_int_equal(index_new(&other), 0);
	for (uint32_t i = 0; i < ROWS; i++) {
		set(other, i, 1, "body");
		load(ix, (i * 7919) % ROWS);
	}
	assert_int_equal(index_loaded(ix), 0);
	roots_equal(ix, other, 1);
	assert_int_equal(index_count(ix, 4), ROWS);
	for (uint32_t i = 0; i < ROWS; i++)
		assert_true(current(i, 4, 1, "body"));
	index_free(other);
}

static void
keys_index_loads_no_id_twice(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < ROWS; i++)
		load(ix, i);
	load(ix, 11);
	assert_int_equal(index_loaded(ix), VERR_EXISTS);
}

static void
hostile_index_load_is_bounded(void **state)
{
	struct change c;

	(void)state;
	/* In the order that is the most work to mend. */
	for (uint32_t i = INDEX_BUCKET_MAX; i-- > 0;) {
		c = row_of(0, i);
		assert_int_equal(index_load(ix, &c), 0);
	}
	c = row_of(0, INDEX_BUCKET_MAX);
	assert_int_equal(index_load(ix, &c), VERR_TOOBIG);
	for (uint32_t i = 0; i < INDEX_ROWS_MAX - INDEX_BUCKET_MAX; i++) {
		c = row_of(1 + i % 4095, i);
		assert_int_equal(index_load(ix, &c), 0);
	}
	c = row_of(1, UINT32_MAX);
	assert_int_equal(index_load(ix, &c), VERR_TOOBIG);
	assert_int_equal(index_loaded(ix), 0);
	c = row_of(0, 0);
	assert_non_null(index_find(ix, c.id));
}

static void
hostile_index_is_bounded(void **state)
{
	uint32_t n = 0;
	struct change c;

	(void)state;
	for (uint32_t i = 0; i < INDEX_BUCKET_MAX; i++, n++) {
		c = row_of(0, i);
		assert_int_equal(index_set(ix, &c), 0);
	}
	c = row_of(0, INDEX_BUCKET_MAX);
	assert_int_equal(index_set(ix, &c), VERR_TOOBIG);
	assert_null(index_find(ix, c.id));
	for (uint32_t i = 0; n < INDEX_ROWS_MAX; i++, n++) {
		c = row_of(1 + i % 4095, i);
		assert_int_equal(index_set(ix, &c), 0);
	}
	c = row_of(1, UINT32_MAX);
	assert_int_equal(index_set(ix, &c), VERR_TOOBIG);
	assert_int_equal(index_count(ix, 4), INDEX_ROWS_MAX);
	/* One that is there can be changed, and one goes for another. */
	c = row_of(0, 0);
	c.generation = 2;
	assert_int_equal(index_set(ix, &c), 0);
	c.generation = 0;
	assert_int_equal(index_set(ix, &c), 0);
	c = row_of(1, UINT32_MAX);
	assert_int_equal(index_set(ix, &c), 0);
	index_undo(ix, c.id, NULL);
	assert_int_equal(index_set(ix, &c), 0);
	assert_int_equal(index_count(ix, 4), INDEX_ROWS_MAX);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(keys_index_takes_no_row_but_the_last),
	    T(keys_index_many_rows),
	    T(keys_index_root_is_of_the_rows_alone),
	    T(keys_index_root_covers_everything),
	    T(keys_index_undo_puts_everything_back),
	    T(keys_index_loaded_in_any_order_is_the_same),
	    T(keys_index_loads_no_id_twice),
	    T(hostile_index_load_is_bounded),
	    T(hostile_index_is_bounded),
	};

	return cmocka_run_group_tests_name("index", tests, NULL, NULL);
}
