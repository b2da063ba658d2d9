/*
 * disk - a journal of what was done to some files, and every state in which a
 *	  power cut may leave them.
 *
 * MODEL	What was done to a file before a sync that succeeded is there.
 *		What was done since then is there or not: each sector of each
 *		write by itself, so that the later may be there without the
 *		earlier.  A sector is written in order, as pages are cached.
 *		A sync that failed may have lost what came before it, and later
 *		ones do not bring that back.
 *		That a file was made or removed is sure once its folder was
 *		synced.
 */
#ifndef TESTS_UNIT_LEDGER_DISK_H
#define TESTS_UNIT_LEDGER_DISK_H

#include "tests/unit/ledger/folder.h"

#define DISK_FILES  64
#define DISK_SECTOR 512
#define DISK_NAME   64

enum disk_kind {
	DISK_MADE,
	DISK_REMOVED,
	DISK_WRITTEN,
	DISK_SIZED,
	DISK_SYNCED,
	DISK_LOST,  /* a sync that failed */
	DISK_NAMES, /* the folder was synced */
};

struct disk_event {
	enum disk_kind kind;
	size_t file;
	uint64_t at; /* or the size */
	size_t n;
	uint8_t *data;
};

/* A name that is made again is another file. */
struct disk_file {
	char name[DISK_NAME];
	int there; /* at the beginning */
	uint8_t *p;
	size_t n, cap;
};

struct disk {
	struct disk_file files[DISK_FILES];
	size_t nfiles;
	struct disk_event *events;
	size_t n, cap;
};

/* Seeded, and the same everywhere. */
struct chance {
	uint64_t state;
};

static inline uint64_t
chance(struct chance *c, uint64_t below)
{
	uint64_t z = c->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (z ^ (z >> 31)) % below;
}

static inline size_t
disk_add(struct disk *d, const char *name)
{
	struct disk_file *f = &d->files[d->nfiles];

	assert_true(d->nfiles < DISK_FILES && strlen(name) < DISK_NAME);
	(void)strncpy(f->name, name, DISK_NAME - 1);
	return d->nfiles++;
}

static inline void
disk_note(struct disk *d, enum disk_kind kind, size_t file, uint64_t at,
    const void *data, size_t n)
{
	struct disk_event *e;

	if (d->n == d->cap) {
		d->cap = d->cap == 0 ? 1024 : d->cap * 2;
		d->events = realloc(d->events, d->cap * sizeof(*e));
		assert_non_null(d->events);
	}
	e = &d->events[d->n++];
	*e = (struct disk_event){.kind = kind, .file = file, .at = at, .n = n};
	if (n > 0) {
		assert_non_null(e->data = malloc(n));
		memcpy(e->data, data, n);
	}
}

/*
 * The file that has the name now; it is made if there is none.
 */
static inline size_t
disk_file(struct disk *d, const char *name)
{
	for (size_t i = d->nfiles; i-- > 0;)
		if (strcmp(d->files[i].name, name) == 0)
			return i;
	return disk_add(d, name);
}

static inline size_t
disk_make(struct disk *d, const char *name)
{
	size_t file = disk_add(d, name);

	disk_note(d, DISK_MADE, file, 0, NULL, 0);
	return file;
}

static inline void
disk_free(struct disk *d)
{
	for (size_t i = 0; i < d->n; i++)
		free(d->events[i].data);
	free(d->events);
	for (size_t i = 0; i < d->nfiles; i++)
		free(d->files[i].p);
	*d = (struct disk){.nfiles = 0};
}

static inline void
file_size(struct disk_file *f, uint64_t n)
{
	if (n > f->cap) {
		f->cap = (size_t)n * 2;
		assert_non_null(f->p = realloc(f->p, f->cap));
	}
	if (n > f->n)
		memset(f->p + f->n, 0, (size_t)n - f->n);
	f->n = (size_t)n;
}

static inline void
file_put(struct disk_file *f, uint64_t at, const uint8_t *p, size_t n)
{
	if (at + n > f->n)
		file_size(f, at + n);
	if (n > 0)
		memcpy(f->p + at, p, n);
}

/*
 * Of a write that was under way "percent" of its sectors.
 */
static inline void
file_tear(struct disk_file *f, const struct disk_event *e, struct chance *c,
    unsigned percent)
{
	for (size_t done = 0, n; done < e->n; done += n) {
		n = DISK_SECTOR - (size_t)((e->at + done) % DISK_SECTOR);
		if (n > e->n - done)
			n = e->n - done;
		if (chance(c, 100) < percent)
			file_put(f, e->at + done, e->data + done, n);
	}
}

/*
 * What is left of "file" after a cut behind the first "cut" events: in "f",
 * which holds what was there at the beginning.
 */
static inline void
disk_leave(const struct disk *d, size_t file, size_t cut, struct chance *c,
    struct disk_file *f)
{
	static const unsigned percents[] = {0, 100, 50, 50, 90, 10};
	unsigned percent = percents[chance(c, 6)];
	uint8_t *sure = calloc(cut + 1, 1);
	int synced = 0, named = 0;

	assert_non_null(sure);
	for (size_t i = cut; i-- > 0;) {
		const struct disk_event *e = &d->events[i];

		if (e->kind == DISK_NAMES)
			named = 1;
		else if (e->file == file && e->kind == DISK_SYNCED)
			synced = 1;
		else if (e->file == file && e->kind == DISK_LOST)
			synced = 0;
		sure[i] = (uint8_t)(e->kind <= DISK_REMOVED ? named : synced);
	}
	for (size_t i = 0; i < cut; i++) {
		const struct disk_event *e = &d->events[i];

		if (e->file != file)
			continue;
		if (e->kind == DISK_WRITTEN)
			file_tear(f, e, c, sure[i] ? 100 : percent);
		else if (sure[i] || chance(c, 100) < percent) {
			if (e->kind == DISK_SIZED)
				file_size(f, e->at);
			if (e->kind <= DISK_REMOVED)
				f->there = e->kind == DISK_MADE;
		}
	}
	free(sure);
}

/*
 * Put such a state into the empty folder "path", and make it the beginning of
 * the journal "ret".
 */
static inline void
disk_cut(const struct disk *d, size_t cut, struct chance *c, const char *path,
    struct disk *ret)
{
	*ret = (struct disk){.nfiles = 0};
	for (size_t i = 0; i < d->nfiles; i++) {
		struct disk_file f = {.there = d->files[i].there};
		char name[DISK_NAME * 2];
		int fd;

		file_put(&f, 0, d->files[i].p, d->files[i].n);
		disk_leave(d, i, cut, c, &f);
		if (!f.there) {
			free(f.p);
			continue;
		}
		(void)snprintf(
		    name, sizeof(name), "%s/%s", path, d->files[i].name);
		fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		assert_true(fd >= 0);
		assert_int_equal(write(fd, f.p, f.n), (ssize_t)f.n);
		(void)close(fd);
		(void)strncpy(f.name, d->files[i].name, DISK_NAME - 1);
		ret->files[ret->nfiles++] = f;
	}
}

#endif /* TESTS_UNIT_LEDGER_DISK_H */
