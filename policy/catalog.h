/*
 * catalog - one entry of the catalog of systems, and what a profile's settings
 * come to under it.
 *
 *	system acme-crm {
 *		title     "Acme CRM"
 *		category  sales
 *		origin    "https://{shop}.acme.example"
 *		health    GET /v1/me
 *		account   /id
 *		input shop { what "Name of the shop"; example "blue"; sealed
 *		             pattern "[a-z0-9-]{1,63}" }
 *		credential api_key {
 *			inject "header Authorization: Bearer {secret}"
 *			field key { secret; prompt "API key" }
 *		}
 *	}
 *
 * Needed: title, category (one or more), a credential; the first one is the
 * default; origin, unless all of them only sign.  May be given: account, ca,
 *pin, network (templates); health METHOD PATH; alive STATUS...; guarded
 *PATTERN...; header "NAME: TEMPLATE", added to each request; entities WORD...;
 *rate, expiry, verified (sentences). An input has what, and may have type,
 *pattern, example, default, required, sealed; see struct catalog_input.  A
 *credential is api_key, bearer or basic, with inject and fields: prompt,
 *pattern, secret; or jwt, which signs and is never sent:
 *
 *		credential jwt {
 *			alg      RS256 ES256 EdDSA	# one or more
 *			claim    iss "{issuer}"		# left out if empty
 *			client   "scope role" "[a-z.]{1,64}"	# names, pattern
 *			lifetime 300			# seconds, the longest
 *			add      jti nbf
 *			typ      JWT			# the default
 *			kid      "{kid}"		# else the thumbprint
 *			output   token			# or sign, the default
 *			field key { secret; prompt "Private key" }
 *		}
 *
 * Templates name inputs in braces; inject may name the fields that are no
 * secret, too, and the secret as {secret}.
 *
 * Pure, as all of policy/.
 */
#ifndef POLICY_CATALOG_H
#define POLICY_CATALOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/claims.h"
#include "policy/injection.h"
#include "policy/network.h"
#include "policy/origin.h"
#include "protocol/lex.h"
#include "protocol/verr.h"

#define CATALOG_INPUTS_MAX      16
#define CATALOG_FIELDS_MAX      4
#define CATALOG_CREDENTIALS_MAX 4
#define CATALOG_HEADERS_MAX     8
#define CATALOG_ALIVE_MAX       8
#define CATALOG_LIST_MAX        64
#define CATALOG_CLAIMS_MAX      16
#define CATALOG_WHY_MAX         256
#define CATALOG_ACCOUNT_MAX     256
#define CATALOG_PIN_MAX         64
#define CATALOG_VALUE_MAX       2048
#define CATALOG_PEM_MAX         (32u << 10)
#define HEALTH_PATH_MAX         1024

enum credential_kind {
	CREDENTIAL_API_KEY,
	CREDENTIAL_BEARER,
	CREDENTIAL_BASIC,
	CREDENTIAL_JWT,
	CREDENTIAL_KIND_COUNT,
};

/* "api_key", "bearer", "basic", "jwt".  Never NULL; "kind" below the count. */
const char *credential_kind_name(enum credential_kind kind);

/* Returns 0 or VERR_NOTFOUND. */
int credential_kind_parse(
    const char *name, enum credential_kind *ret) MUST_CHECK;

/* What the value of an input is, and so what it is checked as. */
enum catalog_type {
	TYPE_TEXT,      /* by its pattern */
	TYPE_URL,       /* https://HOST[:PORT] */
	TYPE_INJECTION, /* see injection.h */
	TYPE_POINTER,   /* RFC 6901, not empty */
	TYPE_PEM,       /* certificates; --set takes a file's name for it */
	TYPE_PIN,       /* sha256//BASE64 of the SPKI, as curl writes it */
	TYPE_NETWORK,   /* see network.h */
};

/* A setting of a profile: --set NAME=VALUE.  Strings live as the entry. */
struct catalog_input {
	const char *name;
	const char *what;     /* a sentence for people */
	const char *example;  /* a valid value, or NULL */
	const char *fallback; /* value where none is set, or NULL */
	const char *pattern;  /* see pattern.h, or NULL */
	enum catalog_type type;
	bool required;
	bool sealed; /* decides where the credential may go, or how: sealed with
	              * the secret, changed only together with it */
};

/* A field of a credential.  Exactly one field of each credential is secret. */
struct catalog_field {
	const char *name;
	const char *prompt;
	const char *pattern; /* or NULL */
	bool secret;
};

/* A claim: fixed, its value a template; or a client's, its name a template that
 * comes to none or more, and a pattern or NULL. */
struct catalog_claim {
	const char *name;
	const char *text;
};

/* How a credential signs JWTs.  typ, kid, lifetime and output are templates or
 * NULL. */
struct catalog_jwt {
	uint32_t algs;
	bool jti, nbf;
	const char *typ, *kid, *lifetime, *output;
	size_t nfixed, nclient;
	struct catalog_claim fixed[CATALOG_CLAIMS_MAX];
	struct catalog_claim client[CATALOG_CLAIMS_MAX];
};

struct catalog_credential {
	enum credential_kind kind;
	const char *inject; /* an injection, names not yet replaced; or NULL of
	                     * one that only signs */
	struct catalog_jwt jwt; /* of CREDENTIAL_JWT */
	size_t nfields;
	struct catalog_field fields[CATALOG_FIELDS_MAX];
};

/*
 * An entry.  Read-only to everyone but the parser.  Strings are NUL-ended,
 * those that an entry need not give are NULL; they live as long as the entry.
 */
struct catalog_entry {
	const char *system; /* its id */
	const char *title;
	const char *origin;  /* template, or NULL if nothing is sent */
	const char *account; /* template of an RFC 6901 pointer, or NULL */
	const char *ca;      /* template, or NULL */
	const char *pin;     /* template, or NULL */
	const char *network; /* template, or NULL for public */
	const char *health_method, *health_path; /* or both NULL */
	const char *rate; /* sentences for people, or NULL: */
	const char *expiry;
	const char *verified; /* what was verified, where and when */
	const char *categories[CATALOG_LIST_MAX];
	const char *entities[CATALOG_LIST_MAX];
	const char *guarded[CATALOG_LIST_MAX];    /* path globs */
	const char *headers[CATALOG_HEADERS_MAX]; /* "NAME: TEMPLATE" */
	size_t ncategories, nentities, nguarded, nheaders;
	uint16_t alive[CATALOG_ALIVE_MAX]; /* statuses that prove a key, as 2xx
	                                    * does */
	size_t nalive;
	size_t ninputs, ncredentials; /* the first credential is the default */
	struct catalog_input inputs[CATALOG_INPUTS_MAX];
	struct catalog_credential credentials[CATALOG_CREDENTIALS_MAX];
	struct lex *text;    /* owns the strings */
	struct glob **globs; /* guarded, compiled */
};

/*
 * Parse a file with one entry, called "file" in errors, and check it: patterns
 * compile, templates name only what there is, and with the examples of its
 * inputs every credential resolves.  On success *ret is the caller's, to be
 * freed with catalog_free().  Returns 0, VERR_NOMEM, VERR_TOOBIG or
 * VERR_FORMAT, with *ret_error filled in for each and *ret untouched.
 */
int catalog_parse(const char *file, const void *text, size_t len,
    struct catalog_entry **ret, struct lex_error *ret_error) MUST_CHECK;

void catalog_free(struct catalog_entry *entry);

/* The input or credential of this name or kind, or NULL.  Lives as "entry". */
const struct catalog_input *catalog_input(
    const struct catalog_entry *entry, const char *name);
const struct catalog_credential *catalog_credential(
    const struct catalog_entry *entry, enum credential_kind kind);

/*
 * True if "path" (normalised, path part) is one that mints, shows or revokes
 * credentials.  Spelling does not matter, see path_fold().
 */
bool catalog_guards(
    const struct catalog_entry *entry, const char *path, size_t len);

/* True if "status" of the health check proves the credential alive. */
bool catalog_alive(const struct catalog_entry *entry, unsigned status);

/* A health check.  A value: owns nothing. */
struct health {
	const char
	    *method; /* constant: "GET" or "HEAD"; NULL if there is none */
	char target[HEALTH_PATH_MAX + 1]; /* normalised path and query */
};

/*
 * Parse "GET /path" or "HEAD /path".  Returns 0, or VERR_FORMAT with a
 * constant sentence in *ret_why.
 */
int health_parse(const char *text, size_t len, struct health *ret,
    const char **ret_why) MUST_CHECK;

struct catalog_setting {
	const char *name;
	const char *value;
};

/*
 * What settings come to: where the credential may go and how, or what it may
 * sign.  A value, but for "ca", which is borrowed from the settings.
 */
struct catalog_link {
	bool sends; /* requests may be made with it; else it only signs, and
	             * origin and injection are zero */
	struct origin origin;
	struct injection injection; /* names left: those of the fields, and
	                             * "secret" */
	struct claims_bounds jwt;   /* zero but of CREDENTIAL_JWT */
	struct network network;
	char network_text[NETWORK_TEXT_MAX + 1]; /* what it was read from */
	struct health health; /* method NULL if the entry has none */
	char account[CATALOG_ACCOUNT_MAX + 1]; /* "" if there is none */
	char pin[CATALOG_PIN_MAX + 1];         /* "" if there is none */
	const char *ca;                        /* PEM, or NULL */
	size_t nheaders;                       /* "NAME: VALUE" to be added */
	char headers[CATALOG_HEADERS_MAX][INJECTION_TEXT_MAX];
};

/*
 * Check "n" settings against the inputs of "entry" (known, not twice, all that
 * are required, each of its type and pattern), take defaults for the others,
 * and work out the link for a credential of "kind".  Returns 0; VERR_NOTFOUND
 * if the entry has no such kind; or VERR_FORMAT.  On failure "why" has a
 * sentence that may name a setting, but holds no value, and *ret is undefined.
 */
int catalog_resolve(const struct catalog_entry *entry,
    enum credential_kind kind, const struct catalog_setting *settings, size_t n,
    struct catalog_link *ret, char why[static CATALOG_WHY_MAX]) MUST_CHECK;

/*
 * Check the value of a credential's field: not empty, at most "max" bytes, no
 * control character, and its pattern.  Constant time is not needed of it: a
 * value is checked once, when it is set.  Returns 0, or VERR_FORMAT with a
 * constant sentence in *ret_why.
 */
int catalog_field_check(const struct catalog_field *field, const char *value,
    size_t len, size_t max, const char **ret_why) MUST_CHECK;

#endif /* POLICY_CATALOG_H */
