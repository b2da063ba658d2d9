/*
 * inherit - listening sockets that a service manager made, as
 *	     sd_listen_fds(3) has them: named by the file that each is.
 */
#ifndef SUPERVISOR_INHERIT_H
#define SUPERVISOR_INHERIT_H

#include "protocol/verr.h"

/* Where they lie, in the order of enum face. */
#define FD_INHERITED 64

/*
 * Take note of them, and close every other descriptor above stderr.  First of
 * all that a process does.
 */
void inherit_begin(void);

/*
 * The socket that was made for "path", a socket called "name" in its folder.
 * Returns 0 with *ret_fd, or -1 there if none was given; or VERR_FORBIDDEN
 * with what is wrong with it in *ret_why.
 */
MUST_CHECK
int inherit_socket(
    const char *name, const char *path, int *ret_fd, const char **ret_why);

#endif /* SUPERVISOR_INHERIT_H */
