/*
 * matter - what somebody asks for, decided and put on record.
 *
 * Every decision goes through here, so that no verb can be decided in one way
 * and recorded in another.
 */
#ifndef KEEPER_MATTER_H
#define KEEPER_MATTER_H

#include "vaultd/keeper/session.h"

struct matter {
	struct session *session;
	enum policy_verb verb;
	const char *act;     /* of manage: "add", "rotate"; else NULL */
	const char *profile; /* "customer/name", or NULL */
	const char *system;  /* or NULL while it is not known */
	const char *user;    /* Basic's user name, or NULL */
	/* Of a request, else NULL */
	const char *method;
	const char *host;
	struct slice target; /* normalised */
	size_t path_len;
	bool guarded;
	/* The decision, filled in by matter_decide() */
	struct policy_verdict verdict;
	/* Why it is not done although it is permitted, or REFUSED_NONE */
	enum refusal refusal;
};

/*
 * Ask the policy.  Returns true if it permits; m->refusal is set if not.
 */
bool matter_decide(struct keeper *k, struct matter *m);

/*
 * Put it on record.  AUDIT_DECISION opens a matter that an outcome closes;
 * AUDIT_ACCESS is for what is refused, or only looked at.
 */
void matter_record(struct keeper *k, const struct matter *m,
    enum audit_event event, bool sync, struct audit_note *note);

/*
 * How a decided matter ended: "ok" or a refusal's code.  Kept apart from
 * struct matter, since the session may be gone by then.
 */
struct outcome {
	uint64_t of; /* the decision's record */
	enum policy_verb verb;
	const char *act;
	const char *profile;
	uint64_t started; /* loop_now() at the decision */
	enum refusal refusal;
	const char *code; /* instead of the refusal's, or NULL */
	uint32_t status;  /* the upstream's, or 0 */
	uint64_t sent, received;
	const char *change; /* what an act changed, in words, or NULL */
	uint64_t store; /* the store's generation after an act, or 0: by it the
	                 * log vouches for the store */
};

void outcome_record(struct keeper *k, const struct outcome *o, bool sync,
    struct audit_note *note);

#endif /* KEEPER_MATTER_H */
