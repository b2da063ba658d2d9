#include "vaultd/courier/head.h"

#include "protocol/pairs.h"
#include "vaultd/courier/syntax.h"

/* Not for the client: a connection's own matters, cookies, the vault's name. */
static const char *const dropped[] = {
    "connection",
    "keep-alive",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "set-cookie",
    "set-cookie2",
    "vaultd-request",
    "vaultd-error",
    NULL,
};

void
head_free(struct head *h)
{
	buf_free(&h->fields);
}

/* "HTTP/1.1 200" and what text may follow: a new head begins. */
static enum fault
take_status(struct head *h, struct slice line)
{
	const uint8_t *p = line.p;

	if (line.n < 12 ||
	    (memcmp(p, "HTTP/1.1 ", 9) != 0 &&
	        memcmp(p, "HTTP/1.0 ", 9) != 0) ||
	    (line.n > 12 && p[12] != ' ') || !syntax_is_value(line))
		return FAULT_ANSWER;
	for (size_t i = 9; i < 12; i++) {
		if (p[i] < '0' || p[i] > '9')
			return FAULT_ANSWER;
		h->status = h->status * 10 + (unsigned)(p[i] - '0');
	}
	if (h->status < 100 || h->status > 599 || h->status == 101)
		return FAULT_ANSWER;
	h->has_length = h->chunked = 0;
	h->length = 0;
	h->nfields = 0;
	h->keep = p[7] == '1';
	buf_drop(&h->fields, buf_used(&h->fields));
	return FAULT_NONE;
}

/* What the body's framing follows from may be said once and plainly. */
static enum fault
check_framing(struct head *h, struct slice name, struct slice value)
{
	if (syntax_same(name, slice_str("content-length"))) {
		if (h->has_length || h->chunked || value.n == 0 || value.n > 18)
			return FAULT_ANSWER;
		for (size_t i = 0; i < value.n; i++) {
			if (value.p[i] < '0' || value.p[i] > '9')
				return FAULT_ANSWER;
			h->length = h->length * 10 + (value.p[i] - '0');
		}
		h->has_length = 1;
	} else if (syntax_same(name, slice_str("transfer-encoding"))) {
		if (h->has_length || h->chunked ||
		    !syntax_same(value, slice_str("chunked")))
			return FAULT_ANSWER;
		h->chunked = 1;
	} else if (syntax_same(name, slice_str("content-encoding"))) {
		if (value.n > 0 && !syntax_same(value, slice_str("identity")))
			return FAULT_ENCODED;
	} else if (syntax_same(name, slice_str("connection"))) {
		struct slice item;

		while (syntax_next(&value, &item))
			if (syntax_same(item, slice_str("close")))
				h->keep = 0;
	}
	return FAULT_NONE;
}

static enum fault
take_field(struct head *h, struct slice line)
{
	const uint8_t *colon = memchr(line.p, ':', line.n);
	struct pairs_writer w = {0};
	struct slice name, value;
	enum fault f;

	if (++h->nfields > HEAD_FIELDS_MAX)
		return FAULT_HEAD_SIZE;
	if (colon == NULL)
		return FAULT_ANSWER;
	name = slice_of(line.p, (size_t)(colon - line.p));
	value = syntax_trim(slice_of(colon + 1, line.n - name.n - 1));
	if (!syntax_is_token(name) || !syntax_is_value(value))
		return FAULT_ANSWER;
	if ((f = check_framing(h, name, value)) != FAULT_NONE)
		return f;
	w.cap = 6 + name.n + value.n;
	if (buf_reserve(&h->fields, w.cap, &w.p) != 0)
		return FAULT_MEMORY;
	pairs_put(&w, name, value);
	if (w.overflow)
		return FAULT_HEAD_SIZE;
	buf_grow(&h->fields, w.n);
	return FAULT_NONE;
}

/* The blank line: an interim head is forgotten, any other is the answer's. */
static enum fault
take_end(struct head *h)
{
	if (h->status >= 200)
		h->done = 1;
	else if (++h->interim > HEAD_INTERIM_MAX)
		return FAULT_ANSWER;
	else
		h->status = 0;
	return FAULT_NONE;
}

enum fault
head_line(struct head *h, struct slice line)
{
	if (line.n > HEAD_MAX - h->bytes)
		return FAULT_HEAD_SIZE;
	h->bytes += line.n;
	if (h->done)
		return FAULT_NONE;
	if (line.n > 0 && line.p[line.n - 1] == '\n')
		line.n--;
	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	if (h->status == 0)
		return take_status(h, line);
	return line.n == 0 ? take_end(h) : take_field(h, line);
}

static struct slice
fields_of(const struct head *h)
{
	size_t n = buf_used(&h->fields);

	return n == 0 ? slice_of(NULL, 0) : slice_of(buf_data(&h->fields), n);
}

/* True if the answer's Connection field names "name" as the hop's own. */
static int
is_nominated(const struct head *h, struct slice name)
{
	struct slice rest = fields_of(h), field, list, item;

	while (pairs_next(&rest, &field, &list) == 0) {
		if (!syntax_same(field, slice_str("connection")))
			continue;
		while (syntax_next(&list, &item))
			if (syntax_same(item, name))
				return 1;
	}
	return 0;
}

static int
is_dropped(const struct head *h, struct slice name)
{
	for (size_t i = 0; dropped[i] != NULL; i++)
		if (syntax_same(name, slice_str(dropped[i])))
			return 1;
	return syntax_begins(name, "proxy-") || is_nominated(h, name);
}

int
head_fields(const struct head *h, uint8_t *out, size_t cap, size_t *ret_n)
{
	struct pairs_writer w = {out, cap, 0, 0};
	struct slice rest = fields_of(h), name, value;

	while (pairs_next(&rest, &name, &value) == 0)
		if (!is_dropped(h, name))
			pairs_put(&w, name, value);
	if (w.overflow)
		return VERR_TOOBIG;
	*ret_n = w.n;
	return 0;
}
