#include <stdio.h>

#include "protocol/pairs.h"
#include "tests/unit/keeper/world.h"
#include "vaultd/keeper/profile.h"

static const struct profile sample = {
    .name = "acme/shop",
    .system = "custom-rest",
    .title = "The \"shop\"",
    .health = "GET /v1/me",
    .account = "acct_1",
    .user = "flow",
    .reason = "",
    .status = STATUS_DEGRADED,
    .kind = CREDENTIAL_BASIC,
    .version = 3,
    .created = WORLD_TIME,
    .changed = WORLD_TIME + 1,
    .verified = 0,
    .expires = UINT64_MAX,
    .rotate_every = 90,
    .nsettings = 2,
    .settings = {{"url", "https://api.example.com"},
        {"inject", "basic {username}"}},
};

/*
 * Decode a copy of "n" bytes, which "ret" owns if that works.
 */
static int
decode(const uint8_t *p, size_t n, struct profile *ret)
{
	uint8_t *copy = malloc(n + (n == 0));
	int r;

	assert_non_null(copy);
	memcpy(copy, p, n);
	if ((r = profile_decode(copy, n, ret)) != 0)
		free(copy);
	return r;
}

static void
equal(const struct profile *a, const struct profile *b)
{
	assert_string_equal(a->name, b->name);
	assert_string_equal(a->system, b->system);
	assert_string_equal(a->title, b->title);
	assert_string_equal(a->health, b->health);
	assert_string_equal(a->account, b->account);
	assert_string_equal(a->user, b->user);
	assert_string_equal(a->reason, b->reason);
	assert_int_equal(a->status, b->status);
	assert_int_equal(a->kind, b->kind);
	assert_true(a->version == b->version && a->created == b->created &&
	    a->changed == b->changed && a->verified == b->verified &&
	    a->expires == b->expires && a->rotate_every == b->rotate_every);
	assert_int_equal(a->nsettings, b->nsettings);
	for (size_t i = 0; i < a->nsettings; i++) {
		assert_string_equal(a->settings[i].name, b->settings[i].name);
		assert_string_equal(a->settings[i].value, b->settings[i].value);
	}
}

static void
keys_profile_round_trip(void **state)
{
	static char long_value[300];
	uint8_t row[4096];
	struct profile p, big = sample;
	size_t n = 0;

	(void)state;
	assert_int_equal(profile_encode(&sample, row, sizeof(row), &n), 0);
	assert_int_equal(decode(row, n, &p), 0);
	equal(&p, &sample);
	profile_release(&p);
	/* Lengths that need more than one byte, and all the settings */
	memset(long_value, 'v', sizeof(long_value) - 1);
	for (big.nsettings = 0; big.nsettings < CATALOG_INPUTS_MAX;
	     big.nsettings++) {
		if (big.nsettings * sizeof(long_value) > 3000)
			break;
		big.settings[big.nsettings] = (struct catalog_setting){
		    "a-name", long_value + 299 - 256 + big.nsettings};
	}
	assert_int_equal(profile_encode(&big, row, sizeof(row), &n), 0);
	assert_int_equal(decode(row, n, &p), 0);
	equal(&p, &big);
	profile_release(&p);
}

static void
keys_profile_encode_stops_at_its_capacity(void **state)
{
	uint8_t row[4096];
	size_t n = 0, m = 77;

	(void)state;
	assert_int_equal(profile_encode(&sample, row, sizeof(row), &n), 0);
	for (size_t cap = 0; cap < n; cap++)
		assert_int_equal(
		    profile_encode(&sample, row, cap, &m), VERR_TOOBIG);
	assert_int_equal(m, 77);
	assert_int_equal(profile_encode(&sample, row, n, &m), 0);
}

static void
hostile_profile_cut_or_flipped(void **state)
{
	uint8_t row[4096];
	struct profile p, before;
	size_t n = 0, refused = 0;

	(void)state;
	assert_int_equal(profile_encode(&sample, row, sizeof(row), &n), 0);
	memset(&p, 0x5a, sizeof(p));
	before = p;
	for (size_t m = 0; m < n; m++) {
		/* Cut between two settings it is a profile without them. */
		if (decode(row, m, &p) == 0) {
			assert_true(p.nsettings < 2);
			profile_release(&p);
			refused--;
			memset(&p, 0x5a, sizeof(p));
		}
		refused++;
	}
	assert_true(refused >= n - 4 && refused < n);
	for (size_t bit = 0; bit < n * 8; bit++) {
		row[bit / 8] ^= (uint8_t)(1 << bit % 8);
		if (decode(row, n, &p) == 0) {
			assert_true(p.status <= STATUS_DISABLED);
			assert_true(p.kind < CREDENTIAL_KIND_COUNT);
			/* Every string ends within the row. */
			for (size_t i = 0; i < p.nsettings; i++)
				assert_true(strlen(p.settings[i].name) +
				        strlen(p.settings[i].value) <
				    n);
			assert_true(strlen(p.name) < n);
			profile_release(&p);
			memset(&p, 0x5a, sizeof(p));
		} else {
			assert_memory_equal(&p, &before, sizeof(p));
		}
		row[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

static void
hostile_profile_text_with_a_nul(void **state)
{
	uint8_t row[4096], more[4096];
	struct pairs_writer w = {.p = more, .cap = sizeof(more)};
	struct slice rest, name, value;
	struct profile p;
	size_t n = 0;

	(void)state;
	assert_int_equal(profile_encode(&sample, row, sizeof(row), &n), 0);
	rest = slice_of(row, n);
	while (pairs_next(&rest, &name, &value) == 0)
		pairs_put(&w, name,
		    slice_is(name, "title") ? slice_of("a\0b\0", 4) : value);
	assert_int_equal(decode(more, w.n, &p), VERR_FORMAT);
	/* Twice the same name, and one too many settings */
	w.n = 0;
	pairs_add(&w, "name", slice_of("x", 2));
	memcpy(more + w.n, row, n);
	assert_int_equal(decode(more, w.n + n, &p), VERR_FORMAT);
	memcpy(more, row, n);
	w.n = n;
	for (size_t i = 0; i < CATALOG_INPUTS_MAX - 2; i++)
		pairs_add(&w, "set.x", slice_of("y", 2));
	assert_int_equal(decode(more, w.n, &p), 0);
	profile_release(&p);
	pairs_add(&w, "set.x", slice_of("y", 2));
	assert_int_equal(decode(more, w.n, &p), VERR_FORMAT);
}

static void
a_link(struct catalog_link *to)
{
	const char *why;

	memset(to, 0, sizeof(*to));
	to->sends = true;
	assert_int_equal(
	    origin_parse("https://api.example.com", 23, &to->origin, &why), 0);
	assert_int_equal(
	    injection_parse("header X-Key: {secret}", 22, &to->injection, &why),
	    0);
	assert_int_equal(
	    network_parse("10.0.0.0/8", 10, &to->network, &why), 0);
	to->ca = "-----BEGIN";
	memcpy(to->pin, "sha256//x", 10);
}

/* Other places, and other ways. */
static const char *const origins[] = {"https://api.example.org",
    "https://api.example.com:8443", "https://api.example.co"};
static const char *const injections[] = {"header X-Kex: {secret}",
    "header X-Key: {secret} ", "header X-Key: x{secret}", "query X-Key",
    "basic X-Key"};
static const char *const networks[] = {"public", "private", "10.0.0.0/9",
    "11.0.0.0/8", "10.0.0.0/8 192.168.0.0/16", "fc00::/16"};

/*
 * Whatever decides where the credential goes, and how, is in the hash.
 */
static void
keys_profile_link_covers_where_and_how(void **state)
{
	uint8_t seen[48][LINK_LEN];
	struct catalog_link to;
	struct profile p = sample;
	const char *why;
	size_t n = 0;

	(void)state;
	a_link(&to);
	profile_link(&p, &to, seen[n++]);
	for (size_t i = 0; i < sizeof(origins) / sizeof(*origins); i++) {
		a_link(&to);
		assert_int_equal(origin_parse(origins[i], strlen(origins[i]),
		                     &to.origin, &why),
		    0);
		profile_link(&p, &to, seen[n++]);
	}
	for (size_t i = 0; i < sizeof(injections) / sizeof(*injections); i++) {
		a_link(&to);
		if (injection_parse(injections[i], strlen(injections[i]),
		        &to.injection, &why) == 0)
			profile_link(&p, &to, seen[n++]);
	}
	for (size_t i = 0; i < sizeof(networks) / sizeof(*networks); i++) {
		a_link(&to);
		if (network_parse(networks[i], strlen(networks[i]), &to.network,
		        &why) == 0)
			profile_link(&p, &to, seen[n++]);
	}
	a_link(&to);
	to.ca = NULL;
	profile_link(&p, &to, seen[n++]);
	to.ca = "-----BEGIn";
	profile_link(&p, &to, seen[n++]);
	a_link(&to);
	to.pin[0] = '\0';
	profile_link(&p, &to, seen[n++]);
	/* And what a key may sign. */
	a_link(&to);
	to.jwt.algs = 1;
	profile_link(&p, &to, seen[n++]);
	to.jwt.lifetime = 60;
	profile_link(&p, &to, seen[n++]);
	to.jwt.token = true;
	profile_link(&p, &to, seen[n++]);
	to.jwt.typ[0] = 'k';
	profile_link(&p, &to, seen[n++]);
	memcpy(to.jwt.kid, to.jwt.typ, 2);
	to.jwt.typ[0] = '\0';
	profile_link(&p, &to, seen[n++]);
	to.jwt.nfixed = 6;
	profile_link(&p, &to, seen[n++]);
	to.jwt.fixed[5] = 1;
	profile_link(&p, &to, seen[n++]);
	to.jwt.nclient = 6;
	profile_link(&p, &to, seen[n++]);
	to.jwt.nfixed = 0;
	profile_link(&p, &to, seen[n++]);
	/* Text moved from one field to the next is not the same. */
	a_link(&to);
	to.pin[0] = '\0';
	to.ca = "";
	memcpy(to.pin, "-----BEGIN", 11);
	profile_link(&p, &to, seen[n++]);
	a_link(&to);
	p.name = "acme/shoq";
	profile_link(&p, &to, seen[n++]);
	p = sample;
	p.system = "stripe";
	profile_link(&p, &to, seen[n++]);
	p = sample;
	p.kind = CREDENTIAL_BEARER;
	profile_link(&p, &to, seen[n++]);
	assert_true(n > 16);
	for (size_t i = 0; i < n; i++)
		for (size_t j = i + 1; j < n; j++)
			assert_memory_not_equal(seen[i], seen[j], LINK_LEN);

	/* And what does not, is not. */
	p = sample;
	p.title = "other";
	p.version = 9;
	p.status = STATUS_ACTIVE;
	a_link(&to);
	profile_link(&p, &to, seen[1]);
	assert_memory_equal(seen[0], seen[1], LINK_LEN);
}

static void
keys_profile_json_shows_no_pem(void **state)
{
	struct profile p = sample;
	char out[4096];
	struct json j;

	(void)state;
	p.settings[1] =
	    (struct catalog_setting){"ca", "-----BEGIN CERTIFICATE-----\nx"};
	json_begin(&j, out, sizeof(out) - 1);
	json_open(&j, NULL, '{');
	profile_json(&p, NULL, &j);
	json_close(&j, '}');
	assert_false(j.overflow);
	out[j.n] = '\0';
	assert_non_null(strstr(out, "\"profile\":\"acme/shop\""));
	assert_non_null(strstr(out, "\"customer\":\"acme\""));
	assert_non_null(strstr(out, "\"name\":\"shop\""));
	assert_non_null(strstr(out, "\"status\":\"degraded\""));
	assert_non_null(strstr(out, "\"credential\":\"basic\""));
	assert_non_null(strstr(out, "\"ca\":\"set\""));
	assert_null(strstr(out, "verified"));
	assert_null(strstr(out, "CERTIFICATE"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(keys_profile_round_trip),
	    cmocka_unit_test(keys_profile_encode_stops_at_its_capacity),
	    cmocka_unit_test(hostile_profile_cut_or_flipped),
	    cmocka_unit_test(hostile_profile_text_with_a_nul),
	    cmocka_unit_test(keys_profile_link_covers_where_and_how),
	    cmocka_unit_test(keys_profile_json_shows_no_pem),
	};

	return cmocka_run_group_tests_name("profile", tests, NULL, NULL);
}
