#include "vaultd/dialer/dial.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vaultd/dialer/resolve.h"

#define TICKET_WAIT_MS 5000  /* for a ticket that comes after its DIAL */
#define DIAL_MS        10000 /* for everything */
#define NEXT_MS        250   /* before the next address is tried as well */
#define TRIES_MAX      8     /* addresses */

struct
try {
	struct watch watch; /* fd -1: over */
	struct dial *dial;
};

struct dial {
	struct dialer *dialer;
	struct courier *courier;
	struct dial *next;
	uint64_t id;
	const struct ticket *ticket; /* NULL: has not come */
	uint32_t attempt;
	struct resolve *resolve;
	struct timer limit, another;
	struct address list[TRIES_MAX]; /* permitted ones */
	struct try tries[TRIES_MAX];
	size_t n, tried;
	int error;     /* why the last one failed */
	int connected; /* waits for room towards the courier; or -1 */
};

static void
close_try(struct dial *d, struct try *t)
{
	if (t->watch.fd < 0)
		return;
	loop_remove(d->dialer->life.loop, &t->watch);
	(void)close(t->watch.fd);
	t->watch.fd = -1;
}

static void
stop_trying(struct dial *d)
{
	loop_timer_stop(d->dialer->life.loop, &d->another);
	for (size_t i = 0; i < d->tried; i++)
		close_try(d, &d->tries[i]);
}

static void
dial_free(struct dial *d)
{
	struct loop *l = d->dialer->life.loop;
	struct dial **at = &d->dialer->dials;

	while (*at != d)
		at = &(*at)->next;
	*at = d->next;
	d->dialer->ndials--;
	d->courier->ndials--;
	loop_timer_stop(l, &d->limit);
	resolve_free(d->resolve);
	stop_trying(d);
	if (d->connected >= 0)
		(void)close(d->connected);
	free(d);
}

/*
 * Answer and be gone.  "fd" is the connected socket, or -1.
 */
static void
answer(struct dial *d, int r, int fd)
{
	const union record m = {
	    .DIALED = {
	        .ticket = d->id, .attempt = d->attempt, .error = (uint64_t)-r}};

	channel_put(d->courier->channel, REC_DIALED, &m, fd);
	dial_free(d);
}

/*
 * A connection for the courier: now, or when it has taken those before.
 */
static void
deliver(struct dial *d, int fd)
{
	if (channel_takes_fd(d->courier->channel)) {
		answer(d, 0, fd);
		return;
	}
	stop_trying(d);
	d->connected = fd;
}

/* New dials are put before the others. */
static struct dial *
oldest_connected(const struct courier *courier)
{
	struct dial *found = NULL;

	for (struct dial *d = courier->dialer->dials; d != NULL; d = d->next)
		if (d->courier == courier && d->connected >= 0)
			found = d;
	return found;
}

void
dial_deliver(const struct courier *courier)
{
	struct dial *d;

	while (channel_takes_fd(courier->channel) &&
	    (d = oldest_connected(courier)) != NULL) {
		int fd = d->connected;

		d->connected = -1;
		answer(d, 0, fd);
	}
}

static void try_next(struct dial *d);

/*
 * One address has failed: on to the next, or nothing is left.
 */
static void
try_failed(struct dial *d, int error)
{
	d->error = error == ETIMEDOUT ? VERR_TIMEOUT : VERR_UNREACHABLE;
	if (d->tried < d->n) {
		try_next(d);
		return;
	}
	for (size_t i = 0; i < d->tried; i++)
		if (d->tries[i].watch.fd >= 0)
			return;
	answer(d, d->error, -1);
}

static void
on_connect(void *arg, uint32_t events)
{
	struct try *t = arg;
	struct dial *d = t->dial;
	int fd = t->watch.fd, error = 0, one = 1;
	socklen_t len = sizeof(error);

	(void)events;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		error = errno;
	if (error != 0) {
		close_try(d, t);
		try_failed(d, error);
		return;
	}
	loop_remove(d->dialer->life.loop, &t->watch);
	t->watch.fd = -1;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	deliver(d, fd);
}

static int
begin_connect(struct dial *d, struct try *t, const struct address *a)
{
	int fd = socket(a->u.sa.sa_family,
	    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);

	*t = (struct try){{.fd = fd, .on_event = on_connect, .arg = t}, d};
	if (fd < 0)
		return errno;
	if (connect(fd, &a->u.sa, a->len) != 0 && errno != EINPROGRESS)
		goto fail;
	if (loop_add(d->dialer->life.loop, &t->watch, EPOLLOUT) != 0)
		goto fail;
	return 0;
fail:
	t->watch.fd = -1;
	(void)close(fd);
	return EHOSTUNREACH;
}

static void
try_next(struct dial *d)
{
	size_t i = d->tried++;
	int error = begin_connect(d, &d->tries[i], &d->list[i]);

	if (error != 0)
		try_failed(d, error);
	else if (d->tried < d->n &&
	    loop_timer(d->dialer->life.loop, &d->another, NEXT_MS) != 0)
		try_next(d);
}

static void
on_another(void *arg)
{
	struct dial *d = arg;

	if (d->tried < d->n)
		try_next(d);
}

static void
on_limit(void *arg)
{
	struct dial *d = arg;

	answer(d, d->ticket == NULL ? VERR_NOTFOUND : VERR_TIMEOUT, -1);
}

static int
is_permitted(const struct network *net, const struct address *a)
{
	return a->u.sa.sa_family == AF_INET
	    ? network_permits(net, (const uint8_t *)&a->u.v4.sin_addr, 4)
	    : network_permits(net, a->u.v6.sin6_addr.s6_addr, 16);
}

static void
on_resolved(void *arg, int r, const struct address *list, size_t n)
{
	struct dial *d = arg;
	const struct network *net = &d->ticket->network;

	for (size_t i = 0; r == 0 && i < n && d->n < TRIES_MAX; i++)
		if (is_permitted(net, &list[i]))
			d->list[d->n++] = list[i];
	resolve_free(d->resolve); /* and with it "list" */
	d->resolve = NULL;
	if (r != 0)
		answer(d, r, -1);
	else if (d->n == 0)
		answer(d, VERR_FORBIDDEN, -1);
	else
		try_next(d);
}

/*
 * The ticket is there: use it.  Returns 0 also where the dial has failed and
 * was answered.
 */
static int
begin(struct dial *d)
{
	struct dialer *dialer = d->dialer;
	int r;

	if ((r = ticket_use(
	         &dialer->tickets, d->id, d->courier->number, &d->ticket)) != 0)
		return r;
	r = loop_timer(dialer->life.loop, &d->limit, DIAL_MS);
	if (r == 0)
		r = resolve_start(dialer->life.loop, d->ticket->host,
		    d->ticket->port, on_resolved, d, &d->resolve);
	if (r == VERR_STALE)
		loop_stop(dialer->life.loop, 0);
	else if (r != 0)
		answer(d, r, -1);
	return 0;
}

/*
 * No courier has more than half of what the others leave, whatever it asks
 * for: there is a place for the next one.
 */
static int
has_place(const struct dialer *dialer, const struct courier *courier)
{
	size_t others = dialer->ndials - courier->ndials;

	return courier->ndials < (DIALS_MAX - others) / 2;
}

int
dial_start(struct dialer *dialer, struct courier *courier, uint64_t ticket,
    uint32_t attempt)
{
	struct dial *d;
	int r;

	if (!has_place(dialer, courier))
		return VERR_BUSY;
	if ((d = calloc(1, sizeof(*d))) == NULL)
		return VERR_NOMEM;
	*d = (struct dial){.dialer = dialer,
	    .courier = courier,
	    .id = ticket,
	    .attempt = attempt,
	    .connected = -1,
	    .limit = {.on_time = on_limit, .arg = d},
	    .another = {.on_time = on_another, .arg = d},
	    .next = dialer->dials};
	dialer->dials = d;
	dialer->ndials++;
	courier->ndials++;
	if ((r = begin(d)) == VERR_NOTFOUND)
		r = loop_timer(dialer->life.loop, &d->limit, TICKET_WAIT_MS);
	if (r != 0)
		dial_free(d);
	return r;
}

void
dial_ticket_came(struct dialer *dialer, uint64_t ticket)
{
	struct dial *d, *next;

	for (d = dialer->dials; d != NULL; d = next) {
		struct courier *courier = d->courier;
		int r;

		next = d->next;
		if (d->ticket != NULL || d->id != ticket || (r = begin(d)) == 0)
			continue;
		dialer_drop_courier(courier, r);
		next = dialer->dials;
	}
}

void
dial_ticket_ended(struct dialer *dialer, uint64_t ticket)
{
	struct dial *d, *next;

	for (d = dialer->dials; d != NULL; d = next) {
		next = d->next;
		if (d->id == ticket)
			dial_free(d);
	}
}

void
dial_courier_gone(struct dialer *dialer, const struct courier *courier)
{
	struct dial *d, *next;

	for (d = dialer->dials; d != NULL; d = next) {
		next = d->next;
		if (d->courier == courier)
			dial_free(d);
	}
}
