/*
 * identity - who is on the other end of an accepted socket, from the kernel.
 *
 * What the kernel does not tell is not known, rather than assumed.
 */
#ifndef SUPERVISOR_IDENTITY_H
#define SUPERVISOR_IDENTITY_H

#include <stddef.h>
#include <stdint.h>

#include "protocol/record.h"

#define IDENTITY_GROUPS     1024
#define IDENTITY_CGROUP_MAX 4096
#define IDENTITY_LABEL_MAX  1024
#define OVERFLOW_UID        65534

struct identity {
	uint32_t uid, gid, pid, loginuid;
	uint32_t known;                   /* enum identity_known */
	uint32_t groups[IDENTITY_GROUPS]; /* ascending */
	size_t ngroups;
	char cgroup[IDENTITY_CGROUP_MAX + 1];
	char label[IDENTITY_LABEL_MAX + 1];
};

/* The most that identity_class() writes. */
#define CLASS_MAX                                                              \
	(16 + 4 * IDENTITY_GROUPS + IDENTITY_CGROUP_MAX + IDENTITY_LABEL_MAX)

/*
 * Identify the peer of "sock".  *ret_pidfd is the caller's to close, or -1 on
 * kernels that do not give one; the cgroup is then not known, since a process
 * id alone may be another's by now.
 * Returns 0; VERR_CLOSED: the peer is gone; or VERR_BUSY: there are too few
 * descriptors to tell.
 */
MUST_CHECK
int identity_of(int sock, struct identity *ret, int *ret_pidfd);

/*
 * Does this kernel give pidfds of peers?
 */
int identity_has_pidfd(void);

/*
 * Is "uid" the one that the kernel shows for users it cannot name?
 */
int identity_is_overflow(uint32_t uid);

/*
 * Read /proc/sys/kernel/overflowuid; before the walls.
 */
void identity_init(void);

/*
 * Write the principal class of "id", all that a policy can tell apart, to
 * "out", which has CLASS_MAX bytes.  Returns its length.  Equal classes have
 * equal bytes, different ones different.
 */
size_t identity_class(const struct identity *id, uint8_t *out);

/*
 * Is this uid 0, or of the group "admin_gid" (-1: no such group)?
 */
int identity_is_admin(const struct identity *id, int64_t admin_gid);

/*
 * Find the path in the text of /proc/PID/cgroup: the line "0::/path".
 * Returns 0, or VERR_NOTFOUND if there is none or it cannot be passed on.
 */
MUST_CHECK
int identity_cgroup(
    const char *text, size_t n, char ret[IDENTITY_CGROUP_MAX + 1]);

/*
 * Put "n" numbers in ascending order.
 */
void identity_sort(uint32_t *v, size_t n);

#endif /* SUPERVISOR_IDENTITY_H */
