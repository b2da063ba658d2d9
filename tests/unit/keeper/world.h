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
#include <linux/memfd.h>
#include <sodium.h>
#include <sys/syscall.h>

#include "tests/unit/base/peer.h"
#include "vaultd/base/log.h"
#include "vaultd/base/secret.h"
#include "vaultd/keeper/audit.h"
#include "vaultd/keeper/dispatch.h"
#include "vaultd/keeper/link.h"
#include "vaultd/keeper/rows.h"
#include "vaultd/keeper/session.h"
#include "vaultd/keeper/slots.h"
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

/* What the next keeper is given to open key slots with; NULL: nothing. */
static const uint8_t world_key_file[] = "the thirty-two bytes of a file..";
static struct {
	const uint8_t *key_file, *credential;
} given = {world_key_file, NULL};

/*
 * A descriptor that gives so many bytes, or -1 if there are none to be given.
 */
static inline int
world_file(const uint8_t *p, size_t n)
{
	int fd;

	if (p == NULL)
		return -1;
	fd = (int)syscall(SYS_memfd_create, "given", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, p, n), n);
	return fd;
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
	assert_int_equal(
	    slots_new(world_file(given.key_file, SLOT_FILE_LEN),
	        world_file(given.credential, SLOT_FILE_LEN), &k->slots),
	    0);
	*ret_supervisor = sv[1];
	return k;
}

/*
 * The same root key, but of another vault, and of another epoch if that is not
 * 0: what an attacker has who knows how to put his id into a slot.
 */
static inline struct keys *
world_other_vault(const struct keys *keys, uint32_t epoch)
{
	uint8_t key[SLOT_KEY_LEN] = {1}, body[SLOT_BODY_LEN], *root;
	struct slot s = {.kind = SLOT_KEYFILE};
	struct keys *other = NULL;

	keys_seal_slot(keys, &s, key, body);
	root = secret_alloc(SLOT_ROOT_LEN);
	assert_non_null(root);
	assert_int_equal(slot_open(body, key, root), 0);
	if (epoch != 0)
		s.epoch = epoch;
	else
		s.vault_id[SLOT_ID_LEN - 1] ^= 0x80;
	slot_seal(&s, key, root, body);
	secret_free(root);
	assert_int_equal(keys_open(body, key, &other), 0);
	return other;
}

#endif /* TESTS_UNIT_KEEPER_WORLD_H */
