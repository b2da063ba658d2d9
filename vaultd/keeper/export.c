#include "vaultd/keeper/export.h"

#include "protocol/pairs.h"
#include "vaultd/base/secret.h"

static const char *const formats[EXPORT_FORMATS] = {
    "jwk", "pem", "ssh", "x509", "csr"};

int
export_format_parse(struct slice name, enum export_format *ret)
{
	for (size_t i = 0; i < EXPORT_FORMATS; i++)
		if (slice_is(name, formats[i])) {
			*ret = (enum export_format)i;
			return 0;
		}
	return VERR_NOTFOUND;
}

static const char *
fixed_kid(const struct catalog_link *to)
{
	return to == NULL || to->jwt.kid[0] == '\0' ? NULL : to->jwt.kid;
}

void
export_set(const struct keeper *k, const struct profile *p,
    const struct catalog_link *to, struct json *j)
{
	const char *keys[] = {p->key, p->staged_key,
	    keeper_time() < p->retired ? p->retired_key : ""};
	uint8_t spki[PKEY_SPKI_MAX];
	struct pubkey key;

	(void)k;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (profile_key(keys[i], spki, &key) == 0)
			pubkey_jwk(&key, fixed_kid(to), NULL, j);
}

static void
end(struct export *e, enum refusal refusal, const char *sentence)
{
	link_release(e->link);
	fetch_release(&e->fetch);
	secret_free(e->secret);
	e->done(e->arg, refusal, sentence, e->text);
}

static void
write_certificate(struct work *w)
{
	struct export *e =
	    (struct export *)((char *)w - offsetof(struct export, work));
	struct pkey *key = NULL;
	const char *why;

	e->r = pkey_open(e->der, &key, &why);
	if (e->r == 0 && e->format == EXPORT_X509)
		e->r = certificate_make(
		    key, e->name, keeper_time() / 1000, e->text);
	else if (e->r == 0)
		e->r = certificate_request(key, e->name, e->text);
	pkey_free(key);
}

static void
on_certificate(struct work *w)
{
	struct export *e =
	    (struct export *)((char *)w - offsetof(struct export, work));

	if (e->r == 0)
		end(e, REFUSED_NONE, NULL);
	else
		end(e, REFUSED_STORE, "the key cannot be used");
}

/*
 * The credential's row is there: "r" and the opened pairs.
 */
static void
use_secret(struct export *e, int r, size_t len)
{
	if (r == 0)
		r = pairs_find(slice_of(e->secret, len), "secret", &e->der);
	if (r != 0) {
		end(e, REFUSED_STORE, "the credential cannot be opened");
		return;
	}
	e->work =
	    (struct work){.run = write_certificate, .done = on_certificate};
	if (work_queue(&e->work) != 0)
		end(e, REFUSED_BUDGET, "too many signatures are under way");
}

static void
on_staged(void *arg, struct fetch *f)
{
	struct export *e = arg;
	const struct link_row *cu = &e->link->row[LINK_CUSTOMER];
	struct customer_row customer = {cu->at, slice_of(cu->body, cu->len)};
	int r = f->r != 0 ? f->r : cu->r;
	size_t len = 0;

	if (r == 0)
		r = keys_open_secret(e->k->keys, &customer, &f->at,
		    e->link->bound, slice_of(f->body, f->len), &e->secret,
		    &len);
	use_secret(e, r, len);
}

static void
open_secret(struct export *e)
{
	size_t len = 0;
	int r;

	if (!e->staged) {
		r = link_open(e->k, e->link, e->link->bound, &e->secret, &len);
		use_secret(e, r, len);
		return;
	}
	e->fetch = (struct fetch){.done = on_staged, .arg = e};
	keys_row_id(e->k->keys, ROW_STAGED, slice_str(e->name), e->fetch.id);
	rows_fetch(e->k->rows, &e->fetch);
}

/*
 * What the public half alone is enough for.
 */
static void
write_public(struct export *e, const struct pubkey *key)
{
	struct json j;

	switch (e->format) {
	case EXPORT_JWK:
		json_begin(&j, e->text, sizeof(e->text) - 1);
		pubkey_jwk(
		    key, e->staged ? NULL : fixed_kid(e->link->to), NULL, &j);
		e->text[j.n] = '\0';
		break;
	case EXPORT_PEM:
		pubkey_pem(key, e->text);
		break;
	default:
		if (pubkey_ssh(key, e->name, e->text) != 0)
			e->text[0] = '\0';
		break;
	}
	end(e, REFUSED_NONE, NULL);
}

static void
on_rows(void *arg, const struct link *link)
{
	struct export *e = arg;
	const struct profile *p = &link->profile;
	uint8_t spki[PKEY_SPKI_MAX];
	struct pubkey key;
	int r = link == NULL ? VERR_NOMEM : link->row[LINK_PROFILE].r;

	e->link = link;
	if (r != 0) {
		end(e, r == VERR_NOTFOUND ? REFUSED_NO_PROFILE : REFUSED_STORE,
		    r == VERR_NOTFOUND ? "there is no such profile"
		                       : "the store cannot be read");
		return;
	}
	if (profile_key(e->staged ? p->staged_key : p->key, spki, &key) != 0) {
		end(e, REFUSED_NOT_FOUND,
		    e->staged ? "no key is staged"
		              : "the profile's credential has no public half");
		return;
	}
	if (e->format < EXPORT_X509)
		write_public(e, &key);
	else
		open_secret(e);
}

void
export_begin(struct export *e)
{
	link_fetch(&e->wait, e->k, e->name, on_rows, e);
}
