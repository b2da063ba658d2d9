/*
 * refuse - turn a client away in its own protocol, without hearing a word.
 */
#ifndef SUPERVISOR_REFUSE_H
#define SUPERVISOR_REFUSE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "protocol/record.h"
#include "vaultd/base/loop.h"

struct supervisor;
struct refusal_bye;

/* One constant answer per protocol and reason. */
enum turned_away {
	AWAY_NOT_READY, /* starting, or no room for another client */
	AWAY_DENIED,    /* a user that the kernel cannot name */
	AWAY_COUNT,
};

/* Connections that were answered and not yet hung up on. */
struct refusals {
	size_t count;
	LIST_HEAD(, refusal_bye) list;
};

/*
 * Answer on "fd" and close it once the peer has hung up, or after 2 s:
 * closing over what it has sent would reset it before it reads the answer.
 */
void refuse(struct supervisor *s, int fd, enum face face, enum turned_away why);

/*
 * The constant bytes.
 */
void refuse_bytes(
    enum face face, enum turned_away why, const void **ret_p, size_t *ret_n);

#endif /* SUPERVISOR_REFUSE_H */
