#include "vaultd/dialer/resolve.h"

#include <ares.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define QUERY_MS    2000 /* for a server's answer, the first time */
#define QUERY_TRIES 3
#define SOCKETS_MAX 16

struct socket {
	struct watch watch; /* fd -1: free */
	struct resolve *owner;
};

struct resolve {
	struct loop *loop;
	ares_channel channel;
	struct socket sockets[SOCKETS_MAX];
	struct timer timer;
	struct task finish;
	resolve_done *done;
	void *arg;
	uint16_t port;
	int result;
	struct address list[ADDRESSES_MAX];
	size_t n;
};

/*
 * Landlock binds to files, not to names: one put in another's place since the
 * walls went up cannot be read.
 */
static struct {
	const char *name;
	int denied; /* even before the walls */
} files[] = {{"/etc/resolv.conf", 0}, {"/etc/hosts", 0}};

static int
is_denied(const char *name)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return errno == EACCES;
	(void)close(fd);
	return 0;
}

static int
files_replaced(void)
{
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (!files[i].denied && is_denied(files[i].name))
			return 1;
	return 0;
}

int
resolve_init(void)
{
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		files[i].denied = is_denied(files[i].name);
	return ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS
	    ? 0
	    : VERR_INTERNAL;
}

/*
 * c-ares says when it wants to be called again, after each call into it.
 */
static void
set_timer(struct resolve *rs)
{
	struct timeval tv, *t = ares_timeout(rs->channel, NULL, &tv);

	if (rs->finish.queued || t == NULL)
		loop_timer_stop(rs->loop, &rs->timer);
	else if (loop_timer(rs->loop, &rs->timer,
	             (uint64_t)t->tv_sec * 1000 + (uint64_t)t->tv_usec / 1000 +
	                 1) != 0)
		ares_cancel(rs->channel);
}

static void
on_time(void *arg)
{
	struct resolve *rs = arg;

	ares_process_fd(rs->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	set_timer(rs);
}

static void
on_socket(void *arg, uint32_t events)
{
	struct socket *s = arg;
	int in = events & (EPOLLIN | EPOLLHUP | EPOLLERR);

	ares_process_fd(s->owner->channel, in ? s->watch.fd : ARES_SOCKET_BAD,
	    events & EPOLLOUT ? s->watch.fd : ARES_SOCKET_BAD);
	set_timer(s->owner);
}

static struct socket *
find_socket(struct resolve *rs, int fd)
{
	for (size_t i = 0; i < SOCKETS_MAX; i++)
		if (rs->sockets[i].watch.fd == fd)
			return &rs->sockets[i];
	return NULL;
}

/*
 * c-ares opened, uses or is about to close "fd".  One that finds no place is
 * not waited for: that server then times out.
 */
static void
on_socket_state(void *arg, ares_socket_t fd, int in, int out)
{
	struct resolve *rs = arg;
	struct socket *s = find_socket(rs, fd);
	uint32_t events =
	    (in ? (uint32_t)EPOLLIN : 0) | (out ? (uint32_t)EPOLLOUT : 0);

	if (s != NULL && events != 0) {
		loop_change(rs->loop, &s->watch, events);
	} else if (s != NULL) {
		loop_remove(rs->loop, &s->watch);
		s->watch.fd = -1;
	} else if (events != 0 && (s = find_socket(rs, -1)) != NULL) {
		s->watch.fd = fd;
		if (loop_add(rs->loop, &s->watch, events) != 0)
			s->watch.fd = -1;
	}
}

static void
keep_address(struct resolve *rs, const struct ares_addrinfo_node *node)
{
	struct address *a = &rs->list[rs->n];

	if (rs->n == ADDRESSES_MAX || node->ai_addrlen > sizeof(a->u))
		return;
	memcpy(&a->u, node->ai_addr, node->ai_addrlen);
	a->len = node->ai_addrlen;
	if (a->u.sa.sa_family == AF_INET && a->len == sizeof(a->u.v4))
		a->u.v4.sin_port = htons(rs->port);
	else if (a->u.sa.sa_family == AF_INET6 && a->len == sizeof(a->u.v6))
		a->u.v6.sin6_port = htons(rs->port);
	else
		return;
	rs->n++;
}

static void
on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
	struct resolve *rs = arg;

	(void)timeouts;
	if (status == ARES_SUCCESS)
		for (const struct ares_addrinfo_node *n = info->nodes;
		     n != NULL; n = n->ai_next)
			keep_address(rs, n);
	ares_freeaddrinfo(info);
	if (status == ARES_ENOTFOUND || status == ARES_ENODATA ||
	    status == ARES_EBADNAME || status == ARES_SUCCESS)
		rs->result = rs->n > 0 ? 0 : VERR_NOTFOUND;
	else
		rs->result =
		    status == ARES_ENOMEM ? VERR_NOMEM : VERR_UNREACHABLE;
	loop_defer(rs->loop, &rs->finish);
}

static void
on_finish(void *arg)
{
	struct resolve *rs = arg;

	loop_timer_stop(rs->loop, &rs->timer);
	rs->done(rs->arg, rs->result, rs->list, rs->n);
}

static int
open_channel(struct resolve *rs)
{
	static char lookups[] = "fb";
	struct ares_options options = {
	    .flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES,
	    .timeout = QUERY_MS,
	    .tries = QUERY_TRIES,
	    .ndomains = 0,
	    .lookups = lookups,
	    .sock_state_cb = on_socket_state,
	    .sock_state_cb_data = rs};

	return ares_init_options(&rs->channel, &options,
	           ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
	               ARES_OPT_DOMAINS | ARES_OPT_LOOKUPS |
	               ARES_OPT_SOCK_STATE_CB) == ARES_SUCCESS
	    ? 0
	    : VERR_NOMEM;
}

/*
 * An address is nobody's to resolve: c-ares would ask the network about it.
 * Returns 0, or VERR_NOTFOUND: it is a name.
 */
static int
take_literal(struct resolve *rs, const char *host)
{
	struct address *a = &rs->list[0];

	if (inet_pton(AF_INET, host, &a->u.v4.sin_addr) == 1) {
		a->u.v4.sin_family = AF_INET;
		a->u.v4.sin_port = htons(rs->port);
		a->len = sizeof(a->u.v4);
	} else if (inet_pton(AF_INET6, host, &a->u.v6.sin6_addr) == 1) {
		a->u.v6.sin6_family = AF_INET6;
		a->u.v6.sin6_port = htons(rs->port);
		a->len = sizeof(a->u.v6);
	} else {
		return VERR_NOTFOUND;
	}
	rs->n = 1;
	loop_defer(rs->loop, &rs->finish);
	return 0;
}

int
resolve_start(struct loop *l, const char *host, uint16_t port,
    resolve_done *done, void *arg, struct resolve **ret)
{
	static const struct ares_addrinfo_hints hints = {
	    .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct resolve *rs;
	int r;

	if (files_replaced())
		return VERR_STALE;
	if ((rs = calloc(1, sizeof(*rs))) == NULL)
		return VERR_NOMEM;
	rs->loop = l;
	rs->port = port;
	rs->done = done;
	rs->arg = arg;
	rs->finish = (struct task){.run = on_finish, .arg = rs};
	rs->timer = (struct timer){.on_time = on_time, .arg = rs};
	for (size_t i = 0; i < SOCKETS_MAX; i++)
		rs->sockets[i] = (struct socket){
		    {.fd = -1, .on_event = on_socket, .arg = &rs->sockets[i]},
		    rs};
	if (take_literal(rs, host) != 0) {
		if ((r = open_channel(rs)) != 0) {
			free(rs);
			return r;
		}
		ares_getaddrinfo(
		    rs->channel, host, NULL, &hints, on_answer, rs);
		set_timer(rs);
	}
	*ret = rs;
	return 0;
}

void
resolve_free(struct resolve *rs)
{
	if (rs == NULL)
		return;
	ares_destroy(rs->channel);
	loop_timer_stop(rs->loop, &rs->timer);
	loop_defer_stop(rs->loop, &rs->finish);
	free(rs);
}
