/*
 * How a credential is put in, and a health check: what parses names one place
 * of one request, and says {secret} as often as its kind allows.
 */
#include "policy/catalog.h"
#include "policy/path.h"
#include "tests/fuzz/fuzz.h"
#include "vaultd/courier/syntax.h"

static void
check_template(const struct injection *in)
{
	struct template_piece piece;
	size_t at = 0, secrets = 0, n = strlen(in->template);
	int r;

	while ((r = template_next(in->template, &at, &piece)) == 1) {
		CHECK(at <= n && piece.text >= in->template &&
		    piece.text + piece.len <= in->template + n);
		secrets += piece.is_name && piece.len == 6 &&
		    memcmp(piece.text, "secret", 6) == 0;
		if (in->kind == INJECT_BASIC && !piece.is_name)
			CHECK(memchr(piece.text, ':', piece.len) == NULL);
	}
	CHECK(r == 0 && secrets == (in->kind != INJECT_BASIC));
}

static void
check_name(const struct injection *in)
{
	static const char *const never[] = {
	    "host", "Cookie", "content_length", "Transfer-Encoding", "TE"};
	struct slice name = slice_str(in->name);

	if (in->kind == INJECT_HEADER) {
		CHECK(syntax_is_token(name));
		CHECK(!syntax_begins(name, "proxy-") &&
		    !syntax_begins(name, "vaultd-"));
	}
	for (size_t i = 0;
	     in->kind == INJECT_HEADER && i < sizeof(never) / sizeof(never[0]);
	     i++)
		CHECK(!syntax_same(name, slice_str(never[i])));
	if (in->kind == INJECT_QUERY)
		CHECK(name.n > 0 && strpbrk(in->name, "&=#%+?/ ") == NULL);
	CHECK((in->kind == INJECT_BASIC) == (name.n == 0));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data, *why = NULL;
	char again[PATH_TARGET_MAX + 1];
	struct injection in;
	struct health health;
	size_t n, path_len;

	if (injection_parse(text, size, &in, &why) == 0) {
		for (const char *p = in.template; *p != '\0'; p++)
			CHECK(*p >= ' ' && *p <= '~');
		check_name(&in);
		check_template(&in);
	} else {
		CHECK(why != NULL);
	}
	if (health_parse(text, size, &health, &why) == 0) {
		CHECK(path_normalise(health.target, strlen(health.target),
		          again, &n, &path_len, &why) == 0);
		CHECK(strcmp(again, health.target) == 0);
	}
	return 0;
}
