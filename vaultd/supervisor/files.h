/*
 * files - the few files that vaultd reads by itself, and whom it trusts to
 *	   have written them.
 */
#ifndef SUPERVISOR_FILES_H
#define SUPERVISOR_FILES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "protocol/slice.h"
#include "protocol/verr.h"

#define WHY_MAX  4352 /* a sentence with a path in it */
#define KEY_SIZE 32   /* bytes of the key file */

enum file_trust {
	TRUST_ANY,    /* files of the system, and those built with vaultd */
	TRUST_CONFIG, /* root's or ours, writable by no other */
	TRUST_SECRET, /* and readable by no other */
	TRUST_FOLDER, /* a folder: root's or ours, writable by no other */
};

/*
 * May what "st" describes be relied on by a process of user "me"?
 * Returns NULL, or what is wrong with it: "is writable by its group".
 */
const char *file_distrust(
    const struct stat *st, enum file_trust trust, uint32_t me);

/*
 * Open "path" to read it, without following a link in place of a secret.
 * Returns the descriptor, or -1 with a sentence in "why".
 */
int file_open(const char *path, enum file_trust trust, char why[WHY_MAX]);

/*
 * Read the whole of "path" into memory that the caller frees; *ret_bytes has
 * a NUL behind its last byte.  At most LEX_TEXT_MAX bytes.
 * Returns 0, VERR_NOTFOUND if there is no such file, or VERR_IO; then with a
 * sentence in "why".
 */
MUST_CHECK
int file_read(const char *path, enum file_trust trust, uint8_t **ret_bytes,
    size_t *ret_len, char why[WHY_MAX]);

/*
 * Open the key file: a regular file of KEY_SIZE bytes that nobody else can
 * read.  Its bytes are not read.  Returns the descriptor, or -1 with a
 * sentence in "why".
 */
int file_open_key(const char *path, char why[WHY_MAX]);

/*
 * Make the folder "path" if need be, give it to "uid" and "gid" if they are
 * not -1, and require that no other can write to it.
 * Returns 0, or VERR_IO with a sentence in "why".
 */
MUST_CHECK
int file_make_folder(
    const char *path, mode_t mode, int64_t uid, int64_t gid, char why[WHY_MAX]);

#endif /* SUPERVISOR_FILES_H */
