#include "vaultd/base/log.h"
#include "vaultd/ledger/ledger.h"

static void on_flush(void *arg);
static void on_sync_time(void *arg);

void
append_begin(struct ledger *l)
{
	l->flush = (struct task){.run = on_flush, .arg = l};
	l->sync = (struct timer){.on_time = on_sync_time, .arg = l};
}

/*
 * The log takes no lines: say so once, and ignore what is under way.
 */
static void
refuse(struct ledger *l, int r)
{
	if (l->epoch_failed)
		return;
	l->epoch_failed = 1;
	channel_say(l->keeper, APPEND_FAILED, .epoch = l->epoch,
	    .seq = audit_flushed(l->audit), .error = (uint64_t)-r);
}

static void
flush(struct ledger *l, int sync)
{
	uint64_t synced = audit_synced(l->audit);
	uint64_t flushed = audit_flushed(l->audit);
	int lines = audit_next(l->audit) != flushed, r;

	l->sync_wanted = 0;
	loop_defer_stop(l->life.loop, &l->flush);
	if ((r = audit_flush(l->audit, sync)) != 0) {
		/* Where only syncing failed, the next line will hear of it. */
		if (lines)
			refuse(l, r);
		return;
	}
	if (audit_flushed(l->audit) != flushed ||
	    audit_synced(l->audit) != synced)
		channel_say(l->keeper, APPENDED, .epoch = l->epoch,
		    .next = audit_flushed(l->audit),
		    .synced = audit_synced(l->audit));
	if (audit_synced(l->audit) == audit_flushed(l->audit))
		loop_timer_stop(l->life.loop, &l->sync);
	else if (l->sync.slot == 0 &&
	    loop_timer(l->life.loop, &l->sync, SYNC_MS) != 0)
		log_say(LOG_NO_MEMORY, 0, 0, 0);
}

void
append_flush(struct ledger *l)
{
	if (audit_next(l->audit) != audit_flushed(l->audit))
		flush(l, l->sync_wanted || l->sync_every);
}

static void
on_flush(void *arg)
{
	append_flush(arg);
}

static void
on_sync_time(void *arg)
{
	flush(arg, 1);
}

/*
 * The keeper begins anew, behind what it knows to be confirmed.
 */
static void
new_epoch(struct ledger *l, uint64_t epoch)
{
	int r;

	append_flush(l);
	l->epoch = epoch;
	l->epoch_failed = 0;
	if ((r = audit_recover(l->audit)) != 0)
		refuse(l, r);
}

int
on_append(void *arg, const union record *m, int *fd)
{
	struct ledger *l = arg;
	const struct rec_APPEND *a = &m->APPEND;
	int r;

	(void)fd;
	if (!l->loaded || a->epoch < l->epoch)
		return VERR_FORBIDDEN;
	if (a->epoch > l->epoch)
		new_epoch(l, a->epoch);
	if (l->epoch_failed)
		return 0;
	if (a->seq != audit_next(l->audit))
		return VERR_FORMAT;
	r = audit_put(l->audit, a->line, (unsigned)a->flags);
	if (r == VERR_FORMAT)
		return r;
	if (r != 0) {
		append_flush(l);
		refuse(l, r);
		return 0;
	}
	if (a->flags & APPEND_SYNC)
		l->sync_wanted = 1;
	loop_defer(l->life.loop, &l->flush);
	return 0;
}
