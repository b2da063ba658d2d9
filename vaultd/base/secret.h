/*
 * secret - the only allocator for bytes that must not leak.
 *
 * One arena of locked pages per process, from memfd_secret(2) where the kernel
 * has it (the pages then leave the kernel's own map, too), else an anonymous
 * mapping with mlock(2), MADV_DONTDUMP and MADV_WIPEONFORK.  One arena and not
 * a guarded mapping per secret: sodium_malloc() spends four mappings each and
 * ends at some 16,000 of them.  Inaccessible pages lie on both sides of it.
 *
 * Freeing always wipes; there is no other free.  Not for several threads.
 */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include <stddef.h>
#include <stdint.h>

#include "protocol/verr.h"

enum secret_kind { SECRET_MEMFD, SECRET_MLOCK };

/*
 * Make the arena, "size" bytes; before the walls.  Returns 0 and what it was
 * made of, or VERR_NOMEM: the pages could not be locked (RLIMIT_MEMLOCK).
 */
MUST_CHECK
int secret_init(size_t size, enum secret_kind *ret_kind);

/*
 * Return "len" zeroed bytes of the arena, or NULL when it is full.
 */
uint8_t *secret_alloc(size_t len);

/*
 * Wipe and release "p".  NULL is a no-op.
 */
void secret_free(void *p);

#endif /* BASE_SECRET_H */
