#include "vaultd/keeper/tree.h"

#include <assert.h>

#include <openssl/evp.h>

/*
 * SHA-256 over a tag and up to two pieces.  libcrypto, for its use of the
 * processor's SHA instructions: the log is hashed record by record.
 */
static void
hash(uint8_t tag, struct slice a, struct slice b, uint8_t *ret)
{
	static EVP_MD_CTX *ctx;
	static EVP_MD *sha256;
	int ok;

	/* EVP_sha256() would be looked up anew for each record. */
	if (ctx == NULL) {
		ctx = EVP_MD_CTX_new();
		sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	}
	ok = ctx != NULL && EVP_DigestInit_ex2(ctx, sha256, NULL) == 1 &&
	    EVP_DigestUpdate(ctx, &tag, 1) == 1 &&
	    EVP_DigestUpdate(ctx, a.p, a.n) == 1 &&
	    EVP_DigestUpdate(ctx, b.p, b.n) == 1 &&
	    EVP_DigestFinal_ex(ctx, ret, NULL) == 1;
	assert(ok);
}

void
tree_leaf(struct slice line, uint8_t ret[static TREE_HASH_LEN])
{
	hash(0, line, slice_of(NULL, 0), ret);
}

void
tree_append(struct tree *t, const uint8_t leaf[static TREE_HASH_LEN])
{
	uint8_t node[TREE_HASH_LEN];
	unsigned level = 0;

	memcpy(node, leaf, sizeof(node));
	for (; t->size >> level & 1; level++)
		hash(1, slice_of(t->node[level], TREE_HASH_LEN),
		    slice_of(node, TREE_HASH_LEN), node);
	memcpy(t->node[level], node, sizeof(node));
	t->size++;
}

void
tree_root(const struct tree *t, uint8_t ret[static TREE_HASH_LEN])
{
	uint8_t node[TREE_HASH_LEN];
	int have = 0;

	if (t->size == 0) {
		(void)EVP_Digest("", 0, ret, NULL, EVP_sha256(), NULL);
		return;
	}
	for (unsigned level = 0; level < TREE_LEVELS; level++) {
		if (!(t->size >> level & 1))
			continue;
		if (have)
			hash(1, slice_of(t->node[level], TREE_HASH_LEN),
			    slice_of(node, TREE_HASH_LEN), node);
		else
			memcpy(node, t->node[level], sizeof(node));
		have = 1;
	}
	memcpy(ret, node, sizeof(node));
}
