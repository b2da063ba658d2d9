#include "vaultd/ledger/scrub.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define FILE_HEADER 100 /* before the first page's own */
#define PAGE_MAX    65536

static size_t
be16(const uint8_t *p)
{
	return (size_t)p[0] << 8 | p[1];
}

/*
 * Zero the room between the cell pointers and the cells of a page of a tree
 * (SQLite's file format, 1.6).  Returns whether there was anything.  The first
 * byte of all other kinds of pages is that of a page's number, and zero.
 */
static int
zero_room(uint8_t *page, size_t size, size_t at)
{
	uint8_t *p = page + at;
	int leaf = p[0] == 10 || p[0] == 13, inner = p[0] == 2 || p[0] == 5;
	size_t from, to;

	if (!leaf && !inner)
		return 0;
	from = at + (leaf ? 8 : 12) + 2 * be16(p + 3);
	to = be16(p + 5) == 0 ? PAGE_MAX : be16(p + 5);
	if (to > size || from >= to)
		return 0;
	for (size_t i = from; i < to; i++)
		if (page[i] != 0) {
			memset(page + from, 0, to - from);
			return 1;
		}
	return 0;
}

static int
scrub_all(sqlite3_file *f, sqlite3_int64 length, uint8_t *page, size_t size)
{
	int rc = SQLITE_OK, written = 0;

	for (sqlite3_int64 at = 0; at < length && rc == SQLITE_OK;
	     at += (sqlite3_int64)size) {
		rc = f->pMethods->xRead(f, page, (int)size, at);
		if (rc != SQLITE_OK ||
		    !zero_room(page, size, at == 0 ? FILE_HEADER : 0))
			continue;
		rc = f->pMethods->xWrite(f, page, (int)size, at);
		written = 1;
	}
	if (rc == SQLITE_OK && written)
		rc = f->pMethods->xSync(f, SQLITE_SYNC_NORMAL);
	return rc;
}

int
scrub_pages(sqlite3 *db)
{
	uint8_t *page = malloc(PAGE_MAX);
	sqlite3_file *f = NULL;
	sqlite3_int64 length;
	size_t size;
	int rc = SQLITE_NOMEM;

	if (page == NULL)
		return rc;
	rc = sqlite3_file_control(
	    db, "main", SQLITE_FCNTL_FILE_POINTER, (void *)&f);
	if (rc == SQLITE_OK)
		rc = f->pMethods->xFileSize(f, &length);
	if (rc == SQLITE_OK && length >= FILE_HEADER)
		rc = f->pMethods->xRead(f, page, FILE_HEADER, 0);
	if (rc == SQLITE_OK && length >= FILE_HEADER) {
		size = be16(page + 16) == 1 ? PAGE_MAX : be16(page + 16);
		rc = scrub_all(
		    f, length - length % (sqlite3_int64)size, page, size);
		(void)sqlite3_db_release_memory(db);
	}
	free(page);
	return rc;
}
