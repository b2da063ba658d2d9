#include "vaultd/supervisor/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "protocol/bytes.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

#define NO_LOGINUID UINT32_MAX

static uint32_t overflow_uid = OVERFLOW_UID;

/*
 * Read a small file of /proc.  Returns its length, or -1.
 */
static ssize_t
read_small(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t n;

	if (fd < 0)
		return -1;
	n = read(fd, buf, size - 1);
	(void)close(fd);
	if (n >= 0)
		buf[n] = '\0';
	return n;
}

static int
read_number(const char *path, uint32_t *ret)
{
	unsigned long v;
	char buf[32], *end;

	if (read_small(path, buf, sizeof(buf)) <= 0)
		return VERR_IO;
	v = strtoul(buf, &end, 10);
	if (end == buf || v > UINT32_MAX)
		return VERR_FORMAT;
	*ret = (uint32_t)v;
	return 0;
}

void
identity_init(void)
{
	uint32_t uid;

	if (read_number("/proc/sys/kernel/overflowuid", &uid) == 0)
		overflow_uid = uid;
}

int
identity_is_overflow(uint32_t uid)
{
	return uid == OVERFLOW_UID || uid == overflow_uid;
}

int
identity_has_pidfd(void)
{
	socklen_t len = sizeof(int);
	int pair[2], fd = -1, has;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		return 0;
	has = getsockopt(pair[0], SOL_SOCKET, SO_PEERPIDFD, &fd, &len) == 0;
	(void)close(pair[0]);
	(void)close(pair[1]);
	if (has)
		(void)close(fd);
	return has;
}

/* May this text travel as a STR? */
static int
is_plain(const char *s)
{
	for (; *s != '\0'; s++)
		if ((uint8_t)*s < 0x20 || *s == 0x7f)
			return 0;
	return 1;
}

void
identity_sort(uint32_t *v, size_t n)
{
	/* The kernel gives groups in order: this only makes sure. */
	for (size_t i = 1; i < n; i++) {
		uint32_t one = v[i];
		size_t at = i;

		for (; at > 0 && v[at - 1] > one; at--)
			v[at] = v[at - 1];
		v[at] = one;
	}
}

static void
read_groups(int sock, struct identity *id)
{
	socklen_t len = sizeof(id->groups);

	if (getsockopt(sock, SOL_SOCKET, SO_PEERGROUPS, id->groups, &len) != 0)
		return;
	id->ngroups = len / sizeof(id->groups[0]);
	identity_sort(id->groups, id->ngroups);
	id->known |= KNOWN_GROUPS;
}

static void
read_label(int sock, struct identity *id)
{
	socklen_t len = IDENTITY_LABEL_MAX;

	if (getsockopt(sock, SOL_SOCKET, SO_PEERSEC, id->label, &len) != 0)
		return;
	id->label[len <= IDENTITY_LABEL_MAX ? len : 0] = '\0';
	if (is_plain(id->label))
		id->known |= KNOWN_LABEL;
	else
		id->label[0] = '\0';
}

int
identity_cgroup(const char *text, size_t n, char ret[IDENTITY_CGROUP_MAX + 1])
{
	char path[IDENTITY_CGROUP_MAX + 1];

	for (const char *end = text + n, *next; text < end; text = next) {
		const char *stop = memchr(text, '\n', (size_t)(end - text));
		size_t len = (size_t)((stop == NULL ? end : stop) - text);

		next = stop == NULL ? end : stop + 1;
		if (len < 4 || memcmp(text, "0::/", 4) != 0)
			continue;
		len -= 3;
		if (len > IDENTITY_CGROUP_MAX || stop == NULL ||
		    memchr(text + 3, '\0', len) != NULL)
			return VERR_NOTFOUND;
		memcpy(path, text + 3, len);
		path[len] = '\0';
		if (!is_plain(path))
			return VERR_NOTFOUND;
		memcpy(ret, path, len + 1);
		return 0;
	}
	return VERR_NOTFOUND;
}

/* Was it for want of descriptors that the last call failed? */
static int
is_exhausted(void)
{
	return errno == EMFILE || errno == ENFILE;
}

/*
 * What only /proc tells.  It is believed if the process still lives after it
 * was read: its id was then its own all the while.
 */
static int
read_proc(struct identity *id, int pidfd)
{
	struct pollfd alive = {.fd = pidfd, .events = POLLIN};
	char path[64], text[IDENTITY_CGROUP_MAX + 1024];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%u/cgroup", id->pid);
	if ((n = read_small(path, text, sizeof(text))) < 0 && is_exhausted())
		return VERR_BUSY;
	if (n > 0 && identity_cgroup(text, (size_t)n, id->cgroup) == 0)
		id->known |= KNOWN_CGROUP;
	(void)snprintf(path, sizeof(path), "/proc/%u/loginuid", id->pid);
	if (read_number(path, &id->loginuid) == 0 &&
	    id->loginuid != NO_LOGINUID)
		id->known |= KNOWN_LOGINUID;
	else
		id->loginuid = 0;
	return poll(&alive, 1, 0) == 0 ? 0 : VERR_CLOSED;
}

int
identity_of(int sock, struct identity *ret, int *ret_pidfd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);
	int pidfd = -1, r;

	*ret = (struct identity){0};
	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0)
		return VERR_CLOSED;
	ret->uid = cred.uid;
	ret->gid = cred.gid;
	ret->pid = cred.pid > 0 ? (uint32_t)cred.pid : 0;
	read_groups(sock, ret);
	read_label(sock, ret);
	len = sizeof(pidfd);
	if (getsockopt(sock, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &len) != 0) {
		/* Only a kernel that has none is a reason to do without. */
		if (errno != ENOPROTOOPT)
			return is_exhausted() ? VERR_BUSY : VERR_CLOSED;
		pidfd = -1;
	}
	if (pidfd >= 0 && ret->pid != 0 && (r = read_proc(ret, pidfd)) != 0) {
		(void)close(pidfd);
		return r;
	}
	*ret_pidfd = pidfd;
	return 0;
}

static size_t
put_bytes(uint8_t *out, const void *p, size_t n)
{
	memcpy(out, p, n);
	return n;
}

size_t
identity_class(const struct identity *id, uint8_t *out)
{
	size_t cgroup = strlen(id->cgroup), n = 0;

	/* Every length is in it, so that no two classes run together. */
	put_le(out, id->uid, 4);
	put_le(out + 4, id->gid, 4);
	put_le(out + 8, id->ngroups, 2);
	put_le(out + 10, cgroup, 2);
	put_le(out + 12,
	    id->known & (KNOWN_GROUPS | KNOWN_CGROUP | KNOWN_LABEL), 4);
	n = 16;
	for (size_t i = 0; i < id->ngroups; i++, n += 4)
		put_le(out + n, id->groups[i], 4);
	n += put_bytes(out + n, id->cgroup, cgroup);
	n += put_bytes(out + n, id->label, strlen(id->label));
	return n;
}

int
identity_is_admin(const struct identity *id, int64_t admin_gid)
{
	if (id->uid == 0)
		return 1;
	if (admin_gid < 0)
		return 0;
	if (id->gid == admin_gid)
		return 1;
	for (size_t i = 0; i < id->ngroups; i++)
		if (id->groups[i] == admin_gid)
			return 1;
	return 0;
}
