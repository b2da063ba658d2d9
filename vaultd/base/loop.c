#include "vaultd/base/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BATCH         64
#define WAIT_FOR_EVER -1

struct loop {
	int epoll;
	int running;
	int result;
	uint64_t now;
	struct epoll_event batch[BATCH];
	int batch_len, batch_pos;
	struct timer **heap; /* from 1; the earliest first */
	size_t heap_len, heap_cap;
	struct task *tasks, **tasks_tail;
};

static uint64_t
boottime_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

int
loop_new(struct loop **ret)
{
	struct loop *l;

	if ((l = calloc(1, sizeof(*l))) == NULL)
		return VERR_NOMEM;
	if ((l->epoll = epoll_create1(EPOLL_CLOEXEC)) < 0) {
		free(l);
		return VERR_IO;
	}
	l->now = boottime_ms();
	l->tasks_tail = &l->tasks;
	*ret = l;
	return 0;
}

void
loop_free(struct loop *l)
{
	if (l == NULL)
		return;
	(void)close(l->epoll);
	free(l->heap);
	free(l);
}

int
loop_add(struct loop *l, struct watch *w, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = w};

	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, w->fd, &ev) != 0)
		return VERR_IO;
	w->events = events;
	return 0;
}

void
loop_change(struct loop *l, struct watch *w, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = w};

	if (w->events == events)
		return;
	(void)epoll_ctl(l->epoll, EPOLL_CTL_MOD, w->fd, &ev);
	w->events = events;
}

void
loop_remove(struct loop *l, struct watch *w)
{
	(void)epoll_ctl(l->epoll, EPOLL_CTL_DEL, w->fd, NULL);
	/* Events of it that were already fetched must not be delivered. */
	for (int i = l->batch_pos; i < l->batch_len; i++)
		if (l->batch[i].data.ptr == w)
			l->batch[i].data.ptr = NULL;
}

static void
heap_put(struct loop *l, size_t slot, struct timer *t)
{
	l->heap[slot] = t;
	t->slot = slot;
}

static void
heap_up(struct loop *l, size_t slot)
{
	struct timer *t = l->heap[slot];

	while (slot > 1 && l->heap[slot / 2]->at > t->at) {
		heap_put(l, slot, l->heap[slot / 2]);
		slot /= 2;
	}
	heap_put(l, slot, t);
}

static void
heap_down(struct loop *l, size_t slot)
{
	struct timer *t = l->heap[slot];

	for (;;) {
		size_t child = slot * 2;

		if (child > l->heap_len)
			break;
		if (child < l->heap_len &&
		    l->heap[child + 1]->at < l->heap[child]->at)
			child++;
		if (l->heap[child]->at >= t->at)
			break;
		heap_put(l, slot, l->heap[child]);
		slot = child;
	}
	heap_put(l, slot, t);
}

int
loop_timer(struct loop *l, struct timer *t, uint64_t after)
{
	uint64_t due = boottime_ms() + after;
	struct timer **heap;
	size_t cap;

	/* Most are put off again and again, and rarely run out. */
	if (t->slot != 0 && due >= t->at) {
		t->when = due;
		return 0;
	}
	loop_timer_stop(l, t);
	if (l->heap_len + 1 >= l->heap_cap) {
		cap = l->heap_cap == 0 ? 64 : l->heap_cap * 2;
		heap = realloc(l->heap, cap * sizeof(struct timer *));
		if (heap == NULL)
			return VERR_NOMEM;
		l->heap = heap;
		l->heap_cap = cap;
	}
	t->at = t->when = due;
	l->heap[++l->heap_len] = t;
	heap_up(l, l->heap_len);
	return 0;
}

void
loop_timer_stop(struct loop *l, struct timer *t)
{
	size_t slot = t->slot;
	struct timer *last;

	if (slot == 0)
		return;
	t->slot = 0;
	last = l->heap[l->heap_len--];
	if (last == t)
		return;
	heap_put(l, slot, last);
	heap_up(l, slot);
	heap_down(l, last->slot);
}

void
loop_defer(struct loop *l, struct task *t)
{
	if (t->queued)
		return;
	t->queued = 1;
	t->next = NULL;
	*l->tasks_tail = t;
	l->tasks_tail = &t->next;
}

void
loop_defer_stop(struct loop *l, struct task *t)
{
	struct task **at = &l->tasks;

	if (!t->queued)
		return;
	while (*at != NULL && *at != t)
		at = &(*at)->next;
	if (*at == t) {
		*at = t->next;
		if (l->tasks_tail == &t->next)
			l->tasks_tail = at;
	}
	t->queued = 0;
}

uint64_t
loop_now(const struct loop *l)
{
	return l->now;
}

static void
run_tasks(struct loop *l)
{
	struct task *t;

	while ((t = l->tasks) != NULL) {
		l->tasks = t->next;
		if (l->tasks == NULL)
			l->tasks_tail = &l->tasks;
		t->queued = 0;
		t->run(t->arg);
	}
}

static void
run_timers(struct loop *l)
{
	while (l->heap_len > 0 && l->heap[1]->at <= l->now) {
		struct timer *t = l->heap[1];

		if (t->at < t->when) {
			t->at = t->when;
			heap_down(l, 1);
			continue;
		}
		loop_timer_stop(l, t);
		t->on_time(t->arg);
	}
}

static int
wait_ms(const struct loop *l)
{
	uint64_t now = boottime_ms();

	if (l->heap_len == 0)
		return WAIT_FOR_EVER;
	if (l->heap[1]->at <= now)
		return 0;
	return l->heap[1]->at - now > 60000 ? 60000
	                                    : (int)(l->heap[1]->at - now);
}

int
loop_run(struct loop *l)
{
	l->running = 1;
	run_tasks(l);
	while (l->running) {
		int n = epoll_wait(l->epoll, l->batch, BATCH, wait_ms(l));

		if (n < 0 && errno != EINTR)
			return VERR_IO;
		l->now = boottime_ms();
		l->batch_len = n < 0 ? 0 : n;
		for (l->batch_pos = 0; l->batch_pos < l->batch_len;) {
			struct epoll_event *ev = &l->batch[l->batch_pos++];
			struct watch *w = ev->data.ptr;

			if (w != NULL)
				w->on_event(w->arg, ev->events);
		}
		l->batch_len = 0;
		run_timers(l);
		run_tasks(l);
	}
	return l->result;
}

void
loop_stop(struct loop *l, int r)
{
	l->running = 0;
	l->result = r;
}
