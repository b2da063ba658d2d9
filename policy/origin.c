#include "policy/origin.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_lower_alnum(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z');
}

static const char *
parse_port(const char *text, size_t len, uint16_t *ret)
{
	static const char why[] =
	    "the port must be a number from 1 to 65535 without leading zeros";
	unsigned n = 0;

	if (len == 0 || len > 5 || text[0] == '0')
		return why;
	for (size_t i = 0; i < len; i++) {
		if (!is_digit(text[i]))
			return why;
		n = n * 10 + (unsigned)(text[i] - '0');
	}
	if (n > UINT16_MAX)
		return why;
	*ret = (uint16_t)n;
	return NULL;
}

/* An address is accepted in the spelling that inet_ntop() would print. */
static bool
is_canonical(int family, const char *host)
{
	char text[INET6_ADDRSTRLEN];
	uint8_t addr[16];

	return inet_pton(family, host, addr) == 1 &&
	    inet_ntop(family, addr, text, sizeof(text)) != NULL &&
	    strcmp(text, host) == 0;
}

/*
 * True if resolvers may read a host that ends in this label as an address:
 * digits alone, or "0x" and hex digits.
 */
static bool
label_is_number(const char *label)
{
	if (label[0] == '0' && label[1] == 'x')
		return label[2 + strspn(label + 2, "0123456789abcdef")] == '\0';
	return label[strspn(label, "0123456789")] == '\0';
}

static const char *
check_name(const char *host)
{
	const char *label = host;

	for (;;) {
		size_t n = 0;

		while (is_lower_alnum(label[n]) || label[n] == '-')
			n++;
		if (label[n] != '\0' && label[n] != '.')
			return "a host is lower-case letters, digits, '-' and "
			       "'.', other scripts in their \"xn--\" form";
		if (n == 0)
			return "the host has an empty label";
		if (n > 63)
			return "a label of the host is longer than 63";
		if (label[0] == '-' || label[n - 1] == '-')
			return "a label of the host begins or ends with '-'";
		if (label[n] == '\0')
			break;
		label += n + 1;
	}
	return label_is_number(label) ? "the host looks like a number: write "
	                                "an IPv4 address as a dotted quad"
	                              : NULL;
}

/* Copy the host and say where its text ends. */
static const char *
parse_host(
    const char *text, size_t len, struct origin *origin, size_t *ret_used)
{
	bool bracket = len > 0 && text[0] == '[';
	const char *host = text + bracket;
	const char *end = memchr(text, bracket ? ']' : ':', len);
	size_t n;

	if (bracket && end == NULL)
		return "the bracket of the address is not closed";
	n = end == NULL ? len : (size_t)(end - host);
	if (n == 0 || n > ORIGIN_HOST_MAX)
		return "the host is empty or too long";
	if (memchr(host, '\0', n) != NULL)
		return "the host holds a NUL";
	memcpy(origin->host, host, n);
	origin->host[n] = '\0';
	*ret_used = n + (bracket ? 2 : 0);
	if (bracket) {
		origin->kind = ORIGIN_IPV6;
		return is_canonical(AF_INET6, origin->host)
		    ? NULL
		    : "not an IPv6 address in its canonical form";
	}
	origin->kind =
	    is_canonical(AF_INET, origin->host) ? ORIGIN_IPV4 : ORIGIN_NAME;
	return origin->kind == ORIGIN_IPV4 ? NULL : check_name(origin->host);
}

static const char *
parse(const char *text, size_t len, struct origin *origin)
{
	static const char scheme[] = "https://";
	size_t skip = sizeof(scheme) - 1, used;
	const char *why;

	if (len < skip || memcmp(text, scheme, skip) != 0)
		return "must begin with \"https://\"";
	why = parse_host(text + skip, len - skip, origin, &used);
	if (why != NULL)
		return why;
	skip += used;
	origin->port = 443;
	if (skip == len)
		return NULL;
	if (text[skip] != ':')
		return "nothing may follow host and port";
	return parse_port(text + skip + 1, len - skip - 1, &origin->port);
}

int
origin_parse(
    const char *text, size_t len, struct origin *ret, const char **ret_why)
{
	struct origin origin = {0};
	const char *why = parse(text, len, &origin);

	if (why != NULL) {
		*ret_why = why;
		return VERR_FORMAT;
	}
	*ret = origin;
	return 0;
}

void
origin_format(const struct origin *origin, char out[static ORIGIN_TEXT_MAX + 1])
{
	bool bracket = origin->kind == ORIGIN_IPV6;
	char port[sizeof(":65535")] = "";

	if (origin->port != 443)
		snprintf(port, sizeof(port), ":%u", origin->port);
	snprintf(out, ORIGIN_TEXT_MAX + 1, "https://%s%s%s%s",
	    bracket ? "[" : "", origin->host, bracket ? "]" : "", port);
}

bool
origin_equal(const struct origin *a, const struct origin *b)
{
	return a->kind == b->kind && a->port == b->port &&
	    strcmp(a->host, b->host) == 0;
}

bool
profile_id_valid(const char *text, size_t len)
{
	if (len == 0 || len > PROFILE_ID_MAX || text[0] == '-')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!is_lower_alnum(text[i]) && text[i] != '-')
			return false;
	return true;
}

int
profile_parse(const char *text, size_t len, struct profile_id *ret)
{
	const char *slash = memchr(text, '/', len);
	struct profile_id id = {0};
	size_t n, m;

	if (slash == NULL)
		return VERR_FORMAT;
	n = (size_t)(slash - text);
	m = len - n - 1;
	if (!profile_id_valid(text, n) || !profile_id_valid(slash + 1, m))
		return VERR_FORMAT;
	memcpy(id.customer, text, n);
	memcpy(id.name, slash + 1, m);
	*ret = id;
	return 0;
}
