/*
 * segments - the folder of the audit log: which segments there are, and what a
 *	      crash left of the last one.
 */
#ifndef LEDGER_SEGMENTS_H
#define LEDGER_SEGMENTS_H

#include <stddef.h>
#include <stdint.h>

#include "protocol/verr.h"

#define SEGMENT_NAME 32 /* bytes of a name, with its NUL */

struct segments {
	int dir;
	uint64_t *first; /* of each segment, ascending */
	size_t n, cap;
};

/*
 * Read the folder "path", which is made if need be.  Files of other names are
 * left alone.  Returns 0, VERR_NOMEM or VERR_IO; release with
 * segments_close() in any case.
 */
MUST_CHECK
int segments_open(struct segments *s, const char *path);
void segments_close(struct segments *s);

/*
 * Make the segment that begins with line "first", and open it for appending.
 * Its name is on the disk at the return; without it nothing has changed.
 * Returns 0, VERR_NOSPACE, VERR_NOMEM or VERR_IO.
 */
MUST_CHECK
int segments_add(struct segments *s, uint64_t first, int *ret_fd);

/*
 * Take the last segment away again: nothing was written to it.
 */
void segments_undo(struct segments *s);

/*
 * Open segment "i" with "flags" of open(2).  Returns 0 or VERR_IO.
 */
MUST_CHECK
int segments_get(const struct segments *s, size_t i, int flags, int *ret_fd);

void segment_name(uint64_t first, char ret[SEGMENT_NAME]);

/*
 * Count the whole lines in "fd" and where they end: behind the last newline,
 * or before a line with a NUL in it, which no writer of ours wrote: a crash
 * left the file longer than its data.  Returns 0 or VERR_IO.
 */
MUST_CHECK
int segment_measure(int fd, uint64_t *ret_lines, uint64_t *ret_end);

/*
 * The VERR_* for what a file call left in errno: VERR_NOSPACE or VERR_IO.
 */
int segment_errno(void);

#endif /* LEDGER_SEGMENTS_H */
