#include "vaultd/base/walls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "vaultd/base/log.h"

const struct wall_info walls_info[WALL_COUNT] = {
#define WALL(name, required, text) [name##_INDEX] = {text, required},
#include "vaultd/base/walls.def"
#undef WALL
};

const struct act_info acts_info[ACT_COUNT] = {
#define ACT(name, call, a, b, c, d, words)                                     \
	[name] = {                                                             \
	    words, SYS_##call, {(long)(a), (long)(b), (long)(c), (long)(d)}},
#include "vaultd/base/acts.def"
#undef ACT
};

/* clang-format off */
#define NOT_EXEC  SCMP_A2(SCMP_CMP_MASKED_EQ, ~(scmp_datum_t)(PROT_READ | PROT_WRITE), 0)
#define PRIVATE_ANON SCMP_A3(SCMP_CMP_MASKED_EQ,			\
	~(scmp_datum_t)(MAP_NORESERVE | MAP_STACK | MAP_POPULATE | MAP_FIXED), \
	MAP_PRIVATE | MAP_ANONYMOUS)
#define ADVICE(v) SCMP_A2(SCMP_CMP_EQ, (v), 0)

const struct wall_rule walls_common[] = {
	/* Life and death */
	ALLOW(exit_group,	"exit(3), and the SIGSYS handler"),
	ALLOW(exit,		"the end of a thread"),
	ALLOW(rt_sigreturn,	"returning from a handler"),
	ALLOW(restart_syscall,	"a wait interrupted by SIGSTOP"),

	/* Memory: anonymous only, never executable */
	ALLOW(brk,		"malloc(3)"),
	ALLOW_IF2(mmap,		"malloc(3)", NOT_EXEC, PRIVATE_ANON),
	ALLOW_IF(mprotect,	"the heaps of threads", NOT_EXEC),
	ALLOW(munmap,		"free(3)"),
	ALLOW(mremap,		"realloc(3) of large blocks"),
	ALLOW_IF(madvise,	"free(3) trims the heap", ADVICE(MADV_DONTNEED)),

	/* The channels to other rooms, and the log */
	ALLOW(epoll_wait,	"loop_run()"),
	ALLOW(epoll_ctl,	"loop_add(), loop_remove()"),
	ALLOW(read,		"channels without descriptors"),
	ALLOW(write,		"log_say()"),
	ALLOW(sendmsg,		"channel_send()"),
	ALLOW(close,		"channel_free()"),

	/* Time, locks, randomness */
	ALLOW(clock_gettime,	"where the vDSO cannot answer"),
	ALLOW(futex,		"locks of libraries and threads"),
	ALLOW(getrandom,	"nonces, keys"),
};
/* clang-format on */

const size_t walls_common_len = sizeof(walls_common) / sizeof(walls_common[0]);

static volatile sig_atomic_t proving, refused;

static void
on_sigsys(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)sig;
	if (proving) {
		refused = refused + 1;
		uc->uc_mcontext.gregs[REG_RAX] = -EPERM;
		return;
	}
	log_say(LOG_TRAPPED, (uint64_t)info->si_syscall, 0, 0);
	_exit(WALLS_EXIT);
}

static int
set_limit(int which, uint64_t value)
{
	struct rlimit rl = {value, value}, now;

	if (getrlimit(which, &now) != 0)
		return -1;
	if (now.rlim_max != RLIM_INFINITY && value > now.rlim_max)
		rl.rlim_cur = rl.rlim_max = now.rlim_max;
	return setrlimit(which, &rl);
}

static int
limits_set(const struct wall_limits *l)
{
	int failed = set_limit(RLIMIT_CORE, 0) |
	    set_limit(RLIMIT_NOFILE, l->nofile) |
	    set_limit(RLIMIT_FSIZE, l->fsize);

	if (l->as != 0)
		failed |= set_limit(RLIMIT_AS, l->as);
	return failed;
}

/* Access rights by Landlock ABI; older kernels do not know the newer ones. */
static const uint64_t fs_rights[] = {
    [1] = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1,
    [2] = UINT64_C(1) << 13, /* REFER */
    [3] = UINT64_C(1) << 14, /* TRUNCATE */
    [4] = 0,
    [5] = UINT64_C(1) << 15, /* IOCTL_DEV */
};

/* Newer than the build host's header may be. */
struct ruleset_attr {
	uint64_t handled_access_fs;
	uint64_t handled_access_net;
	uint64_t scoped;
};
#define NET_BIND_CONNECT_TCP 3
#define NET_BIND_TCP         1
#define SCOPE_ABSTRACT       1
#define SCOPE_SIGNAL         2

static void
ruleset_for(int abi, const struct walls *w, struct ruleset_attr *attr)
{
	*attr = (struct ruleset_attr){0, 0, 0};
	for (int v = 1; v <= abi && v <= 5; v++)
		attr->handled_access_fs |= fs_rights[v];
	if (abi >= 4)
		attr->handled_access_net =
		    w->tcp_connect ? NET_BIND_TCP : NET_BIND_CONNECT_TCP;
	if (abi >= 6)
		attr->scoped = SCOPE_ABSTRACT | (w->signals ? 0 : SCOPE_SIGNAL);
}

static int
allow_path(int ruleset, const struct wall_path *wp, uint64_t handled)
{
	int r, fd = open(wp->path, O_PATH | O_CLOEXEC);
	const struct landlock_path_beneath_attr beneath = {
	    .allowed_access = wp->access & handled, .parent_fd = fd};

	if (fd < 0)
		return 0; /* what is not there need not be left open */
	r = (int)syscall(SYS_landlock_add_rule, ruleset,
	    LANDLOCK_RULE_PATH_BENEATH, &beneath, 0);
	(void)close(fd);
	return r;
}

/*
 * Make the ruleset with all that this kernel knows, falling back to less where
 * it answers E2BIG or EINVAL to newer attributes.  Returns it or -1.
 */
static int
ruleset_make(const struct walls *w, struct ruleset_attr *attr)
{
	int abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0,
	    LANDLOCK_CREATE_RULESET_VERSION);

	for (; abi >= 1; abi--) {
		size_t size = abi >= 6 ? 24 : abi >= 4 ? 16 : 8;
		int fd;

		ruleset_for(abi, w, attr);
		fd = (int)syscall(SYS_landlock_create_ruleset, attr, size, 0);
		if (fd >= 0)
			return fd;
		if (errno != E2BIG && errno != EINVAL)
			return -1;
	}
	return -1;
}

static void
landlock_enter(const struct walls *w, struct walls_report *rep)
{
	struct ruleset_attr attr;
	int fd, failed = 0;

	if ((fd = ruleset_make(w, &attr)) < 0)
		return;
	for (size_t i = 0; i < w->npaths; i++)
		failed |=
		    allow_path(fd, &w->paths[i], attr.handled_access_fs) != 0;
	failed |= syscall(SYS_landlock_restrict_self, fd, 0) != 0;
	(void)close(fd);
	if (failed) {
		log_say(LOG_WALL_FAILED, WALL_LANDLOCK, (uint64_t)errno, 0);
		return;
	}
	rep->up |= WALL_LANDLOCK;
	if (attr.handled_access_net != 0)
		rep->up |= WALL_LANDLOCK_NET;
	if (attr.scoped != 0)
		rep->up |= WALL_LANDLOCK_SCOPE;
}

void
walls_landlock(const struct walls *w, struct walls_report *rep)
{
	if (limits_set(&w->limits) == 0)
		rep->up |= WALL_LIMITS;
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0)
		rep->up |= WALL_NOT_DUMPABLE;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
		rep->up |= WALL_NO_NEW_PRIVS;
	landlock_enter(w, rep);
}

static int
add_rules(scmp_filter_ctx ctx, const struct wall_rule *rules, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct wall_rule *wr = &rules[i];
		uint32_t action = wr->error == 0
		    ? SCMP_ACT_ALLOW
		    : SCMP_ACT_ERRNO((uint16_t)wr->error);

		if (seccomp_rule_add_array(
		        ctx, action, wr->sys, wr->narg, wr->arg) != 0)
			return VERR_INTERNAL;
	}
	return 0;
}

static int
filter_load(const struct walls *w)
{
	scmp_filter_ctx ctx;
	int r = VERR_INTERNAL;

	if ((ctx = seccomp_init(SCMP_ACT_TRAP)) == NULL)
		return VERR_NOMEM;
	if (seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1) != 0 ||
	    seccomp_attr_set(
	        ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) != 0)
		goto out;
	if (add_rules(ctx, walls_common, walls_common_len) != 0 ||
	    add_rules(ctx, w->rules, w->nrules) != 0)
		goto out;
	if (seccomp_load(ctx) != 0)
		goto out;
	r = 0;
out:
	seccomp_release(ctx);
	return r;
}

/*
 * Try each act that this room may not do.
 */
static int
prove(const struct walls *w, struct walls_report *rep)
{
	int r = 0;

	proving = 1;
	for (int i = 0; i < ACT_COUNT; i++) {
		const struct act_info *a = &acts_info[i];
		int before = refused;

		if (w->may & MAY(i))
			continue;
		(void)syscall(
		    a->nr, a->arg[0], a->arg[1], a->arg[2], a->arg[3], 0, 0);
		if (refused == before + 1) {
			rep->proofs++;
		} else {
			log_say(
			    LOG_NOT_PROVED, (uint64_t)i, (uint64_t)errno, 0);
			r = VERR_INTERNAL;
		}
	}
	proving = 0;
	return r;
}

int
walls_seccomp(const struct walls *w, struct walls_report *rep)
{
	struct sigaction sa = {
	    .sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO | SA_NODEFER};
	int r;

	/* The last limit: after the room's threads have been started. */
	if (set_limit(RLIMIT_NPROC, 0) != 0)
		rep->up &= ~(uint32_t)WALL_LIMITS;
	if (sigaction(SIGSYS, &sa, NULL) != 0 || filter_load(w) != 0) {
		log_say(LOG_WALL_FAILED, WALL_SECCOMP, (uint64_t)errno, 0);
		return VERR_INTERNAL;
	}
	if ((r = prove(w, rep)) != 0)
		return r;
	rep->up |= WALL_SECCOMP;
	return 0;
}

uint32_t
walls_missing(struct walls_report *rep)
{
	uint32_t missing = 0;

	rep->absent = ~(rep->up | rep->idle) & ((1U << WALL_COUNT) - 1);
	for (int i = 0; i < WALL_COUNT; i++)
		if (walls_info[i].required && !(rep->up & (1U << i)))
			missing |= 1U << i;
	return missing;
}
