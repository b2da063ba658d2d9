#include "vaultd/keeper/super.h"

#include <stdlib.h>

#include "protocol/bytes.h"

/* vault id || generation || root || size of the log || its root */
#define PLAIN_LEN (VAULT_ID_LEN + 8 + INDEX_HASH_LEN + 8 + TREE_HASH_LEN)

void
super_id(const struct keys *k, uint8_t ret[static ROW_ID_LEN])
{
	keys_row_id(k, ROW_SUPER, slice_str("super"), ret);
}

static void
place_of(const struct keys *k, uint64_t generation, struct row_place *at)
{
	super_id(k, at->id);
	at->kind = ROW_SUPER;
	at->generation = generation;
}

int
super_seal(
    const struct keys *k, const struct super *s, uint8_t *out, size_t *ret_len)
{
	uint8_t plain[PLAIN_LEN], *p = plain;
	struct row_place at;

	memcpy(p, s->vault_id, VAULT_ID_LEN);
	p += VAULT_ID_LEN;
	put_le(p, s->generation, 8);
	memcpy(p + 8, s->root, INDEX_HASH_LEN);
	p += 8 + INDEX_HASH_LEN;
	put_le(p, s->audit_size, 8);
	memcpy(p + 8, s->audit_root, TREE_HASH_LEN);
	place_of(k, s->generation, &at);
	return keys_seal_row(
	    k, &at, slice_of(plain, sizeof(plain)), out, ret_len);
}

static int
parse(const uint8_t *p, size_t len, struct super *ret)
{
	if (len != PLAIN_LEN)
		return VERR_FORMAT;
	memcpy(ret->vault_id, p, VAULT_ID_LEN);
	p += VAULT_ID_LEN;
	ret->generation = get_le(p, 8);
	memcpy(ret->root, p + 8, INDEX_HASH_LEN);
	p += 8 + INDEX_HASH_LEN;
	ret->audit_size = get_le(p, 8);
	memcpy(ret->audit_root, p + 8, TREE_HASH_LEN);
	return 0;
}

int
super_open(const struct keys *k, uint64_t generation, struct slice sealed,
    struct super *ret)
{
	struct row_place at;
	uint8_t *plain;
	size_t len;
	int r;

	place_of(k, generation, &at);
	if ((r = keys_open_row(k, &at, sealed, &plain, &len)) != 0)
		return r;
	r = parse(plain, len, ret);
	free(plain);
	if (r == 0 && ret->generation != generation)
		r = VERR_FORMAT;
	return r;
}
