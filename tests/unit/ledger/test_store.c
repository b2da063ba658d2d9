#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/unit/ledger/folder.h"

#include <sqlite3.h>

#include "vaultd/ledger/store.h"

static uint8_t list[400 * 1024];
static size_t list_len;

static void
add(uint8_t id, uint64_t generation, uint64_t expected, const char *body)
{
	struct change c = {.kind = 7,
	    .generation = generation,
	    .expected = expected,
	    .body = slice_str(body)};

	memset(c.id, id, sizeof(c.id));
	assert_true(CHANGE_OVERHEAD + c.body.n <= sizeof(list) - list_len);
	change_encode(&c, list + list_len);
	list_len += CHANGE_OVERHEAD + c.body.n;
}

static int
commit(struct store *s)
{
	size_t n = list_len;

	list_len = 0;
	return store_commit(s, slice_of(list, n));
}

static int
commit_one(struct store *s, uint8_t id, uint64_t generation, uint64_t expected,
    const char *body)
{
	add(id, generation, expected, body);
	return commit(s);
}

static struct store *
opened(void)
{
	struct store *s = NULL;

	assert_int_equal(store_open("store.db", &s), 0);
	return s;
}

static size_t
count(struct store *s)
{
	struct row row;
	size_t n = 0;

	while (store_next(s, &row) == 0)
		n++;
	return n;
}

static void
expect_row(struct store *s, uint8_t id, uint64_t generation, const char *body)
{
	uint8_t name[ROW_ID_LEN];
	struct row row = {.kind = 0};

	memset(name, id, sizeof(name));
	if (generation == 0) {
		assert_int_equal(store_fetch(s, name, &row), VERR_NOTFOUND);
		return;
	}
	assert_int_equal(store_fetch(s, name, &row), 0);
	assert_memory_equal(row.id, name, sizeof(name));
	assert_int_equal(row.kind, 7);
	assert_true(row.generation == generation);
	assert_true(slice_is(row.body, body));
}

static void
keys_store_every_generation_but_the_expected_is_stale(void **state)
{
	struct store *s = opened();

	(void)state;
	assert_int_equal(commit_one(s, 1, 1, 0, "one"), 0);
	assert_int_equal(commit_one(s, 1, 1, 0, "again"), VERR_STALE);
	assert_int_equal(commit_one(s, 1, 3, 2, "ahead"), VERR_STALE);
	assert_int_equal(commit_one(s, 2, 2, 1, "nowhere"), VERR_STALE);
	assert_int_equal(commit_one(s, 1, 0, 2, ""), VERR_STALE);
	expect_row(s, 1, 1, "one");
	assert_int_equal(commit_one(s, 1, 2, 1, "two"), 0);
	expect_row(s, 1, 2, "two");
	assert_int_equal(commit_one(s, 1, 2, 1, "late"), VERR_STALE);
	assert_int_equal(commit_one(s, 1, 0, 2, ""), 0);
	expect_row(s, 1, 0, NULL);
	assert_int_equal(commit_one(s, 1, 0, 2, ""), VERR_STALE);
	store_close(s);
}

static void
keys_store_commits_all_or_nothing(void **state)
{
	struct store *s = opened();

	(void)state;
	assert_int_equal(commit_one(s, 1, 5, 0, "one"), 0);
	add(2, 1, 0, "two");
	add(1, 6, 5, "new");
	add(3, 2, 1, "stale");
	assert_int_equal(commit(s), VERR_STALE);
	expect_row(s, 1, 5, "one");
	expect_row(s, 2, 0, NULL);
	add(2, 1, 0, "two");
	add(1, 6, 5, "new");
	assert_int_equal(commit(s), 0);
	store_close(s);
	s = opened();
	assert_int_equal(count(s), 2);
	expect_row(s, 1, 6, "new");
	expect_row(s, 2, 1, "two");
	store_close(s);
}

static void
keys_store_refuses_malformed_changes_whole(void **state)
{
	struct store *s = opened();
	size_t whole;

	(void)state;
	add(1, 1, 0, "one");
	add(2, 1, 0, "two");
	whole = list_len;
	for (size_t n = 1; n < whole; n++)
		if (n != whole / 2)
			assert_int_equal(
			    store_commit(s, slice_of(list, n)), VERR_FORMAT);
	list_len = 0;
	assert_int_equal(commit_one(s, 1, 0, 0, ""), VERR_FORMAT);
	assert_int_equal(commit_one(s, 1, UINT64_MAX, 0, ""), VERR_FORMAT);
	assert_int_equal(count(s), 0);
	store_close(s);
}

static void
keys_store_body_sizes(void **state)
{
	static char body[ROW_BODY_MAX + 2];
	struct store *s = opened();

	(void)state;
	memset(body, 'b', ROW_BODY_MAX + 1);
	assert_int_equal(commit_one(s, 2, 1, 0, body), VERR_FORMAT);
	body[ROW_BODY_MAX] = '\0';
	assert_int_equal(commit_one(s, 1, 1, 0, ""), 0);
	assert_int_equal(commit_one(s, 2, 1, 0, body), 0);
	expect_row(s, 1, 1, "");
	expect_row(s, 2, 1, body);
	store_close(s);
}

/* The larger one lies on pages of its own, which are freed whole. */
static void
keys_store_erased_bytes_are_in_no_file(void **state)
{
	static const char marker[] = "A-MARKER-THAT-IS-NOWHERE-ELSE";
	struct store *s = opened();
	static char large[60000];

	(void)state;
	memset(large, '.', sizeof(large) - 1);
	memcpy(large + 50000, marker, sizeof(marker) - 1);
	assert_int_equal(commit_one(s, 1, 1, 0, marker), 0);
	assert_int_equal(commit_one(s, 2, 1, 0, large), 0);
	assert_int_equal(commit_one(s, 3, 1, 0, "neighbour"), 0);
	assert_int_equal(store_erase(s), 0);
	assert_true(folder_has(marker));
	assert_int_equal(commit_one(s, 1, 2, 1, "replaced"), 0);
	assert_int_equal(commit_one(s, 2, 0, 1, ""), 0);
	assert_true(folder_has(marker)); /* or the test could not fail */
	assert_int_equal(store_erase(s), 0);
	assert_false(folder_has(marker));
	expect_row(s, 3, 1, "neighbour");
	store_close(s);
}

static void
keys_store_is_held_by_one(void **state)
{
	struct store *s = opened(), *other = NULL;

	(void)state;
	assert_int_equal(store_open("store.db", &other), VERR_BUSY);
	assert_null(other);
	store_close(s);
	store_close(opened());
}

static void
keys_store_refuses_what_it_does_not_know(void **state)
{
	struct store *s = opened();
	sqlite3 *db;
	int fd;

	(void)state;
	store_close(s);
	s = NULL;
	assert_int_equal(sqlite3_open("store.db", &db), SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(db, "PRAGMA user_version = 2", NULL, NULL, NULL), 0);
	assert_int_equal(sqlite3_close(db), 0);
	assert_int_equal(store_open("store.db", &s), VERR_VERSION);
	assert_int_equal(sqlite3_open("other.db", &db), SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(db, "CREATE TABLE rows (x)", NULL, NULL, NULL), 0);
	assert_int_equal(sqlite3_close(db), 0);
	assert_int_equal(store_open("other.db", &s), VERR_FORMAT);
	assert_true((fd = open("junk.db", O_WRONLY | O_CREAT, 0600)) >= 0);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(write(fd, "no data base", 12), 12);
	(void)close(fd);
	assert_int_equal(store_open("junk.db", &s), VERR_FORMAT);
	assert_int_equal(symlink("store.db", "link.db"), 0);
	assert_int_not_equal(store_open("link.db", &s), 0);
	assert_null(s);
}

static void
keys_store_damaged_page_is_noticed(void **state)
{
	struct store *s = opened();
	struct row row;
	int fd, r;

	(void)state;
	for (uint8_t i = 1; i < 100; i++)
		assert_int_equal(commit_one(s, i, 1, 0, "a row"), 0);
	store_close(s);
	assert_true((fd = open("store.db", O_WRONLY)) >= 0);
	for (off_t at = 4096; at < 3 * 4096; at += 4)
		assert_int_equal(pwrite(fd, "\xff\xff\xff\xff", 4, at), 4);
	(void)close(fd);
	if ((r = store_open("store.db", &s)) == 0) {
		while ((r = store_next(s, &row)) == 0)
			;
		store_close(s);
	}
	assert_int_equal(r, VERR_FORMAT);
}

#define MOVED_ROWS 24

/*
 * Every copy of a row's bytes in the file is of the generation in force: also
 * those that a page keeps between its pointers and its cells when it is
 * rebuilt, which secure_delete passes over.
 */
static void
expect_no_leftovers(const uint64_t now[MOVED_ROWS])
{
	static char file[1 << 20];
	FILE *f = fopen("store.db", "re");
	size_t n;

	assert_non_null(f);
	n = fread(file, 1, sizeof(file) - 1, f);
	assert_int_equal(fclose(f), 0);
	file[n] = '\0';
	for (size_t at = 0; at + 21 < n; at++) {
		unsigned id, generation;

		if (memcmp(file + at, "VAULTROW", 8) != 0 ||
		    file[at + 20] != '|' ||
		    sscanf(file + at + 8, "%4u%8u|", &id, &generation) != 2)
			continue;
		assert_true(id < MOVED_ROWS);
		assert_int_equal(generation, now[id]);
	}
}

static void
keys_store_keeps_no_copy_of_rows_that_moved(void **state)
{
	static const size_t sizes[] = {100, 356, 356, 612, 1124};
	uint64_t now[MOVED_ROWS] = {0}, generation = 0;
	struct store *s = opened();
	char body[1200];
	unsigned seed = 7;

	(void)state;
	for (int step = 0; step < 600; step++) {
		unsigned id = (unsigned)rand_r(&seed) % MOVED_ROWS;
		size_t size = sizes[(unsigned)rand_r(&seed) % 5];

		generation++;
		for (size_t at = 0; at < size; at += 21)
			(void)snprintf(body + at, sizeof(body) - at,
			    "VAULTROW%04u%08llu|", id,
			    (unsigned long long)generation);
		body[size] = '\0';
		if (now[id] != 0 && rand_r(&seed) % 4 == 0) {
			assert_int_equal(
			    commit_one(s, (uint8_t)(id + 1), 0, now[id], ""),
			    0);
			now[id] = 0;
		} else {
			assert_int_equal(commit_one(s, (uint8_t)(id + 1),
			                     generation, now[id], body),
			    0);
			now[id] = generation;
		}
		assert_int_equal(store_erase(s), 0);
		expect_no_leftovers(now);
	}
	store_close(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    folder_test(keys_store_every_generation_but_the_expected_is_stale),
	    folder_test(keys_store_commits_all_or_nothing),
	    folder_test(keys_store_refuses_malformed_changes_whole),
	    folder_test(keys_store_body_sizes),
	    folder_test(keys_store_erased_bytes_are_in_no_file),
	    folder_test(keys_store_keeps_no_copy_of_rows_that_moved),
	    folder_test(keys_store_is_held_by_one),
	    folder_test(keys_store_refuses_what_it_does_not_know),
	    folder_test(keys_store_damaged_page_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
