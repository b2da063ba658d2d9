#include "vaultd/keeper/pkey_cache.h"

static void
drop(struct pkey_cache *c, size_t i)
{
	pkey_free(c->entries[i].key);
	c->entries[i].key = NULL;
}

static bool
is_of(const struct pkey_cache *c, size_t i, const uint8_t id[static ROW_ID_LEN])
{
	return c->entries[i].key != NULL &&
	    memcmp(c->entries[i].id, id, ROW_ID_LEN) == 0;
}

struct pkey *
pkey_cache_get(struct pkey_cache *c, const uint8_t id[static ROW_ID_LEN],
    uint64_t version, uint64_t now)
{
	for (size_t i = 0; i < PKEY_CACHE_MAX; i++)
		if (is_of(c, i, id) && c->entries[i].version == version) {
			if (now - c->entries[i].used >= PKEY_CACHE_IDLE) {
				drop(c, i);
				return NULL;
			}
			c->entries[i].used = now;
			return pkey_ref(c->entries[i].key);
		}
	return NULL;
}

void
pkey_cache_put(struct pkey_cache *c, const uint8_t id[static ROW_ID_LEN],
    uint64_t version, struct pkey *key, uint64_t now)
{
	size_t at = 0;

	for (size_t i = 0; i < PKEY_CACHE_MAX; i++) {
		if (is_of(c, i, id) && c->entries[i].version == version) {
			at = i;
			break;
		}
		if (c->entries[at].key != NULL &&
		    (c->entries[i].key == NULL ||
		        c->entries[i].used < c->entries[at].used))
			at = i;
	}
	(void)pkey_ref(key); /* first: it may be the one that is replaced */
	drop(c, at);
	memcpy(c->entries[at].id, id, ROW_ID_LEN);
	c->entries[at].version = version;
	c->entries[at].used = now;
	c->entries[at].key = key;
}

void
pkey_cache_drop(struct pkey_cache *c, const uint8_t id[static ROW_ID_LEN])
{
	for (size_t i = 0; i < PKEY_CACHE_MAX; i++)
		if (is_of(c, i, id))
			drop(c, i);
}

void
pkey_cache_expire(struct pkey_cache *c, uint64_t now)
{
	for (size_t i = 0; i < PKEY_CACHE_MAX; i++)
		if (now - c->entries[i].used >= PKEY_CACHE_IDLE)
			drop(c, i);
}

void
pkey_cache_clear(struct pkey_cache *c)
{
	for (size_t i = 0; i < PKEY_CACHE_MAX; i++)
		drop(c, i);
}
