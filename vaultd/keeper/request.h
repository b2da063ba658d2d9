/*
 * request - the main job: a worker's request, made with a credential that it
 *	     never sees.
 *
 *	begin -> rows -> decision, recorded -> courier -> order -> outcome
 */
#ifndef KEEPER_REQUEST_H
#define KEEPER_REQUEST_H

#include "vaultd/keeper/gate.h"

/*
 * Returns 0, whatever becomes of the request; an error is the gate's offence.
 */
MUST_CHECK
int request_begin(
    struct gate *g, struct session *s, const struct rec_REQUEST *m);

#endif /* KEEPER_REQUEST_H */
