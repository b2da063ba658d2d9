/*
 * oldkernel PROGRAM ARGUMENTS... - run a program as on a kernel that lacks
 * what vaultd uses where it is had: memfd_secret(2), peers' pidfds, Landlock's
 * newer attributes, and namespaces.
 *
 * The arguments of clone3(2) lie in memory, where a filter cannot look: it
 * answers ENOSYS, and libc falls back to clone(2).
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <seccomp.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

#define LANDLOCK_FIRST_SIZE 8 /* bytes of the attributes of ABI 1 to 3 */

/* clang-format off */
#define NEVER SCMP_A0(SCMP_CMP_GE, 0, 0)

static const struct {
	int error;
	int sys;
	unsigned narg;
	struct scmp_arg_cmp arg[2];
} answers[] = {
	{ENOSYS, SCMP_SYS(memfd_secret), 0, {NEVER}},
	{ENOSYS, SCMP_SYS(clone3), 0, {NEVER}},
	{EPERM, SCMP_SYS(unshare), 0, {NEVER}},
	{EPERM, SCMP_SYS(setns), 0, {NEVER}},
	{ENOPROTOOPT, SCMP_SYS(getsockopt), 2,
	    {SCMP_A1(SCMP_CMP_EQ, SOL_SOCKET, 0), SCMP_A2(SCMP_CMP_EQ, SO_PEERPIDFD, 0)}},
	{E2BIG, SCMP_SYS(landlock_create_ruleset), 1,
	    {SCMP_A1(SCMP_CMP_GT, LANDLOCK_FIRST_SIZE, 0)}},
};

static const unsigned long namespaces[] = {
	CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC,
	CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET,
};
/* clang-format on */

static int
filter_load(void)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int r;

	if (ctx == NULL)
		return -1;
	/* Without the right to, it takes no-new-privileges to load a filter. */
	r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, geteuid() != 0);
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
		r |= seccomp_rule_add_array(ctx,
		    SCMP_ACT_ERRNO((uint16_t)answers[i].error), answers[i].sys,
		    answers[i].narg, answers[i].arg);
	for (size_t i = 0; i < sizeof(namespaces) / sizeof(namespaces[0]); i++)
		r |= seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM),
		    SCMP_SYS(clone), 1,
		    SCMP_A0(SCMP_CMP_MASKED_EQ, namespaces[i], namespaces[i]));
	if (r == 0)
		r = seccomp_load(ctx);
	seccomp_release(ctx);
	return r;
}

int
main(int argc, char **argv)
{
	if (argc < 2) {
		(void)fprintf(
		    stderr, "usage: oldkernel PROGRAM ARGUMENTS...\n");
		return 2;
	}
	if (filter_load() != 0) {
		(void)fprintf(stderr, "oldkernel: the filter was refused\n");
		return 125;
	}
	(void)execvp(argv[1], argv + 1);
	perror(argv[1]);
	return 127;
}
