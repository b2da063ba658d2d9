#include "vaultd/supervisor/drain.h"

#include "vaultd/supervisor/notify.h"
#include "vaultd/supervisor/pub.h"
#include "vaultd/supervisor/say.h"
#include "vaultd/supervisor/supervisor.h"

#define GATES_MS  10000
#define KEEPER_MS 3000
#define KILL_MS   1000

void
supervisor_stop(struct supervisor *s, int status, const char *why)
{
	say(status == VAULTD_STOPPED ? LOG_INFO : LOG_ERR, "ends: %s", why);
	s->exit_status = status;
	/* No room is missed from here on. */
	s->phase = PHASE_KILL;
	loop_stop(s->loop, 0);
}

static int
any(const struct supervisor *s, enum room room)
{
	const struct room_proc *p;

	TAILQ_FOREACH(p, &s->rooms, link)
	if (p->room == room)
		return 1;
	return 0;
}

static void
enter(struct supervisor *s, enum phase phase, uint64_t within)
{
	s->phase = phase;
	if (loop_timer(s->loop, &s->drain, within) != 0)
		supervisor_stop(s, VAULTD_LOST, verr_text(VERR_NOMEM));
}

static void
kill_all(struct supervisor *s)
{
	struct room_proc *p;

	enter(s, PHASE_KILL, KILL_MS);
	TAILQ_FOREACH(p, &s->rooms, link)
	{
		say_as(p->who, LOG_WARNING, "did not end in time");
		room_kill(p);
	}
}

static void
drain_keeper(struct supervisor *s)
{
	struct room_proc *p;

	enter(s, PHASE_DRAIN_KEEPER, KEEPER_MS);
	TAILQ_FOREACH(p, &s->rooms, link)
	if (p->room == ROOM_GATE)
		room_end(p);
	if (s->keeper != NULL && s->keeper->ch != NULL)
		channel_say(s->keeper->ch, DRAIN, );
	drain_step(s);
}

static void
on_time(void *arg)
{
	struct supervisor *s = arg;

	if (s->phase == PHASE_DRAIN_GATES)
		drain_keeper(s);
	else if (s->phase == PHASE_DRAIN_KEEPER)
		kill_all(s);
	else
		supervisor_stop(
		    s, s->exit_status, "some rooms did not end in time");
}

void
drain_step(struct supervisor *s)
{
	struct room_proc *p, *next;

	if (s->phase == PHASE_DRAIN_GATES && !any(s, ROOM_GATE)) {
		drain_keeper(s);
		return;
	}
	if (TAILQ_EMPTY(&s->rooms)) {
		supervisor_stop(s, s->exit_status, "all rooms have ended");
		return;
	}
	if (s->phase != PHASE_DRAIN_KEEPER || s->keeper != NULL)
		return;
	for (p = TAILQ_FIRST(&s->rooms); p != NULL; p = next) {
		next = TAILQ_NEXT(p, link);
		room_end(p);
	}
}

void
drain_begin(struct supervisor *s, const char *why)
{
	struct room_proc *p;

	if (s->phase > PHASE_SERVING) {
		say(LOG_INFO, "hurries: %s", why);
		on_time(s);
		return;
	}
	notify_send("STOPPING=1\nSTATUS=Draining.");
	say(LOG_INFO, "stopping: %s", why);
	s->ready = 0;
	loop_timer_stop(s->loop, &s->mend);
	s->drain = (struct timer){.on_time = on_time, .arg = s};
	enter(s, PHASE_DRAIN_GATES, GATES_MS);
	accept_stop(s);
	pub_remove(s);
	TAILQ_FOREACH(p, &s->rooms, link)
	if (p->room == ROOM_GATE && p->ch != NULL)
		channel_say(p->ch, DRAIN, );
	drain_step(s);
}
