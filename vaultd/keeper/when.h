/*
 * when - dates as people and programs write them.
 */
#ifndef KEEPER_WHEN_H
#define KEEPER_WHEN_H

#include "protocol/slice.h"
#include "protocol/verr.h"

/*
 * Read YYYY-MM-DD (the start of that day, UTC) or an RFC 3339 date-time in UTC
 * without fractions, 2026-11-22T16:53:51Z, as milliseconds since 1970.
 * Returns 0 or VERR_FORMAT.
 */
MUST_CHECK
int when_parse(struct slice text, uint64_t *ret_ms);

#endif /* KEEPER_WHEN_H */
