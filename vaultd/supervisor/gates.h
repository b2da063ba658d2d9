/*
 * gates - one per principal class, started when its first client comes.
 */
#ifndef SUPERVISOR_GATES_H
#define SUPERVISOR_GATES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "vaultd/base/loop.h"

struct supervisor;
struct room_proc;
struct session;
struct identity;

#define GATES_MAX        64
#define GATE_CONNECTIONS 2048

struct gate {
	struct supervisor *sup;
	uint32_t uid;
	uint8_t *class; /* identity_class() */
	size_t class_len;
	struct room_proc *proc; /* NULL: died; kept for its back-off */
	size_t connections;
	uint64_t delay;      /* back-off after a death, milliseconds */
	uint64_t not_before; /* loop_now() */
	struct timer idle;
	LIST_HEAD(, session) sessions;
	LIST_ENTRY(gate) link;
};

struct gates {
	size_t count;
	LIST_HEAD(, gate) list;
};

/*
 * May a gate be made where there are "total", "of_uid" of them for the same
 * user?  One is kept for admins, and no user has more than half.
 */
int gates_admit(size_t total, size_t of_uid, int is_admin);

/*
 * How many connections has the user "uid", over all gates?
 */
size_t gates_connections(const struct supervisor *s, uint32_t uid);

/*
 * Find or start the gate of the class of "id".  Returns NULL if there may be
 * none now, or none with another connection.
 */
struct gate *gate_for(struct supervisor *s, const struct identity *id);

/*
 * "g" has one connection more, or less; without any it ends after a while.
 */
void gate_joined(struct gate *g);
void gate_left(struct gate *g);

/*
 * The process of "g" is lost: its sessions end.
 */
void gate_lost(struct gate *g);

/*
 * Let every gate go with its sessions: the keeper they spoke to is gone.
 */
void gates_forget(struct supervisor *s);

#endif /* SUPERVISOR_GATES_H */
