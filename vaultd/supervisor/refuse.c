#include "vaultd/supervisor/refuse.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vaultd/supervisor/refusal_frames.h"
#include "vaultd/supervisor/supervisor.h"

#define LINGER     2000
#define LINGER_MAX 256

struct refusal_bye {
	struct supervisor *sup;
	struct watch watch;
	struct timer timer;
	LIST_ENTRY(refusal_bye) link;
};

static const struct {
	const void *p;
	size_t n;
} answers[AWAY_COUNT][2] = {
    [AWAY_NOT_READY][FACE_FRAMED] = {frame_not_ready, sizeof(frame_not_ready)},
    [AWAY_NOT_READY][FACE_HTTP] = {http_not_ready, sizeof(http_not_ready) - 1},
    [AWAY_DENIED][FACE_FRAMED] = {frame_denied, sizeof(frame_denied)},
    [AWAY_DENIED][FACE_HTTP] = {http_denied, sizeof(http_denied) - 1},
};

void
refuse_bytes(
    enum face face, enum turned_away why, const void **ret_p, size_t *ret_n)
{
	*ret_p = answers[why][face].p;
	*ret_n = answers[why][face].n;
}

static void
bye_free(struct refusal_bye *b)
{
	struct supervisor *s = b->sup;

	LIST_REMOVE(b, link);
	s->refusals.count--;
	loop_timer_stop(s->loop, &b->timer);
	loop_remove(s->loop, &b->watch);
	(void)close(b->watch.fd);
	free(b);
}

static void
on_event(void *arg, uint32_t events)
{
	if (events & (EPOLLHUP | EPOLLERR))
		bye_free(arg);
}

static void
on_time(void *arg)
{
	bye_free(arg);
}

/*
 * Returns 0, or an error: nobody waits, and "fd" is still the caller's.
 */
static int
linger(struct supervisor *s, int fd)
{
	struct refusal_bye *b;

	if (s->refusals.count == LINGER_MAX ||
	    (b = calloc(1, sizeof(*b))) == NULL)
		return VERR_BUSY;
	*b = (struct refusal_bye){.sup = s,
	    .watch = {.fd = fd, .on_event = on_event, .arg = b},
	    .timer = {.on_time = on_time, .arg = b}};
	/* No event is asked for: a hang-up is always told, words never. */
	if (loop_add(s->loop, &b->watch, 0) != 0)
		goto out;
	if (loop_timer(s->loop, &b->timer, LINGER) != 0) {
		loop_remove(s->loop, &b->watch);
		goto out;
	}
	LIST_INSERT_HEAD(&s->refusals.list, b, link);
	s->refusals.count++;
	return 0;
out:
	free(b);
	return VERR_NOMEM;
}

void
refuse(struct supervisor *s, int fd, enum face face, enum turned_away why)
{
	const void *p;
	size_t n;

	refuse_bytes(face, why, &p, &n);
	/* A fresh socket's buffer takes it whole. */
	if (write(fd, p, n) != (ssize_t)n || shutdown(fd, SHUT_WR) != 0 ||
	    linger(s, fd) != 0)
		(void)close(fd);
}
