#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "client/vaultctl/prompt.h"

/* A child at a terminal of its own, which the test types at. */
struct terminal {
	int master, slave;
	pid_t child;
	char shown[4096];
	size_t n;
};

static void
child(const char *name, bool echo)
{
	uint8_t line[64];
	size_t n = 0;
	int tty, r;

	alarm(20); /* whatever becomes of the test */
	/* A shell has its background jobs ignore it. */
	(void)signal(SIGINT, SIG_DFL);
	setsid();
	if ((tty = open(name, O_RDWR)) < 0 || ioctl(tty, TIOCSCTTY, 0) < 0)
		_exit(99);
	r = prompt_read(tty, "Password: ", echo, line, sizeof(line), &n);
	if (r != 0)
		_exit(-r);
	_exit(n == 7 && memcmp(line, "hunter2", 7) == 0 ? 0 : 98);
}

static void
begin(struct terminal *t, bool echo)
{
	char name[64];

	memset(t, 0, sizeof(*t));
	t->master = posix_openpt(O_RDWR | O_NOCTTY);
	assert_true(t->master >= 0);
	assert_int_equal(grantpt(t->master), 0);
	assert_int_equal(unlockpt(t->master), 0);
	assert_int_equal(ptsname_r(t->master, name, sizeof(name)), 0);
	t->slave = open(name, O_RDWR | O_NOCTTY);
	assert_true(t->slave >= 0);
	if ((t->child = fork()) == 0)
		child(name, echo);
	while (strstr(t->shown, "Password: ") == NULL) {
		ssize_t got = read(
		    t->master, t->shown + t->n, sizeof(t->shown) - 1 - t->n);

		assert_true(got > 0);
		t->n += (size_t)got;
	}
}

/* Type, wait for the child, and take what else it showed. */
static int
end(struct terminal *t, const char *typed)
{
	ssize_t got;
	int status;

	assert_int_equal(write(t->master, typed, strlen(typed)), strlen(typed));
	assert_int_equal(waitpid(t->child, &status, 0), t->child);
	fcntl(t->master, F_SETFL, O_NONBLOCK);
	while ((got = read(t->master, t->shown + t->n,
	            sizeof(t->shown) - 1 - t->n)) > 0)
		t->n += (size_t)got;
	t->shown[t->n] = '\0';
	return status;
}

static bool
echoes(const struct terminal *t)
{
	struct termios now;

	assert_int_equal(tcgetattr(t->slave, &now), 0);
	return (now.c_lflag & ECHO) != 0;
}

static void
finish(struct terminal *t)
{
	close(t->slave);
	close(t->master);
}

static void
cli_prompt_shows_no_secret(void **state)
{
	struct terminal t;

	(void)state;
	begin(&t, false);
	assert_false(echoes(&t));
	assert_int_equal(end(&t, "hunter2\n"), 0);
	assert_null(strstr(t.shown, "hunter2"));
	assert_true(echoes(&t));
	finish(&t);
}

static void
cli_prompt_shows_what_is_no_secret(void **state)
{
	struct terminal t;

	(void)state;
	begin(&t, true);
	assert_int_equal(end(&t, "hunter2\n"), 0);
	assert_non_null(strstr(t.shown, "hunter2"));
	finish(&t);
}

static void
cli_prompt_restores_the_terminal_on_interrupt(void **state)
{
	struct terminal t;
	int status;

	(void)state;
	begin(&t, false);
	assert_false(echoes(&t));
	status = end(&t, "hun\x03");
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
	assert_true(echoes(&t));
	finish(&t);
}

static void
cli_prompt_ends_with_the_input(void **state)
{
	struct terminal t;

	(void)state;
	begin(&t, false);
	assert_int_equal(WEXITSTATUS(end(&t, "\x04")), -VERR_CLOSED);
	assert_true(echoes(&t));
	finish(&t);
}

static void
cli_prompt_refuses_what_is_too_long(void **state)
{
	char typed[80];
	struct terminal t;

	(void)state;
	memset(typed, 'x', sizeof(typed));
	typed[78] = '\n';
	typed[79] = '\0';
	begin(&t, false);
	assert_int_equal(WEXITSTATUS(end(&t, typed)), -VERR_TOOBIG);
	assert_true(echoes(&t));
	finish(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(cli_prompt_shows_no_secret),
	    cmocka_unit_test(cli_prompt_shows_what_is_no_secret),
	    cmocka_unit_test(cli_prompt_restores_the_terminal_on_interrupt),
	    cmocka_unit_test(cli_prompt_ends_with_the_input),
	    cmocka_unit_test(cli_prompt_refuses_what_is_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
