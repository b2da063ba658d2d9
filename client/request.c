#include "client/call.h"

struct transfer {
	const struct vault_request *request;
	bool answered;
};

static int
on_message(struct call *call, const struct client_msg *m)
{
	struct transfer *t = call->arg;
	const struct vault_request *q = t->request;

	if (m->type == CLIENT_RESPONSE && !t->answered) {
		t->answered = true;
		return q->on_response(q->arg, (int)m->response.status,
		    (const char *)m->response.headers.p, m->response.headers.n,
		    m->response.audit);
	}
	if (m->type == CLIENT_DATA && t->answered)
		return q->on_body(q->arg, m->data.bytes.p, m->data.bytes.n);
	if (m->type == CLIENT_END && t->answered)
		return CALL_CLOSED;
	return CALL_BREACH;
}

int
vault_request(struct vault *v, const struct vault_request *request,
    struct vault_error *ret_error)
{
	/* as the wire has it: none, of a length, of unknown length */
	static const uint32_t kinds[] = {
	    [VAULT_BODY_NONE] = 0,
	    [VAULT_BODY_BYTES] = 1,
	    [VAULT_BODY_FILE] = 1,
	    [VAULT_BODY_STREAM] = 2,
	    [VAULT_BODY_READ] = 2,
	};
	struct transfer t = {.request = request};
	struct client_msg m = {.type = CLIENT_REQUEST,
	    .request = {
	        .profile = slice_str(request->profile),
	        .method = slice_str(request->method),
	        .target = slice_str(request->target),
	        .headers = slice_str(request->headers),
	        .body = kinds[request->body],
	    }};
	struct call call = {.on_message = on_message, .arg = &t, .open = &m};

	if (m.request.body == 1)
		m.request.length = request->length;
	if (request->body != VAULT_BODY_NONE)
		call.upload = request;
	return call_run(v, &call, ret_error);
}
