/*
 * What a gate may ask of the kernel, beyond walls_common.
 */
#include <sys/socket.h>

#include "vaultd/gate/gate.h"

/* clang-format off */
static const struct wall_rule rules[] = {
	ALLOW(recvmsg,		"clients, with credentials; lanes and connections from the supervisor"),
	ALLOW(shutdown,		"conn_finish(): no reset over bytes not read"),
	ALLOW_IF(socketpair,	"stream_get(): the two ends of a request's stream",
	    SCMP_A0(SCMP_CMP_EQ, AF_UNIX, 0)),
};
/* clang-format on */

const struct walls gate_walls = {
    .rules = rules,
    .nrules = sizeof(rules) / sizeof(rules[0]),
    .may = MAY(ACT_RECEIVE) | MAY(ACT_SOCKETPAIR),
    .limits = {.nofile = 8192, .fsize = 0, .as = UINT64_C(1) << 30},
};
