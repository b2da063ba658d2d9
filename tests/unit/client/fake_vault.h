/*
 * fake_vault - the other end of a socketpair, played by a thread of the test.
 */
#ifndef UNIT_FAKE_VAULT_H
#define UNIT_FAKE_VAULT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/call.h"

struct fake {
	int fd;
	pthread_t thread;
	void (*play)(struct fake *f);
	struct vault *vault; /* the client's handle */
	/* the last frame that was heard */
	uint64_t id;
	struct client_msg m;
	uint8_t buf[FRAME_MAX];
	/* what the play found, for the test to assert on */
	uint64_t heard;
	int verdict;
};

static inline int
fake_read(struct fake *f, uint8_t *p, size_t n)
{
	/* recv() waits for bytes even where none are asked for */
	if (n == 0)
		return 0;
	return recv(f->fd, p, n, MSG_WAITALL) == (ssize_t)n ? 0 : -1;
}

/* The next frame of the client; 0, or -1 at the end or on a breach. */
static inline int
fake_hear(struct fake *f)
{
	struct frame frame;

	if (fake_read(f, f->buf, FRAME_HEADER) != 0 ||
	    frame_parse(f->buf, &frame) != 0 ||
	    codec_admit(&frame, CODEC_CLIENT) != 0 ||
	    fake_read(f, f->buf, frame.length) != 0 ||
	    codec_decode(frame.type, f->buf, frame.length, &f->m) != 0)
		return -1;
	f->id = frame.id;
	return 0;
}

/* Hear frames until one of this type. */
static inline int
fake_await(struct fake *f, enum client_type type)
{
	do
		if (fake_hear(f) != 0)
			return -1;
	while (f->m.type != type);
	return 0;
}

static inline int
fake_silent(struct fake *f, int ms)
{
	struct pollfd p = {.fd = f->fd, .events = POLLIN};

	return poll(&p, 1, ms) == 0;
}

static inline void
fake_say(struct fake *f, uint64_t id, struct client_msg m)
{
	static _Thread_local uint8_t out[FRAME_MAX];
	size_t n;

	if (codec_encode(id, &m, out, sizeof(out), &n) != 0)
		abort();
	for (size_t at = 0; at < n;) {
		ssize_t put = send(f->fd, out + at, n - at, MSG_NOSIGNAL);

		if (put < 0)
			return;
		at += (size_t)put;
	}
}

/* FAKE_SAY(f, id, DONE, done, .audit = 3) */
#define FAKE_SAY(f, id, TYPE, name, ...)                                       \
	fake_say((f), (id),                                                    \
	    (struct client_msg){.type = CLIENT_##TYPE, .name = {__VA_ARGS__}})

static inline void
fake_respond(struct fake *f)
{
	FAKE_SAY(f, f->id, RESPONSE, response, .status = 200,
	    .headers = slice_str("X: y\r\n"));
}

static inline void
fake_end(struct fake *f, uint64_t id)
{
	fake_say(f, id, (struct client_msg){.type = CLIENT_END});
}

static inline void *
fake_thread(void *arg)
{
	struct fake *f = arg;

	f->play(f);
	/* who still waits for an answer does not wait for ever */
	shutdown(f->fd, SHUT_WR);
	return NULL;
}

static inline void
fake_start(struct fake *f, void (*play)(struct fake *f))
{
	struct vault_error error;
	int fds[2];

	memset(f, 0, sizeof(*f));
	f->play = play;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	f->fd = fds[1];
	assert_int_equal(vault_attach(fds[0], &f->vault, &error), 0);
	assert_int_equal(pthread_create(&f->thread, NULL, fake_thread, f), 0);
}

/* Join the play, which has to come to an end by itself or by our closing. */
static inline void
fake_stop(struct fake *f)
{
	vault_close(f->vault);
	pthread_join(f->thread, NULL);
	close(f->fd);
}

/* What a request's answer came to. */
struct answer {
	int status;
	size_t n;
	uint64_t sum;
	int stop_after; /* pieces; 0: never */
	int pieces;
};

static inline int
take_response(
    void *arg, int status, const char *headers, size_t len, uint64_t audit)
{
	struct answer *a = arg;

	(void)headers;
	(void)len;
	(void)audit;
	a->status = status;
	return 0;
}

static inline uint64_t
sum_of(uint64_t sum, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sum = sum * 31 + p[i];
	return sum;
}

static inline int
take_body(void *arg, const uint8_t *p, size_t len)
{
	struct answer *a = arg;

	a->sum = sum_of(a->sum, p, len);
	a->n += len;
	return a->stop_after != 0 && ++a->pieces == a->stop_after ? -77 : 0;
}

static inline struct vault_request
fake_request(struct answer *a)
{
	memset(a, 0, sizeof(*a));
	return (struct vault_request){
	    .profile = "acme/demo",
	    .method = "POST",
	    .target = "/x",
	    .fd = -1,
	    .on_response = take_response,
	    .on_body = take_body,
	    .arg = a,
	};
}

#endif /* UNIT_FAKE_VAULT_H */
