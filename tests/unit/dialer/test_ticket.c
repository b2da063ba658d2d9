/*
 * Tickets: bounded, bound to one courier, used a bounded number of times.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "vaultd/dialer/ticket.h"

static struct tickets all;

static int
add(uint64_t id, uint64_t courier)
{
	return ticket_add(
	    &all, id, courier, slice_str("h.test"), 443, slice_str("public"));
}

static void
hostile_tickets_are_refused(void **state)
{
	static const uint8_t long_host[256] = {'a'};

	(void)state;
	assert_int_equal(
	    ticket_add(&all, 1, 1, slice_str(""), 443, slice_str("public")),
	    VERR_FORMAT);
	assert_int_equal(ticket_add(&all, 1, 1, slice_of(long_host, 256), 443,
	                     slice_str("public")),
	    VERR_FORMAT);
	assert_int_equal(
	    ticket_add(&all, 1, 1, slice_str("h"), 0, slice_str("public")),
	    VERR_FORMAT);
	assert_int_equal(
	    ticket_add(&all, 1, 1, slice_str("h"), 65536, slice_str("public")),
	    VERR_FORMAT);
	assert_int_equal(all.count, 0);
}

static void
rooms_tickets_are_used_by_their_courier_four_times(void **state)
{
	const struct ticket *t = NULL;

	(void)state;
	assert_int_equal(add(5, 1), 0);
	assert_int_equal(add(5, 1), VERR_EXISTS);
	assert_int_equal(ticket_use(&all, 5, 2, &t), VERR_FORBIDDEN);
	assert_int_equal(ticket_use(&all, 6, 1, &t), VERR_NOTFOUND);
	assert_null(t);
	for (int i = 0; i < TICKET_DIALS_MAX; i++)
		assert_int_equal(ticket_use(&all, 5, 1, &t), 0);
	assert_string_equal(t->host, "h.test");
	assert_true(t->network.public);
	assert_int_equal(ticket_use(&all, 5, 1, &t), VERR_FORBIDDEN);
	ticket_remove(&all, 5);
	ticket_remove(&all, 5);
	assert_int_equal(ticket_use(&all, 5, 1, &t), VERR_NOTFOUND);
}

static void
hostile_networks_permit_nothing(void **state)
{
	static const uint8_t address[] = {1, 1, 1, 1};
	const struct ticket *t = NULL;

	(void)state;
	assert_int_equal(
	    ticket_add(&all, 7, 1, slice_str("h"), 1, slice_str("publick")), 0);
	assert_int_equal(ticket_use(&all, 7, 1, &t), 0);
	assert_false(network_permits(&t->network, address, 4));
	ticket_remove(&all, 7);
}

static void
hostile_tickets_are_bounded(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < TICKETS_MAX; i++)
		assert_int_equal(add(i, 1), 0);
	assert_int_equal(add(TICKETS_MAX, 1), VERR_BUSY);
	for (uint64_t i = 0; i < TICKETS_MAX; i++)
		ticket_remove(&all, i);
	assert_int_equal(all.count, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(hostile_tickets_are_refused),
	    cmocka_unit_test(
	        rooms_tickets_are_used_by_their_courier_four_times),
	    cmocka_unit_test(hostile_networks_permit_nothing),
	    cmocka_unit_test(hostile_tickets_are_bounded),
	};

	return cmocka_run_group_tests_name("dialer/ticket", tests, NULL, NULL);
}
