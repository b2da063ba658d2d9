/*
 * keeper - the room that has the keys and decides.
 *
 * What the files of this folder share.  A thing is defined where it is worked
 * on: sessions in session.h, rows in rows.h, the audit log in audit.h.
 */
#ifndef KEEPER_KEEPER_H
#define KEEPER_KEEPER_H

#include "policy/catalog.h"
#include "policy/policy.h"
#include "protocol/refusal.h"
#include "vaultd/base/start.h"
#include "vaultd/keeper/index.h"
#include "vaultd/keeper/keys.h"
#include "vaultd/keeper/names.h"

#define SYSTEMS_MAX 512
#define STATES_MAX  256

struct audit;
struct couriers;
struct links;
struct rows;
struct sessions;
struct texts;

/* A room as the supervisor sees it, for "status". */
struct room_state {
	uint32_t room, number, pid, uid, up, walls, absent, proofs, starts;
	uint64_t since; /* milliseconds since 1970 */
};

/* What the supervisor's texts amount to, replaced as a whole. */
struct rules {
	struct names *names;
	struct policy *policy;
	struct catalog_entry *systems[SYSTEMS_MAX];
	size_t nsystems;
};

struct keeper {
	struct room_life life;
	struct rules rules;
	struct keys *keys;
	struct rows *rows;
	struct links *links;
	struct audit *audit;
	struct sessions *sessions;
	struct couriers *couriers;
	struct texts *texts;
	struct room_state states[STATES_MAX];
	size_t nstates;
	uint8_t public_key[KEY_LEN]; /* keeper.pub */
	uint8_t *secret_key;         /* its other half, in the arena */
	uint8_t *key_file;           /* until the hierarchy is open */
	bool loaded; /* the store is open and the log replayed */
	bool ruled;  /* the texts were accepted once */
	bool ready;
	bool draining;
	struct timer drain; /* until the orders that are out have ended */
	uint64_t drain_until;
	uint64_t since;
};

/*
 * The system called "name", or NULL.  Borrowed until the next reload.
 */
const struct catalog_entry *keeper_system(
    const struct keeper *k, struct slice name);

/*
 * Say KEEPER_READY once everything is there.
 */
void keeper_ready(struct keeper *k);

/*
 * Refuse to serve: the supervisor prints the sentence and ends vaultd.
 */
void keeper_refuses(struct keeper *k, const char *sentence);

/* Milliseconds since 1970, of CLOCK_REALTIME. */
uint64_t keeper_time(void);

#endif /* KEEPER_KEEPER_H */
