/* The constant answers are what codec and refusal.def say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/codec.h"
#include "protocol/refusal.h"
#include "vaultd/supervisor/refusal_frames.h"
#include "vaultd/supervisor/refuse.h"

static const struct {
	enum turned_away why;
	enum refusal refusal;
	uint32_t retry_after;
	const char *sentence;
} answers[AWAY_COUNT] = {
    {AWAY_NOT_READY, REFUSED_NOT_READY, 1, SENTENCE_NOT_READY},
    {AWAY_DENIED, REFUSED_DENIED, 0, SENTENCE_DENIED},
};

static void
rooms_refusal_frames_are_the_codecs(void **state)
{
	uint8_t frame[2048];
	const void *p;
	size_t n, len;

	(void)state;
	for (size_t i = 0; i < AWAY_COUNT; i++) {
		const struct refusal_info *info =
		    refusal_info(answers[i].refusal);
		struct client_msg m = {.type = CLIENT_REFUSED,
		    .refused = {.code = slice_str(info->code),
		        .http = info->http,
		        .exit = info->exit,
		        .retry_after = answers[i].retry_after,
		        .sentence = slice_str(answers[i].sentence)}};

		assert_int_equal(
		    codec_encode(0, &m, frame, sizeof(frame), &len), 0);
		refuse_bytes(FACE_FRAMED, answers[i].why, &p, &n);
		assert_int_equal(n, len);
		assert_memory_equal(p, frame, n);
	}
}

/*
 * The value of the field "name" in the answer "text", or NULL.
 */
static char *
field(const char *text, const char *name, char *out, size_t size)
{
	char key[64];
	const char *at;

	(void)snprintf(key, sizeof(key), "\r\n%s: ", name);
	if ((at = strstr(text, key)) == NULL)
		return NULL;
	at += strlen(key);
	(void)snprintf(out, size, "%.*s", (int)strcspn(at, "\r"), at);
	return out;
}

static void
http_refusals_are_whole_answers(void **state)
{
	char text[2048], value[128], start[64];
	const char *body;
	const void *p;
	size_t n;

	(void)state;
	for (size_t i = 0; i < AWAY_COUNT; i++) {
		const struct refusal_info *info =
		    refusal_info(answers[i].refusal);

		refuse_bytes(FACE_HTTP, answers[i].why, &p, &n);
		assert_true(n < sizeof(text));
		memcpy(text, p, n);
		text[n] = '\0';
		(void)snprintf(
		    start, sizeof(start), "HTTP/1.1 %u ", info->http);
		assert_memory_equal(text, start, strlen(start));
		assert_non_null(body = strstr(text, "\r\n\r\n"));
		body += 4;
		assert_string_equal(
		    field(text, "Vaultd-Error", value, sizeof(value)),
		    info->code);
		assert_string_equal(
		    field(text, "Content-Type", value, sizeof(value)),
		    "application/problem+json");
		assert_string_equal(
		    field(text, "Connection", value, sizeof(value)), "close");
		assert_non_null(
		    field(text, "Content-Length", value, sizeof(value)));
		assert_int_equal(atoi(value), strlen(body));
		assert_non_null(strstr(body, answers[i].sentence));
		assert_non_null(strstr(body, info->meaning));
		if (answers[i].retry_after != 0)
			assert_string_equal(
			    field(text, "Retry-After", value, sizeof(value)),
			    "1");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(rooms_refusal_frames_are_the_codecs),
	    cmocka_unit_test(http_refusals_are_whole_answers),
	};

	codec_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
