#include "vaultd/supervisor/house.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vaultd/supervisor/drain.h"
#include "vaultd/supervisor/notify.h"
#include "vaultd/supervisor/pub.h"
#include "vaultd/supervisor/say.h"
#include "vaultd/supervisor/supervisor.h"

#define BACKOFF_MIN  100
#define BACKOFF_MAX  5000
#define LIVED_LONG   10000 /* milliseconds; a death is then a new one */
#define COURIERS_MAX 256

static int
is_core(enum room room)
{
	return room == ROOM_KEEPER || room == ROOM_LEDGER ||
	    room == ROOM_DIALER;
}

static struct room_proc **
place_of(struct supervisor *s, enum room room)
{
	return room == ROOM_KEEPER ? &s->keeper
	    : room == ROOM_LEDGER  ? &s->ledger
	                           : &s->dialer;
}

static void
give_peer(
    struct room_proc *to, const struct room_proc *peer, uint64_t want, int fd)
{
	const union record m = {
	    .PEER = {.room = peer->room, .number = peer->number, .want = want}};

	if (to->ch != NULL)
		channel_put(to->ch, REC_PEER, &m, fd);
	else
		(void)close(fd);
}

void
house_join(struct room_proc *a, struct room_proc *b)
{
	int pair[2];

	if (joints_add(&a->sup->joints, a, b) != 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
		say(LOG_ERR, "%s and %s cannot be joined: %s", a->who, b->who,
		    strerror(errno));
		return;
	}
	give_peer(a, b, 0, pair[0]);
	give_peer(b, a, 0, pair[1]);
}

/*
 * Start a room with a channel to the keeper.
 */
static int
start_with_keeper(struct supervisor *s, enum room room, uint32_t number,
    uint64_t want, struct room_proc **ret)
{
	struct room_proc *p;
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
		say(LOG_ERR, "no channel to the keeper for a new %s: %s",
		    room_name(room), strerror(errno));
		return VERR_IO;
	}
	if ((r = room_start(s, room, number, pair[1], &p)) == 0) {
		give_peer(s->keeper, p, want, pair[0]);
		*ret = p;
	} else {
		(void)close(pair[0]);
	}
	(void)close(pair[1]);
	return r;
}

int
house_start_gate(struct supervisor *s, struct gate *g)
{
	struct room_proc *p;
	int r;

	if ((r = start_with_keeper(s, ROOM_GATE, s->next_gate, 0, &p)) != 0)
		return r;
	s->next_gate++;
	g->proc = p;
	p->gate = g;
	return 0;
}

void
house_start_courier(struct supervisor *s, uint64_t want)
{
	struct room_proc *p;

	if (s->couriers == COURIERS_MAX) {
		say(LOG_ERR, "there are %d couriers already", COURIERS_MAX);
		return;
	}
	if (start_with_keeper(s, ROOM_COURIER, s->next_courier, want, &p) != 0)
		return;
	s->next_courier++;
	s->couriers++;
	if (s->dialer != NULL)
		house_join(p, s->dialer);
}

static void
tell_all(struct supervisor *s)
{
	struct room_proc *p;

	channel_say(s->keeper->ch, ROOM_STATE, .room = ROOM_SUPERVISOR,
	    .pid = (uint64_t)s->pid, .uid = s->room_uid[ROOM_SUPERVISOR],
	    .up = 1, .walls = s->walls.up, .absent = s->walls.absent,
	    .proofs = s->walls.proofs, .starts = 1, .since = s->since);
	TAILQ_FOREACH(p, &s->rooms, link)
	if (!p->ending)
		room_tell_state(p);
}

static int
start_keeper(struct supervisor *s)
{
	int r;

	if ((r = room_start(s, ROOM_KEEPER, 0, s->key_fd, &s->keeper)) != 0)
		return r;
	tell_all(s);
	texts_to_new_keeper(s);
	return 0;
}

static int
start_core(struct supervisor *s, enum room room)
{
	struct room_proc *p;
	int r;

	if (room == ROOM_KEEPER)
		return start_keeper(s);
	if ((r = start_with_keeper(s, room, 0, 0, place_of(s, room))) != 0)
		return r;
	if (room != ROOM_DIALER)
		return 0;
	TAILQ_FOREACH(p, &s->rooms, link)
	if (p->room == ROOM_COURIER && !p->ending)
		house_join(p, s->dialer);
	return 0;
}

static void
delay_start(struct supervisor *s, enum room room, uint64_t lived)
{
	struct backoff *b = &s->backoff[room];

	if (lived > LIVED_LONG || b->delay == 0)
		b->delay = BACKOFF_MIN;
	else
		b->delay =
		    b->delay * 2 > BACKOFF_MAX ? BACKOFF_MAX : b->delay * 2;
	b->not_before = loop_now(s->loop) + b->delay;
	say(LOG_WARNING, "the %s is started again in %llu ms", room_name(room),
	    (unsigned long long)b->delay);
}

/*
 * Ledger and dialer end by themselves, and well, where the keeper did: that
 * is no death of theirs.
 */
static void
back_off(struct supervisor *s, const struct room_proc *p)
{
	if (p->room != ROOM_KEEPER && p->code == CLD_EXITED && p->status == 0)
		s->backoff[p->room].not_before =
		    loop_now(s->loop) + BACKOFF_MIN;
	else
		delay_start(s, p->room, loop_now(s->loop) - p->born);
}

static void
refuse_to_start(struct supervisor *s)
{
	supervisor_stop(
	    s, VAULTD_REFUSED, "refuses to start, for the reason above");
}

/*
 * May "room" be started: are those gone that it must not meet, and is there
 * the one that it needs?
 */
static int
may_start(const struct supervisor *s, enum room room)
{
	if (room == ROOM_KEEPER)
		return s->ledger == NULL && s->dialer == NULL;
	return s->keeper != NULL && s->keeper->ch != NULL;
}

/*
 * Start what is missing and may be started by now; come back for the rest.
 */
static void
mend(struct supervisor *s)
{
	static const enum room core[] = {ROOM_KEEPER, ROOM_LEDGER, ROOM_DIALER};
	uint64_t now = loop_now(s->loop), next = 0;

	if (s->phase > PHASE_SERVING)
		return;
	for (size_t i = 0; i < sizeof(core) / sizeof(core[0]); i++) {
		struct backoff *b = &s->backoff[core[i]];

		if (*place_of(s, core[i]) != NULL || !may_start(s, core[i]))
			continue;
		if (now >= b->not_before && start_core(s, core[i]) == 0)
			continue;
		if (s->phase == PHASE_FIRST_START) {
			refuse_to_start(s);
			return;
		}
		if (now >= b->not_before)
			delay_start(s, core[i], 0);
		if (next == 0 || b->not_before < next)
			next = b->not_before;
	}
	if (next != 0 && loop_timer(s->loop, &s->mend, next - now) != 0)
		supervisor_stop(s, VAULTD_LOST, verr_text(VERR_NOMEM));
}

static void
on_mend(void *arg)
{
	mend(arg);
}

void
house_begin(struct supervisor *s)
{
	s->mend = (struct timer){.on_time = on_mend, .arg = s};
	mend(s);
}

static void
keeper_is_gone(struct supervisor *s)
{
	struct room_proc *p;

	if (s->ready)
		notify_send("STATUS=The keeper restarts.");
	s->ready = s->loaded = 0;
	gates_forget(s);
	TAILQ_FOREACH(p, &s->rooms, link)
	room_expect_end(p);
}

void
house_unheard(struct supervisor *s, struct room_proc *p)
{
	if (p == s->keeper)
		keeper_is_gone(s);
}

void
house_lost(struct supervisor *s, struct room_proc *p)
{
	if (p->room == ROOM_COURIER)
		s->couriers--;
	if (p->gate != NULL)
		gate_lost(p->gate);
	if (is_core(p->room) && *place_of(s, p->room) == p)
		*place_of(s, p->room) = NULL;
	if (s->phase > PHASE_SERVING) {
		drain_step(s);
		return;
	}
	if (!is_core(p->room))
		return;
	if (s->phase == PHASE_FIRST_START) {
		refuse_to_start(s);
		return;
	}
	back_off(s, p);
	mend(s);
}

/*
 * With write(2) itself: stdio would first ask what stdout is.
 */
static void
greet(const struct supervisor *s)
{
	const char *folder = s->config.socket_dir;
	char *text;
	int n;

	if (s->dev == NULL)
		return;
	n = asprintf(&text,
	    "vaultd is ready; its sockets are in %s.  Try:\n"
	    "    %s/vaultctl --socket %s/vaultd.sock status\n",
	    folder, s->program, folder);
	if (n < 0)
		return;
	if (write(STDOUT_FILENO, text, (size_t)n) < 0)
		say(LOG_INFO, "its sockets are in %s", folder);
	free(text);
}

static int
is_up(const struct room_proc *p)
{
	return p != NULL && p->up;
}

void
house_progress(struct supervisor *s)
{
	if (s->ready || !s->loaded || s->phase > PHASE_SERVING)
		return;
	if (!is_up(s->keeper) || !is_up(s->ledger) || !is_up(s->dialer))
		return;
	/* The file of the keeper before this one, with the same key, stays. */
	if (pub_write(s) != 0 && s->phase == PHASE_FIRST_START) {
		refuse_to_start(s);
		return;
	}
	s->ready = 1;
	notify_send("READY=1\nSTATUS=Serving.");
	say(LOG_INFO, "ready");
	if (s->phase == PHASE_FIRST_START)
		greet(s);
	s->phase = PHASE_SERVING;
	accept_resume(s);
}
