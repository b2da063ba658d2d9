#include "policy/claims.h"

#include <string.h>

static const char *const algs[] = {"RS256", "ES256", "EdDSA"};
static const char *const vaults[] = {"exp", "iat", "nbf", "jti"};
static const char *const headers[] = {"alg", "b64", "crit", "cty", "enc", "jku",
    "jwk", "kid", "typ", "x5c", "x5t", "x5t#S256", "x5u", "zip"};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static bool
is_among(const char *const *table, size_t count, const char *name, size_t len)
{
	for (size_t i = 0; i < count; i++)
		if (strlen(table[i]) == len && memcmp(table[i], name, len) == 0)
			return true;
	return false;
}

uint32_t
claims_alg(const char *name)
{
	for (size_t i = 0; i < COUNT(algs); i++)
		if (strcmp(algs[i], name) == 0)
			return UINT32_C(1) << i;
	return 0;
}

bool
claims_is_header(const char *name, size_t len)
{
	return is_among(headers, COUNT(headers), name, len);
}

const char *
claims_name_fault(const char *name, size_t len)
{
	if (len == 0 || len > CLAIM_NAME_MAX)
		return "a claim's name has 1 to 128 characters";
	for (size_t i = 0; i < len; i++)
		if (!(name[i] >= 'a' && name[i] <= 'z') &&
		    !(name[i] >= 'A' && name[i] <= 'Z') &&
		    !(name[i] >= '0' && name[i] <= '9') &&
		    (name[i] == '\0' || strchr("_:/.#-", name[i]) == NULL))
			return "a claim's name has a character that may not "
			       "stand in it";
	if (is_among(vaults, COUNT(vaults), name, len))
		return "exp, iat, nbf and jti are set by the vault";
	return claims_is_header(name, len)
	    ? "that is the name of a header parameter"
	    : NULL;
}
