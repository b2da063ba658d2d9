/*
 * Any byte of the store changed: it is refused, or every row is there by scan
 * and by name alike and can be changed, whether as it was or (which the
 * keeper's sealed root tells) otherwise.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/unit/ledger/folder.h"

#include "vaultd/ledger/store.h"

#define ROWS   40
#define KIND   7
#define SAMPLE 400 /* bytes that a plain run changes */
#define PATH   "store.db"

struct found {
	uint8_t id[ROW_ID_LEN];
	struct slice body;
	uint64_t generation;
	uint32_t kind;
	uint8_t *copy;
};

static size_t at; /* the byte that is changed, for the one who looks */

/* Of what is thrown away nothing has to be on a disk. */
int
fdatasync(int fd)
{
	(void)fd;
	return 0;
}

int
fsync(int fd)
{
	(void)fd;
	return 0;
}

static int
change(struct store *s, const uint8_t *id, uint64_t generation,
    uint64_t expected, struct slice body)
{
	uint8_t *list = malloc(CHANGE_OVERHEAD + body.n);
	struct change c = {.kind = KIND,
	    .generation = generation,
	    .expected = expected,
	    .body = body};
	int r;

	assert_non_null(list);
	memcpy(c.id, id, ROW_ID_LEN);
	change_encode(&c, list);
	r = store_commit(s, slice_of(list, CHANGE_OVERHEAD + body.n));
	free(list);
	return r;
}

/*
 * A store of more than one page, some with rows that need several.
 */
static void
make_store(void)
{
	static uint8_t body[6000];
	uint8_t id[ROW_ID_LEN];
	struct store *s = NULL;

	assert_int_equal(store_open(PATH, &s), 0);
	for (unsigned i = 0; i < ROWS; i++) {
		memset(id, (int)(i * 151), sizeof(id));
		memset(body, 'a' + (int)(i % 26), sizeof(body));
		assert_int_equal(change(s, id, i + 1, 0,
		                     slice_of(body, i == 5 ? 6000 : 300 + i)),
		    0);
	}
	/* Free pages, too. */
	memset(id, 5 * 151, sizeof(id));
	assert_int_equal(change(s, id, 0, 6, slice_of(NULL, 0)), 0);
	assert_int_equal(store_erase(s), 0);
	store_close(s);
}

/*
 * All rows by a scan; VERR_NOTFOUND if that came to the end.
 */
static int
scan(struct store *s, struct found *found, size_t *ret_n)
{
	struct row row;
	size_t n = 0;
	int r;

	while ((r = store_next(s, &row)) == 0 && n < ROWS) {
		struct found *f = &found[n++];

		memcpy(f->id, row.id, ROW_ID_LEN);
		f->kind = row.kind;
		f->generation = row.generation;
		assert_non_null(f->copy = malloc(row.body.n + 1));
		if (row.body.n > 0)
			memcpy(f->copy, row.body.p, row.body.n);
		f->body = slice_of(f->copy, row.body.n);
	}
	*ret_n = n;
	return r;
}

static void
expect_the_same_by_name(struct store *s, const struct found *f)
{
	struct row row;
	int r = store_fetch(s, f->id, &row);

	if (r != 0 || row.kind != f->kind || row.generation != f->generation ||
	    !slice_equal(row.body, f->body))
		fail_msg("byte %zu: a row is another by its name: %d", at, r);
}

/*
 * Returns 1 if the store was served.
 */
static int
serve(void)
{
	struct found found[ROWS];
	struct store *s = NULL;
	size_t n = 0;
	int served;

	if (store_open(PATH, &s) != 0)
		return 0;
	served = scan(s, found, &n) == VERR_NOTFOUND;
	for (size_t i = 0; served && i < n; i++)
		expect_the_same_by_name(s, &found[i]);
	for (size_t i = 0; served && i < n; i++) {
		const struct found *f = &found[i];

		if (change(s, f->id, f->generation + 1, f->generation,
		        slice_str("new")) != 0 ||
		    (i % 2 == 0 &&
		        change(s, f->id, 0, f->generation + 1,
		            slice_of(NULL, 0)) != 0))
			fail_msg("byte %zu: a row cannot be changed", at);
	}
	for (size_t i = 0; i < n; i++)
		free(found[i].copy);
	store_close(s);
	return served;
}

static void
put_file(const char *p, size_t n)
{
	int fd = open(PATH, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, p, n), (ssize_t)n);
	(void)close(fd);
}

static void
keys_store_with_a_changed_byte_is_refused_or_whole(void **state)
{
	const char *is_long = getenv("VAULTD_LONG");
	size_t n, step, refused = 0, served = 0;
	char *p;

	(void)state;
	make_store();
	p = file_read(PATH, &n);
	step = is_long != NULL && *is_long == '1' ? 1 : n / SAMPLE;
	for (at = 0; at < n; at += step) {
		char was = p[at];

		p[at] = (char)(was ^ 1 << at % 7);
		folder_empty(".");
		put_file(p, n);
		p[at] = was;
		if (serve())
			served++;
		else
			refused++;
	}
	free(p);
	assert_true(served > 0 && refused > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    folder_test(keys_store_with_a_changed_byte_is_refused_or_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
