/*
 * An act as it is when the keeper has opened it: "verb" in the first line, a
 * digit before it for the status and system of the profile that there is; its
 * pairs as "name=value" lines.  What is accepted fits its system, and can be
 * stored.
 */
#include <sodium.h>

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/keeper.h"
#include "vaultd/base/secret.h"
#include "vaultd/keeper/edit.h"

/* One with all that an entry may have, and one with the least. */
static const char *const entries[] = {
    "system shop {\n"
    "title Shop; category commerce\n"
    "origin \"https://{shop}.example.com\"\n"
    "health GET /me; guarded /keys/**\n"
    "network \"{net}\"; ca \"{ca}\"\n"
    "input shop { required; sealed; what x; example a\n"
    "pattern \"[a-z]{1,9}\" }\n"
    "input net { sealed; what x; type network }\n"
    "input ca { sealed; what x; type pem }\n"
    "input note { what x }\n"
    "credential api_key { inject \"header X-K: {secret}\"\n"
    "field key { secret; prompt K } }\n"
    "credential basic { inject \"basic {user}\"\n"
    "field user { prompt U }; field password { secret; prompt P } } }\n",
    "system bare { title B; category x; origin https://b.test\n"
    "credential bearer { inject \"query k\"\n"
    "field t { secret; prompt T } } }\n"};

static struct keeper keeper;

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	enum secret_kind kind;
	struct lex_error err;

	(void)argc, (void)argv;
	for (size_t i = 0; i < 2; i++)
		CHECK(catalog_parse("entry", entries[i], strlen(entries[i]),
		          &keeper.rules.systems[i], &err) == 0);
	keeper.rules.nsystems = 2;
	return sodium_init() < 0 ? -1 : secret_init(1 << 20, &kind);
}

static void
check_accepted(const struct edit *a, const struct profile *before)
{
	static struct catalog_link link;
	static uint8_t row[1 << 18];
	char why[CATALOG_WHY_MAX];
	struct slice secret;
	size_t n;

	if (a->next.name == NULL)
		return; /* removed */
	CHECK(profile_encode(&a->next, row, sizeof(row), &n) == 0);
	CHECK(profile_resolve(&a->next,
	          keeper_system(&keeper, slice_str(a->next.system)), &link,
	          why) == 0);
	CHECK(strlen(a->next.title) <= 200 && a->next.rotate_every <= 3650);
	CHECK(a->new_secret == (a->next.version == before->version + 1));
	if (!a->new_secret) {
		CHECK(strcmp(link.origin.host, "blue.example.com") == 0 ||
		    strcmp(link.origin.host, "b.test") == 0);
		CHECK(a->next.kind == before->kind);
		return;
	}
	CHECK(pairs_find(
	          slice_of(a->secret, a->secret_len), "secret", &secret) == 0);
	CHECK(secret.n > 0 && memchr(secret.p, '\n', secret.n) == NULL);
	if (a->next.kind == CREDENTIAL_BASIC)
		CHECK(a->next.user[0] != '\0');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct profile old = {.name = "acme/shop",
	    .system = "shop",
	    .title = "",
	    .health = "",
	    .account = "",
	    .user = "",
	    .reason = "",
	    .key = "",
	    .staged_key = "",
	    .retired_key = "",
	    .status = STATUS_ACTIVE,
	    .version = 3,
	    .nsettings = 1,
	    .settings = {{"shop", "blue"}}};
	struct slice text = slice_of(data, size), verb = fuzz_line(&text);
	unsigned digit = verb.n > 0 && verb.p[0] >= '0' && verb.p[0] <= '7'
	    ? verb.p[0] - '0'
	    : 8;
	struct profile before = old;
	struct link link = {.name = "acme/shop"};
	struct act act = {.k = &keeper, .name = "acme/shop"};
	struct edit *a = calloc(1, sizeof(*a));

	CHECK(a != NULL);
	if (digit < 8) {
		verb = slice_of(verb.p + 1, verb.n - 1);
		before.status = (enum status)(digit & 3);
	}
	if (digit < 8 && digit >= 4) {
		before.system = "bare";
		before.kind = CREDENTIAL_BEARER;
		before.nsettings = 0;
	}
	a->k = &keeper;
	a->act = &act;
	a->link = &link;
	act.pairs = fuzz_pairs(text, '=');
	act.plain_len = act.pairs.n + 1;
	if ((act.kind = act_kind(verb)) == NULL || !act.kind->profile)
		goto out;
	a->kind = edit_kind(act.kind->name);
	CHECK(a->kind != NULL);
	if (a->kind->creates)
		before = (struct profile){.version = 0};
	a->next = link.profile = before;
	if (a->kind->prepare(a) == 0)
		check_accepted(a, &before);
	else
		CHECK(act.refusal != REFUSED_NONE && act.sentence[0] != '\0');
	for (size_t i = 0; i < a->nstrings; i++)
		free(a->strings[i]);
	secret_free(a->secret);
	free(a->to);
out:
	free((void *)act.pairs.p);
	free(a);
	return 0;
}
