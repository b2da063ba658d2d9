/*
 * A u16 type and a body: what is taken is, byte for byte, what tpl itself
 * writes for the values that were read, and within what client.def declares.
 */
#include "protocol/bytes.h"
#include "protocol/codec.h"
#include "protocol/lex.h"
#include "tests/fuzz/fuzz.h"

/* By another reader of UTF-8 than the codec's own. */
static void
check_text(struct slice s)
{
	uint32_t code;
	size_t n;

	for (size_t i = 0; i < s.n; i += n) {
		n = lex_utf8(s.p + i, s.n - i, &code);
		CHECK(n > 0 && code != 0);
	}
}

static void
check_fields(const struct client_msg *m)
{
	const struct codec_message *d = codec_message(m->type);

	for (size_t i = 0; i < d->nfields; i++) {
		const struct codec_field *f = &d->fields[i];
		const uint8_t *at = (const uint8_t *)m + f->offset;
		struct slice s;
		uint64_t n;

		if (f->kind == CODEC_U32 || f->kind == CODEC_U64) {
			n = get_le(at, f->kind == CODEC_U32 ? 4 : 8);
		} else {
			memcpy(&s, at, sizeof(s));
			n = s.n;
			if (f->kind == CODEC_STR)
				check_text(s);
		}
		CHECK(n >= f->min && n <= f->max);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t again[FRAME_MAX];
	struct client_msg m;
	uint8_t *body;
	size_t n;

	if (size < 2)
		return 0;
	codec_init();
	/* a copy of its own, so that a read beyond it is seen */
	n = size - 2;
	CHECK((body = malloc(n == 0 ? 1 : n)) != NULL);
	memcpy(body, data + 2, n);
	if (codec_decode((uint32_t)get_le(data, 2), body, n, &m) == 0) {
		check_fields(&m);
		CHECK(codec_size(&m) == FRAME_HEADER + size - 2);
		CHECK(codec_encode(1, &m, again, sizeof(again), &n) == 0);
		CHECK(n == FRAME_HEADER + size - 2);
		CHECK(memcmp(again + FRAME_HEADER, data + 2, size - 2) == 0);
	}
	free(body);
	return 0;
}
