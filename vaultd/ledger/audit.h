/*
 * audit - the segments of the audit log: lines added at the end, never changed.
 *
 * A segment is a file named by the number of its first line, "%020u.jsonl";
 * the first line of all is number 0.  Lines are collected by audit_put() and
 * reach the file in one write(2) by audit_flush(); what was flushed is in the
 * kernel, what is before audit_synced() is on the disk.
 *
 * DISK		Before a line is taken, the disk for it is reserved, and with it
 *		the disk for one line of each decision whose outcome is still to
 *		come, and for some lines more.  So an outcome can always be
 *		written, on a full disk, too.
 * FAILURE	A failed sync may have lost what was written before it, and the
 *		kernel tells only once.  So it is never simply tried again: the
 *		log refuses lines until audit_recover() has written anew, from
 *		memory, all that was not yet synced, and has synced that.
 *		The same if the file was removed, replaced, cut or written to by
 *		somebody else.
 */
#ifndef LEDGER_AUDIT_H
#define LEDGER_AUDIT_H

#include "protocol/slice.h"
#include "protocol/verr.h"

#define AUDIT_FIRST    0    /* number of the first line */
#define AUDIT_LINE_MAX 8192 /* as in room.def, without the newline */

struct audit;

/*
 * Open the log in the folder "dir", which is made if need be, and cut off a
 * last line that a crash left torn.  A segment longer than "segment_max" bytes
 * gets no more lines.
 * Returns 0, VERR_NOMEM, VERR_NOSPACE or VERR_IO.
 */
MUST_CHECK
int audit_open(const char *dir, uint64_t segment_max, struct audit **ret);

/*
 * Flush, sync, give back the reserved disk, release.  NULL is a no-op.
 */
void audit_close(struct audit *a);

/*
 * The number that the next line will have; of the next that was not yet
 * flushed; of the next that was not yet synced.
 */
uint64_t audit_next(const struct audit *a);
uint64_t audit_flushed(const struct audit *a);
uint64_t audit_synced(const struct audit *a);

/*
 * Collect one line; "flags" as in enum append_flag.
 * Returns 0, VERR_FORMAT (empty, too long, or with a newline or NUL in it),
 * VERR_NOSPACE, VERR_NOMEM or VERR_IO; nothing has changed then.
 */
MUST_CHECK
int audit_put(struct audit *a, struct slice line, unsigned flags);

/*
 * Write what was collected, and sync if "sync" is set or much is not synced.
 * Returns 0, VERR_NOSPACE or VERR_IO: what was collected is then dropped.
 */
MUST_CHECK
int audit_flush(struct audit *a, int sync);

/*
 * Make the log fit for lines again; at once 0 if it is.  Returns 0 or VERR_IO.
 */
MUST_CHECK
int audit_recover(struct audit *a);

/*
 * The segments, from 0, by the number of their first line.
 */
size_t audit_segments(const struct audit *a);
uint64_t audit_segment_first(const struct audit *a, size_t i);

/*
 * The end of the flushed lines in the last of them.
 */
uint64_t audit_size(const struct audit *a);

/*
 * Open segment "i" for reading, up to *ret_size: the end of its flushed lines.
 * The caller closes *ret_fd.  Returns 0 or VERR_IO.
 */
MUST_CHECK
int audit_segment_open(
    const struct audit *a, size_t i, int *ret_fd, uint64_t *ret_size);

/*
 * The same of a segment that is open.  Returns 0 or VERR_IO.
 */
MUST_CHECK
int audit_segment_size(
    const struct audit *a, size_t i, int fd, uint64_t *ret_size);

#endif /* LEDGER_AUDIT_H */
