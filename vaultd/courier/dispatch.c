#include "vaultd/courier/lane.h"
#include "vaultd/courier/order.h"
#include "vaultd/courier/stream.h"

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

	if (m->DIALED.error > 100)
		return VERR_FORMAT;
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
	return stream_new(arg, m->OPEN.number, stream);
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

/*
 * Whose answer is on its way is told why it will not come: a gate may see our
 * end before the keeper's.
 */
static void
refuse_all(struct courier *c)
{
	for (struct lane *lane = c->lanes; lane != NULL; lane = lane->next)
		for (struct stream *s = lane->streams; s != NULL; s = s->next) {
			if (s->state != STREAM_MEETS &&
			    (s->order == NULL ||
			        s->order->state == ORDER_DRAINS))
				continue;
			channel_say(
			    s->channel, FAIL, .refusal = REFUSED_RESTARTING);
			channel_flush(s->channel);
		}
}

static void
keeper_closed(void *arg, struct channel *ch, int r)
{
	struct courier *c = arg;

	(void)ch;
	if (r != VERR_CLOSED)
		room_report(&c->life, ROOM_KEEPER, 0, r);
	refuse_all(c);
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
