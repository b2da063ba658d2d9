/*
 * scheme - the ways in which a key signs for a client: one row of one table
 *	    each, and a file behind it.
 *
 *	prepare on the loop, before anything is decided or opened: the client's
 *	wish is held to the profile's bounds and becomes the text to be signed
 *	   -> decided, recorded, the key's row opened ->
 *	run on a thread of work.h (Ed25519: on the loop, if you like) -> result
 *
 * What is signed is made here of typed parts; there is no way to have bytes of
 * a client's choice signed.
 */
#ifndef KEEPER_SCHEME_H
#define KEEPER_SCHEME_H

#include "policy/catalog.h"
#include "policy/policy.h"
#include "vaultd/keeper/pkey.h"

#define SIGNING_MAX 8192 /* bytes of a result, all of it */

/* What is wished for, and with which key.  Borrowed for the call. */
struct scheme_request {
	const struct catalog_link *link;
	struct slice wish;   /* pairs, as the client sent them */
	enum pkey_type type; /* of the key, as its row says */
	const char *kid;     /* its thumbprint: pubkey.h */
	uint64_t now;        /* seconds since 1970 */
};

/* A signature under way: owns nothing, borrows nothing, holds no secret but
 * what the result may be. */
struct signing {
	const struct scheme *scheme;
	enum pkey_type type;
	size_t n;
	char text[SIGNING_MAX]; /* to be signed; after run() the result */
};

struct scheme {
	const char *name;          /* --scheme */
	enum credential_kind kind; /* whose keys sign so */
	/* What a client must be permitted: VERB_TOKEN if the result is itself a
	 * credential, else VERB_SIGN. */
	enum policy_verb (*verb)(const struct catalog_link *link);
	/* Returns 0, or VERR_FORMAT or VERR_TOOBIG with a constant sentence in
	 * *ret_why; *ret is undefined then. */
	int (*prepare)(const struct scheme_request *req, struct signing *ret,
	    const char **ret_why);
	/* Touches nothing but "s" and the key.  Returns 0 or VERR_INTERNAL. */
	int (*run)(struct signing *s, const struct pkey *k);
};

/*
 * The scheme "name" of credentials of "kind", or the first of these if the name
 * is empty; NULL if there is none.
 */
const struct scheme *scheme_find(struct slice name, enum credential_kind kind);

/*
 * Run with *key, or if that is NULL with the key that is opened from "der" and
 * left in *key: the caller's to keep or free, also after a failure.  Returns 0,
 * VERR_NOMEM, VERR_FORMAT (no key), VERR_AUTH (a key of another algorithm than
 * was prepared for) or VERR_INTERNAL.
 */
MUST_CHECK
int scheme_run(struct signing *s, struct slice der, struct pkey **key);

#endif /* KEEPER_SCHEME_H */
