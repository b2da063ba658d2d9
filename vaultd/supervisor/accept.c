#include "vaultd/supervisor/accept.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "vaultd/supervisor/identity.h"
#include "vaultd/supervisor/inherit.h"
#include "vaultd/supervisor/say.h"
#include "vaultd/supervisor/supervisor.h"

#define BACKLOG       1024
#define PER_ROUND     32
#define RETRY_MS      100
#define KEEPER_QUEUE  (256 * 1024) /* more than this, and nobody comes in */
#define OTHER_FDS     1024         /* kept for rooms, files, refusals */
#define SOCKET_FOLDER 0755

static const char *const names[LISTENERS] = {
    [FACE_FRAMED] = "vaultd.sock",
    [FACE_HTTP] = "http.sock",
};

static int
socket_at(const char *path, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(ret->sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(ret->sun_path, path, strlen(path));
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/*
 * May the file at "path" be replaced: is there none, or a socket that nobody
 * listens on?  Returns NULL, or why not.
 */
static const char *
in_the_way(const char *path)
{
	struct sockaddr_un sun;
	struct stat st;
	int fd, r;

	if (lstat(path, &st) != 0)
		return errno == ENOENT ? NULL : strerror(errno);
	if (!S_ISSOCK(st.st_mode))
		return "is in the way, and not a socket";
	if ((fd = socket_at(path, &sun)) < 0)
		return strerror(errno);
	r = connect(fd, (struct sockaddr *)&sun, sizeof(sun));
	(void)close(fd);
	if (r == 0 || errno == EAGAIN)
		return "is in use: vaultd runs already";
	return NULL;
}

/*
 * Listen at "temporary" and then name it "path", so that there is no moment
 * in which it is there and refuses.  Returns the socket or -1 with errno.
 */
static int
listen_at(const char *temporary, const char *path, int64_t gid, mode_t mode)
{
	struct sockaddr_un sun;
	int fd, on = 1, error;

	(void)unlink(temporary);
	if ((fd = socket_at(temporary, &sun)) < 0)
		return -1;
	if (bind(fd, (struct sockaddr *)&sun, sizeof(sun)) != 0)
		goto out;
	if (gid >= 0 && chown(temporary, (uid_t)-1, (gid_t)gid) != 0)
		goto out;
	/* Before listen(2), so that no connection is without it. */
	if (chmod(temporary, mode) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) != 0 ||
	    listen(fd, BACKLOG) != 0 || rename(temporary, path) != 0)
		goto out;
	return fd;
out:
	error = errno;
	(void)close(fd);
	(void)unlink(temporary);
	errno = error;
	return -1;
}

static int
listener_open(
    struct listener *l, const struct config *c, int64_t gid, char why[WHY_MAX])
{
	const char *wrong = NULL, *name = names[l->face];
	char *temporary = NULL;

	if (asprintf(&l->path, "%s/%s", c->socket_dir, name) < 0 ||
	    asprintf(&temporary, "%s/.%s", c->socket_dir, name) < 0)
		wrong = verr_text(VERR_NOMEM);
	else if (inherit_socket(name, l->path, &l->watch.fd, &wrong) != 0 ||
	    l->watch.fd >= 0)
		l->inherited = 1;
	else if ((wrong = in_the_way(l->path)) == NULL) {
		l->watch.fd =
		    listen_at(temporary, l->path, gid, c->socket_mode);
		if (l->watch.fd < 0)
			wrong = strerror(errno);
	}
	free(temporary);
	if (wrong == NULL)
		return 0;
	(void)snprintf(why, WHY_MAX, "%s/%s: %s", c->socket_dir, name, wrong);
	return VERR_IO;
}

static size_t
most_sessions(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) != 0 || rl.rlim_cur < 2 * OTHER_FDS)
		return 128;
	return rl.rlim_cur - OTHER_FDS;
}

static void
pause_accepting(struct supervisor *s, int paused)
{
	for (int i = 0; i < LISTENERS; i++) {
		struct listener *l = &s->accepting.at[i];

		if (l->watch.fd < 0 || l->paused == paused)
			continue;
		l->paused = paused;
		loop_change(s->loop, &l->watch, paused ? 0 : EPOLLIN);
	}
}

static int
has_place(const struct supervisor *s, const struct identity *id)
{
	return sessions_admit(s->accepting.most, s->sessions.count,
	    gates_connections(s, id->uid), identity_is_admin(id, s->admin_gid));
}

/*
 * Returns 0, or VERR_BUSY: there are no descriptors left to do it with.
 */
static int
admit(struct supervisor *s, int fd, enum face face)
{
	struct identity id;
	struct gate *g = NULL;
	int on = 1, pidfd, r = VERR_CLOSED;

	if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) != 0 ||
	    (r = identity_of(fd, &id, &pidfd)) != 0) {
		if (r != VERR_BUSY) {
			(void)close(fd);
			return 0;
		}
		refuse(s, fd, face, AWAY_NOT_READY);
		return r;
	}
	if (identity_is_overflow(id.uid)) {
		refuse(s, fd, face, AWAY_DENIED);
		goto out;
	}
	if (s->ready && has_place(s, &id))
		g = gate_for(s, &id);
	if (g != NULL) {
		session_begin(s, g, &id, face, fd, pidfd);
		return 0;
	}
	refuse(s, fd, face, AWAY_NOT_READY);
out:
	if (pidfd >= 0)
		(void)close(pidfd);
	return 0;
}

static int
keeper_is_behind(const struct supervisor *s)
{
	return s->ready && channel_queued(s->keeper->ch) > KEEPER_QUEUE;
}

/*
 * No descriptors left: who comes waits in the queue.
 */
static void
wait_for_descriptors(struct supervisor *s)
{
	pause_accepting(s, 1);
	if (loop_timer(s->loop, &s->accepting.retry, RETRY_MS) != 0)
		pause_accepting(s, 0);
}

static void
on_listener(void *arg, uint32_t events)
{
	struct listener *l = arg;
	struct supervisor *s = l->sup;

	(void)events;
	for (int i = 0; i < PER_ROUND; i++) {
		int fd = accept4(
		    l->watch.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			if (admit(s, fd, l->face) != 0)
				wait_for_descriptors(s);
			else if (!keeper_is_behind(s))
				continue;
			else
				pause_accepting(s, 1);
		} else if (errno != EAGAIN && errno != ECONNABORTED &&
		    errno != EINTR) {
			wait_for_descriptors(s);
		}
		break;
	}
}

static void
on_retry(void *arg)
{
	accept_resume(arg);
}

int
accept_open(struct supervisor *s, int64_t gid, char why[WHY_MAX])
{
	int r;

	s->accepting.retry = (struct timer){.on_time = on_retry, .arg = s};
	s->accepting.most = most_sessions();
	for (int i = 0; i < LISTENERS; i++)
		s->accepting.at[i] = (struct listener){.sup = s,
		    .face = (enum face)i,
		    .watch = {.fd = -1, .on_event = on_listener}};
	if ((r = file_make_folder(
	         s->config.socket_dir, SOCKET_FOLDER, -1, -1, why)) != 0)
		return r;
	for (int i = 0; i < LISTENERS; i++) {
		struct listener *l = &s->accepting.at[i];

		l->watch.arg = l;
		if ((r = listener_open(l, &s->config, gid, why)) != 0)
			return r;
	}
	return 0;
}

int
accept_begin(struct supervisor *s)
{
	for (int i = 0; i < LISTENERS; i++) {
		struct listener *l = &s->accepting.at[i];

		/* Who came to an inherited socket may be why vaultd starts. */
		l->paused = l->inherited;
		if (loop_add(s->loop, &l->watch, l->paused ? 0 : EPOLLIN) != 0)
			return VERR_IO;
	}
	return 0;
}

void
accept_resume(struct supervisor *s)
{
	if (s->accepting.at[0].inherited && s->phase == PHASE_FIRST_START)
		return;
	if (!keeper_is_behind(s) && s->accepting.retry.slot == 0)
		pause_accepting(s, 0);
}

void
accept_stop(struct supervisor *s)
{
	loop_timer_stop(s->loop, &s->accepting.retry);
	for (int i = 0; i < LISTENERS; i++) {
		struct listener *l = &s->accepting.at[i];

		if (l->watch.fd >= 0) {
			loop_remove(s->loop, &l->watch);
			(void)close(l->watch.fd);
			if (!l->inherited)
				(void)unlink(l->path);
		}
		l->watch.fd = -1;
		free(l->path);
		l->path = NULL;
	}
}
