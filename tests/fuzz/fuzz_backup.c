/*
 * A backup: a header is one that we would write, and the run behind it is
 * found in pieces as it is in one.
 */
#include "client/vaultctl/backup.h"
#include "tests/fuzz/fuzz.h"

static void
check_header(const uint8_t *p)
{
	uint8_t again[BACKUP_HEADER];
	struct backup_header h;

	if (backup_header_parse(p, &h) != 0)
		return;
	if (h.kind == BACKUP_PASSPHRASE)
		CHECK(h.memory >= BACKUP_MEMORY_MIN &&
		    h.memory <= BACKUP_MEMORY_MAX && h.passes >= 1 &&
		    h.passes <= BACKUP_PASSES_MAX);
	else
		CHECK(h.memory == 0 && h.passes == 0 &&
		    sodium_is_zero(h.salt, sizeof(h.salt)));
	backup_header_write(&h, again);
	CHECK(memcmp(again, p, sizeof(again)) == 0);
}

static int
feed(struct slice list, size_t piece, struct change_run *run)
{
	int r = 0;

	while (r == 0 && list.n > 0) {
		size_t n = list.n < piece ? list.n : piece;

		r = change_run_feed(run, slice_of(list.p, n));
		list = slice_of(list.p + n, list.n - n);
	}
	return r == 0 ? change_run_end(run) : r;
}

static void
check_rows(struct slice list)
{
	uint8_t last[ROW_ID_LEN];
	struct change c;

	for (size_t n = 0; change_next(&list, &c) == 0; n++) {
		CHECK(c.kind <= 255 && c.expected == 0 && c.generation > 0 &&
		    c.generation <= INT64_MAX && c.body.n <= 131072);
		CHECK(n == 0 || memcmp(last, c.id, ROW_ID_LEN) < 0);
		memcpy(last, c.id, ROW_ID_LEN);
	}
	CHECK(list.n == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct change_run whole = {0}, pieces = {0};
	struct slice list;
	size_t piece;
	int r;

	if (size <= BACKUP_HEADER)
		return 0;
	check_header(data);
	piece = 1 + data[BACKUP_HEADER] % 64;
	list = slice_of(data + BACKUP_HEADER + 1, size - BACKUP_HEADER - 1);
	r = feed(list, SIZE_MAX, &whole);
	CHECK(feed(list, piece, &pieces) == r);
	if (r != 0)
		return 0;
	CHECK(whole.rows == pieces.rows && whole.bytes == pieces.bytes &&
	    whole.generation == pieces.generation);
	check_rows(list);
	return 0;
}
