/*
 * pattern - what the value of an input or field must look like: a language too
 * small to be slow.
 *
 *	abc		literals; '\' before a character that means something
 *	[a-z0-9_-]	one of a class; '-' stands first or last for itself
 *	.		any printable ASCII character but a blank
 *	{n} {m,n}	the piece before it, n times, m to n times (to 9999)
 *
 * A pattern matches a whole value, from left to right; a repeated piece takes
 * as much as it can and never gives back, so write [a-z]{1,8}_ rather than
 * .{1,8}_.
 */
#ifndef POLICY_PATTERN_H
#define POLICY_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

#include "protocol/verr.h"

/* Returns 0, or VERR_FORMAT with a constant sentence in *ret_why. */
int pattern_check(const char *pattern, const char **ret_why) MUST_CHECK;

/* True if the "len" bytes match "pattern", which pattern_check() accepts. */
bool pattern_match(const char *pattern, const char *value, size_t len);

#endif /* POLICY_PATTERN_H */
