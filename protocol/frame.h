/*
 * frame - the header before every message on vaultd.sock.
 *
 * Twenty-four bytes, little-endian:
 *
 *	 0  4  magic "VLTD"
 *	 4  2  header size, 24
 *	 6  2  protocol version, 1
 *	 8  2  message type (client.def)
 *	10  2  zero
 *	12  8  request id; 0 speaks of the connection itself
 *	20  4  bytes of the body that follows
 */
#ifndef PROTOCOL_FRAME_H
#define PROTOCOL_FRAME_H

#include <stdint.h>

#include "protocol/verr.h"

#define FRAME_HEADER   24
#define FRAME_VERSION  1
#define FRAME_BODY_MAX 65536u
#define FRAME_MAX      (FRAME_HEADER + FRAME_BODY_MAX)

/* What each side may send of a body before the other grants more. */
#define FRAME_WINDOW (256u * 1024)

struct frame {
	uint64_t id;
	uint32_t length; /* of the body, at most FRAME_BODY_MAX */
	uint16_t type;
};

/*
 * Read the header "head".  Whether the type is known, and its length fit for
 * the type, is for codec_admit() to say.
 *
 * On success, returns 0 and fills "ret_frame".
 * On failure, "ret_frame" is untouched:
 *	VERR_FORMAT	not the magic, not the header size, or the zero is
 *			not zero: the peer speaks something else, or lost step
 *	VERR_VERSION	the magic is right, the version is not spoken; nothing
 *			after the version can be relied on
 *	VERR_TOOBIG	a body of more than FRAME_BODY_MAX
 * After any of them the connection cannot be read further.
 */
MUST_CHECK
int frame_parse(const uint8_t head[FRAME_HEADER], struct frame *ret_frame);

/*
 * Write the header for "frame", whose length is at most FRAME_BODY_MAX.
 */
void frame_put(uint8_t ret_head[FRAME_HEADER], const struct frame *frame);

#endif /* PROTOCOL_FRAME_H */
