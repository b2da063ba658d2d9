#include "policy/path.h"

#include <string.h>

#include "protocol/lex.h"

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

static bool
is_alnum(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
	    (c >= 'a' && c <= 'z');
}

static bool
one_of(unsigned char c, const char *set)
{
	return c != '\0' && strchr(set, c) != NULL;
}

static bool
is_unreserved(unsigned char c)
{
	return is_alnum(c) || one_of(c, "-._~");
}

/* The byte that the escape at "p" stands for, or -1. */
static int
escape_value(const char *p, size_t left)
{
	int high, low;

	if (left < 3 || p[0] != '%')
		return -1;
	high = hex_value(p[1]);
	low = hex_value(p[2]);
	return high < 0 || low < 0 ? -1 : high << 4 | low;
}

/*
 * Copy the escapes that together are one character at "in", in upper case, or
 * the character itself if it is unreserved.  Returns the bytes read, *ret_n
 * those written; 0 with *ret_why set if it is refused.
 */
static size_t
copy_escape(const char *in, size_t left, bool in_path, char *out, size_t *ret_n,
    const char **ret_why)
{
	static const char hex[] = "0123456789ABCDEF";
	unsigned char c[4];
	uint32_t code;
	size_t n = 0;
	int value;

	while (n < 4 && (value = escape_value(in + 3 * n, left - 3 * n)) >= 0)
		c[n++] = (unsigned char)value;
	if (n == 0) {
		*ret_why = "a '%' is not followed by two hex digits";
		return 0;
	}
	n = lex_utf8(c, n, &code);
	if (n == 0)
		*ret_why = "an escape is not UTF-8";
	else if (in_path && (code == '/' || code == '\\'))
		*ret_why = "the path holds an escaped slash or backslash";
	else if (code == 0 ||
	    (in_path && (code < 0x20 || (code >= 0x7f && code < 0xa0))))
		*ret_why = "an escape is a control character";
	if (*ret_why != NULL)
		return 0;
	*ret_n = n == 1 && is_unreserved(c[0]) ? 1 : 3 * n;
	if (*ret_n == 1)
		out[0] = (char)c[0];
	else
		for (size_t i = 0; i < n; i++) {
			out[3 * i] = '%';
			out[3 * i + 1] = hex[c[i] >> 4];
			out[3 * i + 2] = hex[c[i] & 0xf];
		}
	return 3 * n;
}

static bool
char_allowed(unsigned char c, bool in_path)
{
	if (in_path)
		return is_unreserved(c) || one_of(c, "/!$&'()*+,;=:@");
	return c > 0x20 && c < 0x7f && !one_of(c, "\\\"<>#");
}

/* What is wrong with one segment, or NULL. */
static const char *
segment_refused(const char *s, size_t len, bool last)
{
	size_t n = 0;

	while (n < len && s[n] != ';' && escape_value(s + n, len - n) != ';')
		n++;
	if (n == 0 && (len > 0 || !last))
		return "the path has an empty segment";
	if ((n == 1 && s[0] == '.') || (n == 2 && s[0] == '.' && s[1] == '.'))
		return "the path has a dot segment";
	for (size_t i = 0; i + 4 < len; i++)
		if (escape_value(s + i, len - i) == '%' &&
		    hex_value(s[i + 3]) >= 0 && hex_value(s[i + 4]) >= 0)
			return "the path is escaped twice";
	return NULL;
}

/* What is wrong with the segments of a path that is otherwise normal. */
static const char *
path_refused(const char *path, size_t len)
{
	const char *why = NULL;
	size_t at = 1;

	if (len == 0 || path[0] != '/')
		return "the path does not begin with '/'";
	while (at <= len && why == NULL) {
		const char *slash = memchr(path + at, '/', len - at);
		size_t end = slash == NULL ? len : (size_t)(slash - path);

		why = segment_refused(path + at, end - at, slash == NULL);
		at = end + 1;
	}
	return why;
}

int
path_normalise(const char *target, size_t len,
    char out[static PATH_TARGET_MAX + 1], size_t *ret_len, size_t *ret_path_len,
    const char **ret_why)
{
	const char *why = NULL;
	size_t i = 0, n = 0, path_len = 0;
	bool in_path = true;

	if (len > PATH_TARGET_MAX) {
		*ret_why = "the path is too long";
		return VERR_TOOBIG;
	}
	while (i < len && why == NULL) {
		unsigned char c = (unsigned char)target[i];
		size_t wrote = 1;

		if (c == '%') {
			i += copy_escape(target + i, len - i, in_path, out + n,
			    &wrote, &why);
		} else if (c == '?' || char_allowed(c, in_path)) {
			if (c == '?' && in_path) {
				path_len = n;
				in_path = false;
			}
			out[n] = (char)c;
			i++;
		} else
			why = "a character must be escaped, or not be there";
		n += why == NULL ? wrote : 0;
	}
	if (in_path)
		path_len = n;
	if (why == NULL)
		why = path_refused(out, path_len);
	if (why != NULL) {
		*ret_why = why;
		return VERR_FORMAT;
	}
	out[n] = '\0';
	*ret_len = n;
	*ret_path_len = path_len;
	return 0;
}

static size_t
append(char *out, size_t size, size_t n, const char *text, size_t len)
{
	if (len > size - 1 - n)
		len = size - 1 - n;
	memcpy(out + n, text, len);
	return n + len;
}

void
path_elide(
    const char *target, size_t len, size_t path_len, char *out, size_t size)
{
	size_t n = append(out, size, 0, target, path_len), at = path_len;

	while (at < len) {
		const char *item = target + at + 1, *amp, *equals;
		size_t left = len - at - 1;

		amp = memchr(item, '&', left);
		if (amp != NULL)
			left = (size_t)(amp - item);
		equals = memchr(item, '=', left);
		n = append(out, size, n, target + at, 1);
		if (equals != NULL)
			n = append(
			    out, size, n, item, (size_t)(equals - item) + 1);
		if (left > 0)
			n = append(out, size, n, "...", 3);
		at += 1 + left;
	}
	out[n] = '\0';
}

size_t
path_unescape(const char *path, size_t len, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		int value = escape_value(path + i, len - i);
		char c = value < 0 ? path[i] : (char)value;

		i += value < 0 ? 0 : 2;
		out[n++] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
	}
	return n;
}

void
path_fold(const char *path, size_t len, struct path_folded *ret)
{
	bool parameter = false;

	ret->nwhole = path_unescape(path, len, ret->whole);
	ret->ncut = 0;
	for (size_t i = 0; i < ret->nwhole; i++) {
		if (ret->whole[i] == ';')
			parameter = true;
		else if (ret->whole[i] == '/')
			parameter = false;
		if (!parameter)
			ret->cut[ret->ncut++] = ret->whole[i];
	}
}

const char *
path_method(const char *text, size_t len)
{
	static const char *const methods[] = {"GET", "HEAD", "POST", "PUT",
	    "PATCH", "DELETE", "OPTIONS", "QUERY", "PROPFIND", "PROPPATCH",
	    "MKCOL", "COPY", "MOVE", "REPORT", "SEARCH", "MERGE"};

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (strlen(methods[i]) == len &&
		    memcmp(methods[i], text, len) == 0)
			return methods[i];
	return NULL;
}
