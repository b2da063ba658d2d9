/*
 * An upstream's answer, whole and split after the length of its first line: the
 * same head, body and end either way, and never more body than was announced.
 */
#include "tests/fuzz/fuzz.h"
#include "vaultd/courier/answer.h"

struct told {
	enum fault fault;
	enum answer_state state;
	size_t used, body, bytes;
	unsigned status;
	uint32_t sum; /* of the body */
};

static void
take(struct told *t, struct answer *a, struct slice in)
{
	struct slice data;
	size_t used;

	do {
		t->fault = answer_feed(
		    a, slice_of(in.p + t->used, in.n - t->used), &used, &data);
		t->used += used;
		CHECK(t->used <= in.n && data.n <= used);
		for (size_t i = 0; i < data.n; i++)
			t->sum = t->sum * 31 + data.p[i];
		t->body += data.n;
	} while (t->fault == FAULT_NONE && used > 0);
}

static struct told
feed(struct slice in, size_t piece)
{
	struct answer a = {.bodiless = in.n % 7 == 0};
	struct told t = {FAULT_NONE, ANSWER_HEAD, 0, 0, 0, 0, 0};

	for (size_t n = piece; t.fault == FAULT_NONE; n += piece) {
		take(&t, &a, slice_of(in.p, n < in.n ? n : in.n));
		if (n >= in.n)
			break;
	}
	if (a.head.done && a.head.has_length && !a.head.chunked)
		CHECK(t.body <= a.head.length);
	CHECK(t.fault != FAULT_NONE || a.state != ANSWER_DONE || a.head.done);
	CHECK(a.head.bytes <= HEAD_MAX);
	CHECK(!answer_keeps(&a) || a.state == ANSWER_DONE);
	t.state = a.state;
	t.bytes = a.head.bytes;
	t.status = a.head.status;
	answer_free(&a);
	return t;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size), text = in;
	size_t piece = fuzz_line(&text).n % 97 + 1;
	struct told whole, split;

	if (size == 0)
		return 0;
	whole = feed(in, size);
	split = feed(in, piece);
	CHECK(whole.fault == split.fault);
	if (whole.fault != FAULT_NONE)
		return 0;
	CHECK(whole.state == split.state && whole.used == split.used);
	CHECK(whole.body == split.body && whole.sum == split.sum);
	CHECK(whole.bytes == split.bytes && whole.status == split.status);
	return 0;
}
