/*
 * origin - where a credential may be sent: https://HOST[:PORT], and the names
 * of profiles.
 *
 * One spelling per origin; every other spelling is refused rather than mended,
 * since resolvers and URL parsers disagree about what it means.
 */
#ifndef POLICY_ORIGIN_H
#define POLICY_ORIGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/verr.h"

#define ORIGIN_HOST_MAX 253
#define ORIGIN_TEXT_MAX                                                        \
	(8 + ORIGIN_HOST_MAX + 2 + 6) /* https://[...]:65535                   \
	                               */
#define PROFILE_ID_MAX 63
#define PROFILE_MAX    (2 * PROFILE_ID_MAX + 1)

enum origin_kind {
	ORIGIN_NAME, /* a DNS name */
	ORIGIN_IPV4, /* dotted quad */
	ORIGIN_IPV6, /* without its brackets */
};

struct origin {
	enum origin_kind kind;
	uint16_t port;
	char host[ORIGIN_HOST_MAX + 1];
};

/*
 * Parse "https://HOST" or "https://HOST:PORT", nothing before or after; a
 * single '/' at the end is not accepted either.  HOST is a lower-case DNS name
 * (letters, digits, '-'; labels up to 63, the last not of digits alone), a
 * dotted quad of four decimal numbers, or an IPv6 address in brackets as
 * RFC 5952 writes it.  PORT is 1 to 65535 without leading zeros; 443 may be
 * written.  Returns 0, or VERR_FORMAT with a constant sentence in *ret_why.
 */
int origin_parse(const char *text, size_t len, struct origin *ret,
    const char **ret_why) MUST_CHECK;

/* Write the origin as text, its port only if it is not 443. */
void origin_format(
    const struct origin *origin, char out[static ORIGIN_TEXT_MAX + 1]);

bool origin_equal(const struct origin *a, const struct origin *b);

/* The two ids of a profile: [a-z0-9][a-z0-9-]{0,62} each. */
struct profile_id {
	char customer[PROFILE_ID_MAX + 1];
	char name[PROFILE_ID_MAX + 1];
};

/* True if the "len" bytes are an id: of a customer, profile, system, client. */
bool profile_id_valid(const char *text, size_t len);

/* Parse "customer/profile".  Returns 0 or VERR_FORMAT. */
int profile_parse(
    const char *text, size_t len, struct profile_id *ret) MUST_CHECK;

#endif /* POLICY_ORIGIN_H */
