#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "vaultd/base/secret.h"

#define ARENA 65536

static uint8_t *base; /* the first block's bytes */

static int
all(const uint8_t *p, uint8_t value, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != value)
			return 0;
	return 1;
}

static void
keys_secret_aligned_zeroed_apart(void **state)
{
	uint8_t *p[100];

	(void)state;
	for (size_t i = 0; i < 100; i++) {
		p[i] = secret_alloc(i);
		assert_non_null(p[i]);
		assert_int_equal((uintptr_t)p[i] % 32, 0);
		assert_true(all(p[i], 0, i));
		memset(p[i], (int)i + 1, i);
	}
	for (size_t i = 0; i < 100; i++)
		assert_true(all(p[i], (uint8_t)(i + 1), i));
	for (size_t i = 0; i < 100; i += 2)
		secret_free(p[i]);
	for (size_t i = 1; i < 100; i += 2)
		assert_true(all(p[i], (uint8_t)(i + 1), i));
	for (size_t i = 1; i < 100; i += 2)
		secret_free(p[i]);
	secret_free(NULL);
}

static void
keys_secret_wiped_when_freed(void **state)
{
	uint8_t *a = secret_alloc(1000), *b = secret_alloc(33), *c;

	(void)state;
	assert_non_null(a);
	assert_non_null(b);
	memset(a, 's', 1000);
	memset(b, 't', 33);
	secret_free(a);
	assert_true(all(a, 0, 1000));
	assert_true(all(b, 't', 33));
	secret_free(b);
	assert_true(all(b, 0, 33));
	/* Nor is bookkeeping of the old blocks left in a new one. */
	c = secret_alloc(8000);
	assert_non_null(c);
	assert_true(all(c, 0, 8000));
	secret_free(c);
}

static void
keys_secret_exhaustion_and_merging(void **state)
{
	uint8_t *p[ARENA / 64 + 1], *whole;
	size_t n = 0;

	(void)state;
	assert_null(secret_alloc(ARENA));
	assert_null(secret_alloc(SIZE_MAX));
	assert_null(secret_alloc(SIZE_MAX - 31));
	while ((p[n] = secret_alloc(32)) != NULL)
		n++;
	assert_int_equal(n, ARENA / 64);
	assert_null(secret_alloc(1));
	/* In an order in which neighbours become free on both sides. */
	for (size_t i = 0; i < n; i += 2)
		secret_free(p[i]);
	assert_null(secret_alloc(33));
	for (size_t i = 1; i < n; i += 2)
		secret_free(p[i]);
	whole = secret_alloc(ARENA - 32);
	assert_ptr_equal(whole, base);
	assert_true(all(whole, 0, ARENA - 32));
	secret_free(whole);
}

/*
 * The signal that ends a child which touches "p".
 */
static int
signal_of(volatile uint8_t *p, int write_it)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		/* A sanitizer would take the signal for itself. */
		signal(SIGSEGV, SIG_DFL);
		signal(SIGBUS, SIG_DFL);
		if (write_it)
			*p = 1;
		else
			(void)*p;
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void
keys_secret_guard_pages(void **state)
{
	uint8_t *begin = base - 32, *end = begin + ARENA;

	(void)state;
	assert_int_equal(signal_of(end, 1), SIGSEGV);
	assert_int_equal(signal_of(end, 0), SIGSEGV);
	assert_int_equal(signal_of(begin - 1, 1), SIGSEGV);
	assert_int_equal(signal_of(begin - 1, 0), SIGSEGV);
}

/*
 * What overran its block is caught when the next one is looked at.  In a child,
 * which must make the arena itself.
 */
static void
keys_secret_overrun_is_fatal(void **state)
{
	enum secret_kind kind;
	uint8_t *a, *b;
	int status;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0) {
		close(2);
		if (secret_init(ARENA, &kind) != 0 ||
		    (a = secret_alloc(32)) == NULL ||
		    (b = secret_alloc(32)) == NULL)
			_exit(0);
		memset(a, 'x', 64);
		secret_free(b);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

/* A child has none of it: not inherited, or empty. */
static void
keys_secret_not_in_a_forked_child(void **state)
{
	uint8_t *p = secret_alloc(32);
	int status;
	pid_t pid;

	(void)state;
	assert_non_null(p);
	memset(p, 's', 32);
	assert_true((pid = fork()) >= 0);
	if (pid == 0) {
		signal(SIGSEGV, SIG_DFL);
		_exit(all(p, 0, 32) ? 0 : 9);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status))
		assert_int_equal(WEXITSTATUS(status), 0);
	else
		assert_int_equal(WTERMSIG(status), SIGSEGV);
	secret_free(p);
}

static int
setup(void **state)
{
	enum secret_kind kind;

	(void)state;
	/* Nothing is given out before there is an arena. */
	if (secret_alloc(1) != NULL || secret_init(ARENA, &kind) != 0)
		return -1;
	base = secret_alloc(1);
	secret_free(base);
	return base == NULL ? -1 : 0;
}

int
main(void)
{
	const struct CMUnitTest without[] = {
	    cmocka_unit_test(keys_secret_overrun_is_fatal),
	};
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(keys_secret_aligned_zeroed_apart),
	    cmocka_unit_test(keys_secret_wiped_when_freed),
	    cmocka_unit_test(keys_secret_exhaustion_and_merging),
	    cmocka_unit_test(keys_secret_guard_pages),
	    cmocka_unit_test(keys_secret_not_in_a_forked_child),
	};

	return cmocka_run_group_tests_name("no arena", without, NULL, NULL) |
	    cmocka_run_group_tests_name("secret", tests, setup, NULL);
}
