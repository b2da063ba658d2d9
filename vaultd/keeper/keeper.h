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
struct restore;
struct rows;
struct sessions;
struct signer;
struct slots;
struct sweep;
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
	struct slots *slots;
	struct keys *keys; /* NULL while the vault is sealed */
	uint64_t key_life; /* how often other keys came into force */
	struct sweep *sweep;
	struct signer *signer;
	struct restore *restore;
	uint64_t unseal_after; /* keeper_time() of the next try */
	unsigned unseal_failures;
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
	uint64_t accepted;           /* --accept-rollback: a generation, or 0 */
	bool loaded; /* the store is open and the log replayed */
	bool ruled;  /* the texts were accepted once */
	bool ready;
	bool draining;
	bool sealing;       /* an admin has said so: this process ends */
	struct timer drain; /* until the orders that are out have ended */
	uint64_t drain_until;
	uint64_t since;
};

/* What is said to all who ask a sealed vault for what it cannot do. */
#define KEEPER_SEALED_TEXT "the vault is sealed (vaultctl unseal)"

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

/*
 * True while there are no keys to serve with.
 */
static inline bool
keeper_is_sealed(const struct keeper *k)
{
	return k->keys == NULL || k->sealing;
}

/* Milliseconds since 1970, of CLOCK_REALTIME. */
uint64_t keeper_time(void);

#endif /* KEEPER_KEEPER_H */
