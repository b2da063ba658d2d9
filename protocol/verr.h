/*
 * verr - the one set of error codes, shared by rooms and clients.
 *
 * A fallible function returns 0 or a code from verr.def and nothing else.
 */
#ifndef PROTOCOL_VERR_H
#define PROTOCOL_VERR_H

#define MUST_CHECK __attribute__((warn_unused_result))

enum verr {
	VERR_OK = 0,
#define VERR(name, code, text) name = (code),
#include "protocol/verr.def"
#undef VERR
};

/*
 * Return the fixed text for "r", or "unknown error".  Never NULL.
 */
const char *verr_text(int r);

#endif /* PROTOCOL_VERR_H */
