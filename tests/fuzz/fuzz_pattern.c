/*
 * "pattern\nvalue": what a pattern matches, libc's regular expression of the
 * same text matches, too, where both languages have the same letters.
 */
#include <regex.h>
#include <stdio.h>

#include "policy/pattern.h"
#include "tests/fuzz/fuzz.h"

/* No escapes, short counts: the part that POSIX writes in the same way. */
static bool
is_common(const char *pattern)
{
	size_t digits = 0;

	for (const char *p = pattern; *p != '\0'; p++) {
		digits = *p >= '0' && *p <= '9' ? digits + 1 : 0;
		if (*p == '\\' || digits > 2 ||
		    (*p == '[' && strchr("]^-[.:=", p[1]) != NULL) ||
		    (*p != '[' && strchr(".:=", *p) == NULL && p[1] == '[' &&
		        strchr(".:=", p[2]) != NULL))
			return false;
	}
	return strlen(pattern) < 100 && strchr(pattern, '.') == NULL;
}

static void
check_regex(const char *pattern, const char *value, bool matched)
{
	char text[128];
	regex_t re;

	if (!matched || !is_common(pattern))
		return;
	(void)snprintf(text, sizeof(text), "^%s$", pattern);
	if (regcomp(&re, text, REG_EXTENDED | REG_NOSUB) != 0)
		return;
	CHECK(regexec(&re, value, 0, NULL, 0) == 0);
	regfree(&re);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice rest = slice_of(data, size);
	char *pattern = fuzz_string(&rest), *value = fuzz_string(&rest);
	const char *why = NULL;
	size_t len = strlen(value);
	bool matched;

	if (pattern_check(pattern, &why) != 0) {
		CHECK(why != NULL);
	} else {
		matched = pattern_match(pattern, value, len);
		for (size_t i = 0; i < len && matched; i++)
			CHECK(value[i] >= ' ' && value[i] <= '~');
		for (const char *p = pattern; *p != '\0'; p++)
			CHECK(*p >= ' ' && *p <= '~');
		check_regex(pattern, value, matched);
	}
	free(pattern);
	free(value);
	return 0;
}
