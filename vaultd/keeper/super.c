#include "vaultd/keeper/super.h"

#include <stdlib.h>

#include "protocol/bytes.h"

/* vault id || generation || root || size of the log || its root */
#define CLEAR_LEN 8 /* the size of the log */
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
	int r;

	memcpy(p, s->vault_id, VAULT_ID_LEN);
	p += VAULT_ID_LEN;
	put_le(p, s->generation, 8);
	memcpy(p + 8, s->root, INDEX_HASH_LEN);
	p += 8 + INDEX_HASH_LEN;
	put_le(p, s->audit_size, 8);
	memcpy(p + 8, s->audit_root, TREE_HASH_LEN);
	place_of(k, s->generation, &at);
	put_le(out, s->audit_size, CLEAR_LEN);
	r = keys_seal_row(
	    k, &at, slice_of(plain, sizeof(plain)), out + CLEAR_LEN, ret_len);
	*ret_len += CLEAR_LEN;
	return r;
}

uint64_t
super_audit_size(struct slice sealed)
{
	return sealed.n < CLEAR_LEN ? 0 : get_le(sealed.p, CLEAR_LEN);
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
	struct super got;
	uint8_t *plain;
	size_t len;
	int r;

	if (sealed.n < CLEAR_LEN)
		return VERR_FORMAT;
	place_of(k, generation, &at);
	r = keys_open_row(k, &at,
	    slice_of(sealed.p + CLEAR_LEN, sealed.n - CLEAR_LEN), &plain, &len);
	if (r != 0)
		return r;
	r = parse(plain, len, &got);
	free(plain);
	if (r == 0 &&
	    (got.generation != generation ||
	        got.audit_size != super_audit_size(sealed) ||
	        memcmp(got.vault_id, keys_vault_id(k), VAULT_ID_LEN) != 0))
		r = VERR_FORMAT;
	if (r == 0)
		*ret = got;
	return r;
}
