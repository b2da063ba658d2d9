#include "vaultd/keeper/json.h"

#include <stdio.h>
#include <time.h>

#include "protocol/lex.h"

static void
put(struct json *j, const void *p, size_t n)
{
	if (j->overflow || n > j->cap - j->n) {
		j->overflow = true;
		return;
	}
	memcpy(j->p + j->n, p, n);
	j->n += n;
}

/* Bytes that stand for themselves in a string. */
static bool
is_plain(uint8_t c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/*
 * What stands before a value: a comma, the key.
 */
static void
put_key(struct json *j, const char *key)
{
	if (j->comma)
		put(j, ",", 1);
	j->comma = true;
	if (key == NULL)
		return;
	put(j, "\"", 1);
	put(j, key, strlen(key));
	put(j, "\":", 2);
}

static void
put_number(struct json *j, uint64_t value)
{
	char text[20], *p = text + sizeof(text);

	do
		*--p = (char)('0' + value % 10);
	while ((value /= 10) != 0);
	put(j, p, (size_t)(text + sizeof(text) - p));
}

void
json_begin(struct json *j, char *p, size_t cap)
{
	*j = (struct json){p, cap, 0, false, false};
}

void
json_open(struct json *j, const char *key, char bracket)
{
	put_key(j, key);
	put(j, &bracket, 1);
	j->comma = false;
}

void
json_close(struct json *j, char bracket)
{
	put(j, &bracket, 1);
	j->comma = true;
}

void
json_slice(struct json *j, const char *key, struct slice value)
{
	const uint8_t *p = value.p, *end = value.p + value.n;
	char escape[8];
	uint32_t code;
	size_t n;

	put_key(j, key);
	put(j, "\"", 1);
	while (p < end) {
		for (n = 0; p + n < end && is_plain(p[n]); n++)
			;
		put(j, p, n);
		if ((p += n) == end)
			break;
		n = lex_utf8(p, (size_t)(end - p), &code);
		if (n == 0) {
			put(j, "\xef\xbf\xbd", 3);
			p++;
			continue;
		}
		if (*p == '"' || *p == '\\') {
			put(j, "\\", 1);
			put(j, p, 1);
		} else if (*p < 0x20 || *p == 0x7f) {
			(void)snprintf(escape, sizeof(escape), "\\u%04x", *p);
			put(j, escape, 6);
		} else {
			put(j, p, n);
		}
		p += n;
	}
	put(j, "\"", 1);
}

void
json_text(struct json *j, const char *key, const char *value)
{
	json_slice(j, key, slice_str(value));
}

void
json_number(struct json *j, const char *key, uint64_t value)
{
	put_key(j, key);
	put_number(j, value);
}

void
json_signed(struct json *j, const char *key, int64_t value)
{
	put_key(j, key);
	if (value < 0)
		put(j, "-", 1);
	put_number(j, value < 0 ? -(uint64_t)value : (uint64_t)value);
}

void
json_numbered(
    struct json *j, const char *key, const char *text, uint64_t number)
{
	put_key(j, key);
	put(j, "\"", 1);
	put(j, text, strlen(text));
	put_number(j, number);
	put(j, "\"", 1);
}

void
json_bool(struct json *j, const char *key, bool value)
{
	put_key(j, key);
	put(j, value ? "true" : "false", value ? 4 : 5);
}

void
time_format(uint64_t unix_ms, char out[static JSON_TIME_LEN + 1])
{
	/* Most records are made in the same second as the one before. */
	static char text[80] = "1970-01-01T00:00:00.000Z";
	static uint64_t second;
	unsigned ms = (unsigned)(unix_ms % 1000);
	time_t s = (time_t)(unix_ms / 1000);
	struct tm tm;

	if (unix_ms / 1000 != second) {
		(void)gmtime_r(&s, &tm);
		(void)snprintf(text, sizeof(text),
		    "%04d-%02d-%02dT%02d:%02d:%02d.000Z", tm.tm_year + 1900,
		    tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
		    tm.tm_sec);
		second = unix_ms / 1000;
	}
	memcpy(out, text, JSON_TIME_LEN);
	out[20] = (char)('0' + ms / 100);
	out[21] = (char)('0' + ms / 10 % 10);
	out[22] = (char)('0' + ms % 10);
	out[JSON_TIME_LEN] = '\0';
}

void
json_time(struct json *j, const char *key, uint64_t unix_ms)
{
	char text[JSON_TIME_LEN + 1];

	time_format(unix_ms, text);
	json_text(j, key, text);
}
