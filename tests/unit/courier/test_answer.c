/*
 * Answers taken apart, however they were split on their way.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "vaultd/courier/answer.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define OK       "HTTP/1.1 200 OK\r\n"
#define CHUNKED  OK "Transfer-Encoding: chunked\r\n\r\n"

/* Feed "n" bytes of "text" at a time, as much as is taken. */
static enum fault
feed(struct answer *a, const char *text, size_t n, char *body, size_t *ret_used)
{
	struct slice in = slice_str(text), data;
	size_t have = 0, at = 0, used;
	enum fault f = FAULT_NONE;

	body[0] = '\0';
	while (f == FAULT_NONE && have < in.n) {
		have = in.n - have < n ? in.n : have + n;
		do {
			f = answer_feed(
			    a, slice_of(in.p + at, have - at), &used, &data);
			at += used;
			strncat(body, (const char *)data.p, data.n);
		} while (f == FAULT_NONE && used > 0);
	}
	*ret_used = at;
	return f;
}

static void
http_answers_are_framed_alike_however_they_are_split(void **state)
{
	static const struct {
		const char *text, *body, *left;
		int keeps;
	} cases[] = {
	    {OK "Content-Length: 3\r\n\r\nabcXX", "abc", "XX", 1},
	    {OK "Content-Length: 0\r\n\r\nX", "", "X", 1},
	    {OK "Content-Length: 2\r\nConnection: x, Close\r\n\r\nab", "ab", "",
	        0},
	    {"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", "a", "", 0},
	    {"HTTP/1.1 204 No\r\n\r\nX", "", "X", 1},
	    {"HTTP/1.1 304 No\r\nContent-Length: 9\r\n\r\nX", "", "X", 1},
	    {"HTTP/1.1 103 Early\r\nContent-Length: 9\r\n\r\n" OK
	     "Content-Length: 1\r\n\r\na",
	        "a", "", 1},
	    {CHUNKED "3\r\nabc\r\n0\r\n\r\nX", "abc", "X", 1},
	    {CHUNKED "2;x=y\r\nab\r\n1 \r\nc\r\n00\r\nX: y\r\n\r\nX", "abc",
	        "X", 1},
	    {CHUNKED "aA\r\n0123456789"
	             "0123456789012345678901234567890123456789"
	             "0123456789012345678901234567890123456789"
	             "0123456789012345678901234567890123456789"
	             "0123456789012345678901234567890123456789\r\n0\r\n\r\n",
	        "0123456789"
	        "0123456789012345678901234567890123456789"
	        "0123456789012345678901234567890123456789"
	        "0123456789012345678901234567890123456789"
	        "0123456789012345678901234567890123456789",
	        "", 1},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		for (size_t n = 1; n < 20; n++) {
			struct answer a = {0};
			char body[512];
			size_t used;

			assert_int_equal(
			    feed(&a, cases[i].text, n, body, &used),
			    FAULT_NONE);
			assert_int_equal(a.state, ANSWER_DONE);
			assert_string_equal(body, cases[i].body);
			assert_string_equal(
			    cases[i].text + used, cases[i].left);
			assert_int_equal(answer_keeps(&a), cases[i].keeps);
			answer_free(&a);
		}
}

static void
hostile_chunks_are_refused(void **state)
{
	static const char *const cases[] = {
	    CHUNKED "\r\n",
	    CHUNKED "-1\r\n",
	    CHUNKED "0x1\r\n",
	    CHUNKED "g\r\n",
	    CHUNKED " 1\r\n",
	    CHUNKED "1\rX\n",
	    CHUNKED "1,\r\n",
	    CHUNKED "1 1\r\n",
	    CHUNKED "1000000000000000\r\n",
	    CHUNKED "0000000000000000\r\n",
	    CHUNKED "1\r\nabc\r\n",
	    CHUNKED "1\r\na0\r\n\r\n",
	    CHUNKED "1\r\na\n\r0\r\n\r\n",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		for (size_t n = 1; n < 60; n += 7) {
			struct answer a = {0};
			char body[512];
			size_t used;

			assert_int_not_equal(
			    feed(&a, cases[i], n, body, &used), FAULT_NONE);
			answer_free(&a);
		}
}

/* A NUL behind a size is not the end of it. */
static void
hostile_chunk_sizes_end_with_their_line(void **state)
{
	static const char text[] = CHUNKED "1\0\r\na\r\n0\r\n\r\n";
	struct answer a = {0};
	struct slice data;
	size_t at = 0, used;
	enum fault f;

	(void)state;
	do {
		f = answer_feed(&a,
		    slice_of((const uint8_t *)text + at, sizeof(text) - 1 - at),
		    &used, &data);
		at += used;
	} while (f == FAULT_NONE && used > 0);
	assert_int_equal(f, FAULT_ANSWER);
	answer_free(&a);
}

static void
hostile_lines_without_end_are_bounded(void **state)
{
	static char text[HEAD_MAX + 2];
	static const struct {
		const char *start;
		enum fault fault;
	} cases[] = {
	    {OK "X: ", FAULT_HEAD_SIZE},
	    {CHUNKED "1;", FAULT_ANSWER},
	    {CHUNKED "1\r\na", FAULT_ANSWER},
	    {CHUNKED "0\r\nX: ", FAULT_HEAD_SIZE},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct answer a = {0};
		struct slice data;
		char body[512];
		size_t used;

		assert_int_equal(
		    feed(&a, cases[i].start, 1000, body, &used), FAULT_NONE);
		memset(text, 'a', sizeof(text) - 1);
		assert_int_equal(answer_feed(&a, slice_str(text), &used, &data),
		    cases[i].fault);
		answer_free(&a);
	}
}

static void
http_only_some_answers_end_with_the_connection(void **state)
{
	static const struct {
		const char *text;
		enum fault fault;
	} cases[] = {
	    {OK "\r\nabc", FAULT_NONE},
	    {OK "X: y\r\n", FAULT_SHORT},
	    {OK "Content-Length: 4\r\n\r\nabc", FAULT_SHORT},
	    {CHUNKED "3\r\nabc\r\n", FAULT_SHORT},
	    {CHUNKED "3\r\nabc\r\n0\r\n", FAULT_SHORT},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct answer a = {0};
		char body[512];
		size_t used;

		assert_int_equal(
		    feed(&a, cases[i].text, 5, body, &used), FAULT_NONE);
		assert_int_equal(answer_closed(&a), cases[i].fault);
		assert_false(answer_keeps(&a));
		if (cases[i].fault == FAULT_NONE)
			assert_string_equal(body, "abc");
		answer_free(&a);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(
	        http_answers_are_framed_alike_however_they_are_split),
	    cmocka_unit_test(hostile_chunks_are_refused),
	    cmocka_unit_test(hostile_chunk_sizes_end_with_their_line),
	    cmocka_unit_test(hostile_lines_without_end_are_bounded),
	    cmocka_unit_test(http_only_some_answers_end_with_the_connection),
	};

	return cmocka_run_group_tests_name("courier/answer", tests, NULL, NULL);
}
