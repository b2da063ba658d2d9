#include "vaultd/gate/http.h"

enum chunk_state {
	CHUNK_SIZE,
	CHUNK_SIZE_LF,
	CHUNK_DATA,
	CHUNK_DATA_CR,
	CHUNK_DATA_LF,
	CHUNK_END_CR,
	CHUNK_END_LF,
	CHUNK_DONE,
};

static int
hex_value(uint8_t b)
{
	if (b >= '0' && b <= '9')
		return b - '0';
	b |= 0x20;
	return b >= 'a' && b <= 'f' ? b - 'a' + 10 : -1;
}

static enum http_fault
chunk_size_byte(struct http_chunk *c, uint8_t b)
{
	int v = hex_value(b);

	if (v < 0) {
		if (b == ';' || b == ' ' || b == '\t')
			return HTTP_FAULT_CHUNK_EXT;
		if (b != '\r' || c->digits == 0)
			return HTTP_FAULT_CHUNK_SIZE;
		c->state = CHUNK_SIZE_LF;
		return HTTP_FAULT_NONE;
	}
	if (c->digits == 16 || c->left > INT64_MAX >> 4)
		return HTTP_FAULT_CHUNK_SIZE;
	c->left = c->left << 4 | v;
	c->digits++;
	return HTTP_FAULT_NONE;
}

static enum http_fault
chunk_byte(struct http_chunk *c, uint8_t b)
{
	/* Everywhere but in a size, one byte is right. */
	static const struct {
		uint8_t want, next;
		enum http_fault fault;
	} steps[] = {
	    [CHUNK_SIZE_LF] = {'\n', CHUNK_DATA, HTTP_FAULT_CHUNK_SIZE},
	    [CHUNK_DATA_CR] = {'\r', CHUNK_DATA_LF, HTTP_FAULT_CHUNK_END},
	    [CHUNK_DATA_LF] = {'\n', CHUNK_SIZE, HTTP_FAULT_CHUNK_END},
	    [CHUNK_END_CR] = {'\r', CHUNK_END_LF, HTTP_FAULT_TRAILER},
	    [CHUNK_END_LF] = {'\n', CHUNK_DONE, HTTP_FAULT_TRAILER},
	};

	if (c->state == CHUNK_SIZE)
		return chunk_size_byte(c, b);
	if (b != steps[c->state].want)
		return steps[c->state].fault;
	c->state = steps[c->state].next;
	c->digits = 0;
	if (c->state == CHUNK_DATA && c->left == 0)
		c->state = CHUNK_END_CR;
	return HTTP_FAULT_NONE;
}

int
http_chunk_feed(struct http_chunk *c, const uint8_t *buf, size_t len,
    size_t *ret_used, struct slice *ret_data, enum http_fault *ret_fault)
{
	size_t n = 0;
	size_t at = 0;

	while (c->fault == HTTP_FAULT_NONE && at < len &&
	    c->state != CHUNK_DATA && c->state != CHUNK_DONE)
		c->fault = chunk_byte(c, buf[at++]);
	if (c->fault != HTTP_FAULT_NONE) {
		*ret_fault = c->fault;
		return VERR_FORMAT;
	}
	if (c->state == CHUNK_DATA) {
		n = len - at < c->left ? len - at : c->left;
		c->left -= n;
		if (c->left == 0)
			c->state = CHUNK_DATA_CR;
	}
	*ret_used = at + n;
	*ret_data = slice_of(buf + at, n);
	return 0;
}

bool
http_chunk_done(const struct http_chunk *c)
{
	return c->fault == HTTP_FAULT_NONE && c->state == CHUNK_DONE;
}
