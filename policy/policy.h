/*
 * policy - who may do what: text and facts in, verdict and reason out.
 *
 *	client worker { user flow }
 *	permit worker to request on acme/shop-* { method GET; path /v1/a* }
 *	deny   worker to request on acme/shop-live
 *
 * Order never matters.  Nothing is allowed unless a permit says so, and a deny
 * beats every permit.  A permit holds if each of its conditions is known and
 * true; a deny holds unless one of its conditions is known and false.  The
 * values of one line are alternatives, the lines of a block must all hold.
 *
 * Client lines: user, group, uid, gid (group and gid are true of the primary
 * and of the supplementary groups).  Rule lines: method, path.  One star
 * matches within a segment, two match across segments.
 *
 * A profile glob is CUSTOMER/PROFILE, or two stars alone for everything; what
 * concerns no profile (status, the audit log, the vault as a whole) is matched
 * by two stars alone.
 *
 * A permit's path is matched exactly as it is sent; a deny's path as careless
 * upstreams might read it (see path_fold()), so that no other spelling of it,
 * in case, escapes, ";x" or a '/' at the end, slips past.
 *
 * Pure: no I/O, no clock, no globals.
 */
#ifndef POLICY_POLICY_H
#define POLICY_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/lex.h"
#include "protocol/verr.h"

#define POLICY_RULES_MAX   32768
#define POLICY_CLIENTS_MAX 32768
#define POLICY_REASON_MAX  256

enum policy_verb {
	VERB_REQUEST,
	VERB_SIGN,
	VERB_VERIFY,
	VERB_TOKEN,
	VERB_READ,
	VERB_MANAGE,
	VERB_AUDIT,
	VERB_OPERATE,
	VERB_COUNT,
};

/* The verb's name.  Never NULL; "verb" must be below VERB_COUNT. */
const char *policy_verb_name(enum policy_verb verb);

/* Returns 0, or VERR_NOTFOUND if "name" names no verb. */
int policy_verb_parse(const char *name, enum policy_verb *ret) MUST_CHECK;

/*
 * How names of users and groups become numbers, once, while parsing.  Each
 * function returns true and sets *ret_id if there is such a name.
 */
struct policy_names {
	bool (*user)(void *ctx, const char *name, uint32_t *ret_id);
	bool (*group)(void *ctx, const char *name, uint32_t *ret_id);
	void *ctx;
};

struct policy;

/*
 * Parse "len" bytes of policy, called "file" in errors.  On success *ret is
 * the caller's, to be freed with policy_free(); it keeps nothing of "text" and
 * "names".  Returns 0, VERR_NOMEM, VERR_TOOBIG or VERR_FORMAT, with *ret_error
 * filled in for each of them and *ret untouched.
 */
int policy_parse(const char *file, const void *text, size_t len,
    const struct policy_names *names, struct policy **ret,
    struct lex_error *ret_error) MUST_CHECK;

void policy_free(struct policy *policy);

/* Who asks. */
struct policy_principal {
	uint32_t uid, gid;
	const uint32_t *groups; /* supplementary, "ngroups" of them */
	size_t ngroups;
	bool groups_unknown; /* gid and groups are not known: not listed is not
	                      * known to be absent */
};

/*
 * A policy as it applies to one principal: the rules whose client may be this
 * principal, by verb.  Made once a session (or once a question of explain);
 * what is asked of it then costs little, however many rules there are.
 */
struct policy_view;

/*
 * On success *ret is the caller's, to be freed with policy_view_free(); it
 * borrows "policy", which must live longer, and nothing of "principal".
 * Returns 0 or VERR_NOMEM.
 */
int policy_view_new(const struct policy *policy,
    const struct policy_principal *principal,
    struct policy_view **ret) MUST_CHECK;

void policy_view_free(struct policy_view *view);

/* What is asked for. */
struct policy_facts {
	enum policy_verb verb;
	const char
	    *profile; /* "customer/profile", or NULL if it concerns none */
	const char *method; /* upper case, or NULL if not known */
	const char *path;   /* path part after path_normalise(), "path_len"
	                     * bytes; or NULL if not known */
	size_t path_len;
	bool guarded; /* a permit's path must then name this path literally */
};

enum policy_ground {
	POLICY_DEFAULT, /* no rule holds: refused */
	POLICY_PERMIT,
	POLICY_DENY,
};

struct policy_verdict {
	bool permitted;
	enum policy_ground ground;
	uint32_t line; /* of the rule, 0 for POLICY_DEFAULT */
	/* A sentence for explain: the rule that decided, or the permit that
	 * came nearest and its client and first condition that failed or is
	 * not known.  Of the request it holds no byte. */
	char reason[POLICY_REASON_MAX];
};

/*
 * Decide.  Always fills in *ret; cannot fail.  "facts" is borrowed.
 */
void policy_evaluate(const struct policy_view *view,
    const struct policy_facts *facts, struct policy_verdict *ret);

/*
 * The same verdict without its sentence, for whoever only acts on it.
 */
void policy_decide(const struct policy_view *view,
    const struct policy_facts *facts, struct policy_verdict *ret);

/*
 * True if the principal may learn whether "profile" exists: if it may "read"
 * it.  Everyone else is told "denied" either way.
 */
bool policy_may_know(const struct policy_view *view, const char *profile);

#endif /* POLICY_POLICY_H */
