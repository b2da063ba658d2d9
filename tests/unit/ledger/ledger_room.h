/*
 * ledger_room - the shipped ledger, behind its walls: we are its supervisor,
 *		 its keeper and its gates.
 */
#ifndef TESTS_UNIT_LEDGER_LEDGER_ROOM_H
#define TESTS_UNIT_LEDGER_LEDGER_ROOM_H

#include "tests/unit/ledger/folder.h"

#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "protocol/bytes.h"
#include "protocol/change.h"
#include "protocol/pairs.h"
#include "protocol/record.h"
#include "vaultd/base/start.h"

#define FIRST      "audit/00000000000000000000.jsonl"
#define DEADLINE_S 20

struct ledger {
	pid_t pid;
	int supervisor, keeper;
};

static uint8_t body[RECORD_MAX];

static inline const char *
ledger_path(void)
{
	static char path[512];
	const char *build = getenv("VAULTD_BUILD");

	if (build == NULL)
		fail_msg("VAULTD_BUILD is not set");
	(void)snprintf(path, sizeof(path), "%s/libexec/vaultd/ledger", build);
	return path;
}

static inline void
pair(int fd[2])
{
	struct timeval limit = {.tv_sec = DEADLINE_S};
	int high;

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
	assert_int_equal(
	    setsockopt(fd[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)),
	    0);
	/* Above the numbers that a room is born with. */
	assert_true((high = fcntl(fd[1], F_DUPFD_CLOEXEC, 50)) >= 0);
	(void)close(fd[1]);
	fd[1] = high;
}

static inline void
start_with(struct ledger *l, const char *sync)
{
	char *argv[] = {(char[]){"ledger"}, (char[]){"0"}, (char[]){"0"},
	    (char[]){"."}, (char[]){"........"}, NULL};
	char *envp[] = {NULL};
	int sup[2], keep[2];
	const char *path = ledger_path();

	(void)strncpy(argv[4], sync, 8);
	pair(sup);
	pair(keep);
	assert_true((l->pid = fork()) >= 0);
	if (l->pid == 0) {
		(void)dup2(sup[1], FD_SUPERVISOR);
		(void)dup2(keep[1], FD_KEEPER);
		(void)close_range(FD_KEEPER + 1, ~0U, 0);
		(void)execve(path, argv, envp);
		_exit(127);
	}
	(void)close(sup[1]);
	(void)close(keep[1]);
	l->supervisor = sup[0];
	l->keeper = keep[0];
}

static inline void
send_record(int fd, uint16_t type, const union record *m, int with)
{
	uint8_t out[RECORD_HEADER + 8192 * 2];
	struct iovec iov = {out, 0};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {.space = {0}};
	size_t n;
	int ok;

	n = record_size(type, m, &ok);
	assert_true(ok && n <= sizeof(out) - RECORD_HEADER);
	put_le(out, n, 4);
	put_le(out + 4, type, 2);
	put_le(out + 6, with >= 0, 2);
	record_encode(type, m, out + RECORD_HEADER);
	iov.iov_len = RECORD_HEADER + n;
	if (with >= 0) {
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.align), &with, sizeof(int));
		mh.msg_control = &control;
		mh.msg_controllen = sizeof(control);
	}
	assert_int_equal(sendmsg(fd, &mh, MSG_NOSIGNAL), RECORD_HEADER + n);
}

#define say(fd, name, ...)                                                     \
	send_record((fd), REC_##name,                                          \
	    &(const union record){.name = {__VA_ARGS__}}, -1)

static inline int
take(int fd, void *p, size_t n)
{
	for (size_t done = 0; done < n;) {
		ssize_t got = recv(fd, (uint8_t *)p + done, n - done, 0);

		if (got <= 0)
			return 0;
		done += (size_t)got;
	}
	return 1;
}

/*
 * The next record, or 0 at the end.
 */
static inline uint16_t
hear(int fd, union record *m)
{
	uint8_t head[RECORD_HEADER];
	uint16_t type;
	size_t n;

	if (!take(fd, head, sizeof(head)))
		return 0;
	n = (size_t)get_le(head, 4);
	type = (uint16_t)get_le(head + 4, 2);
	assert_true(n <= sizeof(body) && take(fd, body, n));
	assert_int_equal(record_decode(type, body, n, m), 0);
	return type;
}

static inline void
expect(int fd, uint16_t type, union record *m)
{
	assert_int_equal(hear(fd, m), type);
}

/*
 * Start and take the rows; returns how many, and the log's next number.
 */
static inline uint64_t
start(struct ledger *l, uint64_t *ret_next)
{
	union record m;
	uint64_t n = 0;
	uint16_t type;

	start_with(l, "interval");
	while ((type = hear(l->keeper, &m)) == REC_STORE_ROW)
		n++;
	assert_int_equal(type, REC_STORE_END);
	assert_true(m.STORE_END.rows == n);
	*ret_next = m.STORE_END.next;
	return n;
}

static inline int
wait_exit(struct ledger *l)
{
	int status;

	assert_int_equal(waitpid(l->pid, &status, 0), l->pid);
	(void)close(l->supervisor);
	(void)close(l->keeper);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static inline void
stop(struct ledger *l)
{
	(void)shutdown(l->keeper, SHUT_WR);
	assert_int_equal(wait_exit(l), 0);
}

static inline void
kill_hard(struct ledger *l)
{
	assert_int_equal(kill(l->pid, SIGKILL), 0);
	assert_int_equal(wait_exit(l), 128 + SIGKILL);
}

static inline void
commit_send(struct ledger *l, uint64_t number, uint8_t id, uint64_t generation,
    uint64_t expected, const char *text, int erase)
{
	struct change c = {.kind = 3,
	    .generation = generation,
	    .expected = expected,
	    .body = slice_str(text)};
	uint8_t list[CHANGE_OVERHEAD + 8192];

	memset(c.id, id, sizeof(c.id));
	change_encode(&c, list);
	say(l->keeper, COMMIT, .commit = number, .erase = (uint64_t)erase,
	    .changes = slice_of(list, CHANGE_OVERHEAD + c.body.n));
}

static inline int
commit(struct ledger *l, uint8_t id, uint64_t generation, uint64_t expected,
    const char *text, int erase)
{
	static uint64_t number;
	union record m;
	uint16_t type;

	commit_send(l, ++number, id, generation, expected, text, erase);
	while ((type = hear(l->keeper, &m)) == REC_APPENDED)
		; /* a sync that was due */
	assert_int_equal(type, REC_COMMITTED);
	assert_true(m.COMMITTED.commit == number);
	return -(int)m.COMMITTED.error;
}

static inline int
fetch(struct ledger *l, uint8_t id, union record *m)
{
	uint8_t name[ROW_ID_LEN];

	memset(name, id, sizeof(name));
	say(l->keeper, FETCH, .fetch = 99, .id = slice_of(name, sizeof(name)));
	expect(l->keeper, REC_FETCHED, m);
	assert_true(m->FETCHED.fetch == 99);
	return -(int)m->FETCHED.error;
}

static inline void
append(struct ledger *l, uint64_t epoch, uint64_t seq, unsigned flags)
{
	char line[200];
	int n = snprintf(line, sizeof(line),
	    "{\"seq\":%llu,\"time\":\"2026-11-22T16:53:51.%03uZ\",\"p\":\"%"
	    "s\"}",
	    (unsigned long long)seq, (unsigned)(seq % 1000),
	    seq % 3 == 0 ? "acme/demo" : "acme/other");

	say(l->keeper, APPEND, .epoch = epoch, .seq = seq, .flags = flags,
	    .line = slice_of(line, (size_t)n));
}

/*
 * Append until "end" in bursts, each confirmed before the next.
 */
static inline void
append_to(struct ledger *l, uint64_t from, uint64_t end)
{
	union record m;

	while (from < end) {
		uint64_t next = from + 100 < end ? from + 100 : end;

		for (; from < next; from++)
			append(l, 1, from, 0);
		do
			expect(l->keeper, REC_APPENDED, &m);
		while (m.APPENDED.next < next);
	}
}

/*
 * Have a small disk of our own as working directory, or skip the test.
 */
static inline void
small_disk(void)
{
	uid_t uid = geteuid();
	int flags = CLONE_NEWNS | (uid == 0 ? 0 : CLONE_NEWUSER);

	if (unshare(flags) != 0 ||
	    mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mkdir("disk", 0700) != 0 ||
	    mount("vaultd-test", "disk", "tmpfs", 0, "size=6m,mode=700") != 0 ||
	    chdir("disk") != 0)
		skip();
}

static inline void
fill_disk(void)
{
	int fd = open("ballast", O_WRONLY | O_CREAT, 0600);

	assert_true(fd >= 0);
	while (write(fd, body, 4096) > 0)
		;
	(void)close(fd);
}

static inline off_t
file_size(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

enum { LONG_LINES = (64 << 20) / 8192 + 1 };

/*
 * A segment that is just too long to go on with.
 */
static inline void
long_segment(void)
{
	static char line[8192];
	FILE *f;

	memset(line, 'x', sizeof(line));
	memcpy(line, "{\"seq\":0,", 9);
	line[sizeof(line) - 1] = '\n';
	assert_int_equal(mkdir("audit", 0700), 0);
	assert_non_null(f = fopen(FIRST, "w"));
	for (int i = 0; i < LONG_LINES; i++)
		assert_int_equal(fwrite(line, sizeof(line), 1, f), 1);
	(void)fclose(f);
}

#endif /* TESTS_UNIT_LEDGER_LEDGER_ROOM_H */
