/*
 * scrub - what secure_delete of SQLite leaves behind.
 *
 * It wipes a cell that is freed.  But where a page is rebuilt, as when its tree
 * is balanced, the room between its cell pointers and its cells keeps copies of
 * cells that went to other pages, and these outlive the rows (SQLite 3.40.1).
 */
#ifndef LEDGER_SCRUB_H
#define LEDGER_SCRUB_H

#include <sqlite3.h>

#include "protocol/verr.h"

/*
 * Zero the unused room of all pages in the file of "db", which has nothing in
 * its log, through SQLite's own handle: another one would cost it its locks.
 * What SQLite has of these pages in memory is dropped, so that it is not
 * written back.  Returns SQLITE_OK or the code of what failed.
 */
MUST_CHECK
int scrub_pages(sqlite3 *db);

#endif /* LEDGER_SCRUB_H */
