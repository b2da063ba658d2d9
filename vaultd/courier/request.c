#include "vaultd/courier/request.h"

#include <stdio.h>

#include "protocol/pairs.h"
#include "vaultd/courier/syntax.h"

#define HEADERS_MAX 128

/* What frames or routes a message is not an order's to say. */
static const char *const not_theirs[] = {
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "upgrade",
    "expect",
    NULL,
};

static int
is_one_of(struct slice method, const char *const *list)
{
	for (; *list != NULL; list++)
		if (slice_is(method, *list))
			return 1;
	return 0;
}

int
request_method_valid(struct slice method)
{
	if (method.n == 0 || method.n > 20)
		return 0;
	for (size_t i = 0; i < method.n; i++) {
		uint8_t c = method.p[i];

		if (!(c >= 'A' && c <= 'Z') && c != '-' && c != '_')
			return 0;
	}
	return !slice_is(method, "CONNECT") && !slice_is(method, "TRACE");
}

int
request_method_idempotent(struct slice method)
{
	static const char *const list[] = {
	    "GET", "HEAD", "OPTIONS", "PUT", "DELETE", NULL};

	return is_one_of(method, list);
}

int
request_has_body(const struct rec_ORDER *order)
{
	static const char *const list[] = {"POST", "PUT", "PATCH", NULL};

	return order->body != BODY_NONE || is_one_of(order->method, list);
}

/*
 * A number, in any of the spellings that some resolver reads as an address,
 * is only one as a dotted quad; the dialer never sees another.
 */
static int
is_number(struct slice label)
{
	if (label.n == 0 || label.p[0] < '0' || label.p[0] > '9')
		return 0;
	if (label.n > 2 && label.p[0] == '0' && label.p[1] == 'x')
		return 1;
	for (size_t i = 0; i < label.n; i++)
		if (label.p[i] < '0' || label.p[i] > '9')
			return 0;
	return 1;
}

static int
is_dotted_quad(struct slice host)
{
	unsigned parts = 1, value = 0, digits = 0;

	for (size_t i = 0; i < host.n; i++) {
		if (host.p[i] == '.') {
			if (digits == 0)
				return 0;
			parts++;
			value = digits = 0;
			continue;
		}
		if (host.p[i] < '0' || host.p[i] > '9' ||
		    (digits > 0 && value == 0))
			return 0;
		value = value * 10 + (host.p[i] - '0');
		digits++;
		if (value > 255)
			return 0;
	}
	return parts == 4 && digits > 0;
}

/*
 * A name, a dotted quad or an IPv6 address: nothing that needs decoding, and
 * nothing that could end a URL's host.
 */
static int
origin_valid(struct slice host, uint64_t port)
{
	size_t last = 0;
	int address = 0;

	if (host.n == 0 || host.n > HOST_MAX || port == 0 || port > UINT16_MAX)
		return 0;
	for (size_t i = 0; i < host.n; i++) {
		uint8_t c = host.p[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') &&
		    c != '-' && c != '.' && c != ':')
			return 0;
		address |= c == ':';
		if (c == '.')
			last = i + 1;
	}
	if (last == host.n)
		return 0;
	return address || !is_number(slice_of(host.p + last, host.n - last)) ||
	    is_dotted_quad(host);
}

static int
target_valid(struct slice target)
{
	if (target.n == 0 || target.p[0] != '/')
		return 0;
	for (size_t i = 0; i < target.n; i++)
		if (target.p[i] <= ' ' || target.p[i] >= 0x7f ||
		    target.p[i] == '#' || target.p[i] == '\\')
			return 0;
	return 1;
}

static int
is_not_theirs(struct slice name)
{
	for (size_t i = 0; not_theirs[i] != NULL; i++)
		if (syntax_same(name, slice_str(not_theirs[i])))
			return 1;
	return syntax_begins(name, "proxy-");
}

/* Append all of "parts", up to an empty one. */
static int
append(struct buf *out, const struct slice *parts)
{
	int r = 0;

	for (; r == 0 && parts->n > 0; parts++)
		r = buf_add(out, parts->p, parts->n);
	return r;
}
#define APPEND(out, ...)                                                       \
	append((out), (const struct slice[]){__VA_ARGS__, {NULL, 0}})
#define TEXT(s) slice_str(s)

/* The port is said unless it is the scheme's own, an IPv6 address bracketed. */
static int
append_host(const struct rec_ORDER *order, struct buf *out)
{
	char line[HOST_MAX + 32], port[8] = "";
	const char *host = (const char *)order->host.p;
	int n = (int)order->host.n;

	if (order->port != 443)
		(void)snprintf(
		    port, sizeof(port), ":%u", (unsigned)order->port);
	if (memchr(host, ':', order->host.n) != NULL)
		n = snprintf(
		    line, sizeof(line), "Host: [%.*s]%s\r\n", n, host, port);
	else
		n = snprintf(
		    line, sizeof(line), "Host: %.*s%s\r\n", n, host, port);
	return buf_add(out, line, (size_t)n);
}

static int
append_fields(const struct rec_ORDER *order, struct buf *out)
{
	struct slice rest = order->headers, name, value;
	int r, has_encoding = 0;

	for (size_t n = 0; (r = pairs_next(&rest, &name, &value)) == 0; n++) {
		value = syntax_trim(value);
		if (n == HEADERS_MAX || !syntax_is_token(name) ||
		    !syntax_is_value(value) || is_not_theirs(name))
			return VERR_FORMAT;
		has_encoding |= syntax_same(name, slice_str("accept-encoding"));
		r = value.n == 0
		    ? APPEND(out, name, TEXT(":\r\n"))
		    : APPEND(out, name, TEXT(": "), value, TEXT("\r\n"));
		if (r != 0)
			return r;
	}
	if (r != VERR_NOTFOUND)
		return r;
	return has_encoding
	    ? 0
	    : APPEND(out, TEXT("Accept-Encoding: identity\r\n"));
}

static int
append_framing(const struct rec_ORDER *order, struct buf *out)
{
	char length[48];

	if (order->body == BODY_STREAM)
		return APPEND(out, TEXT("Transfer-Encoding: chunked\r\n\r\n"));
	if (!request_has_body(order))
		return APPEND(out, TEXT("\r\n"));
	(void)snprintf(length, sizeof(length), "Content-Length: %llu\r\n\r\n",
	    order->body == BODY_LENGTH ? (unsigned long long)order->length
	                               : 0ULL);
	return APPEND(out, TEXT(length));
}

int
request_head(const struct rec_ORDER *order, struct buf *out)
{
	int r;

	if (!request_method_valid(order->method) ||
	    !origin_valid(order->host, order->port) ||
	    !target_valid(order->target) ||
	    (slice_is(order->method, "HEAD") && order->body != BODY_NONE))
		return VERR_FORMAT;
	if ((r = APPEND(out, order->method, TEXT(" "), order->target,
	         TEXT(" HTTP/1.1\r\n"))) != 0 ||
	    (r = append_host(order, out)) != 0 ||
	    (r = append_fields(order, out)) != 0)
		return r;
	return append_framing(order, out);
}
