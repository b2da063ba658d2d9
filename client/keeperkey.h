/*
 * keeperkey - whether keeper.pub can be trusted, and what it says.
 */
#ifndef CLIENT_KEEPERKEY_H
#define CLIENT_KEEPERKEY_H

#include <sys/stat.h>

#include "client/vaultclient.h"
#include "protocol/verr.h"

/*
 * Return NULL if a key file with the attributes "file" in a folder with the
 * attributes "folder" can be trusted, else a constant phrase that says why not.
 */
const char *keeperkey_distrust(
    const struct stat *file, const struct stat *folder);

/*
 * Read the key out of the "n" bytes of a file: one line of base64, with or
 * without its newline, and nothing else.  Returns 0, or VERR_FORMAT.
 */
MUST_CHECK
int keeperkey_parse(const char *text, size_t n, uint8_t ret_key[VAULT_KEY_LEN]);

/*
 * Read the key beside the socket at "path".  Returns 0, or a negative number
 * with *ret_error filled in.
 */
MUST_CHECK
int keeperkey_read(const char *path, uint8_t ret_key[VAULT_KEY_LEN],
    struct vault_error *ret_error);

#endif /* CLIENT_KEEPERKEY_H */
