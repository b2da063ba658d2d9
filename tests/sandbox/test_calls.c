/*
 * Which system calls end a room: every act of acts.def done for real, every
 * call that its table does not name, and every argument that it leaves out.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/falloc.h>
#include <linux/io_uring.h>
#include <linux/kcmp.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>

#include <cmocka.h>

#include "tests/sandbox/room.h"

#define CALLS_END 600 /* above every number that a kernel has */

/*
 * These pass any filter by the kernel's own rule (since Linux 6.14), which
 * ends or refuses whoever is not in a probe's trampoline.
 */
#define NR_URETPROBE 335
#define NR_UPROBE    336

struct call {
	long nr;
	long arg[6];
};

static uint8_t page[8192] __attribute__((aligned(4096)));
static char bytes[256];
static struct iovec here = {bytes, 1}, there = {bytes + 1, 1};
static struct msghdr message = {.msg_iov = &here, .msg_iovlen = 1};
static struct sockaddr_in loopback = {
    .sin_family = AF_INET, .sin_addr = {0x0100007f}, .sin_port = 0x900};
static char *const program[] = {(char *)(uintptr_t) "true", NULL};
static struct clone_args fork_args = {.exit_signal = SIGCHLD};
static struct perf_event_attr perf = {
    .type = PERF_TYPE_SOFTWARE, .size = sizeof(perf)};
static struct __user_cap_header_struct cap_header = {
    .version = _LINUX_CAPABILITY_VERSION_3};
static int pair_out[2], on = 1;

/* clang-format off */
#define CALL(n, ...) {SYS_##n, {__VA_ARGS__}}
#define CWD	     ((long)(uint32_t)AT_FDCWD) /* as libc leaves the register */
#define P(p)	     (long)(p)

static const struct call real[ACT_COUNT] = {
	[ACT_OPEN] =	     CALL(openat, CWD, P("/etc/passwd"), O_RDONLY),
	[ACT_CREATE] =	     CALL(creat, P("made"), 0600),
	[ACT_STAT] =	     CALL(newfstatat, CWD, P("victim"), P(bytes), 0),
	[ACT_UNLINK] =	     CALL(unlink, P("victim")),
	[ACT_RENAME] =	     CALL(rename, P("victim"), P("moved")),
	[ACT_TRUNCATE] =     CALL(ftruncate, FD_FILE, 0),
	[ACT_SOCKET] =	     CALL(socket, AF_UNIX, SOCK_STREAM, 0),
	[ACT_SOCKETPAIR] =   CALL(socketpair, AF_UNIX, SOCK_STREAM, 0, P(pair_out)),
	[ACT_CONNECT] =	     CALL(connect, FD_SOCKET, P(&loopback), sizeof(loopback)),
	[ACT_BIND] =	     CALL(bind, FD_SOCKET, P(&loopback), sizeof(loopback)),
	[ACT_LISTEN] =	     CALL(listen, FD_SOCKET, 1),
	[ACT_ACCEPT] =	     CALL(accept4, FD_LISTENER, 0, 0, SOCK_NONBLOCK),
	[ACT_RECEIVE] =	     CALL(recvmsg, FD_PAIR, P(&message), MSG_DONTWAIT),
	[ACT_EXEC] =	     CALL(execve, P("/bin/true"), P(program), P(program + 1)),
	[ACT_EXECAT] =	     CALL(execveat, CWD, P("/bin/true"), P(program), P(program + 1), 0),
	[ACT_CLONE] =	     CALL(clone, SIGCHLD),
	[ACT_CLONE3] =	     CALL(clone3, P(&fork_args), sizeof(fork_args)),
	[ACT_PTRACE] =	     CALL(ptrace, PTRACE_TRACEME),
	[ACT_READ_MEMORY] =  CALL(process_vm_readv, 1, P(&here), 1, P(&there), 1, 0),
	[ACT_WRITE_MEMORY] = CALL(process_vm_writev, 1, P(&here), 1, P(&there), 1, 0),
	[ACT_KILL] =	     CALL(kill, 1, 0),
	[ACT_TGKILL] =	     CALL(tgkill, 1, 1, 0),
	[ACT_PIDFD] =	     CALL(pidfd_open, 1, 0),
	[ACT_PIDFD_GETFD] =  CALL(pidfd_getfd, FD_FILE, 0, 0),
	[ACT_KCMP] =	     CALL(kcmp, 1, 1, KCMP_VM, 0, 0),
	[ACT_BPF] =	     CALL(bpf, BPF_MAP_CREATE, P(page), 64),
	[ACT_IO_URING] =     CALL(io_uring_setup, 4, P(page)),
	[ACT_USERFAULTFD] =  CALL(userfaultfd, O_CLOEXEC),
	[ACT_PERF] =	     CALL(perf_event_open, P(&perf), 0, -1, -1, 0),
	[ACT_KEYCTL] =	     CALL(keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 1),
	[ACT_MEMFD] =	     CALL(memfd_create, P("x"), 0),
	[ACT_UNSHARE] =	     CALL(unshare, CLONE_NEWUSER),
	[ACT_SETNS] =	     CALL(setns, FD_FILE, 0),
	[ACT_MOUNT] =	     CALL(mount, P("none"), P("."), P("tmpfs"), 0, 0),
	[ACT_CHROOT] =	     CALL(chroot, P(".")),
	[ACT_PERSONALITY] =  CALL(personality, READ_IMPLIES_EXEC),
	[ACT_DUMPABLE] =     CALL(prctl, PR_SET_DUMPABLE, 1),
	[ACT_SETUID] =	     CALL(setresuid, 1, 1, 1),
	[ACT_CAPSET] =	     CALL(capset, P(&cap_header), P(page)),
	[ACT_MAP_EXEC] =     CALL(mmap, 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
	[ACT_MAP_FILE] =     CALL(mmap, 0, 4096, PROT_READ, MAP_SHARED, FD_FILE, 0),
	[ACT_MAKE_EXEC] =    CALL(mprotect, P(page), 4096, PROT_READ | PROT_EXEC),
	[ACT_SEND_TO] =	     CALL(sendto, FD_PAIR, P("x"), 1, MSG_DONTWAIT, 0, 0),
	[ACT_SETSOCKOPT] =   CALL(setsockopt, FD_SOCKET, SOL_SOCKET, SO_REUSEADDR, P(&on), sizeof(on)),
};

/*
 * Calls that a room's table allows, with arguments that it does not.
 */
#define ALL ROOM_COUNT
static const struct {
	enum room room;
	struct call call;
} bent[] = {
	{ALL, CALL(mmap, 0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)},
	{ALL, CALL(mmap, 0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)},
	{ALL, CALL(mmap, 0, 4096, PROT_READ, MAP_PRIVATE, FD_FILE, 0)},
	{ALL, CALL(mprotect, P(page), 4096, PROT_READ | PROT_WRITE | PROT_EXEC)},
	{ALL, CALL(mprotect, P(page), 4096, PROT_EXEC)},
	{ALL, CALL(madvise, P(page), 4096, MADV_DODUMP)},
	{ALL, CALL(madvise, P(page), 4096, MADV_KEEPONFORK)},
	{ALL, CALL(madvise, P(page), 4096, MADV_DOFORK)},

	{ROOM_KEEPER, CALL(recvmsg, FD_KEEPER, P(&message), MSG_DONTWAIT)},
	{ROOM_KEEPER, CALL(recvmsg, FD_PAIR, P(&message), MSG_DONTWAIT)},

	{ROOM_GATE, CALL(socketpair, AF_INET, SOCK_STREAM, 0, P(pair_out))},

	{ROOM_COURIER, CALL(getsockopt, FD_SOCKET, SOL_SOCKET, SO_PEERCRED, P(bytes), P(&on))},
	{ROOM_COURIER, CALL(getsockopt, FD_SOCKET, IPPROTO_TCP, SO_ERROR, P(bytes), P(&on))},
	{ROOM_COURIER, CALL(fcntl, FD_SOCKET, F_DUPFD, 0)},
	{ROOM_COURIER, CALL(fcntl, FD_SOCKET, F_SETOWN, 1)},
	{ROOM_COURIER, CALL(rt_sigaction, SIGSYS, 0, 0, 8)},

	{ROOM_DIALER, CALL(socket, AF_INET, SOCK_RAW, IPPROTO_ICMP)},
	{ROOM_DIALER, CALL(socket, AF_INET, SOCK_DGRAM, IPPROTO_ICMP)},
	{ROOM_DIALER, CALL(socket, AF_INET, SOCK_STREAM, IPPROTO_MPTCP)},
	{ROOM_DIALER, CALL(socket, AF_INET, SOCK_STREAM, IPPROTO_SCTP)},
	{ROOM_DIALER, CALL(socket, AF_INET6, SOCK_STREAM, IPPROTO_MPTCP)},
	{ROOM_DIALER, CALL(socket, AF_NETLINK, SOCK_RAW, 0)},
	{ROOM_DIALER, CALL(socket, AF_PACKET, SOCK_RAW, 0)},
	{ROOM_DIALER, CALL(socket, AF_VSOCK, SOCK_STREAM, 0)},
	{ROOM_DIALER, CALL(socket, AF_ALG, SOCK_SEQPACKET, 0)},
	{ROOM_DIALER, CALL(getsockopt, FD_SOCKET, SOL_SOCKET, SO_PEERCRED, P(bytes), P(&on))},
	{ROOM_DIALER, CALL(setsockopt, FD_SOCKET, SOL_SOCKET, SO_BINDTODEVICE, P("lo"), 2)},
	{ROOM_DIALER, CALL(fcntl, FD_SOCKET, F_DUPFD, 0)},
	{ROOM_DIALER, CALL(fcntl, FD_SOCKET, F_SETOWN, 1)},
	{ROOM_DIALER, CALL(openat, CWD, P("made"), O_WRONLY | O_CREAT, 0600)},
	{ROOM_DIALER, CALL(openat, CWD, P("/etc/hosts"), O_RDWR)},
	{ROOM_DIALER, CALL(openat, CWD, P("."), O_RDONLY | O_DIRECTORY)},
	{ROOM_DIALER, CALL(openat, FD_FILE, P("hosts"), O_RDONLY)},
	{ROOM_DIALER, CALL(newfstatat, CWD, P("/etc/passwd"), P(bytes), 0)},

	{ROOM_LEDGER, CALL(fcntl, FD_FILE, F_DUPFD, 0)},
	{ROOM_LEDGER, CALL(fcntl, FD_FILE, F_SETOWN, 1)},
	{ROOM_LEDGER, CALL(fallocate, FD_FILE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1)},

	{ROOM_SUPERVISOR, CALL(recvmsg, FD_PAIR, P(&message), MSG_DONTWAIT)},
	{ROOM_SUPERVISOR, CALL(socketpair, AF_INET, SOCK_STREAM, 0, P(pair_out))},
	{ROOM_SUPERVISOR, CALL(setsockopt, FD_SOCKET, SOL_SOCKET, SO_BINDTODEVICE, P("lo"), 2)},
	{ROOM_SUPERVISOR, CALL(setsockopt, FD_SOCKET, IPPROTO_TCP, SO_PASSCRED, P(&on), sizeof(on))},
	{ROOM_SUPERVISOR, CALL(getsockopt, FD_SOCKET, IPPROTO_TCP, SO_ERROR, P(bytes), P(&on))},
};

/* How one would take the walls down again. */
static const struct call undo[] = {
	CALL(prctl, PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0),
	CALL(prctl, PR_SET_SECCOMP, 0, 0),
	CALL(seccomp, 1, 0, P(page)),
	CALL(rt_sigaction, SIGSYS, P(page), 0, 8),
	CALL(rt_sigprocmask, SIG_BLOCK, P(page), 0, 8),
	CALL(prlimit64, 0, RLIMIT_NOFILE, P(page), 0),
	CALL(setrlimit, RLIMIT_CORE, P(page)),
	CALL(landlock_restrict_self, FD_FILE, 0),
	CALL(arch_prctl, 0x1002, P(page)),
	CALL(modify_ldt, 1, P(page), 16),
};
/* clang-format on */

static void
do_call(const void *arg)
{
	const struct call *c = arg;

	(void)syscall(c->nr, c->arg[0], c->arg[1], c->arg[2], c->arg[3],
	    c->arg[4], c->arg[5]);
}

static int
is_fatal(const struct room_under_test *r, const struct call *c)
{
	struct life l = {.behind = do_call, .arg = c};
	struct ending e = confined(r, &l);

	if (stopped_by_wall(&e, c->nr))
		return 1;
	print_error("%s: call %ld: status %#x, log code %llu, %llu\n",
	    room_name(r->room), c->nr, (unsigned)e.status,
	    (unsigned long long)e.last.code, (unsigned long long)e.last.n[0]);
	return 0;
}

static int
rules_name(const struct wall_rule *rules, size_t n, long nr)
{
	for (size_t i = 0; i < n; i++)
		if (rules[i].sys == nr)
			return 1;
	return 0;
}

static int
table_names(const struct walls *w, long nr)
{
	return rules_name(walls_common, walls_common_len, nr) ||
	    rules_name(w->rules, w->nrules, nr);
}

static void
rooms_forbidden_acts_are_fatal(void **state)
{
	size_t failed = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(rooms); i++)
		for (int act = 0; act < ACT_COUNT; act++) {
			assert_int_equal(real[act].nr, acts_info[act].nr);
			if (!(rooms[i].walls->may & MAY(act)))
				failed += !is_fatal(&rooms[i], &real[act]);
		}
	assert_int_equal(failed, 0);
}

static void
rooms_may_what_they_are_for_and_no_more(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rooms); i++) {
		assert_int_equal(rooms[i].walls->may, rooms[i].may);
		/* A bit without a rule would hide an act from the proof. */
		for (int act = 0; act < ACT_COUNT; act++)
			if (rooms[i].may & MAY(act))
				assert_true(table_names(
				    rooms[i].walls, acts_info[act].nr));
	}
}

static void
rooms_unnamed_calls_are_fatal(void **state)
{
	size_t failed = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(rooms); i++)
		for (long nr = 0; nr < CALLS_END; nr++)
			if (!table_names(rooms[i].walls, nr) &&
			    nr != NR_URETPROBE && nr != NR_UPROBE)
				failed += !is_fatal(
				    &rooms[i], &(const struct call){.nr = nr});
	assert_int_equal(failed, 0);
}

static void
rooms_bent_arguments_are_fatal(void **state)
{
	size_t failed = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(rooms); i++)
		for (size_t j = 0; j < COUNT(bent); j++)
			if (bent[j].room == ALL ||
			    bent[j].room == rooms[i].room)
				failed += !is_fatal(&rooms[i], &bent[j].call);
	assert_int_equal(failed, 0);
}

static int
is_bent(enum room room, long nr)
{
	for (size_t i = 0; i < COUNT(bent); i++)
		if (bent[i].call.nr == nr &&
		    (bent[i].room == ALL || bent[i].room == room))
			return 1;
	return 0;
}

static void
rooms_argument_rules_are_all_tried(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rooms); i++) {
		const struct walls *w = rooms[i].walls;

		for (size_t j = 0; j < w->nrules; j++) {
			if (w->rules[j].narg == 0 ||
			    is_bent(rooms[i].room, w->rules[j].sys))
				continue;
			fail_msg("%s: no bent arguments for %s",
			    room_name(rooms[i].room), w->rules[j].name);
		}
	}
}

static void
rooms_walls_cannot_be_undone(void **state)
{
	size_t failed = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(rooms); i++)
		for (size_t j = 0; j < COUNT(undo); j++)
			failed += !is_fatal(&rooms[i], &undo[j]);
	assert_int_equal(failed, 0);
}

static void
call_of_i386(const void *arg)
{
	long r = 20; /* getpid */

	(void)arg;
	__asm__ volatile("int $0x80" : "+a"(r) : : "memory");
}

static void
call_of_x32(const void *arg)
{
	(void)arg;
	(void)syscall(0x40000000 | SYS_getpid);
}

static void
rooms_foreign_calls_are_fatal(void **state)
{
	static void (*const foreign[])(const void *) = {
	    call_of_i386, call_of_x32};

	(void)state;
	for (size_t i = 0; i < COUNT(rooms); i++)
		for (size_t j = 0; j < COUNT(foreign); j++) {
			struct life l = {.behind = foreign[j]};
			struct ending e = confined(&rooms[i], &l);

			/* SIGSEGV: this kernel has no calls of i386. */
			assert_true(WIFSIGNALED(e.status));
			assert_true(WTERMSIG(e.status) == SIGSYS ||
			    (j == 0 && WTERMSIG(e.status) == SIGSEGV));
		}
}

static void
connect_in_vain(const void *arg)
{
	(void)arg;
	if (connect(FD_SOCKET, (struct sockaddr *)&loopback,
	        sizeof(loopback)) == 0 ||
	    errno != EINPROGRESS)
		_exit(1);
	if (getpeername(FD_SOCKET, (struct sockaddr *)bytes,
	        &(socklen_t){sizeof(bytes)}) == 0 ||
	    errno != ENOTCONN)
		_exit(2);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair_out) == 0)
		_exit(3);
}

static void
rooms_courier_connects_nothing(void **state)
{
	const struct room_under_test courier = {
	    ROOM_COURIER, &courier_walls, 0, 0};
	struct life l = {.behind = connect_in_vain};
	struct ending e = confined(&courier, &l);

	(void)state;
	assert_true(WIFEXITED(e.status));
	assert_int_equal(WEXITSTATUS(e.status), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(rooms_forbidden_acts_are_fatal),
	    cmocka_unit_test(rooms_may_what_they_are_for_and_no_more),
	    cmocka_unit_test(rooms_unnamed_calls_are_fatal),
	    cmocka_unit_test(rooms_bent_arguments_are_fatal),
	    cmocka_unit_test(rooms_argument_rules_are_all_tried),
	    cmocka_unit_test(rooms_walls_cannot_be_undone),
	    cmocka_unit_test(rooms_foreign_calls_are_fatal),
	    cmocka_unit_test(rooms_courier_connects_nothing),
	};

	return cmocka_run_group_tests(tests, house_build, house_clear);
}
