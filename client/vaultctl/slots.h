/*
 * slots - the key slots of the vault, as it tells of them.
 */
#ifndef VAULTCTL_SLOTS_H
#define VAULTCTL_SLOTS_H

#include "client/vaultctl/ctl.h"
#include "protocol/act.h"

#define SLOTS_MAX      32
#define SLOTS_NAME_MAX 160

enum slot_kind {
	SLOT_KEYFILE,
	SLOT_PASSPHRASE,
	SLOT_CREDENTIAL,
	SLOT_OTHER, /* of a newer vault */
};

/* What a passphrase becomes, and at what price. */
struct stretch {
	uint64_t passes;
	uint64_t memory; /* KiB */
	uint8_t salt[ACT_SALT_LEN];
};

struct slot {
	uint64_t number;
	char digits[24]; /* the same */
	enum slot_kind kind;
	bool unlocked;             /* the keeper can open it by itself */
	struct stretch stretch;    /* of a passphrase */
	char name[SLOTS_NAME_MAX]; /* for people, harmless: slot 2 (...) */
};

struct slots {
	size_t n;
	struct slot slot[SLOTS_MAX];
};

/* SLOT_OTHER if there is none of this name. */
enum slot_kind slot_kind(const char *name);

/*
 * Read a row of the answer.  Returns 0 or VERR_FORMAT.
 */
MUST_CHECK
int slot_parse(json_t *row, struct slot *ret);

/*
 * Connect, and ask for all.  Returns STATUS_DONE, or what to exit with, having
 * said why.
 */
MUST_CHECK
int slots_ask(struct ctl *ctl, struct slots *ret);

/*
 * The slot with the number in the "n" bytes of "text": STATUS_DONE, or what to
 * exit with, having said why.
 */
MUST_CHECK
int slots_find(struct ctl *ctl, const struct slots *slots, const char *text,
    size_t n, const struct slot **ret);

#endif /* VAULTCTL_SLOTS_H */
