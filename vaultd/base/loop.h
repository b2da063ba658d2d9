/*
 * loop - epoll, timers and deferred work: the one place where a room waits.
 *
 * Single-threaded.  Callbacks may add and remove anything, themselves too.
 */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "protocol/verr.h"

struct loop;

/* A descriptor to wait for.  The caller owns the struct and the descriptor. */
struct watch {
	int fd;
	uint32_t events; /* EPOLLIN, EPOLLOUT; kept by the loop */
	void (*on_event)(void *arg, uint32_t events);
	void *arg;
};

/* A point in time.  The caller owns the struct; zeroed is "not set". */
struct timer {
	void (*on_time)(void *arg);
	void *arg;
	uint64_t when; /* loop_now(), milliseconds */
	uint64_t at;   /* when the loop looks at it: not later */
	size_t slot;   /* in the loop's heap, from 1; 0: not set */
};

/* Work for the end of this round, once however often it was asked for. */
struct task {
	void (*run)(void *arg);
	void *arg;
	struct task *next;
	int queued;
};

/*
 * Returns 0, VERR_NOMEM or VERR_IO.
 */
MUST_CHECK
int loop_new(struct loop **ret);
void loop_free(struct loop *l);

/*
 * Begin to wait for "events" on w->fd.  Returns 0 or VERR_IO.
 */
MUST_CHECK
int loop_add(struct loop *l, struct watch *w, uint32_t events);

/*
 * Wait for other events; a no-op if they are the same.
 */
void loop_change(struct loop *l, struct watch *w, uint32_t events);

/*
 * Stop waiting; no callback of "w" runs any more.  Before close(w->fd).
 */
void loop_remove(struct loop *l, struct watch *w);

/*
 * Call t->on_time once, "after" milliseconds from now, instead of any earlier
 * setting.  Returns 0 or VERR_NOMEM.
 */
MUST_CHECK
int loop_timer(struct loop *l, struct timer *t, uint64_t after);
void loop_timer_stop(struct loop *l, struct timer *t);

/*
 * Run "t" at the end of this round.
 */
void loop_defer(struct loop *l, struct task *t);
void loop_defer_stop(struct loop *l, struct task *t);

/*
 * Milliseconds of CLOCK_BOOTTIME, as of the start of this round.
 */
uint64_t loop_now(const struct loop *l);

/*
 * Wait and call back until loop_stop().  Returns its argument, or VERR_IO.
 */
int loop_run(struct loop *l);
void loop_stop(struct loop *l, int r);

#endif /* BASE_LOOP_H */
