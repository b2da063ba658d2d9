/*
 * syntax - the few rules of RFC 9110's field syntax that both directions need.
 */
#ifndef COURIER_SYNTAX_H
#define COURIER_SYNTAX_H

#include "protocol/slice.h"

/* True if "s" is a token (5.6.2): a field's name. */
int syntax_is_token(struct slice s);

/* True if "s" has no control bytes but tabs: a field's value (5.5). */
int syntax_is_value(struct slice s);

/* Without the spaces and tabs around it. */
struct slice syntax_trim(struct slice s);

/* True if the two are equal but for the case of letters. */
int syntax_same(struct slice a, struct slice b);

/* True if "s" begins with "prefix", whatever the case. */
int syntax_begins(struct slice s, const char *prefix);

/*
 * Take the next element off a comma-separated list, trimmed; empty ones are
 * skipped.  Returns 0 at the end.
 */
int syntax_next(struct slice *list, struct slice *ret);

#endif /* COURIER_SYNTAX_H */
