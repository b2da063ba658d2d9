/*
 * json - write one JSON object (RFC 8259) into memory of the caller's.
 *
 * Only writing: the keeper parses no JSON.  Bytes that are not UTF-8 become
 * U+FFFD, so that a line is valid whatever a client sent.
 */
#ifndef KEEPER_JSON_H
#define KEEPER_JSON_H

#include <stdbool.h>

#include "protocol/slice.h"

struct json {
	char *p;
	size_t cap;
	size_t n;
	bool comma;
	bool overflow; /* it did not fit; checked once, at the end */
};

/*
 * Start, nest and end.  "key" is NULL inside arrays and for the outermost.
 */
void json_begin(struct json *j, char *p, size_t cap);
void json_open(struct json *j, const char *key, char bracket);
void json_close(struct json *j, char bracket);

void json_slice(struct json *j, const char *key, struct slice value);
void json_text(struct json *j, const char *key, const char *value);
void json_number(struct json *j, const char *key, uint64_t value);
void json_signed(struct json *j, const char *key, int64_t value);
/* A string of a constant, without what would need an escape, and a number. */
void json_numbered(
    struct json *j, const char *key, const char *text, uint64_t number);
void json_bool(struct json *j, const char *key, bool value);

/*
 * "2026-11-22T16:53:51.123Z" for milliseconds since 1970; 24 characters.
 */
#define JSON_TIME_LEN 24
void json_time(struct json *j, const char *key, uint64_t unix_ms);
void time_format(uint64_t unix_ms, char out[static JSON_TIME_LEN + 1]);

#endif /* KEEPER_JSON_H */
