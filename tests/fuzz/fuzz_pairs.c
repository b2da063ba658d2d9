/*
 * fuzz_pairs - the lists inside BLOBs, pairs and changes: what is taken off
 * one is written back the same.
 */
#include <stdlib.h>

#include "protocol/change.h"
#include "protocol/pairs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_pairs(struct slice all, uint8_t *again)
{
	struct pairs_writer w = {.p = again, .cap = all.n};
	struct slice rest = all, name, value;

	while (pairs_next(&rest, &name, &value) == 0)
		pairs_put(&w, name, value);
	if (w.overflow || w.n + rest.n != all.n ||
	    memcmp(again, all.p, w.n) != 0)
		abort();
	if (pairs_find(all, "name", &value) == 0 && rest.n != 0)
		abort();
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
	if (n + rest.n != all.n || memcmp(again, all.p, n) != 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *again = malloc(size + 1);

	if (again == NULL)
		return 0;
	check_pairs(slice_of(data, size), again);
	check_changes(slice_of(data, size), again);
	free(again);
	return 0;
}
