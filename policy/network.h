/*
 * network - which addresses a profile's connections may go to.
 *
 * A network is a list of "public", "private" and CIDR blocks, separated by
 * blanks or commas; an address is permitted if one of them holds it.
 *
 *	public		addresses of the internet at large
 *	private		10/8, 172.16/12, 192.168/16 and fc00::/7
 *	127.0.0.0/8	that block
 *
 * Never permitted, by whatever block: unspecified, link-local (the metadata
 * services of clouds), multicast and reserved addresses.  An IPv4-mapped or
 * NAT64 address is judged as the IPv4 address within; 6to4, Teredo and
 * IPv4-compatible addresses belong to no public site and are refused.
 *
 * Depends on libc's memory functions and inet_pton() alone.
 */
#ifndef POLICY_NETWORK_H
#define POLICY_NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/verr.h"

#define NETWORK_BLOCKS_MAX 16
#define NETWORK_TEXT_MAX   512

struct network_block {
	uint8_t size; /* 4 or 16 bytes of address */
	uint8_t bits;
	uint8_t addr[16];
};

struct network {
	bool public, private;
	uint8_t count;
	struct network_block blocks[NETWORK_BLOCKS_MAX];
};

/*
 * Parse a network.  A block's host bits must be zero, an IPv4 block has /8 or
 * longer, an IPv6 block /16 or longer.  Returns 0, or VERR_FORMAT with a
 * constant sentence in *ret_why.
 */
int network_parse(const char *text, size_t len, struct network *ret,
    const char **ret_why) MUST_CHECK;

/*
 * True if a connection may go to the address at "addr": "size" bytes in network
 * order, 4 for IPv4 and 16 for IPv6 (any other size is refused).  To be asked
 * of the very sockaddr that connect() gets.
 */
bool network_permits(
    const struct network *net, const uint8_t *addr, size_t size);

#endif /* POLICY_NETWORK_H */
