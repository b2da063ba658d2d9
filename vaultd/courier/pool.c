#include "vaultd/courier/pool.h"

#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "vaultd/courier/conn.h"
#include "vaultd/courier/trust.h"

struct pool {
	struct pools *all;
	struct pool *next; /* the most recently used first */
	uint64_t number;
	CURLM *multi;
	struct timer timer; /* libcurl's */
	struct timer idle;
	struct conn *resting; /* the last used first */
	size_t nresting;
	size_t users;
	int retired; /* not to be found any more */
	X509_STORE *trust;
	uint8_t *ca;
	size_t ca_len;
	char *pin;
};

struct socket {
	struct watch watch;
	struct pool *pool;
};

static void
unlink_pool(struct pool *p)
{
	struct pool **at = &p->all->first;

	while (*at != NULL && *at != p)
		at = &(*at)->next;
	if (*at == p)
		*at = p->next;
}

static void
close_resting(struct pool *p)
{
	while (p->resting != NULL)
		pool_forget(p->resting);
}

static void
pool_free(struct pool *p)
{
	close_resting(p);
	unlink_pool(p);
	p->all->count--;
	if (p->multi != NULL)
		(void)curl_multi_cleanup(p->multi);
	loop_timer_stop(p->all->loop, &p->timer);
	loop_timer_stop(p->all->loop, &p->idle);
	X509_STORE_free(p->trust);
	free(p->ca);
	free(p->pin);
	free(p);
}

/*
 * Collect the handshakes that have ended.  The pool is held, because their
 * orders may let go of it.  A handle stays on the multi handle while its
 * connection lives.
 */
static void
collect(struct pool *p)
{
	CURLMsg *msg;
	int left;

	pool_hold(p);
	while ((msg = curl_multi_info_read(p->multi, &left)) != NULL) {
		CURL *easy = msg->easy_handle;
		CURLcode code = msg->data.result;

		if (msg->msg == CURLMSG_DONE)
			conn_handshaken(easy, code);
	}
	pool_release(p);
}

static void
drive(struct pool *p, curl_socket_t fd, int events)
{
	int running;

	(void)curl_multi_socket_action(p->multi, fd, events, &running);
	collect(p);
}

/*
 * Events come again while they are not heeded.  A step of a handshake takes a
 * millisecond, in which nobody else is served: a few in each round.
 */
static int
is_enough(struct pools *all)
{
	if (all->steps == POOL_STEPS)
		return 1;
	all->steps++;
	loop_defer(all->loop, &all->round);
	return 0;
}

static void
on_round(void *arg)
{
	struct pools *all = arg;

	all->steps = 0;
}

void
pools_init(struct pools *all, struct loop *l)
{
	all->loop = l;
	all->round = (struct task){.run = on_round, .arg = all};
}

static void
on_socket(void *arg, uint32_t events)
{
	struct socket *s = arg;
	int bits = (events & EPOLLIN ? CURL_CSELECT_IN : 0) |
	    (events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
	    (events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);

	if (!is_enough(s->pool->all))
		drive(s->pool, s->watch.fd, bits);
}

static void
on_time(void *arg)
{
	drive(arg, CURL_SOCKET_TIMEOUT, 0);
}

static void
on_idle(void *arg)
{
	pool_free(arg);
}

/* CURLMOPT_SOCKETFUNCTION: what libcurl waits for. */
static int
want_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
	struct pool *p = arg;
	struct socket *s = known;
	uint32_t events = (what & CURL_POLL_IN ? (uint32_t)EPOLLIN : 0) |
	    (what & CURL_POLL_OUT ? (uint32_t)EPOLLOUT : 0);

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (s != NULL)
			loop_remove(p->all->loop, &s->watch);
		free(s);
		return 0;
	}
	if (s != NULL) {
		loop_change(p->all->loop, &s->watch, events);
		return 0;
	}
	if ((s = calloc(1, sizeof(*s))) == NULL)
		return -1;
	*s = (struct socket){{.fd = fd, .on_event = on_socket, .arg = s}, p};
	if (loop_add(p->all->loop, &s->watch, events) != 0) {
		free(s);
		return -1;
	}
	(void)curl_multi_assign(p->multi, fd, s);
	return 0;
}

/* CURLMOPT_TIMERFUNCTION: when libcurl wants to be called. */
static int
want_time(CURLM *multi, long ms, void *arg)
{
	struct pool *p = arg;

	(void)multi;
	if (ms < 0) {
		loop_timer_stop(p->all->loop, &p->timer);
		return 0;
	}
	return loop_timer(p->all->loop, &p->timer, (uint64_t)ms) == 0 ? 0 : -1;
}

static int
set_multi(struct pool *p)
{
	if ((p->multi = curl_multi_init()) == NULL ||
	    curl_multi_setopt(p->multi, CURLMOPT_SOCKETFUNCTION, want_socket) !=
	        CURLM_OK ||
	    curl_multi_setopt(p->multi, CURLMOPT_SOCKETDATA, p) != CURLM_OK ||
	    curl_multi_setopt(p->multi, CURLMOPT_TIMERFUNCTION, want_time) !=
	        CURLM_OK ||
	    curl_multi_setopt(p->multi, CURLMOPT_TIMERDATA, p) != CURLM_OK)
		return VERR_NOMEM;
	return 0;
}

static int
set_trust(struct pool *p, struct slice ca, struct slice pin)
{
	if (pin.n > 0 && (p->pin = strndup((const char *)pin.p, pin.n)) == NULL)
		return VERR_NOMEM;
	if (ca.n == 0) {
		p->trust = p->all->trust;
		return p->trust != NULL && X509_STORE_up_ref(p->trust) == 1
		    ? 0
		    : VERR_FORMAT;
	}
	if ((p->ca = malloc(ca.n)) == NULL)
		return VERR_NOMEM;
	memcpy(p->ca, ca.p, ca.n);
	p->ca_len = ca.n;
	return trust_parse(ca, &p->trust);
}

static int
make(struct pools *all, uint64_t number, struct slice ca, struct slice pin,
    struct pool **ret)
{
	struct pool *p;
	int r;

	if ((p = calloc(1, sizeof(*p))) == NULL)
		return VERR_NOMEM;
	*p = (struct pool){.all = all,
	    .number = number,
	    .timer = {.on_time = on_time, .arg = p},
	    .idle = {.on_time = on_idle, .arg = p}};
	all->count++;
	if ((r = set_trust(p, ca, pin)) != 0 || (r = set_multi(p)) != 0) {
		pool_free(p);
		return r;
	}
	*ret = p;
	return 0;
}

static struct pool *
find(struct pools *all, uint64_t number)
{
	for (struct pool *p = all->first; p != NULL; p = p->next)
		if (p->number == number && !p->retired)
			return p;
	return NULL;
}

/* Free the pool that has been without users for longest. */
static int
free_oldest(struct pools *all)
{
	struct pool *oldest = NULL;

	for (struct pool *p = all->first; p != NULL; p = p->next)
		if (p->users == 0)
			oldest = p;
	if (oldest == NULL)
		return VERR_BUSY;
	pool_free(oldest);
	return 0;
}

int
pool_make_room(struct pools *all)
{
	struct pool *oldest;

	while (all->sockets >= POOL_SOCKETS_MAX) {
		oldest = NULL;
		for (struct pool *p = all->first; p != NULL; p = p->next)
			if (p->resting != NULL)
				oldest = p;
		if (oldest == NULL)
			return VERR_BUSY;
		pool_forget(oldest->resting);
	}
	return 0;
}

static int
is_same(const struct pool *p, struct slice ca, struct slice pin)
{
	return slice_equal(slice_of(p->ca, p->ca_len), ca) &&
	    slice_equal(slice_str(p->pin), pin);
}

int
pool_get(struct pools *all, uint64_t number, struct slice ca, struct slice pin,
    struct pool **ret)
{
	struct pool *p = find(all, number);
	int r;

	if (p != NULL && !is_same(p, ca, pin)) {
		pool_drop(all, number);
		p = NULL;
	}
	if (p == NULL) {
		if (all->count >= POOLS_MAX && (r = free_oldest(all)) != 0)
			return r;
		if ((r = make(all, number, ca, pin, &p)) != 0)
			return r;
	} else {
		unlink_pool(p);
	}
	p->next = all->first;
	all->first = p;
	*ret = p;
	return 0;
}

/*
 * Did the upstream say that it closes, or was TCP cut?  libcurl takes both for
 * an end; only TLS's own close_notify proves one (RFC 9112, 9.8).
 */
static void
on_alert(const SSL *ssl, int where, int value)
{
	struct conn *conn = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

	if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT &&
	    (value & 0xff) == SSL_AD_CLOSE_NOTIFY)
		conn->closed = 1;
}

/* CURLOPT_SSL_CTX_FUNCTION: the pool's anchors instead of libcurl's. */
static CURLcode
set_store(CURL *easy, void *ctx, void *arg)
{
	struct pool *p = arg;
	char *conn = NULL;

	(void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, &conn);
	SSL_CTX_set_app_data((SSL_CTX *)ctx, conn);
	SSL_CTX_set_info_callback(ctx, on_alert);
	SSL_CTX_set1_cert_store(ctx, p->trust);
	/* One would have writing wait for reading (TLS 1.2). */
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION);
	/* A record's head and body in one read. */
	SSL_CTX_set_read_ahead(ctx, 1);
	return CURLE_OK;
}

int
pool_prepare(struct pool *p, CURL *easy)
{
	if (curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, set_store) !=
	        CURLE_OK ||
	    curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, p) != CURLE_OK ||
	    curl_easy_setopt(easy, CURLOPT_PINNEDPUBLICKEY, p->pin) != CURLE_OK)
		return VERR_NOMEM;
	return 0;
}

struct loop *
pool_loop(const struct pool *p)
{
	return p->all->loop;
}

void
pool_join(struct pool *p)
{
	p->all->sockets++;
}

void
pool_leave(struct pool *p)
{
	p->all->sockets--;
}

int
pool_connect(struct pool *p, CURL *easy)
{
	return curl_multi_add_handle(p->multi, easy) == CURLM_OK
	    ? 0
	    : VERR_INTERNAL;
}

void
pool_disconnect(struct pool *p, CURL *easy)
{
	(void)curl_multi_remove_handle(p->multi, easy);
}

int
pool_is_quiet(struct conn *conn)
{
	uint8_t byte;
	size_t n;

	return conn_read(conn, &byte, 1, &n) == VERR_AGAIN;
}

static void
unlink_resting(struct conn *conn)
{
	struct conn **at = &conn->pool->resting;

	while (*at != conn)
		at = &(*at)->next;
	*at = conn->next;
	conn->pool->nresting--;
}

void
pool_forget(struct conn *conn)
{
	unlink_resting(conn);
	conn_free(conn);
}

struct conn *
pool_take(struct pool *p, struct slice host, uint32_t port)
{
	struct conn *conn = p->resting, *next;

	for (; conn != NULL; conn = next) {
		next = conn->next;
		if (conn->port != port || !slice_is(host, conn->host))
			continue;
		if (pool_is_quiet(conn)) {
			unlink_resting(conn);
			return conn;
		}
		pool_forget(conn);
	}
	return NULL;
}

void
pool_rest(struct conn *conn)
{
	struct pool *p = conn->pool;

	conn->order = NULL;
	if (p->retired || p->nresting == POOL_CONNECTIONS) {
		conn_free(conn);
		return;
	}
	conn_wait(conn, EPOLLIN);
	conn->next = p->resting;
	p->resting = conn;
	p->nresting++;
}

void
pool_hold(struct pool *p)
{
	p->users++;
	loop_timer_stop(p->all->loop, &p->idle);
}

void
pool_release(struct pool *p)
{
	if (--p->users > 0)
		return;
	if (p->retired || loop_timer(p->all->loop, &p->idle, POOL_IDLE_MS) != 0)
		pool_free(p);
}

void
pool_drop(struct pools *all, uint64_t number)
{
	struct pool *p = find(all, number);

	if (p == NULL)
		return;
	p->retired = 1;
	if (p->users == 0)
		pool_free(p);
}
