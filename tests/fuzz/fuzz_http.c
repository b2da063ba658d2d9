/*
 * Any bytes as a request, its body, and as field lines: no slice outside of the
 * input, the same verdict at once and in two pieces, one reading of where the
 * body ends, and nothing taken that could not be written again.
 */
#include <inttypes.h>
#include <stdio.h>

#include "tests/fuzz/fuzz.h"
#include "vaultd/gate/http.h"

/* RFC 9112, 7.1, less extensions and trailers.  -1: refused or cut. */
static long
chunked_length(const uint8_t *in, size_t len)
{
	uint64_t n = 1;
	size_t at = 0, digits;

	while (n > 0) {
		for (n = digits = 0; at < len && digits < 17; digits++, at++) {
			uint8_t c = in[at] | 0x20;

			if (!(in[at] >= '0' && in[at] <= '9') &&
			    !(c >= 'a' && c <= 'f'))
				break;
			n = n * 16 + (c <= '9' ? in[at] - '0' : c - 'a' + 10);
		}
		if (digits == 0 || digits > 16 || len - at < 2 ||
		    memcmp(in + at, "\r\n", 2) != 0 || n > len)
			return -1;
		at += 2 + n;
		if (at > len || len - at < 2 || memcmp(in + at, "\r\n", 2) != 0)
			return -1;
		at += 2;
	}
	return (long)at;
}

static void
check_body(const uint8_t *in, size_t len, size_t step)
{
	struct http_chunk c = {0};
	long want = chunked_length(in, len);
	enum http_fault fault;
	struct slice data;
	size_t used, at = 0;

	while (at < len && !http_chunk_done(&c)) {
		size_t n = step < len - at ? step : len - at;

		if (http_chunk_feed(&c, in + at, n, &used, &data, &fault) != 0)
			break;
		CHECK(used > 0 && used <= n && data.n <= used);
		CHECK(data.n == 0 ||
		    (data.p >= in + at && data.p + data.n <= in + at + used));
		at += used;
	}
	CHECK(http_chunk_done(&c) ? want == (long)at : want == -1);
}

static void
check_fields(const struct http_field *fields, size_t count)
{
	uint8_t buf[HTTP_HEAD_MAX];
	struct http_out o = {buf, sizeof(buf), 0};

	CHECK(count <= HTTP_FIELDS_MAX);
	for (size_t i = 0; i < count; i++, o.len = 0) {
		CHECK(fields[i].name.n <= HTTP_NAME_MAX &&
		    fields[i].value.n <= HTTP_VALUE_MAX);
		CHECK(http_put_field(&o, fields[i].name, fields[i].value) == 0);
		for (size_t k = 0; k < fields[i].value.n; k++)
			CHECK(fields[i].value.p[k] >= ' ' &&
			    fields[i].value.p[k] < 0x7f);
	}
}

/* One host, and one way to say how long the body is. */
static void
check_framing(const struct http_head *h)
{
	size_t hosts = 0, lengths = 0, codings = 0;
	char text[24];

	for (size_t i = 0; i < h->field_count; i++) {
		const struct http_field *f = &h->fields[i];

		hosts += http_name_is(f->name, "host");
		codings += http_name_is(f->name, "transfer-encoding");
		if (!http_name_is(f->name, "content-length"))
			continue;
		lengths++;
		(void)snprintf(text, sizeof(text), "%" PRIu64, h->length);
		CHECK(slice_is(f->value, text) && h->length <= INT64_MAX);
	}
	CHECK(hosts == 1 && h->host.n > 0 && lengths + codings <= 1);
	CHECK((h->body == HTTP_BODY_LENGTH) == (lengths == 1));
	CHECK((h->body == HTTP_BODY_CHUNKED) == (codings == 1));
}

static void
check_line(const struct http_head *h)
{
	CHECK(h->method.n > 0 && h->method.n <= HTTP_METHOD_MAX);
	for (size_t i = 0; i < h->method.n; i++)
		CHECK(h->method.p[i] == '-' ||
		    (h->method.p[i] >= 'A' && h->method.p[i] <= 'Z'));
	CHECK(!slice_is(h->method, "CONNECT") && !slice_is(h->method, "TRACE"));
	CHECK(h->target.n > 0 && h->target.p[0] == '/');
	for (size_t i = 0; i < h->target.n; i++)
		CHECK(h->target.p[i] > ' ' && h->target.p[i] < 0x7f &&
		    h->target.p[i] != '#');
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
		CHECK(h.len <= len && h.len == again.len && h.len >= 4);
		CHECK(memcmp(in + h.len - 4, "\r\n\r\n", 4) == 0);
		check_line(&h);
		check_framing(&h);
		check_fields(h.fields, h.field_count);
		if (h.body == HTTP_BODY_CHUNKED)
			check_body(in + h.len, len - h.len, len);
	}
	if (http_fields_parse(
	        in, len, h.fields, HTTP_FIELDS_MAX, &count, &fault) == 0)
		check_fields(h.fields, count);
	check_body(in, len, len);
	check_body(in, len, 1);
	return 0;
}
