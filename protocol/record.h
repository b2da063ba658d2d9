/*
 * record - what rooms say to each other, as room.def declares it.
 *
 * WIRE		u32 body length || u16 type || u16 descriptors (0 or 1) ||
 *		fields.  Little-endian; U32 4 bytes, U64 8 bytes, FIX its bytes,
 *		STR and BLOB a u32 length and so many bytes.
 *
 * One struct per record follows from the table.  Numbers are uint64_t in the
 * struct whatever their size on the wire, so that a table can walk it.
 */
#ifndef PROTOCOL_RECORD_H
#define PROTOCOL_RECORD_H

#include "protocol/slice.h"
#include "protocol/verr.h"

enum room {
	ROOM_SUPERVISOR, /* starts and joins rooms; sees who comes */
	ROOM_GATE,       /* parses client bytes; no keys */
	ROOM_KEEPER,     /* decides, seals and opens; opens no file or socket */
	ROOM_LEDGER,     /* writes the disk; no keys */
	ROOM_COURIER,    /* speaks TLS on sockets that it is handed */
	ROOM_DIALER,     /* resolves and connects; no TLS, no secret */
	ROOM_COUNT,
};

/* clang-format off */
#define R_SUPERVISOR (1U << ROOM_SUPERVISOR)
#define R_GATE	     (1U << ROOM_GATE)
#define R_KEEPER     (1U << ROOM_KEEPER)
#define R_LEDGER     (1U << ROOM_LEDGER)
#define R_COURIER    (1U << ROOM_COURIER)
#define R_DIALER     (1U << ROOM_DIALER)
#define R_ANY	     (R_GATE | R_KEEPER | R_LEDGER | R_COURIER | R_DIALER)
/* clang-format on */

#define RECORD_HEADER 8
#define RECORD_MAX    (400 * 1024) /* no body is longer */

/* What the numbers of some fields mean. */
enum text_kind { TEXT_POLICY, TEXT_CATALOG, TEXT_PASSWD, TEXT_GROUP };
enum face { FACE_FRAMED, FACE_HTTP };
enum body_kind { BODY_NONE, BODY_LENGTH, BODY_STREAM };
enum identity_known {
	KNOWN_GROUPS = 1 << 0,
	KNOWN_EXE = 1 << 1,
	KNOWN_CGROUP = 1 << 2,
	KNOWN_LABEL = 1 << 3,
	KNOWN_LOGINUID = 1 << 4,
};
enum append_flag {
	APPEND_SYNC = 1 << 0,    /* on the disk before it is confirmed */
	APPEND_RESERVE = 1 << 1, /* a decision: keep room for its outcome */
	APPEND_RELEASE = 1 << 2, /* an outcome: uses the room kept for it */
};
enum ask {
	ASK_WHOAMI,
	ASK_STATUS,
	ASK_CATALOG,
	ASK_PROFILES,
	ASK_EXPLAIN,
	ASK_AUDIT,
	ASK_NONCE,
	ASK_SLOTS,
	ASK_READY, /* no row: done, or why requests would be refused */
	ASK_BACKUP,
	ASK_PUBKEY,
	ASK_JWKS,
	ASK_COUNT,
};

enum record_type {
#define RECORD(name, id, from, to, fd, fields) REC_##name = (id),
#include "protocol/room.def"
#undef RECORD
};

/* clang-format off */
#define U32(name)	uint64_t name;
#define U64(name)	uint64_t name;
#define FIX(name, len)	struct slice name;
#define STR(name, max)	struct slice name;
#define BLOB(name, max) struct slice name;
#define RECORD(name, id, from, to, fd, fields) struct rec_##name { fields };
#include "protocol/room.def"
#undef RECORD
#undef U32
#undef U64
#undef FIX
#undef STR
#undef BLOB
/* clang-format on */

union record {
#define RECORD(name, id, from, to, fd, fields) struct rec_##name name;
#include "protocol/room.def"
#undef RECORD
};

struct record_info {
	const char *name;
	uint16_t type;
	unsigned from, to; /* R_* bits */
	int descriptor;    /* one may come with it */
	size_t min, max;   /* of the body, from its fields */
};

/*
 * Return the row of "type", or NULL.
 */
const struct record_info *record_info(uint16_t type);

/*
 * Return how long the body of "msg" would be, or 0 if a field is longer than
 * room.def allows: our own bug or our own limit, so check before you send.
 */
size_t record_size(uint16_t type, const union record *msg, int *ret_ok);

/*
 * Write the body of "msg" to "out", which has record_size() bytes.
 */
void record_encode(uint16_t type, const union record *msg, uint8_t *out);

/*
 * Read a body into *ret_msg, whose slices then point into "body".
 * Returns 0, VERR_UNKNOWN, VERR_TRUNCATED (or bytes left over: VERR_FORMAT),
 * VERR_TOOBIG, VERR_FORMAT (a STR with control bytes).
 */
MUST_CHECK
int record_decode(
    uint16_t type, const uint8_t *body, size_t len, union record *ret_msg);

/*
 * Return a room's name: "keeper".
 */
const char *room_name(enum room room);

#endif /* PROTOCOL_RECORD_H */
