/*
 * doctor - what is wrong on this machine, and the command that mends it.
 *
 * A check looks at one thing and says what it found: once, or once for each
 * thing that is wrong.  It changes nothing, and goes on where it may not look.
 */
#ifndef VAULTCTL_DOCTOR_H
#define VAULTCTL_DOCTOR_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "client/vaultctl/ctl.h"

#define DOCTOR_TEXT_MAX 1024

enum grade {
	GRADE_OK,
	GRADE_WARN, /* it works, but less well than it could, or not for long */
	GRADE_FAIL,
};

struct doctor {
	struct ctl *ctl;
	const char *check; /* whose turn it is */
	bool failed;       /* one of them has */

	/* Files, as the config has them, else as they are by default. */
	char *config, *socket, *socket_dir, *state_dir, *key, *policy;
	char *socket_group, *admin_group; /* NULL: none is named */
	char *sandbox;                    /* NULL, or "relaxed" */
	uint32_t uid;                     /* whom vaultd runs as */

	/* What the vault says; NULL: nothing, or the caller may not ask. */
	bool answers;
	json_t *status, *profiles;
};

/*
 * Say what was found.  "mend" is a command or, where no command does it, what
 * to do; NULL: nothing is to be done.
 */
void doctor_say(struct doctor *d, enum grade grade, const char *mend,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/*
 * Read the config at d->config into *d.  Returns 0; VERR_NOTFOUND or VERR_IO
 * with errno; or VERR_FORMAT with three lines in "why".
 */
MUST_CHECK
int doctor_read_config(struct doctor *d, char why[static DOCTOR_TEXT_MAX]);

/* How vaultd is started and given new settings here. */
const char *doctor_start(const struct doctor *d);

/* The checks. */
void doctor_config(struct doctor *d);
void doctor_files(struct doctor *d);
void doctor_key(struct doctor *d);
void doctor_users(struct doctor *d);
void doctor_state(struct doctor *d);
void doctor_socket(struct doctor *d);
void doctor_keeper_key(struct doctor *d);
void doctor_vault(struct doctor *d);
void doctor_walls(struct doctor *d);
void doctor_profiles(struct doctor *d);
void doctor_kernel(struct doctor *d);
void doctor_limits(struct doctor *d);
void doctor_clock(struct doctor *d);

#endif /* VAULTCTL_DOCTOR_H */
