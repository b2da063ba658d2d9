/*
 * Who may say what to a gate, and who hears it.  The channel has refused what
 * room.def does not allow; here a record that came on the wrong channel is.
 */
#include "vaultd/gate/call.h"
#include "vaultd/gate/conn.h"
#include "vaultd/gate/gate.h"
#include "vaultd/gate/lane.h"

#define END_MS 1000 /* for the last answers to be taken */

static int
on_peer(void *arg, const union record *m, int *fd)
{
	struct gate *g = arg;
	int own = *fd;

	if (own < 0 ||
	    (m->PEER.room != ROOM_COURIER && m->PEER.room != ROOM_LEDGER))
		return VERR_FORMAT;
	*fd = -1;
	return lane_add(
	    g, (enum room)m->PEER.room, (uint32_t)m->PEER.number, own);
}

static int
on_drain(void *arg, const union record *m, int *fd)
{
	struct gate *g = arg;
	(void)m;
	(void)fd;
	g->draining = g->told = 1;
	for (struct conn *c = g->conns; c != NULL; c = c->next)
		conn_later(c);
	gate_look(g);
	return 0;
}

static int
on_session_end(void *arg, const union record *m, int *fd)
{
	struct gate *g = arg;
	(void)fd;
	for (struct conn *c = g->conns; c != NULL; c = c->next)
		if (c->session == m->SESSION_END.session)
			conn_drop(c);
	return 0;
}

static int
on_connection(void *arg, const union record *m, int *fd)
{
	struct gate *g = arg;
	int own = *fd;

	*fd = -1;
	return conn_new(g, own, &m->CONNECTION);
}

static int
on_row(void *arg, const union record *m, int *fd)
{
	struct gate *g = arg;
	(void)fd;
	return call_row(g, m->ROW.number, m->ROW.json);
}

static int
on_done(void *arg, const union record *m, int *fd)
{
	struct gate *g = arg;
	(void)fd;
	return call_done(g, m->DONE.number, m->DONE.audit, m->DONE.sentence);
}

static int
on_nonce(void *arg, const union record *m, int *fd)
{
	struct gate *g = arg;
	(void)fd;
	return call_nonce(g, m->NONCE.number, m->NONCE.nonce);
}

static int
on_refuse(void *arg, const union record *m, int *fd)
{
	struct gate *g = arg;
	const struct refused why = {.code = (uint32_t)m->REFUSE.refusal,
	    .retry_after = (uint32_t)m->REFUSE.retry_after,
	    .audit = m->REFUSE.audit,
	    .sentence = m->REFUSE.sentence};

	(void)fd;
	return call_refused(g, m->REFUSE.number, &why);
}

static int
on_stream(void *arg, const union record *m, int *fd)
{
	struct gate *g = arg;
	(void)fd;
	return call_stream(g, m->STREAM.number, m->STREAM.audit,
	    (uint32_t)m->STREAM.room, (uint32_t)m->STREAM.peer);
}

static const struct handler from_supervisor[] = {
    {REC_PEER, on_peer},
    {REC_DRAIN, on_drain},
    {REC_SESSION_END, on_session_end},
    {REC_CONNECTION, on_connection},
    {0, NULL},
};

static const struct handler from_keeper[] = {
    {REC_ROW, on_row},
    {REC_DONE, on_done},
    {REC_NONCE, on_nonce},
    {REC_REFUSE, on_refuse},
    {REC_STREAM, on_stream},
    {0, NULL},
};

static void
supervisor_closed(void *arg, struct channel *ch, int r)
{
	struct gate *g = arg;

	(void)ch;
	loop_stop(g->life.loop, r == VERR_CLOSED ? 0 : r);
}

static void
on_end(void *arg)
{
	struct gate *g = arg;

	loop_stop(g->life.loop, 0);
}

/*
 * With nothing left to serve, or with the keeper gone and all written.
 */
static void
look(void *arg)
{
	struct gate *g = arg;

	if (!g->ending && g->conn_count > 0)
		return;
	/* A socket that is on its way here must be answered, not reset. */
	if (g->ending && !g->told)
		return;
	for (struct conn *c = g->conns; c != NULL; c = c->next)
		if (buf_used(&c->out) > 0 || c->task.queued || !c->asked)
			return;
	on_end(g);
}

void
gate_look(struct gate *g)
{
	g->end_task.run = look;
	g->end_task.arg = g;
	if (g->draining)
		loop_defer(g->life.loop, &g->end_task);
}

/*
 * What is under way will not be answered any more, and no new thing either.
 */
static void
keeper_closed(void *arg, struct channel *ch, int r)
{
	struct gate *g = arg;

	if (r != VERR_CLOSED)
		room_report(&g->life, ROOM_KEEPER, 0, r);
	channel_free(ch);
	g->keeper = NULL;
	g->draining = g->ending = 1;
	call_refuse_all(g);
	for (struct conn *c = g->conns; c != NULL; c = c->next)
		conn_later(c);
	g->end_timer = (struct timer){.on_time = on_end, .arg = g};
	if (loop_timer(g->life.loop, &g->end_timer, END_MS) != 0)
		on_end(g);
	gate_look(g);
}

const struct channel_ops gate_supervisor_ops = {
    .handlers = from_supervisor, .on_closed = supervisor_closed};

const struct channel_ops gate_keeper_ops = {
    .handlers = from_keeper, .on_closed = keeper_closed};
