/*
 * glob - "*" within a segment, "**" across segments, all else literal.
 *
 * Stars match the empty string too.  Matching takes time proportional to the
 * length of the text times that of the pattern, whatever they hold.
 */
#ifndef POLICY_GLOB_H
#define POLICY_GLOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/path.h"
#include "protocol/verr.h"

#define GLOB_MAX 512 /* bytes of a pattern */

enum glob_kind {
	GLOB_PROFILE, /* CUSTOMER/PROFILE, or two stars alone */
	GLOB_PATH,    /* a path in its normal form, see path_normalise() */
	GLOB_FOLDED,  /* as GLOB_PATH, for glob_match_folded() alone */
};

struct glob;

/*
 * Compile "text".  On success *ret is the caller's, to be freed with
 * glob_free().  Returns 0, VERR_NOMEM, or VERR_FORMAT; on failure *ret_why is a
 * constant sentence.
 */
int glob_new(const char *text, enum glob_kind kind, struct glob **ret,
    const char **ret_why) MUST_CHECK;

void glob_free(struct glob *glob);

/* True if the pattern matches the whole text. */
bool glob_match(const struct glob *glob, const char *text, size_t len);

/* True if the pattern has no star. */
bool glob_literal(const struct glob *glob);

/*
 * For a GLOB_FOLDED pattern: true if it matches the path in any of its
 * spellings: other escapes, other case, with a '/' more at its end, with
 * parameters (";x") in its segments.
 */
bool glob_match_folded(const struct glob *glob, const struct path_folded *path);

#endif /* POLICY_GLOB_H */
