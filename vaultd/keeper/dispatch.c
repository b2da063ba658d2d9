#include "vaultd/keeper/dispatch.h"

#include <stddef.h>

#include "vaultd/keeper/courier.h"
#include "vaultd/keeper/gate.h"
#include "vaultd/keeper/rows.h"
#include "vaultd/keeper/texts.h"

#define DRAIN_MS      1000
#define DRAIN_STEP_MS 5

/*
 * A channel to another room, made by the supervisor.
 */
static int
on_peer(void *arg, const union record *m, int *fd)
{
	struct keeper *k = arg;
	uint32_t number = (uint32_t)m->PEER.number;
	int peer = *fd;

	if (peer < 0)
		return VERR_FORMAT;
	*fd = -1;
	switch (m->PEER.room) {
	case ROOM_LEDGER:
		return rows_attach(k->rows, peer);
	case ROOM_DIALER:
		return couriers_attach_dialer(k, peer);
	case ROOM_COURIER:
		return couriers_attach(k, number, m->PEER.want, peer);
	case ROOM_GATE:
		return gate_attach(k, number, peer);
	default:
		*fd = peer;
		return VERR_FORMAT;
	}
}

static void
on_drained(void *arg)
{
	struct keeper *k = arg;

	loop_stop(k->life.loop, 0);
}

/*
 * The last word: the store vouches for the log as it is now.  Couriers say a
 * little later than they answer how an order has ended; what they have not
 * said within a second is closed as unknown at the next start.
 */
static void
on_drain_time(void *arg)
{
	struct keeper *k = arg;

	if (couriers_busy(k) && keeper_time() < k->drain_until &&
	    loop_timer(k->life.loop, &k->drain, DRAIN_STEP_MS) == 0)
		return;
	if (k->ready && k->keys != NULL && rows_channel(k->rows) != NULL)
		rows_finish(k->rows, on_drained, k);
	else
		on_drained(k);
}

static int
on_drain(void *arg, const union record *m, int *fd)
{
	struct keeper *k = arg;

	(void)m;
	(void)fd;
	if (k->draining)
		return 0;
	k->draining = true;
	k->drain = (struct timer){.on_time = on_drain_time, .arg = k};
	k->drain_until = keeper_time() + DRAIN_MS;
	on_drain_time(k);
	return 0;
}

static int
on_text(void *arg, const union record *m, int *fd)
{
	struct keeper *k = arg;

	(void)fd;
	return texts_piece(k->texts, &m->TEXT);
}

static int
on_texts_end(void *arg, const union record *m, int *fd)
{
	(void)fd;
	texts_apply(arg, m->TEXTS_END.set);
	return 0;
}

static int
on_session(void *arg, const union record *m, int *fd)
{
	(void)fd;
	return session_begin(arg, &m->SESSION);
}

static int
on_session_end(void *arg, const union record *m, int *fd)
{
	struct keeper *k = arg;

	(void)fd;
	gates_cancel_session(k, m->SESSION_END.session);
	session_end(k, m->SESSION_END.session);
	return 0;
}

static int
on_room_state(void *arg, const union record *m, int *fd)
{
	const struct rec_ROOM_STATE *s = &m->ROOM_STATE;
	struct keeper *k = arg;
	size_t i = 0;

	(void)fd;
	while (i < k->nstates &&
	    (k->states[i].room != s->room || k->states[i].number != s->number))
		i++;
	if (i == STATES_MAX)
		return 0;
	k->nstates += i == k->nstates;
	k->states[i] = (struct room_state){(uint32_t)s->room,
	    (uint32_t)s->number, (uint32_t)s->pid, (uint32_t)s->uid,
	    (uint32_t)s->up, (uint32_t)s->walls, (uint32_t)s->absent,
	    (uint32_t)s->proofs, (uint32_t)s->starts, s->since};
	/* Of gates and couriers, whose numbers never come back, only those
	 * that are there are kept. */
	if (!s->up && (s->room == ROOM_GATE || s->room == ROOM_COURIER))
		k->states[i] = k->states[--k->nstates];
	return 0;
}

static const struct handler supervisor_handlers[] = {
    {REC_PEER, on_peer},
    {REC_DRAIN, on_drain},
    {REC_TEXT, on_text},
    {REC_TEXTS_END, on_texts_end},
    {REC_SESSION, on_session},
    {REC_SESSION_END, on_session_end},
    {REC_ROOM_STATE, on_room_state},
    {0, NULL},
};

/*
 * Without its supervisor the keeper has nobody to serve; nor does it go on
 * with one that it does not understand.
 */
static void
on_closed(void *arg, struct channel *ch, int r)
{
	struct keeper *k = arg;

	(void)ch;
	loop_stop(k->life.loop, r == VERR_CLOSED ? 0 : r);
}

const struct channel_ops supervisor_ops = {
    .handlers = supervisor_handlers, .on_closed = on_closed};
