/*
 * fuzz_codec - a u16 type and a body.  What is accepted must be, byte for
 *		byte, what tpl itself writes for the values that were read.
 */
#include <stdlib.h>

#include "protocol/bytes.h"
#include "protocol/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
	body = malloc(n);
	if (body == NULL)
		return 0;
	memcpy(body, data + 2, n);
	if (codec_decode((uint32_t)get_le(data, 2), body, n, &m) == 0) {
		if (codec_encode(1, &m, again, sizeof(again), &n) != 0 ||
		    n != FRAME_HEADER + size - 2 ||
		    memcmp(again + FRAME_HEADER, data + 2, size - 2) != 0)
			abort();
	}
	free(body);
	return 0;
}
