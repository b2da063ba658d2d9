/*
 * prepare - from an act to the profile as it will be, verb by verb.
 */
#include <stdio.h>
#include <stdlib.h>

#include "protocol/act.h"
#include "protocol/pairs.h"
#include "vaultd/base/secret.h"
#include "vaultd/keeper/act.h"
#include "vaultd/keeper/when.h"

#define TITLE_MAX 200

/*
 * A C string of an act's value, which must hold no control bytes.  It lives as
 * long as the act.  NULL with the refusal set on failure.
 */
static const char *
keep(struct act *a, const char *name, struct slice v, bool lines)
{
	char *copy;

	for (size_t i = 0; i < v.n; i++)
		if ((v.p[i] < 0x20 || v.p[i] == 0x7f) &&
		    !(lines && (v.p[i] == '\n' || v.p[i] == '\r'))) {
			(void)act_refuse(a, REFUSED_BAD_REQUEST,
			    "%s holds a control character", name);
			return NULL;
		}
	if (a->nstrings == sizeof(a->strings) / sizeof(a->strings[0]) ||
	    (copy = strndup(v.n == 0 ? "" : (const char *)v.p, v.n)) == NULL) {
		(void)act_refuse(a, REFUSED_BUDGET, "out of memory");
		return NULL;
	}
	a->strings[a->nstrings++] = copy;
	return copy;
}

static bool
given(const struct act *a, const char *name, struct slice *ret)
{
	return pairs_find(a->pairs, name, ret) == 0;
}

static int
take_title(struct act *a)
{
	struct slice v;

	if (!given(a, "title", &v))
		return 0;
	if (v.n > TITLE_MAX)
		return act_refuse(a, REFUSED_BAD_REQUEST,
		    "a title has at most %d bytes", TITLE_MAX);
	return (a->next.title = keep(a, "title", v, false)) == NULL
	    ? VERR_FORMAT
	    : 0;
}

static int
take_health(struct act *a, const struct catalog_entry *entry)
{
	struct health health;
	const char *why;
	struct slice v;

	if (!given(a, "health", &v))
		return 0;
	if (v.n > 0 && health_parse((const char *)v.p, v.n, &health, &why) != 0)
		return act_refuse(a, REFUSED_BAD_REQUEST, "health: %s", why);
	if (v.n > 0 &&
	    catalog_guards(entry, health.target, strcspn(health.target, "?")))
		return act_refuse(
		    a, REFUSED_BAD_REQUEST, "health: the path is guarded");
	return (a->next.health = keep(a, "health", v, false)) == NULL
	    ? VERR_FORMAT
	    : 0;
}

static int
take_dates(struct act *a)
{
	struct slice v;
	uint64_t days = 0;

	if (given(a, "expires", &v)) {
		a->next.expires = 0;
		if (v.n > 0 && when_parse(v, &a->next.expires) != 0)
			return act_refuse(a, REFUSED_BAD_REQUEST,
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
			return act_refuse(a, REFUSED_BAD_REQUEST,
			    "rotate-every: 0 to 3650 days");
		a->next.rotate_every = days;
	}
	return 0;
}

/*
 * Put one setting over the old ones.
 */
static int
put_setting(struct act *a, const struct catalog_input *input, const char *value)
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
		return act_refuse(a, REFUSED_BAD_REQUEST,
		    "%s is sealed with the credential: to change it, give the "
		    "credential again",
		    input->name);
	if (*value == '\0') { /* back to the default */
		if (i < p->nsettings)
			a->settings[i] = a->settings[--p->nsettings];
		return 0;
	}
	if (i == CATALOG_INPUTS_MAX)
		return act_refuse(a, REFUSED_TOO_LARGE, "too many settings");
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
take_settings(struct act *a, const struct catalog_entry *entry)
{
	struct slice rest = a->pairs, name, v;
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
			return act_refuse(a, REFUSED_BAD_REQUEST,
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
 * Is there a field of a credential among the pairs?
 */
static bool
has_fields(const struct act *a)
{
	struct slice rest = a->pairs, name, v;

	while (pairs_next(&rest, &name, &v) == 0)
		if (name.n > 6 && memcmp(name.p, ACT_FIELD, 6) == 0)
			return true;
	return false;
}

static int
take_field(
    struct act *a, const struct catalog_field *field, struct pairs_writer *w)
{
	const char *why;
	char key[80];
	struct slice v;

	(void)snprintf(key, sizeof(key), ACT_FIELD "%s", field->name);
	if (!given(a, key, &v) &&
	    !(field->secret && given(a, ACT_FIELD "secret", &v)))
		return act_refuse(a, REFUSED_BAD_REQUEST,
		    "the credential needs its field \"%s\"", field->name);
	if (catalog_field_check(
	        field, (const char *)v.p, v.n, SECRET_MAX / 2, &why) != 0)
		return act_refuse(
		    a, REFUSED_BAD_REQUEST, "%s: %s", field->name, why);
	pairs_add(w, field->secret ? "secret" : field->name, v);
	if (!field->secret && a->next.kind == CREDENTIAL_BASIC &&
	    (a->next.user = keep(a, field->name, v, false)) == NULL)
		return VERR_FORMAT;
	return 0;
}

/*
 * The credential's kind and fields, checked, as pairs in the arena.
 */
static int
take_secret(struct act *a, const struct catalog_entry *entry, bool fresh)
{
	const struct catalog_credential *c;
	struct pairs_writer w = {.cap = a->plain_len};
	struct slice v;
	char kind[32];
	int r;

	if (given(a, "credential", &v)) {
		(void)snprintf(
		    kind, sizeof(kind), "%.*s", (int)v.n, (const char *)v.p);
		if (credential_kind_parse(kind, &a->next.kind) != 0)
			return act_refuse(a, REFUSED_BAD_REQUEST,
			    "there is no such kind of credential");
	} else if (fresh) {
		a->next.kind = entry->credentials[0].kind;
	}
	if ((c = catalog_credential(entry, a->next.kind)) == NULL)
		return act_refuse(a, REFUSED_BAD_REQUEST,
		    "%s takes no %s credential", entry->system,
		    credential_kind_name(a->next.kind));
	if ((w.p = a->secret = secret_alloc(a->plain_len)) == NULL)
		return act_refuse(a, REFUSED_BUDGET,
		    "too many credentials are being changed at once");
	a->next.user = "";
	for (size_t i = 0; i < c->nfields; i++)
		if ((r = take_field(a, &c->fields[i], &w)) != 0)
			return r;
	if (w.overflow)
		return act_refuse(
		    a, REFUSED_TOO_LARGE, "the credential is too large");
	a->secret_len = w.n;
	return 0;
}

/*
 * What add, rotate and set share: everything the act says goes over "next".
 */
static int
take_all(struct act *a, bool fresh)
{
	const struct catalog_entry *entry =
	    keeper_system(a->k, slice_str(a->next.system));
	char why[CATALOG_WHY_MAX];
	int r;

	if (entry == NULL)
		return act_refuse(a, REFUSED_NO_SYSTEM,
		    "the catalog has no such system (vaultctl catalog list)");
	if (a->new_secret && (r = take_secret(a, entry, fresh)) != 0)
		return r;
	if ((r = take_title(a)) != 0 || (r = take_health(a, entry)) != 0 ||
	    (r = take_dates(a)) != 0 || (r = take_settings(a, entry)) != 0)
		return r;
	if ((r = link_resolve(a->k, &a->next, &a->to, why)) != 0)
		return act_refuse(a, REFUSED_BAD_REQUEST, "%s",
		    why[0] != '\0' ? why : verr_text(r));
	if (a->new_secret)
		a->next.version++;
	return 0;
}

static int
prepare_add(struct act *a)
{
	struct slice v;

	if (!given(a, "system", &v))
		return act_refuse(
		    a, REFUSED_BAD_REQUEST, "a profile needs its system");
	a->next = (struct profile){.name = a->name,
	    .system = keep(a, "system", v, false),
	    .title = "",
	    .health = "",
	    .account = "",
	    .user = "",
	    .reason = "",
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
	(void)snprintf(a->change, sizeof(a->change), "added, %s, credential %s",
	    a->next.system, credential_kind_name(a->next.kind));
	return 0;
}

static int
prepare_rotate(struct act *a)
{
	uint64_t version = a->link->profile.version;

	if (!has_fields(a))
		return act_refuse(a, REFUSED_BAD_REQUEST,
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
	(void)snprintf(a->change, sizeof(a->change),
	    "credential version %llu replaces %llu",
	    (unsigned long long)version + 1, (unsigned long long)version);
	return 0;
}

static int
prepare_set(struct act *a)
{
	if (has_fields(a))
		return prepare_rotate(a);
	if (take_all(a, false) != 0)
		return VERR_FORMAT;
	(void)snprintf(a->change, sizeof(a->change), "settings changed");
	return 0;
}

static int
prepare_verify(struct act *a)
{
	char why[CATALOG_WHY_MAX];

	if (link_resolve(a->k, &a->next, &a->to, why) != 0)
		return act_refuse(a, REFUSED_NOT_USABLE,
		    "the profile's settings do not fit its system any more");
	if (a->to->health.method == NULL)
		return act_refuse(a, REFUSED_BAD_REQUEST,
		    "no health check is known for this profile: give it one "
		    "(vaultctl profile set --health 'GET /path')");
	(void)snprintf(a->change, sizeof(a->change), "verified");
	return 0;
}

static int
prepare_enable(struct act *a)
{
	char why[CATALOG_WHY_MAX];

	if (a->next.status != STATUS_DISABLED)
		return act_refuse(
		    a, REFUSED_EXISTS, "the profile is not disabled");
	if (link_resolve(a->k, &a->next, &a->to, why) != 0)
		return act_refuse(a, REFUSED_NOT_USABLE,
		    "the profile's settings do not fit its system any more");
	a->next.status = STATUS_ACTIVE;
	a->next.reason = "";
	if (a->next.verified == 0 && a->to->health.method != NULL) {
		a->next.status = STATUS_PENDING;
		a->next.reason = "not verified yet";
	}
	(void)snprintf(a->change, sizeof(a->change), "enabled, %s",
	    status_name(a->next.status));
	return 0;
}

static int
prepare_disable(struct act *a)
{
	if (a->next.status == STATUS_DISABLED)
		return act_refuse(
		    a, REFUSED_EXISTS, "the profile is disabled already");
	a->next.status = STATUS_DISABLED;
	a->next.reason = "paused by an admin";
	(void)snprintf(a->change, sizeof(a->change), "disabled");
	return 0;
}

static int
prepare_remove(struct act *a)
{
	(void)snprintf(a->change, sizeof(a->change),
	    "removed with credential version %llu",
	    (unsigned long long)a->next.version);
	a->next.name = NULL; /* what is committed deletes the rows */
	return 0;
}

const struct act_kind act_kinds[] = {
    {"add", true, prepare_add, {STEP_COMMIT, STEP_PROBE, STEP_PROVED}},
    {"set", false, prepare_set, {STEP_PROBE, STEP_COMMIT}},
    {"verify", false, prepare_verify, {STEP_PROBE, STEP_PROVED}},
    {"enable", false, prepare_enable, {STEP_COMMIT}},
    {"disable", false, prepare_disable, {STEP_COMMIT}},
    {"remove", false, prepare_remove, {STEP_COMMIT}},
    {"rotate", false, prepare_rotate, {STEP_PROBE, STEP_COMMIT}},
    {NULL, false, NULL, {STEP_NONE}},
};

const struct act_kind *
act_kind(struct slice name)
{
	for (const struct act_kind *k = act_kinds; k->name != NULL; k++)
		if (slice_is(name, k->name))
			return k;
	return NULL;
}
