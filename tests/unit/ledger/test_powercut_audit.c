/*
 * Power cuts while the audit log is written: what was reported as synced is
 * there, behind it are whole lines or nothing, and none in between is missing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/unit/ledger/disk.h"

#include <errno.h>
#include <sys/syscall.h>

#include "vaultd/ledger/audit.h"

#define LINES   4096
#define LIFE    60 /* rounds of a first life */
#define AGAIN   6  /* and of the one after a cut */
#define SEGMENT 20000
#define STATES  150 /* and with VAULTD_LONG: */
#define MANY    2000
#define PER_RUN 50
#define FOLDER  "cut"
#define NEVER   SIZE_MAX

/* A line that was put; its text follows from its place here. */
struct put {
	uint64_t number;
	size_t begun, ended; /* in the journal; ended: reported as synced */
};

struct history {
	struct put puts[LINES];
	size_t n;
	size_t meant[LINES]; /* by number: the put that counts */
};

static struct disk *journal; /* NULL: nothing is written down */
static struct chance luck;
static int fail_sync, fail_write;
static char where[128]; /* for whoever has to repeat it */

/*
 * The calls of the code under test.
 */

static size_t
file_of(int fd)
{
	char link[64], path[256] = "";

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	assert_true(readlink(link, path, sizeof(path) - 1) > 0);
	return disk_file(journal, strrchr(path, '/') + 1);
}

int
openat(int dir, const char *name, int flags, ...)
{
	int fresh = (flags & O_CREAT) && faccessat(dir, name, F_OK, 0) != 0;
	long fd = syscall(SYS_openat, dir, name, flags, 0600);

	if (fd >= 0 && fresh && journal != NULL)
		(void)disk_make(journal, name);
	return (int)fd;
}

int
unlinkat(int dir, const char *name, int flags)
{
	if (journal != NULL)
		disk_note(journal, DISK_REMOVED, disk_file(journal, name), 0,
		    NULL, 0);
	return (int)syscall(SYS_unlinkat, dir, name, flags);
}

int
fsync(int fd)
{
	(void)fd;
	if (journal != NULL)
		disk_note(journal, DISK_NAMES, 0, 0, NULL, 0);
	return 0;
}

int
fdatasync(int fd)
{
	int fails = fail_sync;

	fail_sync = 0;
	if (journal != NULL)
		disk_note(journal, fails ? DISK_LOST : DISK_SYNCED, file_of(fd),
		    0, NULL, 0);
	errno = EIO;
	return fails ? -1 : 0;
}

int
ftruncate(int fd, off_t size)
{
	if (journal != NULL)
		disk_note(
		    journal, DISK_SIZED, file_of(fd), (uint64_t)size, NULL, 0);
	return (int)syscall(SYS_ftruncate, fd, size);
}

ssize_t
pwrite(int fd, const void *p, size_t n, off_t at)
{
	if (journal != NULL)
		disk_note(
		    journal, DISK_WRITTEN, file_of(fd), (uint64_t)at, p, n);
	return syscall(SYS_pwrite64, fd, p, n, at);
}

/* To the end of a segment; a full disk takes a part of it, then nothing. */
ssize_t
write(int fd, const void *p, size_t n)
{
	struct stat st;

	if (journal != NULL && fd > 2) {
		if (fail_write == 2 || (fail_write == 1 && n < 2)) {
			fail_write = 0;
			errno = ENOSPC;
			return -1;
		}
		if (fail_write == 1) {
			fail_write = 2;
			n /= 2;
		}
		if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
			disk_note(journal, DISK_WRITTEN, file_of(fd),
			    (uint64_t)st.st_size, p, n);
	}
	return syscall(SYS_write, fd, p, n);
}

/*
 * Lines, and a life that writes them.
 */

static struct slice
text_of(const struct history *h, size_t put)
{
	static char text[AUDIT_LINE_MAX];
	struct chance c = {put};
	size_t n = chance(&c, 8) == 0
	    ? 40 + (size_t)chance(&c, sizeof(text) - 40)
	    : 40 + (size_t)chance(&c, 600);

	memset(text, 'a' + (int)(put % 26), sizeof(text));
	text[snprintf(text, sizeof(text), "{%llu put %zu}",
	    (unsigned long long)h->puts[put].number, put)] = ' ';
	return slice_of(text, n);
}

static void
put_line(struct history *h, struct audit *a)
{
	struct put *put = &h->puts[h->n];

	assert_true(h->n < LINES);
	*put = (struct put){audit_next(a), journal->n, NEVER};
	if (audit_put(a, text_of(h, h->n), 0) == 0)
		h->meant[put->number] = h->n++;
}

/*
 * Put some lines and write them; the disk may be full, or fail.
 */
static void
take_round(struct history *h, struct audit *a)
{
	uint64_t before = audit_synced(a);

	for (uint64_t n = chance(&luck, 12); n > 0; n--)
		put_line(h, a);
	fail_write = chance(&luck, 12) == 0;
	fail_sync = chance(&luck, 10) == 0;
	if (audit_flush(a, chance(&luck, 3) == 0) != 0 && audit_recover(a) != 0)
		assert_int_equal(audit_recover(a), 0);
	fail_write = fail_sync = 0;
	for (; before < audit_synced(a); before++)
		h->puts[h->meant[before]].ended = journal->n;
}

static void
check_line(const struct history *h, size_t cut, uint64_t number,
    struct slice line, size_t *ret_put)
{
	unsigned long long n;

	if (sscanf((const char *)line.p, "{%llu put %zu}", &n, ret_put) != 2 ||
	    n != number || *ret_put >= h->n ||
	    h->puts[*ret_put].number != number ||
	    h->puts[*ret_put].begun == NEVER || h->puts[*ret_put].begun > cut ||
	    !slice_equal(line, text_of(h, *ret_put)))
		fail_msg("%s: line %llu is not one that was put: %.60s", where,
		    (unsigned long long)number, (const char *)line.p);
}

/*
 * Hold the log against what was put before a cut behind "cut" events, and
 * take what is there for what counts.
 */
static void
check_log(struct history *h, size_t cut, const struct audit *a)
{
	static size_t found[LINES];
	uint64_t number = 0;

	for (size_t i = 0; i < audit_segments(a); i++) {
		char name[64], *p, *line, *nl;

		if (audit_segment_first(a, i) != number)
			fail_msg("%s: lines before %llu are missing", where,
			    (unsigned long long)audit_segment_first(a, i));
		(void)snprintf(name, sizeof(name), FOLDER "/%020llu.jsonl",
		    (unsigned long long)number);
		line = p = file_read(name, NULL);
		for (; (nl = strchr(line, '\n')) != NULL; line = nl + 1) {
			check_line(h, cut, number,
			    slice_of(line, (size_t)(nl - line)),
			    &found[number]);
			number++;
		}
		if (*line != '\0')
			fail_msg("%s: a torn line is left", where);
		free(p);
	}
	if (audit_next(a) != number || audit_synced(a) != number)
		fail_msg("%s: the lines are miscounted", where);
	for (size_t i = 0; i < h->n; i++) {
		struct put *put = &h->puts[i];
		int there = put->number < number && found[put->number] == i;

		if (put->ended != NEVER && put->ended <= cut && !there)
			fail_msg("%s: line %llu was synced, and is not there",
			    where, (unsigned long long)put->number);
		put->begun = there ? 0 : NEVER;
		put->ended = put->begun;
		if (there)
			h->meant[put->number] = i;
	}
}

/*
 * Open what a cut behind "cut" events of another journal left, and live on.
 */
static void
live(struct history *h, size_t cut, struct disk *d, unsigned rounds)
{
	struct audit *a = NULL;
	int r;

	journal = d;
	if ((r = audit_open(FOLDER, SEGMENT, &a)) != 0)
		fail_msg("%s: the log does not open: %d", where, r);
	check_log(h, cut, a);
	for (unsigned i = 0; i < rounds; i++)
		take_round(h, a);
	/* Nothing of closing is wanted in the journal. */
	journal = NULL;
	audit_close(a);
}

/*
 * Cut behind "cut" events and look what is there; go on from there, and cut
 * once more.
 */
static void
cut_twice(const struct history *h, const struct disk *d, size_t cut)
{
	static struct history again;
	struct disk first, second;

	again = *h;
	folder_empty(FOLDER);
	disk_cut(d, cut, &luck, FOLDER, &first);
	live(&again, cut, &first, AGAIN);
	cut = (size_t)chance(&luck, first.n + 1);
	folder_empty(FOLDER);
	disk_cut(&first, cut, &luck, FOLDER, &second);
	live(&again, cut, &second, 0);
	disk_free(&first);
	disk_free(&second);
}

static void
audit_survives_power_cuts(void **state)
{
	const char *is_long = getenv("VAULTD_LONG");
	unsigned states = is_long != NULL && *is_long == '1' ? MANY : STATES;
	static struct history h;

	(void)state;
	assert_int_equal(mkdir(FOLDER, 0700), 0);
	for (unsigned run = 0; run < states / PER_RUN; run++) {
		struct disk d = {.nfiles = 0};

		luck.state = run;
		h.n = 0;
		(void)snprintf(where, sizeof(where), "seed %u", run);
		folder_empty(FOLDER);
		live(&h, 0, &d, LIFE);
		for (unsigned i = 0; i < PER_RUN; i++) {
			size_t cut = (i * d.n + chance(&luck, d.n)) / PER_RUN;

			(void)snprintf(where, sizeof(where),
			    "seed %u, cut %u at %zu of %zu", run, i, cut, d.n);
			cut_twice(&h, &d, cut);
		}
		disk_free(&d);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    folder_test(audit_survives_power_cuts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
