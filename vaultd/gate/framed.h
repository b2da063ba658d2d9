/*
 * framed - what framed.c (frames in) and framed_out.c (frames out) share.
 */
#ifndef GATE_FRAMED_H
#define GATE_FRAMED_H

#include "protocol/codec.h"
#include "vaultd/gate/call.h"

struct framed_call {
	struct call call;
	/* The client's body */
	enum body_kind body; /* BODY_NONE once it is whole */
	uint64_t left;       /* BODY_LENGTH: bytes to come */
	uint64_t may_come;   /* what the client may still send */
	uint64_t taken;      /* sent by it, and not granted again */
	/* The answer's; what may not go of a record is kept */
	uint64_t may_go; /* what we may still send */
	uint64_t since;  /* held, with no window from the client */
};

static inline struct framed_call *
framed_call(struct call *call)
{
	return (struct framed_call *)call; /* its first member */
}

/*
 * Say "m" about request "id".  Returns 0, or what codec_encode() says; nothing
 * was said then.  A lack of memory is the connection's end and no error.
 */
MUST_CHECK
int framed_say(struct conn *c, uint64_t id, const struct client_msg *m);
void framed_say_refused(struct conn *c, uint64_t id, const struct refused *why);

/*
 * Send of "bytes" what the client's window allows; returns the rest.
 */
struct slice framed_send(struct framed_call *fc, struct slice bytes);

/* For the table of the face; see struct face_ops. */
int framed_row(struct call *call, struct slice json);
void framed_done(struct call *call, uint64_t audit, struct slice sentence);
void framed_nonce(struct call *call, struct slice nonce);
void framed_refuse(struct call *call, const struct refused *why);
void framed_accepted(struct call *call);
int framed_head(struct call *call, unsigned status, struct slice headers);
void framed_data(struct call *call, struct slice bytes);
void framed_end(struct call *call);
void framed_drained(struct call *call);

#endif /* GATE_FRAMED_H */
