#include "vaultd/keeper/render.h"

#include <strings.h>

#include <sodium.h>

#include "protocol/pairs.h"
#include "vaultd/base/secret.h"

#define TARGET_CAP  16384
#define HEADERS_CAP 65536
#define VALUE_CAP   (3 * RENDER_FIELD_MAX)
#define PLACEHOLDER "vaultd"

/* What becomes of a client's header.  '_' is taken for '-' in every name. */
enum fate { FATE_PASS, FATE_DROP, FATE_REFUSE, FATE_CREDENTIAL };

static const struct {
	const char *name; /* a '*' at the end: whatever begins so */
	enum fate fate;
} fates[] = {
    /* Between two hops alone (RFC 9110, 7.6.1), and the body's framing */
    {"connection", FATE_DROP},
    {"keep-alive", FATE_DROP},
    {"te", FATE_DROP},
    {"trailer", FATE_DROP},
    {"transfer-encoding", FATE_DROP},
    {"upgrade", FATE_DROP},
    {"proxy-connection", FATE_DROP},
    {"host", FATE_DROP},
    {"content-length", FATE_DROP},
    {"expect", FATE_DROP},
    /* The vault's own */
    {"accept-encoding", FATE_DROP},
    {"forwarded", FATE_DROP},
    {"x-forwarded-*", FATE_DROP},
    {"vaultd-url", FATE_REFUSE}, /* or it would go elsewhere than it says */
    {"vaultd-*", FATE_DROP},
    /* State and detours that an upstream might honour over what was asked */
    {"proxy-authorization", FATE_CREDENTIAL},
    {"cookie", FATE_REFUSE},
    {"cookie2", FATE_REFUSE},
    {"proxy-*", FATE_REFUSE},
    {"x-http-method", FATE_REFUSE},
    {"x-http-method-override", FATE_REFUSE},
    {"x-method-override", FATE_REFUSE},
    {"x-original-url", FATE_REFUSE},
    {"x-rewrite-url", FATE_REFUSE},
    {"http2-settings", FATE_REFUSE},
    /* The profile's to fill in */
    {"authorization", FATE_CREDENTIAL},
};

static const struct render_refusal bad_field = {REFUSED_BAD_REQUEST,
    "a header of the request is malformed, or there are too many"};
static const struct render_refusal bad_header = {REFUSED_BAD_REQUEST,
    "the request has what is never passed on: Cookie, Proxy-*, or a header or "
    "query that overrides its method or URL"};
static const struct render_refusal only_signs = {
    REFUSED_BAD_REQUEST, "the profile's credential signs; it is sent nowhere"};
static const struct render_refusal own_credential = {REFUSED_CREDENTIAL,
    "the request carries a credential of its own: leave it out, or write "
    "\"vaultd\" in its place"};

static char
fold(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (char)(c + 32);
	return c == '_' ? '-' : c;
}

/*
 * True if "name" is "pattern", which may end with '*'.
 */
static bool
name_is(struct slice name, const char *pattern)
{
	size_t i;

	for (i = 0; i < name.n; i++) {
		if (pattern[i] == '*')
			return true;
		if (pattern[i] == '\0' ||
		    fold((char)name.p[i]) != fold(pattern[i]))
			return false;
	}
	return pattern[i] == '\0' || pattern[i] == '*';
}

static enum fate
fate_of(const struct catalog_link *link, struct slice name)
{
	char first = name.n == 0 ? '\0' : fold((char)name.p[0]);

	if (link->injection.kind == INJECT_HEADER &&
	    name_is(name, link->injection.name))
		return FATE_CREDENTIAL;
	for (size_t i = 0; i < sizeof(fates) / sizeof(fates[0]); i++)
		if (fates[i].name[0] == first && name_is(name, fates[i].name))
			return fates[i].fate;
	return FATE_PASS;
}

static bool
is_token(struct slice s)
{
	static const char marks[] = "!#$%&'*+-.^_`|~";

	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		        (c >= '0' && c <= '9') ||
		        (c != 0 && strchr(marks, c) != NULL)))
			return false;
	}
	return s.n > 0 && s.n <= 256;
}

static bool
is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static bool
is_value(struct slice s)
{
	if (s.n > 0 && (is_blank(s.p[0]) || is_blank(s.p[s.n - 1])))
		return false;
	for (size_t i = 0; i < s.n; i++)
		if ((s.p[i] < 0x20 && s.p[i] != '\t') || s.p[i] >= 0x7f)
			return false;
	return s.n <= RENDER_FIELD_MAX;
}

/*
 * True if the secret of this credential header is the placeholder: alone,
 * after a scheme ("Bearer vaultd"), or as Basic's password.
 */
static bool
is_placeholder(struct slice value)
{
	static const size_t len = sizeof(PLACEHOLDER) - 1;
	uint8_t plain[256];
	size_t n = 0;

	if (value.n > 6 && strncasecmp((const char *)value.p, "basic ", 6) == 0)
		return sodium_base642bin(plain, sizeof(plain),
		           (const char *)value.p + 6, value.n - 6, NULL, &n,
		           NULL, sodium_base64_VARIANT_ORIGINAL) == 0 &&
		    n > len && memcmp(plain + n - len, PLACEHOLDER, len) == 0 &&
		    memchr(plain, ':', n) == plain + n - len - 1;
	if (value.n < len ||
	    memcmp(value.p + value.n - len, PLACEHOLDER, len) != 0)
		return false;
	if (value.n == len)
		return true;
	/* One scheme, one blank, the placeholder. */
	return value.p[value.n - len - 1] == ' ' &&
	    is_token(slice_of(value.p, value.n - len - 1));
}

/*
 * The next separator of a query's items at "p" or behind, or NULL.  Some
 * upstreams split at ';', too.
 */
static const char *
next_separator(const char *p, const char *end)
{
	while (p < end && *p != '&' && *p != ';')
		p++;
	return p < end ? p : NULL;
}

/*
 * Is there a parameter "name" in the query of "target" that is not the
 * placeholder?  Sets *ret_at to the item that is it.
 */
static bool
query_has(struct slice target, const char *name, struct slice *ret_at)
{
	const char *p = memchr(target.p, '?', target.n);
	const char *end = (const char *)target.p + target.n;
	size_t len = strlen(name);

	*ret_at = slice_of(NULL, 0);
	while (p != NULL && p < end) {
		const char *item = p + 1;
		const char *next = next_separator(item, end);
		size_t n = (size_t)((next == NULL ? end : next) - item);

		if (n >= len && memcmp(item, name, len) == 0 &&
		    (n == len || item[len] == '=')) {
			if (n != len + 1 + strlen(PLACEHOLDER) ||
			    memcmp(item + len + 1, PLACEHOLDER,
			        strlen(PLACEHOLDER)) != 0 ||
			    ret_at->p != NULL)
				return true;
			*ret_at = slice_of(item, n);
		}
		p = next;
	}
	return false;
}

static bool
is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || c == '_' || c == '-';
}

/*
 * Read one character of a parameter's name at *p, and move behind it: in small
 * letters, and with '_' for what PHP has '_' for.  The target is normalised,
 * so that letters, '_' and '.' are not escaped.
 */
static char
name_char(const char **p, const char *end)
{
	char c = *(*p)++;

	if (c == '%' && end - *p >= 2 &&
	    (memcmp(*p, "20", 2) == 0 || memcmp(*p, "5B", 2) == 0)) {
		*p += 2;
		return '_';
	}
	if (c == '+' || c == '.' || c == '[')
		return '_';
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Is the parameter at "p" called "name", or is it to some? */
static bool
is_named(const char *p, const char *end, const char *name)
{
	while (p < end &&
	    (*p == '+' || (end - p >= 3 && memcmp(p, "%20", 3) == 0)))
		p += *p == '+' ? 1 : 3;
	for (; *name != '\0'; name++)
		if (p == end || name_char(&p, end) != *name)
			return false;
	return p == end || !is_name_char(*p);
}

/*
 * Is there a parameter in the query that some take for the method ("_method")
 * or, WordPress, for the path ("rest_route")?
 */
static bool
overrides_request(struct slice target)
{
	const char *end = (const char *)target.p + target.n;
	const char *p = memchr(target.p, '?', target.n);

	for (; p != NULL; p = next_separator(p + 1, end))
		if (is_named(p + 1, end, "_method") ||
		    is_named(p + 1, end, "rest_route"))
			return true;
	return false;
}

int
render_check(const struct catalog_link *link, struct slice headers,
    struct slice target, struct render_refusal *why)
{
	struct slice name, value, at;
	size_t count = 0;
	int r;

	if (!link->sends) {
		*why = only_signs;
		return VERR_FORMAT;
	}
	while ((r = pairs_next(&headers, &name, &value)) == 0) {
		if (!is_token(name) || !is_value(value) ||
		    ++count > RENDER_HEADERS_MAX) {
			*why = bad_field;
			return VERR_FORMAT;
		}
		switch (fate_of(link, name)) {
		case FATE_REFUSE:
			*why = bad_header;
			return VERR_FORMAT;
		case FATE_CREDENTIAL:
			if (is_placeholder(value))
				break;
			*why = own_credential;
			return VERR_FORMAT;
		case FATE_PASS:
		case FATE_DROP:
			break;
		}
	}
	if (r != VERR_NOTFOUND) {
		*why = bad_field;
		return VERR_FORMAT;
	}
	if (overrides_request(target)) {
		*why = bad_header;
		return VERR_FORMAT;
	}
	if (link->injection.kind == INJECT_QUERY &&
	    query_has(target, link->injection.name, &at)) {
		*why = own_credential;
		return VERR_FORMAT;
	}
	return 0;
}

/* Where requests are rendered, one at a time: the loop has one thread. */
struct scratch {
	uint8_t target[TARGET_CAP];
	uint8_t headers[HEADERS_CAP];
	uint8_t value[VALUE_CAP];
	uint8_t plain[VALUE_CAP];
};

/* How much of it is to be wiped. */
struct used {
	size_t target, headers, value, plain;
};

static const struct used everything = {
    TARGET_CAP, HEADERS_CAP, VALUE_CAP, VALUE_CAP};

/*
 * Fill a template's names in from the secret's fields.
 */
static int
fill(const char *template, struct slice secret, uint8_t *out, size_t cap,
    size_t *ret_len)
{
	struct template_piece piece;
	size_t at = 0, n = 0;
	char name[64];
	int r;

	while ((r = template_next(template, &at, &piece)) == 1) {
		struct slice text = slice_of(piece.text, piece.len);

		if (piece.is_name) {
			if (piece.len >= sizeof(name))
				return VERR_FORMAT;
			memcpy(name, piece.text, piece.len);
			name[piece.len] = '\0';
			if ((r = pairs_find(secret, name, &text)) != 0)
				return VERR_FORMAT;
		}
		if (text.n > cap - n)
			return VERR_TOOBIG;
		memcpy(out + n, text.p, text.n);
		n += text.n;
	}
	*ret_len = n;
	return r;
}

/*
 * "Basic BASE64(user:secret)" (RFC 7617).
 */
static int
fill_basic(
    struct scratch *s, const char *user, struct slice secret, size_t *ret_len)
{
	const int variant = sodium_base64_VARIANT_ORIGINAL;
	struct slice password;
	size_t n;
	int r;

	if ((r = fill(user, secret, s->plain, VALUE_CAP / 2, &n)) != 0)
		return r;
	if (pairs_find(secret, "secret", &password) != 0)
		return VERR_FORMAT;
	if (password.n > VALUE_CAP / 2 - n - 1)
		return VERR_TOOBIG;
	s->plain[n++] = ':';
	memcpy(s->plain + n, password.p, password.n);
	n += password.n;
	if (sodium_base64_encoded_len(n, variant) > VALUE_CAP - 6)
		return VERR_TOOBIG;
	memcpy(s->value, "Basic ", 6);
	/* It fills all the room that it is given. */
	(void)sodium_bin2base64((char *)s->value + 6,
	    sodium_base64_encoded_len(n, variant), s->plain, n, variant);
	*ret_len = strlen((char *)s->value);
	return 0;
}

/*
 * Append a query parameter's value, escaped but for unreserved characters
 * (RFC 3986, 2.3).
 */
static int
put_escaped(struct slice value, uint8_t *out, size_t cap, size_t *n)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < value.n; i++) {
		uint8_t c = value.p[i];

		if (cap - *n < 3)
			return VERR_TOOBIG;
		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		    (c >= '0' && c <= '9') || memchr("-._~", c, 4) != NULL) {
			out[(*n)++] = c;
			continue;
		}
		out[(*n)++] = '%';
		out[(*n)++] = (uint8_t)hex[c >> 4];
		out[(*n)++] = (uint8_t)hex[c & 15];
	}
	return 0;
}

/*
 * The target with the secret as parameter "name": in the placeholder's place,
 * else at the end.
 */
static int
render_query(struct scratch *s, const char *name, struct slice target,
    struct slice secret, size_t *ret_len)
{
	size_t head = target.n, len = strlen(name), n;
	const uint8_t *rest = target.p + target.n;
	struct slice value, at;
	int r;

	if (query_has(target, name, &at) ||
	    pairs_find(secret, "secret", &value) != 0)
		return VERR_FORMAT;
	if (target.n + len + 2 > TARGET_CAP)
		return VERR_TOOBIG;
	if (at.p != NULL) {
		head = (size_t)(at.p - target.p);
		rest = at.p + at.n;
	}
	memcpy(s->target, target.p, head);
	n = head;
	if (at.p == NULL)
		s->target[n++] =
		    memchr(target.p, '?', target.n) == NULL ? '?' : '&';
	memcpy(s->target + n, name, len);
	n += len;
	s->target[n++] = '=';
	if ((r = put_escaped(value, s->target, TARGET_CAP, &n)) != 0)
		return r;
	if ((size_t)(target.p + target.n - rest) > TARGET_CAP - n)
		return VERR_TOOBIG;
	memcpy(s->target + n, rest, (size_t)(target.p + target.n - rest));
	*ret_len = n + (size_t)(target.p + target.n - rest);
	return 0;
}

static bool
has_header(struct slice headers, struct slice wanted)
{
	char pattern[INJECTION_NAME_MAX + 1];
	struct slice name, value;

	if (wanted.n > INJECTION_NAME_MAX)
		return false;
	memcpy(pattern, wanted.p, wanted.n);
	pattern[wanted.n] = '\0';
	while (pairs_next(&headers, &name, &value) == 0)
		if (name_is(name, pattern))
			return true;
	return false;
}

/*
 * The client's headers that pass, then the entry's own and the vault's.
 */
static void
put_headers(const struct render_request *req, struct pairs_writer *w)
{
	struct slice rest = req->headers, name, value;

	while (pairs_next(&rest, &name, &value) == 0)
		if (fate_of(req->link, name) == FATE_PASS)
			pairs_put(w, name, value);
	for (size_t i = 0; i < req->link->nheaders; i++) {
		const char *h = req->link->headers[i];
		const char *colon = strstr(h, ": ");

		if (colon == NULL)
			continue;
		name = slice_of(h, (size_t)(colon - h));
		if (!has_header(req->headers, name))
			pairs_put(w, name, slice_str(colon + 2));
	}
	if (!has_header(req->headers, slice_str("user-agent")))
		pairs_add(w, "User-Agent", slice_str("vaultd"));
	if (!has_header(req->headers, slice_str("accept")))
		pairs_add(w, "Accept", slice_str("*/*"));
	pairs_add(w, "Accept-Encoding", slice_str("identity"));
}

static struct scratch *scratch;
static struct used used;

void
render_forget(void)
{
	if (scratch == NULL)
		return;
	sodium_memzero(scratch->target, used.target);
	sodium_memzero(scratch->headers, used.headers);
	sodium_memzero(scratch->value, used.value);
	sodium_memzero(scratch->plain, used.plain);
	used = (struct used){0, 0, 0, 0};
}

int
render(const struct render_request *req, struct rendered *ret,
    struct render_refusal *why)
{
	struct scratch *s = scratch;
	const struct injection *in = &req->link->injection;
	struct pairs_writer w = {.cap = HEADERS_CAP};
	size_t n = 0;
	int r;

	if (s == NULL &&
	    (scratch = s = (struct scratch *)secret_alloc(sizeof(*s))) == NULL)
		return VERR_NOMEM;
	if ((r = render_check(req->link, req->headers, req->target, why)) != 0)
		return r;
	render_forget();
	used = everything; /* until it is known */
	w.p = s->headers;
	put_headers(req, &w);
	ret->target = req->target;
	switch (in->kind) {
	case INJECT_HEADER:
		r = fill(in->template, req->secret, s->value, VALUE_CAP, &n);
		pairs_add(&w, in->name, slice_of(s->value, n));
		break;
	case INJECT_BASIC:
		r = fill_basic(s, in->template, req->secret, &n);
		pairs_add(&w, "Authorization", slice_of(s->value, n));
		break;
	case INJECT_QUERY:
		r = render_query(s, in->name, req->target, req->secret, &n);
		ret->target = slice_of(s->target, n);
		break;
	}
	if (r != 0 && r != VERR_TOOBIG)
		return r;
	if (r != 0 || w.overflow) {
		*why = (struct render_refusal){REFUSED_TOO_LARGE,
		    "the request with its credential is too large"};
		return VERR_TOOBIG;
	}
	ret->headers = slice_of(s->headers, w.n);
	/* A value, its NUL, and what it was made of, which is no longer. */
	used = in->kind == INJECT_QUERY ? (struct used){n, w.n, 0, 0}
	                                : (struct used){0, w.n, n + 1, n};
	return 0;
}
