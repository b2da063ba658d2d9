/*
 * date - dates as people give them: YYYY-MM-DD (in UTC), or RFC 3339.
 */
#ifndef VAULTCTL_DATE_H
#define VAULTCTL_DATE_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/verr.h"

/*
 * Milliseconds since 1970 of "text"; a day's first, or with "last" its last.
 * Returns 0 or VERR_FORMAT.
 */
MUST_CHECK
int date_parse(const char *text, bool last, int64_t *ret_ms);

/* Days, decimal, with or without a 'd' behind.  Returns 0 or VERR_FORMAT. */
MUST_CHECK
int date_days(const char *text, unsigned *ret);

#endif /* VAULTCTL_DATE_H */
