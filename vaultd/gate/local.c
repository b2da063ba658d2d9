#include "vaultd/gate/local.h"

#include "protocol/pairs.h"
#include "vaultd/gate/route.h"

#define ASK_NOBODY (-1)

/*
 * A gate serves only after the keeper was ready; whether the vault is sealed
 * the keeper alone can say.
 */
static const struct {
	const char *name;
	const char *text;
	int what; /* to ask the keeper, or ASK_NOBODY */
	const char *const arguments[4];
} locals[] = {
    {"healthz", "ok\n", ASK_NOBODY, {NULL}},
    {"readyz", "ready\n", ASK_READY, {NULL}},
    {"profiles", NULL, ASK_PROFILES,
        {"customer", "system", "status", "profile"}},
};

static struct slice
take_until(struct slice *s, uint8_t end)
{
	const uint8_t *at = s->n > 0 ? memchr(s->p, end, s->n) : NULL;
	size_t n = at == NULL ? s->n : (size_t)(at - s->p);
	struct slice part = slice_of(s->p, n);

	n += at != NULL;
	*s = slice_of(s->p + n, s->n - n);
	return part;
}

/*
 * Read "query" into the values of "arguments"; those not named are empty.
 */
static int
parse_query(
    struct slice query, const char *const arguments[4], struct slice values[4])
{
	while (query.n > 0) {
		struct slice value = take_until(&query, '&');
		struct slice name = take_until(&value, '=');
		int i = 0;

		while (i < 4 &&
		    (arguments[i] == NULL || !slice_is(name, arguments[i])))
			i++;
		if (i == 4 || values[i].p != NULL ||
		    (!route_is_id(value) && !route_is_profile(value)))
			return VERR_FORMAT;
		values[i] = value;
	}
	return 0;
}

int
local_find(struct slice method, struct slice name, struct local *ret)
{
	struct slice query = name, values[4] = {{NULL, 0}};
	struct pairs_writer w = {.p = ret->pairs, .cap = sizeof(ret->pairs)};
	size_t i = 0, n = sizeof(locals) / sizeof(locals[0]);

	name = take_until(&query, '?');
	while (i < n && !slice_is(name, locals[i].name))
		i++;
	if (i == n)
		return VERR_NOTFOUND;
	if ((!slice_is(method, "GET") && !slice_is(method, "HEAD")) ||
	    parse_query(query, locals[i].arguments, values) != 0)
		return VERR_FORMAT;
	for (int k = 0; k < 4 && locals[i].arguments[k] != NULL; k++)
		pairs_add(&w, locals[i].arguments[k], values[k]);
	if (w.overflow)
		return VERR_FORMAT;
	ret->text = locals[i].text;
	ret->asks = locals[i].what != ASK_NOBODY;
	if (ret->asks)
		ret->what = (enum ask)locals[i].what;
	ret->pairs_len = w.n;
	return 0;
}
