#include "vaultd/keeper/keys.h"

#include <stdlib.h>

#include <sodium.h>

#include "protocol/bytes.h"
#include "vaultd/base/secret.h"

#define FORMAT    1
#define SLOT_FILE 1 /* opened by a key file */
#define EPOCH     1 /* of the root's subkeys and of customers' keys */
#define NONCE_LEN crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_LEN   crypto_aead_xchacha20poly1305_ietf_ABYTES
#define HEAD_LEN  (1 + 4) /* format, epoch of the sealing key */
#define WRAP_LEN  (NONCE_LEN + KEY_LEN + TAG_LEN)
#define AAD_LEN   (8 + VAULT_ID_LEN + ROW_ID_LEN + 4 + 8 + 4 + LINK_LEN + 4)

_Static_assert(KEY_LEN == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "keys");
_Static_assert(KEY_LEN == crypto_kdf_KEYBYTES, "subkeys");

enum subkey { SUBKEY_META = 1, SUBKEY_WRAP, SUBKEY_INDEX };

struct keys {
	uint8_t root[KEY_LEN];
	uint8_t meta[KEY_LEN];  /* seals rows without secrets */
	uint8_t wrap[KEY_LEN];  /* seals customers' keys */
	uint8_t index[KEY_LEN]; /* makes the ids of rows */
	uint8_t vault_id[VAULT_ID_LEN];
};

static const uint8_t no_link[LINK_LEN];

static void
derive(struct keys *k)
{
	(void)crypto_kdf_derive_from_key(
	    k->meta, KEY_LEN, SUBKEY_META, "vltMETA1", k->root);
	(void)crypto_kdf_derive_from_key(
	    k->wrap, KEY_LEN, SUBKEY_WRAP, "vltWRAP1", k->root);
	(void)crypto_kdf_derive_from_key(
	    k->index, KEY_LEN, SUBKEY_INDEX, "vltINDX1", k->root);
}

/*
 * The key that a key file's bytes stand for.
 */
static void
slot_key(const uint8_t *key_file, uint8_t *ret)
{
	static const char context[] = "vaultd key file 1";

	(void)crypto_generichash(ret, KEY_LEN, (const uint8_t *)context,
	    sizeof(context) - 1, key_file, KEY_LEN);
}

int
keys_make(const uint8_t key_file[static KEY_LEN],
    uint8_t ret_slot[static SLOT_BODY_LEN], struct keys **ret)
{
	struct keys *k = (struct keys *)secret_alloc(sizeof(*k));
	uint8_t *kek = secret_alloc(KEY_LEN);

	if (k == NULL || kek == NULL) {
		secret_free(k);
		secret_free(kek);
		return VERR_NOMEM;
	}
	randombytes_buf(k->root, KEY_LEN);
	randombytes_buf(k->vault_id, VAULT_ID_LEN);
	derive(k);
	slot_key(key_file, kek);
	ret_slot[0] = FORMAT;
	ret_slot[1] = SLOT_FILE;
	randombytes_buf(ret_slot + 2, NONCE_LEN);
	(void)crypto_aead_xchacha20poly1305_ietf_encrypt(
	    ret_slot + 2 + NONCE_LEN, NULL, k->root, KEY_LEN, ret_slot, 2, NULL,
	    ret_slot + 2, kek);
	secret_free(kek);
	*ret = k;
	return 0;
}

int
keys_open(const uint8_t key_file[static KEY_LEN], struct slice slot,
    struct keys **ret)
{
	struct keys *k;
	uint8_t *kek;
	int r = VERR_AUTH;

	if (slot.n != SLOT_BODY_LEN || slot.p[0] != FORMAT ||
	    slot.p[1] != SLOT_FILE)
		return VERR_FORMAT;
	k = (struct keys *)secret_alloc(sizeof(*k));
	kek = secret_alloc(KEY_LEN);
	if (k == NULL || kek == NULL) {
		r = VERR_NOMEM;
		goto out;
	}
	slot_key(key_file, kek);
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(k->root, NULL, NULL,
	        slot.p + 2 + NONCE_LEN, KEY_LEN + TAG_LEN, slot.p, 2,
	        slot.p + 2, kek) != 0)
		goto out;
	derive(k);
	*ret = k;
	k = NULL;
	r = 0;
out:
	secret_free(kek);
	secret_free(k);
	return r;
}

const uint8_t *
keys_vault_id(const struct keys *k)
{
	return k->vault_id;
}

void
keys_set_vault_id(struct keys *k, const uint8_t id[static VAULT_ID_LEN])
{
	memcpy(k->vault_id, id, VAULT_ID_LEN);
}

void
keys_row_id(const struct keys *k, enum row_kind kind, struct slice name,
    uint8_t ret[static ROW_ID_LEN])
{
	crypto_generichash_state st;
	uint8_t tag[4];

	put_le(tag, kind, sizeof(tag));
	(void)crypto_generichash_init(&st, k->index, KEY_LEN, ROW_ID_LEN);
	(void)crypto_generichash_update(&st, tag, sizeof(tag));
	(void)crypto_generichash_update(&st, name.p, name.n);
	(void)crypto_generichash_final(&st, ret, ROW_ID_LEN);
}

void
keys_slot_id(uint8_t ret[static ROW_ID_LEN])
{
	static const char name[] = "slot 0";

	(void)crypto_generichash(
	    ret, ROW_ID_LEN, (const uint8_t *)name, sizeof(name) - 1, NULL, 0);
}

/*
 * The super row says which vault this is, so its own seal cannot depend on it.
 */
static void
make_aad(const struct keys *k, const struct row_place *at, const uint8_t *link,
    size_t padded, uint8_t aad[static AAD_LEN])
{
	uint8_t *p = aad;

	memcpy(p, "vaultrow", 8);
	p += 8;
	if (at->kind == ROW_SUPER)
		memset(p, 0, VAULT_ID_LEN);
	else
		memcpy(p, k->vault_id, VAULT_ID_LEN);
	p += VAULT_ID_LEN;
	memcpy(p, at->id, ROW_ID_LEN);
	p += ROW_ID_LEN;
	put_le(p, at->kind, 4);
	put_le(p + 4, at->generation, 8);
	put_le(p + 12, EPOCH, 4);
	p += 16;
	memcpy(p, link, LINK_LEN);
	put_le(p + LINK_LEN, padded, 4);
}

/*
 * The bucket that a plaintext is padded into: lengths tell nothing else.
 */
static size_t
bucket_for(size_t len)
{
	size_t bucket = 256;

	while (bucket <= len)
		bucket *= 2;
	return bucket;
}

/*
 * out = format || epoch || prefix || nonce || AEAD(key, padded plain).
 * "pad" is memory for the padded plaintext, which is wiped by the caller.
 */
static void
seal(const uint8_t *key, const uint8_t *aad, struct slice plain, size_t padded,
    uint8_t *pad, uint8_t *out)
{
	size_t len;

	if (plain.n > 0)
		memcpy(pad, plain.p, plain.n);
	(void)sodium_pad(&len, pad, plain.n, padded, padded);
	randombytes_buf(out, NONCE_LEN);
	(void)crypto_aead_xchacha20poly1305_ietf_encrypt(
	    out + NONCE_LEN, NULL, pad, padded, aad, AAD_LEN, NULL, out, key);
}

static void
put_head(uint8_t *out)
{
	out[0] = FORMAT;
	put_le(out + 1, EPOCH, 4);
}

/*
 * Check the head, and that "prefix" bytes, a nonce, a tag and a bucket follow.
 */
static int
check_head(struct slice sealed, size_t prefix, size_t *ret_padded)
{
	size_t fixed = HEAD_LEN + prefix + NONCE_LEN + TAG_LEN;

	if (sealed.n <= fixed || sealed.n > SEALED_MAX ||
	    sealed.p[0] != FORMAT || get_le(sealed.p + 1, 4) != EPOCH)
		return VERR_FORMAT;
	*ret_padded = sealed.n - fixed;
	return 0;
}

static int
open_padded(const uint8_t *key, const uint8_t *aad, const uint8_t *box,
    size_t padded, uint8_t *plain, size_t *ret_len)
{
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(plain, NULL, NULL,
	        box + NONCE_LEN, padded + TAG_LEN, aad, AAD_LEN, box, key) != 0)
		return VERR_AUTH;
	/* Not sodium_unpad(), which takes as long as a decryption so that the
	 * time does not tell the length: the request that follows does. */
	while (padded > 0 && plain[padded - 1] == 0)
		padded--;
	if (padded == 0 || plain[padded - 1] != 0x80)
		return VERR_FORMAT;
	*ret_len = padded - 1;
	return 0;
}

int
keys_seal_row(const struct keys *k, const struct row_place *at,
    struct slice plain, uint8_t *out, size_t *ret_len)
{
	size_t padded = bucket_for(plain.n);
	uint8_t aad[AAD_LEN], *pad;

	if (plain.n > SECRET_MAX)
		return VERR_TOOBIG;
	if ((pad = malloc(padded)) == NULL)
		return VERR_NOMEM;
	make_aad(k, at, no_link, padded, aad);
	put_head(out);
	seal(k->meta, aad, plain, padded, pad, out + HEAD_LEN);
	free(pad);
	*ret_len = HEAD_LEN + NONCE_LEN + padded + TAG_LEN;
	return 0;
}

int
keys_open_row(const struct keys *k, const struct row_place *at,
    struct slice sealed, uint8_t **ret_plain, size_t *ret_len)
{
	uint8_t aad[AAD_LEN], *plain;
	size_t padded, len;
	int r;

	if ((r = check_head(sealed, 0, &padded)) != 0)
		return r;
	if ((plain = malloc(padded)) == NULL)
		return VERR_NOMEM;
	make_aad(k, at, no_link, padded, aad);
	r = open_padded(k->meta, aad, sealed.p + HEAD_LEN, padded, plain, &len);
	if (r != 0) {
		free(plain);
		return r;
	}
	*ret_plain = plain;
	*ret_len = len;
	return 0;
}

/*
 * out = nonce || AEAD(by, key): a key under another, bound to its row.
 */
static void
wrap(const uint8_t *by, const uint8_t *aad, const uint8_t *key, uint8_t *out)
{
	randombytes_buf(out, NONCE_LEN);
	(void)crypto_aead_xchacha20poly1305_ietf_encrypt(
	    out + NONCE_LEN, NULL, key, KEY_LEN, aad, AAD_LEN, NULL, out, by);
}

static int
unwrap(const uint8_t *by, const uint8_t *aad, const uint8_t *box, uint8_t *key)
{
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(key, NULL, NULL,
	        box + NONCE_LEN, KEY_LEN + TAG_LEN, aad, AAD_LEN, box, by) != 0)
		return VERR_AUTH;
	return 0;
}

int
keys_make_customer(const struct keys *k, const struct row_place *at,
    uint8_t *out, size_t *ret_len)
{
	uint8_t aad[AAD_LEN], *key = secret_alloc(KEY_LEN);

	if (key == NULL)
		return VERR_NOMEM;
	randombytes_buf(key, KEY_LEN);
	make_aad(k, at, no_link, KEY_LEN, aad);
	put_head(out);
	wrap(k->wrap, aad, key, out + HEAD_LEN);
	secret_free(key);
	*ret_len = HEAD_LEN + WRAP_LEN;
	return 0;
}

/*
 * Open a customer's key into "key", which lies in the arena.
 */
static int
open_customer(
    const struct keys *k, const struct customer_row *customer, uint8_t *key)
{
	uint8_t aad[AAD_LEN];

	if (customer->sealed.n != HEAD_LEN + WRAP_LEN ||
	    customer->sealed.p[0] != FORMAT ||
	    get_le(customer->sealed.p + 1, 4) != EPOCH)
		return VERR_FORMAT;
	make_aad(k, &customer->at, no_link, KEY_LEN, aad);
	return unwrap(k->wrap, aad, customer->sealed.p + HEAD_LEN, key);
}

/* The keys and the padded plaintext of one secret, in the arena together. */
struct work {
	uint8_t customer[KEY_LEN];
	uint8_t data[KEY_LEN];
	uint8_t plain[];
};

int
keys_seal_secret(const struct keys *k, const struct customer_row *customer,
    const struct row_place *at, const uint8_t link[static LINK_LEN],
    struct slice secret, uint8_t *out, size_t *ret_len)
{
	size_t padded = bucket_for(secret.n);
	uint8_t aad[AAD_LEN];
	struct work *w;
	int r;

	if (secret.n > SECRET_MAX)
		return VERR_TOOBIG;
	if ((w = (struct work *)secret_alloc(sizeof(*w) + padded)) == NULL)
		return VERR_NOMEM;
	if ((r = open_customer(k, customer, w->customer)) != 0)
		goto out;
	randombytes_buf(w->data, KEY_LEN);
	make_aad(k, at, link, padded, aad);
	put_head(out);
	wrap(w->customer, aad, w->data, out + HEAD_LEN);
	seal(w->data, aad, secret, padded, w->plain, out + HEAD_LEN + WRAP_LEN);
	*ret_len = HEAD_LEN + WRAP_LEN + NONCE_LEN + padded + TAG_LEN;
out:
	secret_free(w);
	return r;
}

int
keys_open_secret(const struct keys *k, const struct customer_row *customer,
    const struct row_place *at, const uint8_t link[static LINK_LEN],
    struct slice sealed, uint8_t **ret_secret, size_t *ret_len)
{
	uint8_t aad[AAD_LEN], *plain = NULL;
	struct work *w = NULL;
	size_t padded, len;
	int r;

	if ((r = check_head(sealed, WRAP_LEN, &padded)) != 0)
		return r;
	w = (struct work *)secret_alloc(sizeof(*w));
	plain = secret_alloc(padded);
	if (w == NULL || plain == NULL) {
		r = VERR_NOMEM;
		goto out;
	}
	make_aad(k, at, link, padded, aad);
	if ((r = open_customer(k, customer, w->customer)) != 0 ||
	    (r = unwrap(w->customer, aad, sealed.p + HEAD_LEN, w->data)) != 0)
		goto out;
	r = open_padded(
	    w->data, aad, sealed.p + HEAD_LEN + WRAP_LEN, padded, plain, &len);
	if (r != 0)
		goto out;
	*ret_secret = plain;
	*ret_len = len;
	plain = NULL;
out:
	secret_free(plain);
	secret_free(w);
	return r;
}
