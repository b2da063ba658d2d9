#include "vaultd/gate/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "vaultd/base/log.h"
#include "vaultd/gate/call.h"
#include "vaultd/gate/stream.h"

#define READ_MIN  4096 /* most requests are shorter */
#define READ_MAX  (32 * 1024)
#define KEEP_CAP  (8 * 1024) /* an empty buffer larger than this is freed */
#define STALL_MS  60000      /* a client takes nothing of what it waits for */
#define GLUT_MS   10000
#define LINGER_MS 2000

static void on_event(void *arg, uint32_t events);
static void on_task(void *arg);
static void on_time(void *arg);

static const struct face_ops *const faces[] = {
    [FACE_FRAMED] = &framed_face, [FACE_HTTP] = &http_face};

static void
say_closed(struct gate *g, uint64_t session)
{
	channel_say(g->life.supervisor, CLOSED, .session = session);
}

int
conn_new(struct gate *g, int fd, const struct rec_CONNECTION *m)
{
	struct conn *c = NULL;

	if (fd < 0)
		return VERR_FORMAT;
	if (m->face >= sizeof(faces) / sizeof(faces[0])) {
		(void)close(fd);
		return VERR_FORMAT;
	}
	if (g->conn_count == GATE_CONNS_MAX ||
	    (c = calloc(1, sizeof(*c))) == NULL)
		goto out;
	c->gate = g;
	c->face = faces[m->face];
	c->session = m->session;
	c->want = READ_MIN;
	c->speaker = (struct ucred){
	    .pid = (pid_t)m->pid, .uid = (uid_t)m->uid, .gid = (gid_t)m->gid};
	c->watch = (struct watch){.fd = fd, .on_event = on_event, .arg = c};
	c->task = (struct task){.run = on_task, .arg = c};
	c->timer = (struct timer){.on_time = on_time, .arg = c};
	c->heard = c->wrote = loop_now(g->life.loop);
	if (c->face->open(c) != 0)
		goto out;
	if (loop_add(g->life.loop, &c->watch, EPOLLIN) != 0) {
		c->face->close(c);
		goto out;
	}
	if ((c->next = g->conns) != NULL)
		c->next->prev = &c->next;
	c->prev = &g->conns;
	g->conns = c;
	g->conn_count++;
	conn_later(c);
	return 0;
out:
	free(c);
	(void)close(fd);
	say_closed(g, m->session);
	return 0;
}

static void
set_glut(struct conn *c, int glut)
{
	struct gate *g = c->gate;

	if (c->glut == glut)
		return;
	c->glut = glut;
	c->glut_at = conn_now(c);
	g->gluts += glut ? 1 : (size_t)-1;
	if (g->keeper == NULL)
		return;
	if (g->gluts > 0)
		channel_pause(g->keeper);
	else
		channel_resume(g->keeper);
}

static void
destroy(struct conn *c)
{
	struct gate *g = c->gate;

	call_cancel_all(c);
	set_glut(c, 0);
	loop_timer_stop(g->life.loop, &c->timer);
	loop_remove(g->life.loop, &c->watch);
	(void)close(c->watch.fd);
	c->face->close(c);
	buf_free(&c->in);
	buf_free(&c->out);
	if ((*c->prev = c->next) != NULL)
		c->next->prev = c->prev;
	g->conn_count--;
	loop_defer_stop(g->life.loop, &c->task);
	say_closed(g, c->session);
	free(c);
	gate_look(g);
}

void
conn_later(struct conn *c)
{
	loop_defer(c->gate->life.loop, &c->task);
}

void
conn_finish(struct conn *c)
{
	if (c->state == CONN_OPEN)
		c->state = CONN_CLOSING;
	conn_later(c);
}

void
conn_drop(struct conn *c)
{
	c->state = CONN_DEAD;
	conn_later(c);
}

uint8_t *
conn_reserve(struct conn *c, size_t n)
{
	uint8_t *p;

	if (buf_reserve(&c->out, n, &p) == 0)
		return p;
	conn_drop(c);
	return NULL;
}

void
conn_grow(struct conn *c, size_t n)
{
	if (buf_used(&c->out) == 0)
		c->wrote = conn_now(c);
	buf_grow(&c->out, n);
	if (buf_used(&c->out) > CONN_OUT_FULL && !c->full) {
		c->full = 1;
		stream_settle_all(c);
	}
	if (buf_used(&c->out) > CONN_OUT_GLUT)
		set_glut(c, 1);
	conn_later(c);
}

/*
 * Judge who spoke, and close what descriptors came.  Returns 0,
 * VERR_FORBIDDEN (descriptors), or VERR_AUTH with the stranger in *ret_pid.
 */
static int
check_control(struct conn *c, struct msghdr *mh, pid_t *ret_pid)
{
	struct ucred cred = {0, (uid_t)-1, (gid_t)-1};
	int descriptors = (mh->msg_flags & MSG_CTRUNC) != 0;

	for (struct cmsghdr *h = CMSG_FIRSTHDR(mh); h != NULL;
	     h = CMSG_NXTHDR(mh, h)) {
		size_t n = h->cmsg_len - CMSG_LEN(0);
		int fd;

		if (h->cmsg_level == SOL_SOCKET &&
		    h->cmsg_type == SCM_CREDENTIALS && n == sizeof(cred))
			memcpy(&cred, CMSG_DATA(h), sizeof(cred));
		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		descriptors = 1;
		for (size_t i = 0; i + sizeof(fd) <= n; i += sizeof(fd)) {
			memcpy(&fd, CMSG_DATA(h) + i, sizeof(fd));
			(void)close(fd);
		}
	}
	if (descriptors)
		return VERR_FORBIDDEN;
	*ret_pid = cred.pid;
	return cred.pid == c->speaker.pid && cred.uid == c->speaker.uid &&
	        cred.gid == c->speaker.gid
	    ? 0
	    : VERR_AUTH;
}

/*
 * Read one message's bytes to "p".  Returns 0, VERR_AGAIN, VERR_CLOSED, or
 * what check_control() says.
 */
static int
receive(struct conn *c, uint8_t *p, size_t *ret_n, pid_t *ret_pid)
{
	/* Exactly one ucred: descriptors then find no place, and are closed. */
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(struct ucred))];
	} control;
	struct iovec iov = {p, c->want};
	struct msghdr mh = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = &control,
	    .msg_controllen = sizeof(control)};
	ssize_t n;

	n = recvmsg(c->watch.fd, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? VERR_AGAIN
		                                         : VERR_CLOSED;
	if (n == 0)
		return VERR_CLOSED;
	*ret_n = (size_t)n;
	return check_control(c, &mh, ret_pid);
}

/*
 * Somebody else holds this connection, too: nothing on it counts any more.
 */
static void
speaker_changed(struct conn *c, pid_t stranger)
{
	static const struct refused why = {.code = REFUSED_SPEAKER};

	log_say(LOG_SPEAKER, c->session, (uint64_t)stranger, 0);
	buf_drop(&c->in, buf_used(&c->in));
	if (c->state == CONN_OPEN)
		c->face->last_word(c, &why);
	conn_finish(c);
}

static void
read_some(struct conn *c)
{
	pid_t stranger = 0;
	size_t n = 0;
	uint8_t *p;
	int r;

	if (buf_reserve(&c->in, c->want, &p) != 0) {
		conn_drop(c);
		return;
	}
	r = receive(c, p, &n, &stranger);
	if (r == VERR_AGAIN)
		return;
	if (r == VERR_CLOSED) {
		c->eof = 1;
	} else if (r == VERR_FORBIDDEN) {
		explicit_bzero(p, n);
		log_say(LOG_DESCRIPTOR, c->session, 0, 0);
		conn_drop(c);
	} else if (c->state != CONN_OPEN) {
		explicit_bzero(p, n);
	} else if (r == VERR_AUTH) {
		explicit_bzero(p, n);
		speaker_changed(c, stranger);
	} else {
		buf_grow(&c->in, n);
		if (n < c->want)
			c->want = READ_MIN;
		else if (c->want < READ_MAX)
			c->want *= 2;
		c->heard = conn_now(c);
	}
}

static void
on_event(void *arg, uint32_t events)
{
	struct conn *c = arg;

	if (events & (EPOLLHUP | EPOLLERR))
		conn_drop(c); /* it is not there to hear any answer */
	else if ((events & EPOLLIN) && !c->eof)
		read_some(c);
	conn_later(c);
}

static void
write_some(struct conn *c)
{
	while (c->state != CONN_DEAD && buf_used(&c->out) > 0) {
		struct iovec iov = {buf_data(&c->out), buf_used(&c->out)};
		struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};
		ssize_t n =
		    sendmsg(c->watch.fd, &mh, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n > 0) {
			buf_drop(&c->out, (size_t)n);
			c->wrote = conn_now(c);
		} else if (errno == EAGAIN) {
			break;
		} else if (errno != EINTR) {
			conn_drop(c);
		}
	}
}

/*
 * After writing: let flow again what was held up.
 */
static void
settle(struct conn *c)
{
	if (buf_used(&c->out) >= CONN_OUT_FULL / 2)
		return;
	set_glut(c, 0);
	if (c->full) {
		c->full = 0;
		stream_settle_all(c);
		conn_later(c);
	}
}

/*
 * All was said: wait for the client to go, since closing over bytes that were
 * not read would reset it before it has read ours.
 */
static void
close_down(struct conn *c)
{
	call_cancel_all(c);
	buf_drop(&c->in, buf_used(&c->in));
	if (buf_used(&c->out) > 0)
		return;
	if (c->eof) {
		conn_drop(c);
	} else if (!c->shut) {
		c->shut = 1;
		c->shut_at = conn_now(c);
		(void)shutdown(c->watch.fd, SHUT_WR);
	}
}

static uint64_t
deadline(const struct conn *c)
{
	uint64_t at = NEVER, face;

	if (buf_used(&c->out) > 0)
		at = c->wrote + STALL_MS;
	if (c->glut && c->glut_at + GLUT_MS < at)
		at = c->glut_at + GLUT_MS;
	if (c->shut)
		at = c->shut_at + LINGER_MS;
	if (c->state == CONN_OPEN && (face = c->face->deadline(c)) < at)
		at = face;
	return at;
}

/*
 * The timer is only ever brought forward; one that comes too early looks again.
 */
static void
set_timer(struct conn *c)
{
	uint64_t at = deadline(c), now = conn_now(c);

	if (at == NEVER || (c->timer.slot != 0 && c->timer.when <= at))
		return;
	if (loop_timer(
	        c->gate->life.loop, &c->timer, at > now ? at - now : 0) != 0)
		conn_drop(c);
}

static void
on_time(void *arg)
{
	struct conn *c = arg;

	if (conn_now(c) >= deadline(c)) {
		if (c->state == CONN_OPEN &&
		    c->face->deadline(c) <= conn_now(c))
			c->face->expire(c);
		else
			conn_drop(c);
	}
	conn_later(c);
}

static void
set_events(struct conn *c)
{
	uint32_t events = 0;

	if (!c->eof && !c->glut && buf_used(&c->in) < CONN_IN_MAX)
		events |= EPOLLIN;
	if (buf_used(&c->out) > 0)
		events |= EPOLLOUT;
	loop_change(c->gate->life.loop, &c->watch, events);
}

static void
trim(struct buf *b)
{
	if (buf_used(b) == 0 && b->cap > KEEP_CAP)
		buf_free(b);
}

static void
on_task(void *arg)
{
	struct conn *c = arg;

	if (c->state == CONN_OPEN)
		c->face->work(c);
	write_some(c);
	if (c->state == CONN_CLOSING)
		close_down(c);
	if (c->state == CONN_DEAD) {
		destroy(c);
		return;
	}
	settle(c);
	trim(&c->in);
	trim(&c->out);
	set_events(c);
	set_timer(c);
	if (c->gate->ending)
		gate_look(c->gate);
}
