#include "client/vaultctl/output.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "protocol/lex.h"

#define COLUMNS_MAX 16

void
output_init(struct output *o, FILE *f)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	o->f = f;
	o->terminal = isatty(fileno(f)) == 1;
	o->colour = o->terminal && (no == NULL || no[0] == '\0') &&
	    (term == NULL || strcmp(term, "dumb") != 0);
}

/*
 * Controls, and what reorders or hides the text around it.
 */
static bool
is_harmful(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x061c ||
	    (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
	    (c >= 0x2060 && c <= 0x206f) || c == 0xfeff ||
	    (c >= 0xe0000 && c <= 0xe007f);
}

void
output_clean(const char *text, size_t n, char *out, size_t size)
{
	static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */
	size_t at = 0, used = 0;

	while (at < n) {
		const char *from = text + at;
		uint32_t code = 0;
		size_t len = lex_utf8(from, n - at, &code), put = len;

		if (len == 0 || is_harmful(code)) {
			from = replacement;
			put = sizeof(replacement) - 1;
		}
		if (used + put >= size)
			break;
		memcpy(out + used, from, put);
		used += put;
		at += len > 0 ? len : 1;
	}
	out[used] = '\0';
}

bool
output_harmless(const char *text, size_t n)
{
	uint32_t code;
	size_t at = 0, len;

	for (; at < n; at += len) {
		len = lex_utf8(text + at, n - at, &code);
		if (len == 0 || is_harmful(code))
			return false;
	}
	return true;
}

void
output_line(struct output *o, const char *fmt, ...)
{
	char raw[8192], clean[8192];
	const char *line = raw, *end;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(raw, sizeof(raw), fmt, ap);
	va_end(ap);
	do {
		end = strchrnul(line, '\n');
		output_clean(line, (size_t)(end - line), clean, sizeof(clean));
		fprintf(o->f, "%s\n", clean);
		line = end + 1;
	} while (*end != '\0');
}

static json_t *
find(json_t *row, const char *key)
{
	char name[64];
	size_t n = strcspn(key, ".");

	if (n >= sizeof(name))
		return NULL;
	memcpy(name, key, n);
	name[n] = '\0';
	row = json_object_get(row, name);
	return key[n] == '.' ? find(row, key + n + 1) : row;
}

static void
append(char *out, size_t *n, const char *text)
{
	size_t len = strlen(text), room = OUTPUT_CELL_MAX - 1 - *n;

	if (len > room)
		len = room;
	memcpy(out + *n, text, len);
	out[*n + len] = '\0';
	*n += len;
}

static void
append_scalar(char *out, size_t *n, json_t *value)
{
	char text[OUTPUT_CELL_MAX];

	if (json_is_string(value))
		output_clean(json_string_value(value),
		    json_string_length(value), text, sizeof(text));
	else if (json_is_integer(value))
		snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT,
		    json_integer_value(value));
	else if (json_is_real(value))
		snprintf(text, sizeof(text), "%g", json_real_value(value));
	else if (json_is_boolean(value))
		snprintf(text, sizeof(text), "%s",
		    json_is_true(value) ? "yes" : "no");
	else
		return;
	append(out, n, text);
}

bool
output_value(json_t *row, const char *key, char out[static OUTPUT_CELL_MAX])
{
	json_t *value = find(row, key), *item;
	size_t i, n = 0;

	out[0] = '\0';
	if (!json_is_array(value)) {
		append_scalar(out, &n, value);
		return n > 0;
	}
	json_array_foreach(value, i, item)
	{
		if (n > 0)
			append(out, &n, ", ");
		append_scalar(out, &n, item);
	}
	return n > 0;
}

/*
 * Characters, which is what most text takes of a terminal.
 */
static size_t
width(const char *text)
{
	size_t n = 0;

	for (; *text != '\0'; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

/*
 * The colour of a value: its code for the terminal, or NULL.
 */
static const char *
paint(const char *key, const char *value)
{
	static const struct {
		const char *key, *value, *code;
	} paints[] = {
	    {"status", "active", "32"},   /* green */
	    {"status", "degraded", "33"}, /* amber */
	    {"status", "disabled", "90"}, /* slate */
	    {"status", "pending", "34"},  /* blue */
	    {"state", "ready", "32"},
	    {"state", "sealed", "33"},
	    {"up", "yes", "32"},
	    {"up", "no", "31"},
	    {"permitted", "yes", "32"},
	    {"permitted", "no", "31"},
	};

	for (size_t i = 0; i < sizeof(paints) / sizeof(paints[0]); i++)
		if (strcmp(paints[i].key, key) == 0 &&
		    strcmp(paints[i].value, value) == 0)
			return paints[i].code;
	return NULL;
}

static void
print_cell(struct output *o, const char *key, const char *text, size_t pad)
{
	const char *code = o->colour ? paint(key, text) : NULL;

	if (code != NULL)
		fprintf(o->f, "\x1b[%sm%s\x1b[0m", code, text);
	else
		fputs(text, o->f);
	fprintf(o->f, "%*s", (int)pad, "");
}

static void
print_row(struct output *o, const struct column *columns, size_t n,
    const size_t *widths, json_t *row)
{
	char text[OUTPUT_CELL_MAX];
	size_t last = 0, pad = 0;

	for (size_t i = 0; i < n; i++)
		if (widths[i] > 0)
			last = i;
	for (size_t i = 0; i <= last; i++) {
		if (widths[i] == 0)
			continue;
		if (row == NULL)
			snprintf(text, sizeof(text), "%s", columns[i].title);
		else if (!output_value(row, columns[i].key, text))
			snprintf(text, sizeof(text), "-");
		if (i < last)
			pad = widths[i] - width(text) + 2;
		print_cell(o, row == NULL ? "" : columns[i].key, text,
		    i < last ? pad : 0);
	}
	fputc('\n', o->f);
}

void
output_table(struct output *o, const struct column *columns, size_t ncolumns,
    json_t *rows)
{
	char text[OUTPUT_CELL_MAX];
	size_t widths[COLUMNS_MAX] = {0}, i;
	json_t *row;

	if (ncolumns > COLUMNS_MAX)
		ncolumns = COLUMNS_MAX;
	for (size_t c = 0; c < ncolumns; c++)
		json_array_foreach(rows, i, row)
		{
			if (!output_value(row, columns[c].key, text))
				continue;
			if (widths[c] < width(columns[c].title))
				widths[c] = width(columns[c].title);
			if (widths[c] < width(text))
				widths[c] = width(text);
		}
	if (json_array_size(rows) == 0)
		return;
	print_row(o, columns, ncolumns, widths, NULL);
	json_array_foreach(rows, i, row)
	    print_row(o, columns, ncolumns, widths, row);
}

void
output_list(struct output *o, const struct column *columns, size_t ncolumns,
    json_t *row)
{
	char text[OUTPUT_CELL_MAX];
	size_t widest = 0;

	for (size_t i = 0; i < ncolumns; i++)
		if (output_value(row, columns[i].key, text) &&
		    width(columns[i].title) > widest)
			widest = width(columns[i].title);
	for (size_t i = 0; i < ncolumns; i++) {
		if (!output_value(row, columns[i].key, text))
			continue;
		fputs(columns[i].title, o->f);
		fprintf(o->f, "%*s",
		    (int)(widest - width(columns[i].title) + 2), "");
		print_cell(o, columns[i].key, text, 0);
		fputc('\n', o->f);
	}
}
