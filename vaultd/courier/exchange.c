#include "vaultd/courier/exchange.h"

#include <stdio.h>

#include "vaultd/courier/stream.h"

void
exchange_begin(struct order *o)
{
	o->request_sent = 0;
	o->mute = 0;
	/* Of a body without a byte the end may have been said. */
	buf_drop(&o->piece, buf_used(&o->piece));
	o->last_piece = 0;
	conn_wait(o->conn, EPOLLIN);
}

/* The request. */

static int
is_sent(const struct order *o)
{
	return o->request_sent == buf_used(&o->request) &&
	    buf_used(&o->piece) == 0 && (o->body == BODY_NONE || o->last_piece);
}

/*
 * Frame the next part of the body, or its end.  Returns 0, VERR_AGAIN if
 * nothing has come from the client, or VERR_NOMEM.
 */
static int
next_piece(struct order *o)
{
	int chunked = o->body == BODY_STREAM;
	size_t n = buf_used(&o->in);
	char size[24];
	int r = 0;

	if (n > DATA_MAX)
		n = DATA_MAX;
	if (n == 0 && !o->body_ended)
		return VERR_AGAIN;
	if (chunked && n > 0) {
		(void)snprintf(size, sizeof(size), "%zx\r\n", n);
		r = buf_add(&o->piece, size, strlen(size));
	}
	if (r == 0 && n > 0)
		r = buf_add(&o->piece, buf_data(&o->in), n);
	if (r == 0 && chunked)
		r = n > 0 ? buf_add(&o->piece, "\r\n", 2)
		          : buf_add(&o->piece, "0\r\n\r\n", 5);
	if (r != 0)
		return r;
	buf_drop(&o->in, n);
	o->sent += n;
	o->moved += n;
	o->last_piece =
	    o->body_ended && buf_used(&o->in) == 0 && (!chunked || n == 0);
	if (buf_used(&o->in) < BODY_HIGH / 2 && o->stream != NULL)
		channel_resume(o->stream->channel);
	return 0;
}

/*
 * Returns 0 when there is nothing to send, VERR_AGAIN when the connection must
 * be waited for, VERR_IO when it takes no more at all, or VERR_NOMEM.
 */
static int
send_request(struct order *o)
{
	size_t n;
	int r;

	while (!is_sent(o)) {
		size_t head = buf_used(&o->request) - o->request_sent;

		if (head > 0) {
			r = conn_write(o->conn,
			    buf_data(&o->request) + o->request_sent, head, &n);
			if (r != 0)
				return r;
			o->request_sent += n;
		} else if (buf_used(&o->piece) > 0) {
			r = conn_write(o->conn, buf_data(&o->piece),
			    buf_used(&o->piece), &n);
			if (r != 0)
				return r;
			buf_drop(&o->piece, n);
		} else if ((r = next_piece(o)) != 0) {
			return r == VERR_AGAIN ? 0 : r;
		}
	}
	return 0;
}

/* The answer. */

static enum fault
pass_head(struct order *o)
{
	static uint8_t fields[HEAD_MAX];
	size_t n = 0;

	o->moved++;
	/* It will not be sent again: the credential need not stay. */
	if (o->request_sent == buf_used(&o->request)) {
		buf_free(&o->request);
		o->request_sent = 0;
	}
	if (o->probe)
		return FAULT_NONE;
	if (head_fields(&o->answer.head, fields, sizeof(fields), &n) != 0)
		return FAULT_HEAD_SIZE;
	channel_say(o->stream->channel, HEAD, .status = o->answer.head.status,
	    .headers = slice_of(fields, n));
	explicit_bzero(fields, n);
	return FAULT_NONE;
}

static enum fault
pass_data(struct order *o, struct slice data)
{
	if (o->probe) {
		if (data.n > PROBE_MAX - buf_used(&o->kept))
			o->enough = 1;
		else if (buf_add(&o->kept, data.p, data.n) != 0)
			return FAULT_MEMORY;
	} else {
		channel_say(o->stream->channel, DATA, .bytes = data);
	}
	o->received += data.n;
	o->moved += data.n;
	return FAULT_NONE;
}

/* Take what was read. */
static enum fault
take(struct order *o, struct slice in, size_t *ret_used)
{
	size_t used, total = 0;
	struct slice data;
	enum fault f;
	int had;

	do {
		had = o->answer.head.done;
		f = answer_feed(&o->answer,
		    slice_of(in.p + total, in.n - total), &used, &data);
		total += used;
		if (f == FAULT_NONE && !had && o->answer.head.done)
			f = pass_head(o);
		if (f == FAULT_NONE && data.n > 0)
			f = pass_data(o, data);
	} while (f == FAULT_NONE && used > 0 && !o->enough);
	*ret_used = total;
	return f;
}

static int
client_is_slow(const struct order *o)
{
	return !o->probe && channel_queued(o->stream->channel) > STREAM_HIGH;
}

/*
 * Read once.  Bytes that cannot be taken yet, an unfinished line, are kept.
 * Returns FAULT_NONE with *ret_r as conn_read() has it, or the fault.
 */
static enum fault
read_once(struct order *o, int *ret_r)
{
	static uint8_t room[CONN_READ];
	struct slice in;
	enum fault f;
	size_t n = 0, used;

	if ((*ret_r = conn_read(o->conn, room, sizeof(room), &n)) != 0)
		return FAULT_NONE;
	in = slice_of(room, n);
	if (buf_used(&o->rest) > 0) {
		if (buf_add(&o->rest, room, n) != 0)
			return FAULT_MEMORY;
		in = slice_of(buf_data(&o->rest), buf_used(&o->rest));
	}
	f = take(o, in, &used);
	if (buf_used(&o->rest) > 0)
		buf_drop(&o->rest, used);
	else if (used < n && buf_add(&o->rest, room + used, n - used) != 0)
		f = FAULT_MEMORY;
	explicit_bzero(room, n);
	return f;
}

static enum exchange
failed(enum fault fault, enum fault *ret_fault)
{
	*ret_fault = fault;
	return EXCHANGE_FAILED;
}

/* The connection was closed ("r" says how). */
static enum exchange
at_end(struct order *o, int r, enum fault *ret_fault)
{
	enum fault f;

	if (o->answer.head.bytes == 0) {
		if (buf_used(&o->rest) > 0)
			return failed(FAULT_ANSWER, ret_fault);
		return o->conn->used ? EXCHANGE_UNHEARD
		                     : failed(FAULT_CLOSED, ret_fault);
	}
	if (r != VERR_CLOSED)
		return failed(FAULT_SHORT, ret_fault);
	f = answer_closed(&o->answer);
	return f == FAULT_NONE ? EXCHANGE_DONE : failed(f, ret_fault);
}

static enum exchange
receive(struct order *o, enum fault *ret_fault)
{
	enum fault f;
	int r;

	while (!client_is_slow(o)) {
		if ((f = read_once(o, &r)) != FAULT_NONE)
			return failed(f, ret_fault);
		if (o->answer.state == ANSWER_DONE || o->enough)
			return EXCHANGE_DONE;
		if (r == VERR_AGAIN)
			return EXCHANGE_WAITS;
		if (r != 0)
			return at_end(o, r, ret_fault);
	}
	return EXCHANGE_WAITS;
}

enum exchange
exchange_go_on(struct order *o, enum fault *ret_fault)
{
	enum exchange e;
	int r = o->mute ? 0 : send_request(o);

	if (r == VERR_NOMEM)
		return failed(FAULT_MEMORY, ret_fault);
	/* An upstream may answer, and close, before it has heard all. */
	if (r == VERR_IO)
		o->mute = 1;
	e = receive(o, ret_fault);
	if (e == EXCHANGE_WAITS)
		conn_wait(o->conn,
		    (client_is_slow(o) ? 0 : (uint32_t)EPOLLIN) |
		        (r == VERR_AGAIN ? (uint32_t)EPOLLOUT : 0));
	return e;
}

int
exchange_awaits_client(const struct order *o)
{
	return client_is_slow(o) ||
	    (o->body != BODY_NONE && !o->body_ended && !o->mute &&
	        buf_used(&o->in) == 0 && buf_used(&o->piece) == 0);
}

int
exchange_keeps_connection(const struct order *o)
{
	return !o->probe && answer_keeps(&o->answer) && is_sent(o) &&
	    !o->mute && buf_used(&o->rest) == 0;
}
