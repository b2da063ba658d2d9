#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>

#include "tests/unit/base/peer.h"
#include "vaultd/base/channel.h"

/*
 * The channel under test is a courier's to a gate (a lane: OPEN comes with a
 * descriptor) unless a test says otherwise; "peer" is the gate's end.
 */
static struct loop *l;
static struct channel *ch;
static int peer;
static size_t fds_before;

static struct {
	size_t records, closed, drained;
	size_t others;   /* of the records, by another table */
	uint64_t number; /* of the last OPEN */
	uint64_t sum;    /* of all */
	size_t with_fd;  /* of those not divisible by three */
	int fd;          /* taken from the last record, or -1 */
	int why;         /* on_closed() was told */
	int fd_came;
	/* What the handler is to do: */
	int answer;
	bool take, free_it, pause_it, pump_it;
} got;

static int
on_any(void *arg, const union record *m, int *fd)
{
	int r = got.answer;

	(void)m;
	assert_ptr_equal(arg, &got);
	assert_int_equal(got.closed, 0);
	got.records++;
	got.fd_came = *fd;
	if (got.take && *fd >= 0) {
		if (got.fd >= 0)
			close(got.fd);
		got.fd = *fd;
		*fd = -1;
	}
	if (got.pause_it)
		channel_pause(ch);
	if (got.pump_it)
		channel_pump(ch);
	if (got.free_it) {
		channel_free(ch);
		ch = NULL;
	}
	return r;
}

static int
on_open(void *arg, const union record *m, int *fd)
{
	got.number = m->OPEN.number;
	got.sum += m->OPEN.number;
	got.with_fd += *fd >= 0 && m->OPEN.number % 3 != 0;
	return on_any(arg, m, fd);
}

static int
on_other_open(void *arg, const union record *m, int *fd)
{
	got.others++;
	return on_any(arg, m, fd);
}

static void
on_closed(void *arg, struct channel *c, int r)
{
	assert_ptr_equal(arg, &got);
	assert_ptr_equal(c, ch);
	got.closed++;
	got.why = r;
	if (got.free_it) {
		channel_free(ch);
		ch = NULL;
	}
}

static void
on_drained(void *arg, struct channel *c)
{
	assert_ptr_equal(arg, &got);
	assert_ptr_equal(c, ch);
	got.drained++;
}

static const struct handler handlers[] = {
    {REC_OPEN, on_open},
    {REC_BODY, on_any},
    {REC_BODY_END, on_any},
    {0, NULL},
};

static const struct handler other_handlers[] = {
    {REC_OPEN, on_other_open},
    {0, NULL},
};

static const struct channel_ops ops = {handlers, on_closed, on_drained};

static void
open_channel(enum room self, enum room other, unsigned flags)
{
	int sv[2];

	memset(&got, 0, sizeof(got));
	got.fd = -1;
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	peer = sv[1];
	assert_int_equal(
	    channel_new(l, sv[0], self, other, flags, &ops, &got, &ch), 0);
}

static void
close_channel(void)
{
	channel_free(ch);
	ch = NULL;
	close(peer);
	if (got.fd >= 0)
		close(got.fd);
	got.fd = -1;
}

static int
setup(void **state)
{
	(void)state;
	fds_before = peer_open_fds();
	if (loop_new(&l) != 0)
		return -1;
	open_channel(ROOM_COURIER, ROOM_GATE, CHANNEL_TAKES_FD);
	return 0;
}

/* No test leaves a descriptor open, whatever it did. */
static int
teardown(void **state)
{
	(void)state;
	close_channel();
	loop_free(l);
	return peer_open_fds() == fds_before ? 0 : -1;
}

static uint8_t wire[4 * (RECORD_HEADER + RECORD_MAX)];

static size_t
wire_open(size_t at, uint64_t number, unsigned nfds)
{
	const union record m = {.OPEN = {.number = number}};

	return at + peer_encode(REC_OPEN, &m, nfds, wire + at);
}

/*
 * The peer offended: said once, with this error, and nothing more.
 */
static void
offended(int r, size_t records)
{
	peer_rounds(l, 3);
	assert_int_equal(got.closed, 1);
	assert_int_equal(got.why, r);
	assert_int_equal(got.records, records);
}

static void
rooms_channel_split_at_every_byte(void **state)
{
	size_t n = wire_open(wire_open(0, 1, 0), 2, 0);

	(void)state;
	for (size_t cut = 1; cut < n; cut++) {
		got.records = got.sum = 0;
		peer_send(peer, wire, cut, NULL, 0);
		peer_rounds(l, 1);
		assert_int_equal(got.records, cut >= n / 2);
		peer_send(peer, wire + cut, n - cut, NULL, 0);
		peer_rounds(l, 1);
		assert_int_equal(got.records, 2);
		assert_int_equal(got.sum, 3);
	}
	for (size_t i = 0; i < n; i++) {
		peer_send(peer, wire + i, 1, NULL, 0);
		peer_rounds(l, 1);
	}
	assert_int_equal(got.records, 4);
	assert_int_equal(got.closed, 0);
}

static void
rooms_channel_descriptor_comes_with_its_record(void **state)
{
	size_t one = wire_open(0, 1, 0), n = wire_open(one, 2, 1);
	struct stat mine, theirs;
	int null = open("/dev/null", O_RDONLY);

	(void)state;
	for (int take = 0; take < 2; take++)
		for (size_t cut = one + 1; cut < n; cut++) {
			got.take = take;
			peer_send(peer, wire, one, NULL, 0);
			peer_send(peer, wire + one, cut - one, &null, 1);
			peer_rounds(l, 2);
			assert_int_equal(got.number, 1);
			assert_int_equal(got.fd_came, -1);
			peer_send(peer, wire + cut, n - cut, NULL, 0);
			peer_rounds(l, 1);
			assert_int_equal(got.number, 2);
			assert_true(got.fd_came >= 0);
			assert_int_equal(fcntl(got.fd_came, F_GETFD),
			    take ? FD_CLOEXEC : -1);
		}
	assert_int_equal(fstat(null, &mine), 0);
	assert_int_equal(fstat(got.fd, &theirs), 0);
	assert_true(mine.st_ino == theirs.st_ino);
	close(null);
	assert_int_equal(got.closed, 0);
}

/* One that may come but does not is the handler's to judge. */
static void
rooms_channel_descriptor_may_be_missing(void **state)
{
	(void)state;
	peer_send(peer, wire, wire_open(0, 1, 0), NULL, 0);
	peer_rounds(l, 1);
	assert_int_equal(got.records, 1);
	assert_int_equal(got.fd_came, -1);
}

static void
hostile_channel_descriptors_where_none_may_come(void **state)
{
	/* How many are declared, how many come, with a record of which type. */
	static const struct {
		unsigned declared, sent;
		uint16_t type;
		unsigned flags;
		size_t records;
	} cases[] = {
	    {1, 0, REC_OPEN, CHANNEL_TAKES_FD, 0},
	    {0, 1, REC_OPEN, CHANNEL_TAKES_FD, 1},
	    {1, 2, REC_OPEN, CHANNEL_TAKES_FD, 0},
	    {2, 2, REC_OPEN, CHANNEL_TAKES_FD, 0},
	    {1, 3, REC_OPEN, CHANNEL_TAKES_FD, 0}, /* MSG_CTRUNC */
	    {1, 8, REC_OPEN, CHANNEL_TAKES_FD, 0},
	    {0, 2, REC_OPEN, CHANNEL_TAKES_FD, 0},
	    {1, 1, REC_BODY_END, CHANNEL_TAKES_FD, 0},
	    {0, 1, REC_BODY_END, CHANNEL_TAKES_FD, 1},
	    {65535, 1, REC_OPEN, CHANNEL_TAKES_FD, 0},
	    {1, 1, REC_OPEN, 0, 0}, /* read(2): it never arrives */
	};
	const union record m = {.OPEN = {.number = 1}};
	int null = open("/dev/null", O_RDONLY), fds[8];

	(void)state;
	for (size_t i = 0; i < 8; i++)
		fds[i] = null;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t n, open_then;

		close_channel();
		open_channel(ROOM_COURIER, ROOM_GATE, cases[i].flags);
		open_then = peer_open_fds();
		got.take = true;
		n = peer_encode(cases[i].type, &m, cases[i].declared, wire);
		peer_send(peer, wire, n, fds, cases[i].sent);
		offended(VERR_FORMAT, cases[i].records);
		channel_free(ch);
		ch = NULL;
		assert_int_equal(peer_open_fds(), open_then - 1);
	}
	close(null);
}

/* A channel that takes none lets none in, and does not mind. */
static void
hostile_channel_read_discards_descriptors(void **state)
{
	int null = open("/dev/null", O_RDONLY);
	size_t open_then;

	(void)state;
	close_channel();
	open_channel(ROOM_COURIER, ROOM_GATE, 0);
	open_then = peer_open_fds();
	peer_send(peer, wire, wire_open(0, 5, 0), &null, 1);
	peer_rounds(l, 2);
	assert_int_equal(got.records, 1);
	assert_int_equal(got.closed, 0);
	assert_int_equal(peer_open_fds(), open_then);
	close(null);
}

/* Descriptors piled up before a record that never ends. */
static void
hostile_channel_descriptors_without_end(void **state)
{
	const union record m = {.BODY = {.bytes = {wire, 16384}}};
	static uint8_t big[RECORD_HEADER + RECORD_MAX];
	int null = open("/dev/null", O_RDONLY);
	size_t n = peer_encode(REC_BODY, &m, 0, big), most = peer_open_fds();

	(void)state;
	for (size_t i = 0; i + 1 < n && i < 200 && !got.closed; i++) {
		peer_send(peer, big + i, 1, &null, 1);
		peer_rounds(l, 2);
	}
	assert_true(peer_open_fds() <= most + 64);
	close(null);
	offended(VERR_FORMAT, 0);
}

static void
hostile_channel_records_that_may_not_come(void **state)
{
	static const struct {
		uint32_t len;
		uint16_t type;
		int r;
	} cases[] = {
	    {0, 0, VERR_UNKNOWN},
	    {0, 0xff, VERR_UNKNOWN},
	    {0, 0x0100 | REC_OPEN, VERR_UNKNOWN},
	    {0, 0xffff, VERR_UNKNOWN},
	    {UINT32_MAX, 0xffff, VERR_UNKNOWN},
	    {8, REC_ORDER_CANCEL, VERR_FORBIDDEN}, /* the keeper's to say */
	    {0, REC_END, VERR_FORBIDDEN},          /* ours */
	    {8, REC_CANCEL, VERR_FORBIDDEN},       /* to another room */
	    {9, REC_OPEN, VERR_TOOBIG},
	    {UINT32_MAX, REC_OPEN, VERR_TOOBIG},
	    {16384 + 5, REC_BODY, VERR_TOOBIG},
	    {7, REC_OPEN, VERR_TRUNCATED},
	    {0, REC_OPEN, VERR_TRUNCATED},
	    {3, REC_BODY, VERR_TRUNCATED},
	    {1, REC_BODY_END, VERR_TOOBIG},
	};
	uint8_t p[RECORD_HEADER + 16];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t body = cases[i].len < 16 ? cases[i].len : 0;

		close_channel();
		open_channel(ROOM_COURIER, ROOM_GATE, CHANNEL_TAKES_FD);
		memset(p, 0, sizeof(p));
		put_le(p, cases[i].len, 4);
		put_le(p + 4, cases[i].type, 2);
		peer_send(peer, p, RECORD_HEADER + body, NULL, 0);
		offended(cases[i].r, 0);
	}
}

/* Admitted by room.def, but not in the table of those who listen here. */
static void
hostile_channel_records_nobody_listens_for(void **state)
{
	size_t n = wire_open(0, 1, 0);

	(void)state;
	channel_hear(ch, other_handlers);
	peer_send(peer, wire, n, NULL, 0);
	peer_rounds(l, 1);
	assert_int_equal(got.others, 1);
	peer_say(peer, BODY_END, );
	offended(VERR_FORBIDDEN, 1);
	close_channel();
	open_channel(ROOM_COURIER, ROOM_GATE, 0);
	channel_hear(ch, NULL);
	peer_send(peer, wire, n, NULL, 0);
	offended(VERR_FORBIDDEN, 0);
}

/* The header is enough: a length is not waited for that will be refused. */
static void
hostile_channel_good_records_before_a_bad_one(void **state)
{
	size_t n = wire_open(wire_open(0, 1, 0), 2, 0);

	(void)state;
	put_le(wire + n, UINT32_MAX, 4);
	put_le(wire + n + 4, REC_OPEN, 2);
	put_le(wire + n + 6, 0, 2);
	memcpy(wire + n + RECORD_HEADER, wire, n);
	peer_send(peer, wire, 2 * n + RECORD_HEADER, NULL, 0);
	offended(VERR_TOOBIG, 2);
}

static void
hostile_channel_handler_says_offence(void **state)
{
	(void)state;
	got.answer = VERR_AUTH;
	peer_send(peer, wire, wire_open(wire_open(0, 1, 0), 2, 0), NULL, 0);
	offended(VERR_AUTH, 1);
	/* What is said to it now goes nowhere, and is no error. */
	channel_say(ch, FAIL, .refusal = 1);
	assert_int_equal(channel_queued(ch), 0);
	peer_rounds(l, 2);
	assert_int_equal(got.closed, 1);
}

static void
rooms_channel_freed_inside_a_handler(void **state)
{
	int null = open("/dev/null", O_RDONLY);

	(void)state;
	got.free_it = true;
	(void)wire_open(wire_open(0, 1, 1), 2, 0);
	peer_send(peer, wire, 2 * 16, &null, 1);
	peer_rounds(l, 3);
	assert_int_equal(got.records, 1);
	assert_int_equal(got.closed, 0);
	assert_null(ch);
	/* And inside on_closed(). */
	close_channel();
	open_channel(ROOM_COURIER, ROOM_GATE, CHANNEL_TAKES_FD);
	got.free_it = true;
	put_le(wire + 4, 0xff, 2);
	peer_send(peer, wire, 16, &null, 1);
	peer_rounds(l, 3);
	assert_int_equal(got.closed, 1);
	assert_null(ch);
	close(null);
}

static void
rooms_channel_pause_and_resume(void **state)
{
	size_t n = 0;

	(void)state;
	for (uint64_t i = 1; i <= 10; i++)
		n = wire_open(n, i, 0);
	got.pause_it = true;
	peer_send(peer, wire, n, NULL, 0);
	peer_rounds(l, 3);
	assert_int_equal(got.records, 1);
	channel_resume(ch); /* and paused again by the next one */
	peer_rounds(l, 3);
	assert_int_equal(got.records, 2);
	got.pause_it = false;
	channel_resume(ch);
	peer_rounds(l, 3);
	assert_int_equal(got.records, 10);
	channel_pause(ch);
	peer_send(peer, wire, n, NULL, 0);
	peer_rounds(l, 3);
	assert_int_equal(got.records, 10);
	channel_resume(ch);
	peer_rounds(l, 3);
	assert_int_equal(got.sum, 110);
}

/* A paused channel's peer feels it: the socket fills up. */
static void
rooms_channel_back_pressure_inwards(void **state)
{
	const union record m = {.BODY = {.bytes = {wire, 16384}}};
	static uint8_t big[RECORD_HEADER + RECORD_MAX];
	size_t n = peer_encode(REC_BODY, &m, 0, big), sent = 0;

	(void)state;
	channel_pause(ch);
	while (sent < 1000 && send(peer, big, n, MSG_DONTWAIT) == (ssize_t)n) {
		peer_rounds(l, 1);
		sent++;
	}
	assert_true(sent > 0 && sent < 1000);
	assert_int_equal(got.records, 0);
}

static void
rooms_channel_end_of_file_after_what_was_said(void **state)
{
	size_t n = 0;

	(void)state;
	for (uint64_t i = 1; i <= 1000; i++)
		n = wire_open(n, i, 0);
	/* The last one is cut off. */
	peer_send(peer, wire, n - 1, NULL, 0);
	channel_pause(ch);
	/* Unread bytes of ours make it a reset, which is no difference. */
	channel_say(ch, END, );
	close(peer);
	peer = -1;
	peer_rounds(l, 5);
	assert_int_equal(got.records + got.closed, 0);
	channel_say(ch, END, );
	peer_rounds(l, 2);
	channel_resume(ch);
	peer_rounds(l, 3);
	assert_int_equal(got.records, 999);
	assert_int_equal(got.sum, 999 * 1000 / 2);
	assert_int_equal(got.closed, 1);
	assert_int_equal(got.why, VERR_CLOSED);
}

/* More than one round's share, in one read. */
static void
rooms_channel_pump_leaves_nothing_behind(void **state)
{
	size_t n = 0;

	(void)state;
	for (uint64_t i = 1; i <= 500; i++)
		n = wire_open(n, i, 0);
	peer_send(peer, wire, n, NULL, 0);
	channel_pump(ch);
	assert_int_equal(got.records, 500);
	channel_pump(ch);
	assert_int_equal(got.records, 500);
	/* From its own handler, it is not turned inside out. */
	got.pump_it = true;
	peer_send(peer, wire, n, NULL, 0);
	channel_pump(ch);
	assert_int_equal(got.records, 1000);
	/* A handler may free it there. */
	got.free_it = true;
	got.pump_it = false;
	peer_send(peer, wire, n, NULL, 0);
	channel_pump(ch);
	assert_int_equal(got.records, 1001);
	assert_null(ch);
}

static void
rooms_channel_pump_tells_of_the_end_later(void **state)
{
	(void)state;
	peer_send(peer, wire, wire_open(0, 1, 0), NULL, 0);
	close(peer);
	peer = -1;
	channel_pump(ch);
	assert_int_equal(got.records, 1);
	assert_int_equal(got.closed, 0);
	peer_rounds(l, 1);
	assert_int_equal(got.closed, 1);
	assert_int_equal(got.why, VERR_CLOSED);
	channel_pump(ch);
	assert_int_equal(got.closed, 1);
}

static void
not_closed(void *arg, struct channel *c, int r)
{
	(void)arg, (void)c;
	assert_int_equal(r, 0);
}

/* What one channel sends, another admits: more descriptors than one queues. */
static void
rooms_channel_many_descriptors_in_flight(void **state)
{
	static const struct channel_ops quiet = {NULL, not_closed, NULL};
	struct channel *other;
	int sv[2];

	(void)state;
	close_channel();
	open_channel(ROOM_COURIER, ROOM_GATE, CHANNEL_TAKES_FD);
	sv[0] = peer;
	peer = -1;
	assert_int_equal(channel_new(l, sv[0], ROOM_GATE, ROOM_COURIER, 0,
	                     &quiet, NULL, &other),
	    0);
	for (uint64_t i = 1; i <= 300; i++) {
		const union record m = {.OPEN = {.number = i}};
		int fd = i % 3 != 0 ? open("/dev/null", O_RDONLY) : -1;

		assert_int_equal(channel_send(other, REC_OPEN, &m, fd), 0);
	}
	for (int i = 0; i < 400 && got.records < 300; i++)
		peer_rounds(l, 1);
	assert_int_equal(got.records, 300);
	assert_int_equal(got.sum, 300 * 301 / 2);
	assert_int_equal(got.with_fd, 200);
	assert_int_equal(got.closed, 0);
	channel_free(other);
}

static void
rooms_channel_back_pressure_outwards(void **state)
{
	static struct heard h;
	size_t said = 0, heard = 0, drained = 0;

	(void)state;
	while (channel_queued(ch) < 300000) {
		if (channel_queued(ch) == 0)
			drained = got.drained;
		channel_say(ch, DATA, .bytes = slice_of(wire, 16384));
		said++;
		peer_rounds(l, 1);
	}
	/* Not said while something is queued, but once nothing is. */
	assert_int_equal(got.drained, drained);
	while (heard < said && got.closed == 0) {
		while (peer_hear(peer, &h) == REC_DATA) {
			assert_int_equal(h.m.DATA.bytes.n, 16384);
			heard++;
			peer_rounds(l, 1);
		}
		peer_rounds(l, 1);
	}
	assert_int_equal(channel_queued(ch), 0);
	assert_true(got.drained > drained);
}

static void
rooms_channel_refuses_to_send_nonsense(void **state)
{
	static const uint8_t long_text[1025];
	union record m = {.FAIL = {.sentence = {long_text, sizeof(long_text)}}};
	int null = open("/dev/null", O_RDONLY);

	(void)state;
	assert_int_equal(channel_send(ch, REC_FAIL, &m, -1), VERR_TOOBIG);
	assert_int_equal(channel_queued(ch), 0);
	/* A descriptor where none may be: refused, and closed. */
	assert_true(channel_send(ch, REC_END, &m, null) != 0);
	assert_int_equal(fcntl(null, F_GETFD), -1);
	assert_int_equal(channel_queued(ch), 0);
	/* Where there is nobody to tell, the peer is given up, once. */
	channel_put(ch, REC_FAIL, &m, -1);
	channel_put(ch, REC_FAIL, &m, -1);
	assert_int_equal(got.closed, 0);
	peer_rounds(l, 2);
	assert_int_equal(got.closed, 1);
	assert_true(got.why < 0 && got.why != VERR_CLOSED);
}

/* A peer that takes no more descriptors: nothing is lost without a word. */
static void
hostile_channel_a_lost_record_is_a_lost_peer(void **state)
{
	const union record m = {.PEER = {.room = ROOM_GATE, .number = 1}};
	int sv[2];

	(void)state;
	close_channel();
	/* Datagrams that are too long stand for any error but a full pipe. */
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, sv), 0);
	memset(&got, 0, sizeof(got));
	got.fd = -1;
	peer = sv[1];
	assert_int_equal(channel_new(l, sv[0], ROOM_SUPERVISOR, ROOM_KEEPER, 0,
	                     &ops, &got, &ch),
	    0);
	for (int i = 0; i < 20000; i++)
		assert_int_equal(channel_send(ch, REC_PEER, &m, -1), 0);
	peer_rounds(l, 2);
	assert_int_equal(got.closed, 1);
	assert_true(got.why < 0 && got.why != VERR_CLOSED);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(rooms_channel_split_at_every_byte),
	    T(rooms_channel_descriptor_comes_with_its_record),
	    T(rooms_channel_descriptor_may_be_missing),
	    T(hostile_channel_descriptors_where_none_may_come),
	    T(hostile_channel_read_discards_descriptors),
	    T(hostile_channel_descriptors_without_end),
	    T(hostile_channel_records_that_may_not_come),
	    T(hostile_channel_records_nobody_listens_for),
	    T(hostile_channel_good_records_before_a_bad_one),
	    T(hostile_channel_handler_says_offence),
	    T(rooms_channel_freed_inside_a_handler),
	    T(rooms_channel_pause_and_resume),
	    T(rooms_channel_back_pressure_inwards),
	    T(rooms_channel_end_of_file_after_what_was_said),
	    T(rooms_channel_pump_leaves_nothing_behind),
	    T(rooms_channel_pump_tells_of_the_end_later),
	    T(rooms_channel_many_descriptors_in_flight),
	    T(rooms_channel_back_pressure_outwards),
	    T(rooms_channel_refuses_to_send_nonsense),
	    T(hostile_channel_a_lost_record_is_a_lost_peer),
	};

	return cmocka_run_group_tests_name("channel", tests, NULL, NULL);
}
