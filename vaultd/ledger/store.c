#include "vaultd/ledger/store.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "vaultd/base/log.h"
#include "vaultd/ledger/scrub.h"

/* Where an error came from, for the log. */
enum step {
	STEP_OPEN = 1,
	STEP_SETUP,
	STEP_FORMAT,
	STEP_READ,
	STEP_WRITE,
	STEP_COMMIT,
	STEP_ERASE,
};

enum statement {
	SQL_ALL,
	SQL_ONE,
	SQL_IDS,
	SQL_INSERT,
	SQL_UPDATE,
	SQL_DELETE,
	SQL_CLEAR,
	SQL_BEGIN,
	SQL_COMMIT,
	SQL_ROLLBACK,
	SQL_COUNT,
};

static const char *const statements[SQL_COUNT] = {
    [SQL_ALL] = "SELECT id, kind, generation, body FROM rows",
    [SQL_ONE] = "SELECT id, kind, generation, body FROM rows WHERE id = ?1",
    [SQL_IDS] = "SELECT id FROM rows ORDER BY id",
    [SQL_INSERT] = ("INSERT INTO rows (id, kind, generation, body)"
                    " VALUES (?1, ?2, ?3, ?4)"),
    [SQL_UPDATE] = ("UPDATE rows SET kind = ?2, generation = ?3, body = ?4"
                    " WHERE id = ?1 AND generation = ?5"),
    [SQL_DELETE] = "DELETE FROM rows WHERE id = ?1 AND generation = ?5",
    [SQL_CLEAR] = "DELETE FROM rows",
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
};

/* Before anything is read; the lock mode first, it says how WAL is opened. */
static const char *const pragmas[] = {
    "PRAGMA locking_mode = EXCLUSIVE",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA secure_delete = ON",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA mmap_size = 0",
    "PRAGMA cell_size_check = ON",
};

/* Bodies of up to 128 KiB: an ordinary table, whose index stays small. */
static const char schema[] =
    "BEGIN;"
    "CREATE TABLE rows (id BLOB PRIMARY KEY NOT NULL, kind INTEGER NOT NULL,"
    " generation INTEGER NOT NULL, body BLOB NOT NULL);"
    "PRAGMA user_version = 1;"
    "COMMIT";

_Static_assert(STORE_FORMAT == 1, "as the schema says");

struct store {
	sqlite3 *db;
	sqlite3_stmt *stmt[SQL_COUNT];
	char *wal;                  /* the log's name */
	uint8_t body[ROW_BODY_MAX]; /* of the row last read */
};

/*
 * Log what SQLite says and translate it.
 *
 * A failed fsync needs nothing more: SQLite then takes no frame of the commit
 * for written and no page of a checkpoint for copied, and writes them again
 * before it syncs the next time.
 */
static int
failed(int rc, enum step step)
{
	log_say(LOG_STORE_ERROR, (uint64_t)rc, step, 0);
	switch (rc & 0xff) {
	case SQLITE_FULL:
		return VERR_NOSPACE;
	case SQLITE_NOMEM:
		return VERR_NOMEM;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return VERR_BUSY;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return VERR_FORMAT;
	default:
		return VERR_IO;
	}
}

static int
configure(sqlite3 *db)
{
	static const struct {
		int option, value;
	} options[] = {
	    {SQLITE_DBCONFIG_DEFENSIVE, 1},
	    {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
	    {SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0},
	    {SQLITE_DBCONFIG_ENABLE_TRIGGER, 0},
	    {SQLITE_DBCONFIG_ENABLE_VIEW, 0},
	};
	int rc = SQLITE_OK, now;

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		rc = sqlite3_db_config(
		    db, options[i].option, options[i].value, &now);
		if (rc != SQLITE_OK)
			return failed(rc, STEP_SETUP);
		if (now != options[i].value)
			return failed(SQLITE_MISUSE, STEP_SETUP);
	}
	for (size_t i = 0; i < sizeof(pragmas) / sizeof(pragmas[0]); i++) {
		rc = sqlite3_exec(db, pragmas[i], NULL, NULL, NULL);
		if (rc != SQLITE_OK)
			return failed(rc, STEP_SETUP);
	}
	return 0;
}

/*
 * Run a pragma and return its number, or its text in "text".
 */
static int
pragma_ask(sqlite3 *db, const char *sql, int64_t *ret_n, char text[16])
{
	sqlite3_stmt *st;
	int rc;

	if ((rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL)) != SQLITE_OK)
		return failed(rc, STEP_FORMAT);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW) {
		*ret_n = sqlite3_column_int64(st, 0);
		(void)snprintf(
		    text, 16, "%s", (const char *)sqlite3_column_text(st, 0));
	}
	(void)sqlite3_finalize(st);
	return rc == SQLITE_ROW ? 0 : failed(rc, STEP_FORMAT);
}

/*
 * A row that a scan finds and its index does not would be missed only when it
 * is wanted; a format that may only be read, only when something is written.
 */
static int
check_whole(sqlite3 *db)
{
	char text[16] = "";
	int64_t n;
	int r;

	if ((r = pragma_ask(db, "PRAGMA integrity_check(1)", &n, text)) != 0)
		return r;
	if (strcmp(text, "ok") != 0 || sqlite3_db_readonly(db, "main") != 0)
		return failed(SQLITE_CORRUPT, STEP_FORMAT);
	return 0;
}

/*
 * Make the table in a new file; refuse a format that this code does not know.
 */
static int
check_format(sqlite3 *db)
{
	char text[16];
	int64_t n = 0;
	int rc, r;

	if ((r = pragma_ask(db, "PRAGMA journal_mode", &n, text)) != 0)
		return r;
	if (strcmp(text, "wal") != 0)
		return failed(SQLITE_MISUSE, STEP_SETUP);
	if ((r = pragma_ask(db, "PRAGMA user_version", &n, text)) != 0)
		return r;
	if (n == STORE_FORMAT)
		return check_whole(db);
	if (n != 0)
		return VERR_VERSION;
	if ((rc = sqlite3_exec(db, schema, NULL, NULL, NULL)) != SQLITE_OK)
		return rc == SQLITE_ERROR ? VERR_FORMAT
		                          : failed(rc, STEP_FORMAT);
	return 0;
}

static int
prepare(struct store *s)
{
	int rc;

	for (int i = 0; i < SQL_COUNT; i++) {
		rc = sqlite3_prepare_v3(s->db, statements[i], -1,
		    SQLITE_PREPARE_PERSISTENT, &s->stmt[i], NULL);
		if (rc == SQLITE_ERROR)
			return VERR_FORMAT; /* not our table */
		if (rc != SQLITE_OK)
			return failed(rc, STEP_FORMAT);
	}
	return 0;
}

int
store_open(const char *path, struct store **ret)
{
	struct store *s;
	int rc, r;

	if ((s = calloc(1, sizeof(*s))) == NULL)
		return VERR_NOMEM;
	if (asprintf(&s->wal, "%s-wal", path) < 0) {
		s->wal = NULL;
		r = VERR_NOMEM;
		goto out;
	}
	rc = sqlite3_open_v2(path, &s->db,
	    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
	        SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_EXRESCODE,
	    NULL);
	if (rc != SQLITE_OK) {
		r = failed(rc, STEP_OPEN);
		goto out;
	}
	if ((r = configure(s->db)) != 0 || (r = check_format(s->db)) != 0 ||
	    (r = prepare(s)) != 0 || (r = store_erase(s)) != 0)
		goto out;
	*ret = s;
	return 0;
out:
	store_close(s);
	return r;
}

void
store_close(struct store *s)
{
	if (s == NULL)
		return;
	for (int i = 0; i < SQL_COUNT; i++)
		(void)sqlite3_finalize(s->stmt[i]);
	(void)sqlite3_close(s->db);
	free(s->wal);
	free(s);
}

/*
 * The row that "st" stands on; its body is SQLite's.
 */
static int
row_look(sqlite3_stmt *st, struct row *ret)
{
	const void *id = sqlite3_column_blob(st, 0);
	size_t id_len = (size_t)sqlite3_column_bytes(st, 0);
	int64_t kind = sqlite3_column_int64(st, 1);
	int64_t generation = sqlite3_column_int64(st, 2);
	const void *body = sqlite3_column_blob(st, 3);
	size_t n = (size_t)sqlite3_column_bytes(st, 3);

	if (id_len != ROW_ID_LEN || kind < 0 || kind > UINT32_MAX ||
	    generation <= 0 || n > ROW_BODY_MAX)
		return VERR_FORMAT;
	if (id == NULL || (body == NULL && n > 0))
		return VERR_NOMEM;
	memcpy(ret->id, id, ROW_ID_LEN);
	ret->kind = (uint32_t)kind;
	ret->generation = (uint64_t)generation;
	ret->body = slice_of(body, n);
	return 0;
}

static int
row_step(sqlite3_stmt *st, struct row *ret)
{
	int rc = sqlite3_step(st);

	if (rc == SQLITE_ROW)
		return row_look(st, ret);
	return rc == SQLITE_DONE ? VERR_NOTFOUND : failed(rc, STEP_READ);
}

int
store_next(struct store *s, struct row *ret)
{
	int r = row_step(s->stmt[SQL_ALL], ret);

	if (r != 0)
		(void)sqlite3_reset(s->stmt[SQL_ALL]);
	return r;
}

/*
 * Copy the body, so that no statement stays open.
 */
static void
row_keep(struct store *s, struct row *row)
{
	if (row->body.n > 0)
		memcpy(s->body, row->body.p, row->body.n);
	row->body.p = s->body;
}

int
store_fetch(struct store *s, const uint8_t id[ROW_ID_LEN], struct row *ret)
{
	sqlite3_stmt *st = s->stmt[SQL_ONE];
	int r, rc;

	rc = sqlite3_bind_blob(st, 1, id, ROW_ID_LEN, SQLITE_TRANSIENT);
	r = rc == SQLITE_OK ? row_step(st, ret) : failed(rc, STEP_READ);
	if (r == 0)
		row_keep(s, ret);
	(void)sqlite3_reset(st);
	return r;
}

int
store_next_id(struct store *s, uint8_t ret_id[ROW_ID_LEN])
{
	sqlite3_stmt *st = s->stmt[SQL_IDS];
	int rc = sqlite3_step(st), r = 0;
	const void *id;

	if (rc != SQLITE_ROW)
		r = rc == SQLITE_DONE ? VERR_NOTFOUND : failed(rc, STEP_READ);
	else if ((id = sqlite3_column_blob(st, 0)) == NULL ||
	    sqlite3_column_bytes(st, 0) != ROW_ID_LEN)
		r = VERR_FORMAT;
	else
		memcpy(ret_id, id, ROW_ID_LEN);
	if (r != 0)
		(void)sqlite3_reset(st);
	return r;
}

static int
run(struct store *s, enum statement which, enum step step)
{
	int rc = sqlite3_step(s->stmt[which]);

	(void)sqlite3_reset(s->stmt[which]);
	return rc == SQLITE_DONE ? 0 : failed(rc, step);
}

/*
 * Check the form of all changes before the first is made.
 */
static int
changes_check(struct slice list)
{
	struct change c;
	int r;

	while ((r = change_next(&list, &c)) == 0)
		if (c.generation > INT64_MAX || c.expected > INT64_MAX ||
		    (c.generation == 0 && c.expected == 0) ||
		    c.body.n > ROW_BODY_MAX)
			return VERR_FORMAT;
	return r == VERR_NOTFOUND ? 0 : r;
}

static int
bind_change(sqlite3_stmt *st, const struct change *c)
{
	int rc, last = sqlite3_bind_parameter_count(st);

	rc = sqlite3_bind_blob(st, 1, c->id, ROW_ID_LEN, SQLITE_STATIC);
	if (rc == SQLITE_OK && c->generation != 0) {
		rc = sqlite3_bind_int64(st, 2, c->kind);
		if (rc == SQLITE_OK)
			rc = sqlite3_bind_int64(st, 3, (int64_t)c->generation);
		if (rc == SQLITE_OK)
			rc = sqlite3_bind_blob(st, 4,
			    c->body.n == 0 ? (const void *)"" : c->body.p,
			    (int)c->body.n, SQLITE_STATIC);
	}
	if (rc == SQLITE_OK && last == 5)
		rc = sqlite3_bind_int64(st, 5, (int64_t)c->expected);
	return rc;
}

static int
change_make(struct store *s, const struct change *c)
{
	enum statement which = c->generation == 0 ? SQL_DELETE
	    : c->expected == 0                    ? SQL_INSERT
	                                          : SQL_UPDATE;
	sqlite3_stmt *st = s->stmt[which];
	int rc;

	if ((rc = bind_change(st, c)) == SQLITE_OK)
		rc = sqlite3_step(st);
	(void)sqlite3_reset(st);
	(void)sqlite3_clear_bindings(st);
	if ((rc & 0xff) == SQLITE_CONSTRAINT)
		return VERR_STALE; /* there is one already */
	if (rc != SQLITE_DONE)
		return failed(rc, STEP_WRITE);
	return sqlite3_changes(s->db) == 1 ? 0 : VERR_STALE;
}

/*
 * End a transaction that is still open; some failures have ended it already.
 */
static int
settle(struct store *s)
{
	if (sqlite3_get_autocommit(s->db))
		return 0;
	return run(s, SQL_ROLLBACK, STEP_COMMIT);
}

static int
next_change(void *arg, struct change *ret)
{
	return change_next(arg, ret);
}

/*
 * Make every change that "next" gives.
 */
static int
make_all(struct store *s, int (*next)(void *arg, struct change *ret), void *arg)
{
	struct change c;
	int r;

	while ((r = next(arg, &c)) == 0)
		if ((r = change_make(s, &c)) != 0)
			return r;
	return r == VERR_NOTFOUND ? 0 : r;
}

/*
 * One transaction: with "next", all rows give way to those that it gives.
 */
static int
transact(struct store *s, int (*next)(void *arg, struct change *ret), void *arg,
    struct slice changes)
{
	int r;

	if ((r = changes_check(changes)) != 0 || (r = settle(s)) != 0)
		return r;
	if ((r = run(s, SQL_BEGIN, STEP_WRITE)) != 0)
		return r;
	if (next != NULL && (r = run(s, SQL_CLEAR, STEP_WRITE)) == 0)
		r = make_all(s, next, arg);
	if (r == 0)
		r = make_all(s, next_change, &changes);
	if (r == 0)
		r = run(s, SQL_COMMIT, STEP_COMMIT);
	if (r != 0)
		(void)!settle(s);
	return r;
}

int
store_commit(struct store *s, struct slice changes)
{
	return transact(s, NULL, NULL, changes);
}

int
store_replace(struct store *s, int (*next)(void *arg, struct change *ret),
    void *arg, struct slice changes)
{
	return transact(s, next, arg, changes);
}

int
store_erase(struct store *s)
{
	struct stat st;
	int rc, left = -1, copied = -1;

	rc = sqlite3_wal_checkpoint_v2(
	    s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, &left, &copied);
	if (rc != SQLITE_OK)
		return failed(rc, STEP_ERASE);
	/* It says so; look. */
	if (left != 0 || (stat(s->wal, &st) == 0 && st.st_size != 0))
		return failed(SQLITE_IOERR_TRUNCATE, STEP_ERASE);
	rc = scrub_pages(s->db);
	return rc == SQLITE_OK ? 0 : failed(rc, STEP_ERASE);
}
