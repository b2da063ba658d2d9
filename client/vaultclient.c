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

int
vault_act(struct vault *v, const struct vault_pair *pairs, size_t n,
    char *ret_text, uint64_t *ret_audit, struct vault_error *ret_error)
{
	_Static_assert(ACT_MAX + crypto_box_SEALBYTES <= 61440, "fits an ACT");
	uint8_t key[VAULT_KEY_LEN];
	struct done done = {.text = ret_text};
	struct client_msg m = {.type = CLIENT_ACT};
	struct call call = {.on_message = on_done, .arg = &done, .open = &m};
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
		m.act.sealed = slice_of(sealed, len);
		r = call_run(v, &call, ret_error);
	}
	if (r == 0 && ret_audit != NULL)
		*ret_audit = done.audit;
	free(sealed);
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
