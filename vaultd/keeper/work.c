#include "vaultd/keeper/work.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define THREADS   2
#define QUEUE_MAX 256

static struct {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct work *todo, **todo_tail;
	struct work *finished, **finished_tail;
	size_t queued;
	int started; /* threads that have come as far as waiting for work */
	struct watch wake; /* an eventfd: something has finished */
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER};

static void
append(struct work ***tail, struct work *w)
{
	w->next = NULL;
	**tail = w;
	*tail = &w->next;
}

static struct work *
take(struct work **head, struct work ***tail)
{
	struct work *w = *head;

	if (w != NULL && (*head = w->next) == NULL)
		*tail = head;
	return w;
}

static void *
thread(void *arg)
{
	const uint64_t one = 1;
	struct work *w;

	(void)arg;
	(void)pthread_mutex_lock(&pool.lock);
	pool.started++;
	(void)pthread_cond_broadcast(&pool.more);
	for (;;) {
		while ((w = take(&pool.todo, &pool.todo_tail)) == NULL)
			(void)pthread_cond_wait(&pool.more, &pool.lock);
		(void)pthread_mutex_unlock(&pool.lock);
		w->run(w);
		(void)pthread_mutex_lock(&pool.lock);
		append(&pool.finished_tail, w);
		if (write(pool.wake.fd, &one, sizeof(one)) < 0)
			continue; /* full: the loop is awake anyway */
	}
	return NULL;
}

static void
on_finished(void *arg, uint32_t events)
{
	uint64_t count;
	struct work *w;

	(void)arg;
	(void)events;
	if (read(pool.wake.fd, &count, sizeof(count)) < 0)
		return;
	for (;;) {
		(void)pthread_mutex_lock(&pool.lock);
		w = take(&pool.finished, &pool.finished_tail);
		if (w != NULL)
			pool.queued--;
		(void)pthread_mutex_unlock(&pool.lock);
		if (w == NULL)
			return;
		w->done(w);
	}
}

int
work_start(struct loop *l)
{
	pthread_attr_t attr;
	pthread_t id;
	int r = 0;

	pool.todo_tail = &pool.todo;
	pool.finished_tail = &pool.finished;
	pool.wake.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	pool.wake.on_event = on_finished;
	if (pool.wake.fd < 0 || loop_add(l, &pool.wake, EPOLLIN) != 0)
		return VERR_IO;
	if (pthread_attr_init(&attr) != 0)
		return VERR_NOMEM;
	(void)pthread_attr_setstacksize(&attr, 256 * 1024);
	for (int i = 0; i < THREADS && r == 0; i++)
		r = pthread_create(&id, &attr, thread, NULL);
	(void)pthread_attr_destroy(&attr);
	/* A thread on its first steps makes calls that the filter, which is
	 * next, does not know. */
	(void)pthread_mutex_lock(&pool.lock);
	while (r == 0 && pool.started < THREADS)
		(void)pthread_cond_wait(&pool.more, &pool.lock);
	(void)pthread_mutex_unlock(&pool.lock);
	return r == 0 ? 0 : VERR_NOMEM;
}

int
work_queue(struct work *w)
{
	int r = VERR_BUSY;

	(void)pthread_mutex_lock(&pool.lock);
	if (pool.queued < QUEUE_MAX) {
		pool.queued++;
		append(&pool.todo_tail, w);
		(void)pthread_cond_signal(&pool.more);
		r = 0;
	}
	(void)pthread_mutex_unlock(&pool.lock);
	return r;
}
