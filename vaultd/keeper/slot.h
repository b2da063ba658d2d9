/*
 * slot - a way to the root key, as LUKS has them: several at once, each made
 *	  and revoked by itself.
 *
 * What opens a slot comes to 64 bytes: a key, and a commitment to it
 *(XChaCha20- Poly1305 alone would open under keys that were made to fit; of a
 *passphrase an attacker may try many).  The commitment is compared before
 *anything is decrypted.
 *
 * WIRE		u8 format || u8 kind || u8 number || u8 0 || u32 epoch ||
 *		u64 created || vault id[16] || u32 passes || u32 memory ||
 *		salt[16] || name[32] || commitment[32] || nonce[24] ||
 *		AEAD(key, root || all that is before).  Little-endian.
 */
#ifndef KEEPER_SLOT_H
#define KEEPER_SLOT_H

#include <stdbool.h>

#include "protocol/slice.h"
#include "protocol/verr.h"

#define SLOTS_MAX     8
#define SLOT_KEY_LEN  64 /* key || commitment */
#define SLOT_FILE_LEN 32 /* of a key file or a credential */
#define SLOT_SALT_LEN 16
#define SLOT_NAME_MAX 32
#define SLOT_ID_LEN   16 /* of the vault */
#define SLOT_ROOT_LEN 64 /* what it opens: see struct keys */
#define SLOT_HEAD_LEN                                                          \
	(4 + 4 + 8 + SLOT_ID_LEN + 4 + 4 + SLOT_SALT_LEN + SLOT_NAME_MAX + 32)
#define SLOT_BODY_LEN (SLOT_HEAD_LEN + 24 + SLOT_ROOT_LEN + 16)

/* How a passphrase may be stretched: Argon2id (RFC 9106), by libsodium. */
#define SLOT_PASSES_MIN 2
#define SLOT_PASSES_MAX 20
#define SLOT_MEMORY_MIN (64U << 10) /* KiB */
#define SLOT_MEMORY_MAX (4U << 20)

enum slot_kind { SLOT_KEYFILE = 1, SLOT_PASSPHRASE, SLOT_CREDENTIAL };

/* What the store knows of a slot without its secret. */
struct slot {
	enum slot_kind kind;
	uint32_t number;  /* 0 to SLOTS_MAX - 1 */
	uint32_t epoch;   /* of the root key in it */
	uint64_t created; /* milliseconds since 1970 */
	uint8_t vault_id[SLOT_ID_LEN];
	uint32_t passes, memory;     /* a passphrase's, KiB; else 0 */
	uint8_t salt[SLOT_SALT_LEN]; /* a passphrase's; else 0 */
	char name[SLOT_NAME_MAX + 1];
};

/* "keyfile", "passphrase", "credential".  Returns 0 or VERR_NOTFOUND. */
const char *slot_kind_name(enum slot_kind kind);
MUST_CHECK
int slot_kind_parse(struct slice name, enum slot_kind *ret);

/*
 * The 64 bytes that "secret" comes to: of a file its SLOT_FILE_LEN bytes; of a
 * passphrase the 64 bytes that Argon2id made of it, in vaultctl.  "ret" is the
 * caller's to wipe.  Returns 0 or VERR_FORMAT: the length is another.
 */
MUST_CHECK
int slot_key(
    enum slot_kind kind, struct slice secret, uint8_t ret[static SLOT_KEY_LEN]);

/*
 * Put "root" into a slot that "key" opens.
 */
void slot_seal(const struct slot *s, const uint8_t key[static SLOT_KEY_LEN],
    const uint8_t root[static SLOT_ROOT_LEN],
    uint8_t ret_body[static SLOT_BODY_LEN]);

/*
 * Read what is not secret.  Returns 0 or VERR_FORMAT.
 */
MUST_CHECK
int slot_parse(struct slice body, struct slot *ret);

/*
 * Open a slot that slot_parse() takes: "ret_root" is the caller's, in the
 * arena.  Returns 0 or VERR_AUTH: another key, or damaged.
 */
MUST_CHECK
int slot_open(const uint8_t body[static SLOT_BODY_LEN],
    const uint8_t key[static SLOT_KEY_LEN],
    uint8_t ret_root[static SLOT_ROOT_LEN]);

#endif /* KEEPER_SLOT_H */
