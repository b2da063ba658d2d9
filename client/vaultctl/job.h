/*
 * job - the vault's own work, which goes on after the act that began it.
 */
#ifndef VAULTCTL_JOB_H
#define VAULTCTL_JOB_H

#include "client/vaultctl/ctl.h"

#define JOB_TEXT_MAX 192

/* Is this row of the status of that kind? */
bool job_row_is(json_t *row, const char *kind);

/* What a job's row says, in words; harmless. */
void job_words(json_t *row, char out[static JOB_TEXT_MAX]);

/*
 * Wait until the vault has no such job any more, with progress on a terminal.
 * "customer" may be NULL.  Returns STATUS_DONE, or what to exit with, having
 * said that the vault goes on.
 */
MUST_CHECK
int job_follow(struct ctl *ctl, const char *job, const char *customer);

#endif /* VAULTCTL_JOB_H */
