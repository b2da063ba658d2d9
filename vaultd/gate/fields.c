#include "vaultd/gate/fields.h"

/* RFC 9110 7.6.1: of this connection alone, both ways. */
static const struct slice hop[] = {SLICE("connection"), SLICE("keep-alive"),
    SLICE("te"), SLICE("trailer"), SLICE("transfer-encoding"), SLICE("upgrade"),
    SLICE("proxy-connection"), {NULL, 0}};

/* Said in another form by the gate, the keeper or the courier. */
static const struct slice consumed[] = {
    SLICE("content-length"), SLICE("expect"), SLICE("host"), {NULL, 0}};

/* Ours alone. */
static const struct slice claimed[] = {
    SLICE("vaultd-error"), SLICE("vaultd-request"), {NULL, 0}};

static bool
listed(const struct slice *list, struct slice name)
{
	for (; list->p != NULL; list++)
		if (http_same_name(name, *list))
			return true;
	return false;
}

static bool
named_by_connection(
    const struct http_field *fields, size_t n, struct slice name)
{
	for (size_t i = 0; i < n; i++)
		if (http_name_is(fields[i].name, "connection") &&
		    http_list_has(fields[i].value, name))
			return true;
	return false;
}

void
fields_to_keeper(
    const struct http_field *fields, size_t n, struct pairs_writer *w)
{
	for (size_t i = 0; i < n; i++) {
		struct slice name = fields[i].name;

		if (!listed(hop, name) && !listed(consumed, name) &&
		    !named_by_connection(fields, n, name))
			pairs_put(w, name, fields[i].value);
	}
}

static bool
named_in_pairs(struct slice pairs, struct slice want)
{
	struct slice name, value;

	while (pairs_next(&pairs, &name, &value) == 0)
		if (http_name_is(name, "connection") &&
		    http_list_has(value, want))
			return true;
	return false;
}

/*
 * From the first Connection on: most answers have none.
 */
static struct slice
from_connection(struct slice pairs)
{
	struct slice name, value, rest = pairs;

	while (pairs_next(&rest, &name, &value) == 0) {
		if (http_name_is(name, "connection"))
			break;
		pairs = rest;
	}
	return pairs;
}

int
fields_to_client(struct slice pairs, int length, struct http_out *o)
{
	struct slice rest = pairs, name, value;
	struct slice connection = from_connection(pairs);
	size_t n = 0;
	int r;

	while ((r = pairs_next(&rest, &name, &value)) == 0) {
		if (++n > FIELDS_TO_CLIENT_MAX)
			return VERR_TOOBIG;
		if (listed(hop, name) || listed(claimed, name) ||
		    named_in_pairs(connection, name))
			continue;
		if (!length && http_name_is(name, "content-length"))
			continue;
		if ((r = http_put_field(o, name, value)) != 0)
			return r;
	}
	return r == VERR_NOTFOUND ? 0 : r;
}

static int
number(struct slice s, uint64_t *ret)
{
	uint64_t v = 0;

	if (s.n == 0 || s.n > 18)
		return VERR_NOTFOUND;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return VERR_NOTFOUND;
		v = v * 10 + (uint64_t)(s.p[i] - '0');
	}
	*ret = v;
	return 0;
}

int
fields_length(struct slice pairs, uint64_t *ret_length)
{
	struct slice name, value, found = {NULL, 0};
	int seen = 0;

	while (pairs_next(&pairs, &name, &value) == 0)
		if (http_name_is(name, "content-length")) {
			found = value;
			seen++;
		}
	return seen == 1 ? number(found, ret_length) : VERR_NOTFOUND;
}
