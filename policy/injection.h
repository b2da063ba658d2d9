/*
 * injection - how a credential is put into a request, as its owner writes it:
 *
 *	header NAME: TEMPLATE	a header, say "header X-Key: {secret}"
 *	query NAME		a query parameter whose value is the secret
 *	basic USER		Basic authentication, the secret as password
 *
 * TEMPLATE and USER are literals with names in braces: {secret}, once in a
 * header and never in USER; other fields of the credential ({username}); and,
 * in a catalog entry, inputs of the system.  Rendering is not done here: this
 * module never sees a secret.
 */
#ifndef POLICY_INJECTION_H
#define POLICY_INJECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/verr.h"

#define INJECTION_NAME_MAX     64
#define INJECTION_TEMPLATE_MAX 512
#define INJECTION_TEXT_MAX                                                     \
	(INJECTION_NAME_MAX + INJECTION_TEMPLATE_MAX + sizeof("header : "))

enum injection_kind {
	INJECT_HEADER,
	INJECT_QUERY,
	INJECT_BASIC,
};

/* A value: owns nothing. */
struct injection {
	enum injection_kind kind;
	char name[INJECTION_NAME_MAX + 1]; /* of header or query, else empty */
	char template[INJECTION_TEMPLATE_MAX + 1]; /* of the header's value, of
	                                            * the user's name; for a
	                                            * query "{secret}" */
};

/*
 * Parse an injection.  Refused: header names that are no token, that frame or
 * route the message (Host, Content-Length, Transfer-Encoding, Connection,
 * Cookie ...) and query names that would need escapes; controls and non-ASCII
 * anywhere; a ':' among the literals of USER.  Returns 0, or VERR_FORMAT with
 * a constant sentence in *ret_why.
 */
int injection_parse(const char *text, size_t len, struct injection *ret,
    const char **ret_why) MUST_CHECK;

/*
 * True if a header of this name may be neither injected nor added by a catalog
 * entry; false for names that are fine.  ASCII case does not matter.
 */
bool injection_header_reserved(const char *name, size_t len);

/* True if the "len" bytes are a token (RFC 9110, 5.6.2), fit as header name. */
bool injection_token(const char *name, size_t len);

/* One piece of a template: literal text, or a name (without its braces). */
struct template_piece {
	bool is_name;
	const char *text; /* within the template */
	size_t len;
};

/*
 * Read the piece at *at (an offset, 0 at first) of "template" and move *at
 * behind it.  Returns 1 if there was one, 0 at the end, or VERR_FORMAT for a
 * brace without its fellow or a name that is not [a-z][a-z0-9_-]*.
 */
int template_next(
    const char *template, size_t *at, struct template_piece *ret) MUST_CHECK;

#endif /* POLICY_INJECTION_H */
