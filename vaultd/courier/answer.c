#include "vaultd/courier/answer.h"

#include "vaultd/courier/syntax.h"

/*
 * Find the line at the front of "in", its line end included.  Returns 0 if it
 * has not come whole.
 */
static int
line_of(struct slice in, struct slice *ret)
{
	const uint8_t *nl = in.n == 0 ? NULL : memchr(in.p, '\n', in.n);

	if (nl == NULL)
		return 0;
	*ret = slice_of(in.p, (size_t)(nl - in.p) + 1);
	return 1;
}

static int
is_blank_line(struct slice line)
{
	return slice_is(line, "\r\n") || slice_is(line, "\n");
}

/* Behind a chunk's size: the line's end, or what RFC 9112, 7.1.1 permits. */
static int
may_follow_size(struct slice rest)
{
	rest = syntax_trim(rest);
	return is_blank_line(rest) || (rest.n > 0 && rest.p[0] == ';');
}

/* How the body is framed: RFC 9112, 6.3. */
static void
begin_body(struct answer *a)
{
	const struct head *h = &a->head;

	if (a->bodiless || h->status == 204 || h->status == 304)
		a->state = ANSWER_DONE;
	else if (h->chunked)
		a->state = ANSWER_CHUNK_SIZE;
	else if (!h->has_length)
		a->state = ANSWER_CLOSE;
	else
		a->state = h->length == 0 ? ANSWER_DONE : ANSWER_LENGTH;
	a->left = h->length;
}

static enum fault
take_head(struct answer *a, struct slice line)
{
	enum fault f = head_line(&a->head, line);

	if (f == FAULT_NONE && a->head.done)
		begin_body(a);
	return f;
}

static int
hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static enum fault
take_chunk_size(struct answer *a, struct slice line)
{
	size_t n = 0;

	a->left = 0;
	while (n < line.n && hex_value(line.p[n]) >= 0) {
		if (n == 15)
			return FAULT_ANSWER;
		a->left = a->left << 4 | (uint64_t)hex_value(line.p[n++]);
	}
	if (n == 0 || line.n > ANSWER_LINE_MAX ||
	    !may_follow_size(slice_of(line.p + n, line.n - n)))
		return FAULT_ANSWER;
	a->state = a->left > 0 ? ANSWER_CHUNK : ANSWER_TRAILERS;
	return FAULT_NONE;
}

static enum fault
take_trailer(struct answer *a, struct slice line)
{
	if (is_blank_line(line))
		a->state = ANSWER_DONE;
	return head_line(&a->head, line);
}

static enum fault
take_line(struct answer *a, struct slice line)
{
	switch (a->state) {
	case ANSWER_HEAD:
		return take_head(a, line);
	case ANSWER_CHUNK_SIZE:
		return take_chunk_size(a, line);
	case ANSWER_CHUNK_END:
		a->state = ANSWER_CHUNK_SIZE;
		return is_blank_line(line) ? FAULT_NONE : FAULT_ANSWER;
	default:
		return take_trailer(a, line);
	}
}

/* The longest line that may still be incomplete. */
static size_t
patience(const struct answer *a)
{
	switch (a->state) {
	case ANSWER_CHUNK_SIZE:
		return ANSWER_LINE_MAX;
	case ANSWER_CHUNK_END:
		return 1;
	default:
		return HEAD_MAX;
	}
}

static enum fault
too_long(const struct answer *a)
{
	return a->state == ANSWER_HEAD || a->state == ANSWER_TRAILERS
	    ? FAULT_HEAD_SIZE
	    : FAULT_ANSWER;
}

enum fault
answer_feed(
    struct answer *a, struct slice in, size_t *ret_used, struct slice *ret_data)
{
	struct slice line;

	*ret_used = 0;
	*ret_data = slice_of(in.p, 0);
	if (a->state == ANSWER_DONE || in.n == 0)
		return FAULT_NONE;
	if (a->state == ANSWER_CLOSE) {
		*ret_used = in.n;
		*ret_data = in;
		return FAULT_NONE;
	}
	if (a->state == ANSWER_LENGTH || a->state == ANSWER_CHUNK) {
		*ret_used = in.n < a->left ? in.n : (size_t)a->left;
		*ret_data = slice_of(in.p, *ret_used);
		a->left -= *ret_used;
		if (a->left == 0)
			a->state = a->state == ANSWER_LENGTH ? ANSWER_DONE
			                                     : ANSWER_CHUNK_END;
		return FAULT_NONE;
	}
	if (!line_of(in, &line))
		return in.n > patience(a) ? too_long(a) : FAULT_NONE;
	*ret_used = line.n;
	return take_line(a, line);
}

enum fault
answer_closed(struct answer *a)
{
	a->head.keep = 0;
	if (a->state == ANSWER_CLOSE)
		a->state = ANSWER_DONE;
	return a->state == ANSWER_DONE ? FAULT_NONE : FAULT_SHORT;
}

int
answer_keeps(const struct answer *a)
{
	return a->state == ANSWER_DONE && a->head.keep;
}

void
answer_free(struct answer *a)
{
	head_free(&a->head);
}
