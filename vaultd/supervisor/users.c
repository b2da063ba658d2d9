#include "vaultd/supervisor/users.h"

/*
 * Take the part before the next "end" off "s"; all of it if there is none.
 */
static struct slice
take(struct slice *s, char end)
{
	const uint8_t *at = s->n == 0 ? NULL : memchr(s->p, end, s->n);
	size_t n = at == NULL ? s->n : (size_t)(at - s->p);
	struct slice part = slice_of(s->p, n);

	n += at != NULL;
	s->p += n;
	s->n -= n;
	return part;
}

static int
number(struct slice s, uint32_t *ret)
{
	uint64_t v = 0;

	if (s.n == 0 || s.n > 10)
		return VERR_FORMAT;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return VERR_FORMAT;
		v = v * 10 + (uint64_t)(s.p[i] - '0');
	}
	if (v >= UINT32_MAX)
		return VERR_FORMAT;
	*ret = (uint32_t)v;
	return 0;
}

int
users_find(
    struct slice passwd, const char *name, uint32_t *ret_uid, uint32_t *ret_gid)
{
	uint32_t uid, gid;

	while (passwd.n > 0) {
		struct slice line = take(&passwd, '\n');

		if (!slice_is(take(&line, ':'), name))
			continue;
		(void)take(&line, ':');
		if (number(take(&line, ':'), &uid) != 0 ||
		    number(take(&line, ':'), &gid) != 0)
			continue;
		*ret_uid = uid;
		*ret_gid = gid;
		return 0;
	}
	return VERR_NOTFOUND;
}

int
users_find_group(struct slice group, const char *name, uint32_t *ret_gid)
{
	if (number(slice_str(name), ret_gid) == 0)
		return 0;
	while (group.n > 0) {
		struct slice line = take(&group, '\n');

		if (!slice_is(take(&line, ':'), name))
			continue;
		(void)take(&line, ':');
		if (number(take(&line, ':'), ret_gid) == 0)
			return 0;
	}
	return VERR_NOTFOUND;
}
