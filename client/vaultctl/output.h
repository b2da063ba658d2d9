/*
 * output - text for people: tables, lists and colours.
 *
 * All that came from elsewhere is made harmless on its way: no control
 * character and nothing that turns the direction of text reaches a terminal.
 */
#ifndef VAULTCTL_OUTPUT_H
#define VAULTCTL_OUTPUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define OUTPUT_CELL_MAX 2048

struct output {
	FILE *f;
	bool terminal;
	bool colour;
};

/* Colours go to a terminal alone, and not if $NO_COLOR is set. */
void output_init(struct output *o, FILE *f);

/*
 * Copy "n" bytes of text, made harmless and cut to fit "size" (at least 1).
 */
void output_clean(const char *text, size_t n, char *out, size_t size);

/* True if nothing in it would be changed. */
bool output_harmless(const char *text, size_t n);

/* Formatted, made harmless, without colours; may hold newlines of its own. */
void output_line(struct output *o, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

struct column {
	const char *key; /* of the row; a '.' leads into an object */
	const char *title;
};

/*
 * The value of "key" as text: lists with commas, true as "yes".  Returns false
 * if there is none, or nothing in it.
 */
bool output_value(
    json_t *row, const char *key, char out[static OUTPUT_CELL_MAX]);

/*
 * A title line and a line for each row; columns in which no row has anything
 * are left out.
 */
void output_table(struct output *o, const struct column *columns,
    size_t ncolumns, json_t *rows);

/* A line for each value that the row has. */
void output_list(struct output *o, const struct column *columns,
    size_t ncolumns, json_t *row);

#endif /* VAULTCTL_OUTPUT_H */
