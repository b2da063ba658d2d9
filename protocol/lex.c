#include "protocol/lex.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct lex {
	char file[LEX_FILE_MAX];
	char *text; /* the private copy, ended with NUL */
	size_t len;
	size_t at;
	uint32_t line;
	char *strings; /* where words are put; as large as text */
	size_t used;
	size_t depth;
	struct lex_word open[LEX_DEPTH_MAX]; /* of each open block */
	struct lex_word words[LEX_WORDS_MAX];
};

static void
copy_text(char *out, size_t size, const char *text)
{
	snprintf(out, size, "%s", text);
}

size_t
lex_utf8(const void *text, size_t left, uint32_t *ret_code)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	const uint8_t *p = text;
	uint32_t code;
	size_t n, i;

	if (p[0] < 0x80) {
		*ret_code = p[0];
		return 1;
	}
	n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	if (p[0] < 0xc2 || p[0] > 0xf4 || n > left)
		return 0;
	code = p[0] & (0x7fu >> n);
	for (i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (p[i] & 0x3fu);
	}
	if (code < least[n] || code > 0x10ffff ||
	    (code >= 0xd800 && code <= 0xdfff))
		return 0;
	*ret_code = code;
	return n;
}

/* What is wrong with a character wherever it stands, or NULL. */
static const char *
char_refused(uint32_t code)
{
	if (code == '\r')
		return "carriage return: lines end with a newline alone";
	if ((code < 0x20 && code != '\n' && code != '\t') ||
	    (code >= 0x7f && code < 0xa0))
		return "control character";
	if ((code >= 0x200b && code <= 0x200f) ||
	    (code >= 0x2028 && code <= 0x202e) ||
	    (code >= 0x2060 && code <= 0x206f) || code == 0xfeff ||
	    code == 0x061c)
		return "invisible character, or one that turns the direction "
		       "of text";
	return NULL;
}

static size_t
count_chars(const char *text, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += ((unsigned char)text[i] & 0xc0) != 0x80;
	return n;
}

/* Show the line around "at", in whole characters, and where "at" is in it. */
static void
show_source(const struct lex *lex, size_t at, struct lex_error *err)
{
	size_t begin = at, end = at, from, n = 0;

	while (begin > 0 && lex->text[begin - 1] != '\n')
		begin--;
	while (end < lex->len && lex->text[end] != '\n')
		end++;
	err->column = (uint32_t)count_chars(lex->text + begin, at - begin) + 1;
	from =
	    at - begin > LEX_SOURCE_MAX / 2 ? at - LEX_SOURCE_MAX / 2 : begin;
	while (from < at && ((unsigned char)lex->text[from] & 0xc0) == 0x80)
		from++;
	err->caret = (uint32_t)count_chars(lex->text + from, at - from);
	while (from < end) {
		uint32_t code;
		size_t k = lex_utf8(lex->text + from, end - from, &code);
		bool bad = k == 0 || char_refused(code) != NULL;

		if (n + (bad ? 1 : k) >= LEX_SOURCE_MAX)
			break;
		memcpy(
		    err->source + n, bad ? "?" : lex->text + from, bad ? 1 : k);
		n += bad ? 1 : k;
		from += k == 0 ? 1 : k;
	}
	err->source[n] = '\0';
}

static int __attribute__((format(printf, 5, 0)))
fail_at(const struct lex *lex, size_t at, uint32_t line, struct lex_error *err,
    const char *fmt, va_list ap)
{
	memset(err, 0, sizeof(*err));
	copy_text(err->file, sizeof(err->file), lex->file);
	vsnprintf(err->message, sizeof(err->message), fmt, ap);
	err->line = line;
	show_source(lex, at, err);
	return VERR_FORMAT;
}

int
lex_fail(const struct lex *lex, const struct lex_word *word,
    struct lex_error *ret_error, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fail_at(lex, word->at, word->line, ret_error, fmt, ap);
	va_end(ap);
	return VERR_FORMAT;
}

/* An error at the place where the lexer stands. */
static int __attribute__((format(printf, 3, 4)))
fail_here(const struct lex *lex, struct lex_error *err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fail_at(lex, lex->at, lex->line, err, fmt, ap);
	va_end(ap);
	return VERR_FORMAT;
}

/* Check every character of the text once, so that nothing later need. */
static int
check_text(struct lex *lex, struct lex_error *err)
{
	while (lex->at < lex->len) {
		uint32_t code;
		size_t n =
		    lex_utf8(lex->text + lex->at, lex->len - lex->at, &code);
		const char *why = n == 0 ? "not UTF-8" : char_refused(code);

		if (why != NULL)
			return fail_here(lex, err, "%s", why);
		lex->line += code == '\n';
		lex->at += n;
	}
	lex->at = 0;
	lex->line = 1;
	return 0;
}

int
lex_new(const char *file, const void *text, size_t len, struct lex **ret_lex,
    struct lex_error *ret_error)
{
	struct lex *lex = NULL;
	int r;

	memset(ret_error, 0, sizeof(*ret_error));
	copy_text(ret_error->file, sizeof(ret_error->file), file);
	copy_text(ret_error->message, sizeof(ret_error->message),
	    verr_text(len > LEX_TEXT_MAX ? VERR_TOOBIG : VERR_NOMEM));
	if (len > LEX_TEXT_MAX)
		return VERR_TOOBIG;
	lex = calloc(1, sizeof(*lex));
	if (lex == NULL)
		return VERR_NOMEM;
	r = VERR_NOMEM;
	lex->text = malloc(len + 1);
	lex->strings = malloc(len + 1);
	if (lex->text == NULL || lex->strings == NULL)
		goto out;
	if (len > 0)
		memcpy(lex->text, text, len);
	lex->text[len] = '\0';
	lex->len = len;
	lex->line = 1;
	copy_text(lex->file, sizeof(lex->file), file);
	r = check_text(lex, ret_error);
	if (r != 0)
		goto out;
	*ret_lex = lex;
	lex = NULL;
out:
	lex_free(lex);
	return r;
}

void
lex_free(struct lex *lex)
{
	if (lex == NULL)
		return;
	free(lex->text);
	free(lex->strings);
	free(lex);
}

/* Skip blanks and a comment; newlines stay. */
static void
skip_blanks(struct lex *lex)
{
	while (lex->at < lex->len) {
		char c = lex->text[lex->at];

		if (c == '#')
			while (lex->at < lex->len && lex->text[lex->at] != '\n')
				lex->at++;
		else if (c == ' ' || c == '\t')
			lex->at++;
		else
			break;
	}
}

static bool
ends_word(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == ',' || c == ';' ||
	    c == '{' || c == '}' || c == '\0';
}

/*
 * Take the characters of a quoted word.  The strings never run over: each word
 * with its NUL takes no more than it and the character after it took of the
 * text, or the end of the text, for which one byte is spare.
 */
static int
read_quoted(struct lex *lex, struct lex_word *w, struct lex_error *err)
{
	char *out = lex->strings + lex->used;

	for (lex->at++; lex->text[lex->at] != '"'; lex->at++) {
		char c = lex->text[lex->at];

		if (c == '\0' || c == '\n')
			return lex_fail(lex, w, err,
			    "this quote is not closed on its line");
		if (c == '\\') {
			c = lex->text[++lex->at];
			if (c != '"' && c != '\\')
				return fail_here(lex, err,
				    "after '\\' only '\"' or '\\' may stand");
		}
		out[w->len++] = c;
		if (w->len > LEX_WORD_MAX)
			return lex_fail(lex, w, err, "word too long");
	}
	lex->at++;
	if (!ends_word(lex->text[lex->at]))
		return fail_here(
		    lex, err, "a blank is missing after the quote");
	return 0;
}

static int
read_bare(struct lex *lex, struct lex_word *w, struct lex_error *err)
{
	char *out = lex->strings + lex->used;

	for (; !ends_word(lex->text[lex->at]); lex->at++) {
		char c = lex->text[lex->at];

		if (c == '"' || c == '\\' || c == '#' || (c & 0x80))
			return fail_here(lex, err,
			    "a word that holds this must be in quotes");
		out[w->len++] = c;
		if (w->len > LEX_WORD_MAX)
			return lex_fail(lex, w, err, "word too long");
	}
	return 0;
}

static int
read_word(struct lex *lex, struct lex_word *w, struct lex_error *err)
{
	int r;

	*w = (struct lex_word){
	    .text = lex->strings + lex->used,
	    .at = (uint32_t)lex->at,
	    .line = lex->line,
	    .quoted = lex->text[lex->at] == '"',
	};
	r = w->quoted ? read_quoted(lex, w, err) : read_bare(lex, w, err);
	if (r != 0)
		return r;
	lex->strings[lex->used + w->len] = '\0';
	lex->used += w->len + 1;
	return 0;
}

static int
add_word(struct lex *lex, struct lex_statement *s, struct lex_error *err)
{
	int r;

	if (s->count == LEX_WORDS_MAX)
		return fail_here(lex, err, "too many words in one statement");
	r = read_word(lex, &lex->words[s->count], err);
	s->count += r == 0;
	return r;
}

/* A comma stands between two words of a statement, and nowhere else. */
static int
take_comma(struct lex *lex, size_t count, struct lex_error *err)
{
	struct lex_word comma = {.at = (uint32_t)lex->at, .line = lex->line};

	lex->at++;
	skip_blanks(lex);
	if (count == 0 || ends_word(lex->text[lex->at]))
		return lex_fail(lex, &comma, err,
		    "a comma must stand between two words of one line");
	return 0;
}

static int
open_block(struct lex *lex, struct lex_statement *s, struct lex_error *err)
{
	if (s->count == 0)
		return fail_here(lex, err,
		    "a block needs a name before its '{', on the same line");
	if (lex->depth == LEX_DEPTH_MAX)
		return fail_here(lex, err, "blocks nested too deeply");
	lex->open[lex->depth++] =
	    (struct lex_word){.at = (uint32_t)lex->at, .line = lex->line};
	lex->at++;
	s->opens = true;
	return 0;
}

static int
close_or_end(struct lex *lex, struct lex_statement *s, struct lex_error *err)
{
	bool end = lex->text[lex->at] == '\0';

	if (end && lex->depth > 0)
		return lex_fail(lex, &lex->open[lex->depth - 1], err,
		    "this block is not closed");
	if (!end && lex->depth == 0)
		return fail_here(lex, err, "no block is open here");
	s->kind = end ? LEX_END : LEX_CLOSE;
	if (!end) {
		lex->depth--;
		lex->at++;
	}
	return 0;
}

int
lex_next(
    struct lex *lex, struct lex_statement *ret, struct lex_error *ret_error)
{
	struct lex_statement s = {.kind = LEX_STATEMENT, .words = lex->words};
	bool over = false;
	int r = 0;

	while (r == 0 && !over) {
		skip_blanks(lex);
		switch (lex->text[lex->at]) {
		case '\n':
		case ';':
			lex->line += lex->text[lex->at++] == '\n';
			over = s.count > 0;
			break;
		case ',':
			r = take_comma(lex, s.count, ret_error);
			break;
		case '{':
			r = open_block(lex, &s, ret_error);
			over = true;
			break;
		case '}':
		case '\0':
			over = true;
			if (s.count == 0)
				r = close_or_end(lex, &s, ret_error);
			break;
		default:
			r = add_word(lex, &s, ret_error);
		}
	}
	if (r == 0)
		*ret = s;
	return r;
}

bool
lex_is(const struct lex_word *word, const char *text)
{
	return strcmp(word->text, text) == 0;
}

int
lex_key(const struct lex *lex, const struct lex_statement *s,
    const struct lex_key *keys, size_t nkeys, uint64_t *seen, size_t *ret_key,
    struct lex_error *ret_error)
{
	const struct lex_word *w = &s->words[0];
	size_t values = s->count - 1, i = 0;

	while (i < nkeys && (w->quoted || !lex_is(w, keys[i].name)))
		i++;
	if (i == nkeys)
		return lex_fail(
		    lex, w, ret_error, "unknown key \"%.64s\"", w->text);
	if ((*seen & UINT64_C(1) << i) && !(keys[i].flags & LEX_REPEAT))
		return lex_fail(lex, w, ret_error,
		    "\"%s\" is written twice in this block", w->text);
	if (values < keys[i].min)
		return lex_fail(lex, w, ret_error, "\"%s\" needs %s%u value%s",
		    w->text, keys[i].max == keys[i].min ? "" : "at least ",
		    keys[i].min, keys[i].min == 1 ? "" : "s");
	if (keys[i].max != 0xff && values > keys[i].max)
		return lex_fail(lex, &s->words[1 + keys[i].max], ret_error,
		    "one value too many for \"%s\"", w->text);
	if (s->opens != ((keys[i].flags & LEX_BLOCK) != 0))
		return lex_fail(lex, w, ret_error,
		    s->opens ? "\"%s\" opens no block"
		             : "\"%s\" needs a block: '{' on the same line",
		    w->text);
	*seen |= UINT64_C(1) << i;
	*ret_key = i;
	return 0;
}

int
lex_number(const struct lex *lex, const struct lex_word *word, uint64_t min,
    uint64_t max, uint64_t *ret, struct lex_error *ret_error)
{
	uint64_t n = 0;
	bool fits = word->len > 0 && word->len <= 19 &&
	    (word->len == 1 || word->text[0] != '0');

	for (size_t i = 0; i < word->len && fits; i++) {
		fits = word->text[i] >= '0' && word->text[i] <= '9';
		n = n * 10 + (uint64_t)(word->text[i] - '0');
	}
	if (!fits || n < min || n > max)
		return lex_fail(lex, word, ret_error,
		    "a number from %llu to %llu must stand here",
		    (unsigned long long)min, (unsigned long long)max);
	*ret = n;
	return 0;
}

void
lex_format(const struct lex_error *error, char *out, size_t size)
{
	char indent[LEX_SOURCE_MAX];
	size_t n = 0, chars = 0;

	/* Tabs stay tabs, so that the caret stands below its character. */
	for (size_t i = 0; error->source[i] != '\0' && n + 1 < sizeof(indent);
	     i++) {
		if (((unsigned char)error->source[i] & 0xc0) == 0x80)
			continue;
		if (chars++ == error->caret)
			break;
		indent[n++] = error->source[i] == '\t' ? '\t' : ' ';
	}
	indent[n] = '\0';
	if (error->line == 0)
		snprintf(out, size, "%s: %s", error->file, error->message);
	else
		snprintf(out, size, "%s:%u:%u: %s\n  %s\n  %s^", error->file,
		    error->line, error->column, error->message, error->source,
		    indent);
}
