/*
 * pub - keeper.pub, the key that clients seal for.
 */
#ifndef SUPERVISOR_PUB_H
#define SUPERVISOR_PUB_H

#include <stddef.h>
#include <stdint.h>

#include "protocol/verr.h"

struct supervisor;

#define PUB_KEY    32
#define PUB_BASE64 44

/*
 * Write the keeper's public key beside the sockets, so that a reader sees the
 * old file or the new one.  Returns 0, or VERR_IO; it has been logged.
 */
MUST_CHECK
int pub_write(struct supervisor *s);

void pub_remove(struct supervisor *s);

/*
 * RFC 4648 section 4, with its padding and without a NUL.
 */
void pub_base64(const uint8_t key[PUB_KEY], char ret[PUB_BASE64]);

#endif /* SUPERVISOR_PUB_H */
