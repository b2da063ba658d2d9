/*
 * An upstream's head, line by line: what is taken can be passed on by the
 * gate, holds no field that is the hop's or the vault's, and says once how long
 * the body is.
 */
#include "tests/fuzz/fuzz.h"
#include "vaultd/courier/head.h"
#include "vaultd/courier/syntax.h"
#include "vaultd/gate/http.h"

static void
check_fields(const struct head *h)
{
	static const char *const never[] = {"connection", "keep-alive",
	    "transfer-encoding", "te", "upgrade", "set-cookie", "vaultd-error"};
	static uint8_t fields[HEAD_MAX * 4], line[HEAD_MAX * 4];
	struct http_out o = {line, sizeof(line), 0};
	struct slice rest, name, value;
	unsigned lengths = 0;
	size_t n;

	CHECK(head_fields(h, fields, sizeof(fields), &n) == 0);
	rest = slice_of(fields, n);
	while (pairs_next(&rest, &name, &value) == 0) {
		CHECK(http_put_field(&o, name, value) == 0);
		o.len = 0;
		for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
			CHECK(!syntax_same(name, slice_str(never[i])));
		CHECK(!syntax_begins(name, "proxy-"));
		if (syntax_same(name, slice_str("content-encoding")))
			CHECK(value.n == 0 ||
			    syntax_same(value, slice_str("identity")));
		if (!syntax_same(name, slice_str("content-length")))
			continue;
		for (size_t i = 0; i < value.n; i++)
			CHECK(value.p[i] >= '0' && value.p[i] <= '9');
		CHECK(value.n > 0 && value.n < 19);
		lengths++;
	}
	CHECK(rest.n == 0 && lengths <= 1);
	CHECK(!(h->has_length && h->chunked));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_of(data, size);
	struct head h = {.status = 0};
	int was_done = 0;

	while (text.n > 0) {
		struct slice line = fuzz_line(&text);

		if (text.n > 0 || data[size - 1] == '\n')
			line.n++;
		if (head_line(&h, line) != FAULT_NONE)
			break;
		CHECK(h.bytes <= HEAD_MAX);
		CHECK(h.status == 0 ||
		    (h.status >= 100 && h.status <= 599 && h.status != 101));
		CHECK(h.interim <= HEAD_INTERIM_MAX);
		if (h.done && !was_done) {
			CHECK(h.status >= 200);
			check_fields(&h);
			was_done = 1;
		}
	}
	head_free(&h);
	return 0;
}
