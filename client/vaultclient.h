/*
 * vaultclient - speak with vaultd over its framed socket.
 *
 * A handle is one connection.  Calls wait for their answer; a handle serves
 * one call at a time and one thread at a time, and only the process that
 * opened it may use it: the vault closes a connection on which another speaks.
 *
 * Every fallible function returns 0 or a negative number, and then fills in
 * *ret_error, from which a program decides (code) and a person reads
 * (sentence).  Callbacks return 0 to go on; anything else cancels the call,
 * which then returns that number with the code "cancelled".
 *
 * Text from the vault may hold any character: make it harmless before it goes
 * to a terminal.
 */
#ifndef VAULTCLIENT_H
#define VAULTCLIENT_H

#include <stddef.h>
#include <stdint.h>

#define VAULTCLIENT_VERSION "0.1.0"
#define VAULT_SOCKET        "/run/vaultd/vaultd.sock"
#define VAULT_SOCKET_ENV    "VAULTD_SOCKET"

#define VAULT_TEXT_MAX 4096 /* bytes of what an act says when it is done */
#define VAULT_KEY_LEN  32

struct vault;

/*
 * What went wrong.  Codes of the vault itself are those of PROTOCOL.md; these
 * are the library's own:
 *
 *	not-reachable	no vault at this path, or the connection was lost
 *	protocol-error	the vault broke the protocol; the handle is dead
 *	keeper-key	keeper.pub cannot be trusted; nothing was sealed or sent
 *	bad-argument	a value does not fit what the protocol allows
 *	body		the body of the request could not be read
 *	cancelled	a callback said so
 *	busy		the handle is in use: called from its own callback
 *	no-memory
 */
struct vault_error {
	char code[33];
	char sentence[1025];
	int http; /* status that http.sock gives, 0 if it has none */
	int exit; /* status for a program to exit with */
	uint32_t retry_after; /* seconds; 0: not said */
	uint64_t audit;       /* number in the audit log; 0: none */
};

/*
 * Connect to the vault at "path", or if that is NULL at $VAULTD_SOCKET, or if
 * that is not set or empty at VAULT_SOCKET.  On success *ret is the caller's,
 * to be closed with vault_close().
 */
int vault_open(
    const char *path, struct vault **ret, struct vault_error *ret_error);

/* Cancels what is under way.  NULL is a no-op. */
void vault_close(struct vault *v);

/*
 * Questions.  Each row of the answer is one JSON object of "len" bytes, UTF-8,
 * not ended by NUL, not yet parsed; void after the callback returns.
 */
struct vault_rows {
	int (*on_row)(void *arg, const char *json, size_t len);
	void *arg;
};

int vault_whoami(struct vault *v, const struct vault_rows *rows,
    struct vault_error *ret_error);
int vault_status(struct vault *v, const struct vault_rows *rows,
    struct vault_error *ret_error);

/* "system" NULL: all of them. */
int vault_catalog(struct vault *v, const char *system,
    const struct vault_rows *rows, struct vault_error *ret_error);

/* A member that is NULL matches anything. */
struct vault_filter {
	const char *customer, *system, *status;
	const char *profile; /* CUSTOMER/NAME */
};

int vault_profiles(struct vault *v, const struct vault_filter *filter,
    const struct vault_rows *rows, struct vault_error *ret_error);

/* How would the policy decide?  Of a member that is NULL nothing is said. */
struct vault_case {
	const char *verb, *profile; /* never NULL */
	const char *method, *path;
	const char *user; /* NULL: the caller */
};

int vault_explain(struct vault *v, const struct vault_case *question,
    const struct vault_rows *rows, struct vault_error *ret_error);

/* The key slots. */
int vault_slots(struct vault *v, const struct vault_rows *rows,
    struct vault_error *ret_error);

/*
 * A signature with the profile's key.  "wish" are the "n" pairs that the scheme
 * takes; of "jwt":
 *
 *	lifetime	seconds, decimal: less than the profile's
 *	claims		what vault_claims() makes
 *
 * The answer is one row: scheme, alg, kid, and under the scheme's name the
 * result.
 */
struct vault_pair;

int vault_sign(struct vault *v, const char *profile, const char *scheme,
    const struct vault_pair *wish, size_t n, const struct vault_rows *rows,
    struct vault_error *ret_error);

/* A claim that a client sets. */
enum vault_claim_type {
	VAULT_CLAIM_STRING = 's',
	VAULT_CLAIM_INTEGER = 'i', /* decimal digits, perhaps a minus */
	VAULT_CLAIM_BOOL = 'b',    /* "true" or "false" */
	VAULT_CLAIM_LIST = 'a',    /* strings, NULL-ended */
};

struct vault_claim {
	const char *name;
	enum vault_claim_type type;
	const char *value;       /* not of a list */
	const char *const *list; /* of a list */
};

/*
 * Write "n" claims as the value of a wish's "claims" into the "size" bytes at
 * "out".  Returns how many, or 0 if they do not fit.
 */
size_t vault_claims(
    const struct vault_claim *claims, size_t n, void *out, size_t size);

/*
 * The public half of the profile's key: "format" is jwk, pem, x509, csr or ssh;
 * the row has it as "text".  "staged": of the key that waits for --activate.
 */
int vault_pubkey(struct vault *v, const char *profile, const char *format,
    int staged, const struct vault_rows *rows, struct vault_error *ret_error);

/*
 * The keys that signatures may be of: a row for each profile, its "keys" a JWK
 * set's (RFC 7517).  "profile" NULL: of all that the caller may read.
 */
int vault_jwks(struct vault *v, const char *profile,
    const struct vault_rows *rows, struct vault_error *ret_error);

/* A name and a value.  The value may be any bytes, and is never copied
 * anywhere but into locked memory, which is wiped. */
struct vault_pair {
	const char *name;
	const void *value;
	size_t len;
};

/*
 * Records of the audit log that match all of the "n" filters, named like the
 * options of "vaultctl audit show", oldest first, one a row.
 */
int vault_audit(struct vault *v, const struct vault_pair *filters, size_t n,
    const struct vault_rows *rows, struct vault_error *ret_error);

/*
 * An act of administration: the "n" pairs (protocol/act.h has their names), to
 * which this adds a nonce, and seals the whole to the key in keeper.pub.  On
 * success "ret_text" is what the vault says for people, ended by NUL, and
 * *ret_audit the number in the audit log.  Both may be NULL.
 */
int vault_act(struct vault *v, const struct vault_pair *pairs, size_t n,
    char *ret_text /* VAULT_TEXT_MAX + 1 bytes */, uint64_t *ret_audit,
    struct vault_error *ret_error);

/*
 * The whole store as it is at one moment: a run of changes, as
 * protocol/change.h has it, given to "on_data" in pieces.  It is whole only if
 * this returns 0.  Nothing in it is readable without a key slot's secret.
 */
int vault_backup(struct vault *v,
    int (*on_data)(void *arg, const uint8_t *p, size_t len), void *arg,
    uint64_t *ret_audit, struct vault_error *ret_error);

/*
 * An act, as vault_act(), that brings a run with it: what "on_read" gives,
 * called as for a request's body.
 */
int vault_restore(struct vault *v, const struct vault_pair *pairs, size_t n,
    int (*on_read)(void *arg, uint8_t *p, size_t size, size_t *ret_n),
    void *arg, char *ret_text /* VAULT_TEXT_MAX + 1 bytes */,
    uint64_t *ret_audit, struct vault_error *ret_error);

/*
 * The key that acts are sealed to: the first line of "keeper.pub" in the
 * folder of the vault's socket.  Refused, with the code "keeper-key", unless
 * file and folder belong to root (the file else to the folder's owner) and
 * nobody else can write them.
 */
int vault_keeper_key(struct vault *v, uint8_t ret_key[VAULT_KEY_LEN],
    struct vault_error *ret_error);

/* The body of a request. */
enum vault_body {
	VAULT_BODY_NONE,
	VAULT_BODY_BYTES,  /* "length" bytes at "bytes" */
	VAULT_BODY_FILE,   /* exactly "length" bytes from "fd" */
	VAULT_BODY_STREAM, /* what "fd" gives until its end */
	VAULT_BODY_READ,   /* what on_read() gives until it gives nothing */
};

struct vault_request {
	const char *profile; /* CUSTOMER/NAME */
	const char *method;
	const char *target;  /* path and query */
	const char *headers; /* lines "Name: value" CR LF; NULL: none */
	enum vault_body body;
	const void *bytes;
	uint64_t length;
	int fd; /* read as the vault takes it; stays the caller's */

	/* The next of the body's bytes, 1 to "size" of them; 0 at its end. */
	int (*on_read)(void *arg, uint8_t *p, size_t size, size_t *ret_n);

	/* The answer begins; "headers" is "len" bytes of lines as above. */
	int (*on_response)(void *arg, int status, const char *headers,
	    size_t len, uint64_t audit);
	/* The next bytes of its body; no more come until this returns. */
	int (*on_body)(void *arg, const uint8_t *p, size_t len);
	void *arg;
};

/*
 * Make the request with the profile's credential.  Bodies stream both ways at
 * once.  Returns 0 when the whole answer has come, whatever its HTTP status.
 * A failure after on_response() means that the answer is not the whole.
 */
int vault_request(struct vault *v, const struct vault_request *request,
    struct vault_error *ret_error);

#endif /* VAULTCLIENT_H */
