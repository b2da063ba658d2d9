#include "vaultd/gate/route.h"

#include <stdio.h>
#include <strings.h>

#define ID_MAX 63

static const char domain[] = ".vaultd";
#define DOMAIN_LEN (sizeof(domain) - 1)

int
route_is_id(struct slice s)
{
	if (s.n == 0 || s.n > ID_MAX || s.p[0] == '-')
		return 0;
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') &&
		    c != '-')
			return 0;
	}
	return 1;
}

/*
 * Take what is before the first "end" off "s"; without one, all of it.
 */
static struct slice
take_until(struct slice *s, uint8_t end)
{
	const uint8_t *at = s->n > 0 ? memchr(s->p, end, s->n) : NULL;
	size_t n = at == NULL ? s->n : (size_t)(at - s->p);
	struct slice part = slice_of(s->p, n);

	*s = slice_of(s->p + n, s->n - n);
	return part;
}

int
route_is_profile(struct slice s)
{
	struct slice customer = take_until(&s, '/');

	return route_is_id(customer) && s.n > 0 &&
	    route_is_id(slice_of(s.p + 1, s.n - 1));
}

static int
set_profile(struct route *route, struct slice customer, struct slice name)
{
	if (!route_is_id(customer) || !route_is_id(name))
		return VERR_FORMAT;
	(void)snprintf(route->profile, sizeof(route->profile), "%.*s/%.*s",
	    (int)customer.n, (const char *)customer.p, (int)name.n,
	    (const char *)name.p);
	return 0;
}

/*
 * By host.  Returns 0, VERR_FORMAT, or VERR_NOTFOUND: not in our domain.
 */
static int
by_host(struct slice host, struct route *route)
{
	uint8_t lower[2 * ID_MAX + 2];
	struct slice rest, name;

	host = take_until(&host, ':');
	if (host.n <= DOMAIN_LEN ||
	    strncasecmp((const char *)host.p + host.n - DOMAIN_LEN, domain,
	        DOMAIN_LEN) != 0)
		return VERR_NOTFOUND;
	host.n -= DOMAIN_LEN;
	if (host.n > sizeof(lower))
		return VERR_FORMAT;
	for (size_t i = 0; i < host.n; i++)
		lower[i] = host.p[i] >= 'A' && host.p[i] <= 'Z'
		    ? host.p[i] + ('a' - 'A')
		    : host.p[i];
	rest = slice_of(lower, host.n);
	name = take_until(&rest, '.');
	if (rest.n == 0)
		return VERR_FORMAT;
	return set_profile(route, slice_of(rest.p + 1, rest.n - 1), name);
}

static int
by_path(struct slice target, struct route *route)
{
	static const uint8_t root[] = {'/'};
	struct slice rest = slice_of(target.p + 1, target.n - 1);
	struct slice customer = take_until(&rest, '/'), path, name;
	int r;

	if (rest.n == 0)
		return VERR_FORMAT;
	rest = slice_of(rest.p + 1, rest.n - 1);
	if (slice_is(customer, "-")) {
		route->profile[0] = '\0';
		route->target = rest;
		return 0;
	}
	path = rest;
	(void)take_until(&path, '?');
	path = slice_of(rest.p, rest.n - path.n);
	name = take_until(&path, '/');
	if ((r = set_profile(route, customer, name)) != 0)
		return r;
	route->target = slice_of(rest.p + name.n, rest.n - name.n);
	if (route->target.n == 0) /* an empty path and "/" are the same */
		route->target = slice_of(root, sizeof(root));
	return route->target.p[0] == '/' ? 0 : VERR_FORMAT;
}

int
route_find(struct slice target, struct slice host, struct route *ret)
{
	struct route route = {.profile = ""};
	int r = by_host(host, &route);

	if (r == 0)
		route.target = target;
	else if (r == VERR_NOTFOUND)
		r = by_path(target, &route);
	if (r == 0)
		*ret = route;
	return r;
}
