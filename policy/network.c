#include "policy/network.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* Address blocks by family: IANA's special-purpose registries. */
struct range {
	uint8_t bits;
	uint8_t addr[16];
};

/* clang-format off */
static const struct range v4_never[] = {
	{8,  {0}},			/* this host */
	{16, {169, 254}},		/* link-local, metadata services */
	{4,  {224}},			/* multicast */
	{4,  {240}},			/* reserved, broadcast */
};

static const struct range v4_private[] = {
	{8,  {10}},
	{12, {172, 16}},
	{16, {192, 168}},
};

static const struct range v4_special[] = {
	{10, {100, 64}},		/* shared by carriers */
	{8,  {127}},			/* loopback */
	{24, {192, 0, 0}},		/* protocol assignments */
	{24, {192, 0, 2}},		/* documentation */
	{24, {192, 88, 99}},		/* 6to4 relays */
	{15, {198, 18}},		/* benchmarks */
	{24, {198, 51, 100}},		/* documentation */
	{24, {203, 0, 113}},		/* documentation */
};

static const struct range v6_never[] = {
	{10, {0xfe, 0x80}},		/* link-local */
	{10, {0xfe, 0xc0}},		/* site-local */
	{8,  {0xff}},			/* multicast */
	{16, {0x20, 0x02}},		/* 6to4: an IPv4 address within */
	{32, {0x20, 0x01}},		/* Teredo: an IPv4 address within */
	{96, {[8] = 0xff, 0xff}},	/* translated IPv4 */
	{48, {0, 0x64, 0xff, 0x9b, 0, 1}}, /* local-use NAT64 */
};

static const struct range v6_private[] = {
	{7,  {0xfc}},
};

static const struct range v6_global[] = {
	{3,  {0x20}},
};

static const struct range v6_special[] = {
	{23, {0x20, 0x01}},		/* protocol assignments */
	{32, {0x20, 0x01, 0x0d, 0xb8}},	/* documentation */
	{20, {0x3f, 0xff}},		/* documentation */
};
/* clang-format on */

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static bool
prefix_equal(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned rest = bits % 8;

	return memcmp(a, b, bits / 8) == 0 &&
	    (rest == 0 || (a[bits / 8] ^ b[bits / 8]) >> (8 - rest) == 0);
}

static bool
within(const uint8_t *addr, const struct range *ranges, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (prefix_equal(addr, ranges[i].addr, ranges[i].bits))
			return true;
	return false;
}

/* The IPv4 address that a mapped or NAT64 address is, or NULL. */
static const uint8_t *
embedded_v4(const uint8_t *addr)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	static const uint8_t nat64[12] = {0, 0x64, 0xff, 0x9b};

	return memcmp(addr, mapped, 12) == 0 || memcmp(addr, nat64, 12) == 0
	    ? addr + 12
	    : NULL;
}

static bool
permits_public(const uint8_t *addr, size_t size)
{
	if (size == 4)
		return !within(addr, v4_private, COUNT(v4_private)) &&
		    !within(addr, v4_special, COUNT(v4_special));
	return within(addr, v6_global, COUNT(v6_global)) &&
	    !within(addr, v6_special, COUNT(v6_special));
}

static bool
permits_private(const uint8_t *addr, size_t size)
{
	return size == 4 ? within(addr, v4_private, COUNT(v4_private))
	                 : within(addr, v6_private, COUNT(v6_private));
}

/* All of ::/96 but ::1: unspecified, or an IPv4 address within. */
static bool
is_compatible(const uint8_t *addr)
{
	static const uint8_t zero[15];

	return memcmp(addr, zero, 12) == 0 &&
	    (memcmp(addr, zero, 15) != 0 || addr[15] != 1);
}

static bool
never(const uint8_t *addr, size_t size)
{
	return size == 4
	    ? within(addr, v4_never, COUNT(v4_never))
	    : is_compatible(addr) || within(addr, v6_never, COUNT(v6_never));
}

bool
network_permits(const struct network *net, const uint8_t *addr, size_t size)
{
	if (size == 16 && embedded_v4(addr) != NULL) {
		addr = embedded_v4(addr);
		size = 4;
	}
	if ((size != 4 && size != 16) || never(addr, size))
		return false;
	if ((net->public && permits_public(addr, size)) ||
	    (net->private && permits_private(addr, size)))
		return true;
	for (size_t i = 0; i < net->count; i++)
		if (net->blocks[i].size == size &&
		    prefix_equal(
		        addr, net->blocks[i].addr, net->blocks[i].bits))
			return true;
	return false;
}

/* The number of bits after the slash, or -1. */
static int
parse_bits(const char *text, int max)
{
	int n = 0;

	if (text[0] == '\0' || strlen(text) > 3 ||
	    (text[0] == '0' && text[1] != '\0'))
		return -1;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return -1;
		n = n * 10 + (*text - '0');
	}
	return n > max ? -1 : n;
}

static const char *
parse_block(char *word, struct network_block *ret)
{
	struct network_block block = {0};
	char *slash = strchr(word, '/');
	int bits;

	if (slash == NULL)
		return "not \"public\", \"private\" or a block such as "
		       "10.1.0.0/16";
	*slash = '\0';
	block.size = strchr(word, ':') != NULL ? 16 : 4;
	if (inet_pton(block.size == 4 ? AF_INET : AF_INET6, word, block.addr) !=
	    1)
		return "not an address before the '/'";
	bits = parse_bits(slash + 1, block.size * 8);
	if (bits < (block.size == 4 ? 8 : 16))
		return "a block has 8 to 32 bits for IPv4, 16 to 128 for IPv6";
	block.bits = (uint8_t)bits;
	for (int i = bits; i < block.size * 8; i++)
		if (block.addr[i / 8] & 0x80 >> i % 8)
			return "the bits of a block behind its prefix must be "
			       "zero";
	if (block.size == 16 && embedded_v4(block.addr) != NULL)
		return "write the IPv4 block itself";
	*ret = block;
	return NULL;
}

static const char *
parse_word(char *word, struct network *net)
{
	if (strcmp(word, "public") == 0)
		net->public = true;
	else if (strcmp(word, "private") == 0)
		net->private = true;
	else if (net->count == NETWORK_BLOCKS_MAX)
		return "too many blocks";
	else
		return parse_block(word, &net->blocks[net->count++]);
	return NULL;
}

int
network_parse(
    const char *text, size_t len, struct network *ret, const char **ret_why)
{
	struct network net = {0};
	char copy[NETWORK_TEXT_MAX + 1], *at = copy;
	const char *why = NULL;
	size_t words = 0;

	if (len > NETWORK_TEXT_MAX || memchr(text, '\0', len) != NULL) {
		*ret_why = "too long, or holds a NUL";
		return VERR_FORMAT;
	}
	memcpy(copy, text, len);
	copy[len] = '\0';
	while (why == NULL && *(at += strspn(at, " ,")) != '\0') {
		size_t n = strcspn(at, " ,");
		bool last = at[n] == '\0';

		at[n] = '\0';
		why = parse_word(at, &net);
		at += last ? n : n + 1;
		words++;
	}
	if (words == 0)
		why = "empty";
	if (why != NULL) {
		*ret_why = why;
		return VERR_FORMAT;
	}
	*ret = net;
	return 0;
}
