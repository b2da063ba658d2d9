/*
 * peer - the other end of a channel, by hand: blocking where it writes, not
 *	  where it reads.
 */
#ifndef TESTS_UNIT_BASE_PEER_H
#define TESTS_UNIT_BASE_PEER_H

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "protocol/bytes.h"
#include "protocol/record.h"
#include "vaultd/base/loop.h"

/* What was last heard, and the bytes its slices point into. */
struct heard {
	uint16_t type;
	union record m;
	uint8_t body[RECORD_MAX];
};

/*
 * The whole record as bytes: header and body.  Returns how many; "out" has
 * RECORD_HEADER + RECORD_MAX bytes.
 */
static inline size_t
peer_encode(uint16_t type, const union record *m, unsigned nfds, uint8_t *out)
{
	int ok;
	size_t n = record_size(type, m, &ok);

	assert_true(ok);
	put_le(out, n, 4);
	put_le(out + 4, type, 2);
	put_le(out + 6, nfds, 2);
	record_encode(type, m, out + RECORD_HEADER);
	return RECORD_HEADER + n;
}

/*
 * Send bytes with "nfds" descriptors on the first of them.
 */
static inline void
peer_send(int s, const void *p, size_t n, const int *fds, size_t nfds)
{
	struct iovec iov = {(void *)(uintptr_t)p, n};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(8 * sizeof(int))];
	} control = {.space = {0}};

	if (nfds > 0) {
		mh.msg_control = &control;
		mh.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(&control.align), fds, nfds * sizeof(int));
	}
	assert_int_equal(sendmsg(s, &mh, MSG_NOSIGNAL), n);
}

static inline void
peer_put(int s, uint16_t type, const union record *m)
{
	static uint8_t out[RECORD_HEADER + RECORD_MAX];

	peer_send(s, out, peer_encode(type, m, 0, out), NULL, 0);
}

/* peer_say(fd, DONE, .number = 1) */
#define peer_say(s, name, ...)                                                 \
	peer_put((s), REC_##name, &(const union record){.name = {__VA_ARGS__}})

/*
 * Read the next record.  Returns its type, or 0 if none has come whole or the
 * other end has closed.
 */
static inline uint16_t
peer_hear(int s, struct heard *h)
{
	uint8_t head[RECORD_HEADER];
	size_t n;
	int come = 0;

	if (ioctl(s, FIONREAD, &come) != 0 || come < RECORD_HEADER)
		return 0;
	assert_int_equal(recv(s, head, sizeof(head), MSG_PEEK), sizeof(head));
	n = (size_t)get_le(head, 4);
	if ((size_t)come < RECORD_HEADER + n)
		return 0;
	assert_int_equal(recv(s, head, sizeof(head), 0), sizeof(head));
	h->type = (uint16_t)get_le(head + 4, 2);
	assert_true(n <= RECORD_MAX);
	if (n > 0)
		assert_int_equal(recv(s, h->body, n, MSG_WAITALL), n);
	assert_int_equal(record_decode(h->type, h->body, n, &h->m), 0);
	return h->type;
}

static inline void
peer_stop(void *arg)
{
	loop_stop(arg, 0);
}

/*
 * So many rounds of the loop: what has come is handled, what was said is sent.
 */
static inline void
peer_rounds(struct loop *l, int n)
{
	while (n-- > 0) {
		struct timer t = {.on_time = peer_stop, .arg = l};

		assert_int_equal(loop_timer(l, &t, 0), 0);
		assert_int_equal(loop_run(l), 0);
	}
}

/* How many descriptors are open: a leak shows. */
static inline size_t
peer_open_fds(void)
{
	size_t n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

#endif /* TESTS_UNIT_BASE_PEER_H */
