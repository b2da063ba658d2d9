/*
 * Any bytes as a request, its body, and as field lines: no crash, no slice
 * outside of the input, the same verdict at once and in two pieces, and
 * nothing taken that could not be written again.
 */
#include <stdlib.h>

#include "vaultd/gate/http.h"

#define CHECK(what)                                                            \
	do {                                                                   \
		if (!(what))                                                   \
			abort();                                               \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t len);

static void
fuzz_body(const uint8_t *in, size_t len)
{
	struct http_chunk c = {0};
	enum http_fault fault;
	struct slice data;
	size_t used;

	for (; len > 0 && !http_chunk_done(&c); in += used, len -= used) {
		if (http_chunk_feed(&c, in, len, &used, &data, &fault) != 0)
			return;
		CHECK(used > 0 && used <= len && data.n <= used);
	}
}

static void
fuzz_fields(const struct http_field *fields, size_t count)
{
	uint8_t buf[HTTP_HEAD_MAX];
	struct http_out o = {buf, sizeof(buf), 0};

	for (size_t i = 0; i < count; i++, o.len = 0)
		CHECK(http_put_field(&o, fields[i].name, fields[i].value) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *in, size_t len)
{
	static struct http_head h, again;
	enum http_fault fault = HTTP_FAULT_NONE, other = HTTP_FAULT_NONE;
	size_t line = 0, count;
	int r = http_head_parse(in, len, &line, &h, &fault), s;

	line = 0;
	s = http_head_parse(in, len / 2, &line, &again, &other);
	if (s == VERR_AGAIN)
		s = http_head_parse(in, len, &line, &again, &other);
	CHECK(s == r && other == fault);
	CHECK(r != VERR_AGAIN || len < HTTP_HEAD_MAX);
	if (r == 0) {
		CHECK(h.len <= len && h.len == again.len && h.host.n > 0);
		fuzz_fields(h.fields, h.field_count);
		if (h.body == HTTP_BODY_CHUNKED)
			fuzz_body(in + h.len, len - h.len);
	}
	if (http_fields_parse(
	        in, len, h.fields, HTTP_FIELDS_MAX, &count, &fault) == 0)
		fuzz_fields(h.fields, count);
	fuzz_body(in, len);
	return 0;
}
