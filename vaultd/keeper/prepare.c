/*
 * prepare - from an act to the profile as it will be, verb by verb.
 */
#include <stdio.h>
#include <stdlib.h>

#include "protocol/act.h"
#include "protocol/pairs.h"
#include "vaultd/base/secret.h"
#include "vaultd/keeper/edit.h"
#include "vaultd/keeper/when.h"

#define TITLE_MAX 200
#define RSA_BITS  3072 /* where nothing is said */

/* A retired key is in key sets for its JWTs' lifetime and a day, in which those
 * who cache such sets look again. */
#define RETIRED_SPARE_MS (24 * 3600 * 1000ULL)

/*
 * A C string of an act's value, which must hold no control bytes.  It lives as
 * long as the act.  NULL with the refusal set on failure.
 */
static const char *
keep(struct edit *a, const char *name, struct slice v, bool lines)
{
	char *copy;

	for (size_t i = 0; i < v.n; i++)
		if ((v.p[i] < 0x20 || v.p[i] == 0x7f) &&
		    !(lines && (v.p[i] == '\n' || v.p[i] == '\r'))) {
			(void)act_refuse(a->act, REFUSED_BAD_REQUEST,
			    "%s holds a control character", name);
			return NULL;
		}
	if (a->nstrings == sizeof(a->strings) / sizeof(a->strings[0]) ||
	    (copy = strndup(v.n == 0 ? "" : (const char *)v.p, v.n)) == NULL) {
		(void)act_refuse(a->act, REFUSED_BUDGET, "out of memory");
		return NULL;
	}
	a->strings[a->nstrings++] = copy;
	return copy;
}

static bool
given(const struct edit *a, const char *name, struct slice *ret)
{
	return act_given(a->act, name, ret);
}

static int
take_title(struct edit *a)
{
	struct slice v;

	if (!given(a, "title", &v))
		return 0;
	if (v.n > TITLE_MAX)
		return act_refuse(a->act, REFUSED_BAD_REQUEST,
		    "a title has at most %d bytes", TITLE_MAX);
	return (a->next.title = keep(a, "title", v, false)) == NULL
	    ? VERR_FORMAT
	    : 0;
}

static int
take_health(struct edit *a, const struct catalog_entry *entry)
{
	struct health health;
	const char *why;
	struct slice v;

	if (!given(a, "health", &v))
		return 0;
	if (v.n > 0 && health_parse((const char *)v.p, v.n, &health, &why) != 0)
		return act_refuse(
		    a->act, REFUSED_BAD_REQUEST, "health: %s", why);
	if (v.n > 0 &&
	    catalog_guards(entry, health.target, strcspn(health.target, "?")))
		return act_refuse(
		    a->act, REFUSED_BAD_REQUEST, "health: the path is guarded");
	return (a->next.health = keep(a, "health", v, false)) == NULL
	    ? VERR_FORMAT
	    : 0;
}

static int
take_dates(struct edit *a)
{
	struct slice v;
	uint64_t days = 0;

	if (given(a, "expires", &v)) {
		a->next.expires = 0;
		if (v.n > 0 && when_parse(v, &a->next.expires) != 0)
			return act_refuse(a->act, REFUSED_BAD_REQUEST,
			    "expires: a date is YYYY-MM-DD, or RFC 3339 as "
			    "2026-11-22T12:00:00Z");
	}
	if (given(a, "rotate-every", &v)) {
		if (v.n == 0 || v.n > 4)
			days = 10000;
		for (size_t i = 0; i < v.n && days < 10000; i++)
			days = v.p[i] < '0' || v.p[i] > '9'
			    ? 10000
			    : days * 10 + (uint64_t)(v.p[i] - '0');
		if (days > 3650)
			return act_refuse(a->act, REFUSED_BAD_REQUEST,
			    "rotate-every: 0 to 3650 days");
		a->next.rotate_every = days;
	}
	return 0;
}

/*
 * Put one setting over the old ones.
 */
static int
put_setting(
    struct edit *a, const struct catalog_input *input, const char *value)
{
	struct profile *p = &a->next;
	const char *name;
	size_t i = 0;

	while (
	    i < p->nsettings && strcmp(a->settings[i].name, input->name) != 0)
		i++;
	if (i < p->nsettings && strcmp(a->settings[i].value, value) == 0)
		return 0;
	if (input->sealed && !a->new_secret)
		return act_refuse(a->act, REFUSED_BAD_REQUEST,
		    "%s is sealed with the credential: to change it, give the "
		    "credential again",
		    input->name);
	if (*value == '\0') { /* back to the default */
		if (i < p->nsettings)
			a->settings[i] = a->settings[--p->nsettings];
		return 0;
	}
	if (i == CATALOG_INPUTS_MAX)
		return act_refuse(
		    a->act, REFUSED_TOO_LARGE, "too many settings");
	if (i == p->nsettings) {
		/* A reload may take the entry away before the act ends. */
		name = keep(a, input->name, slice_str(input->name), false);
		if (name == NULL)
			return VERR_FORMAT;
		a->settings[i].name = name;
		p->nsettings++;
	}
	a->settings[i].value = value;
	return 0;
}

static int
take_settings(struct edit *a, const struct catalog_entry *entry)
{
	struct slice rest = a->act->pairs, name, v;
	const struct catalog_input *input;
	const char *value;
	int r;

	for (size_t i = 0; i < a->next.nsettings; i++)
		a->settings[i] = a->next.settings[i];
	while ((r = pairs_next(&rest, &name, &v)) == 0) {
		char key[64];

		if (name.n < 4 || memcmp(name.p, ACT_SET, 4) != 0)
			continue;
		(void)snprintf(key, sizeof(key), "%.*s", (int)(name.n - 4),
		    (const char *)name.p + 4);
		if ((input = catalog_input(entry, key)) == NULL)
			return act_refuse(a->act, REFUSED_BAD_REQUEST,
			    "%s has no such setting (vaultctl catalog show %s)",
			    entry->system, entry->system);
		value = keep(a, input->name, v, input->type == TYPE_PEM);
		if (value == NULL || put_setting(a, input, value) != 0)
			return VERR_FORMAT;
	}
	for (size_t i = 0; i < a->next.nsettings; i++)
		a->next.settings[i] = a->settings[i];
	return 0;
}

/*
 * Is there a credential in the act, or is one to be made?
 */
static bool
has_credential(const struct edit *a)
{
	struct slice rest = a->act->pairs, name, v;

	while (pairs_next(&rest, &name, &v) == 0)
		if (name.n > 6 && memcmp(name.p, ACT_FIELD, 6) == 0)
			return true;
	return act_is_set(a->act, "generate");
}

static int
take_field(
    struct edit *a, const struct catalog_field *field, struct pairs_writer *w)
{
	const char *why;
	char key[80];
	struct slice v;

	(void)snprintf(key, sizeof(key), ACT_FIELD "%s", field->name);
	if (!given(a, key, &v) &&
	    !(field->secret && given(a, ACT_FIELD "secret", &v)))
		return act_refuse(a->act, REFUSED_BAD_REQUEST,
		    "the credential needs its field \"%s\"", field->name);
	if (catalog_field_check(
	        field, (const char *)v.p, v.n, SECRET_MAX / 2, &why) != 0)
		return act_refuse(
		    a->act, REFUSED_BAD_REQUEST, "%s: %s", field->name, why);
	pairs_add(w, field->secret ? "secret" : field->name, v);
	if (!field->secret && a->next.kind == CREDENTIAL_BASIC &&
	    (a->next.user = keep(a, field->name, v, false)) == NULL)
		return VERR_FORMAT;
	return 0;
}

void
edit_take_public(struct edit *a, const char *key)
{
	a->next.retired_key = a->next.key;
	a->next.retired =
	    keeper_time() + a->to->jwt.lifetime * 1000ULL + RETIRED_SPARE_MS;
	a->next.key = key;
}

/*
 * Which key is to be made: of an algorithm that was asked for, or as the one
 * before, or as the system has it first.
 */
static int
take_generate(struct edit *a, const struct catalog_credential *c)
{
	struct edit_key *key = &a->key;
	uint8_t spki[PKEY_SPKI_MAX];
	struct pubkey old;
	uint64_t bits = RSA_BITS;
	struct slice v;

	key->make = true;
	key->type = PKEY_RSA;
	while (!(c->jwt.algs & claims_alg(pkey_alg(key->type))))
		key->type++;
	if (profile_key(a->next.key, spki, &old) == 0)
		key->type = old.type;
	if (given(a, "alg", &v) && pkey_alg_parse(v, &key->type) != 0)
		return act_refuse(a->act, REFUSED_BAD_REQUEST,
		    "a key is made for RS256, ES256 or EdDSA");
	if (given(a, "bits", &v) &&
	    (!act_number(a->act, "bits", PKEY_RSA_MAX, &bits) ||
	        bits % 1024 != 0 || bits < PKEY_RSA_MIN))
		return act_refuse(a->act, REFUSED_BAD_REQUEST,
		    "an RSA key has 2048, 3072 or 4096 bits");
	key->bits = (unsigned)bits;
	return 0;
}

/*
 * A credential that signs: its key is the act's, or to be made.
 */
static int
take_private_key(struct edit *a, const struct catalog_credential *c)
{
	a->key.algs = c->jwt.algs;
	if (act_is_set(a->act, "generate"))
		return take_generate(a, c);
	for (size_t i = 0; i < c->nfields; i++) {
		char name[80];

		(void)snprintf(
		    name, sizeof(name), ACT_FIELD "%s", c->fields[i].name);
		if (c->fields[i].secret &&
		    (given(a, name, &a->key.given) ||
		        given(a, ACT_FIELD "secret", &a->key.given)))
			return 0;
	}
	return act_refuse(a->act, REFUSED_BAD_REQUEST,
	    "the private key is missing: PKCS#8, or --generate");
}

/*
 * The credential's kind and fields, checked, as pairs in the arena.
 */
static int
take_secret(struct edit *a, const struct catalog_entry *entry, bool fresh)
{
	const struct catalog_credential *c;
	struct pairs_writer w = {.cap = a->act->plain_len};
	struct slice v;
	char kind[32];
	int r;

	if (given(a, "credential", &v)) {
		(void)snprintf(
		    kind, sizeof(kind), "%.*s", (int)v.n, (const char *)v.p);
		if (credential_kind_parse(kind, &a->next.kind) != 0)
			return act_refuse(a->act, REFUSED_BAD_REQUEST,
			    "there is no such kind of credential");
	} else if (fresh) {
		a->next.kind = entry->credentials[0].kind;
	}
	if ((c = catalog_credential(entry, a->next.kind)) == NULL)
		return act_refuse(a->act, REFUSED_BAD_REQUEST,
		    "%s takes no %s credential", entry->system,
		    credential_kind_name(a->next.kind));
	if (c->kind == CREDENTIAL_JWT)
		return take_private_key(a, c);
	if (act_is_set(a->act, "generate"))
		return act_refuse(a->act, REFUSED_BAD_REQUEST,
		    "only keys that sign are made here");
	if ((w.p = a->secret = secret_alloc(a->act->plain_len)) == NULL)
		return act_refuse(a->act, REFUSED_BUDGET,
		    "too many credentials are being changed at once");
	a->next.user = "";
	for (size_t i = 0; i < c->nfields; i++)
		if ((r = take_field(a, &c->fields[i], &w)) != 0)
			return r;
	if (w.overflow)
		return act_refuse(
		    a->act, REFUSED_TOO_LARGE, "the credential is too large");
	a->secret_len = w.n;
	return 0;
}

/*
 * What add, rotate and set share: everything the act says goes over "next".
 */
static int
take_all(struct edit *a, bool fresh)
{
	const struct catalog_entry *entry =
	    keeper_system(a->k, slice_str(a->next.system));
	char why[CATALOG_WHY_MAX];
	int r;

	if (entry == NULL)
		return act_refuse(a->act, REFUSED_NO_SYSTEM,
		    "the catalog has no such system (vaultctl catalog list)");
	if (a->new_secret && (r = take_secret(a, entry, fresh)) != 0)
		return r;
	if ((r = take_title(a)) != 0 || (r = take_health(a, entry)) != 0 ||
	    (r = take_dates(a)) != 0 || (r = take_settings(a, entry)) != 0)
		return r;
	if ((r = link_resolve(a->k, &a->next, &a->to, why)) != 0)
		return act_refuse(a->act, REFUSED_BAD_REQUEST, "%s",
		    why[0] != '\0' ? why : verr_text(r));
	if (a->new_secret && !a->kind->stages)
		a->next.version++;
	return 0;
}

static int
prepare_add(struct edit *a)
{
	struct slice v;

	if (!given(a, "system", &v))
		return act_refuse(
		    a->act, REFUSED_BAD_REQUEST, "a profile needs its system");
	a->next = (struct profile){.name = a->act->name,
	    .system = keep(a, "system", v, false),
	    .title = "",
	    .health = "",
	    .account = "",
	    .user = "",
	    .reason = "",
	    .key = "",
	    .staged_key = "",
	    .retired_key = "",
	    .status = STATUS_PENDING,
	    .created = keeper_time()};
	if (a->next.system == NULL)
		return VERR_FORMAT;
	a->new_secret = true;
	if (take_all(a, true) != 0)
		return VERR_FORMAT;
	a->next.reason = "not verified yet";
	if (a->to->health.method == NULL || a->no_verify) {
		a->next.status = STATUS_ACTIVE;
		a->next.reason = a->no_verify
		    ? "stored without verification"
		    : "no health check is known for it";
	}
	(void)snprintf(a->act->change, sizeof(a->act->change),
	    "added, %s, credential %s", a->next.system,
	    credential_kind_name(a->next.kind));
	return 0;
}

static int
prepare_rotate(struct edit *a)
{
	uint64_t version = a->link->profile.version;

	if (!has_credential(a))
		return act_refuse(a->act, REFUSED_BAD_REQUEST,
		    "a rotation needs the new credential");
	a->new_secret = true;
	if (take_all(a, false) != 0)
		return VERR_FORMAT;
	if (a->next.status == STATUS_DEGRADED ||
	    a->next.status == STATUS_PENDING) {
		a->next.status = STATUS_ACTIVE;
		a->next.reason = "";
	}
	if (a->new_account)
		a->next.account = "";
	(void)snprintf(a->act->change, sizeof(a->act->change),
	    "credential version %llu replaces %llu",
	    (unsigned long long)version + 1, (unsigned long long)version);
	return 0;
}

/*
 * A key that the upstream has to learn first waits beside the one in force.
 */
static int
prepare_stage(struct edit *a)
{
	if (a->next.kind != CREDENTIAL_JWT)
		return act_refuse(a->act, REFUSED_BAD_REQUEST,
		    "only keys with a public half are staged; rotate replaces "
		    "others at once");
	if (a->next.staged_key[0] != '\0')
		return act_refuse(a->act, REFUSED_EXISTS,
		    "a key is staged already: --activate or --abort it");
	a->new_secret = true;
	if (take_all(a, false) != 0)
		return VERR_FORMAT;
	if (a->to->jwt.kid[0] != '\0')
		return act_refuse(a->act, REFUSED_BAD_REQUEST,
		    "the profile gives its keys a fixed id, so that two could "
		    "not be told apart: --set kid= first");
	(void)snprintf(a->act->change, sizeof(a->act->change),
	    "a key was staged beside version %llu",
	    (unsigned long long)a->next.version);
	return 0;
}

static int
need_staged(struct edit *a)
{
	char why[CATALOG_WHY_MAX];

	if (a->next.staged_key[0] == '\0')
		return act_refuse(a->act, REFUSED_NOT_FOUND,
		    "no key is staged (vaultctl rotate --stage)");
	if (link_resolve(a->k, &a->next, &a->to, why) != 0)
		return act_refuse(a->act, REFUSED_NOT_USABLE,
		    "the profile's settings do not fit its system any more");
	a->drop_staged = true;
	return 0;
}

static int
prepare_activate(struct edit *a)
{
	if (need_staged(a) != 0)
		return VERR_FORMAT;
	a->new_secret = true;
	edit_take_public(a, a->next.staged_key);
	a->next.staged_key = "";
	(void)snprintf(a->act->change, sizeof(a->act->change),
	    "the staged key is version %llu and replaces %llu",
	    (unsigned long long)a->next.version + 1,
	    (unsigned long long)a->next.version);
	a->next.version++;
	return 0;
}

static int
prepare_abort(struct edit *a)
{
	if (need_staged(a) != 0)
		return VERR_FORMAT;
	a->next.staged_key = "";
	(void)snprintf(a->act->change, sizeof(a->act->change),
	    "the staged key was destroyed");
	return 0;
}

static int
prepare_set(struct edit *a)
{
	if (has_credential(a))
		return prepare_rotate(a);
	if (take_all(a, false) != 0)
		return VERR_FORMAT;
	(void)snprintf(
	    a->act->change, sizeof(a->act->change), "settings changed");
	return 0;
}

static int
prepare_verify(struct edit *a)
{
	char why[CATALOG_WHY_MAX];

	if (link_resolve(a->k, &a->next, &a->to, why) != 0)
		return act_refuse(a->act, REFUSED_NOT_USABLE,
		    "the profile's settings do not fit its system any more");
	if (a->to->health.method == NULL)
		return act_refuse(a->act, REFUSED_BAD_REQUEST,
		    "no health check is known for this profile: give it one "
		    "(vaultctl profile set --health 'GET /path')");
	(void)snprintf(a->act->change, sizeof(a->act->change), "verified");
	return 0;
}

static int
prepare_enable(struct edit *a)
{
	char why[CATALOG_WHY_MAX];

	if (a->next.status != STATUS_DISABLED)
		return act_refuse(
		    a->act, REFUSED_EXISTS, "the profile is not disabled");
	if (link_resolve(a->k, &a->next, &a->to, why) != 0)
		return act_refuse(a->act, REFUSED_NOT_USABLE,
		    "the profile's settings do not fit its system any more");
	a->next.status = STATUS_ACTIVE;
	a->next.reason = "";
	if (a->next.verified == 0 && a->to->health.method != NULL) {
		a->next.status = STATUS_PENDING;
		a->next.reason = "not verified yet";
	}
	(void)snprintf(a->act->change, sizeof(a->act->change), "enabled, %s",
	    status_name(a->next.status));
	return 0;
}

static int
prepare_disable(struct edit *a)
{
	if (a->next.status == STATUS_DISABLED)
		return act_refuse(
		    a->act, REFUSED_EXISTS, "the profile is disabled already");
	a->next.status = STATUS_DISABLED;
	a->next.reason = "paused by an admin";
	(void)snprintf(a->act->change, sizeof(a->act->change), "disabled");
	return 0;
}

static int
prepare_remove(struct edit *a)
{
	(void)snprintf(a->act->change, sizeof(a->act->change),
	    "removed with credential version %llu",
	    (unsigned long long)a->next.version);
	a->next.name = NULL; /* what is committed deletes the rows */
	return 0;
}

static const struct edit_kind kinds[] = {
    {"add", true, false, prepare_add,
        {STEP_KEY, STEP_COMMIT, STEP_PROBE, STEP_PROVED}},
    {"set", false, false, prepare_set, {STEP_KEY, STEP_PROBE, STEP_COMMIT}},
    {"verify", false, false, prepare_verify, {STEP_PROBE, STEP_PROVED}},
    {"enable", false, false, prepare_enable, {STEP_COMMIT}},
    {"disable", false, false, prepare_disable, {STEP_COMMIT}},
    {"remove", false, false, prepare_remove, {STEP_COMMIT}},
    {"rotate", false, false, prepare_rotate,
        {STEP_KEY, STEP_PROBE, STEP_COMMIT}},
    {"stage", false, true, prepare_stage, {STEP_KEY, STEP_COMMIT}},
    {"activate", false, false, prepare_activate, {STEP_STAGED, STEP_COMMIT}},
    {"abort", false, false, prepare_abort, {STEP_COMMIT}},
    {NULL, false, false, NULL, {STEP_NONE}},
};

const struct edit_kind *
edit_kind(const char *name)
{
	for (const struct edit_kind *k = kinds; k->name != NULL; k++)
		if (strcmp(k->name, name) == 0)
			return k;
	return NULL;
}
