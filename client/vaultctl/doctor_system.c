/*
 * The machine: what its kernel offers, how much it gives, and what time it is.
 */
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "client/vaultctl/doctor.h"
#include "client/vaultctl/file.h"

#define MEMLOCK_MIN (4ull << 20) /* the keeper's arena, twice */
#define NOFILE_MIN  4096         /* 2,048 are what is kept for rooms alone */
#define LIMITS_MAX  8192
#define NOT_BEFORE  1767225600 /* 2026-01-01 */

void
doctor_kernel(struct doctor *d)
{
	struct utsname u;
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0,
	    LANDLOCK_CREATE_RULESET_VERSION);
	int fd = (int)syscall(SYS_memfd_secret, O_CLOEXEC);

	if (uname(&u) != 0)
		return;
	if (abi < 2)
		doctor_say(d, GRADE_FAIL,
		    "a kernel from 5.19 on, with lsm=landlock,... on its "
		    "command line",
		    "Linux %s has no Landlock that will do", u.release);
	if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0)
		doctor_say(d, GRADE_FAIL, "a kernel with CONFIG_SECCOMP_FILTER",
		    "Linux %s has no seccomp", u.release);
	if (fd < 0)
		doctor_say(d, GRADE_WARN,
		    "add secretmem.enable=1 to the kernel's command line",
		    "Linux %s gives no secret memory; locked memory is used",
		    u.release);
	else
		(void)close(fd);
	if (abi >= 2 && fd >= 0)
		doctor_say(d, GRADE_OK, NULL,
		    "Linux %s: Landlock %ld, seccomp, secret memory", u.release,
		    abi);
}

static long long
supervisor_pid(const struct doctor *d)
{
	const char *room;
	json_t *row;
	size_t i;

	json_array_foreach(d->status, i, row)
	{
		room = json_string_value(json_object_get(row, "room"));
		if (room != NULL && strcmp(room, "supervisor") == 0)
			return json_integer_value(json_object_get(row, "pid"));
	}
	return 0;
}

/*
 * The hard limit in a line of /proc/PID/limits.
 */
static unsigned long long
limit_of(const char *text, const char *name)
{
	const char *at = strstr(text, name);
	char *end;

	if (at == NULL)
		return RLIM_INFINITY;
	at += strlen(name);
	at += strspn(at, " ");
	at += strcspn(at, " "); /* the soft one */
	at += strspn(at, " ");
	if (*at < '0' || *at > '9')
		return RLIM_INFINITY;
	return strtoull(at, &end, 10);
}

static void
check_limit(struct doctor *d, const char *what, unsigned long long have,
    unsigned long long want, const char *mend, bool *good)
{
	if (have >= want)
		return;
	doctor_say(d, GRADE_WARN, mend,
	    "vaultd has %llu for %s; %llu is the least that will do", have,
	    what, want);
	*good = false;
}

void
doctor_limits(struct doctor *d)
{
	long long pid = supervisor_pid(d);
	char path[64], *text = NULL;
	bool good = true;
	size_t n;

	snprintf(path, sizeof(path), "/proc/%lld/limits", pid);
	if (pid == 0 && !d->answers)
		snprintf(path, sizeof(path), "/proc/self/limits");
	if ((pid == 0 && d->answers) ||
	    file_read(path, LIMITS_MAX, &text, &n) != 0) {
		doctor_say(
		    d, GRADE_OK, NULL, "those of vaultd cannot be seen by you");
		return;
	}
	check_limit(d, "open files", limit_of(text, "Max open files"),
	    NOFILE_MIN, "LimitNOFILE=65536 in vaultd.service, or ulimit -n",
	    &good);
	check_limit(d, "locked memory", limit_of(text, "Max locked memory"),
	    MEMLOCK_MIN, "LimitMEMLOCK=64M in vaultd.service, or ulimit -l",
	    &good);
	if (good)
		doctor_say(d, GRADE_OK, NULL,
		    "open files and locked memory suffice for %s",
		    pid != 0 ? "vaultd" : "a vaultd that is started from here");
	free(text);
}

void
doctor_clock(struct doctor *d)
{
	struct timex tx = {.modes = 0};
	struct timespec ts;
	int state = adjtimex(&tx);

	if (clock_gettime(CLOCK_REALTIME, &ts) != 0 || ts.tv_sec < NOT_BEFORE)
		doctor_say(d, GRADE_FAIL,
		    "date -s, or timedatectl set-ntp true",
		    "the clock is years behind: certificates and tokens will "
		    "not be valid");
	else if (state < 0 || state == TIME_ERROR || (tx.status & STA_UNSYNC))
		doctor_say(d, GRADE_WARN, "timedatectl set-ntp true",
		    "the kernel does not know its clock to be synchronised");
	else
		doctor_say(d, GRADE_OK, NULL, "synchronised");
}
