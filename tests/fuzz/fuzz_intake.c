/*
 * A credential as --stdin takes it, the first byte the number of fields: each
 * field is there once and whole, within what was read.
 */
#include "client/vaultctl/intake.h"
#include "tests/fuzz/fuzz.h"

/* How many lines give the field called "name". */
static size_t
count(const struct intake *s, size_t size, const char *name)
{
	struct slice text = slice_of(s->memory, size);
	size_t n = strlen(name), lines = 0;

	while (text.n > 0) {
		struct slice line = fuzz_line(&text);

		lines += line.n > n && memcmp(line.p, name, n) == 0 &&
		    line.p[n] == '=';
	}
	return lines;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = {"key", "user", "password", "k"};
	char why[INTAKE_WHY_MAX] = "";
	struct intake s = {0};

	if (size == 0)
		return 0;
	s.nfields = 1 + data[0] % 4;
	size--;
	s.memory = malloc(size == 0 ? 1 : size);
	CHECK(s.memory != NULL);
	memcpy(s.memory, data + 1, size);
	for (size_t i = 0; i < s.nfields; i++)
		(void)strncpy(s.fields[i].name, names[i], 16);
	if (intake_parse(&s, size, why) != 0) {
		CHECK(why[0] != '\0');
		goto out;
	}
	for (size_t i = 0; i < s.nfields; i++) {
		const struct intake_field *f = &s.fields[i];
		size_t n = strlen(f->name);

		CHECK(f->len > 0 && f->value >= s.memory &&
		    f->value + f->len <= s.memory + size);
		if (s.nfields == 1)
			continue;
		CHECK(memchr(f->value, '\n', f->len) == NULL);
		CHECK(f->value[-1] == '=' &&
		    memcmp(f->value - 1 - n, f->name, n) == 0);
		CHECK(f->value - 1 - n == s.memory ||
		    f->value[-2 - (int)n] == '\n');
		CHECK(count(&s, size, f->name) == 1);
	}
out:
	free(s.memory);
	return 0;
}
