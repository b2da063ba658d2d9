/*
 * gate - what one gate holds: the connections of one principal class, what
 *	  they have asked, and the channels on which it is answered.
 */
#ifndef GATE_GATE_H
#define GATE_GATE_H

#include <sys/queue.h>

#include "vaultd/base/start.h"

#define GATE_CONNS_MAX 2048
#define GATE_CALLS_MAX 2048 /* under way at once; two descriptors each */
#define GATE_BUCKETS   1024

struct call;
struct conn;
struct lane;
struct stream;
TAILQ_HEAD(idle_list, stream);

struct gate {
	struct room_life life;
	struct channel *keeper; /* NULL once it is gone */
	struct conn *conns;
	size_t conn_count;
	struct call *calls[GATE_BUCKETS]; /* by number */
	size_t call_count;
	uint64_t call_last; /* the last number given; they never repeat */
	struct lane *lanes;
	struct call *waits, **waits_last; /* for a lane; oldest first */
	struct idle_list idle;            /* streams; the oldest last */
	size_t idle_count;
	struct timer idle_timer;
	size_t gluts; /* connections that hold the keeper's answers up */
	int draining; /* nothing new is begun */
	int ending;   /* the keeper is gone: write what there is, and exit */
	int told;     /* to drain: no connection is on its way here any more */
	struct task end_task;
	struct timer end_timer;
};

/* A gate "g" as it begins. */
#define GATE_INITIAL(g)                                                        \
	{                                                                      \
		.waits_last = &(g).waits,                                      \
		.idle = TAILQ_HEAD_INITIALIZER((g).idle)                       \
	}

/* Of the channels to the supervisor and to the keeper; arg: the gate. */
extern const struct channel_ops gate_supervisor_ops, gate_keeper_ops;

extern const struct walls gate_walls;

/*
 * Look, at the end of this round, whether this gate's life is over.
 */
void gate_look(struct gate *g);

#endif /* GATE_GATE_H */
