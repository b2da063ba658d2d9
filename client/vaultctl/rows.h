/*
 * rows - the rows of an answer: parsed for people, or passed on for programs.
 */
#ifndef VAULTCTL_ROWS_H
#define VAULTCTL_ROWS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "client/vaultclient.h"
#include "protocol/verr.h"

#define ROWS_MAX (256u * 1024)

struct rows {
	size_t count;  /* rows that came and were to be kept */
	json_t *list;  /* of objects; from rows_init() to rows_free() */
	FILE *print;   /* not NULL: written there, a line each, and not kept */
	bool terminal; /* "print" is one */
	bool (*keep)(const void *arg, json_t *row); /* or NULL: all */
	const void *keep_arg;
};

void rows_init(struct rows *rows);
void rows_free(struct rows *rows);

/*
 * Parse a row: one JSON object, valid UTF-8, no key twice, no control
 * character below U+0020.  Returns a new object, or NULL.
 */
json_t *rows_parse(const char *json, size_t len);

/* What to give to the library: they go to "rows". */
struct vault_rows rows_sink(struct rows *rows);

#endif /* VAULTCTL_ROWS_H */
