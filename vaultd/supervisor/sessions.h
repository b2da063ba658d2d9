/*
 * sessions - accepted connections, by numbers that never repeat.
 *
 * The keeper hears of one before its gate does: the gate gets the socket only
 * when the keeper's record is in the kernel.
 */
#ifndef SUPERVISOR_SESSIONS_H
#define SUPERVISOR_SESSIONS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "protocol/record.h"

struct supervisor;
struct session;
struct gate;
struct identity;

#define SESSION_BUCKETS 4096
#define SESSIONS_KEPT   64 /* less than any limit there is */

struct sessions {
	uint64_t next;
	size_t count;
	LIST_HEAD(, session) bucket[SESSION_BUCKETS];
	TAILQ_HEAD(, session) waiting; /* until the keeper was told */
};

void sessions_init(struct supervisor *s);

/*
 * May there be one more, where there may be "most" and are "total", "of_uid"
 * of them the same user's?  SESSIONS_KEPT are for admins alone, and no user
 * has more than half of what is there for his like.
 */
int sessions_admit(size_t most, size_t total, size_t of_uid, int is_admin);

/*
 * Begin one on "fd" and with "pidfd" (-1: none), which are its own from here
 * on; on failure they are closed.
 */
void session_begin(struct supervisor *s, struct gate *g,
    const struct identity *id, enum face face, int fd, int pidfd);

/*
 * What the keeper was told is on its way: hand the sockets over.
 */
void sessions_release(struct supervisor *s);

/*
 * The gate says that a session's connection is closed.
 * Returns 0, or VERR_FORBIDDEN: it is another gate's.
 */
MUST_CHECK
int session_closed(struct supervisor *s, struct gate *g, uint64_t number);

/*
 * End one: keeper and gate are told.
 */
void session_end(struct session *se);

/*
 * Forget one that there is nobody to tell about.
 */
void session_free(struct session *se);

#endif /* SUPERVISOR_SESSIONS_H */
