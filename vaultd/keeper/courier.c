#include "vaultd/keeper/courier.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <sodium.h>

#include "protocol/bytes.h"

#define COURIERS_MAX 64
#define LANES_MAX    64      /* gates joined to one courier */
#define IDLE_MS      60000   /* without an order */
#define DEAF_MS      10000   /* from an order's cancellation to its end */
#define START_MS     15000   /* a courier that has not come */
#define SERVED_MAX   1000000 /* then a fresh courier takes over */
#define GATE_MAX     768     /* orders of one gate: less than it may ask for */
#define RESPONSE_MS  120000  /* to the first byte of an answer */

struct courier {
	struct couriers *all;
	struct courier *next;
	char customer[PROFILE_ID_MAX + 1];
	uint64_t want;   /* what we called it before it had a number */
	uint32_t number; /* 0 until it is there */
	struct channel *ch;
	bool retired;                   /* takes no new order */
	struct order *waiting, *issued; /* "norders" of both */
	size_t norders, served;
	uint64_t last_order; /* the last that was sent to it */
	struct timer timer;  /* idle, or not come */
	struct timer deaf;   /* an order was cancelled and has not ended */
	uint32_t lanes[LANES_MAX];
	size_t nlanes;
};

struct couriers {
	struct keeper *k;
	struct courier *first;
	size_t n;
	struct channel *dialer;
	uint64_t last_want, last_order;
	struct task task; /* hands out couriers and failures */
	struct order *failed;
};

static void on_task(void *arg);

int
couriers_new(struct keeper *k, struct couriers **ret)
{
	struct couriers *cs = calloc(1, sizeof(*cs));

	if (cs == NULL)
		return VERR_NOMEM;
	cs->k = k;
	cs->task = (struct task){.run = on_task, .arg = cs};
	*ret = cs;
	return 0;
}

static void
link_order(struct order **head, struct order *o)
{
	o->next = *head;
	o->prev = head;
	if (o->next != NULL)
		o->next->prev = &o->next;
	*head = o;
}

/* Who has waited longest is served first; few wait at once. */
static void
link_last(struct order **head, struct order *o)
{
	while (*head != NULL)
		head = &(*head)->next;
	link_order(head, o);
}

static void
unlink_order(struct order *o)
{
	*o->prev = o->next;
	if (o->next != NULL)
		o->next->prev = o->prev;
	o->next = NULL;
	o->prev = NULL;
}

/*
 * Take "o" off its courier, which may be idle then.
 */
static void
leave_courier(struct couriers *cs, struct order *o)
{
	struct courier *c = o->courier;

	unlink_order(o);
	o->courier = NULL;
	if (c != NULL)
		c->norders--;
	if (c != NULL && c->waiting == NULL && c->issued == NULL &&
	    c->number != 0 &&
	    loop_timer(cs->k->life.loop, &c->timer, c->retired ? 0 : IDLE_MS))
		c->retired = true;
}

static void
finish(struct couriers *cs, struct order *o, const struct order_result *res)
{
	leave_courier(cs, o);
	if (o->ticketed && cs->dialer != NULL)
		channel_say(cs->dialer, TICKET_END, .ticket = o->id);
	o->done(o->arg, res);
}

static void
fail(struct couriers *cs, struct order *o, enum refusal refusal, int error)
{
	struct order_result res = {.refusal = refusal, .error = error};

	finish(cs, o, &res);
}

/*
 * Close a courier: end-of-file ends it.  Its orders fail.
 */
static void
courier_close(struct courier *c)
{
	struct couriers *cs = c->all;
	struct courier **at = &cs->first;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	cs->n--;
	loop_timer_stop(cs->k->life.loop, &c->timer);
	loop_timer_stop(cs->k->life.loop, &c->deaf);
	c->number = 0;
	while (c->issued != NULL)
		fail(cs, c->issued, REFUSED_RESTARTING, VERR_CLOSED);
	while (c->waiting != NULL)
		fail(cs, c->waiting, REFUSED_RESTARTING, VERR_CLOSED);
	channel_free(c->ch);
	free(c);
}

static void
on_timer(void *arg)
{
	courier_close(arg);
}

/*
 * The order that was cancelled longest ago, or NULL.
 */
static const struct order *
oldest_cancelled(const struct courier *c)
{
	const struct order *oldest = NULL;

	for (const struct order *o = c->issued; o != NULL; o = o->next)
		if (o->cancelled != 0 &&
		    (oldest == NULL || o->cancelled < oldest->cancelled))
			oldest = o;
	return oldest;
}

/*
 * It may not answer: whatever holds it up, its customer gets another one.
 */
static void
on_deaf(void *arg)
{
	struct courier *c = arg;
	struct loop *l = c->all->k->life.loop;
	const struct order *o = oldest_cancelled(c);
	uint64_t due = o == NULL ? 0 : o->cancelled + DEAF_MS;

	if (o == NULL)
		return;
	if (due > loop_now(l) &&
	    loop_timer(l, &c->deaf, due - loop_now(l)) == 0)
		return;
	room_report(&c->all->k->life, ROOM_COURIER, c->number, VERR_TIMEOUT);
	courier_close(c);
}

static struct courier *
courier_start(struct couriers *cs, const char *customer)
{
	struct courier *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->all = cs;
	(void)snprintf(c->customer, sizeof(c->customer), "%s", customer);
	c->want = ++cs->last_want;
	c->timer = (struct timer){.on_time = on_timer, .arg = c};
	c->deaf = (struct timer){.on_time = on_deaf, .arg = c};
	if (loop_timer(cs->k->life.loop, &c->timer, START_MS) != 0) {
		free(c);
		return NULL;
	}
	c->next = cs->first;
	cs->first = c;
	cs->n++;
	channel_say(cs->k->life.supervisor, COURIER_WANT, .want = c->want);
	return c;
}

/*
 * End the courier that has been idle, if there is one.
 */
static bool
make_room(struct couriers *cs)
{
	struct courier *oldest = NULL;

	for (struct courier *c = cs->first; c != NULL; c = c->next)
		if (c->number != 0 && c->waiting == NULL && c->issued == NULL &&
		    (oldest == NULL || c->timer.when < oldest->timer.when))
			oldest = c;
	if (oldest != NULL)
		courier_close(oldest);
	return oldest != NULL;
}

static struct courier *
courier_for(struct couriers *cs, const char *customer)
{
	for (struct courier *c = cs->first; c != NULL; c = c->next)
		if (!c->retired && strcmp(c->customer, customer) == 0)
			return c;
	if (cs->n >= COURIERS_MAX && !make_room(cs))
		return NULL;
	return courier_start(cs, customer);
}

/*
 * How many orders of a gate's a courier has: one that ends none of them must
 * not fill the gate for the other customers.
 */
static size_t
orders_of(const struct courier *c, uint32_t gate)
{
	const struct order *lists[] = {c->waiting, c->issued};
	size_t n = 0;

	for (size_t i = 0; i < 2; i++)
		for (const struct order *o = lists[i]; o != NULL; o = o->next)
			n += o->gate == gate;
	return n;
}

void
order_begin(struct keeper *k, struct order *o, const char *customer)
{
	struct couriers *cs = k->couriers;
	struct courier *c = courier_for(cs, customer);

	o->id = o->cancelled = 0;
	o->ticketed = false;
	if (c != NULL && c->norders >= GATE_MAX &&
	    orders_of(c, o->gate) >= GATE_MAX)
		c = NULL;
	o->courier = c;
	if (c == NULL) {
		link_order(&cs->failed, o);
	} else {
		link_last(&c->waiting, o);
		c->norders++;
	}
	if (c == NULL || c->number != 0)
		loop_defer(k->life.loop, &cs->task);
	if (c != NULL && c->number != 0)
		loop_timer_stop(k->life.loop, &c->timer);
}

/*
 * Call those whose courier is there, and those who got none.
 */
static void
on_task(void *arg)
{
	struct couriers *cs = arg;
	struct order *o;

	while ((o = cs->failed) != NULL)
		fail(cs, o, REFUSED_BUDGET, VERR_BUSY);
	for (struct courier *c = cs->first, *next; c != NULL; c = next) {
		next = c->next;
		while (c->number != 0 && (o = c->waiting) != NULL) {
			unlink_order(o);
			link_order(&c->issued, o);
			o->ready(o->arg, c->number);
		}
	}
}

/*
 * A lane between the order's gate and its courier, unless there is one.
 */
static void
want_lane(struct couriers *cs, struct courier *c, uint32_t gate)
{
	for (size_t i = 0; i < c->nlanes; i++)
		if (c->lanes[i] == gate)
			return;
	if (c->nlanes == LANES_MAX)
		memmove(&c->lanes[0], &c->lanes[1],
		    --c->nlanes * sizeof(c->lanes[0]));
	c->lanes[c->nlanes++] = gate;
	channel_say(cs->k->life.supervisor, LANE_WANT, .room = ROOM_COURIER,
	    .number = c->number, .gate = gate);
}

void
couriers_forget_gate(struct keeper *k, uint32_t gate)
{
	for (struct courier *c = k->couriers->first; c != NULL; c = c->next)
		for (size_t i = 0; i < c->nlanes; i++)
			if (c->lanes[i] == gate) {
				c->lanes[i] = c->lanes[--c->nlanes];
				break;
			}
}

static void
send_ticket(struct couriers *cs, const struct order *o)
{
	const struct catalog_link *to = o->to;

	if (o->ticketed && cs->dialer != NULL)
		channel_say(cs->dialer, TICKET, .ticket = o->id,
		    .courier = o->courier->number,
		    .host = slice_str(to->origin.host), .port = to->origin.port,
		    .network = slice_str(to->network_text));
}

void
order_issue(struct keeper *k, struct order *o, const struct order_request *req)
{
	struct couriers *cs = k->couriers;
	struct courier *c = o->courier;
	int r;

	o->id = c->last_order = ++cs->last_order;
	o->to = req->link;
	if (o->gate != 0)
		want_lane(cs, c, o->gate);
	r = channel_send(c->ch, REC_ORDER,
	    &(const union record){.ORDER = {.order = o->id,
	                              .ticket = o->id,
	                              .gate = o->gate,
	                              .number = o->number,
	                              .probe = o->gate == 0,
	                              .pool = req->pool,
	                              .method = slice_str(req->method),
	                              .host = slice_str(o->to->origin.host),
	                              .port = o->to->origin.port,
	                              .target = req->target,
	                              .headers = req->headers,
	                              .body = req->body,
	                              .length = req->length,
	                              .ca = slice_str(req->link->ca),
	                              .pin = slice_str(req->link->pin),
	                              .timeout_ms = RESPONSE_MS,
	                              .account = slice_str(req->account)}},
	    -1);
	if (++c->served >= SERVED_MAX)
		c->retired = true;
	if (r != 0) {
		leave_courier(cs, o);
		link_order(&cs->failed, o);
		loop_defer(k->life.loop, &cs->task);
	}
}

void
order_cancel(struct keeper *k, struct order *o)
{
	struct couriers *cs = k->couriers;

	if (o->id != 0 && o->courier != NULL) {
		struct courier *c = o->courier;

		channel_say(c->ch, ORDER_CANCEL, .order = o->id);
		o->cancelled = loop_now(k->life.loop);
		/* ORDER_DONE follows, or the courier ends. */
		if (c->deaf.slot == 0 &&
		    loop_timer(k->life.loop, &c->deaf, DEAF_MS) != 0)
			c->retired = true;
		return;
	}
	/* Not issued: whoever hands out couriers reports it instead. */
	leave_courier(cs, o);
	link_order(&cs->failed, o);
	loop_defer(k->life.loop, &cs->task);
}

uint64_t
order_pool(const struct keeper *k, const struct profile *p)
{
	crypto_generichash_state st;
	uint8_t le[8], out[16];

	put_le(le, p->version, sizeof(le));
	(void)crypto_generichash_init(
	    &st, keys_vault_id(k->keys), VAULT_ID_LEN, sizeof(out));
	(void)crypto_generichash_update(
	    &st, (const uint8_t *)p->name, strlen(p->name));
	(void)crypto_generichash_update(&st, le, sizeof(le));
	(void)crypto_generichash_final(&st, out, sizeof(out));
	return get_le(out, 8);
}

void
couriers_drop_pool(struct keeper *k, const char *customer, uint64_t pool)
{
	for (struct courier *c = k->couriers->first; c != NULL; c = c->next)
		if (c->number != 0 && strcmp(c->customer, customer) == 0)
			channel_say(c->ch, POOL_DROP, .pool = pool);
}

bool
couriers_busy(const struct keeper *k)
{
	for (const struct courier *c = k->couriers->first; c != NULL;
	     c = c->next)
		if (c->issued != NULL)
			return true;
	return false;
}

static struct order *
find_issued(const struct courier *c, uint64_t id)
{
	struct order *o = c->issued;

	while (o != NULL && o->id != id)
		o = o->next;
	return o;
}

/*
 * An order needs a connection: the dialer may now make it.  The order may have
 * ended while this was on its way.
 */
static int
on_ticket_want(void *arg, const union record *m, int *fd)
{
	uint64_t id = m->TICKET_WANT.order;
	struct courier *c = arg;
	struct order *o = find_issued(c, id);

	(void)fd;
	if (id == 0 || id > c->last_order)
		return VERR_FORBIDDEN;
	if (o != NULL && !o->ticketed) {
		o->ticketed = true;
		send_ticket(c->all, o);
	}
	return 0;
}

static int
on_order_done(void *arg, const union record *m, int *fd)
{
	const struct rec_ORDER_DONE *d = &m->ORDER_DONE;
	struct courier *c = arg;
	struct order_result res = {.refusal = (enum refusal)d->refusal,
	    .error = -(int)d->error,
	    .status = (uint32_t)d->status,
	    .sent = d->sent,
	    .received = d->received};
	struct order *o = find_issued(c, d->order);

	(void)fd;
	if (o == NULL || d->refusal >= REFUSAL_COUNT || d->error > 100 ||
	    d->status > 999 || d->account.n >= sizeof(res.account))
		return VERR_FORMAT;
	if (d->account.n > 0)
		memcpy(res.account, d->account.p, d->account.n);
	finish(c->all, o, &res);
	return 0;
}

static const struct handler courier_handlers[] = {
    {REC_ORDER_DONE, on_order_done},
    {REC_TICKET_WANT, on_ticket_want},
    {0, NULL},
};

static void
on_closed(void *arg, struct channel *ch, int r)
{
	struct courier *c = arg;

	(void)ch;
	if (r != VERR_CLOSED)
		room_report(&c->all->k->life, ROOM_COURIER, c->number, r);
	courier_close(c);
}

int
couriers_attach(struct keeper *k, uint32_t number, uint64_t want, int fd)
{
	static const struct channel_ops ops = {
	    .handlers = courier_handlers, .on_closed = on_closed};
	struct couriers *cs = k->couriers;
	struct courier *c = cs->first;
	int r;

	while (c != NULL && c->want != want)
		c = c->next;
	if (c == NULL || c->number != 0) {
		/* We no longer wait for it: end-of-file ends it. */
		(void)close(fd);
		return 0;
	}
	if ((r = channel_new(k->life.loop, fd, ROOM_KEEPER, ROOM_COURIER, 0,
	         &ops, c, &c->ch)) != 0)
		return r;
	c->number = number;
	if (c->waiting != NULL)
		loop_timer_stop(k->life.loop, &c->timer);
	else
		r = loop_timer(k->life.loop, &c->timer, IDLE_MS);
	loop_defer(k->life.loop, &cs->task);
	return r;
}

static void
on_dialer_closed(void *arg, struct channel *ch, int r)
{
	struct couriers *cs = arg;

	if (r != VERR_CLOSED)
		room_report(&cs->k->life, ROOM_DIALER, 0, r);
	channel_free(ch);
	cs->dialer = NULL;
}

int
couriers_attach_dialer(struct keeper *k, int fd)
{
	/* It has nothing to say to the keeper. */
	static const struct channel_ops ops = {.on_closed = on_dialer_closed};
	struct couriers *cs = k->couriers;
	int r;

	channel_free(cs->dialer);
	cs->dialer = NULL;
	if ((r = channel_new(k->life.loop, fd, ROOM_KEEPER, ROOM_DIALER, 0,
	         &ops, cs, &cs->dialer)) != 0)
		return r;
	/* What the dialer before it held is still to be dialled. */
	for (struct courier *c = cs->first; c != NULL; c = c->next)
		for (struct order *o = c->issued; o != NULL; o = o->next)
			send_ticket(cs, o);
	return 0;
}
