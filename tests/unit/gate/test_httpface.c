#include "tests/unit/gate/world.h"

static char text[WORLD_TEXT + 1];

/*
 * Read an answer's head, and "body" bytes after it.
 */
static void
get_answer(int fd, size_t body)
{
	size_t n = 0;

	do {
		assert_true(ready(fd, WORLD_MS));
		assert_int_equal(recv(fd, text + n, 1, 0), 1);
		text[++n] = '\0';
	} while (n < 4 || memcmp(text + n - 4, "\r\n\r\n", 4) != 0);
	for (; body > 0; body--) {
		assert_true(ready(fd, WORLD_MS));
		assert_int_equal(recv(fd, text + n, 1, 0), 1);
		text[++n] = '\0';
	}
}

static void
get_until(int fd, const char *end)
{
	size_t n = 0, len = strlen(end);

	do {
		assert_true(ready(fd, WORLD_MS));
		assert_int_equal(recv(fd, text + n, 1, 0), 1);
		text[++n] = '\0';
	} while (n < len || memcmp(text + n - len, end, len) != 0);
}

static void
assert_has(const char *want)
{
	if (strstr(text, want) == NULL)
		fail_msg("no %s in:\n%s", want, text);
}

static void
assert_lacks(const char *unwanted)
{
	if (strstr(text, unwanted) != NULL)
		fail_msg("%s in:\n%s", unwanted, text);
}

static void
http_get_is_passed_on_and_answered(void **state)
{
	int c = client(FACE_HTTP), s;
	struct rec_REQUEST m;

	(void)state;
	send_text(c,
	    "GET /acme/demo/v1/%7Ex//y?a=1&b=%20 HTTP/1.1\r\n"
	    "Host: vaultd\r\nX-Flow: orders\r\nTE: trailers\r\n"
	    "Connection: keep-alive, x-private\r\nX-Private: 1\r\n"
	    "Proxy-Thing: 1\r\n\r\n");
	m = WANT(W.keeper, REQUEST);
	assert_int_equal(m.session, 1);
	assert_true(slice_is(m.profile, "acme/demo"));
	assert_true(slice_is(m.method, "GET"));
	assert_true(slice_is(m.target, "/v1/%7Ex//y?a=1&b=%20"));
	assert_int_equal(m.body, BODY_NONE);
	assert_pair(m.headers, "X-Flow", "orders");
	assert_pair(m.headers, "Host", NULL);
	assert_pair(m.headers, "TE", NULL);
	assert_pair(m.headers, "Connection", NULL);
	assert_pair(m.headers, "X-Private", NULL);
	assert_pair(m.headers, "Proxy-Thing", "1"); /* the keeper judges */
	s = join(m.number);
	SAY(s, HEAD, .status = 201,
	    .headers = PAIRS("Content-Type", "text/plain", "Content-Length",
	        "5", "Vaultd-Request", "forged", "Connection", "x-hop", "X-Hop",
	        "1"));
	SAY(s, DATA, .bytes = slice_str("hello"));
	SAY(s, END, );
	get_answer(c, 5);
	assert_has("HTTP/1.1 201 Created\r\n");
	assert_has("Content-Type: text/plain\r\n");
	assert_has("Content-Length: 5\r\n");
	assert_has("Vaultd-Request: 1001\r\n");
	assert_lacks("forged");
	assert_lacks("Hop");
	assert_lacks("Transfer-Encoding");
	assert_has("\r\n\r\nhello");
	close(s);
	close(c);
}

static void
http_host_names_the_profile(void **state)
{
	int c = client(FACE_HTTP);
	struct rec_REQUEST m;

	(void)state;
	send_text(c,
	    "GET /acme/other?x HTTP/1.1\r\n"
	    "Host: Demo.acme.vaultd:80\r\n\r\n");
	m = WANT(W.keeper, REQUEST);
	assert_true(slice_is(m.profile, "acme/demo"));
	assert_true(slice_is(m.target, "/acme/other?x"));
	close(c);
	assert_int_equal(WANT(W.keeper, CANCEL).number, 1);
}

static void
http_targets_that_name_no_profile(void **state)
{
	static const char *const bad[] = {
	    "GET /acme HTTP/1.1\r\nHost: v\r\n\r\n",
	    "GET // HTTP/1.1\r\nHost: v\r\n\r\n",
	    "GET /Acme/demo/ HTTP/1.1\r\nHost: v\r\n\r\n",
	    "GET /acme/-demo/ HTTP/1.1\r\nHost: v\r\n\r\n",
	    "GET /ac%6de/demo/ HTTP/1.1\r\nHost: v\r\n\r\n",
	    "GET /v1 HTTP/1.1\r\nHost: acme.vaultd\r\n\r\n",
	    "GET /v1 HTTP/1.1\r\nHost: x.demo.acme.vaultd\r\n\r\n",
	};
	int c = client(FACE_HTTP);

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		send_text(c, bad[i]);
		get_until(c, "}");
		assert_has("HTTP/1.1 400 ");
		assert_has("Vaultd-Error: bad-request\r\n");
		assert_has("Vaultd-Request: 0\r\n");
		assert_has("\"status\":400");
		assert_lacks("close");
	}
	close(c);
}

static void
http_bodies_go_both_ways(void **state)
{
	static uint8_t body[200000], got[200000];
	int c = client(FACE_HTTP), s;
	struct rec_BODY b;
	union record m;
	size_t n = 0;
	uint16_t type;

	(void)state;
	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (uint8_t)(i * 7 + i / 256);
	send_text(c,
	    "PUT /acme/demo/a HTTP/1.1\r\nHost: v\r\n"
	    "Content-Length: 200000\r\n\r\n");
	assert_int_equal(WANT(W.keeper, REQUEST).length, 200000);
	s = join(1);
	send_bytes(c, body, sizeof(body));
	while ((type = get_record(s, &m)) == REC_BODY) {
		memcpy(got + n, m.BODY.bytes.p, m.BODY.bytes.n);
		n += m.BODY.bytes.n;
	}
	assert_int_equal(type, REC_BODY_END);
	assert_int_equal(n, sizeof(body));
	assert_memory_equal(got, body, n);
	SAY(s, HEAD, .status = 200, );
	SAY(s, DATA, .bytes = slice_str("one"));
	SAY(s, DATA, .bytes = slice_str("three"));
	SAY(s, END, );
	get_until(c, "\r\n0\r\n\r\n");
	assert_has("Transfer-Encoding: chunked\r\n");
	assert_has("\r\n\r\n3\r\none\r\n5\r\nthree\r\n0\r\n\r\n");
	close(s);

	send_text(c,
	    "POST /acme/demo/b HTTP/1.1\r\nHost: v\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
	assert_int_equal(WANT(W.keeper, REQUEST).body, BODY_STREAM);
	s = join(2);
	b = WANT(s, BODY);
	assert_true(slice_is(b.bytes, "abc"));
	send_text(c, "0\r\n\r\n");
	(void)WANT(s, BODY_END);
	close(s);
	close(c);
}

static void
http_empty_body_has_an_end(void **state)
{
	int c = client(FACE_HTTP), s;

	(void)state;
	send_text(c,
	    "POST /acme/demo/ HTTP/1.1\r\nHost: v\r\n"
	    "Content-Length: 0\r\n\r\n");
	assert_int_equal(WANT(W.keeper, REQUEST).body, BODY_LENGTH);
	s = join(1);
	(void)WANT(s, BODY_END);
	close(s);
	close(c);
}

static void
http_answers_without_a_body(void **state)
{
	static const char *const methods[] = {"GET", "GET", "HEAD"};
	static const unsigned statuses[] = {204, 304, 200};
	int c = client(FACE_HTTP), s;
	char request[128];

	(void)state;
	for (uint64_t i = 0; i < 3; i++) {
		(void)snprintf(request, sizeof(request),
		    "%s /acme/demo/ HTTP/1.1\r\nHost: v\r\n\r\n", methods[i]);
		send_text(c, request);
		(void)WANT(W.keeper, REQUEST);
		s = join(i + 1);
		SAY(s, HEAD, .status = statuses[i],
		    .headers = PAIRS("Content-Length", "500"));
		SAY(s, END, );
		get_answer(c, 0);
		assert_lacks("Transfer-Encoding");
		if (statuses[i] == 204)
			assert_lacks("Content-Length");
		else
			assert_has("Content-Length: 500\r\n");
		close(s);
	}
	assert_false(ready(c, 50));
	close(c);
}

static void
http_pipelined_requests_are_answered_in_order(void **state)
{
	int c = client(FACE_HTTP), s;

	(void)state;
	send_text(c,
	    "GET /acme/demo/1 HTTP/1.1\r\nHost: v\r\n\r\n"
	    "GET /-/healthz HTTP/1.1\r\nHost: v\r\n\r\n"
	    "POST /acme/demo/2 HTTP/1.1\r\nHost: v\r\n"
	    "Content-Length: 2\r\n\r\nhi"
	    "GET /acme/demo/3 HTTP/1.1\r\nHost: v\r\n\r\n");
	for (uint64_t i = 1; i <= 3; i++) {
		char target[] = {'/', (char)('0' + i), '\0'};

		assert_true(slice_is(WANT(W.keeper, REQUEST).target, target));
		assert_false(ready(c, 20));
		s = join(i);
		SAY(s, HEAD, .status = 200,
		    .headers = PAIRS("Content-Length", "1"));
		SAY(s, DATA, .bytes = slice_str(target + 1));
		SAY(s, END, );
		get_answer(c, 1);
		assert_int_equal(text[strlen(text) - 1], target[1]);
		if (i == 1) {
			get_answer(c, 3);
			assert_has("\r\n\r\nok\n");
		}
		close(s);
	}
	close(c);
}

static void
http_many_pipelined_requests_in_bounded_memory(void **state)
{
	static const char ask[] = "GET /-/healthz HTTP/1.1\r\nHost: v\r\n\r\n";
	int c = client(FACE_HTTP), sent = 0;
	long answers = 0;

	(void)state;
	/* Nobody reads: the gate must stop taking them. */
	while (sent < 100000 &&
	    send(c, ask, sizeof(ask) - 1, MSG_DONTWAIT | MSG_NOSIGNAL) ==
	        (ssize_t)(sizeof(ask) - 1)) {
		sent++;
		if (sent % 64 == 0)
			usleep(1000);
	}
	assert_true(sent > 1000 && sent < 50000);
	for (; answers < sent; answers++) {
		get_answer(c, 3);
		assert_has("\r\n\r\nok\n");
	}
	close(c);
}

static void
http_expect_continue_waits_for_the_keeper(void **state)
{
	int c = client(FACE_HTTP), s;

	(void)state;
	send_text(c,
	    "POST /acme/demo/ HTTP/1.1\r\nHost: v\r\n"
	    "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n");
	assert_pair(WANT(W.keeper, REQUEST).headers, "Expect", NULL);
	assert_false(ready(c, 50));
	s = join(1);
	get_answer(c, 0);
	assert_string_equal(text, "HTTP/1.1 100 Continue\r\n\r\n");
	send_text(c, "hello");
	assert_true(slice_is(WANT(s, BODY).bytes, "hello"));
	close(s);
	close(c);
}

static void
http_refusal_is_a_problem_document(void **state)
{
	int c = client(FACE_HTTP);

	(void)state;
	send_text(c,
	    "POST /acme/demo/ HTTP/1.1\r\nHost: v\r\n"
	    "Content-Length: 4\r\n\r\n");
	(void)WANT(W.keeper, REQUEST);
	SAY(W.keeper, REFUSE, .number = 1, .refusal = REFUSED_BUDGET,
	    .retry_after = 9, .audit = 77,
	    .sentence = slice_str("say \"please\""));
	get_until(c, "}");
	assert_has("HTTP/1.1 429 ");
	assert_has("Content-Type: application/problem+json\r\n");
	assert_has("Vaultd-Error: budget\r\n");
	assert_has("Vaultd-Request: 77\r\n");
	assert_has("Retry-After: 9\r\n");
	assert_has("\"detail\":\"say \\\"please\\\"\"");
	assert_has("\"code\":\"budget\"");
	assert_has("\"audit\":77");
	/* The body that nobody wants is no request. */
	send_text(c, "GET GET /-/healthz HTTP/1.1\r\nHost: v\r\n\r\n");
	get_answer(c, 3);
	assert_has("HTTP/1.1 200 OK");
	/* A client that waits to be told does not hear both. */
	send_text(c,
	    "POST /acme/demo/ HTTP/1.1\r\nHost: v\r\n"
	    "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n");
	(void)WANT(W.keeper, REQUEST);
	SAY(W.keeper, REFUSE, .number = 2, .refusal = REFUSED_DENIED);
	get_until(c, "}");
	assert_has("HTTP/1.1 403 ");
	assert_has("Connection: close\r\n");
	assert_ends(c);
	close(c);
	/* Nor does one go on that still sends what nobody wants. */
	c = client(FACE_HTTP);
	send_text(c,
	    "POST /acme HTTP/1.1\r\nHost: v\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n5\r\nhel");
	get_until(c, "}");
	assert_has("HTTP/1.1 400 ");
	assert_has("Connection: close\r\n");
	assert_ends(c);
	close(c);
}

static void
http_failure_after_the_head_cuts_the_answer(void **state)
{
	int c, s;

	(void)state;
	for (int with_fail = 0; with_fail < 2; with_fail++) {
		c = client(FACE_HTTP);
		send_text(c, "GET /acme/demo/ HTTP/1.1\r\nHost: v\r\n\r\n");
		s = join(WANT(W.keeper, REQUEST).number);
		SAY(s, HEAD, .status = 200, );
		SAY(s, DATA, .bytes = slice_str("part"));
		get_until(c, "4\r\npart\r\n");
		if (with_fail)
			SAY(s, FAIL, .refusal = REFUSED_UPSTREAM);
		close(s);
		assert_ends(c);
		close(c);
		if (!with_fail)
			(void)WANT(W.keeper, CANCEL);
	}
}

static void
http_failure_before_the_head_is_told(void **state)
{
	int c = client(FACE_HTTP), s;

	(void)state;
	send_text(c, "GET /acme/demo/ HTTP/1.1\r\nHost: v\r\n\r\n");
	s = join(WANT(W.keeper, REQUEST).number);
	SAY(s, FAIL, .refusal = REFUSED_TIMEOUT,
	    .sentence = slice_str("no answer in 30 s"));
	get_until(c, "}");
	assert_has("HTTP/1.1 504 ");
	assert_has("Vaultd-Request: 1001\r\n");
	assert_has("no answer in 30 s");
	close(s);
	close(c);
}

static void
http_length_that_is_not_kept_cuts_the_answer(void **state)
{
	int c = client(FACE_HTTP), s;

	(void)state;
	send_text(c, "GET /acme/demo/ HTTP/1.1\r\nHost: v\r\n\r\n");
	s = join(WANT(W.keeper, REQUEST).number);
	SAY(s, HEAD, .status = 200, .headers = PAIRS("Content-Length", "5"));
	SAY(s, DATA, .bytes = slice_str("four"));
	SAY(s, END, );
	get_answer(c, 4);
	assert_ends(c);
	close(s);
	close(c);
}

static void
http_half_closed_client_gets_its_answer(void **state)
{
	int c = client(FACE_HTTP), s;

	(void)state;
	send_text(c, "GET /acme/demo/ HTTP/1.1\r\nHost: v\r\n\r\n");
	shutdown(c, SHUT_WR);
	s = join(WANT(W.keeper, REQUEST).number);
	SAY(s, HEAD, .status = 200, .headers = PAIRS("Content-Length", "2"));
	SAY(s, DATA, .bytes = slice_str("ok"));
	SAY(s, END, );
	get_answer(c, 2);
	assert_ends(c);
	assert_int_equal(WANT(W.supervisor, CLOSED).session, 1);
	close(s);
	close(c);
}

static void
http_disconnect_cancels(void **state)
{
	int c = client(FACE_HTTP), s;
	union record m;

	(void)state;
	send_text(c, "GET /acme/demo/ HTTP/1.1\r\nHost: v\r\n\r\n");
	s = join(WANT(W.keeper, REQUEST).number);
	close(c);
	assert_int_equal(WANT(W.keeper, CANCEL).session, 1);
	assert_int_equal(get_record(s, &m), 0);
	assert_int_equal(WANT(W.supervisor, CLOSED).session, 1);
	close(s);
}

static void
http_profiles_are_a_json_array(void **state)
{
	int c = client(FACE_HTTP);
	struct rec_ASK m;

	(void)state;
	send_text(c,
	    "GET /-/profiles?customer=acme&status=active HTTP/1.1\r\n"
	    "Host: v\r\n\r\n");
	m = WANT(W.keeper, ASK);
	assert_int_equal(m.what, ASK_PROFILES);
	assert_pair(m.pairs, "customer", "acme");
	assert_pair(m.pairs, "status", "active");
	assert_pair(m.pairs, "system", "");
	SAY(W.keeper, ROW, .number = 1, .json = slice_str("{\"a\":1}"));
	SAY(W.keeper, ROW, .number = 1, .json = slice_str("{\"a\":2}"));
	SAY(W.keeper, DONE, .number = 1, .audit = 5);
	get_until(c, "]");
	assert_has("Content-Type: application/json\r\n");
	assert_has("Content-Length: 17\r\n");
	assert_has("Vaultd-Request: 5\r\n");
	assert_has("\r\n\r\n[{\"a\":1},{\"a\":2}]");
	send_text(c, "GET /-/profiles HTTP/1.1\r\nHost: v\r\n\r\n");
	(void)WANT(W.keeper, ASK);
	SAY(W.keeper, DONE, .number = 2, .audit = 6);
	get_until(c, "[]");
	/* A body that nobody wants, on the way to the keeper's answer. */
	send_text(c,
	    "GET /-/profiles HTTP/1.1\r\nHost: v\r\n"
	    "Content-Length: 3\r\n\r\nabc");
	(void)WANT(W.keeper, ASK);
	SAY(W.keeper, DONE, .number = 3, .audit = 7);
	get_until(c, "[]");
	send_text(c, "GET /-/profiles?x=y HTTP/1.1\r\nHost: v\r\n\r\n");
	get_until(c, "}");
	assert_has("HTTP/1.1 400 ");
	send_text(c, "GET /-/nothing HTTP/1.1\r\nHost: v\r\n\r\n");
	get_until(c, "}");
	assert_has("HTTP/1.1 404 ");
	assert_has("Vaultd-Error: not-found\r\n");
	close(c);
}

static void
http_sealed_vault_is_healthy_and_not_ready(void **state)
{
	int c = client(FACE_HTTP);
	struct rec_ASK m;

	(void)state;
	send_text(c, "GET /-/readyz HTTP/1.1\r\nHost: v\r\n\r\n");
	m = WANT(W.keeper, ASK);
	assert_int_equal(m.what, ASK_READY);
	assert_int_equal(m.pairs.n, 0);
	SAY(W.keeper, REFUSE, .number = m.number, .refusal = REFUSED_SEALED);
	get_until(c, "}");
	assert_has("HTTP/1.1 503 ");
	assert_has("Vaultd-Error: sealed\r\n");
	assert_has("Retry-After: 1\r\n");
	send_text(c, "GET /-/healthz HTTP/1.1\r\nHost: v\r\n\r\n");
	get_answer(c, 3);
	assert_has("HTTP/1.1 200 ");
	send_text(c, "GET /-/readyz HTTP/1.1\r\nHost: v\r\n\r\n");
	SAY(W.keeper, DONE, .number = WANT(W.keeper, ASK).number);
	get_answer(c, 6);
	assert_has("HTTP/1.1 200 ");
	assert_has("Content-Type: text/plain\r\n");
	assert_has("\r\n\r\nready\n");
	close(c);
}

static void
http_sealed_vault_refuses_requests(void **state)
{
	int c = client(FACE_HTTP);

	(void)state;
	send_text(c, "GET /acme/demo/v1 HTTP/1.1\r\nHost: v\r\n\r\n");
	SAY(W.keeper, REFUSE, .number = WANT(W.keeper, REQUEST).number,
	    .refusal = REFUSED_SEALED, .retry_after = 7);
	get_until(c, "}");
	assert_has("HTTP/1.1 503 ");
	assert_has("Vaultd-Error: sealed\r\n");
	assert_has("Retry-After: 7\r\n");
	close(c);
}

static void
http_connection_close_is_honoured(void **state)
{
	int c = client(FACE_HTTP);

	(void)state;
	send_text(c,
	    "GET /-/healthz HTTP/1.1\r\nHost: v\r\n"
	    "Connection: close\r\n\r\n"
	    "GET /-/healthz HTTP/1.1\r\nHost: v\r\n\r\n");
	get_answer(c, 3);
	assert_has("Connection: close\r\n");
	assert_ends(c);
	/* The gate does not wait for ever for the client to close. */
	assert_int_equal(WANT(W.supervisor, CLOSED).session, 1);
	close(c);
}

/*
 * A client that does not read must not make the gate hold its answer.
 */
static void
http_slow_reader_stops_the_stream(void **state)
{
	static uint8_t block[16384];
	int c = client(FACE_HTTP), s;
	size_t blocks = 0, n = 0;
	ssize_t got;

	(void)state;
	send_text(c, "GET /acme/demo/ HTTP/1.1\r\nHost: v\r\n\r\n");
	s = join(WANT(W.keeper, REQUEST).number);
	SAY(s, HEAD, .status = 200, );
	while (blocks < 1000) {
		struct pollfd p = {.fd = s, .events = POLLOUT};

		if (poll(&p, 1, 200) == 0)
			break;
		SAY(s, DATA, .bytes = slice_of(block, sizeof(block)));
		blocks++;
	}
	/* Two sockets' buffers and 128 KiB, far from 16 MB. */
	assert_true(blocks > 8 && blocks < 100);
	SAY(W.supervisor, SESSION_END, .session = 99); /* it still hears */
	while (n < blocks * sizeof(block)) {
		assert_true(ready(c, WORLD_MS));
		assert_true((got = recv(c, text, WORLD_TEXT, 0)) > 0);
		n += (size_t)got;
	}
	close(s);
	close(c);
}

/*
 * An upstream that does not read must not make the gate hold the body.
 */
static void
http_slow_upstream_stops_the_client(void **state)
{
	static uint8_t block[16384];
	int c = client(FACE_HTTP), s;
	size_t sent = 0, got = 0;
	union record m;

	(void)state;
	send_text(c,
	    "PUT /acme/demo/ HTTP/1.1\r\nHost: v\r\n"
	    "Content-Length: 16384000\r\n\r\n");
	s = join(WANT(W.keeper, REQUEST).number);
	while (sent < 16384000) {
		struct pollfd p = {.fd = c, .events = POLLOUT};

		if (poll(&p, 1, 200) == 0)
			break;
		sent += (size_t)send(c, block, sizeof(block), MSG_DONTWAIT);
	}
	assert_true(sent > 200000 && sent < 2000000);
	while (got < sent) {
		assert_int_equal(get_record(s, &m), REC_BODY);
		got += m.BODY.bytes.n;
	}
	close(s);
	close(c);
}

static void
http_keeper_gone_is_restarting(void **state)
{
	int waits = client(FACE_HTTP), streams = client(FACE_HTTP), s;

	(void)state;
	send_text(streams, "GET /acme/demo/ HTTP/1.1\r\nHost: v\r\n\r\n");
	s = join(WANT(W.keeper, REQUEST).number);
	send_text(waits, "GET /acme/demo/ HTTP/1.1\r\nHost: v\r\n\r\n");
	(void)WANT(W.keeper, REQUEST);
	SAY(s, HEAD, .status = 200, );
	get_answer(streams, 0);
	shutdown(W.keeper, SHUT_RDWR);
	get_until(waits, "}");
	assert_has("HTTP/1.1 503 ");
	assert_has("Vaultd-Error: restarting\r\n");
	assert_has("Retry-After: 1\r\n");
	assert_has("Connection: close\r\n");
	assert_ends(waits);
	assert_ends(streams);
	gate_exits();
	close(s);
	close(waits);
	close(streams);
}

static void
http_drain_lets_the_last_answer_out(void **state)
{
	int idle = client(FACE_HTTP), busy = client(FACE_HTTP), s;

	(void)state;
	send_text(busy, "GET /acme/demo/ HTTP/1.1\r\nHost: v\r\n\r\n");
	s = join(WANT(W.keeper, REQUEST).number);
	put_record(W.supervisor, REC_DRAIN, &(union record){0}, -1);
	assert_ends(idle);
	SAY(s, HEAD, .status = 200, .headers = PAIRS("Content-Length", "2"));
	SAY(s, DATA, .bytes = slice_str("ok"));
	SAY(s, END, );
	get_answer(busy, 2);
	assert_has("Connection: close\r\n");
	assert_ends(busy);
	close(idle);
	close(busy);
	close(s);
	gate_exits();
}

static void
hostile_http_malformed_is_refused_once(void **state)
{
	int c = client(FACE_HTTP);

	(void)state;
	send_text(c,
	    "GET /acme/demo/ HTTP/1.1\r\nHost: v\r\n"
	    "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
	    "GET /-/healthz HTTP/1.1\r\nHost: v\r\n\r\n");
	get_until(c, "}");
	assert_has("HTTP/1.1 400 ");
	assert_has("Connection: close\r\n");
	assert_ends(c);
	close(c);
	c = client(FACE_HTTP);
	send_text(c,
	    "POST /acme/demo/ HTTP/1.1\r\nHost: v\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n3\r\nabcXX");
	(void)WANT(W.keeper, REQUEST);
	(void)WANT(W.keeper, CANCEL);
	get_until(c, "}");
	assert_has("HTTP/1.1 400 ");
	assert_ends(c);
	close(c);
}

static void
hostile_http_other_speaker_is_told_and_dropped(void **state)
{
	int c = client(FACE_HTTP), status;
	pid_t pid;

	(void)state;
	send_text(c, "GET /-/healthz HTTP/1.1\r\nHost: v\r\n\r\n");
	get_answer(c, 3);
	if ((pid = fork()) == 0) {
		send_text(c, "GET /acme/demo/ HTTP/1.1\r\nHost: v\r\n\r\n");
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	get_until(c, "}");
	assert_has("HTTP/1.1 403 ");
	assert_has("Vaultd-Error: speaker-changed\r\n");
	assert_ends(c);
	assert_int_equal(world_log().code, LOG_SPEAKER);
	assert_false(ready(W.keeper, 50));
	close(c);
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_up, world_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    T(http_get_is_passed_on_and_answered),
	    T(http_host_names_the_profile),
	    T(http_targets_that_name_no_profile),
	    T(http_bodies_go_both_ways),
	    T(http_empty_body_has_an_end),
	    T(http_answers_without_a_body),
	    T(http_pipelined_requests_are_answered_in_order),
	    T(http_many_pipelined_requests_in_bounded_memory),
	    T(http_expect_continue_waits_for_the_keeper),
	    T(http_refusal_is_a_problem_document),
	    T(http_failure_after_the_head_cuts_the_answer),
	    T(http_failure_before_the_head_is_told),
	    T(http_length_that_is_not_kept_cuts_the_answer),
	    T(http_half_closed_client_gets_its_answer),
	    T(http_disconnect_cancels),
	    T(http_profiles_are_a_json_array),
	    T(http_sealed_vault_is_healthy_and_not_ready),
	    T(http_sealed_vault_refuses_requests),
	    T(http_connection_close_is_honoured),
	    T(http_slow_reader_stops_the_stream),
	    T(http_slow_upstream_stops_the_client),
	    T(http_keeper_gone_is_restarting),
	    T(http_drain_lets_the_last_answer_out),
	    T(hostile_http_malformed_is_refused_once),
	    T(hostile_http_other_speaker_is_told_and_dropped),
	};

	cmocka_set_test_filter(getenv("VAULTD_TEST_FILTER"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
