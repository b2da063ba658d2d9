/*
 * unlock - what opens a key slot, on its way in: from a prompt, stdin or a
 *	    file, never from an argument.
 *
 * Its bytes, and the passphrase they may come of, are in locked memory, which
 * is wiped.  Call intake_guard() first.  Functions return STATUS_DONE, or what
 * to exit with, having said why.
 */
#ifndef VAULTCTL_UNLOCK_H
#define VAULTCTL_UNLOCK_H

#include "client/vaultctl/slots.h"

#define UNLOCK_PASSPHRASE_MAX 1024 /* bytes */
#define UNLOCK_PASSPHRASE_MIN 12   /* characters of a new one */

/* Zeroed is empty. */
struct unlock {
	uint8_t *bytes; /* NULL: none */
	size_t n;
};

/* Where it comes from; neither: a passphrase is asked for at the terminal. */
struct unlock_from {
	const char *file;
	bool in; /* stdin */
};

/* As --file and --stdin say. */
MUST_CHECK
int unlock_options(struct ctl *ctl, struct unlock_from *ret);

/* Wipes. */
void unlock_free(struct unlock *u);

/*
 * What opens "slot", which the vault has told of: refused if it asks for less
 * work than is safe, or for more than is reasonable.
 */
MUST_CHECK
int unlock_take(struct ctl *ctl, const struct slot *slot,
    const struct unlock_from *from, struct unlock *ret);

/*
 * A passphrase for a new slot, asked for twice, and the salt for it, which is
 * put into *stretch.
 */
MUST_CHECK
int unlock_new_passphrase(struct ctl *ctl, const struct unlock_from *from,
    struct stretch *stretch, struct unlock *ret);

/*
 * Make a key, and the new file "path" with it, mode 0600, on the disk.
 */
MUST_CHECK
int unlock_make_file(struct ctl *ctl, const char *path, struct unlock *ret);

/*
 * Is this a passphrase for a new slot?  NULL, or why not.
 */
const char *unlock_weakness(const uint8_t *passphrase, size_t n);

/*
 * The bytes that a passphrase becomes, by Argon2id.  Returns 0, VERR_FORBIDDEN
 * (less work than is safe), VERR_TOOBIG (more than is reasonable) or
 * VERR_NOMEM.
 */
MUST_CHECK
int unlock_stretch(const uint8_t *passphrase, size_t n,
    const struct stretch *stretch, uint8_t ret[static ACT_PASSPHRASE_LEN]);

#endif /* VAULTCTL_UNLOCK_H */
