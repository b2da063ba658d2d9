/*
 * path - request targets: the one normalisation, whose result is what the
 * policy matches and what is sent upstream.
 *
 * Origin form alone (RFC 9112, 3.2.1): "/a/b?x=y".  Escapes of unreserved
 * characters (RFC 3986, 2.3) are decoded, the hex digits of the others are
 * upper-cased; nothing else changes, and the result is never longer than the
 * input.  Refused: what some upstream might read as another path.
 */
#ifndef POLICY_PATH_H
#define POLICY_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/verr.h"

#define PATH_TARGET_MAX 8192 /* bytes of path and query together */

/*
 * Normalise the "len" bytes at "target" into "out", ended with NUL: path, and
 * the query after a '?' if there was a '?'.  *ret_len is the length of it all,
 * *ret_path_len that of the path.  "out" may not overlap "target".
 *
 * Returns 0; VERR_TOOBIG over PATH_TARGET_MAX; or VERR_FORMAT.  On failure
 * *ret_why is a constant sentence, without a byte of the target, and the
 * lengths are untouched (out is not).
 *
 * Refused in a path: anything but a '/' first; empty segments (one '/' at the
 * end is kept); segments that are "." or ".." or nothing before a ';'; %2F, %5C
 * and escaped controls; an escaped '%' before two hex digits, which is a second
 * layer of escapes; characters that RFC 3986 does not allow in one.
 * Refused in a query: what is not printable ASCII, blanks, '\', '"', '<', '>'
 * and %00.  In both: '#', broken escapes, and escapes that are not UTF-8.
 */
int path_normalise(const char *target, size_t len,
    char out[static PATH_TARGET_MAX + 1], size_t *ret_len, size_t *ret_path_len,
    const char **ret_why) MUST_CHECK;

/*
 * Write the normalised "target" for the audit log, values of its query
 * elided: "/v1/charges?limit=...&...".  An item without '=' is all value.
 * Cut to fit "size" (at least 1), always ended with NUL.
 */
void path_elide(
    const char *target, size_t len, size_t path_len, char *out, size_t size);

/*
 * Decode every escape of a normalised path and turn ASCII into lower case.
 * Returns the length of the result, at most "len"; it has no NUL and may hold
 * any other byte.  "out" may be "path".
 */
size_t path_unescape(const char *path, size_t len, char *out);

/* What careless upstreams may make of a path. */
struct path_folded {
	size_t nwhole, ncut;
	char whole[PATH_TARGET_MAX]; /* unescaped */
	char cut[PATH_TARGET_MAX];   /* and each segment cut at its first ';' */
};

/*
 * Fold a normalised path of at most PATH_TARGET_MAX bytes, for denies and
 * guarded paths: no spelling slips past them (see glob_match_folded()).
 */
void path_fold(const char *path, size_t len, struct path_folded *ret);

/*
 * Return the method of these "len" bytes as a constant string, or NULL if it
 * is none that is passed on.  Upper case alone; TRACE, TRACK, CONNECT and PRI
 * are not among them.
 */
const char *path_method(const char *text, size_t len);

#endif /* POLICY_PATH_H */
