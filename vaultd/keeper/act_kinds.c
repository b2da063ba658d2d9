/*
 * act_kinds - the verbs of protocol/act.h: what each needs, and who does it.
 */
#include "vaultd/keeper/edit.h"
#include "vaultd/keeper/operate.h"
#include "vaultd/keeper/restore.h"

#define EDIT(name)                                                             \
	{                                                                      \
		name, VERB_MANAGE, false, false, true, edit_begin,             \
		    edit_release                                               \
	}
#define OPERATE(name, sealed)                                                  \
	{                                                                      \
		name, VERB_OPERATE, sealed, false, false, operate_begin,       \
		    operate_release                                            \
	}

static const struct act_kind kinds[] = {
    EDIT("add"),
    EDIT("set"),
    EDIT("verify"),
    EDIT("enable"),
    EDIT("disable"),
    EDIT("remove"),
    EDIT("rotate"),
    EDIT("stage"),
    EDIT("activate"),
    EDIT("abort"),
    OPERATE("unseal", true),
    OPERATE("seal", false),
    OPERATE("slot-add", false),
    OPERATE("slot-remove", false),
    OPERATE("rotate-root", false),
    OPERATE("rotate-customer", false),
    OPERATE("destroy-customer", false),
    {"restore", VERB_OPERATE, false, true, false, restore_begin,
        restore_release},
};

const struct act_kind *
act_kind(struct slice name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (slice_is(name, kinds[i].name))
			return &kinds[i];
	return NULL;
}
