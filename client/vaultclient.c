#include "client/vaultclient.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "client/call.h"
#include "client/keeperkey.h"
#include "protocol/act.h"
#include "protocol/pairs.h"

#define AUDIT_PAIRS_MAX 4096
#define WISH_MAX        16384
#define CLAIM_MAX       8192

int
vault_open(const char *path, struct vault **ret, struct vault_error *ret_error)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	struct vault *v;
	int fd = -1, r;

	if (path == NULL)
		path = getenv(VAULT_SOCKET_ENV);
	if (path == NULL || path[0] == '\0')
		path = VAULT_SOCKET;
	if (strlen(path) >= sizeof(sun.sun_path))
		return call_error(ret_error, VERR_TOOBIG, "not-reachable", 5,
		    "%.200s...: too long for the path of a socket", path);
	memcpy(sun.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sun, sizeof(sun)) != 0) {
		r = call_error(ret_error, VERR_UNREACHABLE, "not-reachable", 5,
		    "cannot reach a vault at %s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return r;
	}
	if ((r = vault_attach(fd, &v, ret_error)) != 0)
		return r;
	if ((v->path = strdup(path)) == NULL) {
		vault_close(v);
		return call_error(ret_error, VERR_NOMEM, "no-memory", 1, "%s",
		    verr_text(VERR_NOMEM));
	}
	*ret = v;
	return 0;
}

void
vault_close(struct vault *v)
{
	if (v == NULL)
		return;
	close(v->fd);
	free(v->path);
	explicit_bzero(v, sizeof(*v));
	free(v);
}

static int
on_row(struct call *call, const struct client_msg *m)
{
	const struct vault_rows *rows = call->arg;

	if (m->type == CLIENT_DONE)
		return CALL_CLOSED;
	if (m->type != CLIENT_ROW)
		return CALL_BREACH;
	return rows->on_row(
	    rows->arg, (const char *)m->row.json.p, m->row.json.n);
}

static int
ask(struct vault *v, const struct client_msg *open,
    const struct vault_rows *rows, struct vault_error *ret_error)
{
	struct call call = {
	    .on_message = on_row, .arg = (void *)rows, .open = open};

	return call_run(v, &call, ret_error);
}

int
vault_whoami(struct vault *v, const struct vault_rows *rows,
    struct vault_error *ret_error)
{
	const struct client_msg m = {.type = CLIENT_WHOAMI};

	return ask(v, &m, rows, ret_error);
}

int
vault_status(struct vault *v, const struct vault_rows *rows,
    struct vault_error *ret_error)
{
	const struct client_msg m = {.type = CLIENT_STATUS};

	return ask(v, &m, rows, ret_error);
}

int
vault_catalog(struct vault *v, const char *system,
    const struct vault_rows *rows, struct vault_error *ret_error)
{
	const struct client_msg m = {
	    .type = CLIENT_CATALOG, .catalog.system = slice_str(system)};

	return ask(v, &m, rows, ret_error);
}

int
vault_profiles(struct vault *v, const struct vault_filter *filter,
    const struct vault_rows *rows, struct vault_error *ret_error)
{
	const struct client_msg m = {.type = CLIENT_PROFILES,
	    .profiles = {
	        .customer = slice_str(filter->customer),
	        .system = slice_str(filter->system),
	        .status = slice_str(filter->status),
	        .profile = slice_str(filter->profile),
	    }};

	return ask(v, &m, rows, ret_error);
}

int
vault_explain(struct vault *v, const struct vault_case *question,
    const struct vault_rows *rows, struct vault_error *ret_error)
{
	const struct client_msg m = {.type = CLIENT_EXPLAIN,
	    .explain = {
	        .verb = slice_str(question->verb),
	        .profile = slice_str(question->profile),
	        .method = slice_str(question->method),
	        .path = slice_str(question->path),
	        .user = slice_str(question->user),
	    }};

	return ask(v, &m, rows, ret_error);
}

int
vault_slots(struct vault *v, const struct vault_rows *rows,
    struct vault_error *ret_error)
{
	const struct client_msg m = {.type = CLIENT_SLOTS};

	return ask(v, &m, rows, ret_error);
}

static void
put_pairs(struct pairs_writer *w, const struct vault_pair *pairs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		pairs_add(
		    w, pairs[i].name, slice_of(pairs[i].value, pairs[i].len));
}

int
vault_audit(struct vault *v, const struct vault_pair *filters, size_t n,
    const struct vault_rows *rows, struct vault_error *ret_error)
{
	uint8_t buf[AUDIT_PAIRS_MAX];
	struct pairs_writer w = {.p = buf, .cap = sizeof(buf)};
	struct client_msg m = {.type = CLIENT_AUDIT};

	put_pairs(&w, filters, n);
	if (w.overflow)
		return call_error(ret_error, VERR_TOOBIG, "bad-argument", 2,
		    "the filters are too long");
	m.audit.pairs = slice_of(buf, w.n);
	return ask(v, &m, rows, ret_error);
}

int
vault_sign(struct vault *v, const char *profile, const char *scheme,
    const struct vault_pair *wish, size_t n, const struct vault_rows *rows,
    struct vault_error *ret_error)
{
	uint8_t buf[WISH_MAX];
	struct pairs_writer w = {.p = buf, .cap = sizeof(buf)};
	struct client_msg m = {.type = CLIENT_SIGN,
	    .sign = {
	        .profile = slice_str(profile), .scheme = slice_str(scheme)}};

	put_pairs(&w, wish, n);
	if (w.overflow)
		return call_error(ret_error, VERR_TOOBIG, "bad-argument", 2,
		    "what is to be signed is too long");
	m.sign.wish = slice_of(buf, w.n);
	return ask(v, &m, rows, ret_error);
}

/*
 * A claim's value has its type before it (vaultd/keeper/jwt.h).
 */
static void
put_claim(struct pairs_writer *w, const struct vault_claim *claim,
    uint8_t *value, size_t size)
{
	struct pairs_writer list = {.p = value + 1, .cap = size - 1};
	size_t n;

	value[0] = (uint8_t)claim->type;
	if (claim->type == VAULT_CLAIM_LIST) {
		for (size_t i = 0; claim->list[i] != NULL; i++)
			pairs_add(&list, "", slice_str(claim->list[i]));
		w->overflow |= list.overflow;
		n = list.n;
	} else if ((n = strlen(claim->value)) < size) {
		memcpy(value + 1, claim->value, n);
	} else {
		w->overflow = 1;
		n = 0;
	}
	pairs_add(w, claim->name, slice_of(value, n + 1));
}

size_t
vault_claims(const struct vault_claim *claims, size_t n, void *out, size_t size)
{
	struct pairs_writer w = {.p = out, .cap = size};
	uint8_t value[CLAIM_MAX];

	for (size_t i = 0; i < n; i++)
		put_claim(&w, &claims[i], value, sizeof(value));
	return w.overflow ? 0 : w.n;
}

int
vault_pubkey(struct vault *v, const char *profile, const char *format,
    int staged, const struct vault_rows *rows, struct vault_error *ret_error)
{
	const struct client_msg m = {.type = CLIENT_PUBKEY,
	    .pubkey = {.profile = slice_str(profile),
	        .format = slice_str(format),
	        .staged = slice_str(staged ? "1" : "")}};

	return ask(v, &m, rows, ret_error);
}

int
vault_jwks(struct vault *v, const char *profile, const struct vault_rows *rows,
    struct vault_error *ret_error)
{
	const struct client_msg m = {
	    .type = CLIENT_JWKS, .jwks.profile = slice_str(profile)};

	return ask(v, &m, rows, ret_error);
}

struct nonce {
	uint8_t p[32];
	size_t n;
};

static int
on_nonce(struct call *call, const struct client_msg *m)
{
	struct nonce *nonce = call->arg;

	if (m->type != CLIENT_NONCE_IS)
		return CALL_BREACH;
	nonce->n = m->nonce_is.nonce.n;
	memcpy(nonce->p, m->nonce_is.nonce.p, nonce->n);
	return CALL_CLOSED;
}

static int
ask_nonce(struct vault *v, struct nonce *ret, struct vault_error *ret_error)
{
	const struct client_msg m = {.type = CLIENT_NONCE};
	struct call call = {.on_message = on_nonce, .arg = ret, .open = &m};

	return call_run(v, &call, ret_error);
}

/*
 * Write nonce and pairs into locked memory and seal them into "sealed", which
 * has room for ACT_MAX of them.
 */
static int
seal(const struct nonce *nonce, const struct vault_pair *pairs, size_t n,
    const uint8_t key[VAULT_KEY_LEN], uint8_t *sealed, size_t *ret_n,
    struct vault_error *ret_error)
{
	struct pairs_writer w = {.p = sodium_malloc(ACT_MAX), .cap = ACT_MAX};
	int r;

	if (w.p == NULL)
		return call_error(ret_error, VERR_NOMEM, "no-memory", 1, "%s",
		    verr_text(VERR_NOMEM));
	pairs_add(&w, "nonce", slice_of(nonce->p, nonce->n));
	put_pairs(&w, pairs, n);
	if (w.overflow) {
		r = call_error(ret_error, VERR_TOOBIG, "bad-argument", 2,
		    "settings and credential are longer than an act may be");
	} else if (crypto_box_seal(sealed, w.p, w.n, key) != 0) {
		r = call_error(ret_error, VERR_AUTH, "keeper-key", 1,
		    "keeper.pub does not hold a key that can be sealed to");
	} else {
		*ret_n = w.n + crypto_box_SEALBYTES;
		r = 0;
	}
	sodium_free(w.p);
	return r;
}

struct done {
	char *text; /* or NULL */
	uint64_t audit;
};

static int
on_done(struct call *call, const struct client_msg *m)
{
	struct done *done = call->arg;

	if (m->type != CLIENT_DONE)
		return CALL_BREACH;
	done->audit = m->done.audit;
	if (done->text != NULL) {
		memcpy(done->text, m->done.text.p, m->done.text.n);
		done->text[m->done.text.n] = '\0';
	}
	return CALL_CLOSED;
}

/*
 * Seal the act and send it in the message "type", with "upload" behind it.
 */
static int
send_act(struct vault *v, const struct vault_pair *pairs, size_t n,
    enum client_type type, const struct vault_request *upload,
    struct done *done, struct vault_error *ret_error)
{
	_Static_assert(ACT_MAX + crypto_box_SEALBYTES <= 61440, "fits an ACT");
	uint8_t key[VAULT_KEY_LEN];
	struct client_msg m = {.type = type};
	struct call call = {
	    .on_message = on_done, .arg = done, .open = &m, .upload = upload};
	struct nonce nonce;
	uint8_t *sealed = NULL;
	size_t len = 0;
	int r;

	if ((r = vault_keeper_key(v, key, ret_error)) != 0 ||
	    (r = ask_nonce(v, &nonce, ret_error)) != 0)
		return r;
	if ((sealed = malloc(ACT_MAX + crypto_box_SEALBYTES)) == NULL)
		return call_error(ret_error, VERR_NOMEM, "no-memory", 1, "%s",
		    verr_text(VERR_NOMEM));
	r = seal(&nonce, pairs, n, key, sealed, &len, ret_error);
	if (r == 0) {
		if (type == CLIENT_RESTORE)
			m.restore.sealed = slice_of(sealed, len);
		else
			m.act.sealed = slice_of(sealed, len);
		r = call_run(v, &call, ret_error);
	}
	free(sealed);
	return r;
}

int
vault_act(struct vault *v, const struct vault_pair *pairs, size_t n,
    char *ret_text, uint64_t *ret_audit, struct vault_error *ret_error)
{
	struct done done = {.text = ret_text};
	int r = send_act(v, pairs, n, CLIENT_ACT, NULL, &done, ret_error);

	if (r == 0 && ret_audit != NULL)
		*ret_audit = done.audit;
	return r;
}

int
vault_restore(struct vault *v, const struct vault_pair *pairs, size_t n,
    int (*on_read)(void *arg, uint8_t *p, size_t size, size_t *ret_n),
    void *arg, char *ret_text, uint64_t *ret_audit,
    struct vault_error *ret_error)
{
	const struct vault_request upload = {
	    .body = VAULT_BODY_READ, .on_read = on_read, .arg = arg};
	struct done done = {.text = ret_text};
	int r =
	    send_act(v, pairs, n, CLIENT_RESTORE, &upload, &done, ret_error);

	if (r == 0 && ret_audit != NULL)
		*ret_audit = done.audit;
	return r;
}

struct download {
	int (*on_data)(void *arg, const uint8_t *p, size_t len);
	void *arg;
	bool whole;
	uint64_t audit;
};

static int
on_backup(struct call *call, const struct client_msg *m)
{
	struct download *d = call->arg;

	if (m->type == CLIENT_DATA && !d->whole)
		return d->on_data(d->arg, m->data.bytes.p, m->data.bytes.n);
	if (m->type == CLIENT_END && !d->whole) {
		d->whole = true;
		return 0;
	}
	if (m->type != CLIENT_DONE || !d->whole)
		return CALL_BREACH;
	d->audit = m->done.audit;
	return CALL_CLOSED;
}

int
vault_backup(struct vault *v,
    int (*on_data)(void *arg, const uint8_t *p, size_t len), void *arg,
    uint64_t *ret_audit, struct vault_error *ret_error)
{
	const struct client_msg m = {.type = CLIENT_BACKUP};
	struct download d = {.on_data = on_data, .arg = arg};
	struct call call = {.on_message = on_backup, .arg = &d, .open = &m};
	int r = call_run(v, &call, ret_error);

	if (r == 0 && ret_audit != NULL)
		*ret_audit = d.audit;
	return r;
}

int
vault_keeper_key(struct vault *v, uint8_t ret_key[VAULT_KEY_LEN],
    struct vault_error *ret_error)
{
	if (sodium_init() < 0)
		return call_error(ret_error, VERR_INTERNAL, "no-memory", 1,
		    "libsodium cannot start");
	if (v->path == NULL)
		return call_error(ret_error, VERR_NOTFOUND, "keeper-key", 1,
		    "keeper.pub is looked for beside a socket's path, and this "
		    "connection has none");
	return keeperkey_read(v->path, ret_key, ret_error);
}
