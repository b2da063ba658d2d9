#include "protocol/change.h"

#include "protocol/bytes.h"

void
change_encode(const struct change *c, uint8_t *out)
{
	memcpy(out, c->id, ROW_ID_LEN);
	put_le(out + 16, c->kind, 4);
	put_le(out + 20, c->generation, 8);
	put_le(out + 28, c->expected, 8);
	put_le(out + 36, c->body.n, 4);
	if (c->body.n > 0)
		memcpy(out + CHANGE_OVERHEAD, c->body.p, c->body.n);
}

int
change_next(struct slice *list, struct change *ret)
{
	const uint8_t *p = list->p;
	size_t n;

	if (list->n == 0)
		return VERR_NOTFOUND;
	if (list->n < CHANGE_OVERHEAD)
		return VERR_FORMAT;
	n = (size_t)get_le(p + 36, 4);
	if (n > list->n - CHANGE_OVERHEAD)
		return VERR_FORMAT;
	memcpy(ret->id, p, ROW_ID_LEN);
	ret->kind = (uint32_t)get_le(p + 16, 4);
	ret->generation = get_le(p + 20, 8);
	ret->expected = get_le(p + 28, 8);
	ret->body = slice_of(p + CHANGE_OVERHEAD, n);
	*list =
	    slice_of(p + CHANGE_OVERHEAD + n, list->n - CHANGE_OVERHEAD - n);
	return 0;
}
