#include "protocol/frame.h"

#include <string.h>

#include "protocol/bytes.h"

static const uint8_t magic[4] = {'V', 'L', 'T', 'D'};

int
frame_parse(const uint8_t head[FRAME_HEADER], struct frame *ret_frame)
{
	struct frame f;

	if (memcmp(head, magic, sizeof(magic)) != 0)
		return VERR_FORMAT;
	if (get_le(head + 6, 2) != FRAME_VERSION)
		return VERR_VERSION;
	if (get_le(head + 4, 2) != FRAME_HEADER || get_le(head + 10, 2) != 0)
		return VERR_FORMAT;
	f.type = (uint16_t)get_le(head + 8, 2);
	f.id = get_le(head + 12, 8);
	f.length = (uint32_t)get_le(head + 20, 4);
	if (f.length > FRAME_BODY_MAX)
		return VERR_TOOBIG;
	*ret_frame = f;
	return 0;
}

void
frame_put(uint8_t ret_head[FRAME_HEADER], const struct frame *frame)
{
	memcpy(ret_head, magic, sizeof(magic));
	put_le(ret_head + 4, FRAME_HEADER, 2);
	put_le(ret_head + 6, FRAME_VERSION, 2);
	put_le(ret_head + 8, frame->type, 2);
	put_le(ret_head + 10, 0, 2);
	put_le(ret_head + 12, frame->id, 8);
	put_le(ret_head + 20, frame->length, 4);
}
