#include "protocol/pairs.h"

#include "protocol/bytes.h"

void
pairs_put(struct pairs_writer *w, struct slice name, struct slice value)
{
	size_t room = w->cap - w->n;
	uint8_t *p = w->p + w->n;

	if (w->overflow || name.n > UINT16_MAX || value.n > UINT32_MAX ||
	    room < 6 || name.n > room - 6 || value.n > room - 6 - name.n) {
		w->overflow = 1;
		return;
	}
	put_le(p, name.n, 2);
	if (name.n > 0)
		memcpy(p + 2, name.p, name.n);
	p += 2 + name.n;
	put_le(p, value.n, 4);
	if (value.n > 0)
		memcpy(p + 4, value.p, value.n);
	w->n += 6 + name.n + value.n;
}

void
pairs_add(struct pairs_writer *w, const char *name, struct slice value)
{
	pairs_put(w, slice_str(name), value);
}

/*
 * Take "size" little-endian length bytes and the bytes they announce.
 */
static int
take(struct slice *list, size_t size, struct slice *ret)
{
	size_t n;

	if (list->n < size)
		return VERR_FORMAT;
	n = (size_t)get_le(list->p, size);
	if (list->n - size < n)
		return VERR_FORMAT;
	*ret = slice_of(list->p + size, n);
	*list = slice_of(list->p + size + n, list->n - size - n);
	return 0;
}

int
pairs_next(struct slice *list, struct slice *ret_name, struct slice *ret_value)
{
	struct slice rest = *list, name, value;

	if (rest.n == 0)
		return VERR_NOTFOUND;
	if (take(&rest, 2, &name) != 0 || take(&rest, 4, &value) != 0)
		return VERR_FORMAT;
	*list = rest;
	*ret_name = name;
	*ret_value = value;
	return 0;
}

int
pairs_find(struct slice list, const char *name, struct slice *ret_value)
{
	struct slice n, v, found = {NULL, 0};
	int r, seen = 0;

	while ((r = pairs_next(&list, &n, &v)) == 0) {
		if (!slice_is(n, name))
			continue;
		if (seen++)
			return VERR_EXISTS;
		found = v;
	}
	if (r != VERR_NOTFOUND)
		return r;
	if (!seen)
		return VERR_NOTFOUND;
	*ret_value = found;
	return 0;
}
