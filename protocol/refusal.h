/*
 * refusal - what a client is told when it does not get what it asked for.
 *
 * The numbers travel between rooms and on the client wire: append to
 * refusal.def, never reorder.
 */
#ifndef PROTOCOL_REFUSAL_H
#define PROTOCOL_REFUSAL_H

#include <stdint.h>

enum refusal {
	REFUSED_NONE = 0,
#define REFUSAL(name, code, http, exit, meaning) name,
#include "protocol/refusal.def"
#undef REFUSAL
	REFUSAL_COUNT,
};

struct refusal_info {
	const char *code;    /* stable, for programs */
	uint16_t http;       /* status on http.sock */
	uint8_t exit;        /* exit status of vaultctl */
	const char *meaning; /* for manuals, and where no sentence was given */
};

/*
 * Return what is known of "refusal"; an unknown number is treated as
 * REFUSED_BAD_REQUEST.  Never NULL.
 */
const struct refusal_info *refusal_info(uint32_t refusal);

/*
 * Return the refusal whose code is "code", or REFUSED_NONE.
 */
enum refusal refusal_by_code(const char *code);

#endif /* PROTOCOL_REFUSAL_H */
