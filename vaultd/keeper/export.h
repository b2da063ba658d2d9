/*
 * export - the public half of a profile's key, in one of the forms that
 *	    upstreams take; the certificate and the request for one are signed
 *	    by the key itself.
 */
#ifndef KEEPER_EXPORT_H
#define KEEPER_EXPORT_H

#include "vaultd/keeper/certificate.h"
#include "vaultd/keeper/link.h"
#include "vaultd/keeper/work.h"

enum export_format {
	EXPORT_JWK,
	EXPORT_PEM,
	EXPORT_SSH,
	EXPORT_X509,
	EXPORT_CSR,
	EXPORT_FORMATS,
};

/* Returns 0 or VERR_NOTFOUND. */
MUST_CHECK
int export_format_parse(struct slice name, enum export_format *ret);

struct export
{
	struct keeper *k;
	char name[PROFILE_MAX + 1];
	enum export_format format;
	bool staged;
	/* Called once, never from within: a refusal and its constant sentence,
	 * or the text, borrowed for the call. */
	void (*done)(void *arg, enum refusal refusal, const char *sentence,
	    const char *text);
	void *arg;

	/* The rest is export.c's. */
	struct link_wait wait;
	const struct link *link;
	struct fetch fetch; /* of the staged credential */
	struct work work;
	uint8_t *secret; /* pairs, in the arena */
	struct slice der;
	int r;
	char text[CERTIFICATE_MAX];
};

/*
 * Begin.  "e" is the caller's, and lives until done().
 */
void export_begin(struct export *e);

/*
 * Write the keys of a profile into a JWK set: the one in force, the one that
 * is staged, and the retired one while it may be asked for.
 */
void export_set(const struct keeper *k, const struct profile *p,
    const struct catalog_link *to, struct json *j);

#endif /* KEEPER_EXPORT_H */
