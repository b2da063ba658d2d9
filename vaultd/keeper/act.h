/*
 * act - what an admin wants changed (protocol/act.h): opened, decided, done.
 *
 *	open on a thread -> nonce -> decision -> rows -> prepare ->
 *	recorded on disk -> probe and commit, in the verb's order -> outcome
 *
 * One act at a time changes a profile; others are told to come again.
 */
#ifndef KEEPER_ACT_H
#define KEEPER_ACT_H

#include "vaultd/keeper/gate.h"
#include "vaultd/keeper/link.h"
#include "vaultd/keeper/work.h"

#define ACT_SENTENCE_MAX 512

enum act_step {
	STEP_NONE,
	STEP_PROBE,  /* the health check with the new credential */
	STEP_COMMIT, /* the rows as prepared */
	STEP_PROVED, /* the profile again, with what the probe told */
};

struct act;

/* One verb of protocol/act.h. */
struct act_kind {
	const char *name;
	bool creates; /* there must be no such profile yet, else there must */
	/* Fill in a->next and the rest from the act.  Returns 0, or a VERR_*
	 * with a->refusal and a->sentence set. */
	int (*prepare)(struct act *a);
	enum act_step steps[4];
};

struct act {
	struct job job; /* first */
	struct keeper *k;
	struct act *next_act;
	const struct act_kind *kind;
	struct work work;
	uint8_t *sealed;
	size_t sealed_len;
	uint8_t *plain; /* the opened act, in the arena */
	size_t plain_len;
	int opened; /* how opening went, on the thread */
	struct slice pairs;
	char name[PROFILE_MAX + 1];
	struct link_wait wait;
	const struct link *link; /* the rows as they are */
	struct fetch customer;   /* the customer's, if it came meanwhile */
	struct catalog_link *to; /* where "next" goes */
	struct profile next;     /* the profile as it will be; borrows */
	bool new_secret;         /* "secret" replaces the credential */
	bool no_verify, new_account;
	bool has_turn;   /* no other act may change the profile meanwhile */
	uint8_t *secret; /* pairs, in the arena */
	size_t secret_len;
	struct catalog_setting settings[CATALOG_INPUTS_MAX];
	char *strings[2 * CATALOG_INPUTS_MAX + 8]; /* copies made for "next" */
	size_t nstrings;
	size_t step;
	struct order order;
	struct audit_note note;
	struct commit commit;
	uint8_t *bodies[COMMIT_CHANGES];
	struct outcome outcome;
	char account[CATALOG_ACCOUNT_MAX];
	char change[ACT_SENTENCE_MAX];   /* for the log */
	enum refusal refusal;            /* why it failed */
	char sentence[ACT_SENTENCE_MAX]; /* for the admin */
};

/*
 * Returns 0, whatever becomes of the act; an error is the gate's offence.
 */
MUST_CHECK
int act_begin(struct gate *g, struct session *s, const struct rec_ACT *m);

/*
 * Set the refusal and its sentence; returns VERR_FORMAT.  "format" takes names
 * of the catalog's, never bytes of the act.
 */
int act_refuse(struct act *a, enum refusal refusal, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The verbs, in prepare.c. */
extern const struct act_kind act_kinds[];
const struct act_kind *act_kind(struct slice name);

#endif /* KEEPER_ACT_H */
