/*
 * pairs - a list of names and values inside one BLOB: header fields, the
 *	   arguments of a question, the settings of an act.
 *
 * WIRE		per pair u16 name length || name || u32 value length || value
 */
#ifndef PROTOCOL_PAIRS_H
#define PROTOCOL_PAIRS_H

#include "protocol/slice.h"
#include "protocol/verr.h"

struct pairs_writer {
	uint8_t *p; /* the caller's memory, and his to wipe */
	size_t cap;
	size_t n;     /* bytes written */
	int overflow; /* something did not fit; nothing was written since */
};

/*
 * Append one pair.  What does not fit sets "overflow", which is checked once
 * at the end.
 */
void pairs_put(struct pairs_writer *w, struct slice name, struct slice value);

/*
 * The same for a constant name.
 */
void pairs_add(struct pairs_writer *w, const char *name, struct slice value);

/*
 * Take the first pair off "list".
 * Returns 0, VERR_NOTFOUND at the end, or VERR_FORMAT.
 */
MUST_CHECK
int pairs_next(
    struct slice *list, struct slice *ret_name, struct slice *ret_value);

/*
 * Find the only pair called "name".
 * Returns 0, VERR_NOTFOUND, VERR_EXISTS if there are two, or VERR_FORMAT.
 */
MUST_CHECK
int pairs_find(struct slice list, const char *name, struct slice *ret_value);

#endif /* PROTOCOL_PAIRS_H */
