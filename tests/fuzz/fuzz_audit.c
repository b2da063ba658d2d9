/*
 * The log of an earlier life, line by line, as a ledger tells it: what is taken
 * is numbered from 0 without a gap, in the layout that the keeper writes.
 */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/keeper.h"
#include "vaultd/keeper/audit.h"

static bool
begins(struct slice line, const char *text)
{
	size_t n = strlen(text);

	return line.n >= n && memcmp(line.p, text, n) == 0;
}

static struct slice
after(struct slice line, size_t n)
{
	CHECK(line.n >= n);
	return slice_of(line.p + n, line.n - n);
}

static struct slice
number(struct slice line, uint64_t *ret)
{
	size_t n = 0;

	for (*ret = 0; n < line.n && line.p[n] >= '0' && line.p[n] <= '9'; n++)
		*ret = *ret * 10 + (uint64_t)(line.p[n] - '0');
	CHECK(n > 0);
	return after(line, n);
}

static void
check_line(struct slice line, uint64_t seq)
{
	uint64_t n;

	CHECK(begins(line, "{\"seq\":"));
	line = number(after(line, 7), &n);
	CHECK(n == seq && begins(line, ",\"time\":\""));
	line = after(line, 9 + JSON_TIME_LEN);
	CHECK(begins(line, "\",\"event\":\"access\"") ||
	    begins(line, "\",\"event\":\"decision\"") ||
	    begins(line, "\",\"event\":\"outcome\",\"of\":"));
	if (begins(line, "\",\"event\":\"outcome"))
		(void)number(after(line, 25), &n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct keeper k;
	struct slice text = slice_of(data, size);
	uint64_t seq = 0, store = 0;
	struct audit *a;

	CHECK(audit_new(&k, &a) == 0);
	while (text.n > 0) {
		struct slice line = fuzz_line(&text);
		uint8_t *copy = malloc(line.n + 1);

		/* of its own size, so that a read beyond it is seen */
		CHECK(copy != NULL);
		copy = realloc(copy, line.n > 0 ? line.n : 1);
		CHECK(copy != NULL);
		memcpy(copy, line.p, line.n);
		line.p = copy;
		CHECK(audit_replay(a, seq + 1, line) != 0);
		if (audit_replay(a, seq, line) == 0) {
			check_line(line, seq);
			seq++;
		}
		CHECK(audit_confirmed(a) == seq && audit_store(a) >= store);
		store = audit_store(a);
		if (store > 0)
			CHECK(memmem(data, size, ",\"store\":", 9) != NULL);
		free(copy);
	}
	CHECK(audit_replayed(a, seq + 1) != 0);
	free(a);
	return 0;
}
