/*
 * A profile's row as pairs, from "name=value" lines ("name#number" for eight
 * bytes, "name:value" for a text that is not ended): what decodes encodes, and
 * decodes to the same.
 */
#include "protocol/bytes.h"
#include "tests/fuzz/fuzz.h"
#include "vaultd/keeper/profile.h"

/* Texts end with their NUL in a row, and numbers have eight bytes. */
static struct slice
make_row(struct slice text)
{
	uint8_t *out = malloc(16 * (text.n + 1)), le[8];
	struct pairs_writer w = {.p = out, .cap = 16 * (text.n + 1)};

	CHECK(out != NULL);
	while (text.n > 0) {
		char *line = fuzz_string(&text), *at = strpbrk(line, "=#:");
		bool number = at != NULL && *at == '#';

		if (at == NULL) {
			memcpy(w.p + w.n, line, strlen(line));
			w.n += strlen(line);
		} else {
			put_le(le, strtoull(at + 1, NULL, 10), 8);
			pairs_put(&w, slice_of(line, (size_t)(at - line)),
			    number ? slice_of(le, 8)
			           : slice_of(at + 1,
			                 strlen(at + 1) + (*at == '=')));
		}
		free(line);
	}
	return slice_of(out, w.n);
}

static void
check_same(const struct profile *a, const struct profile *b)
{
	CHECK(strcmp(a->name, b->name) == 0 &&
	    strcmp(a->system, b->system) == 0 &&
	    strcmp(a->account, b->account) == 0);
	CHECK(a->status == b->status && a->kind == b->kind &&
	    a->version == b->version && a->expires == b->expires);
	CHECK(a->status <= STATUS_DISABLED && a->kind < CREDENTIAL_KIND_COUNT);
}

/* A text is whole, and no more than its own. */
static void
check_text(struct slice row, const char *name, const char *text)
{
	struct slice v = slice_str("");

	if (pairs_find(row, name, &v) == 0)
		CHECK(v.n == strlen(text) + 1);
	CHECK(v.n == 0 ? *text == '\0' : strcmp((const char *)v.p, text) == 0);
}

static void
check_round(const struct profile *p)
{
	static uint8_t once[1 << 17], twice[1 << 17];
	uint8_t *bytes;
	struct profile q;
	size_t n, m;

	if (profile_encode(p, once, sizeof(once), &n) != 0)
		return;
	CHECK((bytes = malloc(n)) != NULL);
	memcpy(bytes, once, n);
	CHECK(profile_decode(bytes, n, &q) == 0);
	check_same(p, &q);
	CHECK(profile_encode(&q, twice, sizeof(twice), &m) == 0);
	CHECK(m == n && memcmp(once, twice, n) == 0);
	profile_release(&q);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice row = make_row(slice_of(data, size));
	uint8_t *bytes = malloc(row.n + !row.n);
	struct profile p;

	CHECK(bytes != NULL);
	memcpy(bytes, row.p, row.n);
	if (profile_decode(bytes, row.n, &p) == 0) {
		check_text(row, "name", p.name);
		check_text(row, "account", p.account);
		check_text(row, "reason", p.reason);
		CHECK(p.nsettings <= CATALOG_INPUTS_MAX);
		for (size_t i = 0; i < p.nsettings; i++)
			CHECK(strlen(p.settings[i].name) +
			        strlen(p.settings[i].value) <
			    row.n);
		check_round(&p);
		profile_release(&p);
	} else {
		free(bytes);
	}
	free((void *)row.p);
	return 0;
}
