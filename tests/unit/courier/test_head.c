/*
 * An answer's head: what is kept of it, and its limits to the byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "protocol/pairs.h"
#include "vaultd/courier/head.h"

static struct head head;

static enum fault
line(const char *text)
{
	return head_line(&head, slice_str(text));
}

static void
begin(void)
{
	head_free(&head);
	memset(&head, 0, sizeof(head));
	assert_int_equal(line("HTTP/1.1 200 OK\r\n"), FAULT_NONE);
}

/* The filtered fields as "name=value;". */
static const char *
fields(void)
{
	static uint8_t out[HEAD_MAX];
	static char text[4096];
	struct slice list, name, value;
	size_t n = 0, at = 0;

	assert_int_equal(head_fields(&head, out, sizeof(out), &n), 0);
	list = slice_of(out, n);
	text[0] = '\0';
	while (pairs_next(&list, &name, &value) == 0)
		at += (size_t)snprintf(text + at, sizeof(text) - at,
		    "%.*s=%.*s;", (int)name.n, (const char *)name.p,
		    (int)value.n, (const char *)value.p);
	return text;
}

static void
http_hop_by_hop_fields_are_dropped(void **state)
{
	static const char *const dropped[] = {"Connection: x-one, ,X-Two\r\n",
	    "connection: X-Three\r\n", "Keep-Alive: 5\r\n", "TE: x\r\n",
	    "Trailer: T\r\n", "Upgrade: h2c\r\n", "Proxy-Anything: x\r\n",
	    "Set-Cookie: a=b\r\n", "set-cookie2: a=b\r\n",
	    "VAULTD-REQUEST: 1\r\n", "Vaultd-Error: x\r\n", "X-One: 1\r\n",
	    "x-two: 2\r\n", "X-THREE: 3\r\n", "Transfer-Encoding: chunked\r\n"};

	(void)state;
	begin();
	assert_int_equal(line("X-Kept:  a b\t\r\n"), FAULT_NONE);
	for (size_t i = 0; i < sizeof(dropped) / sizeof(dropped[0]); i++)
		assert_int_equal(line(dropped[i]), FAULT_NONE);
	assert_int_equal(line("x-kept: again\n"), FAULT_NONE);
	assert_false(head.done);
	assert_int_equal(line("\r\n"), FAULT_NONE);
	assert_true(head.done);
	assert_string_equal(fields(), "X-Kept=a b;x-kept=again;");
	assert_int_equal(line("Trailer-Field: x\r\n"), FAULT_NONE);
	assert_string_equal(fields(), "X-Kept=a b;x-kept=again;");
}

static void
http_interim_heads_are_forgotten(void **state)
{
	(void)state;
	begin();
	head.status = 0;
	for (int i = 0; i < HEAD_INTERIM_MAX; i++) {
		assert_int_equal(line("HTTP/1.1 103 Early\r\n"), FAULT_NONE);
		assert_int_equal(line("Content-Length: 5\r\n"), FAULT_NONE);
		assert_int_equal(line("\r\n"), FAULT_NONE);
		assert_false(head.done);
	}
	assert_int_equal(line("HTTP/1.1 204\r\n"), FAULT_NONE);
	assert_int_equal(line("A: b\r\n"), FAULT_NONE);
	assert_int_equal(line("\r\n"), FAULT_NONE);
	assert_int_equal(head.status, 204);
	assert_string_equal(fields(), "A=b;");
	begin();
	head.status = 0;
	for (int i = 0; i < HEAD_INTERIM_MAX; i++) {
		assert_int_equal(line("HTTP/1.1 100 Go\r\n"), FAULT_NONE);
		assert_int_equal(line("\r\n"), FAULT_NONE);
	}
	assert_int_equal(line("HTTP/1.1 100 Go\r\n"), FAULT_NONE);
	assert_int_equal(line("\r\n"), FAULT_ANSWER);
}

static void
hostile_heads_are_bounded(void **state)
{
	static uint8_t out[16];
	char longest[1024] = "";
	size_t n = 77;

	(void)state;
	begin();
	memset(longest, 'A', sizeof(longest) - 1);
	longest[1] = ':';
	while (HEAD_MAX - head.bytes >= sizeof(longest) - 1)
		assert_int_equal(line(longest), FAULT_NONE);
	assert_int_equal(line(longest), FAULT_HEAD_SIZE);
	/* Each is looked for in all. */
	begin();
	for (int i = 0; i < HEAD_FIELDS_MAX; i++)
		assert_int_equal(line("A: b\r\n"), FAULT_NONE);
	assert_int_equal(line("A: b\r\n"), FAULT_HEAD_SIZE);
	begin();
	assert_int_equal(line("A: 0123456789\r\n"), FAULT_NONE);
	assert_int_equal(head_fields(&head, out, sizeof(out), &n), VERR_TOOBIG);
	assert_int_equal(n, 77);
	head_free(&head);
}

static void
hostile_lines_before_a_status_are_refused(void **state)
{
	static const char *const bad[] = {"A: b\r\n", "\r\n", "HTTP/1.1\r\n",
	    "HTTP/1.1 20\r\n", "HTTP/1.1 2000 x\r\n", "HTTP/1.2 200 x\r\n",
	    "HTTP/1.1 099 x\r\n", "HTTP/1.1 abc x\r\n", "HTTP/1.1  200\r\n"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memset(&head, 0, sizeof(head));
		assert_int_equal(line(bad[i]), FAULT_ANSWER);
	}
	begin();
	assert_int_equal(line("HTTP/1.1 404 : x\r\n"), FAULT_ANSWER);
	assert_int_equal(head.status, 200);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(http_hop_by_hop_fields_are_dropped),
	    cmocka_unit_test(http_interim_heads_are_forgotten),
	    cmocka_unit_test(hostile_heads_are_bounded),
	    cmocka_unit_test(hostile_lines_before_a_status_are_refused),
	};

	return cmocka_run_group_tests_name("courier/head", tests, NULL, NULL);
}
