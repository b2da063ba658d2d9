/*
 * ask - questions: whoami, status, catalog, profiles, explain, audit, nonce.
 */
#ifndef KEEPER_ASK_H
#define KEEPER_ASK_H

#include "vaultd/keeper/gate.h"

/*
 * Returns 0, whatever the answer; an error is the gate's offence.
 */
MUST_CHECK
int ask_begin(struct gate *g, struct session *s, const struct rec_ASK *m);

#endif /* KEEPER_ASK_H */
