#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/unit/ledger/folder.h"

#include <errno.h>
#include <sys/syscall.h>

#include "protocol/record.h"
#include "vaultd/ledger/audit.h"

#define FIRST   "audit/00000000000000000000.jsonl"
#define MANY    (UINT64_C(1) << 40)
#define OUTCOME (AUDIT_LINE_MAX + 1)

/* The disk, as the code under test finds it. */
static int fail_sync, fail_write;
static off_t disk; /* no file may be reserved beyond, 0: any */

int
fdatasync(int fd)
{
	if (fail_sync) {
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_fdatasync, fd);
}

int
fallocate(int fd, int mode, off_t at, off_t len)
{
	if (disk != 0 && at + len > disk) {
		errno = ENOSPC;
		return -1;
	}
	return (int)syscall(SYS_fallocate, fd, mode, at, len);
}

/* Half of it arrives, then the disk fails. */
ssize_t
write(int fd, const void *p, size_t n)
{
	if (fail_write == 2 || (fail_write == 1 && n < 2)) {
		errno = ENOSPC;
		return -1;
	}
	if (fail_write == 1) {
		fail_write = 2;
		n /= 2;
	}
	return syscall(SYS_write, fd, p, n);
}

static int
enter(void **state)
{
	fail_sync = fail_write = 0;
	disk = 0;
	return folder_enter(state);
}

static struct audit *
opened(uint64_t segment_max)
{
	struct audit *a = NULL;

	assert_int_equal(audit_open("audit", segment_max, &a), 0);
	return a;
}

static int
put(struct audit *a, const char *line, unsigned flags)
{
	return audit_put(a, slice_str(line), flags);
}

static void
put_flush(struct audit *a, const char *line, int sync)
{
	assert_int_equal(put(a, line, 0), 0);
	assert_int_equal(audit_flush(a, sync), 0);
}

static void
expect_file(const char *path, const char *text)
{
	char *p = file_read(path, NULL);

	assert_string_equal(p, text);
	free(p);
}

static void
file_append(const char *path, const char *p, size_t n)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, p, n), (ssize_t)n);
	(void)close(fd);
}

static void
audit_lines_are_numbered_from_zero_and_kept(void **state)
{
	struct audit *a = opened(MANY);

	(void)state;
	assert_true(audit_next(a) == 0);
	assert_int_equal(put(a, "{0}", 0), 0);
	assert_int_equal(put(a, "{1}", 0), 0);
	assert_true(audit_next(a) == 2 && audit_flushed(a) == 0);
	expect_file(FIRST, "");
	assert_int_equal(audit_flush(a, 0), 0);
	assert_true(audit_flushed(a) == 2 && audit_synced(a) == 0);
	expect_file(FIRST, "{0}\n{1}\n");
	assert_int_equal(audit_flush(a, 1), 0);
	assert_true(audit_synced(a) == 2);
	assert_int_equal(put(a, "{2}", 0), 0);
	audit_close(a);
	a = opened(MANY);
	assert_true(audit_next(a) == 3 && audit_synced(a) == 3);
	put_flush(a, "{3}", 0);
	audit_close(a);
	expect_file(FIRST, "{0}\n{1}\n{2}\n{3}\n");
}

static void
audit_what_is_no_line_is_refused(void **state)
{
	static char line[AUDIT_LINE_MAX + 1];
	struct audit *a = opened(MANY);

	(void)state;
	memset(line, 'x', sizeof(line));
	assert_int_equal(put(a, "", 0), VERR_FORMAT);
	assert_int_equal(put(a, "a\nb", 0), VERR_FORMAT);
	assert_int_equal(audit_put(a, slice_of("a\0b", 3), 0), VERR_FORMAT);
	assert_int_equal(
	    audit_put(a, slice_of(line, sizeof(line)), 0), VERR_FORMAT);
	assert_true(audit_next(a) == 0);
	assert_int_equal(audit_put(a, slice_of(line, AUDIT_LINE_MAX), 0), 0);
	audit_close(a);
}

static void
audit_torn_last_line_is_cut(void **state)
{
	static const struct {
		const char *tail;
		size_t n;
	} torn[] = {{"{\"seq\":2,\"ti", 12}, {"\0\0\0\0", 4},
	    {"\0\0\0\0\n{\"seq\":3}\n", 15}, {"{\0}\n", 4}};

	(void)state;
	for (size_t i = 0; i < sizeof(torn) / sizeof(torn[0]); i++) {
		struct audit *a;

		(void)unlink(FIRST);
		(void)mkdir("audit", 0700);
		file_append(FIRST, "{0}\n{1}\n", 8);
		file_append(FIRST, torn[i].tail, torn[i].n);
		a = opened(MANY);
		assert_true(audit_next(a) == 2);
		put_flush(a, "{2}", 0);
		audit_close(a);
		expect_file(FIRST, "{0}\n{1}\n{2}\n");
	}
}

static void
audit_segments_follow_each_other(void **state)
{
	struct audit *a = opened(10);
	char line[20];

	(void)state;
	for (int i = 0; i < 7; i++) {
		(void)snprintf(line, sizeof(line), "{%d}", i);
		put_flush(a, line, 0);
	}
	assert_int_equal(audit_segments(a), 3);
	assert_true(audit_segment_first(a, 1) == 3);
	assert_true(audit_segment_first(a, 2) == 6);
	audit_close(a);
	expect_file(FIRST, "{0}\n{1}\n{2}\n");
	expect_file("audit/00000000000000000003.jsonl", "{3}\n{4}\n{5}\n");
	expect_file("audit/00000000000000000006.jsonl", "{6}\n");
	file_append("audit/notes.jsonl", "not ours", 8);
	file_append("audit/9.jsonl", "nor this", 8);
	/* A rotation that came to nothing. */
	file_append("audit/00000000000000000007.jsonl", "", 0);
	a = opened(10);
	assert_int_equal(audit_segments(a), 3);
	assert_true(audit_next(a) == 7);
	put_flush(a, "{7}", 0);
	audit_close(a);
	expect_file("audit/00000000000000000006.jsonl", "{6}\n{7}\n");
}

static void
audit_full_disk_still_takes_every_outcome(void **state)
{
	static char outcome[AUDIT_LINE_MAX + 1];
	struct audit *a;
	uint64_t open = 0, more = 0;

	(void)state;
	memset(outcome, 'o', AUDIT_LINE_MAX);
	disk = 1 << 20;
	a = opened(MANY);
	while (put(a, "{decision}", APPEND_RESERVE) == 0)
		open++;
	assert_in_range(open, 100, 128);
	assert_int_equal(put(a, "{decision}", APPEND_RESERVE), VERR_NOSPACE);
	/* Without an outcome to come a line needs less. */
	while (put(a, "{access}", 0) == 0)
		more++;
	assert_in_range(more, 1, OUTCOME / 9);
	assert_int_equal(audit_flush(a, 0), 0);
	for (uint64_t i = 0; i < open; i++) {
		assert_int_equal(put(a, outcome, APPEND_RELEASE), 0);
		assert_int_equal(audit_flush(a, 0), 0);
	}
	assert_int_equal(put(a, "{decision}", APPEND_RESERVE), VERR_NOSPACE);
	disk = 0;
	put_flush(a, "{access}", 1);
	assert_true(audit_next(a) == 2 * open + more + 1);
	audit_close(a);
}

static void
audit_reserved_disk_is_had_and_given_back(void **state)
{
	struct audit *a = opened(MANY);
	struct stat st;

	(void)state;
	for (int i = 0; i < 100; i++)
		assert_int_equal(put(a, "{decision}", APPEND_RESERVE), 0);
	assert_int_equal(audit_flush(a, 0), 0);
	assert_int_equal(stat(FIRST, &st), 0);
	assert_int_equal(st.st_size, 1100);
	assert_true(st.st_blocks * 512 >= 1100 + 100 * OUTCOME);
	audit_close(a);
	assert_int_equal(stat(FIRST, &st), 0);
	assert_int_equal(st.st_size, 1100);
	assert_true(st.st_blocks * 512 <= 65536);
}

/* The old segment goes on, with what was reserved in it. */
static void
audit_no_disk_for_a_new_segment(void **state)
{
	struct audit *a = opened(4);
	int open = 0;

	(void)state;
	put_flush(a, "{0}", 0);
	disk = 500000;
	for (; put(a, "{decision}", APPEND_RESERVE) == 0; open++)
		assert_int_equal(audit_flush(a, 0), 0);
	assert_true(open > 20);
	disk = 1;
	for (int i = 0; i < open; i++) {
		assert_int_equal(put(a, "{outcome}", APPEND_RELEASE), 0);
		assert_int_equal(audit_flush(a, 0), 0);
	}
	audit_close(a);
}

static void
audit_failed_write_leaves_no_part_of_a_line(void **state)
{
	struct audit *a = opened(MANY);

	(void)state;
	put_flush(a, "{0}", 0);
	assert_int_equal(put(a, "{one}", APPEND_RESERVE), 0);
	assert_int_equal(put(a, "{two}", 0), 0);
	fail_write = 1;
	assert_int_equal(audit_flush(a, 1), VERR_NOSPACE);
	expect_file(FIRST, "{0}\n");
	assert_true(audit_next(a) == 1 && audit_flushed(a) == 1);
	fail_write = 0;
	assert_int_equal(audit_recover(a), 0);
	put_flush(a, "{1}", 1);
	audit_close(a);
	expect_file(FIRST, "{0}\n{1}\n");
}

/*
 * What the kernel may have lost is written anew before anything else is, and
 * not before that syncs.
 */
static void
audit_failed_sync_is_not_forgotten(void **state)
{
	struct audit *a = opened(MANY);
	int fd;

	(void)state;
	put_flush(a, "{0}", 1);
	put_flush(a, "{1}", 0);
	assert_int_equal(put(a, "{2}", 0), 0);
	fail_sync = 1;
	assert_int_equal(audit_flush(a, 1), VERR_IO);
	assert_true(audit_flushed(a) == 2 && audit_synced(a) == 1);
	expect_file(FIRST, "{0}\n{1}\n");
	assert_int_equal(put(a, "{2}", 0), VERR_IO);
	assert_int_equal(audit_flush(a, 1), VERR_IO);
	assert_int_equal(audit_recover(a), VERR_IO);
	fail_sync = 0;
	assert_int_equal(put(a, "{2}", 0), VERR_IO);
	assert_true((fd = open(FIRST, O_WRONLY)) >= 0);
	assert_int_equal(pwrite(fd, "\0\0\0", 3, 5), 3);
	(void)close(fd);
	assert_int_equal(audit_recover(a), 0);
	assert_true(audit_synced(a) == 2);
	put_flush(a, "{2}", 1);
	audit_close(a);
	expect_file(FIRST, "{0}\n{1}\n{2}\n");
}

static void
audit_file_changed_by_others_is_noticed(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++) {
		struct audit *a = opened(MANY);
		int fd;

		put_flush(a, "{0}", 1);
		if (i == 0)
			assert_int_equal(unlink(FIRST), 0);
		else if (i == 1)
			assert_int_equal(truncate(FIRST, 2), 0);
		else if (i == 2)
			file_append(FIRST, "{x}\n", 4);
		else
			assert_int_equal(rename(FIRST, "elsewhere"), 0);
		if (i == 4) {
			assert_true((fd = creat(FIRST, 0600)) >= 0);
			assert_int_equal(write(fd, "{0}\n", 4), 4);
			(void)close(fd);
		}
		assert_int_equal(put(a, "{1}", 0), 0);
		assert_int_equal(audit_flush(a, 0), VERR_IO);
		assert_int_equal(put(a, "{1}", 0), VERR_IO);
		/* Only what was added can be mended. */
		assert_int_equal(audit_recover(a), i == 2 ? 0 : VERR_IO);
		audit_close(a);
		if (i == 2)
			expect_file(FIRST, "{0}\n");
		(void)unlink(FIRST);
	}
}

#define disk_test(f) cmocka_unit_test_setup_teardown(f, enter, folder_leave)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    disk_test(audit_lines_are_numbered_from_zero_and_kept),
	    disk_test(audit_what_is_no_line_is_refused),
	    disk_test(audit_torn_last_line_is_cut),
	    disk_test(audit_segments_follow_each_other),
	    disk_test(audit_full_disk_still_takes_every_outcome),
	    disk_test(audit_reserved_disk_is_had_and_given_back),
	    disk_test(audit_no_disk_for_a_new_segment),
	    disk_test(audit_failed_write_leaves_no_part_of_a_line),
	    disk_test(audit_failed_sync_is_not_forgotten),
	    disk_test(audit_file_changed_by_others_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
