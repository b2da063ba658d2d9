#include "vaultd/courier/syntax.h"

#include <strings.h>

int
syntax_is_token(struct slice s)
{
	static const char others[] = "!#$%&'*+-.^_`|~";

	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
		    !(c >= '0' && c <= '9') &&
		    (c == '\0' || strchr(others, c) == NULL))
			return 0;
	}
	return s.n > 0;
}

int
syntax_is_value(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((s.p[i] < ' ' && s.p[i] != '\t') || s.p[i] == 0x7f)
			return 0;
	return 1;
}

static int
is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

struct slice
syntax_trim(struct slice s)
{
	while (s.n > 0 && is_blank(s.p[0])) {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

int
syntax_same(struct slice a, struct slice b)
{
	return a.n == b.n &&
	    (a.n == 0 ||
	        strncasecmp((const char *)a.p, (const char *)b.p, a.n) == 0);
}

int
syntax_begins(struct slice s, const char *prefix)
{
	struct slice want = slice_str(prefix);

	return s.n >= want.n && syntax_same(slice_of(s.p, want.n), want);
}

int
syntax_next(struct slice *list, struct slice *ret)
{
	while (list->n > 0) {
		const uint8_t *comma = memchr(list->p, ',', list->n);
		size_t n = comma == NULL ? list->n : (size_t)(comma - list->p);
		struct slice item = syntax_trim(slice_of(list->p, n));

		n += comma != NULL;
		*list = slice_of(list->p + n, list->n - n);
		if (item.n > 0) {
			*ret = item;
			return 1;
		}
	}
	return 0;
}
