/*
 * order - one request of the keeper's: attached to its stream, sent upstream,
 *	   answered, accounted for.
 *
 * Every order ends with exactly one ORDER_DONE: refusal 0 if the answer was
 * passed on whole, else the refusal and error of fault.def (a cancelled one
 * has VERR_CLOSED), with the upstream's status if it had come.
 */
#ifndef COURIER_ORDER_H
#define COURIER_ORDER_H

#include "vaultd/courier/account.h"
#include "vaultd/courier/courier.h"
#include "vaultd/courier/head.h"

#define BODY_HIGH     (64 * 1024)  /* of a request kept here, then it pauses */
#define STREAM_HIGH   (128 * 1024) /* of an answer queued, then it pauses */
#define DATA_MAX      16384        /* of an answer in one record */
#define PROBE_MAX     (256 * 1024) /* of a health answer, then it is enough */
#define DIAL_ATTEMPTS 4

enum order_state {
	ORDER_WAITS,   /* for its stream */
	ORDER_DIALS,   /* for a socket */
	ORDER_RUNS,    /* libcurl has it */
	ORDER_LINGERS, /* done; its stream is being written out */
};

struct order {
	struct courier *courier;
	struct order *next;
	enum order_state state;
	uint64_t id, ticket, number;
	uint32_t gate, timeout_ms;
	int probe, idempotent;
	char pointer[ACCOUNT_MAX + 1];
	struct channel *stream;
	struct timer timer; /* whatever the state waits for */

	struct pool *pool;
	CURL *easy;
	struct curl_slist *headers, *connect_to;
	int socket;    /* dialled, not yet taken; or -1 */
	int no_socket; /* libcurl asked for one and there was none */
	unsigned attempts;

	enum body_kind body;
	uint64_t length; /* of a BODY_LENGTH */
	uint64_t came;   /* from the gate */
	uint64_t sent;   /* taken by libcurl */
	int body_ended, send_paused, recv_paused;
	struct buf in; /* came and not yet sent */

	struct head head;
	uint64_t received;
	uint64_t moved;   /* bytes since the timer was set */
	struct buf kept;  /* a probe's answer */
	enum fault fault; /* found by us, inside libcurl's callbacks */
	int enough;       /* the rest of a probe's answer is not wanted */
};

/*
 * Take an order.  What is wrong with it is said in its ORDER_DONE.
 * Returns 0, VERR_EXISTS (an id used twice: an offence) or VERR_NOMEM.
 */
MUST_CHECK
int order_new(struct courier *c, const struct rec_ORDER *m);

void order_cancel(struct courier *c, uint64_t id);

/*
 * Give a stream to the order that waits for it.  The descriptor is taken
 * unless the answer is VERR_NOTFOUND.  Returns 0, VERR_NOTFOUND or VERR_NOMEM.
 */
MUST_CHECK
int order_stream(struct courier *c, uint32_t gate, uint64_t number, int fd);

/*
 * The dialer's answer; "fd" is taken.  One that nobody waits for is dropped.
 */
void order_dialled(
    struct courier *c, uint64_t ticket, uint64_t attempt, int error, int fd);

/*
 * A new dialer has come: orders that wait for a socket ask it.
 */
void order_dial_again(struct courier *c);

/* pools.done */
void order_done(CURL *easy, CURLcode code);

/*
 * For transfer.c: what libcurl and the stream have for each other.
 */
void order_head(struct order *o);
void order_fail(struct order *o, enum fault fault);

#endif /* COURIER_ORDER_H */
