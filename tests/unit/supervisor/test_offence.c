/* Whose word is believed when a room is said to have broken the rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vaultd/supervisor/dispatch.h"
#include "vaultd/supervisor/house.h"
#include "vaultd/supervisor/supervisor.h"

enum { KEEPER, LEDGER, DIALER, COURIER_1, COURIER_2, GATE_1, GATE_2, ALL };

static const struct {
	enum room room;
	uint32_t number;
} who[ALL] = {{ROOM_KEEPER, 0}, {ROOM_LEDGER, 0}, {ROOM_DIALER, 0},
    {ROOM_COURIER, 1}, {ROOM_COURIER, 2}, {ROOM_GATE, 1}, {ROOM_GATE, 2}};

static struct supervisor S;
static struct room_proc rooms[ALL];

static int
begin(void **state)
{
	(void)state;
	memset(&S, 0, sizeof(S));
	memset(rooms, 0, sizeof(rooms));
	TAILQ_INIT(&S.rooms);
	for (size_t i = 0; i < ALL; i++) {
		struct room_proc *p = &rooms[i];

		p->sup = &S;
		p->room = who[i].room;
		p->number = who[i].number;
		(void)snprintf(p->who, sizeof(p->who), "%s %u",
		    room_name(p->room), p->number);
		if ((p->pid = fork()) == 0)
			for (;;)
				(void)pause();
		p->exited.fd = (int)syscall(SYS_pidfd_open, p->pid, 0);
		if (p->exited.fd < 0)
			return -1;
		TAILQ_INSERT_TAIL(&S.rooms, p, link);
	}
	house_join(&rooms[COURIER_1], &rooms[DIALER]);
	house_join(&rooms[GATE_1], &rooms[COURIER_1]);
	house_join(&rooms[GATE_1], &rooms[LEDGER]);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	for (size_t i = 0; i < ALL; i++) {
		(void)kill(rooms[i].pid, SIGKILL);
		(void)waitpid(rooms[i].pid, NULL, 0);
		(void)close(rooms[i].exited.fd);
		joints_drop(&S.joints, &rooms[i]);
	}
	return 0;
}

static int
complain(int reporter, int offender)
{
	const union record m = {.OFFENCE = {.room = rooms[offender].room,
	                            .number = rooms[offender].number,
	                            .error = -VERR_FORMAT}};
	const struct handler *h = from_rooms;
	int fd = -1;

	while (h->type != REC_OFFENCE)
		h++;
	return h->handle(&rooms[reporter], &m, &fd);
}

static int
is_killed(int room)
{
	siginfo_t si = {0};

	assert_int_equal(
	    waitid(P_PID, (id_t)rooms[room].pid, &si, WEXITED | WNOWAIT), 0);
	return si.si_pid == rooms[room].pid && si.si_status == SIGKILL;
}

static int
lives(int room)
{
	siginfo_t si = {0};

	assert_int_equal(waitid(P_PID, (id_t)rooms[room].pid, &si,
	                     WEXITED | WNOWAIT | WNOHANG),
	    0);
	return si.si_pid == 0;
}

/* What the channel does with a handler's error is kill the speaker. */
static void
rooms_offence_of_a_stranger_is_the_reporters(void **state)
{
	static const int pairs[][2] = {{COURIER_1, GATE_2}, {COURIER_2, GATE_1},
	    {COURIER_2, GATE_2}, {DIALER, GATE_1}, {DIALER, COURIER_2},
	    {LEDGER, COURIER_1}, {LEDGER, GATE_2}, {GATE_2, COURIER_1}};

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		assert_int_equal(
		    complain(pairs[i][0], pairs[i][1]), VERR_FORBIDDEN);
	(void)usleep(50000);
	for (int i = 0; i < ALL; i++)
		assert_true(lives(i));
}

static void
rooms_offence_of_a_joined_room_ends_the_less_trusted(void **state)
{
	(void)state;
	assert_int_equal(complain(COURIER_1, DIALER), 0);
	assert_true(is_killed(COURIER_1));
	assert_int_equal(complain(KEEPER, GATE_2), 0);
	assert_true(is_killed(GATE_2));
	assert_int_equal(complain(LEDGER, KEEPER), 0);
	assert_true(is_killed(LEDGER));
	assert_true(lives(KEEPER));
	assert_true(lives(DIALER));
	assert_true(lives(COURIER_2));
}

/* Either may be the one that lies, and gets no further by it. */
static void
rooms_offence_of_gate_or_courier_is_believed_for_a_time(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(complain(GATE_1, COURIER_1), 0);
	assert_true(is_killed(COURIER_1));
	assert_true(lives(GATE_1));
	assert_int_equal(complain(GATE_1, COURIER_1), 0);
	assert_true(is_killed(GATE_1));
	house_join(&rooms[GATE_2], &rooms[COURIER_2]);
	for (int i = 0; i < 256; i++)
		assert_int_equal(complain(COURIER_2, GATE_2), 0);
	assert_true(is_killed(GATE_2));
	assert_true(lives(COURIER_2));
	assert_int_equal(complain(COURIER_2, GATE_2), 0);
	assert_true(is_killed(COURIER_2));
}

static void
rooms_offence_after_a_joint_is_dropped(void **state)
{
	(void)state;
	joints_drop(&S.joints, &rooms[GATE_1]);
	assert_int_equal(complain(COURIER_1, GATE_1), VERR_FORBIDDEN);
	assert_int_equal(complain(LEDGER, GATE_1), VERR_FORBIDDEN);
	assert_true(lives(GATE_1));
	assert_int_equal(complain(DIALER, COURIER_1), 0);
	assert_true(is_killed(COURIER_1));
	/* About one that has gone, and of whom nothing is known any more. */
	rooms[GATE_1].ending = 1;
	assert_int_equal(complain(LEDGER, GATE_1), 0);
	assert_true(lives(LEDGER));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
	        rooms_offence_of_a_stranger_is_the_reporters, begin, end),
	    cmocka_unit_test_setup_teardown(
	        rooms_offence_of_a_joined_room_ends_the_less_trusted, begin,
	        end),
	    cmocka_unit_test_setup_teardown(
	        rooms_offence_of_gate_or_courier_is_believed_for_a_time, begin,
	        end),
	    cmocka_unit_test_setup_teardown(
	        rooms_offence_after_a_joint_is_dropped, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
