/*
 * A stage is a store that comes from elsewhere, beside the one that is in use.
 * It is a file without a name: whatever ends it, a full disk too, leaves
 * nothing behind, and the store's own file has no part in it until the keeper
 * commits it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/refusal.h"
#include "vaultd/ledger/stream.h"

#define STAGE_NAME "restore"
#define BUFFER     (256 << 10) /* room for any row, and many small ones */

_Static_assert(BUFFER >= CHANGE_OVERHEAD + RUN_BODY_MAX, "a row fits");

struct stage {
	struct ledger *ledger;
	struct stream *stream; /* NULL: it is whole */
	uint64_t id;
	struct change_run run; /* what came has been checked by it */
	int fd;
	/* Reading: the bytes that were read and not yet used */
	int reading;
	uint64_t sent;
	off_t offset;
	size_t at, n;
	uint8_t *buffer; /* BUFFER bytes */
};

/* Why it was not taken, for people. */
static const struct {
	int error;
	uint32_t refusal;
	const char *sentence;
} reasons[] = {
    {VERR_NOSPACE, REFUSED_STORE, "the vault's disk has no room for it"},
    {VERR_FORMAT, REFUSED_BAD_REQUEST, "this is not the store of a vault"},
    {VERR_TRUNCATED, REFUSED_BAD_REQUEST, "the store ends in the middle"},
    {VERR_TOOBIG, REFUSED_TOO_LARGE,
        "more rows or bytes than a store may have"},
    {0, REFUSED_STORE, "the store cannot be taken"},
};

static void
say_staged(struct ledger *l, uint64_t id, int r, uint64_t rows)
{
	channel_say(l->keeper, STAGED, .stage = id, .error = (uint64_t)-r,
	    .rows = r == 0 ? rows : 0);
}

static void
stage_free(struct stage *st)
{
	st->ledger->stage = NULL;
	if (st->fd >= 0)
		(void)close(st->fd);
	free(st->buffer);
	free(st);
}

/*
 * The upload is over: it is whole, or the stage is given up.
 */
static void
upload_end(struct stage *st, int r)
{
	struct stream *s = st->stream;
	size_t i = 0;

	st->stream = NULL;
	say_staged(st->ledger, st->id, r, st->run.rows);
	if (r == 0) {
		stream_end(s);
		return;
	}
	while (reasons[i].error != 0 && reasons[i].error != r)
		i++;
	stream_fail(s, reasons[i].refusal, reasons[i].sentence);
	stage_free(st);
}

static int
write_all(int fd, struct slice bytes)
{
	while (bytes.n > 0) {
		ssize_t n = write(fd, bytes.p, bytes.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == ENOSPC || errno == EDQUOT ||
			        errno == EFBIG
			    ? VERR_NOSPACE
			    : VERR_IO;
		bytes = slice_of(bytes.p + n, bytes.n - (size_t)n);
	}
	return 0;
}

static int
on_body(void *arg, const union record *m, int *fd)
{
	struct stage *st = ((struct stream *)arg)->arg;
	int r;

	(void)fd;
	if (st == NULL)
		return 0; /* it crossed our last word */
	if ((r = change_run_feed(&st->run, m->BODY.bytes)) != 0 ||
	    (r = write_all(st->fd, m->BODY.bytes)) != 0)
		upload_end(st, r);
	return 0;
}

static int
on_body_end(void *arg, const union record *m, int *fd)
{
	struct stage *st = ((struct stream *)arg)->arg;

	(void)m;
	(void)fd;
	if (st != NULL)
		upload_end(st, change_run_end(&st->run));
	return 0;
}

static void
on_start(void *arg)
{
	(void)arg; /* the gate has the word */
}

static void
on_gone(void *arg, int r)
{
	struct stage *st = arg;

	say_staged(st->ledger, st->id, r, 0);
	stage_free(st);
}

static const struct handler from_gate[] = {
    {REC_BODY, on_body}, {REC_BODY_END, on_body_end}, {0, NULL}};

static const struct stream_ops stage_ops = {.handlers = from_gate,
    .start = on_start,
    .drained = on_start,
    .gone = on_gone};

/*
 * A file of no name in the state folder.
 */
static int
open_file(int *ret_fd)
{
	int fd;

	(void)unlink(STAGE_NAME); /* of one that was killed just here */
	fd = open(STAGE_NAME,
	    O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW | O_CLOEXEC,
	    0600);
	if (fd < 0)
		return errno == ENOSPC || errno == EDQUOT ? VERR_NOSPACE
		                                          : VERR_IO;
	(void)unlink(STAGE_NAME);
	*ret_fd = fd;
	return 0;
}

int
on_stage(void *arg, const union record *m, int *fd)
{
	struct ledger *l = arg;
	const struct rec_STAGE *a = &m->STAGE;
	struct stage *st = NULL;
	int r = VERR_BUSY;

	(void)fd;
	if (!l->loaded)
		return VERR_FORBIDDEN;
	if (l->stage == NULL) {
		st = calloc(1, sizeof(*st));
		r = st == NULL ? VERR_NOMEM
		               : stream_order(l, (uint32_t)a->gate, a->number,
		                     &stage_ops, st, &st->stream);
	}
	if (r != 0) {
		free(st);
		if (r == VERR_FORBIDDEN)
			return r;
		say_staged(l, a->stage, r, 0);
		return 0;
	}
	st->ledger = l;
	st->id = a->stage;
	st->fd = -1;
	l->stage = st;
	if ((st->buffer = malloc(BUFFER)) == NULL)
		r = VERR_NOMEM;
	else
		r = open_file(&st->fd);
	if (r != 0)
		upload_end(st, r);
	else
		stream_begin(st->stream);
	return 0;
}

/* Reading it */

static void
rewind_stage(struct stage *st)
{
	st->sent = 0;
	st->offset = 0;
	st->at = st->n = 0;
}

/*
 * Have more of the file in the buffer.  Returns 0, or VERR_IO: it is shorter
 * than what was written.
 */
static int
fill(struct stage *st)
{
	ssize_t got;

	memmove(st->buffer, st->buffer + st->at, st->n - st->at);
	st->n -= st->at;
	st->at = 0;
	do
		got = pread(
		    st->fd, st->buffer + st->n, BUFFER - st->n, st->offset);
	while (got < 0 && errno == EINTR);
	if (got <= 0)
		return VERR_IO;
	st->n += (size_t)got;
	st->offset += got;
	return 0;
}

/*
 * The next row; its body is in the buffer.  Returns 0, VERR_NOTFOUND at the
 * end, or VERR_IO.
 */
static int
next_row(void *arg, struct change *ret)
{
	struct stage *st = arg;
	struct slice rest;
	int r;

	if (st->sent == st->run.rows)
		return VERR_NOTFOUND;
	for (;;) {
		rest = slice_of(st->buffer + st->at, st->n - st->at);
		if (change_next(&rest, ret) == 0)
			break;
		if ((r = fill(st)) != 0)
			return r;
	}
	st->at = st->n - rest.n;
	st->sent++;
	return 0;
}

void
stage_resume(struct ledger *l)
{
	struct stage *st = l->stage;
	struct change c;
	int r = 0;

	if (st == NULL || !st->reading)
		return;
	while (channel_queued(l->keeper) < QUEUE_MAX &&
	    (r = next_row(st, &c)) == 0)
		channel_say(l->keeper, STAGE_ROW, .stage = st->id,
		    .id = slice_of(c.id, ROW_ID_LEN), .kind = c.kind,
		    .generation = c.generation, .body = c.body);
	if (r == 0)
		return;
	st->reading = 0;
	channel_say(l->keeper, STAGE_END, .stage = st->id,
	    .error = r == VERR_NOTFOUND ? 0 : (uint64_t)-r, .rows = st->sent);
}

int
on_stage_read(void *arg, const union record *m, int *fd)
{
	struct ledger *l = arg;
	struct stage *st = l->stage;

	(void)fd;
	if (st == NULL || st->id != m->STAGE_READ.stage || st->stream != NULL) {
		channel_say(l->keeper, STAGE_END, .stage = m->STAGE_READ.stage,
		    .error = (uint64_t)-VERR_NOTFOUND, .rows = 0);
		return 0;
	}
	if (st->reading)
		return VERR_FORBIDDEN;
	rewind_stage(st);
	st->reading = 1;
	stage_resume(l);
	return 0;
}

int
on_stage_drop(void *arg, const union record *m, int *fd)
{
	struct ledger *l = arg;
	struct stage *st = l->stage;

	(void)fd;
	if (st == NULL || st->id != m->STAGE_DROP.stage)
		return 0;
	if (st->stream != NULL)
		stream_fail(st->stream, REFUSED_STORE,
		    "the vault does not want it any more");
	stage_free(st);
	return 0;
}

int
stage_commit(struct ledger *l, struct slice changes)
{
	struct stage *st = l->stage;
	int r;

	if (st == NULL || st->stream != NULL || st->reading)
		return VERR_NOTFOUND;
	rewind_stage(st);
	r = store_replace(l->store, next_row, st, changes);
	if (r == 0)
		stage_free(st);
	return r;
}
