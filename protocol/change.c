#include "protocol/change.h"

#include "protocol/bytes.h"

void
change_encode_head(const struct change *c, uint8_t out[static CHANGE_OVERHEAD])
{
	memcpy(out, c->id, ROW_ID_LEN);
	put_le(out + 16, c->kind, 4);
	put_le(out + 20, c->generation, 8);
	put_le(out + 28, c->expected, 8);
	put_le(out + 36, c->body.n, 4);
}

void
change_encode(const struct change *c, uint8_t *out)
{
	change_encode_head(c, out);
	if (c->body.n > 0)
		memcpy(out + CHANGE_OVERHEAD, c->body.p, c->body.n);
}

static void
head_decode(const uint8_t *p, struct change *ret)
{
	memcpy(ret->id, p, ROW_ID_LEN);
	ret->kind = (uint32_t)get_le(p + 16, 4);
	ret->generation = get_le(p + 20, 8);
	ret->expected = get_le(p + 28, 8);
	ret->body = slice_of(p + CHANGE_OVERHEAD, (size_t)get_le(p + 36, 4));
}

int
change_next(struct slice *list, struct change *ret)
{
	struct change c;

	if (list->n == 0)
		return VERR_NOTFOUND;
	if (list->n < CHANGE_OVERHEAD)
		return VERR_FORMAT;
	head_decode(list->p, &c);
	if (c.body.n > list->n - CHANGE_OVERHEAD)
		return VERR_FORMAT;
	*list =
	    slice_of(c.body.p + c.body.n, list->n - CHANGE_OVERHEAD - c.body.n);
	*ret = c;
	return 0;
}

/*
 * The head of a row has come whole.
 */
static int
take_head(struct change_run *run)
{
	struct change c;

	head_decode(run->head, &c);
	if (c.kind > RUN_KIND_MAX || c.generation == 0 ||
	    c.generation > INT64_MAX || c.expected != 0 ||
	    c.body.n > RUN_BODY_MAX)
		return VERR_FORMAT;
	if (run->rows > 0 && memcmp(run->last, c.id, ROW_ID_LEN) >= 0)
		return VERR_FORMAT;
	if (run->rows == RUN_ROWS_MAX)
		return VERR_TOOBIG;
	if (c.kind == RUN_SUPER)
		run->generation = c.generation;
	memcpy(run->last, c.id, ROW_ID_LEN);
	run->left = c.body.n;
	run->have = 0;
	run->rows++;
	return 0;
}

int
change_run_feed(struct change_run *run, struct slice bytes)
{
	size_t n;
	int r;

	if (bytes.n > RUN_BYTES_MAX - run->bytes)
		return VERR_TOOBIG;
	run->bytes += bytes.n;
	while (bytes.n > 0) {
		if (run->left > 0) {
			n = bytes.n < run->left ? bytes.n : run->left;
			run->left -= n;
		} else {
			n = CHANGE_OVERHEAD - run->have;
			n = bytes.n < n ? bytes.n : n;
			memcpy(run->head + run->have, bytes.p, n);
			run->have += n;
			if (run->have == CHANGE_OVERHEAD &&
			    (r = take_head(run)) != 0)
				return r;
		}
		bytes = slice_of(bytes.p + n, bytes.n - n);
	}
	return 0;
}

int
change_run_end(const struct change_run *run)
{
	return run->have > 0 || run->left > 0 ? VERR_TRUNCATED : 0;
}
