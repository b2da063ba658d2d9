#include "vaultd/supervisor/sessions.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "protocol/bytes.h"
#include "vaultd/supervisor/identity.h"
#include "vaultd/supervisor/supervisor.h"

struct session {
	struct supervisor *sup;
	uint64_t number;
	struct gate *gate;
	struct watch peer; /* its pidfd, or -1 */
	int fd;            /* -1 once the gate has it */
	enum face face;
	uint32_t uid, gid, pid;
	LIST_ENTRY(session) by_number, of_gate;
	TAILQ_ENTRY(session) waiting;
};

void
sessions_init(struct supervisor *s)
{
	struct sessions *all = &s->sessions;
	struct timespec ts;

	/* Microseconds of the clock: above all numbers of any run before. */
	(void)clock_gettime(CLOCK_REALTIME, &ts);
	all->next = (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
	TAILQ_INIT(&all->waiting);
	for (size_t i = 0; i < SESSION_BUCKETS; i++)
		LIST_INIT(&all->bucket[i]);
}

int
sessions_admit(size_t most, size_t total, size_t of_uid, int is_admin)
{
	if (!is_admin)
		most -= SESSIONS_KEPT;
	return total < most && of_uid < most / 2;
}

void
session_free(struct session *se)
{
	struct supervisor *s = se->sup;

	LIST_REMOVE(se, by_number);
	LIST_REMOVE(se, of_gate);
	if (se->fd >= 0) {
		TAILQ_REMOVE(&s->sessions.waiting, se, waiting);
		refuse(s, se->fd, se->face, AWAY_NOT_READY);
	}
	if (se->peer.fd >= 0) {
		loop_remove(s->loop, &se->peer);
		(void)close(se->peer.fd);
	}
	s->sessions.count--;
	free(se);
}

static void
tell_end(const struct session *se, struct room_proc *to)
{
	if (to != NULL && to->ch != NULL)
		channel_say(to->ch, SESSION_END, .session = se->number);
}

/*
 * The keeper hears of the end, and the gate has one connection less.
 */
static void
leave(struct session *se)
{
	struct gate *g = se->gate;

	tell_end(se, se->sup->keeper);
	session_free(se);
	gate_left(g);
}

void
session_end(struct session *se)
{
	if (se->fd < 0)
		tell_end(se, se->gate->proc);
	leave(se);
}

static void
on_peer_gone(void *arg, uint32_t events)
{
	(void)events;
	session_end(arg);
}

static void
tell_keeper(struct supervisor *s, const struct session *se, uint32_t gate,
    const struct identity *id)
{
	uint8_t groups[4 * IDENTITY_GROUPS];

	for (size_t i = 0; i < id->ngroups; i++)
		put_le(groups + 4 * i, id->groups[i], 4);
	channel_say(s->keeper->ch, SESSION, .session = se->number, .gate = gate,
	    .face = se->face, .uid = id->uid, .gid = id->gid, .pid = id->pid,
	    .loginuid = id->loginuid, .known = id->known,
	    .groups = slice_of(groups, 4 * id->ngroups),
	    .cgroup = slice_str(id->cgroup), .label = slice_str(id->label));
}

void
session_begin(struct supervisor *s, struct gate *g, const struct identity *id,
    enum face face, int fd, int pidfd)
{
	struct sessions *all = &s->sessions;
	struct session *se;

	gate_joined(g);
	if ((se = calloc(1, sizeof(*se))) == NULL)
		goto out;
	*se = (struct session){.sup = s,
	    .number = all->next++,
	    .gate = g,
	    .peer = {.fd = pidfd, .on_event = on_peer_gone, .arg = se},
	    .fd = fd,
	    .face = face,
	    .uid = id->uid,
	    .gid = id->gid,
	    .pid = id->pid};
	if (pidfd >= 0 && loop_add(s->loop, &se->peer, EPOLLIN) != 0)
		goto out;
	LIST_INSERT_HEAD(
	    &all->bucket[se->number % SESSION_BUCKETS], se, by_number);
	LIST_INSERT_HEAD(&g->sessions, se, of_gate);
	TAILQ_INSERT_TAIL(&all->waiting, se, waiting);
	all->count++;
	tell_keeper(s, se, g->proc->number, id);
	return;
out:
	free(se);
	gate_left(g);
	(void)close(fd);
	if (pidfd >= 0)
		(void)close(pidfd);
}

static void
hand_over(struct session *se)
{
	const union record m = {.CONNECTION = {.session = se->number,
	                            .face = se->face,
	                            .uid = se->uid,
	                            .gid = se->gid,
	                            .pid = se->pid}};
	struct room_proc *p = se->gate->proc;
	int fd = se->fd;

	TAILQ_REMOVE(&se->sup->sessions.waiting, se, waiting);
	se->fd = -1;
	if (p == NULL || p->ch == NULL) {
		(void)close(fd);
		leave(se);
	} else if (channel_send(p->ch, REC_CONNECTION, &m, fd) != 0) {
		/* A gate that takes no more sockets; this one is closed. */
		leave(se);
	}
}

void
sessions_release(struct supervisor *s)
{
	while (!TAILQ_EMPTY(&s->sessions.waiting))
		hand_over(TAILQ_FIRST(&s->sessions.waiting));
	accept_resume(s);
}

int
session_closed(struct supervisor *s, struct gate *g, uint64_t number)
{
	struct session *se;

	LIST_FOREACH(
	    se, &s->sessions.bucket[number % SESSION_BUCKETS], by_number)
	if (se->number == number)
		break;
	/* The end that we have told and the close may have crossed. */
	if (se == NULL)
		return 0;
	if (se->gate != g || g == NULL || se->fd >= 0)
		return VERR_FORBIDDEN;
	leave(se);
	return 0;
}
