/*
 * The rows that a ledger tells of, three bytes each: id, kind and generation.
 * The index is what a plain list of the last word on each id is, and empty
 * again it has the root that it had.
 */
#include <sodium.h>

#include "tests/fuzz/fuzz.h"
#include "vaultd/keeper/index.h"

#define IDS 256

static struct index *ix;
static uint8_t empty[INDEX_HASH_LEN];

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	CHECK(sodium_init() >= 0 && index_new(&ix) == 0);
	index_root(ix, empty);
	return 0;
}

/* Many ids share a bucket. */
static struct change
row(uint8_t id, uint8_t kind, uint8_t generation)
{
	struct change c = {.kind = kind % 6,
	    .generation = generation,
	    .body = slice_of(generation & 1 ? "odd" : "even", 3)};

	c.id[0] = id & 3;
	c.id[ROW_ID_LEN - 1] = id;
	return c;
}

static void
check(const uint8_t (*list)[2])
{
	const struct index_entry *e;
	size_t counts[6] = {0}, n = 0, walked = 0;
	uint64_t cursor = 0;

	for (unsigned id = 0; id < IDS; id++) {
		struct change c = row((uint8_t)id, list[id][0], list[id][1]);

		e = index_find(ix, c.id);
		CHECK((e != NULL) == (c.generation != 0));
		if (e == NULL)
			continue;
		n++;
		counts[c.kind]++;
		CHECK(index_is_current(ix, c.id, c.kind, c.generation, c.body));
		CHECK(!index_is_current(
		    ix, c.id, c.kind, c.generation + 1, c.body));
		CHECK(!index_is_current(
		    ix, c.id, c.kind + 1, c.generation, c.body));
	}
	while ((e = index_next(ix, &cursor)) != NULL)
		walked++;
	CHECK(walked == n);
	for (uint32_t kind = 0; kind < 6; kind++)
		CHECK(index_count(ix, kind) == counts[kind]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t list[IDS][2] = {{0}}, root[INDEX_HASH_LEN];
	struct index_entry old;

	for (size_t i = 0; i + 3 <= size; i += 3) {
		struct change c = row(data[i], data[i + 1], data[i + 2]);
		const struct index_entry *e = index_find(ix, c.id);
		bool had = e != NULL;

		if (had)
			old = *e;
		CHECK(index_set(ix, &c) == 0);
		if (data[i + 1] & 0x80) { /* and taken back */
			index_undo(ix, c.id, had ? &old : NULL);
			continue;
		}
		list[data[i]][0] = data[i + 1];
		list[data[i]][1] = data[i + 2];
	}
	check(list);
	for (unsigned id = 0; id < IDS; id++) {
		struct change c = row((uint8_t)id, 0, 0);

		CHECK(index_set(ix, &c) == 0);
	}
	index_root(ix, root);
	CHECK(memcmp(root, empty, sizeof(root)) == 0);
	return 0;
}
