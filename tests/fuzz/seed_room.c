/*
 * seed_room - write the seeds of fuzz_record and fuzz_pairs, as room.def
 *	       declares the records, and those of fuzz_backup.
 *
 * usage: seed_room DIR		writes DIR/record/NAME, DIR/pairs/NAME,
 *DIR/backup/NAME
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "protocol/bytes.h"
#include "protocol/change.h"
#include "protocol/pairs.h"
#include "protocol/record.h"

static const char *dir;
static const uint8_t pattern[64] = "seed";

static void
seed_write(const char *target, const char *name, const uint8_t *p, size_t n)
{
	char path[4096];
	FILE *out;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, target);
	(void)mkdir(path, 0755); /* fopen() tells whether it is there */
	(void)snprintf(path, sizeof(path), "%s/%s/%s", dir, target, name);
	if ((out = fopen(path, "wb")) == NULL || fwrite(p, 1, n, out) != n ||
	    fclose(out) != 0) {
		perror(path);
		exit(1);
	}
}

static void
seed_record(uint16_t type, const char *name, const union record *m)
{
	static uint8_t out[RECORD_MAX + 2];
	int ok;
	size_t n = record_size(type, m, &ok);

	if (!ok) {
		(void)fprintf(stderr, "%s cannot be encoded\n", name);
		exit(1);
	}
	put_le(out, type, 2);
	record_encode(type, m, out + 2);
	seed_write("record", name, out, n + 2);
}

static size_t beyond; /* by how much the field in question is longer */

/* The value of the "which"th field is too long; what may be large is not. */
static struct slice
take_turn(size_t max, size_t which, size_t *n)
{
	static uint8_t bytes[5000];

	memset(bytes, 'x', sizeof(bytes));
	if ((*n)++ != which || max >= sizeof(bytes))
		return slice_of(bytes, 4);
	beyond = max + 1 - 4;
	return slice_of(bytes, max + 1);
}

static void
seed_beyond(uint16_t type, const char *name, size_t which, size_t size,
    const union record *m)
{
	static uint8_t out[RECORD_MAX + 2];
	char file[64];

	put_le(out, type, 2);
	record_encode(type, m, out + 2);
	(void)snprintf(file, sizeof(file), "%s-%zu", name, which);
	if (beyond > 0)
		seed_write("record", file, out, size + beyond + 2);
}

/* clang-format off */
#define U32(name)	r->name = 7;
#define U64(name)	r->name = 7;
#define FIX(name, len)	r->name = slice_of(pattern, (len));
#define STR(name, max)	r->name = slice_str("seed");
#define BLOB(name, max) r->name = slice_of(pattern, 8);
#define RECORD(NAME, id, from, to, fd, fields)				\
	static void							\
	seed_##NAME(void)						\
	{								\
		union record m;						\
		struct rec_##NAME *r = &m.NAME;				\
									\
		memset(&m, 0, sizeof(m));				\
		(void)r;						\
		fields							\
		seed_record((id), #NAME, &m);				\
	}
#include "protocol/room.def"
#undef RECORD

/* The same with one text or blob a byte longer than it may be. */
#undef STR
#undef BLOB
#define STR(name, max)	r->name = take_turn((max), which, &n);
#define BLOB(name, max) r->name = take_turn((max), which, &n);
#define RECORD(NAME, id, from, to, fd, fields)				\
	static void							\
	beyond_##NAME(void)						\
	{								\
		union record m;						\
		struct rec_##NAME *r = &m.NAME;				\
		size_t n = 0, size = 0, which = SIZE_MAX;		\
		int ok;							\
									\
		do {							\
			n = beyond = 0;					\
			memset(&m, 0, sizeof(m));			\
			(void)r;					\
			fields						\
			if (which == SIZE_MAX)				\
				size = record_size((id), &m, &ok);	\
			else						\
				seed_beyond((id), #NAME, which, size, &m); \
		} while (++which < n);					\
	}
#include "protocol/room.def"
#undef RECORD
/* clang-format on */

static void
seed_lists(void)
{
	uint8_t out[256];
	struct pairs_writer w = {.p = out, .cap = sizeof(out)};
	struct change c = {.kind = 4, .generation = 2, .expected = 1};

	pairs_add(&w, "name", slice_str("value"));
	pairs_add(&w, "other", slice_str(""));
	seed_write("pairs", "pairs", out, w.n);
	seed_write("pairs", "cut", out, w.n - 3);
	pairs_add(&w, "name", slice_str("twice"));
	seed_write("pairs", "twice", out, w.n);
	c.body = slice_str("sealed");
	change_encode(&c, out);
	seed_write("pairs", "change", out, CHANGE_OVERHEAD + c.body.n);
}

/*
 * A header, how long the pieces are, and a run; see client/vaultctl/backup.h.
 */
static void
seed_backups(void)
{
	uint8_t out[512] = "vaultdBK";
	size_t n = 201;

	put_le(out + 8, 1, 4);
	put_le(out + 12, 2, 4);
	for (uint8_t i = 1; i < 4; i++) {
		struct change c = {.id = {i}, .kind = i, .generation = i};

		c.body = slice_of(pattern, i);
		change_encode(&c, out + n);
		n += CHANGE_OVERHEAD + i;
	}
	seed_write("backup", "pair", out, n);
	put_le(out + 12, 1, 4);
	put_le(out + 40, 65536, 4);
	put_le(out + 44, 3, 4);
	seed_write("backup", "passphrase", out, n);
	put_le(out + 44, 17, 4);
	seed_write("backup", "passes", out, n);
}

int
main(int argc, char **argv)
{
	if (argc != 2) {
		(void)fprintf(stderr, "usage: seed_room DIR\n");
		return 2;
	}
	dir = argv[1];
#define RECORD(NAME, id, from, to, fd, fields)                                 \
	seed_##NAME();                                                         \
	beyond_##NAME();
#include "protocol/room.def"
#undef RECORD
	seed_lists();
	seed_backups();
	return 0;
}
