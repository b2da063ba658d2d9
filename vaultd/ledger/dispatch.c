#include <stdlib.h>
#include <unistd.h>

#include "vaultd/ledger/stream.h"

/* The channel to one gate, on which it opens streams. */
struct lane {
	struct ledger *ledger;
	struct lane *next;
	uint32_t gate;
	struct channel *ch;
};

/*
 * Leave at the end of this round: nothing is then under way, and what was said
 * last is written.
 */
static void
on_end(void *arg)
{
	struct ledger *l = arg;

	append_flush(l);
	audit_close(l->audit);
	store_close(l->store);
	_exit(0);
}

static void
finish(struct ledger *l)
{
	l->end.run = on_end;
	l->end.arg = l;
	loop_defer(l->life.loop, &l->end);
}

static void
lane_free(struct lane *lane)
{
	struct lane **at = &lane->ledger->lanes;

	while (*at != lane)
		at = &(*at)->next;
	*at = lane->next;
	stream_drop_gate(lane->ledger, lane->gate);
	channel_free(lane->ch);
	free(lane);
}

static int
on_open(void *arg, const union record *m, int *fd)
{
	struct lane *lane = arg;
	int stream = *fd;

	if (stream < 0)
		return VERR_FORMAT;
	*fd = -1;
	return stream_open(lane->ledger, lane->gate, m->OPEN.number, stream);
}

static const struct handler from_gate[] = {{REC_OPEN, on_open}, {0, NULL}};

static void
lane_closed(void *arg, struct channel *ch, int r)
{
	struct lane *lane = arg;

	(void)ch;
	if (r != VERR_CLOSED)
		room_report(&lane->ledger->life, ROOM_GATE, lane->gate, r);
	lane_free(lane);
}

static const struct channel_ops lane_ops = {
    .handlers = from_gate, .on_closed = lane_closed};

/*
 * The supervisor joins us to a gate; its number never comes twice.
 */
static int
on_peer(void *arg, const union record *m, int *fd)
{
	struct ledger *l = arg;
	struct lane *lane;
	int peer = *fd;

	if (m->PEER.room != ROOM_GATE || peer < 0)
		return VERR_FORMAT;
	if ((lane = calloc(1, sizeof(*lane))) == NULL)
		return VERR_NOMEM;
	*fd = -1;
	lane->ledger = l;
	lane->gate = (uint32_t)m->PEER.number;
	if (channel_new(l->life.loop, peer, ROOM_LEDGER, ROOM_GATE,
	        CHANNEL_TAKES_FD, &lane_ops, lane, &lane->ch) != 0) {
		free(lane);
		return VERR_NOMEM;
	}
	lane->next = l->lanes;
	l->lanes = lane;
	return 0;
}

/* What may be said to the ledger, and who does it. */
static const struct handler from_supervisor[] = {
    {REC_PEER, on_peer}, {0, NULL}};
static const struct handler from_keeper[] = {
    {REC_APPEND, on_append},
    {REC_COMMIT, on_commit},
    {REC_FETCH, on_fetch},
    {REC_QUERY, on_query},
    {REC_REPLAY, on_replay},
    {REC_SNAPSHOT, on_snapshot},
    {REC_STAGE, on_stage},
    {REC_STAGE_READ, on_stage_read},
    {REC_STAGE_DROP, on_stage_drop},
    {0, NULL},
};

static void
keeper_drained(void *arg, struct channel *ch)
{
	(void)ch;
	rows_load(arg);
	replay_resume(arg);
	stage_resume(arg);
}

static void
supervisor_closed(void *arg, struct channel *ch, int r)
{
	(void)ch, (void)r;
	finish(arg);
}

/*
 * A keeper that breaks the rules is told on; without one there is nothing to
 * do here.
 */
static void
keeper_closed(void *arg, struct channel *ch, int r)
{
	struct ledger *l = arg;

	(void)ch;
	if (r != VERR_CLOSED)
		room_report(&l->life, ROOM_KEEPER, 0, r);
	finish(l);
}

const struct channel_ops supervisor_ops = {
    .handlers = from_supervisor, .on_closed = supervisor_closed};
const struct channel_ops keeper_ops = {.handlers = from_keeper,
    .on_closed = keeper_closed,
    .on_drained = keeper_drained};
