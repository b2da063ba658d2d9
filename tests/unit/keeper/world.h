/*
 * world - a keeper in a test: its channel to a supervisor, its locked memory,
 *	   and what main.c would do.
 */
#ifndef TESTS_UNIT_KEEPER_WORLD_H
#define TESTS_UNIT_KEEPER_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sodium.h>

#include "tests/unit/base/peer.h"
#include "vaultd/base/log.h"
#include "vaultd/keeper/audit.h"
#include "vaultd/keeper/dispatch.h"
#include "vaultd/keeper/link.h"
#include "vaultd/keeper/rows.h"
#include "vaultd/keeper/session.h"
#include "vaultd/keeper/texts.h"

#define WORLD_TIME UINT64_C(1763830431123) /* 2025-11-22T16:53:51.123Z */

static struct {
	size_t ready;
	size_t refusals;
	char refusal[1024]; /* the last sentence */
} world;

/* In place of main.c: */

uint64_t
keeper_time(void)
{
	return WORLD_TIME;
}

void
keeper_ready(struct keeper *k)
{
	(void)k;
	world.ready++;
}

void
keeper_refuses(struct keeper *k, const char *sentence)
{
	(void)k;
	world.refusals++;
	strncpy(world.refusal, sentence, sizeof(world.refusal) - 1);
}

const struct catalog_entry *
keeper_system(const struct keeper *k, struct slice name)
{
	(void)k, (void)name;
	return NULL;
}

static inline void
world_log(const struct log_record *rec)
{
	(void)rec;
}

/* Once a test binary. */
static inline int
world_memory(void **state)
{
	enum secret_kind kind;

	(void)state;
	log_sink = world_log;
	return sodium_init() < 0 ? -1 : secret_init(4 << 20, &kind);
}

/*
 * A keeper and the supervisor's end of its channel.  Keepers are never freed,
 * as in life; they stay reachable, so that what is lost on the way shows.
 */
static inline struct keeper *
world_keeper(int *ret_supervisor)
{
	static struct keeper *all[256];
	static size_t n;
	struct keeper *k = calloc(1, sizeof(*k));
	int sv[2];

	assert_non_null(k);
	assert_true(n < sizeof(all) / sizeof(all[0]));
	all[n++] = k;
	memset(&world, 0, sizeof(world));
	k->life.room = ROOM_KEEPER;
	assert_int_equal(loop_new(&k->life.loop), 0);
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	assert_int_equal(
	    channel_new(k->life.loop, sv[0], ROOM_KEEPER, ROOM_SUPERVISOR,
	        CHANNEL_TAKES_FD, &supervisor_ops, k, &k->life.supervisor),
	    0);
	assert_int_equal(sessions_new(&k->sessions), 0);
	k->key_file = secret_alloc(KEY_LEN);
	assert_non_null(k->key_file);
	memset(k->key_file, 0x4b, KEY_LEN);
	*ret_supervisor = sv[1];
	return k;
}

#endif /* TESTS_UNIT_KEEPER_WORLD_H */
