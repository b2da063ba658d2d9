#include "tests/unit/keeper/world.h"
#include "vaultd/keeper/tree.h"

/*
 * The reference vectors of Certificate Transparency (merkletree/
 * merkle_tree_test.cc of google/certificate-transparency): eight leaves, and
 * the roots of the trees of 0 to 8 of them.
 */
static const char *const leaves[] = {"", "00", "10", "2021", "3031", "40414243",
    "5051525354555657", "606162636465666768696a6b6c6d6e6f"};

static const char *const roots[] = {
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
};

static size_t
unhex(const char *hex, uint8_t *out)
{
	size_t n = 0;

	for (; hex[0] != '\0'; hex += 2) {
		char pair[3] = {hex[0], hex[1], '\0'};

		out[n++] = (uint8_t)strtoul(pair, NULL, 16);
	}
	return n;
}

static void
append(struct tree *t, const char *hex)
{
	uint8_t line[32], leaf[TREE_HASH_LEN];
	size_t n = unhex(hex, line);

	tree_leaf(slice_of(line, n), leaf);
	tree_append(t, leaf);
}

static void
root_is(const struct tree *t, const char *hex)
{
	uint8_t want[TREE_HASH_LEN], is[TREE_HASH_LEN];

	assert_int_equal(unhex(hex, want), sizeof(want));
	tree_root(t, is);
	assert_memory_equal(is, want, sizeof(want));
}

static void
audit_tree_certificate_transparency_vectors(void **state)
{
	struct tree t = {.size = 0};

	(void)state;
	root_is(&t, roots[0]);
	for (size_t i = 0; i < 8; i++) {
		append(&t, leaves[i]);
		assert_int_equal(t.size, i + 1);
		root_is(&t, roots[i + 1]);
	}
}

/*
 * RFC 6962, 2.1, word for word: split at the largest power of two below n.
 */
static void
slow_root(const uint8_t (*leaf)[TREE_HASH_LEN], size_t n, uint8_t *out)
{
	uint8_t pair[2 * TREE_HASH_LEN], joined[1 + 2 * TREE_HASH_LEN] = {1};
	struct tree one = {.size = 0};
	size_t k = 1;

	if (n == 1) {
		memcpy(out, leaf[0], TREE_HASH_LEN);
		return;
	}
	while (k * 2 < n)
		k *= 2;
	slow_root(leaf, k, pair);
	slow_root(leaf + k, n - k, pair + TREE_HASH_LEN);
	memcpy(joined + 1, pair, sizeof(pair));
	/* SHA-256 of 0x01 || left || right, by a tree of two leaves. */
	tree_append(&one, pair);
	tree_append(&one, pair + TREE_HASH_LEN);
	tree_root(&one, out);
}

static void
audit_tree_is_the_recursive_definition(void **state)
{
	static uint8_t leaf[300][TREE_HASH_LEN];
	uint8_t is[TREE_HASH_LEN], want[TREE_HASH_LEN];
	struct tree t = {.size = 0};

	(void)state;
	for (size_t i = 0; i < 300; i++) {
		tree_leaf(slice_of(&i, sizeof(i)), leaf[i]);
		tree_append(&t, leaf[i]);
		tree_root(&t, is);
		slow_root(leaf, i + 1, want);
		assert_memory_equal(is, want, sizeof(is));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(audit_tree_certificate_transparency_vectors),
	    cmocka_unit_test(audit_tree_is_the_recursive_definition),
	};

	return cmocka_run_group_tests_name("tree", tests, NULL, NULL);
}
