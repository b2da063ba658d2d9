/*
 * The lists inside BLOBs, pairs and changes: what is taken off one is written
 * back the same, and what is found is there once.
 */
#include "protocol/change.h"
#include "tests/fuzz/fuzz.h"

static void
check_pairs(struct slice all, uint8_t *again)
{
	struct pairs_writer w = {.p = again, .cap = all.n};
	struct slice rest = all, name, value;
	size_t named = 0;

	while (pairs_next(&rest, &name, &value) == 0) {
		named += slice_is(name, "name");
		pairs_put(&w, name, value);
	}
	CHECK(!w.overflow && w.n + rest.n == all.n);
	CHECK(memcmp(again, all.p, w.n) == 0);
	CHECK((pairs_find(all, "name", &value) == 0) ==
	    (rest.n == 0 && named == 1));
	/* with less room it stops before the end of it */
	w = (struct pairs_writer){.p = again, .cap = all.n / 2};
	for (rest = all; pairs_next(&rest, &name, &value) == 0;)
		pairs_put(&w, name, value);
	CHECK(w.n <= w.cap);
}

static void
check_changes(struct slice all, uint8_t *again)
{
	struct slice rest = all;
	struct change c;
	size_t n = 0;

	while (change_next(&rest, &c) == 0) {
		change_encode(&c, again + n);
		n += CHANGE_OVERHEAD + c.body.n;
	}
	CHECK(n + rest.n == all.n && memcmp(again, all.p, n) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *again = malloc(size + !size), *copy = malloc(size + !size);

	/* copies of their own, so that a step beyond them is seen */
	CHECK(again != NULL && copy != NULL);
	if (size > 0)
		memcpy(copy, data, size);
	check_pairs(slice_of(copy, size), again);
	check_changes(slice_of(copy, size), again);
	free(copy);
	free(again);
	return 0;
}
