/*
 * A file with a private key, on any bytes: what vaultctl takes out of it is
 * PKCS#8 of a kind and size that the keeper takes.
 */
#include "client/vaultctl/keyfile.h"
#include "tests/fuzz/fuzz.h"
#include "vaultd/keeper/pkey.h"

/* Nobody knows the passphrase. */
static int
refuse(void *arg, char *buf, size_t size, size_t *ret_n)
{
	(void)arg;
	(void)buf;
	(void)size;
	(void)ret_n;
	return VERR_CLOSED;
}

/* What only the keeper looks at: numbers that are out of range. */
static bool
is_keepers_alone(const char *why)
{
	return strncmp(why, "weak: the ", 10) == 0 ||
	    strstr(why, "exponent is too long") != NULL ||
	    strstr(why, "damaged") != NULL;
}

/* True if the outermost element of "file" is all of it. */
static bool
is_whole(const uint8_t *p, size_t n)
{
	size_t head = n < 4 || p[1] < 0x80 ? 2 : 2 + (p[1] & 0x7f), len = 0;

	if (n < 4 || head > 4)
		return false;
	for (size_t i = 2; i < head; i++)
		len = len << 8 | p[i];
	return n == head + (head == 2 ? p[1] : len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct keyfile_ask ask = {refuse, NULL};
	uint8_t out[KEYFILE_DER_MAX];
	const char *why = NULL;
	struct pkey *k;
	size_t n;

	if (keyfile_read(slice_of(data, size), &ask, out, &n, &why) != 0) {
		CHECK(why != NULL);
		return 0;
	}
	CHECK(n > 0 && n <= sizeof(out));
	CHECK(data[0] != 0x30 || is_whole(data, size));
	if (pkey_open(slice_of(out, n), &k, &why) == 0)
		pkey_free(k);
	else
		CHECK(is_keepers_alone(why));
	return 0;
}
