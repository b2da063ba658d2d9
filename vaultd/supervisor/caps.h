/*
 * caps - the capabilities of root, without libcap.
 */
#ifndef SUPERVISOR_CAPS_H
#define SUPERVISOR_CAPS_H

#include <linux/capability.h>
#include <stdint.h>

#define CAP_BIT(cap) (UINT64_C(1) << (cap))

/*
 * Lower the bounding set of this process to "keep": nothing that it executes
 * can gain more.  A no-op without the right to.  Returns 0, or -1 with errno.
 */
int caps_bound(uint64_t keep);

/*
 * Keep only those of the present capabilities that are in "keep".
 * Returns 0, or -1 with errno.
 */
int caps_keep(uint64_t keep);

#endif /* SUPERVISOR_CAPS_H */
