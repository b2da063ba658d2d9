#include "policy/injection.h"

#include <string.h>
#include <strings.h>

/*
 * Names that frame or route a message, choose what is spoken, or carry
 * credentials and cookies that are not the profile's.
 */
static const char *const reserved[] = {
    "Accept-Encoding",
    "Connection",
    "Content-Encoding",
    "Content-Length",
    "Content-Type",
    "Cookie",
    "Cookie2",
    "Expect",
    "Forwarded",
    "Host",
    "HTTP2-Settings",
    "Keep-Alive",
    "Set-Cookie",
    "Set-Cookie2",
    "TE",
    "Trailer",
    "Trailers",
    "Transfer-Encoding",
    "Upgrade",
    "Via",
    "X-HTTP-Method",
    "X-HTTP-Method-Override",
    "X-Method-Override",
    "X-Original-URL",
    "X-Rewrite-URL",
};

static const char *const reserved_prefixes[] = {
    "Proxy-",
    "Vaultd-",
    "X-Forwarded-",
};

static bool
is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
	    (c >= 'a' && c <= 'z');
}

/* '_' and '-' are the same to servers that make variables of headers. */
static bool
same_name(const char *a, const char *b, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char x = a[i] == '_' ? '-' : a[i];
		char y = b[i];

		if (x >= 'A' && x <= 'Z')
			x = (char)(x + 32);
		if (y >= 'A' && y <= 'Z')
			y = (char)(y + 32);
		if (x != y)
			return false;
	}
	return true;
}

bool
injection_header_reserved(const char *name, size_t len)
{
	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		if (strlen(reserved[i]) == len &&
		    same_name(name, reserved[i], len))
			return true;
	for (size_t i = 0;
	     i < sizeof(reserved_prefixes) / sizeof(reserved_prefixes[0]);
	     i++) {
		size_t n = strlen(reserved_prefixes[i]);

		if (len >= n && same_name(name, reserved_prefixes[i], n))
			return true;
	}
	return false;
}

/* The length of the name at "text", of which "set" may be part. */
static size_t
span_name(const char *text, size_t len, const char *set)
{
	size_t n = 0;

	while (n < len && text[n] != '\0' &&
	    (is_alnum(text[n]) || strchr(set, text[n]) != NULL))
		n++;
	return n;
}

bool
injection_token(const char *name, size_t len)
{
	return len > 0 && len <= INJECTION_NAME_MAX &&
	    span_name(name, len, "!#$%&'*+-.^_`|~") == len;
}

int
template_next(const char *template, size_t *at, struct template_piece *ret)
{
	const char *p = template + *at;
	size_t n = 0;

	if (*p == '\0')
		return 0;
	if (*p == '}')
		return VERR_FORMAT;
	if (*p != '{') {
		n = strcspn(p, "{}");
		*ret = (struct template_piece){false, p, n};
		*at += n;
		return 1;
	}
	p++;
	while ((p[n] >= 'a' && p[n] <= 'z') ||
	    (n > 0 &&
	        ((p[n] >= '0' && p[n] <= '9') || p[n] == '_' || p[n] == '-')))
		n++;
	if (n == 0 || p[n] != '}')
		return VERR_FORMAT;
	*ret = (struct template_piece){true, p, n};
	*at += n + 2;
	return 1;
}

/* What is wrong with a template that must hold {secret} "secrets" times. */
static const char *
check_template(const char *template, size_t secrets, const char *literals)
{
	struct template_piece piece;
	size_t at = 0, n = 0;
	int r;

	while ((r = template_next(template, &at, &piece)) > 0) {
		if (piece.is_name)
			n += piece.len == 6 &&
			    memcmp(piece.text, "secret", 6) == 0;
		else if (literals != NULL &&
		    strcspn(piece.text, literals) < piece.len)
			return "a character that may not stand in a user's "
			       "name";
	}
	if (r < 0)
		return "a brace without its fellow, or a bad name in braces";
	if (n != secrets)
		return secrets == 1 ? "{secret} must stand in it once"
		                    : "{secret} may not stand in it";
	return NULL;
}

static const char *
copy_template(const char *text, size_t len, size_t secrets,
    const char *literals, struct injection *inj)
{
	if (len == 0 || len > INJECTION_TEMPLATE_MAX)
		return "the template is empty or too long";
	memcpy(inj->template, text, len);
	return check_template(inj->template, secrets, literals);
}

static const char *
parse_header(const char *text, size_t len, struct injection *inj)
{
	const char *colon = memchr(text, ':', len);
	size_t n = colon == NULL ? 0 : (size_t)(colon - text);

	if (!injection_token(text, n))
		return "must be \"header NAME: TEMPLATE\"";
	if (injection_header_reserved(text, n))
		return "this header is not for credentials";
	memcpy(inj->name, text, n);
	for (n++; n < len && text[n] == ' '; n++)
		;
	return copy_template(text + n, len - n, 1, NULL, inj);
}

static const char *
parse_query(const char *text, size_t len, struct injection *inj)
{
	if (len == 0 || len > INJECTION_NAME_MAX ||
	    span_name(text, len, "-._~[]") != len)
		return "must be \"query NAME\"";
	memcpy(inj->name, text, len);
	return copy_template("{secret}", 8, 1, NULL, inj);
}

static const char *
parse_basic(const char *text, size_t len, struct injection *inj)
{
	return copy_template(text, len, 0, ":", inj);
}

int
injection_parse(
    const char *text, size_t len, struct injection *ret, const char **ret_why)
{
	static const struct {
		const char *word;
		enum injection_kind kind;
		const char *(*parse)(const char *, size_t, struct injection *);
	} kinds[] = {
	    {"header ", INJECT_HEADER, parse_header},
	    {"query ", INJECT_QUERY, parse_query},
	    {"basic ", INJECT_BASIC, parse_basic},
	};
	const char *why = "must begin with \"header\", \"query\" or \"basic\"";
	struct injection inj = {0};

	for (size_t i = 0; i < len; i++)
		if (text[i] < ' ' || text[i] > '~') {
			*ret_why = "an injection is printable ASCII";
			return VERR_FORMAT;
		}
	if (len > 0 && text[len - 1] == ' ') {
		*ret_why = "a blank ends it";
		return VERR_FORMAT;
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t n = strlen(kinds[i].word);

		if (len >= n && memcmp(text, kinds[i].word, n) == 0) {
			inj.kind = kinds[i].kind;
			why = kinds[i].parse(text + n, len - n, &inj);
			break;
		}
	}
	if (why != NULL) {
		*ret_why = why;
		return VERR_FORMAT;
	}
	*ret = inj;
	return 0;
}
