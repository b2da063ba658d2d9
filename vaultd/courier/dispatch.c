#include "vaultd/courier/lane.h"
#include "vaultd/courier/order.h"

/* From the supervisor: lanes, and the dialer whenever there is a new one. */

static int
join_dialer(struct courier *c, int fd)
{
	int r;

	channel_free(c->dialer);
	c->dialer = NULL;
	if ((r = channel_new(c->life.loop, fd, ROOM_COURIER, ROOM_DIALER,
	         CHANNEL_TAKES_FD, &courier_dialer_ops, c, &c->dialer)) == 0)
		order_dial_again(c);
	return r;
}

static int
on_peer(void *arg, const union record *m, int *fd)
{
	struct courier *c = arg;
	int peer = *fd;

	if (peer < 0)
		return VERR_FORMAT;
	if (m->PEER.room != ROOM_DIALER && m->PEER.room != ROOM_GATE)
		return VERR_FORBIDDEN;
	*fd = -1;
	return m->PEER.room == ROOM_DIALER
	    ? join_dialer(c, peer)
	    : lane_new(c, (uint32_t)m->PEER.number, peer);
}

/* From the keeper: orders. */

static int
on_order(void *arg, const union record *m, int *fd)
{
	(void)fd;
	return order_new(arg, &m->ORDER);
}

static int
on_cancel(void *arg, const union record *m, int *fd)
{
	(void)fd;
	order_cancel(arg, m->ORDER_CANCEL.order);
	return 0;
}

static int
on_pool_drop(void *arg, const union record *m, int *fd)
{
	struct courier *c = arg;

	(void)fd;
	pool_drop(&c->pools, m->POOL_DROP.pool);
	return 0;
}

/* From the dialer: sockets. */

static int
on_dialled(void *arg, const union record *m, int *fd)
{
	int socket = *fd;

	*fd = -1;
	order_dialled(arg, m->DIALED.ticket, m->DIALED.attempt,
	    -(int)m->DIALED.error, socket);
	return 0;
}

/* From gates, down their lanes: streams. */

static int
on_open(void *arg, const union record *m, int *fd)
{
	int stream = *fd;

	if (stream < 0)
		return VERR_FORMAT;
	*fd = -1;
	return lane_opened(arg, m->OPEN.number, stream);
}

/* Const tables, one per channel: what may be said there, and who does it. */
static const struct handler from_supervisor[] = {
    {REC_PEER, on_peer}, {0, NULL}};
static const struct handler from_keeper[] = {
    {REC_ORDER, on_order},
    {REC_ORDER_CANCEL, on_cancel},
    {REC_POOL_DROP, on_pool_drop},
    {0, NULL},
};
static const struct handler from_dialer[] = {
    {REC_DIALED, on_dialled}, {0, NULL}};
static const struct handler from_gate[] = {{REC_OPEN, on_open}, {0, NULL}};

static void
supervisor_closed(void *arg, struct channel *ch, int r)
{
	struct courier *c = arg;

	(void)ch;
	(void)r;
	loop_stop(c->life.loop, 0);
}

static void
keeper_closed(void *arg, struct channel *ch, int r)
{
	struct courier *c = arg;

	(void)ch;
	if (r != VERR_CLOSED)
		room_report(&c->life, ROOM_KEEPER, 0, r);
	loop_stop(c->life.loop, 0);
}

static void
dialer_closed(void *arg, struct channel *ch, int r)
{
	struct courier *c = arg;

	if (r != VERR_CLOSED)
		room_report(&c->life, ROOM_DIALER, 0, r);
	c->dialer = NULL;
	channel_free(ch);
}

static void
lane_closed(void *arg, struct channel *ch, int r)
{
	(void)ch;
	lane_drop(arg, r);
}

const struct channel_ops courier_supervisor_ops = {
    .handlers = from_supervisor, .on_closed = supervisor_closed};
const struct channel_ops courier_keeper_ops = {
    .handlers = from_keeper, .on_closed = keeper_closed};
const struct channel_ops courier_dialer_ops = {
    .handlers = from_dialer, .on_closed = dialer_closed};
const struct channel_ops courier_lane_ops = {
    .handlers = from_gate, .on_closed = lane_closed};
