#include "tests/unit/client/fake_vault.h"

#define BODY (3u * 1024 * 1024 + 17)

static uint8_t *
pattern(void)
{
	uint8_t *p = malloc(BODY);

	assert_non_null(p);
	for (size_t i = 0; i < BODY; i++)
		p[i] = (uint8_t)(i * 7 + i / 251);
	return p;
}

/* What the vault of play_echo() holds back until the client grants more. */
struct echo {
	uint8_t *p;
	size_t heard, sent;
	uint64_t may_hear, may_send;
};

static void
echo_on(struct fake *f, struct echo *e)
{
	uint32_t n = (uint32_t)(e->heard - e->sent);

	if (n > e->may_send)
		n = (uint32_t)e->may_send;
	for (uint32_t at = 0, len; at < n; at += len) {
		len = n - at < 16384 ? n - at : 16384;
		FAKE_SAY(f, f->id, DATA, data,
		    .bytes = slice_of(e->p + e->sent + at, len));
	}
	if (n == 0)
		return;
	FAKE_SAY(f, f->id, WINDOW, window, .bytes = n);
	e->may_hear += n;
	e->may_send -= n;
	e->sent += n;
}

/*
 * Send back what comes, as it comes, within both windows.
 */
static void
play_echo(struct fake *f)
{
	struct echo e = {.p = malloc(BODY),
	    .may_hear = FRAME_WINDOW,
	    .may_send = FRAME_WINDOW};
	bool ended = false;

	if (fake_await(f, CLIENT_REQUEST) != 0)
		return;
	fake_respond(f);
	while ((!ended || e.sent < e.heard) && fake_hear(f) == 0) {
		if (f->m.type == CLIENT_WINDOW) {
			e.may_send += f->m.window.bytes;
		} else if (f->m.type == CLIENT_END) {
			ended = true;
		} else {
			struct slice s = f->m.data.bytes;

			if (s.n > e.may_hear || s.n > BODY - e.heard)
				break; /* more than was granted */
			e.may_hear -= s.n;
			memcpy(e.p + e.heard, s.p, s.n);
			e.heard += s.n;
		}
		echo_on(f, &e);
	}
	f->verdict = ended && e.sent == BODY;
	free(e.p);
	fake_end(f, f->id);
}

static void
cli_request_streams_both_ways(void **state)
{
	uint8_t *body = pattern();
	struct vault_error error;
	struct answer a;
	struct vault_request q = fake_request(&a);
	struct fake f;

	(void)state;
	q.body = VAULT_BODY_BYTES;
	q.bytes = body;
	q.length = BODY;
	fake_start(&f, play_echo);
	assert_int_equal(vault_request(f.vault, &q, &error), 0);
	fake_stop(&f);
	assert_true(f.verdict);
	assert_int_equal(a.status, 200);
	assert_int_equal(a.n, BODY);
	assert_true(a.sum == sum_of(0, body, BODY));
	free(body);
}

struct feed {
	int fd;
	const uint8_t *p;
};

static void *
feed_thread(void *arg)
{
	struct feed *feed = arg;

	for (size_t at = 0; at < BODY;) {
		size_t n = BODY - at < 5000 ? BODY - at : 5000;
		ssize_t put = write(feed->fd, feed->p + at, n);

		if (put <= 0)
			break;
		at += (size_t)put;
	}
	close(feed->fd);
	return NULL;
}

static void
cli_request_streams_from_a_pipe(void **state)
{
	uint8_t *body = pattern();
	struct vault_error error;
	struct answer a;
	struct vault_request q = fake_request(&a);
	struct fake f;
	struct feed feed = {.p = body};
	pthread_t thread;
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	feed.fd = fds[1];
	q.body = VAULT_BODY_STREAM;
	q.fd = fds[0];
	fake_start(&f, play_echo);
	assert_int_equal(pthread_create(&thread, NULL, feed_thread, &feed), 0);
	assert_int_equal(vault_request(f.vault, &q, &error), 0);
	pthread_join(thread, NULL);
	close(fds[0]);
	fake_stop(&f);
	assert_int_equal(a.n, BODY);
	assert_true(a.sum == sum_of(0, body, BODY));
	free(body);
}

static size_t
hear_data(struct fake *f, size_t n)
{
	size_t got = 0;

	while (got < n && fake_await(f, CLIENT_DATA) == 0)
		got += f->m.data.bytes.n;
	return got;
}

static void
play_stingy(struct fake *f)
{
	f->heard = hear_data(f, FRAME_WINDOW);
	if (f->heard != FRAME_WINDOW || !fake_silent(f, 100))
		return;
	FAKE_SAY(f, f->id, WINDOW, window, .bytes = 1000);
	if (hear_data(f, 1000) != 1000 || !fake_silent(f, 100))
		return;
	f->verdict = 1;
	fake_respond(f);
	fake_end(f, f->id);
	(void)fake_await(f, CLIENT_WHOAMI);
	FAKE_SAY(f, f->id, DONE, done, .audit = 0);
}

static int
no_row(void *arg, const char *json, size_t len)
{
	(void)json;
	(void)len;
	(*(int *)arg)++;
	return 0;
}

static void
cli_request_sends_what_was_granted_and_ends_with_the_answer(void **state)
{
	uint8_t *body = pattern();
	struct vault_error error;
	struct answer a;
	struct vault_request q = fake_request(&a);
	struct fake f;
	int count = 0;
	struct vault_rows rows = {no_row, &count};

	(void)state;
	q.body = VAULT_BODY_BYTES;
	q.bytes = body;
	q.length = BODY;
	fake_start(&f, play_stingy);
	assert_int_equal(vault_request(f.vault, &q, &error), 0);
	/* and the connection goes on to serve */
	assert_int_equal(vault_whoami(f.vault, &rows, &error), 0);
	fake_stop(&f);
	assert_true(f.verdict);
	free(body);
}

static void
play_empty(struct fake *f)
{
	if (fake_await(f, CLIENT_REQUEST) != 0 || f->m.request.body != 1 ||
	    f->m.request.length != 0 || fake_hear(f) != 0 ||
	    f->m.type != CLIENT_END)
		return;
	f->verdict = 1;
	fake_respond(f);
	fake_end(f, f->id);
}

static void
cli_request_body_of_no_bytes_is_an_end(void **state)
{
	struct vault_error error;
	struct answer a;
	struct vault_request q = fake_request(&a);
	struct fake f;

	(void)state;
	q.body = VAULT_BODY_BYTES;
	q.bytes = "";
	fake_start(&f, play_empty);
	assert_int_equal(vault_request(f.vault, &q, &error), 0);
	fake_stop(&f);
	assert_true(f.verdict);
}

static void
play_broken_off(struct fake *f)
{
	(void)fake_await(f, CLIENT_REQUEST);
	fake_respond(f);
	FAKE_SAY(f, f->id, DATA, data, .bytes = slice_str("half"));
	FAKE_SAY(f, f->id, REFUSED, refused,
	    .code = slice_str("upstream-failed"), .http = 502, .exit = 6,
	    .retry_after = 2, .audit = 9,
	    .sentence = slice_str("it broke off"));
}

static void
cli_request_broken_off_is_an_error(void **state)
{
	struct vault_error error;
	struct answer a;
	struct vault_request q = fake_request(&a);
	struct fake f;

	(void)state;
	fake_start(&f, play_broken_off);
	assert_true(vault_request(f.vault, &q, &error) < 0);
	fake_stop(&f);
	assert_int_equal(a.n, 4);
	assert_string_equal(error.code, "upstream-failed");
	assert_string_equal(error.sentence, "it broke off");
	assert_int_equal(error.exit, 6);
	assert_int_equal(error.http, 502);
	assert_int_equal(error.retry_after, 2);
	assert_int_equal(error.audit, 9);
}

static void
play_until_cancelled(struct fake *f)
{
	(void)fake_await(f, CLIENT_REQUEST);
	fake_respond(f);
	for (int i = 0; i < 3; i++)
		FAKE_SAY(f, f->id, DATA, data, .bytes = slice_str("piece"));
	f->verdict = fake_await(f, CLIENT_CANCEL) == 0 && f->id == 1;
	/* late frames of the cancelled request, then another's answer */
	FAKE_SAY(f, 1, DATA, data, .bytes = slice_str("late"));
	fake_end(f, 1);
	(void)fake_await(f, CLIENT_WHOAMI);
	FAKE_SAY(f, f->id, ROW, row, .json = slice_str("{}"));
	FAKE_SAY(f, f->id, DONE, done, .audit = 0);
}

static void
cli_request_is_cancelled_by_its_callback(void **state)
{
	struct vault_error error;
	struct answer a;
	struct vault_request q = fake_request(&a);
	struct fake f;
	int count = 0;
	struct vault_rows rows = {no_row, &count};

	(void)state;
	a.stop_after = 2;
	fake_start(&f, play_until_cancelled);
	assert_int_equal(vault_request(f.vault, &q, &error), -77);
	assert_string_equal(error.code, "cancelled");
	assert_int_equal(a.pieces, 2);
	assert_int_equal(vault_whoami(f.vault, &rows, &error), 0);
	assert_int_equal(count, 1);
	fake_stop(&f);
	assert_true(f.verdict);
}

static void
play_cancelled(struct fake *f)
{
	f->verdict = fake_await(f, CLIENT_CANCEL) == 0;
}

static void
cli_request_body_that_ends_early_is_cancelled(void **state)
{
	struct vault_error error;
	struct answer a;
	struct vault_request q = fake_request(&a);
	struct fake f;
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], "short", 5), 5);
	close(fds[1]);
	q.body = VAULT_BODY_FILE;
	q.fd = fds[0];
	q.length = 6;
	fake_start(&f, play_cancelled);
	assert_true(vault_request(f.vault, &q, &error) < 0);
	assert_string_equal(error.code, "body");
	fake_stop(&f);
	close(fds[0]);
	assert_true(f.verdict);
}

/*
 * Reads nothing, so that the client cannot grant anew, and goes on sending.
 */
static void
play_flood(struct fake *f)
{
	static const uint8_t piece[16384];

	(void)fake_hear(f);
	fake_respond(f);
	for (size_t n = 0; n < 2 * FRAME_WINDOW; n += sizeof(piece))
		FAKE_SAY(f, f->id, DATA, data,
		    .bytes = slice_of(piece, sizeof(piece)));
}

static void
cli_request_answer_beyond_the_window_is_a_breach(void **state)
{
	uint8_t *body = pattern();
	struct vault_error error;
	struct answer a;
	struct vault_request q = fake_request(&a);
	struct fake f;

	(void)state;
	q.body = VAULT_BODY_BYTES;
	q.bytes = body;
	q.length = BODY;
	fake_start(&f, play_flood);
	assert_true(vault_request(f.vault, &q, &error) < 0);
	fake_stop(&f);
	assert_string_equal(error.code, "protocol-error");
	/* It may have granted more before its own body was stuck. */
	assert_in_range(a.n, FRAME_WINDOW, 2 * FRAME_WINDOW - 1);
	free(body);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(cli_request_streams_both_ways),
	    cmocka_unit_test(cli_request_streams_from_a_pipe),
	    cmocka_unit_test(
	        cli_request_sends_what_was_granted_and_ends_with_the_answer),
	    cmocka_unit_test(cli_request_body_of_no_bytes_is_an_end),
	    cmocka_unit_test(cli_request_broken_off_is_an_error),
	    cmocka_unit_test(cli_request_is_cancelled_by_its_callback),
	    cmocka_unit_test(cli_request_body_that_ends_early_is_cancelled),
	    cmocka_unit_test(cli_request_answer_beyond_the_window_is_a_breach),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
