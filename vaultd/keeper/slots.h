/*
 * slots - the key slots of this vault, and what the keeper was given to open
 *	   them with.
 *
 * SECRETS	the keys of slots that were opened, and of the files that were
 *		handed over at start, lie in the arena until the process ends:
 *		with them the root can be replaced without asking again.
 */
#ifndef KEEPER_SLOTS_H
#define KEEPER_SLOTS_H

#include "vaultd/keeper/json.h"
#include "vaultd/keeper/keys.h"

struct slots;

/*
 * Read what was handed over: the key file and the credential, each at most
 * SLOT_FILE_LEN bytes; a descriptor that is not open or gives nothing is none.
 * Returns 0, VERR_NOMEM, or VERR_FORMAT: another length.
 */
MUST_CHECK
int slots_new(int key_file, int credential, struct slots **ret);

/*
 * Another set of slots, to be opened with the same files: those of a backup.
 * Returns 0 or VERR_NOMEM.  slots_free() wipes; NULL is a no-op.
 */
MUST_CHECK
int slots_like(const struct slots *ss, struct slots **ret);
void slots_free(struct slots *ss);

/* Forget the slots, not the files: a ledger tells anew. */
void slots_clear(struct slots *ss);

/*
 * A slot as the store has it, or as it was committed; "body" NULL removes it.
 * Returns 0 or VERR_FORMAT.
 */
MUST_CHECK
int slots_set(struct slots *ss, struct slice body);
void slots_remove(struct slots *ss, uint32_t number);

/* The slot "number", or NULL.  Borrowed until it is changed. */
const struct slot *slots_get(const struct slots *ss, uint32_t number);
/* The vault's identity, by the first slot; there is one. */
const uint8_t *slots_vault_id(const struct slots *ss);
size_t slots_count(const struct slots *ss);

/* The lowest number that is free, or SLOTS_MAX. */
uint32_t slots_free_number(const struct slots *ss);

/*
 * Open the hierarchy with the files.  Returns 0, VERR_NOMEM, VERR_NOTFOUND:
 * they open none; there may be one that a person can.
 */
MUST_CHECK
int slots_open(struct slots *ss, struct keys **ret);

/*
 * The same with the keys that "known" has of slots under the same numbers: a
 * backup of the same vault opens with what this one was opened with.
 */
MUST_CHECK
int slots_open_as(
    struct slots *ss, const struct slots *known, struct keys **ret);

/*
 * Open slot "number" with the secret that somebody gave (slot_key()).
 * Returns 0, VERR_NOMEM, VERR_NOTFOUND, VERR_FORMAT or VERR_AUTH.
 */
MUST_CHECK
int slots_unseal(
    struct slots *ss, uint32_t number, struct slice secret, struct keys **ret);

/*
 * What a key file's slot, and a credential's, is made from: the key of the file
 * of "kind" that was handed over, or NULL.
 */
const uint8_t *slots_file(const struct slots *ss, enum slot_kind kind);

/*
 * The key of slot "number", if it is known, or NULL; and to make it known, as
 * it was just used to seal or open that slot.  Returns 0 or VERR_NOMEM.
 */
const uint8_t *slots_key(const struct slots *ss, uint32_t number);
MUST_CHECK
int slots_learn(
    struct slots *ss, uint32_t number, const uint8_t key[static SLOT_KEY_LEN]);

/*
 * True if a restart would open "number" without a person.
 */
bool slots_is_unattended(const struct slots *ss, uint32_t number);

/* True if the file of "kind" opens a slot. */
bool slots_file_fits(const struct slots *ss, enum slot_kind kind);

/* One row of "key slot list". */
void slots_json(const struct slots *ss, uint32_t number, struct json *j);

#endif /* KEEPER_SLOTS_H */
