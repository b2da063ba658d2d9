#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "vaultd/base/loop.h"

#define MANY 200

static struct loop *l;
static int fired[MANY * 2], nfired;

static int
setup(void **state)
{
	(void)state;
	nfired = 0;
	return loop_new(&l);
}

static int
teardown(void **state)
{
	(void)state;
	loop_free(l);
	return 0;
}

static void
stop(void *arg)
{
	(void)arg;
	loop_stop(l, 7);
}

static void
run_for(uint64_t ms)
{
	struct timer end = {.on_time = stop};

	assert_int_equal(loop_timer(l, &end, ms), 0);
	assert_int_equal(loop_run(l), 7);
}

/* A thing that notes its number when it is called. */
struct thing {
	struct timer timer;
	struct task task;
	int number;
	void (*also)(struct thing *t);
};

static struct thing things[MANY];

static void
note(void *arg)
{
	struct thing *t = arg;

	fired[nfired++] = t->number;
	if (t->also != NULL)
		t->also(t);
}

static void
make_things(void)
{
	for (int i = 0; i < MANY; i++)
		things[i] = (struct thing){.number = i,
		    .timer = {.on_time = note, .arg = &things[i]},
		    .task = {.run = note, .arg = &things[i]}};
}

static void
rooms_loop_timers_in_order(void **state)
{
	unsigned seed = 3;

	(void)state;
	make_things();
	/* Twice each, so that heaps are bent in the middle, too. */
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < MANY; i++) {
			seed = seed * 1103515245 + 12345;
			assert_int_equal(loop_timer(l, &things[i].timer,
			                     5 + (seed >> 16) % 40),
			    0);
		}
	for (int i = 0; i < MANY; i += 3)
		loop_timer_stop(l, &things[i].timer);
	loop_timer_stop(l, &things[0].timer); /* not set: a no-op */
	run_for(60);
	assert_int_equal(nfired, MANY - (MANY + 2) / 3);
	for (int i = 0; i < nfired; i++) {
		assert_int_not_equal(fired[i] % 3, 0);
		assert_int_equal(things[fired[i]].timer.slot, 0);
		if (i > 0)
			assert_true(things[fired[i - 1]].timer.when <=
			    things[fired[i]].timer.when);
	}
}

static void
stop_next_timer(struct thing *t)
{
	loop_timer_stop(l, &things[t->number + 1].timer);
}

static void
again_once(struct thing *t)
{
	t->also = NULL;
	assert_int_equal(loop_timer(l, &t->timer, 1), 0);
}

static void
rooms_loop_timers_change_timers(void **state)
{
	static const int expected[] = {0, 2, 2};

	(void)state;
	make_things();
	things[0].also = stop_next_timer;
	things[2].also = again_once;
	for (int i = 0; i < 3; i++)
		assert_int_equal(
		    loop_timer(l, &things[i].timer, (uint64_t)i + 1), 0);
	usleep(5000); /* all are due in one round */
	run_for(20);
	assert_int_equal(nfired, 3);
	assert_memory_equal(fired, expected, sizeof(expected));
}

static void
rooms_loop_timers_are_put_off_and_brought_forward(void **state)
{
	static const int expected[] = {1, 0, 2};

	(void)state;
	make_things();
	for (uint64_t i = 0; i < 3; i++)
		assert_int_equal(loop_timer(l, &things[i].timer, i + 1), 0);
	assert_int_equal(loop_timer(l, &things[0].timer, 4), 0);
	assert_int_equal(loop_timer(l, &things[2].timer, 60000), 0);
	usleep(10000); /* in their order, though all is late */
	run_for(20);
	assert_int_equal(nfired, 2);
	assert_true(things[2].timer.when > loop_now(l) + 50000);
	assert_int_equal(loop_timer(l, &things[2].timer, 1), 0);
	run_for(20);
	assert_int_equal(nfired, 3);
	assert_memory_equal(fired, expected, sizeof(expected));
}

static void
cancel_two_and_again(struct thing *t)
{
	loop_defer_stop(l, &things[2].task);
	loop_defer_stop(l, &things[4].task);
	loop_defer(l, &things[5].task);
	loop_defer(l, &t->task); /* of its own: once more */
	t->also = NULL;
}

static void
rooms_loop_tasks_once_each(void **state)
{
	static const int expected[] = {0, 1, 3, 5, 1};

	(void)state;
	make_things();
	things[1].also = cancel_two_and_again;
	for (int i = 0; i < 5; i++) {
		loop_defer(l, &things[i].task);
		loop_defer(l, &things[i].task);
	}
	loop_defer_stop(l, &things[7].task); /* not queued: a no-op */
	run_for(0);
	assert_int_equal(nfired, 5);
	assert_memory_equal(fired, expected, sizeof(expected));
	/* The end of the list was cut off and grew again. */
	loop_defer(l, &things[6].task);
	loop_defer_stop(l, &things[6].task);
	loop_defer(l, &things[8].task);
	run_for(0);
	assert_int_equal(nfired, 6);
	assert_int_equal(fired[5], 8);
}

/* Descriptors that are all ready at once; the first callback takes the others
 * away, and puts one of them back with another meaning. */
static struct watch watches[3];
static int pipes[3][2], seen[3];

static void
on_ready(void *arg, uint32_t events)
{
	struct watch *w = arg;

	assert_true(events & EPOLLIN);
	seen[w - watches]++;
	for (int i = 0; i < 3; i++)
		loop_remove(l, &watches[i]);
}

static void
rooms_loop_removed_watch_is_silent(void **state)
{
	int total = 0;

	(void)state;
	memset(seen, 0, sizeof(seen));
	for (int i = 0; i < 3; i++) {
		assert_int_equal(pipe(pipes[i]), 0);
		assert_int_equal(write(pipes[i][1], "x", 1), 1);
		watches[i] = (struct watch){.fd = pipes[i][0],
		    .on_event = on_ready,
		    .arg = &watches[i]};
		assert_int_equal(loop_add(l, &watches[i], EPOLLIN), 0);
	}
	run_for(5);
	for (int i = 0; i < 3; i++) {
		total += seen[i];
		close(pipes[i][0]);
		close(pipes[i][1]);
	}
	assert_int_equal(total, 1);
}

static void
count(void *arg, uint32_t events)
{
	(void)events;
	++*(int *)arg;
}

static void
rooms_loop_change_of_events(void **state)
{
	int calls = 0, before;
	struct watch w = {.on_event = count, .arg = &calls};

	(void)state;
	assert_int_equal(pipe(pipes[0]), 0);
	assert_int_equal(write(pipes[0][1], "x", 1), 1);
	w.fd = pipes[0][0];
	assert_int_equal(loop_add(l, &w, 0), 0);
	run_for(2);
	assert_int_equal(calls, 0);
	loop_change(l, &w, EPOLLIN);
	run_for(2);
	before = calls;
	assert_true(before > 0);
	loop_change(l, &w, 0);
	run_for(2);
	assert_int_equal(calls, before);
	loop_remove(l, &w);
	close(pipes[0][0]);
	close(pipes[0][1]);
	w.fd = 1023;
	assert_int_equal(loop_add(l, &w, EPOLLIN), VERR_IO);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(rooms_loop_timers_in_order),
	    T(rooms_loop_timers_change_timers),
	    T(rooms_loop_timers_are_put_off_and_brought_forward),
	    T(rooms_loop_tasks_once_each),
	    T(rooms_loop_removed_watch_is_silent),
	    T(rooms_loop_change_of_events),
	};

	return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
