/*
 * local - what http.sock answers itself: the names under "/-/".
 */
#ifndef GATE_LOCAL_H
#define GATE_LOCAL_H

#include "protocol/record.h"

#define LOCAL_PAIRS_MAX 512

struct local {
	const char *text; /* the answer; NULL: the keeper's rows are */
	int asks;         /* nothing is answered before the keeper is done */
	enum ask what;    /* if it is asked */
	uint8_t pairs[LOCAL_PAIRS_MAX]; /* the question's arguments */
	size_t pairs_len;
};

/*
 * Find "name", which is what follows "/-/", with its query.
 * Returns 0, VERR_NOTFOUND, or VERR_FORMAT: neither GET nor HEAD, or not a
 * query of that name.
 */
MUST_CHECK
int local_find(struct slice method, struct slice name, struct local *ret);

#endif /* GATE_LOCAL_H */
