/*
 * A stream of frames, as a gate reads a client's and a client the vault's:
 * header, admission, body.
 */
#include "protocol/bytes.h"
#include "protocol/codec.h"
#include "tests/fuzz/fuzz.h"

static void
check_header(const uint8_t *data, const struct frame *f)
{
	uint8_t again[FRAME_HEADER];

	CHECK(f->length <= FRAME_BODY_MAX);
	frame_put(again, f);
	CHECK(memcmp(again, data, FRAME_HEADER) == 0);
}

/* What one side may not say is not admitted from it, whatever its size. */
static void
check_admission(const struct frame *f, enum codec_sender from)
{
	const struct codec_message *d = codec_message(f->type);

	if (codec_admit(f, from) != 0)
		return;
	CHECK(d != NULL && (d->sender & from) != 0);
	CHECK(f->id != 0 || f->type == CLIENT_REFUSED);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct client_msg m;
	struct frame f;

	while (size >= FRAME_HEADER && frame_parse(data, &f) == 0) {
		check_header(data, &f);
		check_admission(&f, CODEC_CLIENT);
		check_admission(&f, CODEC_VAULT);
		data += FRAME_HEADER;
		size -= FRAME_HEADER;
		if (f.length > size)
			break;
		/* what decodes was admitted from one side or the other */
		if (codec_decode(f.type, data, f.length, &m) == 0 && f.id != 0)
			CHECK(codec_admit(&f, CODEC_CLIENT) == 0 ||
			    codec_admit(&f, CODEC_VAULT) == 0);
		data += f.length;
		size -= f.length;
	}
	return 0;
}
