/*
 * profile - one customer's link to one system, as its row holds it.
 *
 * A row is a list of pairs; nothing in it is secret.  The settings that decide
 * where the credential may go, and how, are bound to the credential's seal by
 * profile_link(): whoever could change the row without the key of the secret
 * would not gain its use elsewhere.
 */
#ifndef KEEPER_PROFILE_H
#define KEEPER_PROFILE_H

#include "vaultd/keeper/json.h"
#include "vaultd/keeper/keeper.h"
#include "vaultd/keeper/pubkey.h"

enum status { STATUS_PENDING, STATUS_ACTIVE, STATUS_DEGRADED, STATUS_DISABLED };

/* Strings point into "bytes" or into constants; "" where there is none. */
struct profile {
	uint8_t *bytes; /* the opened row */
	const char *name;
	const char *system;
	const char *title;
	const char *health;  /* the profile's own check */
	const char *account; /* of the upstream, sealed at the first proof */
	const char *user;    /* of a Basic credential; no secret */
	const char *reason;  /* of the status, in words */
	enum status status;
	enum credential_kind kind;
	/* Of one that signs: the public halves, SubjectPublicKeyInfo in
	 * base64url.  The retired one is in key sets until "retired". */
	const char *key, *staged_key, *retired_key;
	uint64_t retired;               /* milliseconds since 1970 */
	uint64_t version;               /* of the credential, from 1 */
	uint64_t created, changed;      /* milliseconds since 1970 */
	uint64_t verified;              /* last proof; 0: never */
	uint64_t expires, rotate_every; /* ms since 1970; days; 0: none */
	size_t nsettings;
	struct catalog_setting settings[CATALOG_INPUTS_MAX];
};

const char *status_name(enum status status);

/*
 * Why nobody may use it now, in a constant sentence; or NULL.
 */
const char *profile_unusable(const struct profile *p);

/*
 * Write "p" as a row's plaintext.  Returns 0 or VERR_TOOBIG.
 */
MUST_CHECK
int profile_encode(
    const struct profile *p, uint8_t *out, size_t cap, size_t *ret_len);

/*
 * Read a plaintext, which "ret" then owns: profile_release() frees it.
 * Returns 0 or VERR_FORMAT, and then "bytes" is still the caller's.
 */
MUST_CHECK
int profile_decode(uint8_t *bytes, size_t len, struct profile *ret);
void profile_release(struct profile *p);

/*
 * What a profile comes to under its system's entry: where requests go and
 * how.  Returns as catalog_resolve(), which fills in "why".
 */
MUST_CHECK
int profile_resolve(const struct profile *p, const struct catalog_entry *entry,
    struct catalog_link *ret, char why[static CATALOG_WHY_MAX]);

/*
 * The hash of the sealed part: system, kind, origin, injection, network,
 * private CA and pin, or the bounds of JWTs, resolved.
 */
void profile_link(const struct profile *p, const struct catalog_link *link,
    uint8_t ret[static LINK_LEN]);

/*
 * Read the public half in "text", which a profile has: *ret borrows "spki".
 * Returns 0, or VERR_FORMAT: it has none.
 */
MUST_CHECK
int profile_key(
    const char *text, uint8_t spki[static PKEY_SPKI_MAX], struct pubkey *ret);

/*
 * The profile as a row of "profile list" and "show".
 */
void profile_json(
    const struct profile *p, const struct catalog_entry *entry, struct json *j);

#endif /* KEEPER_PROFILE_H */
