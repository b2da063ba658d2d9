#include "vaultd/base/log.h"
#include "vaultd/ledger/ledger.h"

static void on_time(void *arg);

void
replay_begin(struct ledger *l)
{
	l->replay.fd = -1;
	l->replay_on = (struct timer){.on_time = on_time, .arg = l};
}

/*
 * Say where it ended.  If lines are missing or damaged this is before the end
 * of the log, and the keeper will not have it.
 */
static void
finish(struct ledger *l)
{
	l->replaying = 0;
	cursor_close(&l->replay);
	channel_say(l->keeper, REPLAY_END, .next = l->replay_seq);
}

static int
send_lines(struct ledger *l, struct slice lines)
{
	while (lines.n > 0) {
		const uint8_t *nl = memchr(lines.p, '\n', lines.n);
		size_t n = (size_t)(nl - lines.p);

		if (n > AUDIT_LINE_MAX)
			return VERR_FORMAT;
		if (l->replay_seq >= l->replay_from)
			channel_say(l->keeper, AUDIT_LINE, .seq = l->replay_seq,
			    .line = slice_of(lines.p, n));
		l->replay_seq++;
		lines = slice_of(nl + 1, lines.n - n - 1);
	}
	return 0;
}

/*
 * One block, then whatever else there is to do.
 */
static void
on_time(void *arg)
{
	struct ledger *l = arg;
	struct block b;
	int r;

	r = cursor_next(l->audit, &l->replay, cursor_end(l->audit), &b);
	if (r == 0 && b.lines.n == 0) {
		finish(l);
		return;
	}
	/* The names of the segments must agree with what is in them. */
	if (r == 0 && b.place.at == 0 &&
	    audit_segment_first(l->audit, b.place.segment) != l->replay_seq)
		r = VERR_FORMAT;
	if (r == 0)
		r = send_lines(l, b.lines);
	if (r != 0) {
		log_say(LOG_AUDIT_DAMAGED, l->replay_seq, 0, 0);
		finish(l);
		return;
	}
	replay_resume(l);
}

void
replay_resume(struct ledger *l)
{
	if (!l->replaying || channel_queued(l->keeper) > QUEUE_MAX)
		return;
	if (loop_timer(l->life.loop, &l->replay_on, 0) != 0)
		finish(l);
}

int
on_replay(void *arg, const union record *m, int *fd)
{
	struct ledger *l = arg;

	(void)fd;
	if (!l->loaded || l->replaying)
		return VERR_FORBIDDEN;
	append_flush(l);
	l->replaying = 1;
	l->replay_from = m->REPLAY.from;
	l->replay.place = cursor_find(l->audit, m->REPLAY.from);
	l->replay_seq = audit_segment_first(l->audit, l->replay.place.segment);
	replay_resume(l);
	return 0;
}
