/*
 * What is asked for at /-/sign.  Whatever is taken is well-formed pairs: a
 * lifetime of digits, claims each with a type and a value of that type.
 */
#include "protocol/pairs.h"
#include "tests/fuzz/fuzz.h"
#include "vaultd/gate/wish.h"

static int
is_digits(struct slice v)
{
	size_t i = 0;

	if (v.n > 1 && v.p[0] == '-')
		i++;
	for (; i < v.n; i++)
		if (v.p[i] < '0' || v.p[i] > '9')
			return 0;
	return v.n > 0;
}

static void
check_value(struct slice v)
{
	struct slice rest, name, item;
	int r;

	CHECK(v.n > 0);
	rest = slice_of(v.p + 1, v.n - 1);
	switch (v.p[0]) {
	case 's':
		break;
	case 'i':
		CHECK(is_digits(rest));
		break;
	case 'b':
		CHECK(slice_is(rest, "true") || slice_is(rest, "false"));
		break;
	case 'a':
		while ((r = pairs_next(&rest, &name, &item)) == 0)
			CHECK(name.n == 0);
		CHECK(r == VERR_NOTFOUND);
		break;
	default:
		CHECK(0);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct wish wish;
	struct slice rest, name, value, claims, claim;
	const char *why = NULL;
	int r = wish_parse(slice_of(data, size), &wish, &why);

	if (r != 0) {
		CHECK(r == VERR_TOOBIG || (r == VERR_FORMAT && why != NULL));
		return 0;
	}
	CHECK(size <= WISH_JSON_MAX && wish.len <= sizeof(wish.pairs));
	CHECK(strlen(wish.profile) < sizeof(wish.profile));
	CHECK(strlen(wish.scheme) < sizeof(wish.scheme));
	rest = slice_of(wish.pairs, wish.len);
	while ((r = pairs_next(&rest, &name, &value)) == 0) {
		if (slice_is(name, "lifetime")) {
			CHECK(is_digits(value) && value.p[0] != '-');
			continue;
		}
		CHECK(slice_is(name, "claims"));
		claims = value;
		while ((r = pairs_next(&claims, &claim, &value)) == 0)
			check_value(value);
		CHECK(r == VERR_NOTFOUND);
	}
	CHECK(r == VERR_NOTFOUND);
	return 0;
}
