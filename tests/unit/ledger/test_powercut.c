/*
 * Power cuts while the store is written: what was acknowledged is there, what
 * was under way is there whole or not at all, and there is nothing else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/unit/ledger/disk.h"

#include <errno.h>
#include <sqlite3.h>

#include "vaultd/ledger/store.h"

#define IDS     24
#define STEPS   64
#define KIND    7
#define LIFE    40  /* commits of a first life */
#define AGAIN   3   /* and of the one after a cut */
#define STATES  150 /* and with VAULTD_LONG: */
#define MANY    2000
#define PER_RUN 50
#define PATH    "cut/store.db"

/* What bodies are made of, to be known again in a file. */
struct body_unit {
	char mark[8];
	uint64_t id, generation, check;
};

struct row_at {
	uint64_t generation; /* 0: there is none */
	size_t len;
};

struct model {
	struct row_at rows[IDS];
};

struct step {
	struct model after;
	size_t begun, ended; /* places in the journal */
	int acknowledged;
};

/* What was done in a life of the store, and what was said of it. */
struct history {
	struct model first;
	struct step steps[STEPS];
	size_t n;
	uint64_t generation; /* the last that was given */
};

static struct disk *journal; /* of the store that is open */
static struct chance luck;
static unsigned fail_sync; /* so many syncs from now, one fails */
static uint8_t list[3 * (ROW_BODY_MAX + CHANGE_OVERHEAD)];
static size_t list_len;
static char where[128]; /* for whoever has to repeat it */

/*
 * A VFS before SQLite's own, which writes down what passes.
 */

struct shim {
	sqlite3_file base;
	size_t file;
	int names; /* the folder is synced with the file, once */
	sqlite3_file *real;
};

static sqlite3_vfs *under;

static sqlite3_file *
real(sqlite3_file *f)
{
	return ((struct shim *)f)->real;
}

static int
shim_close(sqlite3_file *f)
{
	return real(f)->pMethods->xClose(real(f));
}

static int
shim_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
	return real(f)->pMethods->xRead(real(f), p, n, at);
}

static int
shim_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
	disk_note(journal, DISK_WRITTEN, ((struct shim *)f)->file, (uint64_t)at,
	    p, (size_t)n);
	return real(f)->pMethods->xWrite(real(f), p, n, at);
}

static int
shim_truncate(sqlite3_file *f, sqlite3_int64 n)
{
	disk_note(journal, DISK_SIZED, ((struct shim *)f)->file, (uint64_t)n,
	    NULL, 0);
	return real(f)->pMethods->xTruncate(real(f), n);
}

static int
shim_sync(sqlite3_file *f, int flags)
{
	struct shim *s = (struct shim *)f;

	(void)flags;
	if (fail_sync > 0 && --fail_sync == 0) {
		disk_note(journal, DISK_LOST, s->file, 0, NULL, 0);
		return SQLITE_IOERR_FSYNC;
	}
	disk_note(journal, DISK_SYNCED, s->file, 0, NULL, 0);
	if (s->names)
		disk_note(journal, DISK_NAMES, 0, 0, NULL, 0);
	s->names = 0;
	return SQLITE_OK;
}

static int
shim_size(sqlite3_file *f, sqlite3_int64 *ret)
{
	return real(f)->pMethods->xFileSize(real(f), ret);
}

static int
shim_lock(sqlite3_file *f, int lock)
{
	return real(f)->pMethods->xLock(real(f), lock);
}

static int
shim_unlock(sqlite3_file *f, int lock)
{
	return real(f)->pMethods->xUnlock(real(f), lock);
}

static int
shim_reserved(sqlite3_file *f, int *ret)
{
	return real(f)->pMethods->xCheckReservedLock(real(f), ret);
}

static int
shim_control(sqlite3_file *f, int what, void *arg)
{
	return real(f)->pMethods->xFileControl(real(f), what, arg);
}

static int
shim_sector(sqlite3_file *f)
{
	(void)f;
	return DISK_SECTOR;
}

static int
shim_device(sqlite3_file *f)
{
	return real(f)->pMethods->xDeviceCharacteristics(real(f));
}

static const char *
last_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? path : slash + 1;
}

static int
shim_open(
    sqlite3_vfs *vfs, const char *path, sqlite3_file *f, int flags, int *out)
{
	static const sqlite3_io_methods methods = {1, shim_close, shim_read,
	    shim_write, shim_truncate, shim_sync, shim_size, shim_lock,
	    shim_unlock, shim_reserved, shim_control, shim_sector, shim_device,
	    NULL, NULL, NULL, NULL, NULL, NULL};
	struct shim *s = (struct shim *)f;
	int fresh, rc;

	(void)vfs;
	*s = (struct shim){.real = (sqlite3_file *)(s + 1)};
	assert_non_null(path); /* no temporary files */
	fresh = access(path, F_OK) != 0;
	if ((rc = under->xOpen(under, path, s->real, flags, out)) != SQLITE_OK)
		return rc;
	s->file = fresh ? disk_make(journal, last_name(path))
	                : disk_file(journal, last_name(path));
	s->names = fresh && (flags & SQLITE_OPEN_MAIN_DB) == 0;
	s->base.pMethods = &methods;
	return SQLITE_OK;
}

static int
shim_delete(sqlite3_vfs *vfs, const char *path, int sync_folder)
{
	int rc;

	(void)vfs;
	if ((rc = under->xDelete(under, path, 0)) != SQLITE_OK)
		return rc;
	disk_note(journal, DISK_REMOVED, disk_file(journal, last_name(path)), 0,
	    NULL, 0);
	if (sync_folder)
		disk_note(journal, DISK_NAMES, 0, 0, NULL, 0);
	return SQLITE_OK;
}

static int
shim_register(void **state)
{
	static sqlite3_vfs shim;

	(void)state;
	under = sqlite3_vfs_find(NULL);
	shim = *under;
	shim.pNext = NULL;
	shim.zName = "journal";
	shim.szOsFile += (int)sizeof(struct shim);
	shim.xOpen = shim_open;
	shim.xDelete = shim_delete;
	return sqlite3_vfs_register(&shim, 1);
}

/*
 * The rows, and a life that changes them.
 */

static void
fill(uint8_t *p, size_t n, uint64_t id, uint64_t generation)
{
	struct body_unit unit = {.mark = "VAULTROW",
	    .id = id,
	    .generation = generation,
	    .check = id ^ ~generation};

	for (size_t at = 0; at < n; at += sizeof(unit)) {
		memcpy(p + at, &unit,
		    n - at < sizeof(unit) ? n - at : sizeof(unit));
	}
}

static size_t
some_length(void)
{
	switch (chance(&luck, 20)) {
	case 0:
		return (size_t)chance(&luck, ROW_BODY_MAX + 1);
	case 1:
	case 2:
		return (size_t)chance(&luck, 20000);
	default:
		return (size_t)chance(&luck, 700);
	}
}

static void
change_row(struct history *h, struct model *m, uint64_t id)
{
	static uint8_t body[ROW_BODY_MAX];
	struct row_at *row = &m->rows[id];
	struct change c = {.kind = KIND, .expected = row->generation};

	memset(c.id, (int)id, sizeof(c.id));
	if (row->generation == 0 || chance(&luck, 4) != 0) {
		c.generation = ++h->generation;
		c.body = slice_of(body, some_length());
		fill(body, c.body.n, id, c.generation);
	}
	if (list_len + CHANGE_OVERHEAD + c.body.n > sizeof(list))
		return;
	change_encode(&c, list + list_len);
	list_len += CHANGE_OVERHEAD + c.body.n;
	*row = (struct row_at){c.generation, c.body.n};
}

/*
 * One commit of some changes; it may be followed by an erasure, as for rows
 * that held what is to be destroyed, and the disk may fail under it.
 */
static void
take_step(struct history *h, struct store *s, struct model *now)
{
	struct step *step = &h->steps[h->n++];
	uint64_t id = chance(&luck, IDS);
	int r;

	step->after = *now;
	step->begun = journal->n;
	list_len = 0;
	for (uint64_t n = 1 + chance(&luck, 5); n > 0; n--, id++)
		change_row(h, &step->after, id % IDS);
	fail_sync = chance(&luck, 8) == 0 ? 1 + (unsigned)chance(&luck, 3) : 0;
	r = store_commit(s, slice_of(list, list_len));
	if (r == 0 && chance(&luck, 4) == 0)
		while (store_erase(s) != 0)
			;
	fail_sync = 0;
	step->acknowledged = r == 0;
	step->ended = journal->n;
	if (r == 0)
		*now = step->after;
}

static void
read_all(struct store *s, struct model *ret)
{
	static uint8_t body[ROW_BODY_MAX];
	struct row row;
	int r;

	*ret = (struct model){.rows = {{0}}};
	while ((r = store_next(s, &row)) == 0) {
		uint8_t id = row.id[0];

		if (id >= IDS || row.kind != KIND ||
		    ret->rows[id].generation != 0)
			fail_msg("%s: a row that nobody wrote", where);
		fill(body, row.body.n, id, row.generation);
		if (!slice_equal(row.body, slice_of(body, row.body.n)))
			fail_msg("%s: a row is torn", where);
		ret->rows[id] = (struct row_at){row.generation, row.body.n};
	}
	if (r != VERR_NOTFOUND)
		fail_msg("%s: the rows cannot be read: %d", where, r);
}

static int
is_model(const struct model *a, const struct model *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/*
 * Is "found" what may be there after a cut behind "cut" events?
 */
static int
may_be(const struct history *h, size_t cut, const struct model *found)
{
	const struct model *last = &h->first;
	size_t i, next = 0;

	for (i = 0; i < h->n && h->steps[i].begun < cut; i++)
		if (h->steps[i].acknowledged && h->steps[i].ended <= cut) {
			last = &h->steps[i].after;
			next = i + 1;
		}
	if (is_model(found, last))
		return 1;
	for (; next < i; next++)
		if (is_model(found, &h->steps[next].after))
			return 1;
	return 0;
}

static struct store *
open_store(struct model *ret)
{
	struct store *s = NULL;
	int r = store_open(PATH, &s);

	if (r != 0)
		fail_msg("%s: the store does not open: %d", where, r);
	read_all(s, ret);
	return s;
}

/*
 * Open what is in the folder, and live for some commits.
 */
static void
live(struct history *h, struct disk *d, size_t steps)
{
	struct model now;
	struct store *s;

	journal = d;
	s = open_store(&now);
	h->first = now;
	h->n = 0;
	while (h->n < steps)
		take_step(h, s, &now);
	read_all(s, &h->steps[h->n].after);
	assert_true(is_model(&h->steps[h->n].after, &now));
	/* Nothing of closing is wanted in the journal. */
	journal = &(struct disk){.nfiles = 0};
	store_close(s);
	disk_free(journal);
}

/*
 * Cut behind "cut" events and look what is there; go on from there, and cut
 * once more.
 */
static void
cut_twice(const struct history *h, const struct disk *d, size_t cut)
{
	struct history again = {.generation = h->generation};
	struct disk first, second;
	struct model found;

	folder_empty("cut");
	disk_cut(d, cut, &luck, "cut", &first);
	live(&again, &first, AGAIN);
	if (!may_be(h, cut, &again.first))
		fail_msg("%s: what was acknowledged is not there", where);
	cut = (size_t)chance(&luck, first.n + 1);
	folder_empty("cut");
	disk_cut(&first, cut, &luck, "cut", &second);
	journal = &second;
	store_close(open_store(&found));
	if (!may_be(&again, cut, &found))
		fail_msg("%s: then cut at %zu of %zu: what was acknowledged is "
		         "not there",
		    where, cut, first.n);
	disk_free(&first);
	disk_free(&second);
}

static void
keys_store_survives_power_cuts(void **state)
{
	const char *is_long = getenv("VAULTD_LONG");
	unsigned states = is_long != NULL && *is_long == '1' ? MANY : STATES;
	static struct history h;

	(void)state;
	assert_int_equal(mkdir("cut", 0700), 0);
	for (unsigned run = 0; run < states / PER_RUN; run++) {
		struct disk d = {.nfiles = 0};

		luck.state = run;
		h = (struct history){.generation = 0};
		(void)snprintf(where, sizeof(where), "seed %u", run);
		folder_empty("cut");
		live(&h, &d, LIFE);
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
	    folder_test(keys_store_survives_power_cuts),
	};

	return cmocka_run_group_tests(tests, shim_register, NULL);
}
