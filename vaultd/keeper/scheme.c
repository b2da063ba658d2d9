#include "vaultd/keeper/scheme.h"

#include "vaultd/keeper/jwt.h"

static const struct scheme *const schemes[] = {
    &scheme_jwt,
};

const struct scheme *
scheme_find(struct slice name, enum credential_kind kind)
{
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (schemes[i]->kind == kind &&
		    (name.n == 0 || slice_is(name, schemes[i]->name)))
			return schemes[i];
	return NULL;
}

int
scheme_run(struct signing *s, struct slice der, struct pkey **key)
{
	const char *why;
	int r;

	if (*key == NULL && (r = pkey_open(der, key, &why)) != 0)
		return r;
	if (pkey_type(*key) != s->type)
		return VERR_AUTH;
	return s->scheme->run(s, *key);
}
