/*
 * tree - the frontier of the audit log's Merkle tree (RFC 6962, section 2.1).
 *
 * The roots of the perfect subtrees that the leaves so far make up, largest
 * first: all that is needed to append, and to compute the root.
 */
#ifndef KEEPER_TREE_H
#define KEEPER_TREE_H

#include "protocol/slice.h"
#include "protocol/verr.h"

#define TREE_HASH_LEN 32
#define TREE_LEVELS   64

struct tree {
	uint64_t size;
	uint8_t node[TREE_LEVELS][TREE_HASH_LEN]; /* by level, where size has
	                                           * that bit */
};

/* The hash of one leaf: SHA-256(0x00 || line). */
void tree_leaf(struct slice line, uint8_t ret[static TREE_HASH_LEN]);

/* Append a leaf. */
void tree_append(struct tree *t, const uint8_t leaf[static TREE_HASH_LEN]);

/* The root; of an empty tree SHA-256 of nothing. */
void tree_root(const struct tree *t, uint8_t ret[static TREE_HASH_LEN]);

#endif /* KEEPER_TREE_H */
