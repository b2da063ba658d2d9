/*
 * call - one request of the client wire, from its first frame to its last.
 *	  No one but the library includes this.
 */
#ifndef CLIENT_CALL_H
#define CLIENT_CALL_H

#include <stdbool.h>

#include "client/vaultclient.h"
#include "protocol/codec.h"

/*
 * "in" is read into; "out" holds one frame, and the next is made when it has
 * been written: what is queued is never more than that.
 */
struct vault {
	int fd;
	char *path; /* of the socket; NULL if the caller brought it */
	uint64_t last_id;
	bool busy;
	bool dead;
	bool mute; /* the vault reads no more, but may have said why */
	size_t in_n;
	size_t out_at, out_n;
	uint8_t in[FRAME_MAX];
	uint8_t out[FRAME_MAX];
};

struct call {
	/*
	 * A message for this call, but for REFUSED and WINDOW.  Returns 0,
	 * CALL_CLOSED after the last, CALL_BREACH if it has no place here, or
	 * what a callback said.
	 */
	int (*on_message)(struct call *call, const struct client_msg *m);
	void *arg;

	const struct client_msg *open;      /* the first message */
	const struct vault_request *upload; /* whose body goes out; or NULL */

	/* The rest is call_run()'s own. */
	uint64_t id;
	struct vault_error *error; /* filled in by whoever ends it */
	int result;                /* then negative, or what a callback said */
	bool opened;
	bool closed; /* the vault has said its last word */
	bool cancel; /* we want no more */
	bool cancel_sent;
	bool upload_done;
	uint64_t sent;   /* of the upload */
	uint64_t window; /* what may be sent of it */
	uint64_t credit; /* what the vault may send */
	uint32_t owed;   /* taken of the answer, and not yet granted anew */
};

#define CALL_CLOSED 1
#define CALL_BREACH INT32_MIN

/*
 * Take over the connected socket "fd", on failure too.
 */
MUST_CHECK
int vault_attach(int fd, struct vault **ret, struct vault_error *ret_error);

/*
 * Send call->open under a new id and serve the call until it is closed. Returns
 * 0, or a negative number with *ret_error filled in.
 */
MUST_CHECK
int call_run(struct vault *v, struct call *call, struct vault_error *ret_error);

/*
 * Fill in an error of the library's own, and return "r".  "exit" is that of
 * INTERFACE: 1 failed, 2 usage, 5 not reachable.
 */
int call_error(struct vault_error *ret_error, int r, const char *code, int exit,
    const char *fmt, ...) __attribute__((format(printf, 5, 6)));

#endif /* CLIENT_CALL_H */
