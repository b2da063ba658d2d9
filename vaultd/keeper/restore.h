/*
 * restore - another store in place of this one: a backup's, of this vault or,
 *	     where that is said, of another.
 *
 *	act -> decision -> the ledger takes the upload beside its store ->
 *	its rows are read and held against their own super row -> one commit
 *
 * Until that commit nothing has changed.  The log goes on: the restored store
 * is sealed anew with the log as it is now, and with a generation above all
 * that there were, so that it is not taken for a rollback.
 */
#ifndef KEEPER_RESTORE_H
#define KEEPER_RESTORE_H

#include "vaultd/keeper/act.h"

/* For act_kinds.c. */
void restore_begin(struct act *act);
void restore_release(struct act *act);

/*
 * From the ledger.  Return 0, or VERR_FORBIDDEN and VERR_FORMAT: it was not
 * asked, or this is none of its answers.
 */
MUST_CHECK
int restore_staged(struct keeper *k, const struct rec_STAGED *m);
MUST_CHECK
int restore_row(struct keeper *k, const struct rec_STAGE_ROW *m);
MUST_CHECK
int restore_read(struct keeper *k, const struct rec_STAGE_END *m);

/* The ledger is gone, and with it what it was given. */
void restore_lost(struct keeper *k);

#endif /* KEEPER_RESTORE_H */
