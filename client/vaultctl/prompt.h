/*
 * prompt - a line from the person at the terminal.
 */
#ifndef VAULTCTL_PROMPT_H
#define VAULTCTL_PROMPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/verr.h"

/*
 * Ask on the terminal "tty" and read a line, without its newline, into the
 * "size" bytes at "buf" and nowhere else.  Without "echo" nothing that is typed
 * shows.  The terminal is as before on return, and before a signal that ends or
 * stops the process takes effect; after a stop it asks again.
 * Returns 0; VERR_TOOBIG; VERR_CLOSED at the end of input; or VERR_IO.
 */
MUST_CHECK
int prompt_read(int tty, const char *question, bool echo, uint8_t *buf,
    size_t size, size_t *ret_n);

#endif /* VAULTCTL_PROMPT_H */
