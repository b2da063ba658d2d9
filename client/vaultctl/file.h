/*
 * file - read a file whole, bounded.
 */
#ifndef VAULTCTL_FILE_H
#define VAULTCTL_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "protocol/verr.h"

/*
 * Read from "fd" to its end into the "size" bytes at "p", directly.  Returns 0,
 * VERR_TOOBIG if there is more, or VERR_IO with errno set.
 */
MUST_CHECK
int file_fill(int fd, void *p, size_t size, size_t *ret_n);

/*
 * Read the file at "path", at most "max" bytes, into *ret, which is the
 * caller's to free and ends with a NUL that is not counted.  Not for secrets.
 * Returns 0, VERR_NOMEM, VERR_TOOBIG, or VERR_IO with errno set.
 */
MUST_CHECK
int file_read(const char *path, size_t max, char **ret, size_t *ret_n);

/* What a failure of these is to be called; reads errno. */
const char *file_why(int r);

#endif /* VAULTCTL_FILE_H */
