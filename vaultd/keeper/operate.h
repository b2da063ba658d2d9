/*
 * operate - acts upon the vault itself: unseal, seal, key slots, the rotation
 *	     and destruction of keys.
 *
 *	checks -> decision -> (rows) -> commit -> outcome; a sweep may follow
 */
#ifndef KEEPER_OPERATE_H
#define KEEPER_OPERATE_H

#include "vaultd/keeper/act.h"

/* For act_kinds.c. */
void operate_begin(struct act *act);
void operate_release(struct act *act);

#endif /* KEEPER_OPERATE_H */
