#include "policy/pattern.h"

#include <stdint.h>
#include <string.h>

/* One piece: a set of ASCII characters, and how often. */
struct piece {
	bool set[128];
	unsigned min, max;
};

static bool
is_printable(char c)
{
	return c >= ' ' && c <= '~';
}

/* Each reader takes its part at *at, moves it on, and says what is wrong. */

static const char *
read_class(const char **at, struct piece *piece)
{
	const char *p = *at + 1, *begin = p;

	for (; *p != ']'; p++) {
		char last;

		p += *p == '\\';
		if (!is_printable(*p))
			return "a class is not closed";
		last = *p;
		if (p[1] == '-' && p[2] != ']' && is_printable(p[2])) {
			char first = last;

			p += 2;
			last = *p;
			if (last < first || last == '\\' || last == '[')
				return "a range of a class runs backwards";
			while (first < last)
				piece->set[(unsigned char)first++] = true;
		}
		piece->set[(unsigned char)last] = true;
	}
	if (p == begin || *begin == '^')
		return "a class is empty or negated";
	*at = p + 1;
	return NULL;
}

static const char *
read_atom(const char **at, struct piece *piece)
{
	const char *p = *at;

	if (*p == '[')
		return read_class(at, piece);
	if (*p == '.') {
		for (int c = '!'; c <= '~'; c++)
			piece->set[c] = true;
	} else {
		if (*p == '\\')
			p++;
		else if (strchr("{}]*+?|()^$", *p) != NULL)
			return "a character that means something elsewhere "
			       "needs a '\\' before it";
		if (!is_printable(*p))
			return "a pattern is printable ASCII";
		piece->set[(unsigned char)*p] = true;
	}
	*at = p + 1;
	return NULL;
}

static bool
read_count(const char **at, unsigned *ret)
{
	const char *p = *at;
	unsigned n = 0;

	for (; *p >= '0' && *p <= '9' && p - *at < 4; p++)
		n = n * 10 + (unsigned)(*p - '0');
	if (p == *at)
		return false;
	*at = p;
	*ret = n;
	return true;
}

static const char *
read_repeat(const char **at, struct piece *piece)
{
	static const char why[] = "a repetition is {n} or {m,n}, m not above n";
	const char *p = *at;

	piece->min = piece->max = 1;
	if (*p != '{')
		return NULL;
	p++;
	if (!read_count(&p, &piece->min))
		return why;
	piece->max = piece->min;
	if (*p == ',') {
		p++;
		if (!read_count(&p, &piece->max))
			return why;
	}
	if (*p != '}' || piece->max < piece->min || piece->max == 0)
		return why;
	*at = p + 1;
	return NULL;
}

static const char *
read_piece(const char **at, struct piece *piece)
{
	const char *why;

	memset(piece, 0, sizeof(*piece));
	why = read_atom(at, piece);
	return why != NULL ? why : read_repeat(at, piece);
}

int
pattern_check(const char *pattern, const char **ret_why)
{
	const char *why = *pattern == '\0' ? "a pattern is not empty" : NULL;

	while (*pattern != '\0' && why == NULL) {
		struct piece piece;

		why = read_piece(&pattern, &piece);
	}
	if (why == NULL)
		return 0;
	*ret_why = why;
	return VERR_FORMAT;
}

bool
pattern_match(const char *pattern, const char *value, size_t len)
{
	size_t i = 0;

	while (*pattern != '\0') {
		struct piece piece;
		unsigned n = 0;

		if (read_piece(&pattern, &piece) != NULL)
			return false;
		while (n < piece.max && i < len &&
		    (unsigned char)value[i] < 128 &&
		    piece.set[(unsigned char)value[i]]) {
			i++;
			n++;
		}
		if (n < piece.min)
			return false;
	}
	return i == len;
}
