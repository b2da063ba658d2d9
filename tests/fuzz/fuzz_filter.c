/*
 * The log as a query reads it: "from to" and the literals in the first line,
 * lines of the log behind it.  A line that is taken holds every literal, and no
 * narrower filter takes more.
 */
#include <inttypes.h>
#include <stdio.h>

#include "tests/fuzz/fuzz.h"
#include "vaultd/ledger/filter.h"

static void
check_line(const struct filter *f, const struct filter *wide, struct slice line)
{
	uint8_t *copy = malloc(line.n + 1);

	/* of its own size, so that a read beyond it is seen */
	CHECK(copy != NULL && (copy = realloc(copy, line.n + !line.n)) != NULL);
	if (line.n > 0)
		memcpy(copy, line.p, line.n);
	line.p = copy;
	if (filter_takes(f, line)) {
		CHECK(filter_takes(wide, line));
		for (size_t i = 0; i < f->n; i++)
			CHECK(memmem(line.p, line.n, f->literal[i].p,
			          f->literal[i].n) != NULL);
		if (f->from[0] != '\0' || f->to[0] != '\0')
			CHECK(
			    memmem(line.p, line.n, ",\"time\":\"", 9) != NULL);
	}
	free(copy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice rest = slice_of(data, size), match;
	char *head = fuzz_string(&rest), *words;
	uint64_t from = 0, to = 0;
	struct filter f, wide;
	int used = 0;

	if (sscanf(head, "%" SCNu64 " %" SCNu64 "%n", &from, &to, &used) < 2)
		used = 0;
	for (words = head + used; *words != '\0'; words++)
		if (*words == ' ')
			*words = '\n';
	match = fuzz_pairs(slice_str(head + used), '=');
	CHECK(filter_init(&wide, 0, 0, slice_of(match.p, 0)) == 0);
	if (filter_init(&f, from, to, match) == 0) {
		CHECK(f.n <= FILTER_LITERALS);
		CHECK(strlen(f.from) == (from == 0 ? 0 : FILTER_TIME));
		CHECK(strlen(f.to) == (to == 0 ? 0 : FILTER_TIME));
		while (rest.n > 0)
			check_line(&f, &wide, fuzz_line(&rest));
	}
	free((void *)match.p);
	free(head);
	return 0;
}
