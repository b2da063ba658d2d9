#include <inttypes.h>
#include <stdio.h>

#include "tests/unit/protocol/by_hand.h"

static void
round_trip(const struct codec_message *d, enum sample how)
{
	struct client_msg m = sample_client(d, how), got;
	struct frame f;
	size_t n = 0, size = codec_size(&m);

	assert_in_range(size, FRAME_HEADER, FRAME_MAX);
	assert_int_equal(codec_encode(9, &m, frame, size, &n), 0);
	assert_int_equal(n, size);
	assert_int_equal(frame_parse(frame, &f), 0);
	assert_true(f.id == 9);
	assert_int_equal(f.type, d->type);
	assert_int_equal(f.length, n - FRAME_HEADER);
	assert_int_equal(codec_admit(&f, (enum codec_sender)d->sender), 0);
	/* the bytes are those of the declaration */
	size = image_by_hand(d, &m, again, NULL, NULL);
	assert_int_equal(size, f.length);
	assert_memory_equal(again, frame + FRAME_HEADER, size);

	assert_int_equal(
	    codec_decode(d->type, frame + FRAME_HEADER, f.length, &got), 0);
	assert_int_equal(got.type, d->type);
	EACH_FIELD(fd, d)
	{
		if (is_number(fd))
			assert_true(number_of(&got, fd) == number_of(&m, fd));
		else
			assert_true(
			    slice_equal(bytes_of(&got, fd), bytes_of(&m, fd)));
	}
}

static void
hostile_codec_round_trip_of_every_message(void **state)
{
	(void)state;
	EACH_MESSAGE(d)
	{
		round_trip(d, SAMPLE_LEAST);
		round_trip(d, SAMPLE_USUAL);
		round_trip(d, SAMPLE_MOST);
	}
}

static void
hostile_codec_short_buffer_gets_nothing(void **state)
{
	(void)state;
	EACH_MESSAGE(d)
	{
		struct client_msg m = sample_client(d, SAMPLE_USUAL);
		size_t n = 77, size = codec_size(&m);
		uint8_t *buf = calloc(1, size);

		assert_non_null(buf);
		assert_int_equal(
		    codec_encode(9, &m, buf, size - 1, &n), VERR_TOOBIG);
		assert_int_equal(n, 77);
		for (size_t i = 0; i < size; i++)
			assert_int_equal(buf[i], 0);
		free(buf);
	}
}

static void
try_limits(const struct codec_message *d, const struct codec_field *f,
    uint64_t v, int want)
{
	struct client_msg m = sample_client(d, SAMPLE_LEAST);
	struct slice big = {0};
	size_t n, out = 0;

	if (is_number(f)) {
		set_number(&m, f, v);
	} else {
		big.p = memset(malloc(v + 1), 'x', v + 1);
		big.n = (size_t)v;
		set_bytes(&m, f, big);
	}
	assert_int_equal(codec_encode(1, &m, again, sizeof(again), &out), want);
	if (n = image_by_hand(d, &m, frame, NULL, NULL), n <= FRAME_BODY_MAX)
		assert_int_equal(decode(d->type, frame, n, NULL), want);
	free((void *)big.p);
}

static void
hostile_codec_every_limit_of_every_field(void **state)
{
	(void)state;
	EACH_MESSAGE(d) EACH_FIELD(f, d)
	{
		uint64_t most = f->kind == CODEC_U32 ? UINT32_MAX : UINT64_MAX;
		int low = is_number(f) ? VERR_FORMAT : VERR_TRUNCATED;
		int high = is_number(f) ? VERR_FORMAT : VERR_TOOBIG;

		try_limits(d, f, f->min, 0);
		try_limits(d, f, f->max, 0);
		if (f->min > 0)
			try_limits(d, f, f->min - 1, low);
		if (f->max < most)
			try_limits(d, f, f->max + 1, high);
	}
}

/* Where the body is big enough for it, the field's own limit must hold. */
static void
hostile_codec_one_field_does_not_borrow_anothers_limit(void **state)
{
	static uint8_t x[4096];
	struct client_msg m = usual(CLIENT_REQUEST);
	size_t n;

	(void)state;
	m.request.profile = slice_of(memset(x, 'x', sizeof(x)), 128);
	n = image_by_hand(codec_message(CLIENT_REQUEST), &m, frame, NULL, NULL);
	assert_int_equal(decode(CLIENT_REQUEST, frame, n, NULL), VERR_TOOBIG);
	m.request.profile = slice_str("");
	n = image_by_hand(codec_message(CLIENT_REQUEST), &m, frame, NULL, NULL);
	assert_int_equal(
	    decode(CLIENT_REQUEST, frame, n, NULL), VERR_TRUNCATED);
}

static void
hostile_codec_strings_are_utf8_without_nul(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		int want;
	} texts[] = {
	    {"plain", 5, 0},
	    {"\x01\x7f", 2, 0},
	    {"\xc2\x80", 2, 0},
	    {"\xdf\xbf", 2, 0},
	    {"\xe0\xa0\x80", 3, 0},
	    {"\xed\x9f\xbf", 3, 0},
	    {"\xee\x80\x80", 3, 0},
	    {"\xf0\x90\x80\x80", 4, 0},
	    {"\xf4\x8f\xbf\xbf", 4, 0},
	    {"\0", 1, VERR_FORMAT},
	    {"a\0b", 3, VERR_FORMAT},
	    {"ab\0", 3, VERR_FORMAT},
	    {"\x80", 1, VERR_FORMAT}, /* a lone continuation */
	    {"\xc3", 1, VERR_FORMAT}, /* cut short */
	    {"\xe2\x82", 2, VERR_FORMAT},
	    {"\xf0\x9f\x98", 3, VERR_FORMAT},
	    {"\xc0\x80", 2, VERR_FORMAT}, /* overlong */
	    {"\xc1\xbf", 2, VERR_FORMAT},
	    {"\xe0\x9f\xbf", 3, VERR_FORMAT},
	    {"\xf0\x8f\xbf\xbf", 4, VERR_FORMAT},
	    {"\xed\xa0\x80", 3, VERR_FORMAT}, /* a surrogate */
	    {"\xed\xbf\xbf", 3, VERR_FORMAT},
	    {"\xf4\x90\x80\x80", 4, VERR_FORMAT}, /* above U+10FFFF */
	    {"\xf5\x80\x80\x80", 4, VERR_FORMAT},
	    {"\xff", 1, VERR_FORMAT},
	    {"\xc3(", 2, VERR_FORMAT}, /* no continuation */
	    {"\xe2\x82(", 3, VERR_FORMAT},
	    {"\xe2(\xac", 3, VERR_FORMAT},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct client_msg m = {.type = CLIENT_DONE,
		    .done.text = slice_of(texts[i].bytes, texts[i].n)};
		size_t out = 0,
		       n = image_by_hand(
		           codec_message(CLIENT_DONE), &m, frame, NULL, NULL);

		assert_int_equal(
		    decode(CLIENT_DONE, frame, n, NULL), texts[i].want);
		assert_int_equal(
		    codec_encode(1, &m, again, sizeof(again), &out),
		    texts[i].want);
	}
}

/* Bytes that are nobody's text pass as they are. */
static void
hostile_codec_blobs_are_any_bytes(void **state)
{
	struct client_msg m = usual(CLIENT_RESPONSE);
	size_t n;

	(void)state;
	m.response.headers = slice_of("A: \xe9\0\xff\r\n", 8);
	n = image_by_hand(
	    codec_message(CLIENT_RESPONSE), &m, frame, NULL, NULL);
	assert_int_equal(decode(CLIENT_RESPONSE, frame, n, NULL), 0);
}

static void
hostile_codec_admits_by_sender_type_and_size(void **state)
{
	unsigned known = 0;

	(void)state;
	for (uint32_t type = 0; type <= UINT16_MAX; type++) {
		struct frame f = {.id = 1, .type = (uint16_t)type};

		known += codec_message(type) != NULL;
		if (codec_message(type) == NULL) {
			assert_int_equal(
			    codec_admit(&f, CODEC_CLIENT), VERR_UNKNOWN);
			assert_int_equal(
			    decode(type, frame, 0, NULL), VERR_UNKNOWN);
		}
	}
	assert_int_equal(known, codec_nmessages);
	EACH_MESSAGE(d)
	{
		enum codec_sender from =
		    d->sender & CODEC_CLIENT ? CODEC_CLIENT : CODEC_VAULT;
		struct client_msg least = sample_client(d, SAMPLE_LEAST);
		struct client_msg most = sample_client(d, SAMPLE_MOST);
		struct frame f = {.id = 1, .type = d->type};

		f.length = (uint32_t)codec_size(&least) - FRAME_HEADER;
		assert_int_equal(codec_admit(&f, from), 0);
		if (d->sender != CODEC_EITHER)
			assert_int_equal(codec_admit(&f,
			                     from == CODEC_VAULT ? CODEC_CLIENT
			                                         : CODEC_VAULT),
			    VERR_FORBIDDEN);
		f.id = 0;
		assert_int_equal(codec_admit(&f, from),
		    d->type == CLIENT_REFUSED ? 0 : VERR_FORBIDDEN);
		f.id = UINT64_MAX;
		if (f.length-- > 0)
			assert_int_equal(codec_admit(&f, from), VERR_TRUNCATED);
		f.length = (uint32_t)codec_size(&most) - FRAME_HEADER;
		assert_int_equal(codec_admit(&f, from), 0);
		f.length++;
		assert_int_equal(codec_admit(&f, from), VERR_TOOBIG);
	}
}

/*
 * The declarations as PROTOCOL.md prints them.
 */
static void
print_page(FILE *out)
{
	static const char *const who[] = {
	    [CODEC_CLIENT] = "client",
	    [CODEC_VAULT] = "vault",
	    [CODEC_EITHER] = "either",
	};
	static const char *const kind[] = {
	    [CODEC_U32] = "U32",
	    [CODEC_U64] = "U64",
	    [CODEC_STR] = "STR",
	    [CODEC_BLOB] = "BLOB",
	    [CODEC_RAW] = "RAW",
	};

	fprintf(out,
	    "| type | message | sender | format | meaning |\n"
	    "|---|---|---|---|---|\n");
	EACH_MESSAGE(d)
	fprintf(out, "| %u | %s | %s | %s%s%s | %s |\n", d->type, d->name,
	    who[d->sender], d->format[0] ? "`" : "",
	    d->format[0]     ? d->format
	        : d->nfields ? "raw"
	                     : "empty",
	    d->format[0] ? "`" : "", d->meaning);
	fprintf(out,
	    "\n| message | field | kind | least | most | meaning |\n"
	    "|---|---|---|---|---|---|\n");
	EACH_MESSAGE(d)
	EACH_FIELD(f, d)
	fprintf(out, "| %s | %s | %s | %" PRIu64 " | %" PRIu64 " | %s |\n",
	    d->name, f->name, kind[f->kind], f->min, f->max, f->meaning);
}

static void
cli_protocol_page_lists_every_message_and_field(void **state)
{
	static char page[1 << 17];
	char *want = NULL;
	size_t want_n = 0;
	FILE *in = fopen("protocol/PROTOCOL.md", "r"), *out;

	(void)state;
	if (in == NULL)
		fail_msg("run from the root of the tree");
	page[fread(page, 1, sizeof(page) - 1, in)] = '\0';
	fclose(in);
	out = open_memstream(&want, &want_n);
	assert_non_null(out);
	print_page(out);
	fclose(out);
	if (strstr(page, want) == NULL)
		fail_msg("PROTOCOL.md should have these lines:\n%s", want);
	free(want);
}

static int
setup(void **state)
{
	(void)state;
	codec_init();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(hostile_codec_round_trip_of_every_message),
	    cmocka_unit_test(hostile_codec_short_buffer_gets_nothing),
	    cmocka_unit_test(hostile_codec_every_limit_of_every_field),
	    cmocka_unit_test(
	        hostile_codec_one_field_does_not_borrow_anothers_limit),
	    cmocka_unit_test(hostile_codec_strings_are_utf8_without_nul),
	    cmocka_unit_test(hostile_codec_blobs_are_any_bytes),
	    cmocka_unit_test(hostile_codec_admits_by_sender_type_and_size),
	    cmocka_unit_test(cli_protocol_page_lists_every_message_and_field),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
