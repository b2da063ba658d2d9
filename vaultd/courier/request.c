#include "vaultd/courier/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "protocol/pairs.h"
#include "vaultd/courier/syntax.h"

#define URL_MAX     (16384 + 512)
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

/* A name, a dotted quad, or an IPv6 address: nothing that needs decoding. */
static int
host_valid(struct slice host)
{
	if (host.n == 0 || host.n > 253)
		return 0;
	for (size_t i = 0; i < host.n; i++) {
		uint8_t c = host.p[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') &&
		    c != '-' && c != '.' && c != ':')
			return 0;
	}
	return 1;
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

/* True if "part" of the URL is "want"; NULL: is not there. */
static int
part_is(CURLU *u, CURLUPart part, const char *want)
{
	char *got = NULL;
	int same;

	if (curl_url_get(u, part, &got, 0) != CURLUE_OK)
		return want == NULL;
	same = want != NULL && strcmp(got, want) == 0;
	curl_free(got);
	return same;
}

static int
parts_are(CURLU *u, const char *host, const char *port, char *target)
{
	char *query = strchr(target, '?');

	if (query != NULL)
		*query++ = '\0';
	return part_is(u, CURLUPART_SCHEME, "https") &&
	    part_is(u, CURLUPART_USER, NULL) &&
	    part_is(u, CURLUPART_PASSWORD, NULL) &&
	    part_is(u, CURLUPART_OPTIONS, NULL) &&
	    part_is(u, CURLUPART_ZONEID, NULL) &&
	    part_is(u, CURLUPART_FRAGMENT, NULL) &&
	    part_is(u, CURLUPART_HOST, host) &&
	    part_is(u, CURLUPART_PORT, port) &&
	    part_is(u, CURLUPART_PATH, target) &&
	    part_is(u, CURLUPART_QUERY, query);
}

/* The words of a URL as libcurl wants them: terminated. */
struct words {
	char host[260], port[8], target[URL_MAX], url[URL_MAX + 300];
};

static int
words_of(const struct rec_ORDER *o, struct words *w)
{
	const char *fmt =
	    memchr(o->host.p, ':', o->host.n) != NULL ? "[%.*s]" : "%.*s";

	if (!host_valid(o->host) || o->port == 0 || o->port > UINT16_MAX ||
	    !target_valid(o->target) || o->target.n >= sizeof(w->target))
		return VERR_FORMAT;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	(void)snprintf(w->host, sizeof(w->host), fmt, (int)o->host.n,
	    (const char *)o->host.p);
#pragma GCC diagnostic pop
	(void)snprintf(w->port, sizeof(w->port), "%u", (unsigned)o->port);
	memcpy(w->target, o->target.p, o->target.n);
	w->target[o->target.n] = '\0';
	(void)snprintf(w->url, sizeof(w->url), "https://%s:%s%s", w->host,
	    w->port, w->target);
	return 0;
}

int
request_url(const struct rec_ORDER *order, char **ret)
{
	struct words *w = calloc(1, sizeof(*w));
	CURLU *u = curl_url();
	int r = VERR_NOMEM;

	if (w == NULL || u == NULL)
		goto out;
	if ((r = words_of(order, w)) != 0)
		goto out;
	r = VERR_FORMAT;
	if (curl_url_set(u, CURLUPART_URL, w->url, CURLU_PATH_AS_IS) !=
	        CURLUE_OK ||
	    !parts_are(u, w->host, w->port, w->target) ||
	    curl_url_set(u, CURLUPART_QUERY, NULL, 0) != CURLUE_OK ||
	    curl_url_set(u, CURLUPART_PATH, "/", 0) != CURLUE_OK)
		goto out;
	r = curl_url_get(u, CURLUPART_URL, ret, 0) == CURLUE_OK ? 0
	                                                        : VERR_NOMEM;
out:
	curl_url_cleanup(u);
	free(w);
	return r;
}

/* Append one line to the list; on failure the list is as it was. */
static int
append(struct curl_slist **list, const char *line)
{
	struct curl_slist *longer = curl_slist_append(*list, line);

	if (longer == NULL)
		return VERR_NOMEM;
	*list = longer;
	return 0;
}

/* "Name: value", or "Name;", which is how libcurl is told an empty one. */
static int
append_field(struct curl_slist **list, struct slice name, struct slice value)
{
	size_t size = name.n + value.n + 3;
	char *line;
	int r;

	if ((line = malloc(size)) == NULL)
		return VERR_NOMEM;
	if (value.n == 0)
		(void)snprintf(
		    line, size, "%.*s;", (int)name.n, (const char *)name.p);
	else
		(void)snprintf(line, size, "%.*s: %.*s", (int)name.n,
		    (const char *)name.p, (int)value.n, (const char *)value.p);
	r = append(list, line);
	free(line);
	return r;
}

static int
is_not_theirs(struct slice name)
{
	for (size_t i = 0; not_theirs[i] != NULL; i++)
		if (syntax_same(name, slice_str(not_theirs[i])))
			return 1;
	return syntax_begins(name, "proxy-");
}

int
request_headers(const struct rec_ORDER *order, struct curl_slist **ret)
{
	struct curl_slist *list = NULL;
	struct slice rest = order->headers, name, value;
	int r, has_accept = 0, has_encoding = 0;

	for (size_t n = 0; (r = pairs_next(&rest, &name, &value)) == 0; n++) {
		value = syntax_trim(value);
		r = VERR_FORMAT;
		if (n == HEADERS_MAX || !syntax_is_token(name) ||
		    !syntax_is_value(value) || is_not_theirs(name))
			goto out;
		has_accept |= syntax_same(name, slice_str("accept"));
		has_encoding |= syntax_same(name, slice_str("accept-encoding"));
		if ((r = append_field(&list, name, value)) != 0)
			goto out;
	}
	if (r != VERR_NOTFOUND)
		goto out;
	/* libcurl's own are struck out by a name without a value. */
	if ((r = append(&list, "Expect:")) != 0)
		goto out;
	if (!has_accept && (r = append(&list, "Accept:")) != 0)
		goto out;
	if (!has_encoding &&
	    (r = append(&list, "Accept-Encoding: identity")) != 0)
		goto out;
	*ret = list;
	return 0;
out:
	curl_slist_free_all(list);
	return r;
}
