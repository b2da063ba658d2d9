/*
 * What the keeper may ask of the kernel, beyond what every room needs.
 *
 * Absent on purpose, and tried at every start: open, socket, connect, execve,
 * clone, kill, ptrace; and recvmsg on any descriptor but the supervisor's, so
 * that no other peer can hand the keeper a descriptor.
 */
#include "vaultd/keeper/allowlist.h"

#include "vaultd/base/start.h"

/* clang-format off */
static const struct wall_rule rules[] = {
	ALLOW_IF(recvmsg,	"new rooms' channels, from the supervisor alone",
				SCMP_A0(SCMP_CMP_EQ, FD_SUPERVISOR)),
	ALLOW(getpid,		"libcrypto's random generator looks for a fork"),
};
/* clang-format on */

const struct walls keeper_walls = {
    .rules = rules,
    .nrules = sizeof(rules) / sizeof(rules[0]),
    .limits = {.nofile = 1024, .fsize = 0, .as = UINT64_C(8) << 30},
};
