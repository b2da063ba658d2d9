/*
 * order - one request of the keeper's: meets its stream, gets a connection, is
 *	   sent and answered (exchange.h), and accounted for.
 *
 * Every order ends with exactly one ORDER_DONE: refusal 0 if the answer was
 * passed on whole, else the refusal and error of fault.def (a cancelled one
 * has VERR_CLOSED), with the upstream's status if it had come.
 */
#ifndef COURIER_ORDER_H
#define COURIER_ORDER_H

#include "vaultd/courier/account.h"
#include "vaultd/courier/answer.h"
#include "vaultd/courier/conn.h"
#include "vaultd/courier/courier.h"

#define BODY_HIGH (64 * 1024)  /* of a request kept here, then it pauses */
#define PROBE_MAX (256 * 1024) /* of a health answer, then it is enough */

enum order_state {
	ORDER_WAITS,    /* for its stream */
	ORDER_DIALS,    /* for a socket */
	ORDER_CONNECTS, /* for the TLS handshake */
	ORDER_RUNS,     /* its exchange is under way */
	ORDER_DRAINS,   /* all was said to a client that is slow to take it */
};

struct order {
	struct courier *courier;
	struct order *next;
	enum order_state state;
	uint64_t id, ticket, number;
	uint32_t gate, port, timeout_ms;
	int probe, idempotent;
	char host[256];
	char pointer[ACCOUNT_MAX + 1];
	struct stream *stream; /* NULL: a probe, or it is not there yet */
	struct timer timer;    /* whatever the state waits for */

	struct pool *pool;
	struct conn *conn;
	unsigned attempts; /* to dial */

	enum body_kind body;
	uint64_t length; /* of a BODY_LENGTH */
	uint64_t came;   /* from the gate */
	int body_ended;
	struct buf in; /* came and not yet sent */

	struct buf request; /* the head, kept until an answer begins */
	size_t request_sent;
	struct buf piece; /* of the body, framed, on its way */
	int last_piece;   /* the last of them was made */
	int mute;         /* the connection takes no more of the request */
	uint64_t sent;    /* of the body */

	struct answer answer;
	struct buf rest; /* read: a line that has not come whole */
	uint64_t received;
	uint64_t moved;   /* bytes since the timer was set */
	struct buf kept;  /* a probe's answer */
	int enough;       /* the rest of a probe's answer is not wanted */
	enum fault fault; /* what was wrong before its stream came */
};

/*
 * Take an order.  What is wrong with it is said in its ORDER_DONE.
 * Returns 0, VERR_EXISTS (an id used twice: an offence) or VERR_NOMEM.
 */
MUST_CHECK
int order_new(struct courier *c, const struct rec_ORDER *m);

void order_cancel(struct courier *c, uint64_t id);

/*
 * Give a stream to the order that waits for it.  Returns 0 or VERR_NOTFOUND.
 */
MUST_CHECK
int order_meet(
    struct courier *c, uint32_t gate, uint64_t number, struct stream *s);

/*
 * From the stream: a part of the body, its end (an offence where the order has
 * none, or less), and the stream's own end.
 */
MUST_CHECK
int order_body(struct order *o, struct slice bytes);
MUST_CHECK
int order_body_end(struct order *o);
void order_lost_stream(struct order *o);

/*
 * The dialer's answer; "fd" is taken.  One that nobody waits for is dropped.
 */
void order_dialled(
    struct courier *c, uint64_t ticket, uint64_t attempt, int error, int fd);

/*
 * A new dialer has come: orders that wait for a socket ask it.
 */
void order_dial_again(struct courier *c);

/* From the connection: it can be used, or something may have come. */
void order_connected(struct order *o);
void order_go_on(struct order *o);

/* End it, for this reason. */
void order_fail(struct order *o, enum fault fault);

#endif /* COURIER_ORDER_H */
