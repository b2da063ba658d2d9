#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/mman.h>
#include <unistd.h>

#include "client/vaultctl/backup.h"
#include "protocol/bytes.h"

enum { ROWS = 40, BODY = 4000, SEALED = BACKUP_CHUNK + BACKUP_SEAL };

static uint8_t public_key[32], secret_key[32];
static uint8_t list[ROWS * (CHANGE_OVERHEAD + BODY)];
static struct backup B;

static int
setup(void **state)
{
	(void)state;
	if (sodium_init() < 0)
		return -1;
	crypto_box_keypair(public_key, secret_key);
	for (unsigned i = 0; i < ROWS; i++) {
		uint8_t body[BODY];
		struct change c = {.kind = i == 7 ? RUN_SUPER : 4,
		    .generation = i == 7 ? 99 : 1 + i,
		    .body = slice_of(body, sizeof(body))};

		memset(body, (int)i, sizeof(body));
		c.id[0] = (uint8_t)i;
		change_encode(&c, list + i * (CHANGE_OVERHEAD + BODY));
	}
	return 0;
}

static void
new_file(void)
{
	backup_wipe(&B);
	B.fd = memfd_create("backup", MFD_CLOEXEC);
	assert_true(B.fd >= 0);
	B.header.time = 1795366431000;
	memset(B.header.vault, 0xab, 16);
	B.header.memory = BACKUP_MEMORY_MIN;
	B.header.passes = 1;
}

/*
 * A backup of the first "rows" rows, sealed to the pair; its bytes, which the
 * caller frees.
 */
static uint8_t *
written(unsigned rows, size_t *ret_n)
{
	uint8_t *p;
	off_t n;

	new_file();
	assert_int_equal(backup_begin_pair(&B, public_key), 0);
	for (unsigned i = 0; i < rows; i++)
		assert_int_equal(
		    backup_put(&B,
		        slice_of(list + i * (CHANGE_OVERHEAD + BODY),
		            CHANGE_OVERHEAD + BODY)),
		    0);
	assert_int_equal(backup_finish(&B), 0);
	n = lseek(B.fd, 0, SEEK_END);
	assert_non_null(p = malloc((size_t)n));
	assert_int_equal(pread(B.fd, p, (size_t)n, 0), n);
	close(B.fd);
	*ret_n = (size_t)n;
	return p;
}

/*
 * Read it all; what it ends with.
 */
static int
verdict(const uint8_t *p, size_t n)
{
	struct slice data;
	size_t at = 0;
	int r;

	backup_wipe(&B);
	B.fd = memfd_create("backup", MFD_CLOEXEC);
	assert_int_equal(pwrite(B.fd, p, n, 0), n);
	if ((r = backup_open(&B)) == 0 &&
	    (r = backup_unlock_pair(&B, secret_key)) == 0)
		while ((r = backup_next(&B, &data)) == 0) {
			assert_memory_equal(data.p, list + at, data.n);
			at += data.n;
		}
	close(B.fd);
	return r;
}

static void
backup_file_gives_back_what_was_put(void **state)
{
	(void)state;
	for (unsigned rows = 8; rows <= ROWS; rows += 8) {
		size_t n;
		uint8_t *p = written(rows, &n);

		assert_int_equal(verdict(p, n), VERR_NOTFOUND);
		assert_true(B.run.rows == rows && B.run.generation == 99);
		assert_true(B.run.bytes == rows * (CHANGE_OVERHEAD + BODY));
		assert_true(B.header.time == 1795366431000);
		/* Nothing of the rows is in it, and no length of theirs. */
		assert_null(memmem(p, n, list, CHANGE_OVERHEAD + BODY));
		assert_int_equal(
		    (n - BACKUP_HEADER - BACKUP_END - BACKUP_SEAL) % SEALED, 0);
		free(p);
	}
}

static void
backup_file_every_byte_counts(void **state)
{
	size_t n, step;
	uint8_t *p = written(8, &n);

	(void)state;
	for (size_t i = 0; i < n; i += step) {
		int r;

		/* each of the header's and of the end's, and some between */
		step = i < 260 || i + 80 > n ? 1 : 997;
		p[i] ^= 1U << (i % 8);
		r = verdict(p, n);
		if (r == 0 || r == VERR_NOTFOUND)
			fail_msg("byte %zu may be changed", i);
		if (i >= BACKUP_HEADER)
			assert_int_equal(r, VERR_AUTH);
		p[i] ^= 1U << (i % 8);
	}
	free(p);
}

static void
backup_file_has_one_end(void **state)
{
	size_t n;
	uint8_t *p = written(ROWS, &n), *more;

	(void)state;
	for (size_t cut = 0; cut < n;
	     cut += cut < 400 || cut + 80 > n ? 1 : 4099) {
		/* as long as an end, and none: that is damage as well */
		int like_end = cut > BACKUP_HEADER &&
		    (cut - BACKUP_HEADER) % SEALED == BACKUP_END + BACKUP_SEAL;

		assert_int_equal(verdict(p, cut),
		    cut < 8        ? VERR_FORMAT
		        : like_end ? VERR_AUTH
		                   : VERR_TRUNCATED);
	}
	assert_non_null(more = malloc(n + 2 * SEALED));
	memset(more, 0x5a, n + 2 * SEALED);
	memcpy(more, p, n);
	for (size_t extra = 1; extra < 2 * SEALED; extra += 8191)
		assert_int_equal(verdict(more, n + extra), VERR_EXISTS);
	/* the first of two chunks left out, and both in the wrong order */
	memcpy(more + BACKUP_HEADER, p + BACKUP_HEADER + SEALED,
	    n - BACKUP_HEADER - SEALED);
	assert_int_equal(verdict(more, n - SEALED), VERR_AUTH);
	memcpy(more + BACKUP_HEADER + SEALED, p + BACKUP_HEADER, SEALED);
	assert_int_equal(verdict(more, n), VERR_AUTH);
	free(more);
	free(p);
}

static void
backup_header_fields_have_their_limits(void **state)
{
	static const struct {
		size_t at, len;
		uint64_t value;
		int pair, error;
	} cases[] = {
	    {0, 1, 'V', 1, VERR_FORMAT},
	    {8, 4, 0, 1, VERR_FORMAT},
	    {8, 4, 2, 1, VERR_VERSION},
	    {8, 4, UINT32_MAX, 1, VERR_VERSION},
	    {12, 4, 0, 1, VERR_FORMAT},
	    {12, 4, 3, 1, VERR_FORMAT},
	    {12, 4, BACKUP_PASSPHRASE, 1, VERR_FORMAT},
	    {12, 4, BACKUP_PAIR, 0, VERR_FORMAT},
	    {16, 8, UINT64_C(1) << 63, 1, VERR_FORMAT},
	    {40, 4, 1, 1, VERR_FORMAT},
	    {44, 4, 1, 1, VERR_FORMAT},
	    {48, 1, 1, 1, VERR_FORMAT},
	    {63, 1, 1, 1, VERR_FORMAT},
	    {40, 4, BACKUP_MEMORY_MIN - 1, 0, VERR_FORMAT},
	    {40, 4, BACKUP_MEMORY_MAX + 1, 0, VERR_FORMAT},
	    {44, 4, 0, 0, VERR_FORMAT},
	    {44, 4, BACKUP_PASSES_MAX + 1, 0, VERR_FORMAT},
	    {96, 1, 1, 0, VERR_FORMAT},
	    {175, 1, 1, 0, VERR_FORMAT},
	    {40, 4, BACKUP_MEMORY_MAX, 0, 0},
	    {44, 4, BACKUP_PASSES_MAX, 0, 0},
	    {16, 8, INT64_MAX, 1, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct backup_header h = {.kind = BACKUP_PAIR}, got;
		uint8_t raw[BACKUP_HEADER], again[BACKUP_HEADER];

		if (!cases[i].pair)
			h = (struct backup_header){.kind = BACKUP_PASSPHRASE,
			    .memory = BACKUP_MEMORY_MIN,
			    .passes = 1};
		backup_header_write(&h, raw);
		assert_int_equal(backup_header_parse(raw, &got), 0);
		put_le(raw + cases[i].at, cases[i].value, cases[i].len);
		if (backup_header_parse(raw, &got) != cases[i].error)
			fail_msg("case %zu", i);
		if (cases[i].error != 0)
			continue;
		backup_header_write(&got, again);
		assert_memory_equal(again, raw, sizeof(raw));
	}
}

static void
backup_file_opens_with_its_own_key_alone(void **state)
{
	static const char right[] = "correct horse", wrong[] = "correct horsf";
	uint8_t other[32], ignored[32];
	struct slice data;

	(void)state;
	new_file();
	assert_int_equal(backup_begin_passphrase(&B, slice_str(right)), 0);
	assert_int_equal(backup_put(&B, slice_of(list, sizeof(list))), 0);
	assert_int_equal(backup_finish(&B), 0);
	assert_int_equal(lseek(B.fd, 0, SEEK_SET), 0);
	assert_int_equal(backup_open(&B), 0);
	assert_int_equal(
	    backup_unlock_passphrase(&B, slice_str(wrong)), VERR_AUTH);
	assert_int_equal(backup_unlock_passphrase(&B, slice_str(right)), 0);
	assert_int_equal(backup_next(&B, &data), 0);
	close(B.fd);
	new_file();
	assert_int_equal(backup_begin_pair(&B, public_key), 0);
	crypto_box_keypair(ignored, other);
	assert_int_equal(backup_unlock_pair(&B, other), VERR_AUTH);
	close(B.fd);
}

static void
backup_takes_nothing_but_a_whole_store(void **state)
{
	size_t row = CHANGE_OVERHEAD + BODY;

	(void)state;
	new_file();
	assert_int_equal(backup_begin_pair(&B, public_key), 0);
	assert_int_equal(backup_put(&B, slice_of(list, 7 * row)), 0);
	assert_int_equal(backup_finish(&B), VERR_TRUNCATED); /* no super row */
	assert_int_equal(backup_put(&B, slice_of(list + 7 * row, row - 1)), 0);
	assert_int_equal(backup_finish(&B), VERR_TRUNCATED);
	assert_int_equal(backup_put(&B, slice_of(list + 8 * row - 1, 1)), 0);
	assert_int_equal(backup_put(&B, slice_of(list, row)), VERR_FORMAT);
	close(B.fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(backup_file_gives_back_what_was_put),
	    cmocka_unit_test(backup_file_every_byte_counts),
	    cmocka_unit_test(backup_file_has_one_end),
	    cmocka_unit_test(backup_header_fields_have_their_limits),
	    cmocka_unit_test(backup_file_opens_with_its_own_key_alone),
	    cmocka_unit_test(backup_takes_nothing_but_a_whole_store),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
