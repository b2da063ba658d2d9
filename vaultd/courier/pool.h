/*
 * pool - libcurl's connections of one profile and credential version, driven
 *	  by the room's loop.
 *
 * One multi handle each, so that a connection is reused only where the same
 * credential may go over it.
 */
#ifndef COURIER_POOL_H
#define COURIER_POOL_H

#include <curl/curl.h>
#include <openssl/x509_vfy.h>

#include "protocol/slice.h"
#include "vaultd/base/loop.h"

#define POOLS_MAX        256
#define POOL_CONNECTIONS 64    /* kept in one pool, in use or idle */
#define POOL_IDLE_MS     60000 /* without a transfer, then it is closed */
#define POOL_SOCKETS_MAX 2048  /* of all pools, in use or idle */

struct pool;

/* A transfer of "pool" has ended and was taken off it; from the loop. */
typedef void pool_done(CURL *easy, CURLcode code);

struct pools {
	struct loop *loop;
	pool_done *done;
	X509_STORE *trust; /* the system's; NULL: none could be loaded */
	struct pool *first;
	size_t count, sockets;
};

/*
 * Find or make the pool "number" for these authorities (PEM; empty: the
 * system's) and this pin.  A pool of the same number with others is retired.
 * Returns 0, VERR_NOMEM, VERR_BUSY, or VERR_FORMAT: "ca" holds no certificate.
 */
MUST_CHECK
int pool_get(struct pools *all, uint64_t number, struct slice ca,
    struct slice pin, struct pool **ret);

/*
 * Make room for one more socket, closing idle pools if need be.
 * Returns 0 or VERR_BUSY.
 */
MUST_CHECK
int pool_make_room(struct pools *all);

/*
 * libcurl was given a socket of this pool; it is counted until it is closed.
 */
void pool_count_socket(struct pool *pool);

/*
 * Set what a transfer needs to be in "pool": its trust, its pin and the count
 * of its sockets.  Returns 0 or VERR_NOMEM.
 */
MUST_CHECK
int pool_prepare(struct pool *pool, CURL *easy);

/*
 * Start a transfer.  Returns 0 or VERR_INTERNAL.
 */
MUST_CHECK
int pool_add(struct pool *pool, CURL *easy);

/*
 * Stop a transfer that has not ended.  Never from inside its callbacks.
 */
void pool_remove(struct pool *pool, CURL *easy);

/*
 * An order uses the pool, or no longer; without users it ends after
 * POOL_IDLE_MS.
 */
void pool_hold(struct pool *pool);
void pool_release(struct pool *pool);

/*
 * Close the pool's connections, as soon as its transfers have ended.
 */
void pool_drop(struct pools *all, uint64_t number);

#endif /* COURIER_POOL_H */
