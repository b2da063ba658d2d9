/*
 * A date, as vaultctl and as the keeper read it: what the keeper takes,
 * vaultctl takes for the same moment, and gmtime() writes back.
 */
#include <stdio.h>
#include <time.h>

#include "client/vaultctl/date.h"
#include "tests/fuzz/fuzz.h"
#include "vaultd/keeper/when.h"

static void
check_same(uint64_t ms, const char *text)
{
	time_t t = (time_t)(ms / 1000);
	char back[64];
	struct tm tm;

	CHECK(gmtime_r(&t, &tm) != NULL);
	CHECK(strftime(back, sizeof(back), "%Y-%m-%dT%H:%M:%SZ", &tm) == 20);
	CHECK(memcmp(back, text, 10) == 0);
	CHECK(text[10] == '\0' || strcmp(back, text) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice rest = slice_of(data, size);
	char *text = fuzz_string(&rest);
	size_t n = strlen(text);
	int64_t ms = 0, last;
	unsigned days;
	uint64_t when;

	if (when_parse(slice_of(text, n), &when) == 0) {
		CHECK(date_parse(text, false, &ms) == 0);
		CHECK((uint64_t)ms == when);
		check_same(when, text);
	}
	if (date_parse(text, false, &ms) == 0) {
		CHECK(date_parse(text, true, &last) == 0);
		CHECK(last - ms == (n == 10 ? 86399999 : 0));
		if (n == 10)
			check_same((uint64_t)ms, text);
	}
	if (date_days(text, &days) == 0)
		CHECK(days <= 36500 && text[0] >= '0' && text[0] <= '9');
	free(text);
	return 0;
}
