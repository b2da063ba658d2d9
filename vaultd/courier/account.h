/*
 * account - the upstream account that a health answer names.
 */
#ifndef COURIER_ACCOUNT_H
#define COURIER_ACCOUNT_H

#include "protocol/slice.h"
#include "protocol/verr.h"

#define ACCOUNT_MAX 255

/*
 * Follow "pointer" (RFC 6901, not empty) into the JSON document "text" and
 * write the scalar there as text to "out", terminated.
 * Returns 0, VERR_FORMAT (not JSON, duplicate names), VERR_NOTFOUND (no such
 * place, or no scalar there) or VERR_TOOBIG.
 */
MUST_CHECK
int account_find(
    struct slice text, struct slice pointer, char out[ACCOUNT_MAX + 1]);

/*
 * Before the walls: the hash seed, which jansson reads from a file.
 */
void account_init(void);

#endif /* COURIER_ACCOUNT_H */
