/*
 * session - who asks, as the supervisor took it from the kernel.
 */
#ifndef KEEPER_SESSION_H
#define KEEPER_SESSION_H

#include "vaultd/keeper/audit.h"
#include "vaultd/keeper/keeper.h"

#define SESSION_NONCES 8
#define SESSION_GROUPS 1024

struct session {
	uint64_t number;
	uint32_t gate;
	enum face face;
	uint32_t uid, gid, pid, loginuid;
	uint32_t known; /* KNOWN_* */
	uint32_t *groups;
	size_t ngroups;
	char *exe, *cgroup, *label;
	uint8_t nonces[SESSION_NONCES][24]; /* issued and not yet used */
	size_t nnonces;
	struct policy_view *view; /* of the policy in force, made on demand */
	struct session *next;     /* in its bucket */
};

MUST_CHECK
int sessions_new(struct sessions **ret);

/*
 * From the supervisor.  Returns 0, VERR_NOMEM, or VERR_FORMAT: a number that
 * does not follow the earlier ones.
 */
MUST_CHECK
int session_begin(struct keeper *k, const struct rec_SESSION *m);
void session_end(struct keeper *k, uint64_t number);

/* Of a gate that is gone. */
void sessions_end_gate(struct keeper *k, uint32_t gate);

/*
 * Find the session that gate "gate" speaks of.  Returns 0; VERR_CLOSED if it
 * has ended; VERR_FORBIDDEN if there never was one or it is another gate's,
 * which no honest gate would ask.
 */
MUST_CHECK
int session_find(
    struct keeper *k, uint64_t number, uint32_t gate, struct session **ret);

/*
 * The policy as it applies to "s", or NULL (out of memory).
 */
const struct policy_view *session_view(struct keeper *k, struct session *s);

/* All views, before the policy that they borrow is replaced. */
void sessions_forget_views(struct sessions *ss);

/*
 * Issue a nonce, forgetting the oldest where there are too many; and take one
 * back, once.  session_take_nonce() returns 0 or VERR_STALE.
 */
const uint8_t *session_make_nonce(struct session *s);
MUST_CHECK
int session_take_nonce(struct session *s, struct slice nonce);

/*
 * Write the principal into an audit record, as "principal":{...}.
 */
void session_json(
    const struct keeper *k, const struct session *s, struct json *j);

#endif /* KEEPER_SESSION_H */
