/*
 * edit - an act that changes a profile: add, set, verify, rotate, remove ...
 *
 *	rows -> prepare -> decision -> probe and commit, in the verb's order
 *
 * One act at a time changes a profile; others are told to come again.
 */
#ifndef KEEPER_EDIT_H
#define KEEPER_EDIT_H

#include "vaultd/keeper/act.h"
#include "vaultd/keeper/link.h"

enum edit_step {
	STEP_NONE,
	STEP_KEY,    /* a private key: made, or checked */
	STEP_STAGED, /* the staged credential is opened */
	STEP_PROBE,  /* the health check with the new credential */
	STEP_COMMIT, /* the rows as prepared */
	STEP_PROVED, /* the profile again, with what the probe told */
};

struct edit;

/* A private key that signs: what a thread makes or checks of it. */
struct edit_key {
	struct work work;
	bool make;
	enum pkey_type type; /* to be made */
	unsigned bits;
	uint32_t algs;      /* that the system allows: claims_alg() */
	struct slice given; /* PKCS#8, in the act */
	uint8_t *der;       /* PKEY_DER_MAX bytes in the arena */
	size_t der_len;
	uint8_t spki[PKEY_SPKI_MAX];
	size_t spki_len;
	char text[2 * PKEY_SPKI_MAX]; /* spki in base64url */
	int r;
	const char *why;
};

struct edit_kind {
	const char *name;
	bool creates; /* there must be no such profile yet, else there must */
	bool stages;  /* the new credential waits beside the one in force */
	/* Fill in a->next and the rest from the act.  Returns 0, or a VERR_*
	 * with the act's refusal and sentence set. */
	int (*prepare)(struct edit *a);
	enum edit_step steps[6];
};

struct edit {
	struct act *act;
	struct keeper *k;
	const struct edit_kind *kind;
	struct link_wait wait;
	const struct link *link; /* the rows as they are */
	struct fetch customer;   /* the customer's, if it came meanwhile */
	struct catalog_link *to; /* where "next" goes */
	struct profile next;     /* the profile as it will be; borrows */
	bool new_secret;         /* "secret" replaces the credential */
	bool no_verify, new_account;
	bool drop_staged; /* the staged credential goes */
	uint8_t *secret;  /* pairs, in the arena */
	size_t secret_len;
	struct catalog_setting settings[CATALOG_INPUTS_MAX];
	char *strings[2 * CATALOG_INPUTS_MAX + 8]; /* copies made for "next" */
	size_t nstrings;
	size_t step;
	struct order order;
	struct commit commit;
	uint8_t *bodies[COMMIT_CHANGES];
	char account[CATALOG_ACCOUNT_MAX];
	struct edit_key key;
	struct fetch staged;
};

/* For act_kinds.c. */
void edit_begin(struct act *act);
void edit_release(struct act *act);

/*
 * "key" becomes the profile's public half, and the one before it the retired
 * one, which stays in key sets while what it signed may be in use.
 */
void edit_take_public(struct edit *a, const char *key);

/* The verbs, in prepare.c.  NULL: there is none. */
const struct edit_kind *edit_kind(const char *name);

#endif /* KEEPER_EDIT_H */
