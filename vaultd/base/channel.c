#include "vaultd/base/channel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "protocol/bytes.h"
#include "vaultd/base/buf.h"

#define READ_MIN  4096 /* few records are longer */
#define READ_MAX  65536
#define OUT_KEEP  65536 /* an empty buffer larger than this is freed */
#define LATE_MAX  32768 /* of records that are in no hurry */
#define FD_QUEUE  64 /* descriptors come and not yet claimed, or to be sent */
#define PER_ROUND 64 /* records of one peer before others have their turn */

struct pending_fd {
	int fd;
	size_t at; /* offset in the queue of the record it goes with */
};

struct channel {
	struct loop *loop;
	struct watch watch;
	struct task flush, more;
	struct timer late; /* for what is queued and in no hurry */
	enum room self, peer;
	unsigned flags;
	const struct channel_ops *ops;
	const struct handler *handlers;
	void *arg;
	struct buf in, out;
	size_t want; /* how much to read at once: as much as comes */
	int in_fds[FD_QUEUE];
	size_t in_nfds;
	struct pending_fd out_fds[FD_QUEUE];
	size_t out_nfds;
	int paused, failed;
	int ended;  /* nothing more will be read; why, a VERR_* */
	int closed; /* on_closed() was called */
	int *alive; /* set to 0 by channel_free() while a handler runs */
};

static void on_event(void *arg, uint32_t events);
static void on_flush(void *arg);
static void on_more(void *arg);
static void on_late(void *arg);
static void flush_now(struct channel *ch);

int
channel_new(struct loop *l, int fd, enum room self, enum room peer,
    unsigned flags, const struct channel_ops *ops, void *arg,
    struct channel **ret)
{
	struct channel *ch;

	if ((ch = calloc(1, sizeof(*ch))) == NULL) {
		(void)close(fd);
		return VERR_NOMEM;
	}
	*ch = (struct channel){.loop = l,
	    .self = self,
	    .peer = peer,
	    .flags = flags,
	    .ops = ops,
	    .handlers = ops->handlers,
	    .arg = arg,
	    .want = READ_MIN,
	    .watch = {.fd = fd, .on_event = on_event, .arg = ch},
	    .flush = {.run = on_flush, .arg = ch},
	    .more = {.run = on_more, .arg = ch},
	    .late = {.on_time = on_late, .arg = ch}};
	if (loop_add(l, &ch->watch, EPOLLIN) != 0) {
		(void)close(fd);
		free(ch);
		return VERR_IO;
	}
	*ret = ch;
	return 0;
}

void
channel_free(struct channel *ch)
{
	if (ch == NULL)
		return;
	if (ch->alive != NULL)
		*ch->alive = 0;
	loop_defer_stop(ch->loop, &ch->flush);
	loop_defer_stop(ch->loop, &ch->more);
	loop_timer_stop(ch->loop, &ch->late);
	if (!ch->ended)
		loop_remove(ch->loop, &ch->watch);
	(void)close(ch->watch.fd);
	for (size_t i = 0; i < ch->in_nfds; i++)
		(void)close(ch->in_fds[i]);
	for (size_t i = 0; i < ch->out_nfds; i++)
		(void)close(ch->out_fds[i].fd);
	buf_free(&ch->in);
	buf_free(&ch->out);
	free(ch);
}

/*
 * Nothing more will be read or written; what was read is still handed over.
 */
static void
end(struct channel *ch, int r)
{
	if (ch->ended)
		return;
	ch->ended = r;
	loop_remove(ch->loop, &ch->watch);
	loop_defer(ch->loop, &ch->more);
}

/*
 * The peer is lost for us: said once, and from the loop, never from inside a
 * call of the room's.
 */
static void
lose(struct channel *ch, int r)
{
	if (ch->closed)
		return;
	end(ch, r);
	ch->closed = 1;
	ch->ops->on_closed(ch->arg, ch, r);
}

/*
 * We cannot keep up our side: a record is missing from the stream.
 */
static void
fail(struct channel *ch)
{
	ch->failed = 1;
	loop_defer(ch->loop, &ch->flush);
}

static void
want_events(struct channel *ch)
{
	uint32_t ev = 0;

	if (ch->ended)
		return;
	if (!ch->paused)
		ev |= EPOLLIN;
	if (buf_used(&ch->out) > 0)
		ev |= EPOLLOUT;
	loop_change(ch->loop, &ch->watch, ev);
}

int
channel_takes_fd(struct channel *ch)
{
	if (ch->out_nfds == FD_QUEUE)
		flush_now(ch);
	return ch->ended || ch->out_nfds < FD_QUEUE;
}

static int
queue(struct channel *ch, uint16_t type, const union record *m, int fd)
{
	const struct record_info *info = record_info(type);
	size_t at, size;
	uint8_t *p;
	int r, ok;

	size = record_size(type, m, &ok);
	if (!ok) {
		r = VERR_TOOBIG;
		goto out;
	}
	if (ch->ended) {
		r = 0;
		goto out;
	}
	if (fd >= 0 && (!info->descriptor || !channel_takes_fd(ch))) {
		r = VERR_BUSY;
		goto out;
	}
	at = buf_used(&ch->out);
	if ((r = buf_reserve(&ch->out, RECORD_HEADER + size, &p)) != 0)
		goto out;
	put_le(p, size, 4);
	put_le(p + 4, type, 2);
	put_le(p + 6, fd >= 0, 2);
	record_encode(type, m, p + RECORD_HEADER);
	buf_grow(&ch->out, RECORD_HEADER + size);
	if (fd >= 0)
		ch->out_fds[ch->out_nfds++] = (struct pending_fd){fd, at};
	return 0;
out:
	if (fd >= 0)
		(void)close(fd);
	return r;
}

int
channel_send(struct channel *ch, uint16_t type, const union record *m, int fd)
{
	int r = queue(ch, type, m, fd);

	if (r == 0)
		loop_defer(ch->loop, &ch->flush);
	return r;
}

void
channel_put_late(
    struct channel *ch, uint16_t type, const union record *m, uint64_t ms)
{
	if (queue(ch, type, m, -1) != 0)
		fail(ch);
	else if (buf_used(&ch->out) > LATE_MAX)
		loop_defer(ch->loop, &ch->flush);
	else if (ch->late.slot == 0 && loop_timer(ch->loop, &ch->late, ms) != 0)
		loop_defer(ch->loop, &ch->flush);
}

static void
on_late(void *arg)
{
	struct channel *ch = arg;

	loop_defer(ch->loop, &ch->flush);
}

void
channel_put(struct channel *ch, uint16_t type, const union record *m, int fd)
{
	if (channel_send(ch, type, m, fd) != 0)
		fail(ch);
}

/*
 * Write the next stretch: up to the next descriptor, or from it.
 */
static ssize_t
write_some(struct channel *ch)
{
	struct iovec iov = {buf_data(&ch->out), buf_used(&ch->out)};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {.space = {0}};
	int with_fd = ch->out_nfds > 0 && ch->out_fds[0].at == 0;
	size_t next = with_fd ? 1 : 0;
	ssize_t n;

	if (with_fd) {
		struct cmsghdr *c = &control.align;

		mh.msg_control = &control;
		mh.msg_controllen = sizeof(control);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &ch->out_fds[0].fd, sizeof(int));
	}
	if (next < ch->out_nfds && ch->out_fds[next].at < iov.iov_len)
		iov.iov_len = ch->out_fds[next].at;
	n = sendmsg(ch->watch.fd, &mh, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n <= 0)
		return n;
	if (with_fd) {
		(void)close(ch->out_fds[0].fd);
		memmove(&ch->out_fds[0], &ch->out_fds[1],
		    --ch->out_nfds * sizeof(ch->out_fds[0]));
	}
	for (size_t i = 0; i < ch->out_nfds; i++)
		ch->out_fds[i].at -= (size_t)n;
	buf_drop(&ch->out, (size_t)n);
	return n;
}

/*
 * Drop what was queued: its reader is gone.
 */
static void
drop_queue(struct channel *ch)
{
	for (size_t i = 0; i < ch->out_nfds; i++)
		(void)close(ch->out_fds[i].fd);
	ch->out_nfds = 0;
	buf_drop(&ch->out, buf_used(&ch->out));
}

static void
flush_now(struct channel *ch)
{
	while (!ch->ended && buf_used(&ch->out) > 0) {
		if (write_some(ch) > 0 || errno == EINTR)
			continue;
		/* What a dead peer said before it went is still to be read. */
		if (errno == EPIPE || errno == ECONNRESET)
			drop_queue(ch);
		else if (errno != EAGAIN)
			fail(ch);
		break;
	}
}

void
channel_flush(struct channel *ch)
{
	if (!ch->failed)
		flush_now(ch);
}

static void
on_flush(void *arg)
{
	struct channel *ch = arg;

	if (ch->closed)
		return;
	if (ch->failed) {
		lose(ch, VERR_NOMEM);
		return;
	}
	flush_now(ch);
	want_events(ch);
	if (buf_used(&ch->out) == 0 && ch->out.cap > OUT_KEEP)
		buf_free(&ch->out);
	if (buf_used(&ch->out) == 0 && ch->ops->on_drained != NULL)
		ch->ops->on_drained(ch->arg, ch);
}

/*
 * Take the descriptor out of the control messages.  CMSG_SPACE() rounds up, so
 * two may come where there should be room for one: all are ours to close.
 * Returns 0 or VERR_FORMAT.
 */
static int
keep_fd(struct channel *ch, struct msghdr *mh)
{
	int r = (mh->msg_flags & MSG_CTRUNC) ? VERR_FORMAT : 0, fd, kept = -1;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c != NULL;
	     c = CMSG_NXTHDR(mh, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			return VERR_FORMAT;
		for (size_t at = CMSG_LEN(0); at < c->cmsg_len;
		     at += sizeof(fd)) {
			memcpy(&fd, (uint8_t *)c + at, sizeof(fd));
			if (kept >= 0 || ch->in_nfds == FD_QUEUE) {
				(void)close(fd);
				r = VERR_FORMAT;
			} else {
				kept = fd;
			}
		}
	}
	if (r != 0 && kept >= 0)
		(void)close(kept);
	else if (kept >= 0)
		ch->in_fds[ch->in_nfds++] = kept;
	return r;
}

/*
 * Most channels carry little at a time and are many; those that carry much
 * should not do it in small pieces.
 */
static void
learn_size(struct channel *ch, size_t came)
{
	if (came == ch->want && ch->want < READ_MAX)
		ch->want *= 2;
	else if (came < ch->want / 4 && ch->want > READ_MIN)
		ch->want /= 2;
}

/*
 * Read what there is.  Returns 0, VERR_AGAIN, VERR_CLOSED or another error.
 */
static int
read_some(struct channel *ch)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = {NULL, ch->want};
	struct msghdr mh = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = &control,
	    .msg_controllen = sizeof(control)};
	uint8_t *p;
	ssize_t n;
	int r;

	if ((r = buf_reserve(&ch->in, ch->want, &p)) != 0)
		return r;
	iov.iov_base = p;
	if (ch->flags & CHANNEL_TAKES_FD)
		n = recvmsg(ch->watch.fd, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	else
		n = read(ch->watch.fd, p, ch->want);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? VERR_AGAIN
		                                         : VERR_CLOSED;
	if (n == 0)
		return VERR_CLOSED;
	if ((ch->flags & CHANNEL_TAKES_FD) && (r = keep_fd(ch, &mh)) != 0) {
		explicit_bzero(p, (size_t)n);
		return r;
	}
	buf_grow(&ch->in, (size_t)n);
	learn_size(ch, (size_t)n);
	return 0;
}

static const struct handler *
handler_of(const struct channel *ch, uint16_t type)
{
	const struct handler *h = ch->handlers;

	while (h != NULL && h->handle != NULL && h->type != type)
		h++;
	return h == NULL || h->handle == NULL ? NULL : h;
}

/*
 * Find the record at the head of the buffer.  Returns 0 with it in *m, or
 * VERR_AGAIN if it has not come whole, or the offence.
 */
static int
next_record(struct channel *ch, const struct handler **ret_handler,
    size_t *ret_len, size_t *ret_nfds, union record *m)
{
	const uint8_t *p = buf_data(&ch->in);
	size_t used = buf_used(&ch->in), len, nfds;
	const struct record_info *info;

	if (used < RECORD_HEADER)
		return VERR_AGAIN;
	len = (size_t)get_le(p, 4);
	nfds = (size_t)get_le(p + 6, 2);
	if ((info = record_info((uint16_t)get_le(p + 4, 2))) == NULL)
		return VERR_UNKNOWN;
	if (!(info->from & (1U << ch->peer)) || !(info->to & (1U << ch->self)))
		return VERR_FORBIDDEN;
	*ret_handler = handler_of(ch, info->type);
	if (*ret_handler == NULL)
		return VERR_FORBIDDEN;
	if (len > info->max)
		return VERR_TOOBIG;
	if (nfds > (size_t)info->descriptor || nfds > ch->in_nfds)
		return VERR_FORMAT;
	if (used - RECORD_HEADER < len)
		return VERR_AGAIN;
	*ret_len = len;
	*ret_nfds = nfds;
	return record_decode(info->type, p + RECORD_HEADER, len, m);
}

/*
 * Hand over one record.  Returns 0, VERR_AGAIN, or the offence; *alive is 0 if
 * the handler freed the channel.
 */
static int
admit_one(struct channel *ch, int *alive)
{
	const struct handler *handler = NULL;
	size_t len = 0, nfds = 0;
	union record m;
	int r, fd = -1;

	if ((r = next_record(ch, &handler, &len, &nfds, &m)) != 0)
		return r;
	if (nfds == 1) {
		fd = ch->in_fds[0];
		memmove(&ch->in_fds[0], &ch->in_fds[1],
		    --ch->in_nfds * sizeof(ch->in_fds[0]));
	}
	ch->alive = alive;
	r = handler->handle(ch->arg, &m, &fd);
	if (fd >= 0)
		(void)close(fd);
	if (!*alive)
		return 0;
	ch->alive = NULL;
	buf_drop(&ch->in, RECORD_HEADER + len);
	/* A descriptor without a record is nobody's. */
	if (r == 0 && buf_used(&ch->in) == 0 && ch->in_nfds > 0)
		return VERR_FORMAT;
	return r;
}

/*
 * Hand over what has come, a bounded number at a time.
 */
static void
admit(struct channel *ch)
{
	int r = 0, alive = 1;

	for (int i = 0; i < PER_ROUND && r == 0; i++) {
		/* A pause holds records back, not that there will be none. */
		if (ch->closed ||
		    (ch->paused && (!ch->ended || buf_used(&ch->in) > 0)))
			return;
		r = admit_one(ch, &alive);
		if (!alive)
			return;
	}
	if (buf_used(&ch->in) == 0 && ch->in.cap > 4 * ch->want)
		buf_free(&ch->in);
	if (r == 0)
		loop_defer(ch->loop, &ch->more);
	else if (r != VERR_AGAIN)
		lose(ch, r);
	else if (ch->ended)
		lose(ch, ch->ended);
}

static void
on_more(void *arg)
{
	admit(arg);
}

static void
on_event(void *arg, uint32_t events)
{
	struct channel *ch = arg;
	int r;

	if (events & EPOLLOUT)
		loop_defer(ch->loop, &ch->flush);
	if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	r = read_some(ch);
	if (r != 0 && r != VERR_AGAIN)
		end(ch, r);
	else
		admit(ch);
}

void
channel_hear(struct channel *ch, const struct handler *handlers)
{
	ch->handlers = handlers;
}

void
channel_pump(struct channel *ch)
{
	int r, alive = 1;

	/* Inside its own handler: what follows comes in turn. */
	if (ch->alive != NULL || ch->closed)
		return;
	while (!ch->paused) {
		r = admit_one(ch, &alive);
		if (!alive)
			return;
		if (r == VERR_AGAIN) {
			if (ch->ended || (r = read_some(ch)) == VERR_AGAIN)
				return;
			if (r != 0)
				end(ch, r);
		} else if (r != 0) {
			lose(ch, r);
			return;
		}
	}
}

size_t
channel_queued(const struct channel *ch)
{
	return buf_used(&ch->out);
}

void
channel_pause(struct channel *ch)
{
	ch->paused = 1;
	want_events(ch);
}

void
channel_resume(struct channel *ch)
{
	if (!ch->paused)
		return;
	ch->paused = 0;
	want_events(ch);
	loop_defer(ch->loop, &ch->more);
}
