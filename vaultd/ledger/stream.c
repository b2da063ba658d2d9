#include "vaultd/ledger/stream.h"

#include <stdlib.h>
#include <unistd.h>

#define PER_GATE  8     /* under way or waiting for their other half */
#define PER_ROOM  128   /* of all gates */
#define ATTACH_MS 10000 /* for the other half to come */

static void on_closed(void *arg, struct channel *ch, int r);
static void on_drained(void *arg, struct channel *ch);
static void say_fail(struct stream *s);

static const struct channel_ops channel_ops = {
    .on_closed = on_closed, .on_drained = on_drained};

static void
stream_free(struct stream *s)
{
	struct stream **at = &s->ledger->streams;

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	s->ledger->nstreams--;
	loop_timer_stop(s->ledger->life.loop, &s->wait);
	channel_free(s->ch);
	free(s);
}

/*
 * Tell whose it is, and free it.
 */
static void
lose(struct stream *s, int r)
{
	const struct stream_ops *ops = s->over ? NULL : s->ops;
	void *arg = s->arg;

	stream_free(s);
	if (ops != NULL)
		ops->gone(arg, r);
}

static void
on_wait_time(void *arg)
{
	lose(arg, VERR_TIMEOUT);
}

static struct stream *
find(const struct ledger *l, uint32_t gate, uint64_t number)
{
	struct stream *s = l->streams;

	while (s != NULL && (s->gate != gate || s->number != number))
		s = s->next;
	return s;
}

/*
 * One half has come, and waits for the other.
 */
static int
stream_new(
    struct ledger *l, uint32_t gate, uint64_t number, struct stream **ret)
{
	struct stream *s;
	size_t n = 0;

	for (s = l->streams; s != NULL; s = s->next)
		n += s->gate == gate;
	if (n >= PER_GATE || l->nstreams >= PER_ROOM)
		return VERR_BUSY;
	if ((s = calloc(1, sizeof(*s))) == NULL)
		return VERR_NOMEM;
	s->ledger = l;
	s->gate = gate;
	s->number = number;
	s->wait = (struct timer){.on_time = on_wait_time, .arg = s};
	if (loop_timer(l->life.loop, &s->wait, ATTACH_MS) != 0) {
		free(s);
		return VERR_NOMEM;
	}
	s->next = l->streams;
	l->streams = s;
	l->nstreams++;
	*ret = s;
	return 0;
}

int
stream_order(struct ledger *l, uint32_t gate, uint64_t number,
    const struct stream_ops *ops, void *arg, struct stream **ret)
{
	struct stream *s = find(l, gate, number);
	int r;

	if (s != NULL && s->ops != NULL)
		return VERR_FORBIDDEN;
	if (s == NULL && (r = stream_new(l, gate, number, &s)) != 0)
		return r;
	s->ops = ops;
	s->arg = arg;
	*ret = s;
	return 0;
}

void
stream_begin(struct stream *s)
{
	if (s->ch == NULL)
		return;
	loop_timer_stop(s->ledger->life.loop, &s->wait);
	channel_hear(s->ch, s->ops->handlers);
	channel_resume(s->ch);
	s->ops->start(s->arg);
}

int
stream_open(struct ledger *l, uint32_t gate, uint64_t number, int fd)
{
	struct stream *s = find(l, gate, number);

	if (s != NULL && s->ch != NULL) {
		(void)close(fd);
		return VERR_EXISTS;
	}
	if (s == NULL && stream_new(l, gate, number, &s) != 0) {
		(void)close(fd); /* which the gate sees */
		return 0;
	}
	/* It may hold this end, too, and set it to wait, or read it empty
	 * before us: not even then does a channel that takes descriptors. */
	if (channel_new(l->life.loop, fd, ROOM_LEDGER, ROOM_GATE,
	        CHANNEL_TAKES_FD, &channel_ops, s, &s->ch) != 0) {
		lose(s, VERR_NOMEM);
		return 0;
	}
	channel_pause(s->ch);
	if (s->over)
		say_fail(s);
	else if (s->ops != NULL)
		stream_begin(s);
	return 0;
}

int
stream_full(const struct stream *s)
{
	return channel_queued(s->ch) > QUEUE_MAX;
}

int
stream_data(struct stream *s, const uint8_t *p, size_t n)
{
	return channel_send(s->ch, REC_DATA,
	    &(const union record){.DATA.bytes = slice_of(p, n)}, -1);
}

void
stream_end(struct stream *s)
{
	s->over = 1;
	s->arg = NULL;
	channel_put(s->ch, REC_END, &(const union record){0}, -1);
}

static void
say_fail(struct stream *s)
{
	channel_say(s->ch, FAIL, .refusal = s->refusal,
	    .sentence = slice_str(s->sentence));
}

void
stream_fail(struct stream *s, uint32_t refusal, const char *sentence)
{
	s->over = 1;
	s->arg = NULL;
	s->refusal = refusal;
	s->sentence = sentence;
	if (s->ch != NULL)
		say_fail(s);
}

void
stream_drop_gate(struct ledger *l, uint32_t gate)
{
	struct stream *s, *next;

	for (s = l->streams; s != NULL; s = next) {
		next = s->next;
		if (s->gate == gate)
			lose(s, VERR_CLOSED);
	}
}

static void
on_closed(void *arg, struct channel *ch, int r)
{
	struct stream *s = arg;

	(void)ch;
	if (r != VERR_CLOSED)
		room_report(&s->ledger->life, ROOM_GATE, s->gate, r);
	lose(s, VERR_CLOSED);
}

static void
on_drained(void *arg, struct channel *ch)
{
	struct stream *s = arg;

	(void)ch;
	if (s->over)
		stream_free(s);
	else if (s->ops != NULL)
		s->ops->drained(s->arg);
}
