#include "vaultd/supervisor/dispatch.h"

#include "vaultd/supervisor/house.h"
#include "vaultd/supervisor/say.h"
#include "vaultd/supervisor/supervisor.h"

static int
hear_hello(void *arg, const union record *m, int *fd)
{
	struct room_proc *p = arg;

	(void)fd;
	if (p->up)
		return VERR_FORBIDDEN;
	p->up = 1;
	p->hello = m->HELLO;
	say_as(p->who, LOG_INFO, "runs as pid %d; refused %llu acts",
	    (int)p->pid, (unsigned long long)m->HELLO.proofs);
	room_tell_state(p);
	house_progress(p->sup);
	return 0;
}

/*
 * Who has never had a channel to "other" cannot have been wronged by it.  The
 * keeper has one to every room.
 */
static int
has_met(const struct room_proc *p, const struct room_proc *other)
{
	return p->room == ROOM_KEEPER || other->room == ROOM_KEEPER ||
	    joints_have(&p->sup->joints, p, other);
}

/*
 * Of two rooms that disagree, the less trusted one ends, whichever of them
 * complained: no room can have a more trusted one killed, nor one that it was
 * not joined to.  Gate and courier both talk with strangers: the one that is
 * complained of ends, and so does who complains of the other kind too often.
 */
static void
judge(struct room_proc *reporter, struct room_proc *other)
{
	static const int trust[ROOM_COUNT] = {[ROOM_GATE] = 1,
	    [ROOM_COURIER] = 1,
	    [ROOM_DIALER] = 2,
	    [ROOM_LEDGER] = 3,
	    [ROOM_KEEPER] = 4};
	static const unsigned believed[ROOM_COUNT] = {
	    [ROOM_GATE] = 4, [ROOM_COURIER] = 256};
	int more = trust[reporter->room] - trust[other->room];

	if (more >= 0)
		room_kill(other);
	if (more == 0)
		reporter->complaints++;
	if (more < 0 || reporter->complaints > believed[reporter->room])
		room_kill(reporter);
}

static int
hear_offence(void *arg, const union record *m, int *fd)
{
	struct room_proc *p = arg;
	const struct rec_OFFENCE *o = &m->OFFENCE;
	struct room_proc *other;

	(void)fd;
	if (o->room == ROOM_SUPERVISOR || o->room >= ROOM_COUNT)
		return VERR_FORMAT;
	other = room_find(p->sup, (enum room)o->room, (uint32_t)o->number);
	if (other == NULL || other == p)
		return 0;
	if (!has_met(p, other)) {
		say_as(p->who, LOG_ERR,
		    "complains of %s, which it was never joined to",
		    other->who);
		return VERR_FORBIDDEN;
	}
	say_as(p->who, LOG_ERR, "says that %s broke the protocol: %s",
	    other->who, verr_text((int)-o->error));
	judge(p, other);
	return 0;
}

static int
hear_ready(void *arg, const union record *m, int *fd)
{
	struct room_proc *p = arg;
	struct supervisor *s = p->sup;

	(void)fd;
	if (s->loaded)
		return VERR_FORBIDDEN;
	memcpy(s->public_key, m->KEEPER_READY.public_key.p, PUB_KEY);
	s->loaded = 1;
	house_progress(s);
	return 0;
}

static int
hear_refusal(void *arg, const union record *m, int *fd)
{
	struct room_proc *p = arg;

	(void)fd;
	say_text(p->who, LOG_ERR, m->KEEPER_REFUSES.sentence);
	supervisor_stop(p->sup, VAULTD_REFUSED, "the keeper refuses to run");
	return 0;
}

/*
 * An admin has sealed the vault: the keeper ends, and the next one is not given
 * what opens the slots.
 */
static int
hear_seals(void *arg, const union record *m, int *fd)
{
	struct room_proc *p = arg;

	(void)m;
	(void)fd;
	say(LOG_NOTICE, "the vault is sealed by an admin");
	p->sup->stay_sealed = 1;
	channel_put(p->ch, REC_DRAIN, &(const union record){0}, -1);
	return 0;
}

static int
hear_opens(void *arg, const union record *m, int *fd)
{
	struct room_proc *p = arg;

	(void)m;
	(void)fd;
	say(LOG_NOTICE, "the vault is unsealed");
	p->sup->stay_sealed = 0;
	return 0;
}

static int
hear_courier_want(void *arg, const union record *m, int *fd)
{
	struct room_proc *p = arg;

	(void)fd;
	house_start_courier(p->sup, m->COURIER_WANT.want);
	return 0;
}

static int
hear_lane_want(void *arg, const union record *m, int *fd)
{
	struct room_proc *p = arg;
	const struct rec_LANE_WANT *w = &m->LANE_WANT;
	struct room_proc *gate, *other;

	(void)fd;
	if (w->room != ROOM_COURIER && w->room != ROOM_LEDGER)
		return VERR_FORMAT;
	gate = room_find(p->sup, ROOM_GATE, (uint32_t)w->gate);
	other = room_find(p->sup, (enum room)w->room, (uint32_t)w->number);
	/* Where one has just died, the keeper hears of that otherwise. */
	if (gate != NULL && other != NULL)
		house_join(gate, other);
	return 0;
}

static int
hear_texts_done(void *arg, const union record *m, int *fd)
{
	struct room_proc *p = arg;

	(void)fd;
	return texts_answered(p->sup, &m->TEXTS_DONE);
}

static int
hear_closed(void *arg, const union record *m, int *fd)
{
	struct room_proc *p = arg;

	(void)fd;
	return session_closed(p->sup, p->gate, m->CLOSED.session);
}

const struct handler from_rooms[] = {
    {REC_HELLO, hear_hello},
    {REC_OFFENCE, hear_offence},
    {REC_KEEPER_READY, hear_ready},
    {REC_KEEPER_REFUSES, hear_refusal},
    {REC_KEEPER_SEALS, hear_seals},
    {REC_KEEPER_OPENS, hear_opens},
    {REC_COURIER_WANT, hear_courier_want},
    {REC_LANE_WANT, hear_lane_want},
    {REC_TEXTS_DONE, hear_texts_done},
    {REC_CLOSED, hear_closed},
    {0, NULL},
};
