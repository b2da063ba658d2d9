/*
 * Upstreams, gates and orders that mean harm, met by the shipped courier and
 * dialer behind their walls.
 */
#include <time.h>

#include "protocol/refusal.h"
#include "tests/unit/courier/house.h"
#include "vaultd/courier/courier.h"

#define OK        "HTTP/1.1 200 OK\\r\\n"
#define MALFORMED "the upstream's answer is malformed"

static void
hostile_answers_are_refused(void **state)
{
	static const struct {
		const char *answer; /* a Python expression */
		unsigned status;    /* passed on before it went wrong */
		const char *sentence;
	} cases[] = {
	    {"b'" OK "Content-Length: 2\\r\\nContent-Length: 3\\r\\n\\r\\nabc'",
	        0, MALFORMED},
	    {"b'" OK "Content-Length: 2\\r\\nContent-Length: 2\\r\\n\\r\\nab'",
	        0, MALFORMED},
	    {"b'" OK "Content-Length: 2, 2\\r\\n\\r\\nab'", 0, MALFORMED},
	    {"b'" OK "Content-Length: -2\\r\\n\\r\\nab'", 0, MALFORMED},
	    {"b'" OK "Content-Length: 5\\r\\nTransfer-Encoding: "
	     "chunked\\r\\n\\r\\n0\\r\\n\\r\\n'",
	        0, MALFORMED},
	    {"b'" OK
	     "Transfer-Encoding: gzip, chunked\\r\\n\\r\\n0\\r\\n\\r\\n'",
	        0, MALFORMED},
	    {"b'" OK "Transfer-Encoding: chunked\\r\\nTransfer-Encoding: "
	     "chunked\\r\\n\\r\\n0\\r\\n\\r\\n'",
	        0, MALFORMED},
	    {"b'" OK "X : a\\r\\nContent-Length: 0\\r\\n\\r\\n'", 0, MALFORMED},
	    {"b'" OK "X: a\\r\\n folded\\r\\nContent-Length: 0\\r\\n\\r\\n'", 0,
	        MALFORMED},
	    {"b'" OK "X: a\\x01\\r\\nContent-Length: 0\\r\\n\\r\\n'", 0,
	        MALFORMED},
	    {"b'" OK "X: a\\x00b\\r\\nContent-Length: 0\\r\\n\\r\\n'", 0,
	        MALFORMED},
	    {"b'" OK "no colon\\r\\nContent-Length: 0\\r\\n\\r\\n'", 0,
	        MALFORMED},
	    {"b'HTTP/1.1 101 Switching\\r\\n\\r\\n'", 0, MALFORMED},
	    {"b'HTTP/1.1 600 Odd\\r\\nContent-Length: 0\\r\\n\\r\\n'", 0,
	        MALFORMED},
	    {"b'HTTP/2 200\\r\\nContent-Length: 0\\r\\n\\r\\n'", 0, MALFORMED},
	    {"b'<html>no head at all</html>'", 0, MALFORMED},
	    {"b'HTTP/1.1 103 Early\\r\\nLink: x\\r\\n\\r\\n' * 20", 0,
	        MALFORMED},
	    {"b'" OK "' + b'X: ' + b'a' * 70000 + b'\\r\\n\\r\\n'", 0,
	        "the head of the upstream's answer is too large"},
	    {"b'" OK "' + b'X: aaaaaaaaaaaaaaaa\\r\\n' * 4000 + b'\\r\\n'", 0,
	        "the head of the upstream's answer is too large"},
	    {"b'" OK
	     "Content-Encoding: gzip\\r\\nContent-Length: 2\\r\\n\\r\\nab'",
	        0, "encoded answer: the upstream was asked for none"},
	    {"b'" OK "Content-Length: 9\\r\\n\\r\\nab'", 200,
	        "the upstream's answer ended early"},
	    {"b'" OK "Transfer-Encoding: chunked\\r\\n\\r\\n2\\r\\nab\\r\\n'",
	        200, "the upstream's answer ended early"},
	    {"b'" OK "Transfer-Encoding: chunked\\r\\n\\r\\nzz\\r\\nab'", 200,
	        MALFORMED},
	    {"b''", 0,
	        "the upstream closed the connection before it had answered"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct errand e = {.target = "/raw"};
		const struct outcome *o;

		(void)upstream("answer('/raw', %s)", cases[i].answer);
		o = errand_run(&e);
		assert_string_equal(o->sentence, cases[i].sentence);
		assert_int_equal(o->status, cases[i].status);
		assert_int_equal(o->refusal, REFUSED_UPSTREAM);
		assert_int_equal(o->done.refusal, REFUSED_UPSTREAM);
	}
}

static void
http_odd_but_sound_answers_pass(void **state)
{
	static const char *const answers[] = {
	    "b'HTTP/1.1 103 Early\\r\\nLink: x\\r\\n\\r\\n" OK
	    "Content-Length: 2\\r\\n\\r\\nab'",
	    "b'HTTP/1.0 200 OK\\r\\n\\r\\nab'",
	    "b'" OK "transfer-encoding: Chunked\\r\\nX:\\r\\n\\r\\n"
	    "2;x=y\\r\\nab\\r\\n0\\r\\nT: t\\r\\n\\r\\n'",
	    "b'" OK "Content-Encoding: identity\\r\\nContent-Length: 2\\r\\n"
	    "\\r\\nab'",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(answers); i++) {
		struct errand e = {.target = "/raw"};
		const struct outcome *o;

		(void)upstream("answer('/raw', %s)", answers[i]);
		o = errand_run(&e);
		assert_int_equal(o->status, 200);
		assert_int_equal(o->refusal, 0);
		assert_string_equal((char *)o->body, "ab");
		assert_null(strstr(o->headers, "Link"));
		assert_null(strstr(o->headers, "T: t"));
	}
}

static void
hostile_fields_do_not_reach_the_client(void **state)
{
	struct errand e = {.target = "/claims"};
	const struct outcome *o = errand_run(&e);

	(void)state;
	assert_int_equal(o->status, 200);
	assert_string_equal(o->headers, "Content-Length: 3\nX-Kept: yes\n");
}

static void
hostile_redirects_are_not_followed(void **state)
{
	struct errand e = {.target = "/redirect?to=/account"};
	const struct outcome *o = errand_run(&e);

	(void)state;
	assert_int_equal(o->status, 302);
	assert_non_null(strstr(o->headers, "Location: /account\n"));
	assert_string_equal(upstream("last().path"), "/redirect");
}

static void
hostile_servers_get_no_request(void **state)
{
	static const struct {
		const char *server, *ca, *pin, *sentence;
	} cases[] = {
	    {"stranger", NULL, NULL,
	        "the upstream's certificate does not prove its name"},
	    {"misnamed", NULL, NULL,
	        "the upstream's certificate does not prove its name"},
	    {"expired", NULL, NULL,
	        "the upstream's certificate does not prove its name"},
	    {"old", NULL, NULL, "the TLS handshake with the upstream failed"},
	    {"u", "b/ca.pem", NULL,
	        "the upstream's certificate does not prove its name"},
	    {"u", "b/ca.key", NULL,
	        "the profile's certificate authority cannot be read"},
	    {"stranger", "none", NULL,
	        "the upstream's certificate does not prove its name"},
	    {"u", NULL, "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
	        "the upstream's key is not the pinned one"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct errand e = {.target = "/echo",
		    .server = cases[i].server,
		    .ca = cases[i].ca,
		    .pin = cases[i].pin,
		    .pool = 200 + i};
		long before =
		    upstream_number("sum(len(s.requests) for s in "
		                    "(u, stranger, misnamed, expired, old))");
		const struct outcome *o = errand_run(&e);

		assert_string_equal(o->sentence, cases[i].sentence);
		assert_int_equal(o->done.error, -VERR_TLS);
		assert_int_equal(
		    upstream_number("sum(len(s.requests) for s in "
		                    "(u, stranger, misnamed, expired, old))"),
		    before);
	}
}

static void
hostile_orders_are_not_sent(void **state)
{
	static const struct errand cases[] = {
	    {.target = "/", .method = "get"},
	    {.target = "/", .method = "GET / HTTP/1.1"},
	    {.target = "/", .method = "CONNECT"},
	    {.target = "/", .method = "TRACE"},
	    {.target = ""},
	    {.target = "x"},
	    {.target = "*"},
	    {.target = "http://other/"},
	    {.target = "/a b"},
	    {.target = "/a#b"},
	    {.target = "/a\\b"},
	    {.target = "/\xc3\xa4"},
	    {.target = "/", .host = "a@localhost"},
	    {.target = "/", .host = "LOCALHOST"},
	    {.target = "/", .host = "127.1"},
	    {.target = "/", .host = "local%68ost"},
	    {.target = "/", .host = "localhost/x"},
	    {.target = "/", .name = {"X y"}, .value = {"1"}},
	    {.target = "/", .name = {""}, .value = {"1"}},
	    {.target = "/", .name = {"X"}, .value = {"a\r\nY: b"}},
	    {.target = "/", .name = {"X"}, .value = {"a\nb"}},
	    {.target = "/", .name = {"X:"}, .value = {"b"}},
	    {.target = "/", .name = {"Host"}, .value = {"other"}},
	    {.target = "/", .name = {"content-length"}, .value = {"3"}},
	    {.target = "/",
	        .name = {"Transfer-Encoding"},
	        .value = {"chunked"}},
	    {.target = "/", .name = {"connection"}, .value = {"close"}},
	    {.target = "/", .name = {"Proxy-Authorization"}, .value = {"x"}},
	    {.target = "/", .method = "HEAD", .body = BODY_LENGTH, .length = 1},
	    {.target = "/", .body = 3},
	};
	long before = upstream_number("len(u.requests)");

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct errand e = cases[i];
		const struct outcome *o;

		errand_start(&e);
		o = errand_end(&e);
		assert_string_equal(
		    o->sentence, "the request cannot be sent as it stands");
		assert_int_equal(o->done.error, -VERR_FORMAT);
	}
	assert_int_equal(upstream_number("len(u.requests)"), before);
}

static void
hostile_addresses_are_not_reached(void **state)
{
	static const char *const hosts[] = {"localhost", "127.0.0.1"};
	long before = upstream_number("u.connections");

	(void)state;
	for (size_t i = 0; i < COUNT(hosts); i++) {
		struct errand e = {.target = "/echo",
		    .host = hosts[i],
		    .network = "public",
		    .pool = 300};
		const struct outcome *o = errand_run(&e);

		assert_string_equal(o->sentence,
		    "the address is not public, nor permitted by the profile");
		assert_int_equal(o->done.error, -VERR_FORBIDDEN);
	}
	assert_int_equal(upstream_number("u.connections"), before);
}

/* The supervisor hears who broke the rules. */
static void
assert_offence(int error)
{
	const struct heard *h = hear(house.courier.supervisor);

	assert_int_equal(h->type, REC_OFFENCE);
	assert_int_equal(h->m.OFFENCE.room, ROOM_GATE);
	assert_int_equal(h->m.OFFENCE.number, GATE);
	assert_int_equal(h->m.OFFENCE.error, -error);
}

static void
hostile_bodies_beyond_their_length_are_offences(void **state)
{
	struct errand e = {.method = "POST",
	    .target = "/upload",
	    .body = BODY_LENGTH,
	    .length = 10};

	(void)state;
	errand_start(&e);
	SAY(e.stream, BODY, .bytes = slice_of(pattern(), 11));
	assert_offence(VERR_FORBIDDEN);
	assert_int_equal(errand_end(&e)->done.error, -VERR_CLOSED);
	/* One that ends early is the client's matter. */
	errand_start(&e);
	SAY(e.stream, BODY, .bytes = slice_of(pattern(), 9));
	say(e.stream, REC_BODY_END, &(const union record){0}, -1);
	assert_int_equal(errand_end(&e)->refusal, REFUSED_BAD_REQUEST);
	/* A body where none was announced. */
	e = (struct errand){.target = "/hold"};
	errand_start(&e);
	SAY(e.stream, BODY, .bytes = slice_of(pattern(), 1));
	assert_offence(VERR_FORBIDDEN);
	assert_int_equal(errand_end(&e)->done.error, -VERR_CLOSED);
}

/*
 * Small records overtake large ones: a gate that is ahead of the keeper has
 * done nothing wrong, and gets every answer.
 */
static void
rooms_streams_far_ahead_of_their_orders_are_served(void **state)
{
	enum { STREAMS = 320, FIRST = 1 << 20 };
	static int ends[STREAMS];
	struct timeval none = {0, 100000}, some = {15, 0};
	char c;

	(void)state;
	for (int i = 0; i < STREAMS; i++) {
		int fd[2];

		pair(fd);
		say(house.lane, REC_OPEN,
		    &(const union record){.OPEN = {.number = FIRST + i}},
		    fd[1]);
		(void)close(fd[1]);
		ends[i] = fd[0];
	}
	(void)setsockopt(house.courier.supervisor, SOL_SOCKET, SO_RCVTIMEO,
	    &none, sizeof(none));
	assert_int_equal(recv(house.courier.supervisor, &c, 1, MSG_PEEK), -1);
	(void)setsockopt(house.courier.supervisor, SOL_SOCKET, SO_RCVTIMEO,
	    &some, sizeof(some));
	for (int i = 0; i < STREAMS; i++) {
		SAY(house.courier.keeper, ORDER, .order = FIRST + i,
		    .gate = GATE, .number = FIRST + i,
		    .method = slice_str("no method"),
		    .host = slice_str("localhost"), .port = 1,
		    .target = slice_str("/"));
		assert_int_equal(hear(ends[i])->type, REC_FAIL);
		(void)close(ends[i]);
		assert_int_equal(
		    hear(house.courier.keeper)->m.ORDER_DONE.order, FIRST + i);
	}
}

/*
 * Clients that go before their orders come leave no streams behind, for which
 * the lane would not be read.
 */
static void
hostile_streams_given_up_do_not_fill_a_lane(void **state)
{
	enum { FIRST = 1 << 21 };
	struct errand e = {.target = "/echo"};
	struct timespec began, now;
	int fd[2];

	(void)state;
	for (int i = 0; i < MEETS_MAX; i++) {
		pair(fd);
		say(house.lane, REC_OPEN,
		    &(const union record){.OPEN = {.number = FIRST + i}},
		    fd[1]);
		(void)close(fd[0]);
		(void)close(fd[1]);
	}
	(void)clock_gettime(CLOCK_MONOTONIC, &began);
	assert_int_equal(errand_run(&e)->status, 200);
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	assert_true(now.tv_sec - began.tv_sec < MEET_MS / 2000);
}

static void
hostile_lanes_are_closed(void **state)
{
	int fd[2];

	(void)state;
	pair(fd);
	for (int i = 0; i < 2; i++)
		say(house.lane, REC_OPEN,
		    &(const union record){.OPEN = {.number = 1ULL << 40}},
		    fd[1]);
	assert_offence(VERR_EXISTS);
	assert_int_equal(hear(house.lane)->type, 0);
	(void)close(fd[0]);
	(void)close(fd[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(hostile_answers_are_refused),
	    cmocka_unit_test(http_odd_but_sound_answers_pass),
	    cmocka_unit_test(hostile_fields_do_not_reach_the_client),
	    cmocka_unit_test(hostile_redirects_are_not_followed),
	    cmocka_unit_test(hostile_servers_get_no_request),
	    cmocka_unit_test(hostile_orders_are_not_sent),
	    cmocka_unit_test(hostile_addresses_are_not_reached),
	    cmocka_unit_test(hostile_bodies_beyond_their_length_are_offences),
	    cmocka_unit_test(
	        rooms_streams_far_ahead_of_their_orders_are_served),
	    cmocka_unit_test(hostile_streams_given_up_do_not_fill_a_lane),
	    /* The last: it costs the gate its lane. */
	    cmocka_unit_test(hostile_lanes_are_closed),
	};

	return cmocka_run_group_tests_name(
	    "courier/hostile", tests, house_open, house_close);
}
