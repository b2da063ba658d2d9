/*
 * Linked into every unit test: with $VAULTD_TEST_FILTER, only the tests whose
 * name it matches are run, say '*jwt*'.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

__attribute__((constructor)) static void
filter_from_environment(void)
{
	const char *filter = getenv("VAULTD_TEST_FILTER");

	if (filter != NULL)
		cmocka_set_test_filter(filter);
}
