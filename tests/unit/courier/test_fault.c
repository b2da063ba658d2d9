/*
 * Every way in which libcurl or the dialer can fail has a sentence of ours.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "vaultd/courier/fault.h"

static void
http_every_failure_of_libcurl_is_a_fault(void **state)
{
	(void)state;
	assert_int_equal(fault_of_curl(CURLE_OK), FAULT_NONE);
	for (int code = 1; code <= CURL_LAST; code++)
		assert_int_not_equal(fault_of_curl((CURLcode)code), FAULT_NONE);
}

static void
http_faults_have_their_refusal_and_error(void **state)
{
	static const struct {
		CURLcode code;
		enum refusal refusal;
		int error;
	} cases[] = {
	    {CURLE_PEER_FAILED_VERIFICATION, REFUSED_UPSTREAM, VERR_TLS},
	    {CURLE_SSL_PINNEDPUBKEYNOTMATCH, REFUSED_UPSTREAM, VERR_TLS},
	    {CURLE_SSL_CONNECT_ERROR, REFUSED_UPSTREAM, VERR_TLS},
	    {CURLE_OPERATION_TIMEDOUT, REFUSED_TIMEOUT, VERR_TIMEOUT},
	    {CURLE_GOT_NOTHING, REFUSED_UPSTREAM, VERR_IO},
	    {CURLE_PARTIAL_FILE, REFUSED_UPSTREAM, VERR_TRUNCATED},
	    {CURLE_BAD_FUNCTION_ARGUMENT, REFUSED_UPSTREAM, VERR_INTERNAL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct fault_info *f =
		    &fault_info[fault_of_curl(cases[i].code)];

		assert_int_equal(f->refusal, cases[i].refusal);
		assert_int_equal(f->error, cases[i].error);
	}
	assert_int_equal(fault_of_dial(VERR_FORBIDDEN), FAULT_ADDRESS);
	assert_int_equal(fault_of_dial(VERR_NOTFOUND), FAULT_NO_NAME);
	assert_int_equal(fault_of_dial(VERR_TIMEOUT), FAULT_CONNECT_TIME);
	/* A dialer that says success without a socket is believed neither. */
	assert_int_equal(fault_of_dial(0), FAULT_CONNECT);
	assert_int_equal(fault_of_dial(12345), FAULT_CONNECT);
}

static void
http_sentences_fit_and_differ(void **state)
{
	(void)state;
	for (int i = 1; i < FAULT_COUNT; i++) {
		assert_int_not_equal(fault_info[i].refusal, REFUSED_NONE);
		assert_int_not_equal(fault_info[i].error, VERR_OK);
		assert_in_range(strlen(fault_info[i].sentence), 5, 200);
		for (int j = 1; j < i; j++)
			assert_string_not_equal(
			    fault_info[i].sentence, fault_info[j].sentence);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(http_every_failure_of_libcurl_is_a_fault),
	    cmocka_unit_test(http_faults_have_their_refusal_and_error),
	    cmocka_unit_test(http_sentences_fit_and_differ),
	};

	return cmocka_run_group_tests_name("courier/fault", tests, NULL, NULL);
}
