/*
 * One stream carries one request after another, and nothing in between.
 */
#include "tests/unit/courier/house.h"

/* The supervisor hears that the gate broke the rules. */
static void
assert_offence(int error)
{
	const struct heard *h = hear(house.courier.supervisor);

	assert_int_equal(h->type, REC_OFFENCE);
	assert_int_equal(h->m.OFFENCE.room, ROOM_GATE);
	assert_int_equal(h->m.OFFENCE.error, -error);
}

static void
rooms_streams_carry_one_request_after_another(void **state)
{
	struct errand e = {.target = "/stream?bytes=10", .keep = 1};

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(errand_run(&e)->length, 10);
		e.on = e.stream;
	}
	e = (struct errand){.method = "POST",
	    .target = "/upload",
	    .body = BODY_LENGTH,
	    .length = 100000,
	    .on = e.stream,
	    .keep = 1};
	assert_int_equal(errand_run(&e)->status, 200);
	assert_int_equal(
	    upstream_number("int(last().header('content-length'))"), 100000);
	e = (struct errand){.target = "/stream?bytes=1", .on = e.stream};
	assert_int_equal(errand_run(&e)->length, 1);
}

/* NEXT may come before the keeper's order, and its body with it. */
static void
rooms_streams_wait_for_their_next_order(void **state)
{
	struct errand first = {.target = "/stream?bytes=10", .keep = 1},
	              next = {.method = "POST",
	                  .target = "/upload",
	                  .body = BODY_LENGTH,
	                  .length = 5};
	uint64_t number;

	(void)state;
	assert_int_equal(errand_run(&first)->status, 200);
	number = first.order + 1;
	SAY(first.stream, NEXT, .number = number);
	SAY(first.stream, BODY, .bytes = slice_of(pattern(), 5));
	say(first.stream, REC_BODY_END, &(const union record){0}, -1);
	next.on = -1; /* said already */
	errand_start(&next);
	assert_int_equal(next.order, number);
	assert_int_equal(hear(first.stream)->m.HEAD.status, 200);
	(void)close(first.stream);
	while (hear(house.courier.keeper)->type != REC_ORDER_DONE)
		;
}

/* An answer may end before its request's body has. */
static void
rooms_streams_rest_when_both_bodies_have_ended(void **state)
{
	struct errand e = {.method = "POST",
	    .server = "early",
	    .target = "/early",
	    .body = BODY_LENGTH,
	    .length = 10,
	    .keep = 1};

	(void)state;
	errand_start(&e);
	assert_int_equal(errand_end(&e)->status, 413);
	SAY(e.stream, BODY, .bytes = slice_of(pattern(), 10));
	say(e.stream, REC_BODY_END, &(const union record){0}, -1);
	e = (struct errand){.target = "/stream?bytes=3", .on = e.stream};
	assert_int_equal(errand_run(&e)->length, 3);
}

static void
hostile_streams_speak_in_turn_or_not_at_all(void **state)
{
	struct errand e = {.target = "/hold"};

	(void)state;
	/* NEXT while an answer is awaited. */
	errand_start(&e);
	SAY(e.stream, NEXT, .number = 1 << 21);
	assert_offence(VERR_FORBIDDEN);
	assert_int_equal(errand_end(&e)->done.error, -VERR_CLOSED);
	/* A body at rest. */
	e = (struct errand){.target = "/stream?bytes=1", .keep = 1};
	assert_int_equal(errand_run(&e)->status, 200);
	SAY(e.stream, BODY, .bytes = slice_of(pattern(), 1));
	assert_offence(VERR_FORBIDDEN);
	assert_int_equal(hear(e.stream)->type, 0);
	(void)close(e.stream);
	/* NEXT when the body that was announced has not ended. */
	e = (struct errand){.method = "POST",
	    .server = "early",
	    .target = "/early",
	    .body = BODY_LENGTH,
	    .length = 10,
	    .keep = 1};
	errand_start(&e);
	assert_int_equal(errand_end(&e)->status, 413);
	SAY(e.stream, NEXT, .number = 1 << 21);
	assert_offence(VERR_FORBIDDEN);
	(void)close(e.stream);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(rooms_streams_carry_one_request_after_another),
	    cmocka_unit_test(rooms_streams_wait_for_their_next_order),
	    cmocka_unit_test(rooms_streams_rest_when_both_bodies_have_ended),
	    cmocka_unit_test(hostile_streams_speak_in_turn_or_not_at_all),
	};

	return cmocka_run_group_tests_name(
	    "courier/stream", tests, house_open, house_close);
}
