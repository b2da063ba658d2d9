/*
 * Whose request it is, by "host\ntarget\n", and which fields go on: the rest,
 * as "Name: value" lines, towards the keeper and from an upstream.
 */
#include "policy/origin.h"
#include "tests/fuzz/fuzz.h"
#include "vaultd/gate/fields.h"
#include "vaultd/gate/route.h"

static void
check_route(struct slice host, struct slice target)
{
	struct profile_id id;
	struct route route;

	if (target.n == 0 || target.p[0] != '/' ||
	    route_find(target, host, &route) != 0)
		return;
	/* what is passed on is the end of what came, or "/" */
	CHECK(route.target.n <= target.n);
	CHECK(memcmp(target.p + target.n - route.target.n, route.target.p,
	          route.target.n) == 0 ||
	    slice_is(route.target, "/"));
	if (route.profile[0] == '\0')
		return;
	CHECK(route.target.n > 0 && route.target.p[0] == '/');
	CHECK(profile_parse(route.profile, strlen(route.profile), &id) == 0);
	CHECK(route_is_profile(slice_str(route.profile)));
}

static void
check_pass(struct slice pairs)
{
	static const char *const never[] = {
	    "connection", "Transfer-Encoding", "host", "content-length", "TE"};
	struct http_field fields[HTTP_FIELDS_MAX];
	uint8_t buf[HTTP_HEAD_MAX];
	struct pairs_writer w = {.p = buf, .cap = sizeof(buf)};
	struct slice rest = pairs, name, value;
	size_t n = 0;

	while (n < HTTP_FIELDS_MAX && pairs_next(&rest, &name, &value) == 0)
		fields[n++] = (struct http_field){name, value};
	fields_to_keeper(fields, n, &w);
	rest = slice_of(buf, w.n);
	while (pairs_next(&rest, &name, &value) == 0) {
		for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
			CHECK(!http_name_is(name, never[i]));
		for (size_t i = 0; i < n; i++)
			CHECK(!http_name_is(fields[i].name, "connection") ||
			    !http_list_has(fields[i].value, name));
	}
	CHECK(rest.n == 0);
}

/* What comes back to a client is a head's lines and nothing else. */
static void
check_answer(struct slice pairs)
{
	uint8_t buf[HTTP_HEAD_MAX];
	struct http_out o = {buf, sizeof(buf), 0};
	struct slice text;
	uint64_t length;

	if (fields_length(pairs, &length) == 0)
		CHECK(length < UINT64_C(1000000000000000000));
	if (fields_to_client(pairs, 0, &o) != 0)
		return;
	text = slice_of(buf, o.len);
	while (text.n > 0) {
		struct slice line = fuzz_line(&text);
		const uint8_t *colon = memchr(line.p, ':', line.n);
		struct slice name;

		CHECK(colon != NULL && line.p[line.n - 1] == '\r');
		CHECK(memchr(line.p, '\r', line.n) == line.p + line.n - 1);
		name = slice_of(line.p, (size_t)(colon - line.p));
		CHECK(!http_name_is(name, "connection") &&
		    !http_name_is(name, "upgrade") &&
		    !http_name_is(name, "content-length") &&
		    !http_name_is(name, "vaultd-error"));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_of(data, size), host = fuzz_line(&text);
	struct slice target = fuzz_line(&text), pairs = fuzz_pairs(text, ':');

	check_route(host, target);
	check_pass(pairs);
	check_answer(pairs);
	free((void *)pairs.p);
	return 0;
}
