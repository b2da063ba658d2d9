#include "tests/unit/keeper/world.h"
#include "vaultd/keeper/courier.h"

static struct keeper *k;
static int supervisor = -1, courier = -1, dialer = -1;
static struct catalog_link to;
static struct heard h;

/* An order, and what became of it. */
struct made {
	struct order order;
	size_t done;
};

static void
on_ready(void *arg, uint32_t number)
{
	static const uint8_t headers[] = {0};
	struct made *m = arg;
	struct order_request req = {.link = &to,
	    .method = "GET",
	    .target = slice_str("/"),
	    .headers = slice_of(headers, 0),
	    .account = ""};

	assert_int_equal(number, 7);
	order_issue(k, &m->order, &req);
}

static void
on_done(void *arg, const struct order_result *res)
{
	(void)res;
	((struct made *)arg)->done++;
}

/*
 * A channel to the keeper: *ret_room is the room's end, what is returned the
 * keeper's.
 */
static int
join(int *ret_room)
{
	int sv[2];

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	*ret_room = sv[1];
	return sv[0];
}

static int
setup(void **state)
{
	(void)state;
	k = world_keeper(&supervisor);
	assert_int_equal(couriers_new(k, &k->couriers), 0);
	assert_int_equal(couriers_attach_dialer(k, join(&dialer)), 0);
	(void)snprintf(to.origin.host, sizeof(to.origin.host), "example.com");
	to.origin.port = 443;
	(void)snprintf(to.network_text, sizeof(to.network_text), "public");
	courier = -1;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	(void)close(dialer);
	(void)close(courier);
	peer_rounds(k->life.loop, 3);
	return 0;
}

/*
 * Make an order, and the courier if there is none.  Returns its id.
 */
static uint64_t
make(struct made *m)
{
	*m = (struct made){
	    .order = {.ready = on_ready, .done = on_done, .arg = m}};
	order_begin(k, &m->order, "acme");
	peer_rounds(k->life.loop, 2);
	if (courier < 0) {
		assert_int_equal(peer_hear(supervisor, &h), REC_COURIER_WANT);
		assert_int_equal(couriers_attach(k, 7, h.m.COURIER_WANT.want,
		                     join(&courier)),
		    0);
		peer_rounds(k->life.loop, 2);
	}
	assert_int_equal(peer_hear(courier, &h), REC_ORDER);
	return h.m.ORDER.order;
}

static void
want(uint64_t order)
{
	peer_say(courier, TICKET_WANT, .order = order);
	peer_rounds(k->life.loop, 2);
}

static void
end(struct made *m, uint64_t order)
{
	peer_say(courier, ORDER_DONE, .order = order, .status = 200);
	peer_rounds(k->life.loop, 2);
	assert_int_equal(m->done, 1);
}

static int
offence(void)
{
	int r = 0;

	while (peer_hear(supervisor, &h) != 0)
		if (h.type == REC_OFFENCE) {
			assert_int_equal(h.m.OFFENCE.room, ROOM_COURIER);
			r = -(int)h.m.OFFENCE.error;
		}
	return r;
}

static void
dialer_hears_ticket(uint64_t order)
{
	assert_int_equal(peer_hear(dialer, &h), REC_TICKET);
	assert_int_equal(h.m.TICKET.ticket, order);
	assert_int_equal(h.m.TICKET.courier, 7);
	assert_int_equal(h.m.TICKET.port, 443);
	assert_true(slice_is(h.m.TICKET.host, "example.com"));
	assert_true(slice_is(h.m.TICKET.network, "public"));
}

static void
dialer_hears_nothing(void)
{
	assert_int_equal(peer_hear(dialer, &h), 0);
}

/* The dialer hears of those orders alone that need a connection. */
static void
rooms_ticket_when_it_is_wanted(void **state)
{
	static struct made a, b;
	uint64_t first = make(&a), second = make(&b);

	(void)state;
	dialer_hears_nothing();
	want(second);
	dialer_hears_ticket(second);
	want(second); /* it has it */
	dialer_hears_nothing();
	end(&a, first);
	dialer_hears_nothing();
	end(&b, second);
	assert_int_equal(peer_hear(dialer, &h), REC_TICKET_END);
	assert_int_equal(h.m.TICKET_END.ticket, second);
	want(first); /* they have ended: a race */
	want(second);
	dialer_hears_nothing();
	assert_int_equal(offence(), 0);
}

static void
rooms_ticket_for_another_dialer(void **state)
{
	static struct made a, b;
	uint64_t first = make(&a), second = make(&b);

	(void)state;
	want(second);
	dialer_hears_ticket(second);
	(void)close(dialer);
	peer_rounds(k->life.loop, 2);
	want(first); /* while there is none */
	assert_int_equal(couriers_attach_dialer(k, join(&dialer)), 0);
	peer_rounds(k->life.loop, 2);
	dialer_hears_ticket(second);
	dialer_hears_ticket(first);
	end(&a, first);
	end(&b, second);
	assert_int_equal(peer_hear(dialer, &h), REC_TICKET_END);
	assert_int_equal(peer_hear(dialer, &h), REC_TICKET_END);
	dialer_hears_nothing();
}

static void
hostile_ticket_for_what_was_never_ordered(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		static struct made m;
		uint64_t id;

		(void)setup(NULL);
		id = make(&m);
		want(i == 0 ? 0 : i == 1 ? id + 1 : UINT64_MAX);
		dialer_hears_nothing();
		assert_int_equal(offence(), VERR_FORBIDDEN);
		assert_int_equal(m.done, 1); /* with its courier */
	}
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(rooms_ticket_when_it_is_wanted),
	    T(rooms_ticket_for_another_dialer),
	    T(hostile_ticket_for_what_was_never_ordered),
	};

	return cmocka_run_group_tests_name(
	    "courier", tests, world_memory, NULL);
}
