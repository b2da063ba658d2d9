#include "vaultd/dialer/dial.h"

#include <stdlib.h>

#define BACKLOG_MAX (64 * 1024) /* bytes of answers that were not read */

/* From the supervisor: couriers, joined to this room. */

static int
on_peer(void *arg, const union record *m, int *fd)
{
	struct dialer *d = arg;
	struct courier *c;
	int r;

	if (m->PEER.room != ROOM_COURIER || *fd < 0)
		return VERR_FORMAT;
	if ((c = calloc(1, sizeof(*c))) == NULL)
		return VERR_NOMEM;
	c->dialer = d;
	c->number = (uint32_t)m->PEER.number;
	r = channel_new(d->life.loop, *fd, ROOM_DIALER, ROOM_COURIER, 0,
	    &dialer_courier_ops, c, &c->channel);
	*fd = -1;
	if (r != 0) {
		free(c);
		return r;
	}
	c->next = d->couriers;
	d->couriers = c;
	return 0;
}

/* From the keeper: tickets. */

static int
on_ticket(void *arg, const union record *m, int *fd)
{
	const struct rec_TICKET *t = &m->TICKET;
	struct dialer *d = arg;
	int r;

	(void)fd;
	if ((r = ticket_add(&d->tickets, t->ticket, t->courier, t->host,
	         t->port, t->network)) != 0)
		return r;
	dial_ticket_came(d, t->ticket);
	return 0;
}

static int
on_ticket_end(void *arg, const union record *m, int *fd)
{
	struct dialer *d = arg;

	(void)fd;
	dial_ticket_ended(d, m->TICKET_END.ticket);
	ticket_remove(&d->tickets, m->TICKET_END.ticket);
	return 0;
}

/* From couriers: dials. */

static int
on_dial(void *arg, const union record *m, int *fd)
{
	struct courier *c = arg;
	int r =
	    dial_start(c->dialer, c, m->DIAL.ticket, (uint32_t)m->DIAL.attempt);

	(void)fd;
	if (r != VERR_BUSY && r != VERR_NOMEM)
		return r;
	channel_say(c->channel, DIALED, .ticket = m->DIAL.ticket,
	    .attempt = m->DIAL.attempt, .error = (uint64_t)-r);
	/* Who does not read his answers is not heard until he has. */
	if (channel_queued(c->channel) > BACKLOG_MAX)
		channel_pause(c->channel);
	return 0;
}

/* Const tables, one per channel: what may be said there, and who does it. */
static const struct handler from_supervisor[] = {
    {REC_PEER, on_peer}, {0, NULL}};
static const struct handler from_keeper[] = {
    {REC_TICKET, on_ticket},
    {REC_TICKET_END, on_ticket_end},
    {0, NULL},
};
static const struct handler from_courier[] = {{REC_DIAL, on_dial}, {0, NULL}};

static void
supervisor_closed(void *arg, struct channel *ch, int r)
{
	struct dialer *d = arg;

	(void)ch;
	(void)r;
	loop_stop(d->life.loop, 0);
}

static void
keeper_closed(void *arg, struct channel *ch, int r)
{
	struct dialer *d = arg;

	(void)ch;
	if (r != VERR_CLOSED)
		room_report(&d->life, ROOM_KEEPER, 0, r);
	loop_stop(d->life.loop, 0);
}

static void
courier_closed(void *arg, struct channel *ch, int r)
{
	(void)ch;
	dialer_drop_courier(arg, r);
}

static void
courier_drained(void *arg, struct channel *ch)
{
	channel_resume(ch);
	dial_deliver(arg);
}

void
dialer_drop_courier(struct courier *c, int r)
{
	struct courier **at = &c->dialer->couriers;

	if (r != VERR_CLOSED)
		room_report(&c->dialer->life, ROOM_COURIER, c->number, r);
	dial_courier_gone(c->dialer, c);
	channel_free(c->channel);
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	free(c);
}

const struct channel_ops dialer_supervisor_ops = {
    .handlers = from_supervisor, .on_closed = supervisor_closed};
const struct channel_ops dialer_keeper_ops = {
    .handlers = from_keeper, .on_closed = keeper_closed};
const struct channel_ops dialer_courier_ops = {.handlers = from_courier,
    .on_closed = courier_closed,
    .on_drained = courier_drained};
