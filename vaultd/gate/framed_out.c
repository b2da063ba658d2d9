#include "vaultd/gate/framed.h"

#include <stdlib.h>

#include "vaultd/gate/fields.h"
#include "vaultd/gate/stream.h"

#define GRANT (FRAME_WINDOW / 2)

int
framed_say(struct conn *c, uint64_t id, const struct client_msg *m)
{
	size_t n = codec_size(m);
	uint8_t *p;
	int r;

	if ((p = conn_reserve(c, n)) == NULL)
		return 0;
	if ((r = codec_encode(id, m, p, n, &n)) == 0)
		conn_grow(c, n);
	return r;
}

void
framed_say_refused(struct conn *c, uint64_t id, const struct refused *why)
{
	const struct refusal_info *info = refusal_info(why->code);
	struct client_msg m = {.type = CLIENT_REFUSED,
	    .refused = {.code = slice_str(info->code),
	        .http = info->http,
	        .exit = info->exit,
	        .retry_after = why->retry_after & INT32_MAX,
	        .sentence = why->sentence,
	        .audit = why->audit}};

	/* The sentence may be none, or no text. */
	if (framed_say(c, id, &m) != 0) {
		m.refused.sentence = slice_str(info->meaning);
		if (framed_say(c, id, &m) != 0)
			conn_drop(c);
	}
}

struct slice
framed_send(struct framed_call *fc, struct slice bytes)
{
	size_t n = bytes.n < fc->may_go ? bytes.n : (size_t)fc->may_go;
	const struct client_msg m = {
	    .type = CLIENT_DATA, .data = {.bytes = slice_of(bytes.p, n)}};

	if (n == 0)
		return bytes;
	if (framed_say(fc->call.conn, fc->call.id, &m) != 0)
		conn_drop(fc->call.conn);
	fc->may_go -= n;
	return slice_of(bytes.p + n, bytes.n - n);
}

int
framed_row(struct call *call, struct slice json)
{
	const struct client_msg m = {.type = CLIENT_ROW, .row = {.json = json}};

	return framed_say(call->conn, call->id, &m) == 0 ? 0 : VERR_FORMAT;
}

void
framed_done(struct call *call, uint64_t audit, struct slice sentence)
{
	struct client_msg m = {
	    .type = CLIENT_DONE, .done = {.audit = audit, .text = sentence}};

	if (framed_say(call->conn, call->id, &m) == 0)
		return;
	m.done.text = slice_of(NULL, 0); /* it was no text */
	if (framed_say(call->conn, call->id, &m) != 0)
		conn_drop(call->conn);
}

void
framed_nonce(struct call *call, struct slice nonce)
{
	const struct client_msg m = {
	    .type = CLIENT_NONCE_IS, .nonce_is = {.nonce = nonce}};

	if (framed_say(call->conn, call->id, &m) != 0)
		conn_drop(call->conn);
}

void
framed_refuse(struct call *call, const struct refused *why)
{
	framed_say_refused(call->conn, call->id, why);
}

void
framed_accepted(struct call *call)
{
	(void)call;
}

int
framed_head(struct call *call, unsigned status, struct slice headers)
{
	struct http_out o = {.p = malloc(headers.n + 1), .cap = headers.n};
	struct client_msg m = {.type = CLIENT_RESPONSE,
	    .response = {.status = status, .audit = call->audit}};
	int r = VERR_NOMEM;

	if (o.p == NULL || (r = fields_to_client(headers, 1, &o)) != 0)
		goto out;
	m.response.headers = slice_of(o.p, o.len);
	r = framed_say(call->conn, call->id, &m);
out:
	free(o.p);
	return r;
}

void
framed_data(struct call *call, struct slice bytes)
{
	struct framed_call *fc = framed_call(call);
	struct slice rest = framed_send(fc, bytes);

	if (rest.n == 0)
		return;
	if (buf_add(&call->kept, rest.p, rest.n) != 0)
		conn_drop(call->conn);
	call->held = 1;
	fc->since = conn_now(call->conn);
	stream_settle(call);
	conn_later(call->conn); /* for its deadline */
}

void
framed_end(struct call *call)
{
	const struct client_msg m = {.type = CLIENT_END};

	if (framed_say(call->conn, call->id, &m) != 0)
		conn_drop(call->conn);
}

/*
 * The stream has taken the body so far: grant the client as much again.
 */
void
framed_drained(struct call *call)
{
	struct framed_call *fc = framed_call(call);
	const struct client_msg m = {
	    .type = CLIENT_WINDOW, .window = {.bytes = (uint32_t)fc->taken}};

	if (fc->body == BODY_NONE || fc->taken < GRANT)
		return;
	if (framed_say(call->conn, call->id, &m) != 0)
		conn_drop(call->conn);
	fc->may_come += fc->taken;
	fc->taken = 0;
	call->conn->heard = conn_now(call->conn);
}
