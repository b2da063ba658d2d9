/*
 * walls - confine this process for the rest of its life, and prove it.
 *
 * Each room owns one table, in <room>/allowlist.c; the table is the review
 * surface, this file the mechanism.  The default is SECCOMP_RET_TRAP: the call
 * is never executed.  While the walls are being proved the SIGSYS handler
 * counts the refusal; afterwards it logs the call and exits with 31.
 */
#ifndef BASE_WALLS_H
#define BASE_WALLS_H

#include <stddef.h>
#include <stdint.h>

#include <seccomp.h>

#include "protocol/verr.h"

#define WALLS_EXIT 31 /* exit status of a room whose wall tripped */

enum wall_index {
#define WALL(name, required, text) name##_INDEX,
#include "vaultd/base/walls.def"
#undef WALL
	WALL_COUNT,
};

enum wall {
#define WALL(name, required, text) name = 1 << name##_INDEX,
#include "vaultd/base/walls.def"
#undef WALL
};

struct wall_info {
	const char *text;
	int required;
};

extern const struct wall_info walls_info[WALL_COUNT];

enum wall_act {
#define ACT(name, call, a, b, c, d, words) name,
#include "vaultd/base/acts.def"
#undef ACT
	ACT_COUNT,
};

/* One act as a bit of a room's "may" set. */
#define MAY(act) (UINT64_C(1) << (act))

_Static_assert(ACT_COUNT <= 64, "acts fit a set");

struct act_info {
	const char *words;
	long nr;
	long arg[4];
};

extern const struct act_info acts_info[ACT_COUNT];

struct wall_rule {
	int sys;
	const char *name;
	const char *why;
	int error; /* 0: allowed; else the call fails with this errno */
	unsigned narg;
	struct scmp_arg_cmp arg[3];
};

/* clang-format off */
#define ALLOW(n, why)		    { SCMP_SYS(n), #n, why, 0, 0, { { 0 } } }
#define ALLOW_IF(n, why, c)	    { SCMP_SYS(n), #n, why, 0, 1, { c } }
#define ALLOW_IF2(n, why, c1, c2)   { SCMP_SYS(n), #n, why, 0, 2, { c1, c2 } }
#define ALLOW_IF3(n, why, c1, c2, c3) { SCMP_SYS(n), #n, why, 0, 3, { c1, c2, c3 } }
#define ANSWER(n, errno_, why)	    { SCMP_SYS(n), #n, why, errno_, 0, { { 0 } } }
/* clang-format on */

/* What every room needs to live: memory, time, its channels. */
extern const struct wall_rule walls_common[];
extern const size_t walls_common_len;

/* A path that Landlock leaves open, and for what (LANDLOCK_ACCESS_FS_*). */
struct wall_path {
	const char *path;
	uint64_t access;
};

struct wall_limits {
	uint64_t nofile;
	uint64_t fsize;
	uint64_t as; /* address space, bytes */
};

struct walls {
	const struct wall_rule *rules;
	size_t nrules;
	uint64_t may; /* MAY() of the acts that it is allowed */
	struct wall_limits limits;
	const struct wall_path *paths; /* may be NULL */
	size_t npaths;
	int tcp_connect; /* leave TCP connect open to Landlock */
	int signals;     /* leave signals to others open to Landlock */
};

struct walls_report {
	uint32_t up;     /* enum wall bits */
	uint32_t idle;   /* would protect nothing in this process */
	uint32_t absent; /* neither: not had from this kernel, or not here */
	uint32_t proofs; /* acts tried and refused */
};

/*
 * First half: limits, not dumpable, no new privileges, Landlock.  Threads are
 * started after it (Landlock binds the caller and its children alone) and
 * before the second half.  Records in "rep" what stands and what is absent.
 */
void walls_landlock(const struct walls *w, struct walls_report *rep);

/*
 * Second half: the filter, for all threads, then the proof.
 * Returns 0, or VERR_INTERNAL: some act was let through, or the filter could
 * not be loaded; it has been logged, and the caller must exit.
 */
MUST_CHECK
int walls_seccomp(const struct walls *w, struct walls_report *rep);

/*
 * Fill in rep->absent, and return the required walls that are missing, as enum
 * wall bits.
 */
uint32_t walls_missing(struct walls_report *rep);

#endif /* BASE_WALLS_H */
