/*
 * The dialer at work, behind its walls: whom it believes, where it connects,
 * and that it says nothing there.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>

#include "tests/unit/courier/house.h"

static struct end dialer;
static int couriers[3]; /* our ends, by number */
static uint64_t last_ticket;

static void
join_courier(uint32_t number)
{
	int fd[2];

	pair(fd);
	couriers[number] = fd[0];
	give_peer(&dialer, ROOM_COURIER, number, fd[1]);
}

static int
open_dialer(void **state)
{
	(void)state;
	(void)signal(SIGPIPE, SIG_IGN);
	dialer = start_room("dialer");
	join_courier(1);
	join_courier(2);
	return 0;
}

static int
close_dialer(void **state)
{
	(void)state;
	house_end(&dialer);
	(void)close(couriers[1]);
	(void)close(couriers[2]);
	return 0;
}

/* A listening socket on a loopback address. */
static int
listen_at(int family, uint16_t *ret_port)
{
	struct sockaddr_in6 v6 = {
	    .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct sockaddr_in v4 = {
	    .sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct sockaddr *sa =
	    family == AF_INET ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
	socklen_t len = family == AF_INET ? sizeof(v4) : sizeof(v6);
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (bind(fd, sa, len) != 0 || listen(fd, 64) != 0 ||
	    getsockname(fd, sa, &len) != 0) {
		(void)close(fd);
		return -1;
	}
	*ret_port = ntohs(family == AF_INET ? v4.sin_port : v6.sin6_port);
	return fd;
}

static uint64_t
give_ticket(
    uint32_t courier, const char *host, uint16_t port, const char *network)
{
	SAY(dialer.keeper, TICKET, .ticket = ++last_ticket, .courier = courier,
	    .host = slice_str(host), .port = port,
	    .network = slice_str(network));
	return last_ticket;
}

static const struct heard *
dial_once(const char *host, uint16_t port, const char *network)
{
	uint64_t ticket = give_ticket(1, host, port, network);
	const struct heard *h;

	SAY(couriers[1], DIAL, .ticket = ticket, .attempt = 3);
	h = hear(couriers[1]);
	assert_int_equal(h->type, REC_DIALED);
	assert_int_equal(h->m.DIALED.ticket, ticket);
	assert_int_equal(h->m.DIALED.attempt, 3);
	assert_int_equal(h->m.DIALED.error != 0, h->fd < 0);
	return h;
}

static void
http_dials_hand_over_a_silent_connection(void **state)
{
	static const struct {
		int family;
		const char *host, *network;
	} cases[] = {{AF_INET, "127.0.0.1", LOCAL},
	    {AF_INET, "localhost", "public 10.0.0.0/8, 127.0.0.1/32"},
	    {AF_INET6, "::1", "::1/128"}};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint16_t port;
		int fd, peer, listener = listen_at(cases[i].family, &port);
		char got[8];

		if (listener < 0 && cases[i].family == AF_INET6)
			continue; /* no such address here */
		fd = dial_once(cases[i].host, port, cases[i].network)->fd;
		assert_true((peer = accept(listener, NULL, NULL)) >= 0);
		assert_int_equal(write(fd, "ours", 4), 4);
		assert_int_equal(read(peer, got, sizeof(got)), 4);
		assert_memory_equal(got, "ours", 4);
		(void)close(fd);
		/* Nobody else holds it. */
		assert_int_equal(read(peer, got, sizeof(got)), 0);
		(void)close(peer);
		(void)close(listener);
	}
}

static void
hostile_addresses_get_no_connection(void **state)
{
	static const char *const hosts[] = {"localhost", "127.0.0.1", "0.0.0.0",
	    "::ffff:127.0.0.1", "::1", "::", "::127.0.0.1", "64:ff9b::7f00:1",
	    "2002:7f00:1::1", "fe80::1", "169.254.169.254", "255.255.255.255",
	    "224.0.0.1"};
	static const char *const networks[] = {
	    "public", "private", "public private 10.0.0.0/8", "nonsense", ""};
	uint16_t port;
	int listener = listen_at(AF_INET, &port);

	(void)state;
	for (size_t i = 0; i < COUNT(hosts); i++)
		for (size_t j = 0; j < COUNT(networks); j++) {
			int error = -(int)dial_once(hosts[i], port, networks[j])
			                 ->m.DIALED.error;

			assert_true(
			    error == VERR_FORBIDDEN || error == VERR_NOTFOUND);
		}
	assert_int_equal(accept(listener, NULL, NULL), -1);
	(void)close(listener);
}

/* These are names, for whoever answers DNS here: never an address. */
static void
hostile_spellings_are_not_addresses(void **state)
{
	static const char *const hosts[] = {"127.1", "2130706433"};
	uint16_t port;
	int listener = listen_at(AF_INET, &port);

	(void)state;
	for (size_t i = 0; i < COUNT(hosts); i++)
		assert_int_not_equal(
		    dial_once(hosts[i], port, LOCAL)->m.DIALED.error, 0);
	assert_int_equal(accept(listener, NULL, NULL), -1);
	(void)close(listener);
}

static void
http_refused_connections_are_unreachable(void **state)
{
	uint16_t port;
	int listener = listen_at(AF_INET, &port);

	(void)state;
	(void)close(listener);
	assert_int_equal(dial_once("127.0.0.1", port, LOCAL)->m.DIALED.error,
	    -VERR_UNREACHABLE);
}

static void
rooms_dials_wait_for_their_ticket(void **state)
{
	uint16_t port;
	int listener = listen_at(AF_INET, &port);
	const struct heard *h;

	(void)state;
	SAY(couriers[1], DIAL, .ticket = last_ticket + 1, .attempt = 1);
	(void)usleep(100000);
	(void)give_ticket(1, "127.0.0.1", port, LOCAL);
	h = hear(couriers[1]);
	assert_int_equal(h->m.DIALED.error, 0);
	(void)close(h->fd);
	/* One that never comes is given up. */
	SAY(couriers[1], DIAL, .ticket = 1ULL << 40, .attempt = 1);
	h = hear(couriers[1]);
	assert_int_equal(h->m.DIALED.error, -VERR_NOTFOUND);
	(void)close(listener);
}

static void
rooms_ended_tickets_open_nothing(void **state)
{
	uint16_t port;
	int listener = listen_at(AF_INET, &port);
	uint64_t ticket = give_ticket(1, "127.0.0.1", port, LOCAL);
	const struct heard *h;

	(void)state;
	SAY(dialer.keeper, TICKET_END, .ticket = ticket);
	(void)usleep(100000);
	SAY(couriers[1], DIAL, .ticket = ticket, .attempt = 1);
	h = hear(couriers[1]);
	assert_int_equal(h->m.DIALED.error, -VERR_NOTFOUND);
	assert_int_equal(accept(listener, NULL, NULL), -1);
	(void)close(listener);
}

/* The courier is reported and loses its channel. */
static void
assert_expelled(uint32_t number)
{
	const struct heard *h = hear(dialer.supervisor);

	assert_int_equal(h->type, REC_OFFENCE);
	assert_int_equal(h->m.OFFENCE.room, ROOM_COURIER);
	assert_int_equal(h->m.OFFENCE.number, number);
	assert_int_equal(h->m.OFFENCE.error, -VERR_FORBIDDEN);
	assert_int_equal(hear(couriers[number])->type, 0);
	(void)close(couriers[number]);
	join_courier(number);
}

static void
hostile_couriers_cannot_use_anothers_ticket(void **state)
{
	uint16_t port;
	int listener = listen_at(AF_INET, &port);
	uint64_t ticket = give_ticket(1, "127.0.0.1", port, LOCAL);

	(void)state;
	(void)usleep(100000);
	SAY(couriers[2], DIAL, .ticket = ticket, .attempt = 1);
	assert_expelled(2);
	/* Nor by asking before it is there. */
	SAY(couriers[2], DIAL, .ticket = last_ticket + 1, .attempt = 1);
	(void)usleep(100000);
	(void)give_ticket(1, "127.0.0.1", port, LOCAL);
	assert_expelled(2);
	assert_int_equal(accept(listener, NULL, NULL), -1);
	(void)close(listener);
}

static void
hostile_couriers_cannot_dial_without_end(void **state)
{
	uint16_t port;
	int listener = listen_at(AF_INET, &port);
	uint64_t ticket = give_ticket(1, "127.0.0.1", port, LOCAL);

	(void)state;
	for (uint32_t i = 1; i <= 4; i++) {
		const struct heard *h;

		SAY(couriers[1], DIAL, .ticket = ticket, .attempt = i);
		h = hear(couriers[1]);
		assert_int_equal(h->m.DIALED.error, 0);
		(void)close(h->fd);
	}
	SAY(couriers[1], DIAL, .ticket = ticket, .attempt = 5);
	assert_expelled(1);
	(void)close(listener);
}

/*
 * A courier that is too busy to read has done nothing wrong, and gets every
 * connection in the end.
 */
static void
rooms_dials_wait_for_a_busy_courier(void **state)
{
	enum { DIALS = 480 };
	uint16_t port;
	int listener = listen_at(AF_INET, &port), peers[DIALS];
	struct pollfd wait = {.fd = listener, .events = POLLIN};

	(void)state;
	assert_int_equal(listen(listener, DIALS), 0);
	for (int i = 0; i < DIALS; i++)
		SAY(couriers[2], DIAL,
		    .ticket = give_ticket(2, "127.0.0.1", port, LOCAL),
		    .attempt = 1);
	for (int i = 0; i < DIALS; i++) {
		assert_int_equal(poll(&wait, 1, 5000), 1);
		assert_true((peers[i] = accept(listener, NULL, NULL)) >= 0);
	}
	/* One of another's comes after all of them. */
	(void)close(dial_once("127.0.0.1", port, LOCAL)->fd);
	for (int i = 0; i < DIALS; i++) {
		const struct heard *h = hear(couriers[2]);

		assert_int_equal(h->type, REC_DIALED);
		assert_int_equal(h->m.DIALED.error, 0);
		assert_true(h->fd >= 0);
		(void)close(h->fd);
		(void)close(peers[i]);
	}
	(void)close(listener);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(http_dials_hand_over_a_silent_connection),
	    cmocka_unit_test(hostile_addresses_get_no_connection),
	    cmocka_unit_test(hostile_spellings_are_not_addresses),
	    cmocka_unit_test(http_refused_connections_are_unreachable),
	    cmocka_unit_test(rooms_dials_wait_for_their_ticket),
	    cmocka_unit_test(rooms_ended_tickets_open_nothing),
	    cmocka_unit_test(rooms_dials_wait_for_a_busy_courier),
	    cmocka_unit_test(hostile_couriers_cannot_use_anothers_ticket),
	    cmocka_unit_test(hostile_couriers_cannot_dial_without_end),
	};

	return cmocka_run_group_tests_name(
	    "dialer/dials", tests, open_dialer, close_dialer);
}
