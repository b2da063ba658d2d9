#include "vaultd/supervisor/gates.h"

#include <stdlib.h>
#include <string.h>

#include "vaultd/supervisor/house.h"
#include "vaultd/supervisor/identity.h"
#include "vaultd/supervisor/supervisor.h"

#define IDLE_MS     30000
#define BACKOFF_MIN 100
#define BACKOFF_MAX 5000

int
gates_admit(size_t total, size_t of_uid, int is_admin)
{
	if (is_admin)
		return total < GATES_MAX;
	return total < GATES_MAX - 1 && of_uid < GATES_MAX / 2;
}

static void
gate_free(struct gate *g)
{
	struct supervisor *s = g->sup;

	while (!LIST_EMPTY(&g->sessions))
		session_free(LIST_FIRST(&g->sessions));
	if (g->proc != NULL) {
		g->proc->gate = NULL;
		room_end(g->proc);
	}
	LIST_REMOVE(g, link);
	s->gates.count--;
	loop_timer_stop(s->loop, &g->idle);
	free(g->class);
	free(g);
}

static void
on_idle(void *arg)
{
	gate_free(arg);
}

static void
await_idle(struct gate *g)
{
	if (loop_timer(g->sup->loop, &g->idle, IDLE_MS) != 0)
		gate_free(g);
}

static struct gate *
find(struct supervisor *s, const uint8_t *class, size_t len)
{
	struct gate *g;

	LIST_FOREACH(g, &s->gates.list, link)
	if (g->class_len == len && memcmp(g->class, class, len) == 0)
		return g;
	return NULL;
}

static size_t
count_of(const struct supervisor *s, uint32_t uid)
{
	const struct gate *g;
	size_t n = 0;

	LIST_FOREACH(g, &s->gates.list, link)
	n += g->uid == uid;
	return n;
}

size_t
gates_connections(const struct supervisor *s, uint32_t uid)
{
	const struct gate *g;
	size_t n = 0;

	LIST_FOREACH(g, &s->gates.list, link)
	if (g->uid == uid)
		n += g->connections;
	return n;
}

/*
 * Make room: let a gate go that nobody is connected to.
 */
static void
evict(struct supervisor *s, const uint32_t *of_uid)
{
	struct gate *g, *found = NULL;

	LIST_FOREACH(g, &s->gates.list, link)
	if (g->connections == 0 && (of_uid == NULL || g->uid == *of_uid))
		found = g;
	if (found != NULL)
		gate_free(found);
}

static int
has_place(struct supervisor *s, const struct identity *id)
{
	int admin = identity_is_admin(id, s->admin_gid);

	if (gates_admit(s->gates.count, count_of(s, id->uid), admin))
		return 1;
	/* Who has as many as he may have makes room among his own. */
	evict(s, gates_admit(0, count_of(s, id->uid), admin) ? NULL : &id->uid);
	return gates_admit(s->gates.count, count_of(s, id->uid), admin);
}

static struct gate *
gate_new(struct supervisor *s, const struct identity *id, const uint8_t *class,
    size_t len)
{
	struct gate *g = calloc(1, sizeof(*g));

	if (g == NULL || (g->class = malloc(len)) == NULL) {
		free(g);
		return NULL;
	}
	memcpy(g->class, class, len);
	g->class_len = len;
	g->sup = s;
	g->uid = id->uid;
	g->idle = (struct timer){.on_time = on_idle, .arg = g};
	LIST_INIT(&g->sessions);
	LIST_INSERT_HEAD(&s->gates.list, g, link);
	s->gates.count++;
	return g;
}

static int
gate_start(struct gate *g)
{
	struct supervisor *s = g->sup;

	if (loop_now(s->loop) < g->not_before)
		return VERR_BUSY;
	return house_start_gate(s, g);
}

struct gate *
gate_for(struct supervisor *s, const struct identity *id)
{
	uint8_t class[CLASS_MAX];
	size_t len = identity_class(id, class);
	struct gate *g = find(s, class, len);

	if (g == NULL && has_place(s, id))
		g = gate_new(s, id, class, len);
	if (g == NULL || g->connections == GATE_CONNECTIONS)
		return NULL;
	if (g->proc == NULL && gate_start(g) != 0) {
		if (g->connections == 0)
			await_idle(g);
		return NULL;
	}
	return g;
}

void
gate_joined(struct gate *g)
{
	g->connections++;
	loop_timer_stop(g->sup->loop, &g->idle);
}

void
gate_left(struct gate *g)
{
	if (--g->connections == 0)
		await_idle(g);
}

void
gate_lost(struct gate *g)
{
	struct supervisor *s = g->sup;
	uint64_t lived = loop_now(s->loop) - g->proc->born;

	g->proc->gate = NULL;
	g->proc = NULL;
	if (lived > BACKOFF_MAX || g->delay == 0)
		g->delay = BACKOFF_MIN;
	else
		g->delay =
		    g->delay * 2 > BACKOFF_MAX ? BACKOFF_MAX : g->delay * 2;
	g->not_before = loop_now(s->loop) + g->delay;
	/* The last one that leaves sets the timer; "g" may then be gone. */
	for (size_t n = g->connections; n > 0; n--)
		session_end(LIST_FIRST(&g->sessions));
}

void
gates_forget(struct supervisor *s)
{
	struct gate *g, *next;

	for (g = LIST_FIRST(&s->gates.list); g != NULL; g = next) {
		next = LIST_NEXT(g, link);
		if (g->proc != NULL) {
			/* It answers what is in flight and what is on its way
			 * to it, then it goes. */
			if (g->proc->ch != NULL)
				channel_say(g->proc->ch, DRAIN, );
			room_expect_end(g->proc);
			g->proc->gate = NULL;
			g->proc = NULL;
		}
		gate_free(g);
	}
}
