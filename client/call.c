#include "client/call.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DATA_MAX    16384
#define WINDOW_STEP (128u * 1024) /* granted anew in pieces of this */

int
call_error(struct vault_error *ret_error, int r, const char *code, int exit,
    const char *fmt, ...)
{
	va_list ap;

	memset(ret_error, 0, sizeof(*ret_error));
	snprintf(ret_error->code, sizeof(ret_error->code), "%s", code);
	ret_error->exit = exit;
	va_start(ap, fmt);
	vsnprintf(ret_error->sentence, sizeof(ret_error->sentence), fmt, ap);
	va_end(ap);
	return r;
}

int
vault_attach(int fd, struct vault **ret, struct vault_error *ret_error)
{
	struct vault *v = calloc(1, sizeof(*v));
	int flags = fcntl(fd, F_GETFL);

	if (v == NULL || flags < 0 ||
	    fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) {
		free(v);
		close(fd);
		return call_error(ret_error, VERR_NOMEM, "no-memory", 1, "%s",
		    verr_text(VERR_NOMEM));
	}
	codec_init();
	v->fd = fd;
	*ret = v;
	return 0;
}

/*
 * End the call, and with it the use of the connection.
 */
static void
lose(struct vault *v, struct call *call, int r, const char *code, int exit,
    const char *sentence)
{
	call->closed = v->dead = true;
	call->result = call_error(call->error, r, code, exit, "%s", sentence);
}

static void
breach(struct vault *v, struct call *call)
{
	lose(v, call, VERR_FORMAT, "protocol-error", 1,
	    "the vault sent what the protocol does not allow");
}

/*
 * End the call and keep the connection: what the vault still sends under this
 * id is dropped.
 */
static void
cancel(struct call *call, int r)
{
	call->cancel = true;
	call->result = r;
}

static void
copy_text(char *out, size_t size, struct slice s)
{
	size_t n = s.n < size ? s.n : size - 1;

	memcpy(out, s.p, n);
	out[n] = '\0';
}

static void
refused(struct call *call, const struct client_refused *m)
{
	struct vault_error *e = call->error;

	memset(e, 0, sizeof(*e));
	copy_text(e->code, sizeof(e->code), m->code);
	copy_text(e->sentence, sizeof(e->sentence), m->sentence);
	e->http = (int)m->http;
	e->exit = (int)m->exit;
	e->retry_after = m->retry_after;
	e->audit = m->audit;
	call->closed = true;
	call->result = VERR_FORBIDDEN;
}

/*
 * Count what came of a body against what was granted.
 */
static int
count_data(struct call *call, size_t n)
{
	if (n > call->credit)
		return VERR_FORMAT;
	call->credit -= n;
	call->owed += (uint32_t)n;
	return 0;
}

static void
deliver(struct vault *v, struct call *call, const struct client_msg *m)
{
	int r;

	if (m->type == CLIENT_REFUSED) {
		refused(call, &m->refused);
		return;
	}
	if (m->type == CLIENT_WINDOW) {
		call->window += m->window.bytes;
		return;
	}
	if (m->type == CLIENT_DATA && count_data(call, m->data.bytes.n) != 0) {
		breach(v, call);
		return;
	}
	r = call->on_message(call, m);
	if (r == CALL_BREACH) {
		breach(v, call);
	} else if (r == CALL_CLOSED) {
		call->closed = true;
	} else if (r != 0) {
		(void)call_error(call->error, r, "cancelled", 1,
		    "the answer could not be taken");
		cancel(call, r);
	}
}

/*
 * Take one whole frame off the front of v->in.  Returns its length, or 0 if
 * there is none yet.
 */
static size_t
take_frame(struct vault *v, struct call *call, size_t at)
{
	struct client_msg m;
	struct frame f;

	if (v->in_n - at < FRAME_HEADER)
		return 0;
	if (frame_parse(v->in + at, &f) != 0 ||
	    codec_admit(&f, CODEC_VAULT) != 0) {
		breach(v, call);
		return 0;
	}
	if (v->in_n - at - FRAME_HEADER < f.length)
		return 0;
	if (f.id > v->last_id ||
	    codec_decode(f.type, v->in + at + FRAME_HEADER, f.length, &m) != 0)
		breach(v, call);
	else if (f.id == 0) {
		refused(call, &m.refused);
		v->dead = true;
	} else if (f.id == call->id && !call->cancel)
		deliver(v, call, &m);
	return FRAME_HEADER + f.length;
}

static void
take_frames(struct vault *v, struct call *call)
{
	size_t at = 0, taken;

	while (!call->closed && (taken = take_frame(v, call, at)) > 0)
		at += taken;
	memmove(v->in, v->in + at, v->in_n - at);
	v->in_n -= at;
}

static void
receive(struct vault *v, struct call *call)
{
	ssize_t n = read(v->fd, v->in + v->in_n, sizeof(v->in) - v->in_n);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		lose(v, call, VERR_CLOSED, "not-reachable", 5,
		    "the vault closed the connection");
		return;
	}
	v->in_n += (size_t)n;
	take_frames(v, call);
}

static bool
out_empty(const struct vault *v)
{
	return v->out_at == v->out_n;
}

static void
put(struct vault *v, struct call *call, const struct client_msg *m)
{
	size_t n;
	int r;

	if (v->mute)
		return;
	r = codec_encode(call->id, m, v->out, sizeof(v->out), &n);
	if (r == 0) {
		v->out_at = 0;
		v->out_n = n;
		return;
	}
	call->closed = true;
	call->result = call_error(call->error, r, "bad-argument", 2,
	    "an argument does not fit the protocol: %s", verr_text(r));
}

static void
put_data(struct vault *v, struct call *call, const uint8_t *p, size_t n)
{
	const struct client_msg data = {
	    .type = CLIENT_DATA, .data.bytes = slice_of(p, n)};
	const struct client_msg end = {.type = CLIENT_END};

	put(v, call, n > 0 ? &data : &end);
	call->sent += n;
	call->window -= n;
	call->upload_done = n == 0;
}

static bool
is_sized(const struct vault_request *up)
{
	return up->body == VAULT_BODY_BYTES || up->body == VAULT_BODY_FILE;
}

/*
 * How much of the body may be sent now; 0 also for its END, which needs no
 * window.
 */
static size_t
upload_size(const struct call *call)
{
	uint64_t n = call->window < DATA_MAX ? call->window : DATA_MAX;

	if (is_sized(call->upload) && n > call->upload->length - call->sent)
		n = call->upload->length - call->sent;
	return (size_t)n;
}

static bool
upload_ends(const struct call *call)
{
	return is_sized(call->upload) && call->sent == call->upload->length;
}

/*
 * Does the next piece of the body have to be read from a descriptor?
 */
static bool
wants_fd(const struct vault *v, const struct call *call)
{
	return call->upload != NULL && call->opened && !call->upload_done &&
	    !call->cancel && !v->mute && out_empty(v) &&
	    (call->upload->body == VAULT_BODY_FILE ||
	        call->upload->body == VAULT_BODY_STREAM) &&
	    !upload_ends(call) && call->window > 0;
}

static void
read_upload(struct vault *v, struct call *call)
{
	uint8_t buf[DATA_MAX];
	ssize_t n = read(call->upload->fd, buf, upload_size(call));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0 || (n == 0 && call->upload->body == VAULT_BODY_FILE)) {
		cancel(call,
		    call_error(call->error, VERR_IO, "body", 1,
		        "the body could not be read: %s",
		        n < 0 ? strerror(errno) : "it ended early"));
		return;
	}
	put_data(v, call, buf, (size_t)n);
}

/*
 * Have the caller give the next piece.
 */
static void
ask_upload(struct vault *v, struct call *call)
{
	uint8_t buf[DATA_MAX];
	size_t n = 0;
	int r = call->upload->on_read(
	    call->upload->arg, buf, upload_size(call), &n);

	if (r != 0) {
		(void)call_error(
		    call->error, r, "body", 1, "the body could not be read");
		cancel(call, r);
		return;
	}
	put_data(v, call, buf, n);
}

static void
put_window(struct vault *v, struct call *call)
{
	const struct client_msg m = {
	    .type = CLIENT_WINDOW, .window.bytes = call->owed};

	put(v, call, &m);
	call->credit += call->owed;
	call->owed = 0;
}

/*
 * Make the next frame, if there is one to be made without waiting.  Returns
 * false when a cancelled call has nothing more to say.
 */
static bool
next_frame(struct vault *v, struct call *call)
{
	const struct client_msg stop = {.type = CLIENT_CANCEL};
	const struct vault_request *up = call->upload;

	if (!call->opened) {
		put(v, call, call->open);
		call->opened = true;
	} else if (call->cancel) {
		if (call->cancel_sent)
			return false;
		put(v, call, &stop);
		call->cancel_sent = true;
	} else if (call->owed >= WINDOW_STEP) {
		put_window(v, call);
	} else if (up != NULL && !call->upload_done) {
		if (upload_ends(call))
			put_data(v, call, NULL, 0);
		else if (up->body == VAULT_BODY_READ && call->window > 0)
			ask_upload(v, call);
		else if (up->body == VAULT_BODY_BYTES && call->window > 0)
			put_data(v, call,
			    (const uint8_t *)up->bytes + call->sent,
			    upload_size(call));
	}
	return true;
}

/*
 * A vault that reads no more may have said why: go on reading.
 */
static void
flush(struct vault *v)
{
	ssize_t n =
	    send(v->fd, v->out + v->out_at, v->out_n - v->out_at, MSG_NOSIGNAL);

	if (n >= 0) {
		v->out_at += (size_t)n;
	} else if (errno != EAGAIN && errno != EINTR) {
		v->mute = true;
		v->out_at = v->out_n;
	}
}

/*
 * One round: make a frame, wait, write, read.
 */
static void
step(struct vault *v, struct call *call)
{
	struct pollfd fds[2] = {{.fd = v->fd, .events = POLLIN}, {.fd = -1}};

	if (!out_empty(v))
		fds[0].events |= POLLOUT;
	if (wants_fd(v, call))
		fds[1] =
		    (struct pollfd){.fd = call->upload->fd, .events = POLLIN};
	if (poll(fds, 2, -1) < 0)
		return;
	if (fds[0].revents & POLLOUT)
		flush(v);
	if (fds[0].revents & ~POLLOUT)
		receive(v, call);
	if (fds[1].revents != 0 && !call->closed && !call->cancel)
		read_upload(v, call);
}

int
call_run(struct vault *v, struct call *call, struct vault_error *ret_error)
{
	if (v->busy)
		return call_error(ret_error, VERR_BUSY, "busy", 1,
		    "the connection is in use");
	if (v->dead)
		return call_error(ret_error, VERR_CLOSED, "not-reachable", 5,
		    "the connection to the vault was lost");
	call->error = ret_error;
	call->id = ++v->last_id;
	call->window = call->credit = FRAME_WINDOW;
	v->busy = true;
	take_frames(v, call); /* what came behind the last call's end */
	while (!call->closed) {
		if (out_empty(v) && !next_frame(v, call))
			break;
		if (!call->closed)
			step(v, call);
	}
	v->busy = false;
	return call->result;
}
