/*
 * What a request meets between the vault and an upstream: by the shipped
 * courier and dialer, behind their walls.
 */
#include <poll.h>

#include "protocol/refusal.h"
#include "tests/unit/courier/house.h"

static void
http_request_is_sent_as_ordered(void **state)
{
	struct errand e = {.target = "/status/201?a=%2F&b",
	    .name = {"Authorization", "X-Empty", "accept-encoding"},
	    .value = {"Bearer k", "", "identity"}};
	const struct outcome *o = errand_run(&e);
	char want[256];

	(void)state;
	assert_int_equal(o->status, 201);
	assert_string_equal((char *)o->body, "as asked\n");
	assert_non_null(strstr(o->headers, "Content-Length: 9\n"));
	assert_int_equal(o->done.refusal, 0);
	assert_int_equal(o->done.status, 201);
	assert_int_equal(o->done.received, 9);
	(void)snprintf(want, sizeof(want),
	    "b'GET /status/201?a=%%2F&b HTTP/1.1\\r\\n"
	    "Host: localhost:%ld\\r\\nAuthorization: Bearer k\\r\\n"
	    "X-Empty:\\r\\naccept-encoding: identity\\r\\n\\r\\n'",
	    upstream_number("u.port"));
	assert_string_equal(upstream("last().head"), want);
}

static void
http_bodies_pass_both_ways(void **state)
{
	static const struct {
		enum body_kind kind;
		size_t length;
	} bodies[] = {{BODY_LENGTH, 0}, {BODY_LENGTH, 1}, {BODY_LENGTH, BIG},
	    {BODY_STREAM, 0}, {BODY_STREAM, 5}, {BODY_STREAM, BIG}};
	char got[65], want[160];

	(void)state;
	for (size_t i = 0; i < COUNT(bodies); i++) {
		struct errand e = {.method = "POST",
		    .target = "/upload",
		    .body = bodies[i].kind,
		    .length = bodies[i].length};
		const struct outcome *o = errand_run(&e);

		assert_int_equal(o->status, 200);
		assert_int_equal(o->done.sent, e.length);
		assert_int_equal(upstream_number("last().size"), e.length);
		(void)snprintf(got, sizeof(got), "%s",
		    upstream("last().header('transfer-encoding')"));
		assert_string_equal(
		    got, e.body == BODY_STREAM ? "chunked" : "None");
	}
	(void)snprintf(want, sizeof(want), "%s",
	    upstream("__import__('hashlib').sha256(bytes(1 + (i * 2654435761 "
	             "%% (1 << 64) >> 13) %% 255 for i in range(1 << 20)))"
	             ".hexdigest() == last().sha256.hexdigest()"));
	assert_string_equal(want, "True");
}

static void
http_answers_pass_whole(void **state)
{
	static const char *const targets[] = {"/stream?bytes=1048576",
	    "/chunked?bytes=1048576&size=70000", "/stream?bytes=0"};

	(void)state;
	for (size_t i = 0; i < COUNT(targets); i++) {
		struct errand e = {.target = targets[i]};
		const struct outcome *o = errand_run(&e);

		assert_int_equal(o->status, 200);
		assert_int_equal(o->length, i < 2 ? BIG : 0);
		assert_int_equal(o->done.received, o->length);
		assert_int_equal(o->refusal, 0);
		assert_null(strstr(o->headers, "Transfer-Encoding"));
	}
}

static void
http_empty_posts_say_so(void **state)
{
	struct errand e = {.method = "POST", .target = "/upload"};

	(void)state;
	assert_int_equal(errand_run(&e)->status, 200);
	assert_string_equal(upstream("last().header('content-length')"), "0");
	assert_string_equal(upstream("last().header('content-type')"), "None");
	e = (struct errand){.method = "HEAD", .target = "/stream?bytes=77"};
	assert_non_null(
	    strstr(errand_run(&e)->headers, "Content-Length: 77\n"));
	e = (struct errand){.method = "DELETE", .target = "/status/204"};
	assert_int_equal(errand_run(&e)->status, 204);
	assert_string_equal(
	    upstream("last().header('content-length')"), "None");
}

static void
http_connections_are_reused_in_their_pool_alone(void **state)
{
	struct errand e = {.target = "/stream?bytes=10", .pool = 100};
	long before = upstream_number("u.connections");

	(void)state;
	for (int i = 0; i < 5; i++)
		assert_int_equal(errand_run(&e)->status, 200);
	assert_int_equal(upstream_number("u.connections"), before + 1);
	e.pool = 101;
	assert_int_equal(errand_run(&e)->status, 200);
	assert_int_equal(upstream_number("u.connections"), before + 2);
	/* The same number with another pin is another pool. */
	e.pin = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
	assert_string_equal(errand_run(&e)->sentence,
	    "the upstream's key is not the pinned one");
	assert_int_equal(upstream_number("u.connections"), before + 3);
	/* A dropped pool keeps nothing. */
	SAY(house.courier.keeper, POOL_DROP, .pool = 100);
	e.pool = 100;
	e.pin = NULL;
	assert_int_equal(errand_run(&e)->status, 200);
	assert_int_equal(upstream_number("u.connections"), before + 4);
}

static void
http_dead_connections_are_replaced(void **state)
{
	struct errand e = {.method = "POST", .target = "/closes", .pool = 110};
	long before = upstream_number("u.connections");

	(void)state;
	(void)upstream(
	    "answer('/closes', "
	    "b'HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nhi')");
	for (int i = 0; i < 3; i++)
		assert_int_equal(errand_run(&e)->status, 200);
	assert_int_equal(upstream_number("u.connections"), before + 3);
}

/*
 * The upstream takes the second request of a connection and hangs up: it may
 * have acted on it.
 */
static void
http_only_harmless_requests_are_made_again(void **state)
{
	static const struct {
		const char *method;
		unsigned status;
	} cases[] = {{"GET", 404}, {"DELETE", 404}, {"POST", 0}, {"PATCH", 0}};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct errand e = {.target = "/stream?bytes=1",
		    .server = "drops",
		    .pool = 120 + i};
		const struct outcome *o;

		assert_int_equal(errand_run(&e)->status, 200);
		(void)upstream("setattr(drops, 'dropping', True)");
		e.method = cases[i].method;
		e.target = "/drop";
		o = errand_run(&e);
		assert_int_equal(o->status, cases[i].status);
		if (cases[i].status == 0)
			assert_string_equal(o->sentence,
			    "the upstream closed the connection before it had "
			    "answered");
	}
}

/* Of a body without a byte the end was said, and is said again. */
static void
http_requests_made_again_are_whole(void **state)
{
	struct errand e = {
	    .target = "/stream?bytes=1", .server = "drops", .pool = 125};
	const struct outcome *o;

	(void)state;
	assert_int_equal(errand_run(&e)->status, 200);
	(void)upstream("setattr(drops, 'dropping', True)");
	e = (struct errand){.method = "PUT",
	    .target = "/drop",
	    .server = "drops",
	    .body = BODY_STREAM,
	    .pool = 125,
	    .timeout_ms = 2000};
	o = errand_run(&e);
	assert_string_equal(o->sentence, "");
	assert_int_equal(o->status, 404);
}

static long
memory_of_courier(void)
{
	char path[64], line[256];
	long kib = 0;
	FILE *f;

	(void)snprintf(
	    path, sizeof(path), "/proc/%d/status", (int)house.courier.pid);
	assert_non_null(f = fopen(path, "r"));
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "VmRSS: %ld", &kib) == 1)
			break;
	(void)fclose(f);
	return kib;
}

static void
http_slow_readers_hold_the_upstream_back(void **state)
{
	struct errand e = {.target = "/stream?bytes=33554432"};
	const struct outcome *o;

	(void)state;
	errand_start(&e);
	(void)sleep(1);
	assert_true(memory_of_courier() < 32 * 1024);
	o = errand_end(&e);
	assert_int_equal(o->length, 32 * BIG);
	assert_int_equal(o->refusal, 0);
}

/* A courier may be ended when it has said that its orders are done. */
static void
http_answers_are_done_when_they_were_taken(void **state)
{
	struct errand e = {.target = "/stream?bytes=300000", .keep = 1};
	struct pollfd p = {.fd = house.courier.keeper, .events = POLLIN};
	const struct outcome *o;

	(void)state;
	errand_start(&e);
	while (poll(&p, 1, 500) == 1)
		assert_int_not_equal(hear(p.fd)->type, REC_ORDER_DONE);
	o = errand_end(&e);
	assert_int_equal(o->length, 300000);
	assert_int_equal(o->done.refusal, 0);
	assert_int_equal(o->done.received, 300000);
	/* The connection was not held up by the client. */
	e = (struct errand){.target = "/stream?bytes=1", .on = e.stream};
	assert_int_equal(errand_run(&e)->length, 1);
	/* One that is given up is not. */
	e = (struct errand){.target = "/stream?bytes=300000"};
	errand_start(&e);
	(void)poll(NULL, 0, 300);
	(void)close(e.stream);
	e.stream = -1;
	assert_int_equal(errand_end(&e)->done.error, -VERR_CLOSED);
	/* One that is cancelled too late has not failed as well. */
	e = (struct errand){.target = "/stream?bytes=300000", .keep = 1};
	errand_start(&e);
	(void)poll(NULL, 0, 300);
	SAY(house.courier.keeper, ORDER_CANCEL, .order = e.order);
	o = errand_end(&e);
	assert_int_equal(o->done.error, -VERR_CLOSED);
	if (o->refusal == 0) {
		assert_int_equal(o->length, 300000);
		e = (struct errand){
		    .target = "/stream?bytes=1", .on = e.stream};
		assert_int_equal(errand_run(&e)->length, 1);
	}
}

static void
http_slow_upstreams_hold_the_client_back(void **state)
{
	struct errand e = {.method = "PUT",
	    .target = "/upload",
	    .body = BODY_LENGTH,
	    .length = 32 * BIG};

	(void)state;
	errand_start(&e);
	errand_send_body(&e);
	assert_true(memory_of_courier() < 32 * 1024);
	assert_int_equal(errand_end(&e)->done.sent, 32 * BIG);
}

static void
http_cancelled_requests_are_abandoned(void **state)
{
	struct errand e = {.target = "/hold"}, f = {.target = "/hold"};
	long before = upstream_number("u.abandoned");
	const struct outcome *o;

	(void)state;
	errand_start(&e);
	errand_start(&f);
	(void)usleep(200000);
	SAY(house.courier.keeper, ORDER_CANCEL, .order = e.order);
	o = errand_end(&e);
	assert_string_equal(o->sentence, "the request was cancelled");
	assert_int_equal(o->done.error, -VERR_CLOSED);
	(void)close(f.stream);
	f.stream = -1;
	assert_int_equal(errand_end(&f)->done.error, -VERR_CLOSED);
	for (int i = 0; upstream_number("u.abandoned") < before + 2; i++) {
		assert_true(i < 50);
		(void)usleep(100000);
	}
}

static void
http_silent_upstreams_time_out(void **state)
{
	struct errand e = {.target = "/hold", .timeout_ms = 300};
	const struct outcome *o = errand_run(&e);

	(void)state;
	assert_int_equal(o->refusal, REFUSED_TIMEOUT);
	assert_int_equal(o->done.error, -VERR_TIMEOUT);
	assert_string_equal(o->sentence, "the upstream did not answer in time");
}

static void
http_health_checks_name_the_account(void **state)
{
	static const struct {
		const char *pointer, *account;
	} cases[] = {{"/id", "acct_1"}, {"/no", ""}, {"", ""}};
	long before;

	(void)state;
	(void)upstream("u.accounts.update({'probe-key': 'acct_1'})");
	before = upstream_number("u.connections");
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct errand e = {.target = "/account",
		    .probe = 1,
		    .account = cases[i].pointer,
		    .name = {"Authorization"},
		    .value = {"Bearer probe-key"}};
		const struct outcome *o = errand_run(&e);

		assert_int_equal(o->done.status, 200);
		assert_int_equal(o->done.refusal, 0);
		assert_string_equal(o->account, cases[i].account);
	}
	/* Each for itself: the credential of one may never be in force. */
	assert_int_equal(
	    upstream_number("u.connections"), before + (long)COUNT(cases));
	for (int i = 0; i < 2; i++) {
		struct errand e = {
		    .target = i ? "/stream?bytes=9000000" : "/account",
		    .probe = 1,
		    .account = "/id"};

		assert_int_equal(errand_run(&e)->done.status, i ? 200 : 401);
	}
}

/* An order without an authority is held to those of FD_CA. */
static void
keys_system_authorities_are_the_default(void **state)
{
	struct errand e = {
	    .target = "/stream?bytes=1", .ca = "none", .pool = 130};

	(void)state;
	assert_int_equal(errand_run(&e)->status, 200);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(http_request_is_sent_as_ordered),
	    cmocka_unit_test(http_bodies_pass_both_ways),
	    cmocka_unit_test(http_answers_pass_whole),
	    cmocka_unit_test(http_empty_posts_say_so),
	    cmocka_unit_test(http_connections_are_reused_in_their_pool_alone),
	    cmocka_unit_test(http_dead_connections_are_replaced),
	    cmocka_unit_test(http_only_harmless_requests_are_made_again),
	    cmocka_unit_test(http_requests_made_again_are_whole),
	    cmocka_unit_test(http_slow_readers_hold_the_upstream_back),
	    cmocka_unit_test(http_answers_are_done_when_they_were_taken),
	    cmocka_unit_test(http_slow_upstreams_hold_the_client_back),
	    cmocka_unit_test(http_cancelled_requests_are_abandoned),
	    cmocka_unit_test(http_silent_upstreams_time_out),
	    cmocka_unit_test(keys_system_authorities_are_the_default),
	    cmocka_unit_test(http_health_checks_name_the_account),
	};

	return cmocka_run_group_tests_name(
	    "courier/errands", tests, house_open, house_close);
}
