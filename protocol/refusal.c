#include "protocol/refusal.h"

#include <string.h>

static const struct refusal_info infos[] = {
    [REFUSED_NONE] = {"ok", 200, 0, "success"},
#define REFUSAL(name, code, http, exit, meaning)                               \
	[name] = {code, http, exit, meaning},
#include "protocol/refusal.def"
#undef REFUSAL
};

const struct refusal_info *
refusal_info(uint32_t refusal)
{
	if (refusal >= REFUSAL_COUNT)
		refusal = REFUSED_BAD_REQUEST;
	return &infos[refusal];
}

enum refusal
refusal_by_code(const char *code)
{
	for (uint32_t i = 1; i < REFUSAL_COUNT; i++)
		if (strcmp(infos[i].code, code) == 0)
			return i;
	return REFUSED_NONE;
}
