#include "vaultd/supervisor/joints.h"

#include <stdlib.h>

struct joint {
	struct room_proc *a, *b;
	LIST_ENTRY(joint) link;
};

int
joints_add(struct joints *all, struct room_proc *a, struct room_proc *b)
{
	struct joint *j;

	if (joints_have(all, a, b))
		return 0;
	if ((j = calloc(1, sizeof(*j))) == NULL)
		return VERR_NOMEM;
	j->a = a;
	j->b = b;
	LIST_INSERT_HEAD(all, j, link);
	return 0;
}

int
joints_have(const struct joints *all, const struct room_proc *a,
    const struct room_proc *b)
{
	const struct joint *j;

	LIST_FOREACH(j, all, link)
	if ((j->a == a && j->b == b) || (j->a == b && j->b == a))
		return 1;
	return 0;
}

void
joints_drop(struct joints *all, const struct room_proc *p)
{
	struct joint *j, *next;

	for (j = LIST_FIRST(all); j != NULL; j = next) {
		next = LIST_NEXT(j, link);
		if (j->a != p && j->b != p)
			continue;
		LIST_REMOVE(j, link);
		free(j);
	}
}
