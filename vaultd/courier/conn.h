/*
 * conn - one TLS connection to an origin, of one pool.
 *
 * libcurl makes it: the TLS handshake on the socket that the dialer connected,
 * with certificate, name and pin verified, and nothing sent before that
 * (CURLOPT_CONNECT_ONLY).  What is said on it is exchange.c's.
 */
#ifndef COURIER_CONN_H
#define COURIER_CONN_H

#include <curl/curl.h>

#include "protocol/slice.h"
#include "vaultd/base/loop.h"
#include "vaultd/courier/fault.h"

#define CONN_READ 16384 /* the most that conn_read() reads at once */

struct order;
struct pool;

struct conn {
	struct pool *pool;
	struct conn *next;   /* in the pool's list of those at rest */
	struct order *order; /* whose exchange it carries; NULL: at rest */
	CURL *easy;
	struct curl_slist *connect_to;
	int socket; /* the dialer's, until libcurl takes it; or -1 */
	int waits;  /* "watch" is in the loop */
	int used;   /* an answer came over it */
	int closed; /* the peer has said so */
	struct watch watch;
	uint32_t port;
	char host[256];
};

/*
 * Begin the handshake with host:port on the connected socket "fd", which is
 * taken, for "o".  order_connected() or order_fail() follows from the loop.
 * "host" and "port" were found valid by request_head().
 * Returns 0, VERR_NOMEM or VERR_INTERNAL.
 */
MUST_CHECK
int conn_new(struct pool *pool, struct slice host, uint32_t port, int fd,
    struct order *o, struct conn **ret);

/* Close and release it; it is in no list.  NULL is a no-op. */
void conn_free(struct conn *conn);

/*
 * Write or read what is possible now.  Returns 0 with *ret_n; VERR_AGAIN;
 * VERR_CLOSED: the peer has said that it closes (reading alone); or VERR_IO.
 */
MUST_CHECK
int conn_write(struct conn *conn, const void *p, size_t n, size_t *ret_n);
MUST_CHECK
int conn_read(struct conn *conn, void *p, size_t n, size_t *ret_n);

/*
 * Wait for these of EPOLLIN and EPOLLOUT; with 0 for nothing at all, not even
 * for the peer to hang up.
 */
void conn_wait(struct conn *conn, uint32_t events);

/* For pool.c: libcurl has ended the handshake. */
void conn_handshaken(CURL *easy, CURLcode code);

#endif /* COURIER_CONN_H */
