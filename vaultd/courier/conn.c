#include "vaultd/courier/conn.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "vaultd/courier/order.h"

#define CONNECT_MS 10000 /* for the TLS handshake: TCP is the dialer's */

/*
 * The profile: what libcurl may and may not do here, and why.  Options that
 * depend on the connection are set below.
 */
static const struct {
	CURLoption option;
	long value;
} numbers[] = {
    /* clang-format off */
	{CURLOPT_CONNECT_ONLY, 1},		/* exchange.c speaks HTTP */
	{CURLOPT_NOSIGNAL, 1},			/* no alarms, no SIGPIPE games */
	{CURLOPT_VERBOSE, 0},
	{CURLOPT_NOPROGRESS, 1},
	{CURLOPT_FOLLOWLOCATION, 0},
	{CURLOPT_NETRC, CURL_NETRC_IGNORED},	/* no credential but the order's */
	{CURLOPT_DISALLOW_USERNAME_IN_URL, 1},
	{CURLOPT_HSTS_CTRL, 0},			/* no state between orders */
	{CURLOPT_DNS_CACHE_TIMEOUT, 0},
	{CURLOPT_IPRESOLVE, CURL_IPRESOLVE_V4},	/* of 192.0.2.1, see below */
	{CURLOPT_SSL_VERIFYPEER, 1},
	{CURLOPT_SSL_VERIFYHOST, 2},
	{CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2},
	{CURLOPT_SSL_SESSIONID_CACHE, 0},
	{CURLOPT_SSL_OPTIONS, 0},
	{CURLOPT_CA_CACHE_TIMEOUT, 0},		/* pool.c has its own store */
	{CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1}, /* what ALPN offers */
	{CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS},
	{CURLOPT_HAPPY_EYEBALLS_TIMEOUT_MS, 0},	/* or libcurl looks 200 ms later */
	{CURLOPT_TCP_NODELAY, 0},		/* the dialer has set it */
	{CURLOPT_TCP_KEEPALIVE, 0},
	{CURLOPT_BUFFERSIZE, CONN_READ},
    /* clang-format on */
};

static const struct {
	CURLoption option;
	const char *value;
} strings[] = {
    /* clang-format off */
	{CURLOPT_PROTOCOLS_STR, "https"},	/* of the 25 compiled in */
	{CURLOPT_REDIR_PROTOCOLS_STR, "https"},
	{CURLOPT_PROXY, ""},			/* whatever the environment says */
	{CURLOPT_PRE_PROXY, NULL},
	{CURLOPT_NOPROXY, "*"},
	{CURLOPT_CAINFO, NULL},			/* files; the store is pool.c's */
	{CURLOPT_CAPATH, NULL},
	{CURLOPT_DOH_URL, NULL},
	/* no COOKIEJAR: even NULL would start the cookie engine */
    /* clang-format on */
};

/*
 * Any host and port goes to an address that needs no resolver; the connection
 * is not made there, but is the one that the dialer made.
 */
#define CONNECT_TO "::192.0.2.1:"

/* CURLOPT_OPENSOCKETFUNCTION: the dialer's socket, once. */
static curl_socket_t
open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct conn *conn = arg;
	int fd = conn->socket;

	(void)purpose;
	(void)address;
	if (fd < 0)
		return CURL_SOCKET_BAD;
	conn->socket = -1;
	return fd;
}

/* CURLOPT_SOCKOPTFUNCTION */
static int
already_connected(void *arg, curl_socket_t fd, curlsocktype purpose)
{
	(void)arg;
	(void)fd;
	(void)purpose;
	return CURL_SOCKOPT_ALREADY_CONNECTED;
}

#define SET(option, value)                                                     \
	(curl_easy_setopt(conn->easy, (option), (value)) == CURLE_OK)

static int
set_profile(struct conn *conn)
{
	int ok = 1;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		ok &= SET(numbers[i].option, numbers[i].value);
	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++)
		ok &= SET(strings[i].option, strings[i].value);
	ok &= SET(CURLOPT_PRIVATE, conn);
	ok &= SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
	ok &= SET(CURLOPT_OPENSOCKETDATA, conn);
	ok &= SET(CURLOPT_SOCKOPTFUNCTION, already_connected);
	return ok;
}

static int
set_origin(struct conn *conn)
{
	char url[sizeof(conn->host) + 32];

	(void)snprintf(url, sizeof(url),
	    strchr(conn->host, ':') == NULL ? "https://%s:%u/"
	                                    : "https://[%s]:%u/",
	    conn->host, (unsigned)conn->port);
	conn->connect_to = curl_slist_append(NULL, CONNECT_TO);
	return conn->connect_to != NULL &&
	    SET(CURLOPT_CONNECT_TO, conn->connect_to) && SET(CURLOPT_URL, url);
}

static void on_event(void *arg, uint32_t events);

int
conn_new(struct pool *pool, struct slice host, uint32_t port, int fd,
    struct order *o, struct conn **ret)
{
	struct conn *conn = calloc(1, sizeof(*conn));

	if (conn == NULL || host.n >= sizeof(conn->host)) {
		free(conn);
		(void)close(fd);
		return VERR_NOMEM;
	}
	*conn = (struct conn){.pool = pool,
	    .order = o,
	    .socket = fd,
	    .port = port,
	    .watch = {.fd = -1, .on_event = on_event, .arg = conn}};
	memcpy(conn->host, host.p, host.n);
	pool_join(pool);
	if ((conn->easy = curl_easy_init()) == NULL || !set_profile(conn) ||
	    !set_origin(conn) || pool_prepare(pool, conn->easy) != 0 ||
	    pool_connect(pool, conn->easy) != 0) {
		conn_free(conn);
		return VERR_NOMEM;
	}
	*ret = conn;
	return 0;
}

void
conn_free(struct conn *conn)
{
	if (conn == NULL)
		return;
	conn_wait(conn, 0);
	if (conn->easy != NULL)
		pool_disconnect(conn->pool, conn->easy);
	curl_easy_cleanup(conn->easy);
	curl_slist_free_all(conn->connect_to);
	if (conn->socket >= 0)
		(void)close(conn->socket);
	pool_leave(conn->pool);
	free(conn);
}

void
conn_handshaken(CURL *easy, CURLcode code)
{
	curl_socket_t fd = CURL_SOCKET_BAD;
	struct conn *conn = NULL;
	struct order *o;

	(void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&conn);
	o = conn->order;
	if (code != CURLE_OK) {
		order_fail(o, fault_of_curl(code));
		return;
	}
	if (curl_easy_getinfo(easy, CURLINFO_ACTIVESOCKET, &fd) != CURLE_OK ||
	    fd == CURL_SOCKET_BAD) {
		order_fail(o, FAULT_INTERNAL);
		return;
	}
	conn->watch.fd = fd;
	order_connected(o);
}

int
conn_write(struct conn *conn, const void *p, size_t n, size_t *ret_n)
{
	CURLcode code = curl_easy_send(conn->easy, p, n, ret_n);

	if (code == CURLE_AGAIN)
		return VERR_AGAIN;
	return code == CURLE_OK && *ret_n > 0 ? 0 : VERR_IO;
}

int
conn_read(struct conn *conn, void *p, size_t n, size_t *ret_n)
{
	CURLcode code = curl_easy_recv(conn->easy, p, n, ret_n);

	if (code == CURLE_AGAIN)
		return VERR_AGAIN;
	if (code != CURLE_OK)
		return VERR_IO;
	if (*ret_n == 0)
		return conn->closed ? VERR_CLOSED : VERR_IO;
	return 0;
}

void
conn_wait(struct conn *conn, uint32_t events)
{
	struct loop *l = pool_loop(conn->pool);

	if (conn->waits && events != 0) {
		loop_change(l, &conn->watch, events);
	} else if (conn->waits) {
		loop_remove(l, &conn->watch);
		conn->waits = 0;
	} else if (events != 0) {
		/* Should it fail, the order's time runs out. */
		conn->waits = loop_add(l, &conn->watch, events) == 0;
	}
}

static void
on_event(void *arg, uint32_t events)
{
	struct conn *conn = arg;

	(void)events;
	if (conn->order != NULL)
		order_go_on(conn->order);
	else if (!pool_is_quiet(conn))
		pool_forget(conn);
}
