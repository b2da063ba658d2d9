#include "vaultd/dialer/dial.h"

#include <stdlib.h>

/*
 * Const tables, one per channel: what may be said there, and who does it.
 */
typedef int handler(void *arg, const union record *m, int *fd);

struct entry {
	uint16_t type;
	handler *handle;
};

static int
dispatch(const struct entry *table, size_t n, uint16_t type, void *arg,
    const union record *m, int *fd)
{
	for (size_t i = 0; i < n; i++)
		if (table[i].type == type)
			return table[i].handle(arg, m, fd);
	return VERR_FORBIDDEN;
}

#define DISPATCH(table, type, arg, m, fd)                                      \
	dispatch((table), sizeof(table) / sizeof((table)[0]), (type), (arg),   \
	    (m), (fd))

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
	return 0;
}

static const struct entry from_supervisor[] = {{REC_PEER, on_peer}};
static const struct entry from_keeper[] = {
    {REC_TICKET, on_ticket},
    {REC_TICKET_END, on_ticket_end},
};
static const struct entry from_courier[] = {{REC_DIAL, on_dial}};

static int
supervisor_record(void *arg, struct channel *ch, uint16_t type,
    const union record *m, int *fd)
{
	(void)ch;
	return DISPATCH(from_supervisor, type, arg, m, fd);
}

static int
keeper_record(void *arg, struct channel *ch, uint16_t type,
    const union record *m, int *fd)
{
	(void)ch;
	return DISPATCH(from_keeper, type, arg, m, fd);
}

static int
courier_record(void *arg, struct channel *ch, uint16_t type,
    const union record *m, int *fd)
{
	(void)ch;
	return DISPATCH(from_courier, type, arg, m, fd);
}

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
    .on_record = supervisor_record, .on_closed = supervisor_closed};
const struct channel_ops dialer_keeper_ops = {
    .on_record = keeper_record, .on_closed = keeper_closed};
const struct channel_ops dialer_courier_ops = {
    .on_record = courier_record, .on_closed = courier_closed};
