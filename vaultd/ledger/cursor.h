/*
 * cursor - reads the audit log in blocks of whole lines, onwards or backwards.
 *
 * A place stays true while lines are added.  A line longer than a block was
 * not written by us, nor was a segment that does not end with a line.
 */
#ifndef LEDGER_CURSOR_H
#define LEDGER_CURSOR_H

#include "vaultd/ledger/audit.h"

#define CURSOR_BLOCK (256 * 1024) /* read at once, and so long others wait */

struct place {
	size_t segment;
	uint64_t at; /* byte in it, at the begin of a line or the end of all */
};

/* Zero-initialised except for fd = -1. */
struct cursor {
	struct place place;
	int fd; /* of fd_segment, or -1 */
	size_t fd_segment;
};

struct block {
	struct slice lines; /* whole ones, in memory that cursors share */
	struct place place; /* where they begin */
};

/*
 * The place behind the last flushed line.
 */
struct place cursor_end(const struct audit *a);

/*
 * The begin of the segment that has line "seq", or of the first.
 */
struct place cursor_find(const struct audit *a, uint64_t seq);

/*
 * Read the next lines before "end" and step over them; none at the end.
 * Returns 0, VERR_FORMAT or VERR_IO.
 */
MUST_CHECK
int cursor_next(const struct audit *a, struct cursor *c, struct place end,
    struct block *ret);

/*
 * Read the lines before c->place and step back over them; none at the begin.
 * Returns 0, VERR_FORMAT or VERR_IO.
 */
MUST_CHECK
int cursor_back(const struct audit *a, struct cursor *c, struct block *ret);

void cursor_close(struct cursor *c);

#endif /* LEDGER_CURSOR_H */
