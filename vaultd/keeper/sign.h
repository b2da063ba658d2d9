/*
 * sign - a signature for a client, with a key that it never sees.
 *
 *	begin -> rows -> scheme's prepare -> decision, recorded ->
 *	the key opened, the scheme run -> outcome, answer
 */
#ifndef KEEPER_SIGN_H
#define KEEPER_SIGN_H

#include "vaultd/keeper/gate.h"

struct signer; /* the keys that are kept open */

MUST_CHECK
int signer_new(struct keeper *k, struct signer **ret);

/*
 * The credential in the row "id" was replaced or removed; or, if it is NULL,
 * any may have been.
 */
void signer_forget(struct signer *sr, const uint8_t *id);

/*
 * Returns 0, whatever becomes of it; an error is the gate's offence.
 */
MUST_CHECK
int sign_begin(struct gate *g, struct session *s, const struct rec_SIGN *m);

#endif /* KEEPER_SIGN_H */
