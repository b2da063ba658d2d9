/*
 * "network\naddress": no network permits what must never be reached, a word
 * more never takes anything away, and a block holds what it says.
 */
#include <arpa/inet.h>
#include <stdio.h>

#include "policy/network.h"
#include "tests/fuzz/fuzz.h"

/* 0.0.0.0/8, 169.254.0.0/16, 224.0.0.0/3 */
static bool
never4(uint32_t a)
{
	return a >> 24 == 0 || a >> 16 == 0xa9fe || a >> 29 == 7;
}

static bool
never(const uint8_t *a, size_t size)
{
	static const uint8_t zero[10];
	uint32_t v4;

	memcpy(&v4, size == 4 ? a : a + 12, 4);
	if (size == 4)
		return never4(ntohl(v4));
	if (memcmp(a, zero, 10) == 0 && a[10] == 0xff && a[11] == 0xff)
		return never4(ntohl(v4));
	return (a[0] == 0xfe && a[1] >= 0x80) || a[0] == 0xff ||
	    (a[0] == 0x20 && a[1] == 0x02) ||
	    (memcmp(a, zero, 10) == 0 && a[10] == 0 && a[11] == 0 &&
	        ntohl(v4) != 1);
}

/* Bit by bit, among the blocks alone. */
static bool
in_block(const struct network *net, const uint8_t *a, size_t size)
{
	for (size_t i = 0; i < net->count; i++) {
		const struct network_block *b = &net->blocks[i];
		unsigned bit = 0;

		while (bit < b->bits && bit / 8 < size &&
		    ((a[bit / 8] ^ b->addr[bit / 8]) >> (7 - bit % 8) & 1) == 0)
			bit++;
		if (b->size == size && bit == b->bits)
			return true;
	}
	return false;
}

static void
check_address(const struct network *net, const uint8_t *a, size_t size)
{
	struct network more = *net, blocks = *net;
	bool permits = network_permits(net, a, size);

	if (permits)
		CHECK(!never(a, size));
	more.public = more.private = true;
	if (permits)
		CHECK(network_permits(&more, a, size));
	blocks.public = blocks.private = false;
	if (size == 4)
		CHECK(network_permits(&blocks, a, size) ==
		    (in_block(net, a, size) && !never(a, size)));
	if (!net->public && !net->private && net->count == 0)
		CHECK(!permits);
	CHECK(!network_permits(&more, a, size - 1));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice rest = slice_of(data, size), text = fuzz_line(&rest);
	char *address = fuzz_string(&rest);
	const char *why = NULL;
	struct network net;
	uint8_t a[16];

	if (network_parse(text.n == 0 ? "" : (const char *)text.p, text.n, &net,
	        &why) != 0) {
		CHECK(why != NULL);
		net = (struct network){.public = true, .private = true};
	}
	CHECK(net.count <= NETWORK_BLOCKS_MAX);
	for (size_t i = 0; i < net.count; i++)
		CHECK(net.blocks[i].bits <= net.blocks[i].size * 8 &&
		    net.blocks[i].bits >= (net.blocks[i].size == 4 ? 8 : 16));
	if (inet_pton(AF_INET, address, a) == 1)
		check_address(&net, a, 4);
	else if (inet_pton(AF_INET6, address, a) == 1)
		check_address(&net, a, 16);
	free(address);
	return 0;
}
