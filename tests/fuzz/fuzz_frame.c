/*
 * fuzz_frame - a stream of frames as a gate reads it: header, admission, body.
 */
#include <stdlib.h>

#include "protocol/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t again[FRAME_HEADER];
	struct client_msg m;
	struct frame f;

	while (size >= FRAME_HEADER && frame_parse(data, &f) == 0) {
		frame_put(again, &f);
		if (memcmp(again, data, FRAME_HEADER) != 0)
			abort();
		data += FRAME_HEADER;
		size -= FRAME_HEADER;
		if (f.length > size)
			break;
		if (codec_decode(f.type, data, f.length, &m) == 0 &&
		    f.id != 0 && codec_admit(&f, CODEC_CLIENT) != 0 &&
		    codec_admit(&f, CODEC_VAULT) != 0)
			abort();
		data += f.length;
		size -= f.length;
	}
	return 0;
}
