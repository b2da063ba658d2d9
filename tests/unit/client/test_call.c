#include "tests/unit/client/fake_vault.h"

struct collected {
	char text[256];
	struct vault *vault; /* not NULL: called again from the callback */
	struct vault_error inner;
};

static int
on_row(void *arg, const char *json, size_t len)
{
	struct collected *c = arg;
	struct vault_rows rows = {on_row, c};

	strncat(c->text, json, len);
	if (c->vault != NULL)
		(void)vault_status(c->vault, &rows, &c->inner);
	return 0;
}

static void
play_rows(struct fake *f)
{
	if (fake_hear(f) != 0 || f->m.type != CLIENT_PROFILES ||
	    !slice_is(f->m.profiles.customer, "acme") ||
	    f->m.profiles.system.n != 0)
		return;
	f->verdict = 1;
	FAKE_SAY(f, f->id, ROW, row, .json = slice_str("{\"a\":1}"));
	FAKE_SAY(f, f->id, ROW, row, .json = slice_str("{\"a\":2}"));
	FAKE_SAY(f, f->id, DONE, done, .audit = 0);
}

static void
cli_question_gets_its_rows(void **state)
{
	const struct vault_filter filter = {.customer = "acme"};
	struct collected c = {.text = ""};
	struct vault_rows rows = {on_row, &c};
	struct vault_error error;
	struct fake f;

	(void)state;
	fake_start(&f, play_rows);
	c.vault = f.vault;
	assert_int_equal(vault_profiles(f.vault, &filter, &rows, &error), 0);
	fake_stop(&f);
	assert_true(f.verdict);
	assert_string_equal(c.text, "{\"a\":1}{\"a\":2}");
	assert_string_equal(c.inner.code, "busy");
}

/*
 * Ask "whoami" of a vault that plays like this, and return the code.
 */
static struct vault_error
ask(void (*play)(struct fake *f), int *ret_again)
{
	struct collected c = {.text = ""};
	struct vault_rows rows = {on_row, &c};
	struct vault_error error = {.code = ""}, again = {.code = ""};
	struct fake f;

	fake_start(&f, play);
	assert_true(vault_whoami(f.vault, &rows, &error) < 0);
	/* afterwards the handle is dead, and says so */
	*ret_again = vault_whoami(f.vault, &rows, &again);
	fake_stop(&f);
	return error;
}

static void
play_other_id(struct fake *f)
{
	(void)fake_hear(f);
	FAKE_SAY(f, f->id + 1, ROW, row, .json = slice_str("{}"));
	(void)fake_hear(f);
}

static void
play_wrong_message(struct fake *f)
{
	(void)fake_hear(f);
	fake_respond(f);
	(void)fake_hear(f);
}

static void
play_client_message(struct fake *f)
{
	(void)fake_hear(f);
	fake_say(f, f->id, (struct client_msg){.type = CLIENT_WHOAMI});
	(void)fake_hear(f);
}

static void
play_noise(struct fake *f)
{
	static const uint8_t noise[64] = {'H', 'T', 'T', 'P'};

	(void)fake_hear(f);
	if (send(f->fd, noise, sizeof(noise), MSG_NOSIGNAL) < 0)
		return;
	(void)fake_hear(f);
}

static void
cli_breach_of_the_vault_ends_the_connection(void **state)
{
	void (*const plays[])(struct fake * f) = {
	    play_other_id, play_wrong_message, play_client_message, play_noise};
	struct vault_error error;
	int again;

	(void)state;
	for (size_t i = 0; i < sizeof(plays) / sizeof(plays[0]); i++) {
		error = ask(plays[i], &again);
		assert_string_equal(error.code, "protocol-error");
		assert_true(again < 0);
	}
}

static void
play_refuse_all(struct fake *f)
{
	FAKE_SAY(f, 0, REFUSED, refused, .code = slice_str("not-ready"),
	    .http = 503, .exit = 5,
	    .sentence = slice_str("the vault is "
	                          "starting"));
	shutdown(f->fd, SHUT_WR);
	while (fake_hear(f) == 0)
		continue;
}

static void
cli_refusal_of_the_connection_is_told(void **state)
{
	struct vault_error error;
	int again;

	(void)state;
	error = ask(play_refuse_all, &again);
	assert_string_equal(error.code, "not-ready");
	assert_int_equal(error.exit, 5);
	assert_true(again < 0);
}

static void
play_hang_up(struct fake *f)
{
	(void)fake_hear(f);
	shutdown(f->fd, SHUT_RDWR);
}

static void
cli_lost_connection_is_told(void **state)
{
	struct vault_error error;
	int again;

	(void)state;
	error = ask(play_hang_up, &again);
	assert_string_equal(error.code, "not-reachable");
	assert_int_equal(error.exit, 5);
}

static void
cli_argument_that_does_not_fit_is_told(void **state)
{
	struct collected c = {.text = ""};
	struct vault_rows rows = {on_row, &c};
	struct vault_error error;
	struct fake f;
	char system[65];

	(void)state;
	memset(system, 'a', sizeof(system) - 1);
	system[sizeof(system) - 1] = '\0';
	fake_start(&f, play_hang_up);
	assert_true(vault_catalog(f.vault, system, &rows, &error) < 0);
	assert_string_equal(error.code, "bad-argument");
	assert_int_equal(error.exit, 2);
	fake_stop(&f);
}

static void
cli_unreachable_vault_names_its_path(void **state)
{
	struct vault_error error;
	struct vault *v = NULL;

	(void)state;
	assert_true(vault_open("/nonexistent/v.sock", &v, &error) < 0);
	assert_null(v);
	assert_string_equal(error.code, "not-reachable");
	assert_int_equal(error.exit, 5);
	assert_non_null(strstr(error.sentence, "/nonexistent/v.sock"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(cli_question_gets_its_rows),
	    cmocka_unit_test(cli_breach_of_the_vault_ends_the_connection),
	    cmocka_unit_test(cli_refusal_of_the_connection_is_told),
	    cmocka_unit_test(cli_lost_connection_is_told),
	    cmocka_unit_test(cli_argument_that_does_not_fit_is_told),
	    cmocka_unit_test(cli_unreachable_vault_names_its_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
