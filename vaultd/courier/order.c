#include "vaultd/courier/order.h"

#include <stdlib.h>
#include <unistd.h>

#include "vaultd/courier/exchange.h"
#include "vaultd/courier/request.h"
#include "vaultd/courier/stream.h"

#define DONE_MS    5     /* for the keeper to hear of what went well */
#define DIAL_MS    15000 /* the dialer gives up sooner */
#define CONNECT_MS 15000 /* so does libcurl */
#define STALL_MS   60000 /* an answer's slowest pace is a byte a second */
#define TIMEOUT_MS 60000 /* where the order names none */

/* Nothing of the credential stays. */
static void
order_free(struct order *o)
{
	struct order **at = &o->courier->orders;

	while (*at != o)
		at = &(*at)->next;
	*at = o->next;
	o->courier->norders--;
	loop_timer_stop(o->courier->life.loop, &o->timer);
	conn_free(o->conn);
	if (o->pool != NULL)
		pool_release(o->pool);
	buf_free(&o->in);
	buf_free(&o->request);
	buf_free(&o->piece);
	buf_free(&o->rest);
	buf_free(&o->kept);
	answer_free(&o->answer);
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
	const struct head *h = &o->answer.head;
	char account[ACCOUNT_MAX + 1] = "";
	union record done;

	if (fault == FAULT_NONE && o->probe && o->pointer[0] != '\0' &&
	    !o->enough && buf_used(&o->kept) > 0 &&
	    account_find(slice_of(buf_data(&o->kept), buf_used(&o->kept)),
	        slice_str(o->pointer), account) != 0)
		account[0] = '\0';
	done.ORDER_DONE = (struct rec_ORDER_DONE){.order = o->id,
	    .refusal = f->refusal,
	    .error = (uint64_t)-f->error,
	    .status = h->status < 200 ? 0 : h->status,
	    .sent = o->sent,
	    .received = o->received,
	    .account = slice_str(account)};
	if (o->probe || fault != FAULT_NONE)
		channel_put(o->courier->keeper, REC_ORDER_DONE, &done, -1);
	else
		channel_put_late(
		    o->courier->keeper, REC_ORDER_DONE, &done, DONE_MS);
}

void
order_fail(struct order *o, enum fault fault)
{
	struct stream *s = o->stream;

	account_for(o, fault);
	if (s != NULL) {
		int ended = o->state == ORDER_DRAINS;

		if (!ended)
			channel_say(s->channel, FAIL,
			    .refusal = fault_info[fault].refusal,
			    .sentence = slice_str(fault_info[fault].sentence));
		stream_leave(s, ended, o->body_ended);
	}
	order_free(o);
}

static void
finish(struct order *o)
{
	account_for(o, FAULT_NONE);
	if (o->stream != NULL)
		stream_leave(o->stream, 1, o->body_ended);
	order_free(o);
}

/*
 * The answer is whole.  The keeper hears of it when the gate has it: a courier
 * without orders may be ended, with all that it has not written.
 */
static void
complete(struct order *o)
{
	if (exchange_keeps_connection(o)) {
		o->conn->used = 1;
		pool_rest(o->conn);
	} else {
		conn_free(o->conn);
	}
	o->conn = NULL;
	if (o->stream != NULL) {
		struct channel *ch = o->stream->channel;

		o->state = ORDER_DRAINS;
		loop_timer_stop(o->courier->life.loop, &o->timer);
		buf_free(&o->request);
		buf_free(&o->piece);
		buf_free(&o->in);
		channel_resume(ch);
		channel_put(ch, REC_END, &(const union record){0}, -1);
		channel_flush(ch);
		if (channel_queued(ch) > 0)
			return;
	}
	finish(o);
}

/* How long nothing may move: towards a head, or towards the answer's end. */
static uint64_t
window(const struct order *o)
{
	return o->answer.head.done ? STALL_MS : o->timeout_ms;
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
	conn_free(o->conn);
	o->conn = NULL;
	if (pool_make_room(&o->courier->pools) != 0) {
		order_fail(o, FAULT_BUSY);
		return;
	}
	if (o->attempts++ == 0)
		channel_say(o->courier->keeper, TICKET_WANT, .order = o->id);
	o->state = ORDER_DIALS;
	ask_dialer(o);
	set_timer(o, DIAL_MS);
}

/*
 * A connection that was kept died before it brought an answer.  The upstream
 * may have acted on the request all the same: only an idempotent one, of whose
 * body nothing was sent, is made again (RFC 9112, 9.3.1).
 */
static void
try_again(struct order *o)
{
	if (o->idempotent && o->sent == 0)
		dial(o);
	else
		order_fail(o, FAULT_CLOSED);
}

void
order_go_on(struct order *o)
{
	int had_head = o->answer.head.done;
	enum fault fault = FAULT_NONE;

	if (o->state == ORDER_DRAINS &&
	    channel_queued(o->stream->channel) == 0) {
		finish(o);
		return;
	}
	if (o->state != ORDER_RUNS)
		return;
	switch (exchange_go_on(o, &fault)) {
	case EXCHANGE_WAITS:
		if (!had_head && o->answer.head.done)
			set_timer(o, window(o));
		break;
	case EXCHANGE_DONE:
		complete(o);
		break;
	case EXCHANGE_FAILED:
		order_fail(o, fault);
		break;
	case EXCHANGE_UNHEARD:
		try_again(o);
		break;
	}
}

static void
run(struct order *o)
{
	o->state = ORDER_RUNS;
	o->moved = 0;
	if (loop_timer(o->courier->life.loop, &o->timer, window(o)) != 0) {
		order_fail(o, FAULT_MEMORY);
		return;
	}
	exchange_begin(o);
	order_go_on(o);
}

/* The order has its stream, or needs none. */
static void
start(struct order *o)
{
	if (o->fault != FAULT_NONE) {
		order_fail(o, o->fault);
		return;
	}
	/* A health check proves a credential that may never be in force. */
	if (!o->probe)
		o->conn = pool_take(o->pool, slice_str(o->host), o->port);
	if (o->conn == NULL) {
		dial(o);
		return;
	}
	o->conn->order = o;
	run(o);
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
	if (o == NULL || error != 0 || fd < 0) {
		if (fd >= 0)
			(void)close(fd);
		if (o != NULL)
			order_fail(o, fault_of_dial(error));
		return;
	}
	/* Others may have got theirs since this one asked. */
	if (pool_make_room(&c->pools) != 0) {
		(void)close(fd);
		order_fail(o, FAULT_BUSY);
		return;
	}
	o->state = ORDER_CONNECTS;
	if (conn_new(o->pool, slice_str(o->host), o->port, fd, o, &o->conn) !=
	    0)
		order_fail(o, FAULT_MEMORY);
	else
		set_timer(o, CONNECT_MS);
}

void
order_connected(struct order *o)
{
	run(o);
}

/* Too slow?  Not while it is the client that does not send or read. */
static void
check_pace(struct order *o)
{
	uint64_t ms = window(o);

	if (exchange_awaits_client(o) || o->moved * 1000 >= ms)
		set_timer(o, ms);
	else
		order_fail(o, o->answer.head.done ? FAULT_SLOW : FAULT_TIME);
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
	case ORDER_CONNECTS:
		order_fail(o, FAULT_CONNECT_TIME);
		break;
	case ORDER_RUNS:
		check_pace(o);
		break;
	case ORDER_DRAINS:
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
	    .port = (uint32_t)m->port,
	    .timeout_ms =
	        m->timeout_ms == 0 ? TIMEOUT_MS : (uint32_t)m->timeout_ms,
	    .probe = m->probe != 0,
	    .idempotent = request_method_idempotent(m->method),
	    .timer = {.on_time = on_time, .arg = o},
	    .body = (enum body_kind)m->body,
	    .length = m->body == BODY_LENGTH ? m->length : 0,
	    .answer = {.bodiless = slice_is(m->method, "HEAD")}};
	o->body_ended = o->body == BODY_NONE;
	if (m->host.n > 0)
		memcpy(o->host, m->host.p, m->host.n);
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
	if (m->body > BODY_STREAM || (o->probe && m->body != BODY_NONE) ||
	    (m->body == BODY_LENGTH && m->length > INT64_MAX))
		return FAULT_ORDER;
	r = pool_get(&o->courier->pools, m->pool, m->ca, m->pin, &o->pool);
	if (r == VERR_FORMAT)
		return FAULT_AUTHORITY;
	if (r != 0)
		return r == VERR_BUSY ? FAULT_BUSY : FAULT_MEMORY;
	pool_hold(o->pool);
	r = request_head(m, &o->request);
	if (r != 0)
		return r == VERR_FORMAT ? FAULT_ORDER : FAULT_MEMORY;
	return FAULT_NONE;
}

int
order_new(struct courier *c, const struct rec_ORDER *m)
{
	struct order *o;
	struct stream *s;

	for (o = c->orders; o != NULL; o = o->next)
		if (o->id == m->order)
			return VERR_EXISTS;
	if ((o = make(c, m)) == NULL)
		return VERR_NOMEM;
	o->fault = prepare(o, m);
	s = o->probe ? NULL : stream_find(c, o->gate, o->number);
	if (s != NULL) {
		o->stream = s;
		stream_carry(s, o);
	}
	if (o->probe || s != NULL)
		start(o);
	else
		set_timer(o, MEET_MS);
	return 0;
}

int
order_meet(struct courier *c, uint32_t gate, uint64_t number, struct stream *s)
{
	struct order *o = c->orders;

	while (o != NULL &&
	    (o->state != ORDER_WAITS || o->gate != gate || o->number != number))
		o = o->next;
	if (o == NULL)
		return VERR_NOTFOUND;
	o->stream = s;
	stream_carry(s, o);
	start(o);
	return 0;
}

void
order_cancel(struct courier *c, uint64_t id)
{
	struct order *o = c->orders;

	while (o != NULL && o->id != id)
		o = o->next;
	if (o != NULL)
		order_fail(o, FAULT_CANCELLED);
}

void
order_lost_stream(struct order *o)
{
	o->stream = NULL;
	order_fail(o, FAULT_CANCELLED);
}

int
order_body(struct order *o, struct slice bytes)
{
	int r;

	if (o->body_ended ||
	    (o->body == BODY_LENGTH && bytes.n > o->length - o->came))
		return VERR_FORBIDDEN;
	o->came += bytes.n;
	if (o->state == ORDER_DRAINS)
		return 0;
	if ((r = buf_add(&o->in, bytes.p, bytes.n)) != 0)
		return r;
	if (buf_used(&o->in) > BODY_HIGH)
		channel_pause(o->stream->channel);
	order_go_on(o);
	return 0;
}

int
order_body_end(struct order *o)
{
	if (o->body_ended)
		return VERR_FORBIDDEN;
	o->body_ended = 1;
	if (o->state != ORDER_DRAINS && o->body == BODY_LENGTH &&
	    o->came != o->length)
		order_fail(o, FAULT_BODY);
	else
		order_go_on(o);
	return 0;
}
