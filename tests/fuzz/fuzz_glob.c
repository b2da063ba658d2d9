/*
 * "pattern\ntext": what glob says is what the plain definition says, and a
 * folded pattern matches whatever the exact one does.
 */
#include "policy/glob.h"
#include "tests/fuzz/fuzz.h"

/* By definition, in exponential time. */
static bool
matches(const char *p, const char *t)
{
	if (*p == '\0')
		return *t == '\0';
	if (p[0] == '*' && p[1] == '*')
		return matches(p + 2, t) || (*t != '\0' && matches(p, t + 1));
	if (*p == '*')
		return matches(p + 1, t) ||
		    (*t != '\0' && *t != '/' && matches(p, t + 1));
	return *p == *t && matches(p + 1, t + 1);
}

static size_t
stars(const char *p)
{
	size_t n = 0;

	for (; *p != '\0'; p++)
		n += *p == '*';
	return n;
}

static void
check(const char *pattern, const char *text, enum glob_kind kind)
{
	const char *why = NULL;
	struct glob *glob;

	if (glob_new(pattern, kind, &glob, &why) != 0) {
		CHECK(why != NULL);
		return;
	}
	CHECK(strstr(pattern, "***") == NULL && strlen(pattern) <= GLOB_MAX);
	CHECK(glob_literal(glob) == (stars(pattern) == 0));
	if (stars(pattern) <= 5 && strlen(text) <= 24)
		CHECK(glob_match(glob, text, strlen(text)) ==
		    matches(pattern, text));
	glob_free(glob);
}

static void
check_folded(const char *pattern, const char *text)
{
	char normal[PATH_TARGET_MAX + 1];
	static struct path_folded folded;
	struct glob *exact, *fold;
	size_t n, path_len;
	const char *why;

	if (path_normalise(text, strlen(text), normal, &n, &path_len, &why) !=
	        0 ||
	    glob_new(pattern, GLOB_PATH, &exact, &why) != 0)
		return;
	CHECK(glob_new(pattern, GLOB_FOLDED, &fold, &why) == 0);
	path_fold(normal, path_len, &folded);
	/* a star may end within an escape, which is one byte folded */
	if (memchr(normal, '%', path_len) == NULL &&
	    glob_match(exact, normal, path_len))
		CHECK(glob_match_folded(fold, &folded));
	glob_free(exact);
	glob_free(fold);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice rest = slice_of(data, size);
	char *pattern = fuzz_string(&rest), *text = fuzz_string(&rest);

	check(pattern, text, GLOB_PROFILE);
	check(pattern, text, GLOB_PATH);
	check_folded(pattern, text);
	free(pattern);
	free(text);
	return 0;
}
