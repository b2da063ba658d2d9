/*
 * A private key in DER, on any bytes: what opens is a key as pkey.h has them,
 * and there is one way to write it.
 */
#include "tests/fuzz/fuzz.h"
#include "vaultd/keeper/pkey.h"
#include "vaultd/keeper/pubkey.h"

static void
check_public(const struct pkey *k)
{
	uint8_t spki[PKEY_SPKI_MAX];
	char text[PUBKEY_TEXT_MAX];
	struct pubkey p;
	size_t n;

	CHECK(pkey_spki(k, spki, &n) == 0);
	CHECK(pubkey_read(slice_of(spki, n), &p) == 0);
	CHECK(p.type == pkey_type(k));
	if (p.type == PKEY_RSA)
		CHECK(p.x.n >= 256 && p.x.n <= 512 && p.y.n >= 3);
	pubkey_pem(&p, text);
	CHECK(pubkey_ssh(&p, "fuzz", text) == 0);
}

/* Ours, byte for byte, but for keys without their public half, and P-256's
 * parameters. */
static void
check_written(const struct pkey *k, struct slice der)
{
	uint8_t out[PKEY_DER_MAX];
	struct pkey *again;
	const char *why;
	size_t n;

	CHECK(pkey_encode(k, out, &n) == 0);
	if (pkey_type(k) == PKEY_RSA || der.n == n)
		CHECK(der.n == n && memcmp(out, der.p, n) == 0);
	else if (pkey_type(k) == PKEY_ED25519)
		CHECK(der.n == 48);
	else
		CHECK(der.n == 67 || der.n == 79 || der.n == 150);
	CHECK(pkey_open(slice_of(out, n), &again, &why) == 0);
	check_public(again);
	pkey_free(again);
}

static void
check_public_read(struct slice spki)
{
	struct pubkey p;

	if (pubkey_read(spki, &p) == 0)
		CHECK(p.type < PKEY_TYPE_COUNT && p.x.n > 0 && p.x.n < spki.n &&
		    p.y.n < spki.n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice der = slice_of(data, size);
	const char *why = NULL;
	struct pkey *k;

	check_public_read(der);
	if (pkey_open(der, &k, &why) != 0) {
		CHECK(why != NULL);
		return 0;
	}
	check_written(k, der);
	check_public(k);
	pkey_free(k);
	return 0;
}
