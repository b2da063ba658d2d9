#include "vaultd/keeper/index.h"

#include <stdlib.h>

#include <sodium.h>

#include "protocol/bytes.h"

#define BUCKETS   4096
#define KINDS     16
#define CURSOR_LO 20 /* bits of a cursor for the place in its bucket */

struct bucket {
	struct index_entry *entries; /* by id */
	size_t n, cap;
};

struct index {
	struct bucket buckets[BUCKETS];
	/* A heap-shaped tree: 1 is the root, BUCKETS.. are the leaves. */
	uint8_t tree[2 * BUCKETS][INDEX_HASH_LEN];
	bool dirty[2 * BUCKETS]; /* to be hashed when the root is asked for */
	size_t counts[KINDS];
	size_t n;
};

static size_t
bucket_of(const uint8_t *id)
{
	return ((size_t)id[0] << 4 | id[1] >> 4) % BUCKETS;
}

static void
hash_pair(uint8_t *out, const uint8_t *a, const uint8_t *b)
{
	crypto_generichash_state st;
	const uint8_t tag = 1;

	(void)crypto_generichash_init(&st, NULL, 0, INDEX_HASH_LEN);
	(void)crypto_generichash_update(&st, &tag, 1);
	(void)crypto_generichash_update(&st, a, INDEX_HASH_LEN);
	(void)crypto_generichash_update(&st, b, INDEX_HASH_LEN);
	(void)crypto_generichash_final(&st, out, INDEX_HASH_LEN);
}

static void
hash_bucket(uint8_t *out, const struct bucket *b)
{
	crypto_generichash_state st;
	uint8_t numbers[12];
	const uint8_t tag = 0;

	(void)crypto_generichash_init(&st, NULL, 0, INDEX_HASH_LEN);
	(void)crypto_generichash_update(&st, &tag, 1);
	for (size_t i = 0; i < b->n; i++) {
		const struct index_entry *e = &b->entries[i];

		put_le(numbers, e->kind, 4);
		put_le(numbers + 4, e->generation, 8);
		(void)crypto_generichash_update(&st, e->id, ROW_ID_LEN);
		(void)crypto_generichash_update(&st, numbers, 12);
		(void)crypto_generichash_update(&st, e->hash, INDEX_HASH_LEN);
	}
	(void)crypto_generichash_final(&st, out, INDEX_HASH_LEN);
}

static void
touch(struct index *ix, size_t bucket)
{
	for (size_t node = BUCKETS + bucket; node >= 1; node /= 2) {
		if (ix->dirty[node])
			return;
		ix->dirty[node] = true;
	}
}

static void
refresh(struct index *ix, size_t node)
{
	if (!ix->dirty[node])
		return;
	ix->dirty[node] = false;
	if (node >= BUCKETS) {
		hash_bucket(ix->tree[node], &ix->buckets[node - BUCKETS]);
		return;
	}
	refresh(ix, 2 * node);
	refresh(ix, 2 * node + 1);
	hash_pair(ix->tree[node], ix->tree[2 * node], ix->tree[2 * node + 1]);
}

int
index_new(struct index **ret)
{
	struct index *ix;

	if ((ix = calloc(1, sizeof(*ix))) == NULL)
		return VERR_NOMEM;
	memset(ix->dirty, true, sizeof(ix->dirty));
	*ret = ix;
	return 0;
}

void
index_free(struct index *ix)
{
	if (ix == NULL)
		return;
	for (size_t i = 0; i < BUCKETS; i++)
		free(ix->buckets[i].entries);
	free(ix);
}

/*
 * The place of "id" in its bucket, or where it would go.
 */
static size_t
place(const struct bucket *b, const uint8_t *id, bool *found)
{
	size_t lo = 0, hi = b->n;

	*found = false;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = memcmp(b->entries[mid].id, id, ROW_ID_LEN);

		if (c == 0) {
			*found = true;
			return mid;
		}
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

const struct index_entry *
index_find(const struct index *ix, const uint8_t id[static ROW_ID_LEN])
{
	const struct bucket *b = &ix->buckets[bucket_of(id)];
	bool found;
	size_t at = place(b, id, &found);

	return found ? &b->entries[at] : NULL;
}

static int
bucket_insert(struct bucket *b, size_t at)
{
	if (b->n == b->cap) {
		size_t cap = b->cap == 0 ? 4 : b->cap * 2;
		struct index_entry *e;

		e = realloc(b->entries, cap * sizeof(*e));
		if (e == NULL)
			return VERR_NOMEM;
		b->entries = e;
		b->cap = cap;
	}
	memmove(&b->entries[at + 1], &b->entries[at],
	    (b->n - at) * sizeof(b->entries[0]));
	b->n++;
	return 0;
}

static void
bucket_delete(struct bucket *b, size_t at)
{
	b->n--;
	memmove(&b->entries[at], &b->entries[at + 1],
	    (b->n - at) * sizeof(b->entries[0]));
}

static void
fill(struct index *ix, struct index_entry *e, const struct change *c)
{
	memcpy(e->id, c->id, ROW_ID_LEN);
	e->kind = c->kind;
	e->generation = c->generation;
	(void)crypto_generichash(
	    e->hash, INDEX_HASH_LEN, c->body.p, c->body.n, NULL, 0);
	ix->counts[e->kind % KINDS]++;
}

static int
insert(struct index *ix, struct bucket *b, size_t at, const struct change *c)
{
	int r;

	if (ix->n == INDEX_ROWS_MAX || b->n == INDEX_BUCKET_MAX)
		return VERR_TOOBIG;
	if ((r = bucket_insert(b, at)) != 0)
		return r;
	ix->n++;
	fill(ix, &b->entries[at], c);
	return 0;
}

int
index_load(struct index *ix, const struct change *c)
{
	size_t bucket = bucket_of(c->id);
	struct bucket *b = &ix->buckets[bucket];

	touch(ix, bucket);
	return insert(ix, b, b->n, c);
}

/*
 * Not qsort(3): glibc's asks how much memory there is, which is walled off.
 */
static int
bucket_sort(struct bucket *b)
{
	struct bucket done = {.entries = b->entries};
	bool found;

	for (; done.n < b->n; done.n++) {
		struct index_entry e = b->entries[done.n];
		size_t at = place(&done, e.id, &found);

		if (found)
			return VERR_EXISTS;
		memmove(&b->entries[at + 1], &b->entries[at],
		    (done.n - at) * sizeof(e));
		b->entries[at] = e;
	}
	return 0;
}

int
index_loaded(struct index *ix)
{
	int r = 0;

	for (size_t i = 0; i < BUCKETS && r == 0; i++)
		r = bucket_sort(&ix->buckets[i]);
	return r;
}

int
index_set(struct index *ix, const struct change *c)
{
	size_t bucket = bucket_of(c->id), at;
	struct bucket *b = &ix->buckets[bucket];
	bool found;

	at = place(b, c->id, &found);
	if (!found && c->generation == 0)
		return 0;
	touch(ix, bucket);
	if (!found)
		return insert(ix, b, at, c);
	ix->counts[b->entries[at].kind % KINDS]--;
	if (c->generation != 0) {
		fill(ix, &b->entries[at], c);
		return 0;
	}
	bucket_delete(b, at);
	ix->n--;
	return 0;
}

void
index_undo(struct index *ix, const uint8_t id[static ROW_ID_LEN],
    const struct index_entry *old)
{
	struct bucket *b = &ix->buckets[bucket_of(id)];
	bool found;
	size_t at = place(b, id, &found);

	if (found)
		ix->counts[b->entries[at].kind % KINDS]--;
	if (old == NULL && found) {
		bucket_delete(b, at);
		ix->n--;
	}
	if (old != NULL) {
		/* Cannot fail: index_set() made the bucket as large before. */
		if (!found && bucket_insert(b, at) != 0)
			abort();
		ix->n += !found;
		b->entries[at] = *old;
		ix->counts[old->kind % KINDS]++;
	}
	touch(ix, bucket_of(id));
}

bool
index_is_current(const struct index *ix, const uint8_t id[static ROW_ID_LEN],
    uint32_t kind, uint64_t generation, struct slice body)
{
	const struct index_entry *e = index_find(ix, id);
	uint8_t hash[INDEX_HASH_LEN];

	if (e == NULL || e->kind != kind || e->generation != generation)
		return false;
	(void)crypto_generichash(hash, sizeof(hash), body.p, body.n, NULL, 0);
	return memcmp(hash, e->hash, sizeof(hash)) == 0;
}

void
index_root(struct index *ix, uint8_t ret[static INDEX_HASH_LEN])
{
	refresh(ix, 1);
	memcpy(ret, ix->tree[1], INDEX_HASH_LEN);
}

size_t
index_count(const struct index *ix, uint32_t kind)
{
	return ix->counts[kind % KINDS];
}

const struct index_entry *
index_next(const struct index *ix, uint64_t *cursor)
{
	uint64_t bucket = *cursor >> CURSOR_LO;
	uint64_t at = *cursor & ((1U << CURSOR_LO) - 1);

	while (bucket < BUCKETS && at >= ix->buckets[bucket].n) {
		bucket++;
		at = 0;
	}
	if (bucket >= BUCKETS)
		return NULL;
	*cursor = bucket << CURSOR_LO | (at + 1);
	return &ix->buckets[bucket].entries[at];
}
