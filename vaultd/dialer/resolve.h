/*
 * resolve - a host's addresses, by c-ares in the room's loop.
 *
 * Each look-up has a c-ares channel of its own, so that resolv.conf is read as
 * it is now and nothing is shared between tickets.  Sources are /etc/hosts,
 * then DNS; no search list, no aliases.
 */
#ifndef DIALER_RESOLVE_H
#define DIALER_RESOLVE_H

#include <netinet/in.h>

#include "vaultd/base/loop.h"

#define ADDRESSES_MAX 16

struct address {
	union {
		struct sockaddr sa;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} u;
	socklen_t len;
};

struct resolve;

/*
 * The answer, or why there is none: VERR_NOTFOUND (no such name),
 * VERR_UNREACHABLE (no name server answered), VERR_NOMEM.
 */
typedef void resolve_done(
    void *arg, int r, const struct address *list, size_t n);

/*
 * Look up "host" and call "done" with its addresses and "port", in the order
 * of RFC 6724; never from inside this call.
 * Returns 0, VERR_NOMEM, or VERR_STALE: the files of the resolver were
 * replaced and lie outside the walls, so this process must make way for a new
 * one.
 */
MUST_CHECK
int resolve_start(struct loop *l, const char *host, uint16_t port,
    resolve_done *done, void *arg, struct resolve **ret);

/*
 * Forget the look-up; after done() this is still due.  NULL is a no-op.
 */
void resolve_free(struct resolve *rs);

/*
 * Before the walls.  Returns 0 or VERR_INTERNAL.
 */
MUST_CHECK
int resolve_init(void);

#endif /* DIALER_RESOLVE_H */
