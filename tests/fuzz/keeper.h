/*
 * keeper - what vaultd/keeper/main.c would be for the files beside it.
 */
#ifndef FUZZ_KEEPER_H
#define FUZZ_KEEPER_H

#include "vaultd/keeper/keeper.h"

uint64_t
keeper_time(void)
{
	return UINT64_C(1763830431123);
}

void
keeper_ready(struct keeper *k)
{
	(void)k;
}

void
keeper_refuses(struct keeper *k, const char *sentence)
{
	(void)k, (void)sentence;
}

const struct catalog_entry *
keeper_system(const struct keeper *k, struct slice name)
{
	for (size_t i = 0; i < k->rules.nsystems; i++)
		if (slice_is(name, k->rules.systems[i]->system))
			return k->rules.systems[i];
	return NULL;
}

#endif /* FUZZ_KEEPER_H */
