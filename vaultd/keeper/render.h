/*
 * render - a client's request with the credential put in.
 *
 * Which of the client's headers pass, are dropped or refused is one table
 * (render.c).  The result is what the courier sends, byte for byte.
 *
 * SECRETS	what was rendered lies in the arena until render_forget().
 */
#ifndef KEEPER_RENDER_H
#define KEEPER_RENDER_H

#include "protocol/refusal.h"
#include "vaultd/keeper/profile.h"

#define RENDER_HEADERS_MAX 64
#define RENDER_FIELD_MAX   8192 /* bytes of one value */

struct render_request {
	const struct catalog_link *link;
	struct slice secret;  /* pairs: "secret" and the other fields */
	struct slice headers; /* pairs, as the client sent them */
	struct slice target;  /* normalised path and query */
};

/*
 * What is to be sent.  Borrowed until render_forget() or the next render.
 */
struct rendered {
	struct slice target;
	struct slice headers; /* pairs */
};

struct render_refusal {
	enum refusal refusal;
	const char *sentence; /* constant, without a byte of the request */
};

/*
 * Check the client's part alone, before anything is decided or opened.
 * Returns 0, or VERR_FORMAT with *why filled in.
 */
MUST_CHECK
int render_check(const struct catalog_link *link, struct slice headers,
    struct slice target, struct render_refusal *why);

/*
 * Render.  Returns 0, VERR_NOMEM (the arena is full), VERR_TOOBIG, or
 * VERR_FORMAT with *why filled in.
 */
MUST_CHECK
int render(const struct render_request *req, struct rendered *ret,
    struct render_refusal *why);

void render_forget(void);

#endif /* KEEPER_RENDER_H */
