/*
 * filter - which lines of the audit log a question is about.
 *
 * Not by parsing JSON: the keeper puts the time at a fixed place of each line,
 * and knows which literal text a field it looks for has in it.
 */
#ifndef LEDGER_FILTER_H
#define LEDGER_FILTER_H

#include "protocol/slice.h"
#include "protocol/verr.h"

#define FILTER_LITERALS 16 /* at most */
#define FILTER_TIME     24 /* bytes of 2026-11-22T16:53:51.123Z */

struct filter {
	char from[FILTER_TIME + 1], to[FILTER_TIME + 1]; /* empty: open */
	size_t n;
	struct slice literal[FILTER_LITERALS]; /* the caller's memory */
};

/*
 * Lines of "from" <= time < "to" (Unix milliseconds, 0 is open) with all the
 * values of "match" (protocol/pairs.h) in them, which must outlive the filter.
 * Returns 0, VERR_FORMAT or VERR_TOOBIG (too many literals).
 */
MUST_CHECK
int filter_init(
    struct filter *f, uint64_t from, uint64_t to, struct slice match);

/*
 * Is "line", without its newline, one of them?  One without a time where it
 * belongs is not if a time is asked for.
 */
int filter_takes(const struct filter *f, struct slice line);

#endif /* LEDGER_FILTER_H */
