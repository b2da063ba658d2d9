#include "vaultd/supervisor/rooms.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "vaultd/base/start.h"
#include "vaultd/supervisor/dispatch.h"
#include "vaultd/supervisor/house.h"
#include "vaultd/supervisor/say.h"
#include "vaultd/supervisor/starter.h"
#include "vaultd/supervisor/supervisor.h"

#define KILL_AFTER 3000
#define LOG_WINDOW 10000 /* milliseconds */
#define LOG_BURST  200   /* lines of one room in a window */

static const char *
signal_name(int sig)
{
	const char *name = sigabbrev_np(sig);

	return name == NULL ? "?" : name;
}

static void
say_end(const struct room_proc *p)
{
	if (p->code != CLD_EXITED)
		say_as(p->who, LOG_WARNING, "ended by signal %d (SIG%s)",
		    p->status, signal_name(p->status));
	else if (p->status == WALLS_EXIT)
		say_as(p->who, LOG_ERR, "ended: its wall tripped");
	else if (p->status != 0)
		say_as(p->who, LOG_WARNING, "ended with status %d", p->status);
}

/*
 * A room is over when it was reaped and all that it said was heard: what it
 * wrote last says why it ended.
 */
static void
end_if_over(struct room_proc *p)
{
	struct supervisor *s = p->sup;

	if (!p->reaped || p->ch != NULL || p->log.fd >= 0)
		return;
	say_end(p);
	TAILQ_REMOVE(&s->rooms, p, link);
	p->up = 0;
	room_tell_state(p);
	joints_drop(&s->joints, p);
	house_lost(s, p);
	loop_timer_stop(s->loop, &p->kill);
	loop_defer_stop(s->loop, &p->over);
	free(p);
}

static void
on_over(void *arg)
{
	end_if_over(arg);
}

static void
on_exited(void *arg, uint32_t events)
{
	struct room_proc *p = arg;
	siginfo_t si = {0};

	(void)events;
	if (waitid(P_PIDFD, (id_t)p->exited.fd, &si, WEXITED | WNOHANG) != 0 ||
	    si.si_pid == 0)
		return;
	p->reaped = 1;
	p->status = si.si_status;
	p->code = si.si_code;
	loop_remove(p->sup->loop, &p->exited);
	(void)close(p->exited.fd);
	if (loop_timer(p->sup->loop, &p->kill, KILL_AFTER) != 0)
		say_as(p->who, LOG_ERR, "%s", verr_text(VERR_NOMEM));
	end_if_over(p);
}

static void
log_ends(struct room_proc *p)
{
	loop_remove(p->sup->loop, &p->log);
	(void)close(p->log.fd);
	p->log.fd = -1;
}

/*
 * A room that was taken over shall not fill the disk, nor have the journal
 * drop what others say.
 */
static void
say_within_bounds(struct room_proc *p)
{
	uint64_t now = loop_now(p->sup->loop);

	if (now - p->log_since >= LOG_WINDOW) {
		p->log_since = now;
		p->log_lines = 0;
	}
	if (p->log_lines < LOG_BURST)
		say_record(p->who, &p->rec);
	else if (p->log_lines == LOG_BURST)
		say_as(p->who, LOG_WARNING,
		    "says too much: the rest of it is not logged");
	p->log_lines++;
}

static void
on_log(void *arg, uint32_t events)
{
	struct room_proc *p = arg;
	uint8_t *at = (uint8_t *)&p->rec + p->rec_len;
	ssize_t n = read(p->log.fd, at, sizeof(p->rec) - p->rec_len);

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		log_ends(p);
		end_if_over(p);
		return;
	}
	p->rec_len += (size_t)n;
	if (p->rec_len == sizeof(p->rec)) {
		p->rec_len = 0;
		say_within_bounds(p);
	}
}

static void
on_closed(void *arg, struct channel *ch, int r)
{
	struct room_proc *p = arg;

	channel_free(ch);
	p->ch = NULL;
	if (r != VERR_CLOSED) {
		/* The one error that is ours; it has missed a record. */
		say_as(p->who, LOG_ERR,
		    r == VERR_NOMEM ? "cannot be spoken to: %s"
		                    : "broke the protocol: %s",
		    verr_text(r));
		room_kill(p);
	}
	house_unheard(p->sup, p);
	room_expect_end(p);
	end_if_over(p);
}

static void
on_drained(void *arg, struct channel *ch)
{
	struct room_proc *p = arg;

	(void)ch;
	if (p == p->sup->keeper)
		sessions_release(p->sup);
}

static const struct channel_ops room_ops = {
    .handlers = from_rooms,
    .on_closed = on_closed,
    .on_drained = on_drained,
};

/*
 * It is gone, and its channel or its log is not: another room was handed its
 * end.  What is said there is not its word any more.
 */
static void
cut_off(struct room_proc *p)
{
	if (p->log.fd >= 0)
		log_ends(p);
	if (p->ch != NULL)
		on_closed(p, p->ch, VERR_CLOSED);
	else
		end_if_over(p);
}

static void
on_kill_time(void *arg)
{
	struct room_proc *p = arg;

	if (p->reaped) {
		cut_off(p);
		return;
	}
	say_as(p->who, LOG_WARNING, "did not end in time");
	room_kill(p);
}

void
room_expect_end(struct room_proc *p)
{
	if (p->ending)
		return;
	p->ending = 1;
	if (loop_timer(p->sup->loop, &p->kill, KILL_AFTER) != 0)
		room_kill(p);
}

void
room_end(struct room_proc *p)
{
	room_expect_end(p);
	channel_free(p->ch);
	p->ch = NULL;
	/* Not from here: the caller may be walking through the rooms. */
	loop_defer(p->sup->loop, &p->over);
}

void
room_kill(struct room_proc *p)
{
	if (!p->reaped)
		(void)syscall(
		    SYS_pidfd_send_signal, p->exited.fd, SIGKILL, NULL, 0);
}

struct room_proc *
room_find(struct supervisor *s, enum room room, uint32_t number)
{
	struct room_proc *p;

	TAILQ_FOREACH(p, &s->rooms, link)
	if (p->room == room && p->number == number && !p->ending)
		return p;
	return NULL;
}

void
room_tell_state(struct room_proc *p)
{
	struct supervisor *s = p->sup;

	if (s->keeper == NULL || s->keeper->ch == NULL)
		return;
	channel_say(s->keeper->ch, ROOM_STATE, .room = p->room,
	    .number = p->number, .pid = (uint64_t)p->pid, .uid = p->uid,
	    .up = (uint64_t)p->up, .walls = p->hello.walls,
	    .absent = p->hello.absent, .proofs = p->hello.proofs,
	    .starts = s->starts[p->room], .since = p->since);
}

static uint64_t
unix_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void
name_room(struct room_proc *p)
{
	if (p->number == 0)
		(void)snprintf(
		    p->who, sizeof(p->who), "%s", room_name(p->room));
	else
		(void)snprintf(p->who, sizeof(p->who), "%s %u",
		    room_name(p->room), p->number);
}

/*
 * The authorities for a courier: opened for each, as its offset must be its
 * own.  A courier without them logs that.
 */
static int
open_authorities(const struct supervisor *s, enum room room)
{
	if (room != ROOM_COURIER)
		return -1;
	return open(s->config.ca_bundle, O_RDONLY | O_CLOEXEC | O_NOCTTY);
}

static int
order_start(struct supervisor *s, struct room_proc *p, int channel, int log,
    int keeper_end)
{
	int ca = open_authorities(s, p->room);
	int credential = p->room == ROOM_KEEPER ? s->credential_fd : -1;
	struct start_order order = {.room = p->room,
	    .number = p->number,
	    .uid = s->room_uid[p->room],
	    .gid = s->room_gid[p->room],
	    .fds = {channel, log, keeper_end, ca >= 0 ? ca : credential}};
	int r;

	if (s->as_root)
		order.flags |= ROOM_AS_ROOT;
	if (s->config.relaxed)
		order.flags |= ROOM_RELAXED;
	if (p->room == ROOM_KEEPER)
		order.state = s->accepted;
	if (p->room == ROOM_KEEPER && s->stay_sealed)
		order.fds[2] = order.fds[3] = -1;
	if (p->room == ROOM_LEDGER) {
		order.state = s->config.state_dir;
		order.sync = s->config.sync_every ? "every" : "interval";
	}
	r = starter_start(&order, &p->pid, &p->exited.fd);
	if (ca >= 0)
		(void)close(ca);
	return r;
}

/*
 * Begin to hear "p", which has been started.  Its descriptors are p's now.
 */
static int
hear(struct supervisor *s, struct room_proc *p, int channel)
{
	if (channel_new(s->loop, channel, ROOM_SUPERVISOR, p->room, 0,
	        &room_ops, p, &p->ch) != 0)
		return VERR_NOMEM;
	if (loop_add(s->loop, &p->log, EPOLLIN) != 0)
		return VERR_IO;
	if (loop_add(s->loop, &p->exited, EPOLLIN) != 0) {
		loop_remove(s->loop, &p->log);
		return VERR_IO;
	}
	return 0;
}

static void
abandon(struct room_proc *p)
{
	int waiting = p->exited.fd >= 0;

	room_kill(p);
	while (waiting &&
	    waitid(P_PIDFD, (id_t)p->exited.fd, NULL, WEXITED) != 0 &&
	    errno == EINTR)
		;
	if (waiting)
		(void)close(p->exited.fd);
	if (p->log.fd >= 0)
		(void)close(p->log.fd);
	channel_free(p->ch);
	free(p);
}

static struct room_proc *
room_new(struct supervisor *s, enum room room, uint32_t number)
{
	struct room_proc *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	*p = (struct room_proc){.sup = s,
	    .room = room,
	    .number = number,
	    .uid = s->room_uid[room],
	    .exited = {.fd = -1, .on_event = on_exited, .arg = p},
	    .log = {.fd = -1, .on_event = on_log, .arg = p},
	    .kill = {.on_time = on_kill_time, .arg = p},
	    .over = {.run = on_over, .arg = p},
	    .born = loop_now(s->loop),
	    .since = unix_ms()};
	name_room(p);
	return p;
}

int
room_start(struct supervisor *s, enum room room, uint32_t number,
    int keeper_end, struct room_proc **ret)
{
	struct room_proc *p;
	int pair[2] = {-1, -1}, log[2] = {-1, -1}, r = VERR_IO;

	if ((p = room_new(s, room, number)) == NULL)
		return VERR_NOMEM;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0 ||
	    pipe2(log, O_CLOEXEC | O_NONBLOCK) != 0)
		goto out;
	p->log.fd = log[0];
	if ((r = order_start(s, p, pair[1], log[1], keeper_end)) != 0)
		goto out;
	r = hear(s, p, pair[0]);
	pair[0] = -1;
	if (r != 0)
		goto out;
	s->starts[room]++;
	TAILQ_INSERT_TAIL(&s->rooms, p, link);
	*ret = p;
	p = NULL;
	room_tell_state(*ret);
out:
	if (r != 0)
		say_as(
		    p->who, LOG_ERR, "cannot be started: %s", strerror(errno));
	if (p != NULL)
		abandon(p);
	for (int i = 0; i < 2; i++)
		if (pair[i] >= 0)
			(void)close(pair[i]);
	if (log[1] >= 0)
		(void)close(log[1]);
	return r;
}
