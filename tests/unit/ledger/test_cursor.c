#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/unit/ledger/folder.h"

#include "vaultd/ledger/cursor.h"

#define LINES 1500

static size_t lengths[LINES];

/*
 * A log of several segments, each of several blocks.
 */
static struct audit *
filled(void)
{
	static char line[AUDIT_LINE_MAX];
	struct audit *a = NULL;

	srandom(1);
	assert_int_equal(audit_open("audit", 1000000, &a), 0);
	for (size_t i = 0; i < LINES; i++) {
		lengths[i] = 8 + (size_t)random() % (AUDIT_LINE_MAX - 8);
		memset(line, 'a' + (int)(i % 26), sizeof(line));
		(void)snprintf(line, 8, "%07zu", i);
		line[7] = '.';
		assert_int_equal(
		    audit_put(a, slice_of(line, lengths[i]), 0), 0);
		if (i % 10 == 9)
			assert_int_equal(audit_flush(a, 0), 0);
	}
	assert_int_equal(audit_flush(a, 0), 0);
	assert_true(audit_segments(a) > 3);
	return a;
}

/*
 * Check the lines of a block, of which the first has number "n".
 */
static size_t
check_lines(struct slice lines, size_t n)
{
	while (lines.n > 0) {
		const uint8_t *nl = memchr(lines.p, '\n', lines.n);
		size_t len;

		assert_non_null(nl);
		len = (size_t)(nl - lines.p);
		assert_true(n < LINES);
		assert_int_equal(len, lengths[n]);
		assert_int_equal(strtoul((const char *)lines.p, NULL, 10), n);
		lines = slice_of(nl + 1, lines.n - len - 1);
		n++;
	}
	return n;
}

static void
audit_cursor_reads_every_line_in_order(void **state)
{
	struct audit *a = filled();
	struct cursor c = {.fd = -1, .place = cursor_find(a, 0)};
	struct block b;
	size_t n = 0;

	(void)state;
	do {
		assert_int_equal(cursor_next(a, &c, cursor_end(a), &b), 0);
		n = check_lines(b.lines, n);
	} while (b.lines.n > 0);
	assert_int_equal(n, LINES);
	cursor_close(&c);
	audit_close(a);
}

static void
audit_cursor_reads_every_line_backwards(void **state)
{
	struct audit *a = filled();
	struct cursor c = {.fd = -1, .place = cursor_end(a)};
	size_t left = LINES, n;
	struct block b;

	(void)state;
	for (;;) {
		assert_int_equal(cursor_back(a, &c, &b), 0);
		if (b.lines.n == 0)
			break;
		n = 0;
		for (size_t i = 0; i < b.lines.n; i++)
			n += b.lines.p[i] == '\n';
		left -= n;
		assert_int_equal(check_lines(b.lines, left), left + n);
	}
	assert_int_equal(left, 0);
	cursor_close(&c);
	audit_close(a);
}

static void
audit_cursor_ends_where_it_is_told(void **state)
{
	struct audit *a = filled();
	struct cursor c = {.fd = -1};
	struct place end;
	struct block b;
	size_t n;

	(void)state;
	for (size_t i = 0; i < LINES; i += 97) {
		struct place p = cursor_find(a, i);

		assert_true(audit_segment_first(a, p.segment) <= i);
		assert_true(p.segment + 1 == audit_segments(a) ||
		    audit_segment_first(a, p.segment + 1) > i);
	}
	end = cursor_find(a, LINES / 2);
	n = (size_t)audit_segment_first(a, end.segment);
	end.at = lengths[n] + 1;
	c.place = cursor_find(a, 0);
	for (size_t got = 0;;) {
		assert_int_equal(cursor_next(a, &c, end, &b), 0);
		got = check_lines(b.lines, got);
		if (b.lines.n == 0) {
			assert_int_equal(got, n + 1);
			break;
		}
	}
	cursor_close(&c);
	audit_close(a);
}

/* A file without lines must not be read for ever, nor at all. */
static void
audit_cursor_refuses_a_segment_without_lines(void **state)
{
	struct cursor c = {.fd = -1};
	struct audit *a = NULL;
	struct block b;
	FILE *f;

	(void)state;
	assert_int_equal(mkdir("audit", 0700), 0);
	assert_non_null(f = fopen("audit/00000000000000000000.jsonl", "w"));
	for (int i = 0; i < 2 * CURSOR_BLOCK; i++)
		(void)fputc('x', f);
	(void)fputc('\n', f);
	(void)fclose(f);
	assert_int_equal(audit_open("audit", 1000000, &a), 0);
	assert_int_equal(cursor_next(a, &c, cursor_end(a), &b), VERR_FORMAT);
	c.place = cursor_end(a);
	assert_int_equal(cursor_back(a, &c, &b), VERR_FORMAT);
	cursor_close(&c);
	audit_close(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    folder_test(audit_cursor_reads_every_line_in_order),
	    folder_test(audit_cursor_reads_every_line_backwards),
	    folder_test(audit_cursor_ends_where_it_is_told),
	    folder_test(audit_cursor_refuses_a_segment_without_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
