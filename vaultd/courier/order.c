#include "vaultd/courier/order.h"

#include <stdlib.h>
#include <unistd.h>

#include "vaultd/courier/lane.h"
#include "vaultd/courier/request.h"
#include "vaultd/courier/transfer.h"

#define DIAL_MS    15000 /* the dialer gives up sooner */
#define STALL_MS   60000 /* an answer's slowest pace is a byte a second */
#define LINGER_MS  60000 /* for a gate to read the end of its stream */
#define TIMEOUT_MS 60000 /* where the order names none */

static const struct channel_ops stream_ops;

static void
order_free(struct order *o)
{
	struct order **at = &o->courier->orders;

	while (*at != o)
		at = &(*at)->next;
	*at = o->next;
	o->courier->norders--;
	loop_timer_stop(o->courier->life.loop, &o->timer);
	channel_free(o->stream);
	free(o);
}

/* Wait for what the state waits for; without a timer nothing may wait. */
static void
set_timer(struct order *o, uint64_t ms)
{
	o->moved = 0;
	if (loop_timer(o->courier->life.loop, &o->timer, ms) != 0)
		order_fail(o, FAULT_MEMORY);
}

static void
account_for(struct order *o, enum fault fault)
{
	const struct fault_info *f = &fault_info[fault];
	char account[ACCOUNT_MAX + 1] = "";

	if (fault == FAULT_NONE && o->probe && o->pointer[0] != '\0' &&
	    !o->enough && buf_used(&o->kept) > 0 &&
	    account_find(slice_of(buf_data(&o->kept), buf_used(&o->kept)),
	        slice_str(o->pointer), account) != 0)
		account[0] = '\0';
	channel_say(o->courier->keeper, ORDER_DONE, .order = o->id,
	    .refusal = f->refusal, .error = (uint64_t)-f->error,
	    .status = o->head.status < 200 ? 0 : o->head.status,
	    .sent = o->sent, .received = o->received,
	    .account = slice_str(account));
}

/*
 * The order has ended and is in no pool any more.  Nothing of the credential
 * stays; the stream may have to be written out.
 */
static void
finish(struct order *o, enum fault fault)
{
	account_for(o, fault);
	transfer_free(o);
	if (o->pool != NULL)
		pool_release(o->pool);
	o->pool = NULL;
	if (o->socket >= 0)
		(void)close(o->socket);
	o->socket = -1;
	buf_free(&o->in);
	buf_free(&o->kept);
	head_free(&o->head);
	o->state = ORDER_LINGERS;
	if (o->stream == NULL ||
	    loop_timer(o->courier->life.loop, &o->timer, LINGER_MS) != 0)
		order_free(o);
}

void
order_fail(struct order *o, enum fault fault)
{
	if (o->state == ORDER_RUNS)
		pool_remove(o->pool, o->easy);
	if (o->stream != NULL)
		channel_say(o->stream, FAIL,
		    .refusal = fault_info[fault].refusal,
		    .sentence = slice_str(fault_info[fault].sentence));
	finish(o, fault);
}

static void
complete(struct order *o)
{
	if (o->stream != NULL)
		channel_put(o->stream, REC_END, &(const union record){0}, -1);
	finish(o, FAULT_NONE);
}

/* How long nothing may move: towards a head, or towards the answer's end. */
static uint64_t
window(const struct order *o)
{
	return o->head.done ? STALL_MS : o->timeout_ms;
}

/* Hand it to libcurl, which uses an idle connection or asks for a socket. */
static void
run(struct order *o)
{
	if (pool_add(o->pool, o->easy) != 0) {
		order_fail(o, FAULT_INTERNAL);
		return;
	}
	o->state = ORDER_RUNS;
	set_timer(o, window(o));
}

/* The order has its stream, or needs none. */
static void
start(struct order *o)
{
	if (o->fault != FAULT_NONE)
		order_fail(o, o->fault);
	else
		run(o);
}

static void
ask_dialer(struct order *o)
{
	if (o->courier->dialer != NULL)
		channel_say(o->courier->dialer, DIAL, .ticket = o->ticket,
		    .attempt = o->attempts);
}

static void
dial(struct order *o)
{
	o->no_socket = 0;
	if (o->attempts == DIAL_ATTEMPTS) {
		order_fail(o, FAULT_CONNECT);
		return;
	}
	if (pool_make_room(&o->courier->pools) != 0) {
		order_fail(o, FAULT_BUSY);
		return;
	}
	o->attempts++;
	o->state = ORDER_DIALS;
	ask_dialer(o);
	set_timer(o, DIAL_MS);
}

void
order_dial_again(struct courier *c)
{
	for (struct order *o = c->orders; o != NULL; o = o->next)
		if (o->state == ORDER_DIALS)
			ask_dialer(o);
}

void
order_dialled(
    struct courier *c, uint64_t ticket, uint64_t attempt, int error, int fd)
{
	struct order *o = c->orders;

	while (o != NULL &&
	    (o->state != ORDER_DIALS || o->ticket != ticket ||
	        o->attempts != attempt))
		o = o->next;
	if (o == NULL) {
		if (fd >= 0)
			(void)close(fd);
		return;
	}
	o->socket = fd;
	if (error != 0 || fd < 0)
		order_fail(o, fault_of_dial(error));
	else if (curl_easy_setopt(o->easy, CURLOPT_FRESH_CONNECT, 1L) !=
	    CURLE_OK)
		order_fail(o, FAULT_MEMORY);
	else
		run(o);
}

/*
 * libcurl wants a new connection.  Where a kept one died with the request on
 * it, the upstream may have acted on it: then only an idempotent request
 * without a body is made again.
 */
static void
wants_socket(struct order *o)
{
	if (transfer_has_begun(o) && (!o->idempotent || o->sent > 0))
		order_fail(o, FAULT_CLOSED);
	else
		dial(o);
}

void
order_done(CURL *easy, CURLcode code)
{
	struct order *o = NULL;

	(void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&o);
	o->state = ORDER_LINGERS;
	if (o->fault != FAULT_NONE)
		order_fail(o, o->fault);
	else if (o->no_socket && code == CURLE_COULDNT_CONNECT)
		wants_socket(o);
	else if (code != CURLE_OK && !o->enough)
		order_fail(o, fault_of_curl(code));
	else if (!o->head.done)
		order_fail(o, FAULT_ANSWER);
	else
		complete(o);
}

void
order_head(struct order *o)
{
	uint8_t *fields;
	size_t n = 0;

	/* Inside libcurl: no order may end here. */
	o->moved = 0;
	if (loop_timer(o->courier->life.loop, &o->timer, window(o)) != 0) {
		o->fault = FAULT_MEMORY;
		return;
	}
	if (o->probe)
		return;
	if ((fields = malloc(HEAD_MAX)) == NULL) {
		o->fault = FAULT_MEMORY;
		return;
	}
	if (head_fields(&o->head, fields, HEAD_MAX, &n) != 0)
		o->fault = FAULT_HEAD_SIZE;
	else
		channel_say(o->stream, HEAD, .status = o->head.status,
		    .headers = slice_of(fields, n));
	free(fields);
}

/* Too slow?  Not while it is the client that does not send or read. */
static void
check_pace(struct order *o)
{
	uint64_t ms = window(o);

	if (o->send_paused || o->recv_paused || o->moved * 1000 >= ms)
		set_timer(o, ms);
	else
		order_fail(o, o->head.done ? FAULT_SLOW : FAULT_TIME);
}

static void
on_time(void *arg)
{
	struct order *o = arg;

	switch (o->state) {
	case ORDER_WAITS:
		order_fail(o, FAULT_NO_STREAM);
		break;
	case ORDER_DIALS:
		order_fail(o, FAULT_CONNECT_TIME);
		break;
	case ORDER_RUNS:
		check_pace(o);
		break;
	case ORDER_LINGERS:
		order_free(o);
		break;
	}
}

static struct order *
make(struct courier *c, const struct rec_ORDER *m)
{
	struct order *o;

	if ((o = calloc(1, sizeof(*o))) == NULL)
		return NULL;
	*o = (struct order){.courier = c,
	    .next = c->orders,
	    .id = m->order,
	    .ticket = m->ticket,
	    .number = m->number,
	    .gate = (uint32_t)m->gate,
	    .timeout_ms =
	        m->timeout_ms == 0 ? TIMEOUT_MS : (uint32_t)m->timeout_ms,
	    .probe = m->probe != 0,
	    .idempotent = request_method_idempotent(m->method),
	    .timer = {.on_time = on_time, .arg = o},
	    .socket = -1,
	    .body = (enum body_kind)m->body,
	    .length = m->body == BODY_LENGTH ? m->length : 0};
	o->body_ended = o->body == BODY_NONE;
	if (m->account.n > 0)
		memcpy(o->pointer, m->account.p, m->account.n);
	c->orders = o;
	c->norders++;
	return o;
}

/* Everything that can be wrong with it before its stream is there. */
static enum fault
prepare(struct order *o, const struct rec_ORDER *m)
{
	int r;

	if (o->courier->norders > ORDERS_MAX)
		return FAULT_BUSY;
	if (m->body > BODY_STREAM || (o->probe && m->body != BODY_NONE))
		return FAULT_ORDER;
	r = pool_get(&o->courier->pools, m->pool, m->ca, m->pin, &o->pool);
	if (r == VERR_FORMAT)
		return FAULT_AUTHORITY;
	if (r != 0)
		return r == VERR_BUSY ? FAULT_BUSY : FAULT_MEMORY;
	pool_hold(o->pool);
	r = transfer_new(o, m);
	if (r != 0)
		return r == VERR_FORMAT ? FAULT_ORDER : FAULT_MEMORY;
	return FAULT_NONE;
}

static int
attach(struct order *o, int fd)
{
	return channel_new(o->courier->life.loop, fd, ROOM_COURIER, ROOM_GATE,
	    0, &stream_ops, o, &o->stream);
}

int
order_new(struct courier *c, const struct rec_ORDER *m)
{
	struct order *o;
	int fd;

	for (o = c->orders; o != NULL; o = o->next)
		if (o->id == m->order)
			return VERR_EXISTS;
	if ((o = make(c, m)) == NULL)
		return VERR_NOMEM;
	o->fault = prepare(o, m);
	if (o->probe) {
		start(o);
		return 0;
	}
	if ((fd = lane_take(c, o->gate, o->number)) < 0)
		set_timer(o, MEET_MS);
	else if (attach(o, fd) != 0)
		order_fail(o, FAULT_MEMORY);
	else
		start(o);
	return 0;
}

int
order_stream(struct courier *c, uint32_t gate, uint64_t number, int fd)
{
	struct order *o = c->orders;

	while (o != NULL &&
	    (o->state != ORDER_WAITS || o->gate != gate || o->number != number))
		o = o->next;
	if (o == NULL)
		return VERR_NOTFOUND;
	if (attach(o, fd) != 0)
		order_fail(o, FAULT_MEMORY);
	else
		start(o);
	return 0;
}

void
order_cancel(struct courier *c, uint64_t id)
{
	struct order *o = c->orders;

	while (o != NULL && (o->id != id || o->state == ORDER_LINGERS))
		o = o->next;
	if (o != NULL)
		order_fail(o, FAULT_CANCELLED);
}

/* The stream: a body comes up it, the answer goes down. */

static int
on_body(void *arg, const union record *m, int *fd)
{
	struct order *o = arg;
	struct slice bytes = m->BODY.bytes;
	int r;

	(void)fd;
	/* The answer may be over before the request is. */
	if (o->state == ORDER_LINGERS)
		return 0;
	if (o->body_ended ||
	    (o->body == BODY_LENGTH && bytes.n > o->length - o->came))
		return VERR_FORBIDDEN;
	if ((r = buf_add(&o->in, bytes.p, bytes.n)) != 0)
		return r;
	o->came += bytes.n;
	if (buf_used(&o->in) > BODY_HIGH)
		channel_pause(o->stream);
	if (o->state == ORDER_RUNS)
		transfer_resume(o);
	return 0;
}

static int
on_body_end(void *arg, const union record *m, int *fd)
{
	struct order *o = arg;

	(void)m;
	(void)fd;
	if (o->state == ORDER_LINGERS)
		return 0;
	if (o->body_ended)
		return VERR_FORBIDDEN;
	o->body_ended = 1;
	if (o->body == BODY_LENGTH && o->came != o->length)
		order_fail(o, FAULT_BODY);
	else if (o->state == ORDER_RUNS)
		transfer_resume(o);
	return 0;
}

static const struct handler stream_handlers[] = {
    {REC_BODY, on_body},
    {REC_BODY_END, on_body_end},
    {0, NULL},
};

static void
stream_closed(void *arg, struct channel *ch, int r)
{
	struct order *o = arg;

	if (r != VERR_CLOSED && r != VERR_NOMEM)
		room_report(&o->courier->life, ROOM_GATE, o->gate, r);
	o->stream = NULL;
	channel_free(ch);
	if (o->state == ORDER_LINGERS)
		order_free(o);
	else
		order_fail(o, FAULT_CANCELLED);
}

static void
stream_drained(void *arg, struct channel *ch)
{
	struct order *o = arg;

	(void)ch;
	if (o->state == ORDER_LINGERS)
		order_free(o);
	else if (o->state == ORDER_RUNS)
		transfer_resume(o);
}

static const struct channel_ops stream_ops = {.handlers = stream_handlers,
    .on_closed = stream_closed,
    .on_drained = stream_drained};
