/*
 * channel - records over a stream socket between two rooms.
 *
 * Admission happens here, before any handler: the record is in room.def, this
 * room may hear it from that one, this channel's table has it, its size and
 * every field fit, and a descriptor comes only where one may.  A peer that
 * breaks this is reported by on_closed() with the error; what to do about it is
 * the room's.
 *
 * Received and sent bytes are wiped as they leave the buffers.
 */
#ifndef BASE_CHANNEL_H
#define BASE_CHANNEL_H

#include "protocol/record.h"
#include "vaultd/base/loop.h"

struct channel;

/* Who does what a record asks; a table of them ends with a row of zeros. */
struct handler {
	uint16_t type;
	/*
	 * One admitted record.  Slices in "m" are void after the return.  A
	 * descriptor that came with it is in *fd (else -1): take it by
	 * setting *fd to -1, or it is closed.  Return 0, or an error to treat
	 * the peer as an offender: on_closed() follows with it.  The handler
	 * may call channel_free() on its own channel.
	 */
	int (*handle)(void *arg, const union record *m, int *fd);
};

struct channel_ops {
	/* What may be said on this channel; NULL: nothing. */
	const struct handler *handlers;
	/*
	 * The peer is gone (VERR_CLOSED), or broke the rules (any other).  No
	 * callback follows; call channel_free() now or later.
	 */
	void (*on_closed)(void *arg, struct channel *ch, int r);
	/*
	 * May be NULL.  What was queued has been written.
	 */
	void (*on_drained)(void *arg, struct channel *ch);
};

enum channel_flag {
	CHANNEL_TAKES_FD = 1 << 0, /* else read(2), which discards them */
};

/*
 * Speak as "self" with "peer" over "fd", which the channel then owns (on
 * failure, too, it is closed).  Returns 0, VERR_NOMEM or VERR_IO.
 */
MUST_CHECK
int channel_new(struct loop *l, int fd, enum room self, enum room peer,
    unsigned flags, const struct channel_ops *ops, void *arg,
    struct channel **ret);

/*
 * Close, wipe, release.  NULL is a no-op.
 */
void channel_free(struct channel *ch);

/*
 * Queue one record; it is written at the end of this round.  "fd" is -1 or a
 * descriptor that the channel then owns, on failure too.  A channel whose peer
 * is gone swallows it: on_closed() has said so or will.
 * Returns 0, VERR_NOMEM, VERR_TOOBIG if a field is longer than room.def
 * allows, or VERR_BUSY if channel_takes_fd() says no to the descriptor.
 */
MUST_CHECK
int channel_send(
    struct channel *ch, uint16_t type, const union record *m, int fd);

/*
 * Whether there is room for one more descriptor; if not, on_drained() will say
 * when there is.
 */
int channel_takes_fd(struct channel *ch);

/*
 * The same, for records whose fields cannot be too long; running out of
 * memory then counts as a lost peer.
 */
void channel_put(
    struct channel *ch, uint16_t type, const union record *m, int fd);

/*
 * The same for a record that nobody waits for: it is written with the next one
 * that is, or when "ms" have passed, or when many have come together.  A
 * wake-up of the peer costs more than most records.
 */
void channel_put_late(
    struct channel *ch, uint16_t type, const union record *m, uint64_t ms);

/* channel_say(ch, DONE, .number = n, .audit = a) */
#define channel_say(ch, name, ...)                                             \
	channel_put((ch), REC_##name,                                          \
	    &(const union record){.name = {__VA_ARGS__}}, -1)

/*
 * Write now, and not at the end of this round, what the peer can take: it is
 * to hear of something before another does.
 */
void channel_flush(struct channel *ch);

/*
 * Bytes queued and not yet written.
 */
size_t channel_queued(const struct channel *ch);

/*
 * From the next record on, "handlers" is what may be said on this channel: the
 * peer has come to another phase.
 */
void channel_hear(struct channel *ch, const struct handler *handlers);

/*
 * Read and hand over now all that the peer has already sent.  For the one
 * channel whose records must be known before another's.  A no-op from inside
 * its own handler; on_closed() may be called if the peer offends.
 */
void channel_pump(struct channel *ch);

/*
 * Stop and go on calling handlers; the socket then fills up and the peer
 * feels it.
 */
void channel_pause(struct channel *ch);
void channel_resume(struct channel *ch);

#endif /* BASE_CHANNEL_H */
