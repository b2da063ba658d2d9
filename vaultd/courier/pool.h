/*
 * pool - the connections of one profile and credential version.
 *
 * A connection is used again only where the same credential may go over it,
 * and for the same origin.  libcurl makes them, on one multi handle a pool,
 * driven by the room's loop.
 */
#ifndef COURIER_POOL_H
#define COURIER_POOL_H

#include <curl/curl.h>
#include <openssl/x509_vfy.h>

#include "protocol/slice.h"
#include "vaultd/base/loop.h"

#define POOLS_MAX        256
#define POOL_CONNECTIONS 64    /* at rest in one pool */
#define POOL_IDLE_MS     60000 /* without an order, then it is closed */
#define POOL_SOCKETS_MAX 2048  /* of all pools, in use or at rest */
#define POOL_STEPS       2     /* of handshakes, in one round of the loop */

struct conn;
struct pool;

struct pools {
	struct loop *loop;
	X509_STORE *trust; /* the system's; NULL: none could be loaded */
	struct pool *first;
	size_t count, sockets;
	unsigned steps; /* of handshakes, in this round */
	struct task round;
};

void pools_init(struct pools *all, struct loop *l);

/*
 * Find or make the pool "number" for these authorities (PEM; empty: the
 * system's) and this pin.  A pool of the same number with others is retired.
 * Returns 0, VERR_NOMEM, VERR_BUSY, or VERR_FORMAT: "ca" holds no certificate.
 */
MUST_CHECK
int pool_get(struct pools *all, uint64_t number, struct slice ca,
    struct slice pin, struct pool **ret);

/*
 * Make room for one more socket, closing connections at rest if need be.
 * Returns 0 or VERR_BUSY.
 */
MUST_CHECK
int pool_make_room(struct pools *all);

/*
 * Take a connection to the origin that was at rest and is still open and
 * quiet, the last used first; or NULL.
 */
struct conn *pool_take(struct pool *pool, struct slice host, uint32_t port);

/*
 * Lay a connection to rest after a whole answer; it may be closed at once.
 */
void pool_rest(struct conn *conn);

/*
 * An order uses the pool, or no longer; without users it ends after
 * POOL_IDLE_MS.
 */
void pool_hold(struct pool *pool);
void pool_release(struct pool *pool);

/*
 * Close the pool's connections, as soon as its orders have ended.
 */
void pool_drop(struct pools *all, uint64_t number);

/*
 * For conn.c.  A connection joins the pool's count and leaves it; its handle
 * is given trust, pin and place, driven, and taken off.
 */
struct loop *pool_loop(const struct pool *pool);
void pool_join(struct pool *pool);
void pool_leave(struct pool *pool);
MUST_CHECK
int pool_prepare(struct pool *pool, CURL *easy);
MUST_CHECK
int pool_connect(struct pool *pool, CURL *easy);
void pool_disconnect(struct pool *pool, CURL *easy);

/* Whether a connection at rest is still open, and nothing came unasked. */
int pool_is_quiet(struct conn *conn);

/* Close one that is at rest. */
void pool_forget(struct conn *conn);

#endif /* COURIER_POOL_H */
