/*
 * codec - the messages of client.def, to bytes and back.
 *
 * A body is a tpl image whose format is fixed by the message's type, except
 * that a message without fields has an empty body, and DATA is raw bytes.
 * tpl writes images here, and never reads one: codec_decode() is a strict
 * validator that takes the values out in the same walk, so what a peer sent
 * does not reach tpl.
 */
#ifndef PROTOCOL_CODEC_H
#define PROTOCOL_CODEC_H

#include <stddef.h>
#include <stdint.h>

#include "protocol/frame.h"
#include "protocol/slice.h"
#include "protocol/verr.h"

/* enum client_type: CLIENT_WHOAMI = 1, ... */
enum client_type {
#define MESSAGE(NAME, name, number, sender, meaning) CLIENT_##NAME = (number),
#include "protocol/client.def"
};

/* clang-format off */
#define CODEC_C_U32	uint32_t
#define CODEC_C_U64	uint64_t
#define CODEC_C_STR	struct slice
#define CODEC_C_BLOB	struct slice
#define CODEC_C_RAW	struct slice

/* struct client_whoami, ...: one per message, one member per field */
#define MESSAGE(NAME, name, number, sender, meaning) struct client_##name {
#define FIELD(message, kind, name, min, max, meaning) CODEC_C_##kind name;
#define MESSAGE_END };
#include "protocol/client.def"
/* clang-format on */

/* Any message: m.type says which member holds. */
struct client_msg {
	enum client_type type;
	union {
#define MESSAGE(NAME, name, number, sender, meaning) struct client_##name name;
#include "protocol/client.def"
	};
};

/* The declarations as data, for documentation, seeds and tests. */
enum codec_sender {
	CODEC_CLIENT = 1,
	CODEC_VAULT = 2,
	CODEC_EITHER = CODEC_CLIENT | CODEC_VAULT,
};

enum codec_kind {
	CODEC_U32,
	CODEC_U64,
	CODEC_STR,  /* UTF-8 without NUL */
	CODEC_BLOB, /* any bytes */
	CODEC_RAW,  /* any bytes, and the whole body */
};

struct codec_field {
	const char *name;
	const char *meaning;
	uint64_t min, max; /* of the value, or of the bytes */
	uint16_t offset;   /* in struct client_msg */
	uint8_t kind;      /* enum codec_kind */
};

#define CODEC_FIELDS_MAX 8

struct codec_message {
	const char *name;
	const char *meaning;
	const char *format; /* tpl's; "" if the body is not an image */
	const struct codec_field *fields;
	uint16_t type;   /* enum client_type */
	uint8_t sender;  /* enum codec_sender */
	uint8_t nfields; /* at most CODEC_FIELDS_MAX */
};

/* Every message of client.def, in its order. */
extern const struct codec_message codec_messages[];
extern const size_t codec_nmessages;

/*
 * Give tpl allocators that wipe, and hooks that neither print nor exit(3).
 * Call once in each process, before any thread and before codec_encode().
 */
void codec_init(void);

/*
 * Return the declaration of "type", or NULL.
 */
const struct codec_message *codec_message(uint32_t type);

/*
 * Judge a frame by its header alone, before its body is read: may "from"
 * (CODEC_CLIENT or CODEC_VAULT) send this type with a body of this length?
 *
 * Returns 0, or
 *	VERR_UNKNOWN	no such type
 *	VERR_FORBIDDEN	the type is the other side's, or the id is 0 where
 *			only a REFUSED of the vault may have that
 *	VERR_TRUNCATED	a body shorter than any of this type
 *	VERR_TOOBIG	a body longer than any of this type
 */
MUST_CHECK
int codec_admit(const struct frame *frame, enum codec_sender from);

/*
 * Decode the "n" bytes of "body" as a message of "type".  Whatever is not
 * byte for byte what codec_encode() writes for some message is refused.
 *
 * On success, returns 0 and fills "ret_msg", whose slices point into "body":
 * they live as long as it does, and "body" must be private memory that nobody
 * else can write.
 * On failure, "ret_msg" is untouched:
 *	VERR_UNKNOWN	no such type
 *	VERR_TRUNCATED	the body, or a field's bytes, are fewer than declared
 *	VERR_TOOBIG	the body, or a field's bytes, are more than declared
 *	VERR_FORMAT	anything else, a number out of its bounds included
 */
MUST_CHECK
int codec_decode(
    uint32_t type, const uint8_t *body, size_t n, struct client_msg *ret_msg);

/*
 * Return the length of the whole frame, header and body, that codec_encode()
 * writes for "msg", if it writes it at all.
 */
size_t codec_size(const struct client_msg *msg);

/*
 * Write the whole frame, header and body, for "msg" under request "id" into
 * the "size" bytes at "buf".  A slice without bytes may have a NULL pointer.
 * No copy of a field outlives the call.  Where tpl itself runs out of memory,
 * it ends the process, with a fixed line on stderr.
 *
 * On success, returns 0 and sets "ret_n" to the bytes written.
 * On failure, "ret_n" is untouched, and "buf" holds nothing of "msg":
 *	VERR_UNKNOWN	no such type
 *	VERR_TRUNCATED	a field has fewer bytes than declared
 *	VERR_TOOBIG	a field has more, or "size" is too small
 *	VERR_FORMAT	a number is out of its bounds, or a STR is not UTF-8,
 *			or has a NUL
 *	VERR_NOMEM	no memory for the copy of a field
 *	VERR_INTERNAL	tpl did not write what it should
 */
MUST_CHECK
int codec_encode(uint64_t id, const struct client_msg *msg, uint8_t *buf,
    size_t size, size_t *ret_n);

#endif /* PROTOCOL_CODEC_H */
