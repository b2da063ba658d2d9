#include "vaultd/keeper/profile.h"

#include <stdio.h>
#include <stdlib.h>

#include <sodium.h>

#include "protocol/act.h"
#include "protocol/bytes.h"
#include "protocol/pairs.h"

static const char *const status_names[] = {
    "pending", "active", "degraded", "disabled"};

const char *
status_name(enum status status)
{
	return status_names[status];
}

const char *
profile_unusable(const struct profile *p)
{
	switch (p->status) {
	case STATUS_PENDING:
		return "the profile is pending: its credential has not been "
		       "proven yet (vaultctl profile verify)";
	case STATUS_DISABLED:
		return "the profile is disabled (vaultctl profile enable)";
	case STATUS_ACTIVE:
	case STATUS_DEGRADED:
		break;
	}
	return NULL;
}

static void
put_text(struct pairs_writer *w, const char *name, const char *value)
{
	/* With the NUL, so that a decoded row has C strings in place. */
	if (value != NULL && *value != '\0')
		pairs_add(w, name, slice_of(value, strlen(value) + 1));
}

static void
put_number(struct pairs_writer *w, const char *name, uint64_t value)
{
	uint8_t le[8];

	put_le(le, value, sizeof(le));
	pairs_add(w, name, slice_of(le, sizeof(le)));
}

int
profile_encode(
    const struct profile *p, uint8_t *out, size_t cap, size_t *ret_len)
{
	struct pairs_writer w = {.p = out, .cap = cap};
	char name[80];

	put_text(&w, "name", p->name);
	put_text(&w, "system", p->system);
	put_text(&w, "title", p->title);
	put_text(&w, "health", p->health);
	put_text(&w, "account", p->account);
	put_text(&w, "user", p->user);
	put_text(&w, "reason", p->reason);
	put_text(&w, "key", p->key);
	put_text(&w, "staged-key", p->staged_key);
	put_text(&w, "retired-key", p->retired_key);
	put_number(&w, "retired", p->retired);
	put_number(&w, "status", p->status);
	put_number(&w, "kind", p->kind);
	put_number(&w, "version", p->version);
	put_number(&w, "created", p->created);
	put_number(&w, "changed", p->changed);
	put_number(&w, "verified", p->verified);
	put_number(&w, "expires", p->expires);
	put_number(&w, "rotate-every", p->rotate_every);
	for (size_t i = 0; i < p->nsettings; i++) {
		(void)snprintf(
		    name, sizeof(name), ACT_SET "%s", p->settings[i].name);
		put_text(&w, name, p->settings[i].value);
	}
	if (w.overflow)
		return VERR_TOOBIG;
	*ret_len = w.n;
	return 0;
}

static int
get_text(struct slice pairs, const char *name, const char **ret)
{
	struct slice v;
	int r = pairs_find(pairs, name, &v);

	*ret = "";
	if (r == VERR_NOTFOUND)
		return 0;
	if (r != 0 || v.n == 0 || memchr(v.p, 0, v.n) != v.p + v.n - 1)
		return VERR_FORMAT;
	*ret = (const char *)v.p;
	return 0;
}

static int
get_number(struct slice pairs, const char *name, uint64_t *ret)
{
	struct slice v;

	if (pairs_find(pairs, name, &v) != 0 || v.n != 8)
		return VERR_FORMAT;
	*ret = get_le(v.p, 8);
	return 0;
}

/*
 * Settings: the pair's name in place, made a C string by the length byte that
 * follows it (a value is below 16 MiB, so its first length byte may be
 * overwritten once the value has been found).
 */
static int
get_settings(uint8_t *bytes, size_t len, struct profile *p)
{
	struct slice rest = slice_of(bytes, len), name, value;
	const size_t prefix = strlen(ACT_SET);
	int r;

	while ((r = pairs_next(&rest, &name, &value)) == 0) {
		if (name.n <= prefix || memcmp(name.p, ACT_SET, prefix) != 0)
			continue;
		if (p->nsettings == CATALOG_INPUTS_MAX || value.n == 0 ||
		    value.p[value.n - 1] != '\0')
			return VERR_FORMAT;
		p->settings[p->nsettings++] = (struct catalog_setting){
		    (const char *)name.p + prefix, (const char *)value.p};
		bytes[name.p + name.n - bytes] = '\0';
	}
	return r == VERR_NOTFOUND ? 0 : r;
}

int
profile_decode(uint8_t *bytes, size_t len, struct profile *ret)
{
	struct slice pairs = slice_of(bytes, len);
	struct profile p = {.bytes = bytes};
	uint64_t status, kind;
	int r;

	if ((r = get_text(pairs, "name", &p.name)) != 0 ||
	    (r = get_text(pairs, "system", &p.system)) != 0 ||
	    (r = get_text(pairs, "title", &p.title)) != 0 ||
	    (r = get_text(pairs, "health", &p.health)) != 0 ||
	    (r = get_text(pairs, "account", &p.account)) != 0 ||
	    (r = get_text(pairs, "user", &p.user)) != 0 ||
	    (r = get_text(pairs, "reason", &p.reason)) != 0 ||
	    (r = get_text(pairs, "key", &p.key)) != 0 ||
	    (r = get_text(pairs, "staged-key", &p.staged_key)) != 0 ||
	    (r = get_text(pairs, "retired-key", &p.retired_key)) != 0 ||
	    (r = get_number(pairs, "retired", &p.retired)) != 0 ||
	    (r = get_number(pairs, "status", &status)) != 0 ||
	    (r = get_number(pairs, "kind", &kind)) != 0 ||
	    (r = get_number(pairs, "version", &p.version)) != 0 ||
	    (r = get_number(pairs, "created", &p.created)) != 0 ||
	    (r = get_number(pairs, "changed", &p.changed)) != 0 ||
	    (r = get_number(pairs, "verified", &p.verified)) != 0 ||
	    (r = get_number(pairs, "expires", &p.expires)) != 0 ||
	    (r = get_number(pairs, "rotate-every", &p.rotate_every)) != 0)
		return r;
	if (status > STATUS_DISABLED || kind >= CREDENTIAL_KIND_COUNT)
		return VERR_FORMAT;
	p.status = (enum status)status;
	p.kind = (enum credential_kind)kind;
	/* Last: it cuts the pairs up. */
	if ((r = get_settings(bytes, len, &p)) != 0)
		return r;
	*ret = p;
	return 0;
}

void
profile_release(struct profile *p)
{
	free(p->bytes);
	*p = (struct profile){.bytes = NULL};
}

int
profile_resolve(const struct profile *p, const struct catalog_entry *entry,
    struct catalog_link *ret, char why[static CATALOG_WHY_MAX])
{
	const char *unused;
	int r;

	r = catalog_resolve(
	    entry, p->kind, p->settings, p->nsettings, ret, why);
	if (r != 0 || p->health[0] == '\0')
		return r;
	if (!ret->sends) {
		(void)snprintf(why, CATALOG_WHY_MAX,
		    "a credential that only signs has no health check");
		return VERR_FORMAT;
	}
	/* The profile's own check takes the place of the system's. */
	return health_parse(
	    p->health, strlen(p->health), &ret->health, &unused);
}

static void
add(crypto_generichash_state *st, const void *p, size_t n)
{
	uint8_t le[8];

	put_le(le, n, sizeof(le));
	(void)crypto_generichash_update(st, le, sizeof(le));
	(void)crypto_generichash_update(st, p, n);
}

static void
add_text(crypto_generichash_state *st, const char *s)
{
	add(st, s == NULL ? "" : s, s == NULL ? 0 : strlen(s));
}

static void
add_number(crypto_generichash_state *st, uint64_t v)
{
	uint8_t le[8];

	put_le(le, v, sizeof(le));
	add(st, le, sizeof(le));
}

/* What a key may sign is sealed with it as much as where a secret may go. */
static void
add_claims(crypto_generichash_state *st, const struct claims_bounds *b)
{
	add_number(st, b->algs);
	add_number(st, b->lifetime);
	add_number(st, b->token);
	add_number(st, b->jti);
	add_number(st, b->nbf);
	add_text(st, b->typ);
	add_text(st, b->kid);
	add(st, b->fixed, b->nfixed);
	add(st, b->client, b->nclient);
}

void
profile_link(const struct profile *p, const struct catalog_link *link,
    uint8_t ret[static LINK_LEN])
{
	char origin[ORIGIN_TEXT_MAX + 1];
	crypto_generichash_state st;

	origin_format(&link->origin, origin);
	(void)crypto_generichash_init(&st, NULL, 0, LINK_LEN);
	add_text(&st, p->name);
	add_text(&st, p->system);
	add_number(&st, p->kind);
	add_text(&st, origin);
	add_number(&st, link->sends);
	add_number(&st, link->injection.kind);
	add_text(&st, link->injection.name);
	add_text(&st, link->injection.template);
	add_text(&st, link->ca);
	add_text(&st, link->pin);
	add_number(&st, link->network.public);
	add_number(&st, link->network.private);
	add_number(&st, link->network.count);
	for (size_t i = 0; i < link->network.count; i++) {
		const struct network_block *b = &link->network.blocks[i];

		add_number(&st, b->bits);
		add(&st, b->addr, b->size);
	}
	if (link->jwt.algs != 0)
		add_claims(&st, &link->jwt);
	(void)crypto_generichash_final(&st, ret, LINK_LEN);
}

int
profile_key(
    const char *text, uint8_t spki[static PKEY_SPKI_MAX], struct pubkey *ret)
{
	size_t len;

	if (sodium_base642bin(spki, PKEY_SPKI_MAX, text, strlen(text), NULL,
	        &len, NULL, sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0)
		return VERR_FORMAT;
	return pubkey_read(slice_of(spki, len), ret);
}

/*
 * What it signs with, and as what.
 */
static void
json_key(
    const struct profile *p, const struct catalog_link *link, struct json *j)
{
	char kid[PUBKEY_THUMBPRINT_LEN + 1];
	uint8_t spki[PKEY_SPKI_MAX];
	struct pubkey key;

	if (profile_key(p->key, spki, &key) != 0)
		return;
	pubkey_thumbprint(&key, kid);
	json_text(j, "alg", pkey_alg(key.type));
	json_text(j, "kid", link->jwt.kid[0] != '\0' ? link->jwt.kid : kid);
	json_bool(j, "staged", p->staged_key[0] != '\0');
	json_text(j, "signs", link->jwt.token ? "token" : "sign");
	json_number(j, "lifetime", link->jwt.lifetime);
}

static void
json_link(
    const struct profile *p, const struct catalog_link *link, struct json *j)
{
	static const char *const kinds[] = {"header ", "query ", "basic "};
	char text[HEALTH_PATH_MAX + 16], origin[ORIGIN_TEXT_MAX + 1];

	(void)p;
	origin_format(&link->origin, origin);
	json_text(j, "origin", origin);
	(void)snprintf(text, sizeof(text), "%s%s%s%s",
	    kinds[link->injection.kind], link->injection.name,
	    link->injection.kind == INJECT_HEADER ? ": " : "",
	    link->injection.kind == INJECT_QUERY ? ""
	                                         : link->injection.template);
	json_text(j, "inject", text);
	if (link->health.method != NULL) {
		(void)snprintf(text, sizeof(text), "%s %s", link->health.method,
		    link->health.target);
		json_text(j, "health", text);
	}
}

static void
json_settings(const struct profile *p, struct json *j)
{
	json_open(j, "settings", '{');
	for (size_t i = 0; i < p->nsettings; i++) {
		const struct catalog_setting *s = &p->settings[i];
		bool pem = strncmp(s->value, "-----BEGIN", 10) == 0;

		json_text(j, s->name, pem ? "set" : s->value);
	}
	json_close(j, '}');
}

void
profile_json(
    const struct profile *p, const struct catalog_entry *entry, struct json *j)
{
	const char *slash = strchr(p->name, '/');
	char why[CATALOG_WHY_MAX];
	struct catalog_link link;

	json_text(j, "profile", p->name);
	json_slice(j, "customer",
	    slice_of(p->name, slash == NULL ? 0 : (size_t)(slash - p->name)));
	json_text(j, "name", slash == NULL ? p->name : slash + 1);
	json_text(j, "system", p->system);
	json_text(j, "title", p->title);
	json_text(j, "status", status_name(p->status));
	json_text(j, "reason", p->reason);
	json_text(j, "credential", credential_kind_name(p->kind));
	json_number(j, "version", p->version);
	json_text(j, "account", p->account);
	if (p->user[0] != '\0')
		json_text(j, "user", p->user);
	if (entry != NULL && profile_resolve(p, entry, &link, why) == 0)
		(link.sends ? json_link : json_key)(p, &link, j);
	json_time(j, "created", p->created);
	json_time(j, "changed", p->changed);
	if (p->verified != 0)
		json_time(j, "verified", p->verified);
	if (p->expires != 0)
		json_time(j, "expires", p->expires);
	if (p->rotate_every != 0)
		json_number(j, "rotate_every", p->rotate_every);
	json_settings(p, j);
}
