/*
 * A command line, an argument a line: each argument is a word, an option or its
 * value, and no value is repeated in an error.
 */
#include "client/vaultctl/options.h"
#include "tests/fuzz/fuzz.h"

#define ARGS 24

static const struct option_spec own[] = {
    {"file", "FILE", "", 'f', false},
    {"set", "K=V", "", 0, true},
    {"stdin", NULL, "", 0, false},
    {0},
};
static const struct option_spec common[] = {
    {"json", NULL, "", 'j', false},
    {"header", "H", "", 'H', true},
    {0},
};

static size_t
count(const struct options *o, const char *name)
{
	size_t at = 0, n = 0;

	while (options_next(o, name, &at) != NULL)
		n++;
	return n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_of(data, size);
	struct options o = {.nwords = 0};
	char *argv[ARGS + 1] = {NULL}, why[OPTIONS_WHY_MAX] = "";
	size_t argc = 0;
	int r;

	while (argc < ARGS && text.n > 0)
		argv[argc++] = fuzz_string(&text);
	r = options_parse(&o, own, common, argv, size & 1, why);
	if (r < 0) {
		CHECK(why[0] != '\0' && strlen(why) < OPTIONS_WHY_MAX);
	} else {
		CHECK((size_t)r <= argc && ((size & 1) || (size_t)r == argc));
		CHECK(o.nwords <= OPTIONS_WORDS && o.nwords + o.n <= argc);
		CHECK(count(&o, "file") <= 1 && count(&o, "json") <= 1);
		CHECK(!(size & 1) || o.nwords == 0);
		for (size_t i = 0; i < o.n; i++)
			CHECK(o.given[i].spec->value != NULL ||
			    o.given[i].value[0] == '\0');
	}
	for (size_t i = 0; i < argc; i++)
		free(argv[i]);
	return 0;
}
