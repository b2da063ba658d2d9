/*
 * A catalog entry, on any bytes: what parses resolves with its examples, each
 * kind of credential once, each with one secret.  Behind a "---" line a value
 * for a credential's field, and settings as "name=value" lines.
 */
#include "policy/catalog.h"
#include "policy/pattern.h"
#include "tests/fuzz/fuzz.h"

static void
check_inputs(const struct catalog_entry *e)
{
	const char *why;

	CHECK(e->ninputs <= CATALOG_INPUTS_MAX);
	for (size_t i = 0; i < e->ninputs; i++) {
		const struct catalog_input *in = &e->inputs[i];

		CHECK(in->what != NULL && strlen(in->name) <= 32);
		CHECK(catalog_input(e, in->name) == in);
		CHECK(in->pattern == NULL ||
		    pattern_check(in->pattern, &why) == 0);
		CHECK(in->pattern == NULL || in->example == NULL ||
		    pattern_match(
		        in->pattern, in->example, strlen(in->example)));
	}
}

static void
check_credentials(const struct catalog_entry *e)
{
	CHECK(e->ncredentials > 0);
	for (size_t i = 0; i < e->ncredentials; i++) {
		const struct catalog_credential *c = &e->credentials[i];
		size_t secrets = 0;

		CHECK(catalog_credential(e, c->kind) == c);
		for (size_t k = 0; k < c->nfields; k++)
			secrets += c->fields[k].secret;
		CHECK(secrets == 1);
	}
}

/* No claim twice, none that is not an entry's to give. */
static void
check_claims(const uint8_t *p, size_t n)
{
	struct slice list = slice_of(p, n), rest, name, value, other;

	while (list.n > 0) {
		CHECK(pairs_next(&list, &name, &value) == 0);
		CHECK(claims_name_fault((const char *)name.p, name.n) == NULL);
		for (rest = list; rest.n > 0;) {
			CHECK(pairs_next(&rest, &other, &value) == 0);
			CHECK(!slice_equal(other, name));
		}
	}
}

static void
check_jwt(const struct claims_bounds *b)
{
	uint8_t all[2 * CLAIMS_TEXT_MAX];

	CHECK(b->algs != 0 && b->lifetime >= 1 &&
	    b->lifetime <= CLAIMS_LIFETIME_MAX && b->typ[0] != '\0');
	memcpy(all, b->fixed, b->nfixed);
	memcpy(all + b->nfixed, b->client, b->nclient);
	check_claims(all, b->nfixed + b->nclient);
}

static void
check_link(const struct catalog_link *link)
{
	char text[ORIGIN_TEXT_MAX + 1];
	struct origin again;
	const char *why;

	if (link->sends) {
		origin_format(&link->origin, text);
		CHECK(origin_parse(text, strlen(text), &again, &why) == 0);
		CHECK(link->jwt.algs == 0);
	} else {
		check_jwt(&link->jwt);
		CHECK(link->origin.host[0] == '\0' &&
		    link->injection.template[0] == '\0');
	}
	for (size_t h = 0; h < link->nheaders; h++)
		CHECK(strpbrk(link->headers[h], "\r\n{}") == NULL);
	CHECK(link->pin[0] == '\0' || strlen(link->pin) == 52);
	CHECK(link->account[0] == '\0' || link->account[0] == '/');
	CHECK(link->ca == NULL || strncmp(link->ca, "-----BEGIN", 10) == 0);
	CHECK(link->network.public || link->network.private ||
	    link->network.count > 0);
}

/* What an admin gives. */
static void
check_given(const struct catalog_entry *e, struct slice text)
{
	struct slice value = fuzz_line(&text);
	static struct catalog_link link;
	struct catalog_setting s[20];
	char why[CATALOG_WHY_MAX], *lines[20];
	const char *sentence = NULL;
	size_t n = 0;

	for (size_t i = 0; i < e->credentials[0].nfields; i++)
		if (catalog_field_check(&e->credentials[0].fields[i],
		        (const char *)value.p, value.n, 40, &sentence) == 0)
			CHECK(value.n > 0 && value.n <= 40 &&
			    memchr(value.p, '\t', value.n) == NULL);
		else
			CHECK(sentence != NULL);
	for (; n < 20 && text.n > 0; n++) {
		char *at = strchrnul(lines[n] = fuzz_string(&text), '=');

		s[n].value = *at == '=' ? at + 1 : at;
		*at = '\0';
		s[n].name = lines[n];
		for (; (at = strchr(s[n].value, '\1')) != NULL;)
			*at = '\n'; /* a certificate has lines */
	}
	for (enum credential_kind k = 0; k < CREDENTIAL_KIND_COUNT; k++) {
		why[0] = '\0';
		if (catalog_resolve(e, k, s, n, &link, why) == 0)
			check_link(&link);
		else
			CHECK(why[0] != '\0');
	}
	while (n > 0)
		free(lines[--n]);
}

static void
check_links(const struct catalog_entry *e)
{
	static struct catalog_setting settings[CATALOG_INPUTS_MAX + 1];
	static struct catalog_link link;
	char why[CATALOG_WHY_MAX];
	size_t n = 0;

	for (size_t i = 0; i < e->ninputs; i++)
		if (e->inputs[i].example != NULL)
			settings[n++] = (struct catalog_setting){
			    e->inputs[i].name, e->inputs[i].example};
	for (size_t i = 0; i < e->ncredentials; i++) {
		CHECK(catalog_resolve(e, e->credentials[i].kind, settings, n,
		          &link, why) == 0);
		check_link(&link);
		if (n == 0)
			continue;
		/* a setting twice */
		settings[n] = (struct catalog_setting){settings[0].name, "x"};
		CHECK(catalog_resolve(e, e->credentials[i].kind, settings,
		          n + 1, &link, why) != 0);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char mark[] = "\n---\n";
	const uint8_t *cut = memmem(data, size, mark, 5);
	size_t n = cut == NULL ? size : (size_t)(cut - data) + 1;
	struct catalog_entry *e;
	struct lex_error err;

	if (catalog_parse("fuzz", data, n, &e, &err) != 0) {
		CHECK(err.message[0] != '\0');
		return 0;
	}
	check_inputs(e);
	check_credentials(e);
	check_links(e);
	check_given(e,
	    cut == NULL ? slice_of(data, 0)
	                : slice_of(data + n + 4, size - n - 4));
	CHECK(!catalog_alive(e, 401) && catalog_alive(e, 204));
	CHECK(catalog_guards(e, "/v1/keys", 8) <= (e->nguarded > 0));
	catalog_free(e);
	return 0;
}
