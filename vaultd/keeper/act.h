/*
 * act - what an admin wants changed (protocol/act.h): opened, decided, done.
 *
 *	open on a thread -> nonce -> kind -> decision, recorded on disk ->
 *	the kind's own work -> outcome, recorded on disk -> answer
 *
 * What an act does is its kind's: a profile's is in edit.h, a key's in
 * operate.h.
 */
#ifndef KEEPER_ACT_H
#define KEEPER_ACT_H

#include "vaultd/keeper/gate.h"
#include "vaultd/keeper/work.h"

#define ACT_SENTENCE_MAX 512

struct act;

/* One verb of protocol/act.h. */
struct act_kind {
	const char *name;
	enum policy_verb verb; /* that the policy has to permit */
	bool sealed;           /* it can be done while the vault is sealed */
	bool upload;           /* a store comes with it: restore */
	bool profile;          /* it is about a profile, which it has to name */
	/* Go on, the policy permitting it so far: act_decide() follows, or
	 * act_reject() or act_drop(). */
	void (*begin)(struct act *a);
	/* Release a->state; NULL if there is none. */
	void (*release)(struct act *a);
};

struct act {
	struct job job; /* first */
	struct keeper *k;
	struct act *next;
	const struct act_kind *kind;
	struct work work;
	uint8_t *sealed;
	size_t sealed_len;
	uint8_t *plain; /* the opened act, in the arena */
	size_t plain_len;
	int opened;  /* how opening went, on the thread */
	bool upload; /* something comes with it */
	struct slice pairs;
	char name[PROFILE_MAX + 1]; /* of the profile, or "" */
	bool has_turn; /* no other act may change the same meanwhile */
	struct audit_note note;
	void (*decided)(struct act *a);
	struct outcome outcome;
	char change[ACT_SENTENCE_MAX];   /* for the log */
	enum refusal refusal;            /* why it failed */
	uint32_t retry_after;            /* seconds, with the refusal */
	char sentence[ACT_SENTENCE_MAX]; /* for the admin */
	void *state;                     /* the kind's own */
};

/*
 * Returns 0, whatever becomes of the act; an error is the gate's offence.
 */
MUST_CHECK
int act_begin(struct gate *g, struct session *s, const struct rec_ACT *m);

/*
 * For kinds.  Set the refusal and its sentence; returns VERR_FORMAT.  "format"
 * takes names of the catalog's, never bytes of the act.
 */
int act_refuse(struct act *a, enum refusal refusal, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * What the policy is asked, of a session that is still there.
 */
struct matter act_matter(const struct act *a, struct session *s);

/*
 * The end of an act that was not decided: put the refusal on record, and tell
 * the admin.  Or without a word, as its session is gone.
 */
void act_reject(struct act *a, struct matter *m);
void act_drop(struct act *a);

/*
 * Put the decision on record; then "decided" is called, whose act it is to end
 * by act_conclude(), well or with a->refusal set.
 */
void act_decide(
    struct act *a, struct matter *m, void (*decided)(struct act *a));
void act_conclude(struct act *a);

/*
 * True if another act has its turn with the same profile as "a"; or with the
 * profile "name".
 */
bool act_is_busy(const struct act *a);
bool act_has_turn(const char *name);

/*
 * A value of the act.  act_number() takes decimal numbers up to "max".
 */
bool act_given(const struct act *a, const char *name, struct slice *ret);
bool act_is_set(const struct act *a, const char *name);
bool act_number(
    const struct act *a, const char *name, uint64_t max, uint64_t *ret);

/* The verbs, in act_kinds.c. */
const struct act_kind *act_kind(struct slice name);

#endif /* KEEPER_ACT_H */
