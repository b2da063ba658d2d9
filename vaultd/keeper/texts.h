/*
 * texts - policy, catalog and names as the supervisor reads them from disk.
 *
 * A set comes in pieces and takes force as a whole, or not at all.
 */
#ifndef KEEPER_TEXTS_H
#define KEEPER_TEXTS_H

#include "vaultd/keeper/keeper.h"

MUST_CHECK
int texts_new(struct texts **ret);

/*
 * One piece.  Returns 0, VERR_NOMEM, VERR_TOOBIG, or VERR_FORMAT: it does not
 * follow the piece before it.
 */
MUST_CHECK
int texts_piece(struct texts *t, const struct rec_TEXT *m);

/*
 * The set is complete: parse it, replace k->rules or leave them, and tell the
 * supervisor which, with the place and reason of an error.
 */
void texts_apply(struct keeper *k, uint64_t set);

#endif /* KEEPER_TEXTS_H */
