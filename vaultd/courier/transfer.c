#include "vaultd/courier/transfer.h"

#include <stdlib.h>

#include "vaultd/courier/request.h"

#define CONNECT_MS 10000 /* for the TLS handshake: TCP is the dialer's */

/*
 * The profile: what libcurl may and may not do here, and why.  Options that
 * depend on the order are set below.
 */
static const struct {
	CURLoption option;
	long value;
} numbers[] = {
    /* clang-format off */
	{CURLOPT_NOSIGNAL, 1},			/* no alarms, no SIGPIPE games */
	{CURLOPT_VERBOSE, 0},			/* headers would be printed */
	{CURLOPT_NOPROGRESS, 1},
	{CURLOPT_FOLLOWLOCATION, 0},		/* a redirect is the client's */
	{CURLOPT_MAXREDIRS, 0},
	{CURLOPT_UNRESTRICTED_AUTH, 0},
	{CURLOPT_AUTOREFERER, 0},
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
	{CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1},
	{CURLOPT_HTTP09_ALLOWED, 0},
	{CURLOPT_TRANSFER_ENCODING, 0},
	{CURLOPT_HTTP_CONTENT_DECODING, 0},	/* encoded answers are refused */
	{CURLOPT_SUPPRESS_CONNECT_HEADERS, 1},
	{CURLOPT_PATH_AS_IS, 1},
	{CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS},
	{CURLOPT_MAXAGE_CONN, POOL_IDLE_MS / 1000},
	{CURLOPT_HAPPY_EYEBALLS_TIMEOUT_MS, 0},	/* or libcurl looks 200 ms later */
	{CURLOPT_TCP_NODELAY, 0},		/* the dialer has set it */
	{CURLOPT_TCP_KEEPALIVE, 0},
	{CURLOPT_BUFFERSIZE, 16384},		/* one DATA record */
	{CURLOPT_UPLOAD_BUFFERSIZE, 16384},	/* less to wipe */
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
	{CURLOPT_ACCEPT_ENCODING, NULL},
	{CURLOPT_USERAGENT, NULL},
	{CURLOPT_REFERER, NULL},
    /* clang-format on */
};

/*
 * Any host and port goes to an address that needs no resolver; the connection
 * is not made there, but is the one that the dialer made.
 */
#define CONNECT_TO "::192.0.2.1:"

/* CURLOPT_OPENSOCKETFUNCTION: the dialer's socket, if there is one. */
static curl_socket_t
open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct order *o = arg;
	int fd = o->socket;

	(void)purpose;
	(void)address;
	if (fd < 0) {
		o->no_socket = 1;
		return CURL_SOCKET_BAD;
	}
	o->socket = -1;
	pool_count_socket(o->pool);
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

/* CURLOPT_READFUNCTION: the request's body. */
static size_t
read_body(char *out, size_t size, size_t count, void *arg)
{
	struct order *o = arg;
	size_t n = buf_used(&o->in), room = size * count;

	if (n == 0 && o->body_ended)
		return 0;
	if (n == 0) {
		o->send_paused = 1;
		return CURL_READFUNC_PAUSE;
	}
	if (n > room)
		n = room;
	memcpy(out, buf_data(&o->in), n);
	buf_drop(&o->in, n);
	o->sent += n;
	o->moved += n;
	if (buf_used(&o->in) < BODY_HIGH / 2)
		channel_resume(o->stream);
	return n;
}

/* CURLOPT_SEEKFUNCTION: a body passes once. */
static int
rewind_body(void *arg, curl_off_t offset, int origin)
{
	const struct order *o = arg;

	return o->sent == 0 && offset == 0 && origin == SEEK_SET
	    ? CURL_SEEKFUNC_OK
	    : CURL_SEEKFUNC_FAIL;
}

/* CURLOPT_HEADERFUNCTION: one line. */
static size_t
take_line(char *p, size_t size, size_t count, void *arg)
{
	struct order *o = arg;
	size_t n = size * count;
	int had = o->head.done;

	if ((o->fault = head_line(&o->head, slice_of(p, n))) != FAULT_NONE)
		return 0;
	if (o->head.done && !had)
		order_head(o);
	return o->fault == FAULT_NONE ? n : 0;
}

static size_t
keep_body(struct order *o, const char *p, size_t n)
{
	if (n > PROBE_MAX - buf_used(&o->kept)) {
		o->enough = 1;
		return 0;
	}
	if (buf_add(&o->kept, p, n) != 0) {
		o->fault = FAULT_MEMORY;
		return 0;
	}
	o->received += n;
	o->moved += n;
	return n;
}

/* CURLOPT_WRITEFUNCTION: the answer's body. */
static size_t
take_body(char *p, size_t size, size_t count, void *arg)
{
	struct order *o = arg;
	size_t n = size * count, part;

	if (o->probe)
		return keep_body(o, p, n);
	if (channel_queued(o->stream) > STREAM_HIGH) {
		o->recv_paused = 1;
		return CURL_WRITEFUNC_PAUSE;
	}
	for (size_t at = 0; at < n; at += part) {
		part = n - at > DATA_MAX ? DATA_MAX : n - at;
		channel_say(o->stream, DATA, .bytes = slice_of(p + at, part));
	}
	o->received += n;
	o->moved += n;
	return n;
}

#define SET(option, value)                                                     \
	(curl_easy_setopt(o->easy, (option), (value)) == CURLE_OK)

static int
set_profile(struct order *o)
{
	int ok = 1;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		ok &= SET(numbers[i].option, numbers[i].value);
	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++)
		ok &= SET(strings[i].option, strings[i].value);
	return ok ? 0 : VERR_NOMEM;
}

static int
set_callbacks(struct order *o)
{
	int ok = 1;

	ok &= SET(CURLOPT_PRIVATE, o);
	ok &= SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
	ok &= SET(CURLOPT_OPENSOCKETDATA, o);
	ok &= SET(CURLOPT_SOCKOPTFUNCTION, already_connected);
	ok &= SET(CURLOPT_READFUNCTION, read_body);
	ok &= SET(CURLOPT_READDATA, o);
	ok &= SET(CURLOPT_SEEKFUNCTION, rewind_body);
	ok &= SET(CURLOPT_SEEKDATA, o);
	ok &= SET(CURLOPT_HEADERFUNCTION, take_line);
	ok &= SET(CURLOPT_HEADERDATA, o);
	ok &= SET(CURLOPT_WRITEFUNCTION, take_body);
	ok &= SET(CURLOPT_WRITEDATA, o);
	return ok ? 0 : VERR_NOMEM;
}

/* Set a string option from bytes that are not terminated. */
static int
set_bytes(struct order *o, CURLoption option, struct slice s)
{
	char *copy = strndup((const char *)s.p, s.n);
	int ok = copy != NULL && SET(option, copy);

	free(copy);
	return ok ? 0 : VERR_NOMEM;
}

static int
set_method(struct order *o, const struct rec_ORDER *m)
{
	curl_off_t length = o->body == BODY_STREAM ? -1 : (curl_off_t)o->length;
	int ok = 1;

	if (!request_method_valid(m->method) ||
	    (o->body == BODY_LENGTH && length < 0))
		return VERR_FORMAT;
	if (slice_is(m->method, "HEAD"))
		return o->body == BODY_NONE && SET(CURLOPT_NOBODY, 1L)
		    ? 0
		    : VERR_FORMAT;
	if (request_has_body(m)) {
		ok &= SET(CURLOPT_UPLOAD, 1L);
		ok &= SET(CURLOPT_INFILESIZE_LARGE, length);
	}
	return ok ? set_bytes(o, CURLOPT_CUSTOMREQUEST, m->method) : VERR_NOMEM;
}

static int
set_origin(struct order *o, const struct rec_ORDER *m)
{
	char *url = NULL;
	int r, ok = 1;

	if ((r = request_url(m, &url)) != 0)
		return r;
	ok &= SET(CURLOPT_URL, url);
	curl_free(url);
	o->connect_to = curl_slist_append(NULL, CONNECT_TO);
	ok &= o->connect_to != NULL && SET(CURLOPT_CONNECT_TO, o->connect_to);
	return ok ? set_bytes(o, CURLOPT_REQUEST_TARGET, m->target)
	          : VERR_NOMEM;
}

int
transfer_new(struct order *o, const struct rec_ORDER *m)
{
	int r;

	if ((o->easy = curl_easy_init()) == NULL)
		return VERR_NOMEM;
	if ((r = set_profile(o)) != 0 || (r = set_callbacks(o)) != 0 ||
	    (r = pool_prepare(o->pool, o->easy)) != 0 ||
	    (r = set_origin(o, m)) != 0 || (r = set_method(o, m)) != 0 ||
	    (r = request_headers(m, &o->headers)) != 0)
		return r;
	return SET(CURLOPT_HTTPHEADER, o->headers) ? 0 : VERR_NOMEM;
}

void
transfer_free(struct order *o)
{
	curl_easy_cleanup(o->easy);
	curl_slist_free_all(o->headers);
	curl_slist_free_all(o->connect_to);
	o->easy = NULL;
	o->headers = o->connect_to = NULL;
}

void
transfer_resume(struct order *o)
{
	if (!o->send_paused && !o->recv_paused)
		return;
	if (buf_used(&o->in) > 0 || o->body_ended)
		o->send_paused = 0;
	if (channel_queued(o->stream) <= STREAM_HIGH)
		o->recv_paused = 0;
	(void)curl_easy_pause(o->easy,
	    (o->send_paused ? CURLPAUSE_SEND : 0) |
	        (o->recv_paused ? CURLPAUSE_RECV : 0));
}

int
transfer_has_begun(const struct order *o)
{
	long size = 0;

	return curl_easy_getinfo(o->easy, CURLINFO_REQUEST_SIZE, &size) !=
	    CURLE_OK ||
	    size > 0;
}
