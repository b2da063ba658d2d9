#include "vaultd/keeper/keys.h"

#include <stdlib.h>

#include <sodium.h>

#include "protocol/bytes.h"
#include "vaultd/base/secret.h"

#define FORMAT    2
#define NONCE_LEN crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_LEN   crypto_aead_xchacha20poly1305_ietf_ABYTES
#define HEAD_LEN  (1 + 4) /* format, epoch of the sealing key */
#define WRAP_LEN  (NONCE_LEN + KEY_LEN + TAG_LEN)
#define AAD_LEN   (8 + VAULT_ID_LEN + ROW_ID_LEN + 4 + 8 + 4 + LINK_LEN + 4)

/* A customer's row: head || u8 keys || per key u32 epoch || wrap.  The last is
 * in force. */
#define CUSTOMER_KEYS 2
#define CUSTOMER_KEY  (4 + WRAP_LEN)

/* A credential's: head || u64 generation in which it was sealed || wrap. */
#define SECRET_HEAD (HEAD_LEN + 8 + WRAP_LEN)

_Static_assert(KEY_LEN == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "keys");
_Static_assert(KEY_LEN == crypto_kdf_KEYBYTES, "subkeys");
_Static_assert(SLOT_ROOT_LEN == 2 * KEY_LEN, "root and index");
_Static_assert(
    HEAD_LEN + 1 + CUSTOMER_KEYS * CUSTOMER_KEY <= KEYS_CUSTOMER_MAX, "row");

enum subkey { SUBKEY_META = 1, SUBKEY_WRAP };

struct level {
	uint32_t epoch; /* 0: not there */
	uint8_t root[KEY_LEN];
	uint8_t meta[KEY_LEN]; /* seals rows without secrets */
	uint8_t wrap[KEY_LEN]; /* seals customers' keys */
};

struct keys {
	struct level now, old;
	uint8_t index[KEY_LEN]; /* makes the ids of rows */
	uint8_t vault_id[VAULT_ID_LEN];
};

static const uint8_t no_link[LINK_LEN];

static void
derive(struct level *l)
{
	(void)crypto_kdf_derive_from_key(
	    l->meta, KEY_LEN, SUBKEY_META, "vltMETA1", l->root);
	(void)crypto_kdf_derive_from_key(
	    l->wrap, KEY_LEN, SUBKEY_WRAP, "vltWRAP1", l->root);
}

int
keys_make(struct keys **ret)
{
	struct keys *k = (struct keys *)secret_alloc(sizeof(*k));

	if (k == NULL)
		return VERR_NOMEM;
	memset(k, 0, sizeof(*k));
	k->now.epoch = 1;
	randombytes_buf(k->now.root, KEY_LEN);
	randombytes_buf(k->index, KEY_LEN);
	randombytes_buf(k->vault_id, VAULT_ID_LEN);
	derive(&k->now);
	*ret = k;
	return 0;
}

int
keys_open(const uint8_t body[static SLOT_BODY_LEN],
    const uint8_t key[static SLOT_KEY_LEN], struct keys **ret)
{
	struct keys *k = (struct keys *)secret_alloc(sizeof(*k));
	uint8_t *root = secret_alloc(SLOT_ROOT_LEN);
	struct slot s;
	int r = VERR_NOMEM;

	if (k == NULL || root == NULL)
		goto out;
	if ((r = slot_parse(slice_of(body, SLOT_BODY_LEN), &s)) != 0 ||
	    (r = slot_open(body, key, root)) != 0)
		goto out;
	memset(k, 0, sizeof(*k));
	memcpy(k->now.root, root, KEY_LEN);
	memcpy(k->index, root + KEY_LEN, KEY_LEN);
	memcpy(k->vault_id, s.vault_id, VAULT_ID_LEN);
	k->now.epoch = s.epoch;
	derive(&k->now);
	*ret = k;
	k = NULL;
out:
	secret_free(root);
	secret_free(k);
	return r;
}

void
keys_free(struct keys *k)
{
	secret_free(k);
}

void
keys_seal_slot(const struct keys *k, struct slot *s,
    const uint8_t key[static SLOT_KEY_LEN],
    uint8_t ret_body[static SLOT_BODY_LEN])
{
	uint8_t root[SLOT_ROOT_LEN];

	s->epoch = k->now.epoch;
	memcpy(s->vault_id, k->vault_id, VAULT_ID_LEN);
	memcpy(root, k->now.root, KEY_LEN);
	memcpy(root + KEY_LEN, k->index, KEY_LEN);
	slot_seal(s, key, root, ret_body);
	sodium_memzero(root, sizeof(root));
}

const uint8_t *
keys_vault_id(const struct keys *k)
{
	return k->vault_id;
}

uint32_t
keys_epoch(const struct keys *k)
{
	return k->now.epoch;
}

/*
 * The subkeys that sealed under "epoch", or NULL.
 */
static const struct level *
level_of(const struct keys *k, uint64_t epoch)
{
	if (epoch == 0)
		return NULL;
	return epoch == k->now.epoch ? &k->now
	    : epoch == k->old.epoch  ? &k->old
	                             : NULL;
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
keys_slot_id(uint32_t number, uint8_t ret[static ROW_ID_LEN])
{
	uint8_t name[] = "slot 0";

	name[5] = (uint8_t)('0' + number);
	(void)crypto_generichash(
	    ret, ROW_ID_LEN, name, sizeof(name) - 1, NULL, 0);
}

static void
make_aad(const struct keys *k, const struct row_place *at, uint32_t epoch,
    const uint8_t *link, size_t padded, uint8_t aad[static AAD_LEN])
{
	uint8_t *p = aad;

	memcpy(p, "vaultrow", 8);
	p += 8;
	memcpy(p, k->vault_id, VAULT_ID_LEN);
	p += VAULT_ID_LEN;
	memcpy(p, at->id, ROW_ID_LEN);
	p += ROW_ID_LEN;
	put_le(p, at->kind, 4);
	put_le(p + 4, at->generation, 8);
	put_le(p + 12, epoch, 4);
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
 * out = nonce || AEAD(key, padded plain).
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
put_head(uint8_t *out, uint32_t epoch)
{
	out[0] = FORMAT;
	put_le(out + 1, epoch, 4);
}

/*
 * Check the head, and that "prefix" bytes, a nonce, a tag and a bucket follow.
 */
static int
check_head(
    struct slice sealed, size_t prefix, uint32_t *ret_epoch, size_t *ret_padded)
{
	size_t fixed = prefix + NONCE_LEN + TAG_LEN;

	if (sealed.n <= fixed || sealed.n > SEALED_MAX || sealed.p[0] != FORMAT)
		return VERR_FORMAT;
	*ret_epoch = (uint32_t)get_le(sealed.p + 1, 4);
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
	make_aad(k, at, k->now.epoch, no_link, padded, aad);
	put_head(out, k->now.epoch);
	seal(k->now.meta, aad, plain, padded, pad, out + HEAD_LEN);
	free(pad);
	*ret_len = HEAD_LEN + NONCE_LEN + padded + TAG_LEN;
	return 0;
}

int
keys_open_row(const struct keys *k, const struct row_place *at,
    struct slice sealed, uint8_t **ret_plain, size_t *ret_len)
{
	uint8_t aad[AAD_LEN], *plain;
	const struct level *l;
	size_t padded, len;
	uint32_t epoch;
	int r;

	if ((r = check_head(sealed, HEAD_LEN, &epoch, &padded)) != 0)
		return r;
	if ((l = level_of(k, epoch)) == NULL)
		return VERR_FORMAT;
	if ((plain = malloc(padded)) == NULL)
		return VERR_NOMEM;
	make_aad(k, at, epoch, no_link, padded, aad);
	r = open_padded(l->meta, aad, sealed.p + HEAD_LEN, padded, plain, &len);
	if (r != 0) {
		free(plain);
		return r;
	}
	*ret_plain = plain;
	*ret_len = len;
	return 0;
}

bool
keys_is_old(const struct keys *k, struct slice sealed)
{
	return sealed.n > HEAD_LEN && get_le(sealed.p + 1, 4) != k->now.epoch;
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

/*
 * Customers' keys.
 */

static void
customer_aad(const struct keys *k, const struct row_place *at, uint32_t epoch,
    uint32_t key_epoch, uint8_t aad[static AAD_LEN])
{
	uint8_t link[LINK_LEN] = {0};

	put_le(link, key_epoch, 4);
	make_aad(k, at, epoch, link, KEY_LEN, aad);
}

/* The keys of one customer, in the arena. */
struct customer_keys {
	size_t n;
	struct {
		uint32_t epoch;
		uint8_t key[KEY_LEN];
	} key[CUSTOMER_KEYS];
};

/*
 * How many keys a customer's row has, or 0: it is none.
 */
static size_t
customer_count(struct slice sealed)
{
	size_t n;

	if (sealed.n <= HEAD_LEN || sealed.p[0] != FORMAT)
		return 0;
	n = sealed.p[HEAD_LEN];
	return n <= CUSTOMER_KEYS && sealed.n == HEAD_LEN + 1 + n * CUSTOMER_KEY
	    ? n
	    : 0;
}

static const uint8_t *
customer_key_at(struct slice sealed, size_t i)
{
	return sealed.p + HEAD_LEN + 1 + i * CUSTOMER_KEY;
}

/*
 * Open key number "i" of a customer's row into "key", which lies in the arena.
 */
static int
open_customer_key(const struct keys *k, const struct customer_row *customer,
    size_t i, uint8_t *key)
{
	const uint8_t *p = customer_key_at(customer->sealed, i);
	uint32_t epoch = (uint32_t)get_le(customer->sealed.p + 1, 4);
	const struct level *l = level_of(k, epoch);
	uint8_t aad[AAD_LEN];

	if (l == NULL)
		return VERR_FORMAT;
	customer_aad(k, &customer->at, epoch, (uint32_t)get_le(p, 4), aad);
	return unwrap(l->wrap, aad, p + 4, key);
}

/*
 * Open the key of "epoch", or the one in force if that is 0.
 */
static int
open_customer(const struct keys *k, const struct customer_row *customer,
    uint32_t epoch, uint8_t *key)
{
	size_t n = customer_count(customer->sealed);

	if (n == 0)
		return VERR_FORMAT;
	if (epoch == 0)
		return open_customer_key(k, customer, n - 1, key);
	for (size_t i = 0; i < n; i++)
		if (get_le(customer_key_at(customer->sealed, i), 4) == epoch)
			return open_customer_key(k, customer, i, key);
	return VERR_AUTH;
}

/*
 * The epoch of the key in force.
 */
static uint32_t
customer_epoch(const struct customer_row *customer)
{
	size_t n = customer_count(customer->sealed);

	return n == 0
	    ? 0
	    : (uint32_t)get_le(customer_key_at(customer->sealed, n - 1), 4);
}

static void
put_customer(const struct keys *k, const struct customer_keys *c,
    const struct row_place *at, uint8_t *out, size_t *ret_len)
{
	uint8_t aad[AAD_LEN], *p = out + HEAD_LEN;

	put_head(out, k->now.epoch);
	*p++ = (uint8_t)c->n;
	for (size_t i = 0; i < c->n; i++) {
		put_le(p, c->key[i].epoch, 4);
		customer_aad(k, at, k->now.epoch, c->key[i].epoch, aad);
		wrap(k->now.wrap, aad, c->key[i].key, p + 4);
		p += CUSTOMER_KEY;
	}
	*ret_len = (size_t)(p - out);
}

int
keys_make_customer(const struct keys *k, const struct row_place *at,
    uint8_t *out, size_t *ret_len)
{
	struct customer_keys *c =
	    (struct customer_keys *)secret_alloc(sizeof(*c));

	if (c == NULL)
		return VERR_NOMEM;
	c->n = 1;
	c->key[0].epoch = 1;
	randombytes_buf(c->key[0].key, KEY_LEN);
	put_customer(k, c, at, out, ret_len);
	secret_free(c);
	return 0;
}

int
keys_change_customer(const struct keys *k, const struct customer_row *customer,
    enum customer_change change, const struct row_place *at, uint8_t *out,
    size_t *ret_len)
{
	size_t n = customer_count(customer->sealed);
	size_t first = change == CUSTOMER_ONE_KEY && n > 0 ? n - 1 : 0;
	struct customer_keys *c;
	int r = 0;

	if (n == 0)
		return VERR_FORMAT;
	if (change == CUSTOMER_NEW_KEY && n == CUSTOMER_KEYS)
		return VERR_EXISTS;
	if ((c = (struct customer_keys *)secret_alloc(sizeof(*c))) == NULL)
		return VERR_NOMEM;
	c->n = 0;
	for (size_t i = first; i < n && r == 0; i++, c->n++) {
		c->key[c->n].epoch =
		    (uint32_t)get_le(customer_key_at(customer->sealed, i), 4);
		r = open_customer_key(k, customer, i, c->key[c->n].key);
	}
	if (r == 0 && change == CUSTOMER_NEW_KEY) {
		c->key[c->n].epoch = customer_epoch(customer) + 1;
		randombytes_buf(c->key[c->n++].key, KEY_LEN);
	}
	if (r == 0)
		put_customer(k, c, at, out, ret_len);
	secret_free(c);
	return r;
}

/*
 * Secrets.
 */

/* The keys and the padded plaintext of one secret, in the arena together. */
struct work {
	uint8_t customer[KEY_LEN];
	uint8_t data[KEY_LEN];
	uint8_t plain[];
};

/*
 * out = head || u64 sealed || wrap: the data key under the customer's.
 */
static void
put_data_key(const struct keys *k, const struct work *w,
    const struct row_place *at, uint32_t epoch, uint64_t sealed, uint8_t *out)
{
	uint8_t aad[AAD_LEN];

	put_head(out, epoch);
	put_le(out + HEAD_LEN, sealed, 8);
	make_aad(k, at, epoch, no_link, KEY_LEN, aad);
	wrap(w->customer, aad, w->data, out + HEAD_LEN + 8);
}

static int
open_data_key(const struct keys *k, const struct customer_row *customer,
    const struct row_place *at, uint32_t epoch, struct slice sealed,
    struct work *w)
{
	uint8_t aad[AAD_LEN];
	int r;

	if (epoch == 0)
		return VERR_FORMAT;
	if ((r = open_customer(k, customer, epoch, w->customer)) != 0)
		return r;
	make_aad(k, at, epoch, no_link, KEY_LEN, aad);
	return unwrap(w->customer, aad, sealed.p + HEAD_LEN + 8, w->data);
}

/*
 * What the secret itself is bound to: the generation in which it was sealed.
 */
static void
secret_aad(const struct keys *k, const struct row_place *at, uint64_t sealed,
    const uint8_t *link, size_t padded, uint8_t aad[static AAD_LEN])
{
	struct row_place then = *at;

	then.generation = sealed;
	make_aad(k, &then, 0, link, padded, aad);
}

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
	if ((r = open_customer(k, customer, 0, w->customer)) != 0)
		goto out;
	randombytes_buf(w->data, KEY_LEN);
	put_data_key(k, w, at, customer_epoch(customer), at->generation, out);
	secret_aad(k, at, at->generation, link, padded, aad);
	seal(w->data, aad, secret, padded, w->plain, out + SECRET_HEAD);
	*ret_len = SECRET_HEAD + NONCE_LEN + padded + TAG_LEN;
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
	uint32_t epoch;
	int r;

	if ((r = check_head(sealed, SECRET_HEAD, &epoch, &padded)) != 0)
		return r;
	w = (struct work *)secret_alloc(sizeof(*w));
	plain = secret_alloc(padded);
	if (w == NULL || plain == NULL) {
		r = VERR_NOMEM;
		goto out;
	}
	if ((r = open_data_key(k, customer, at, epoch, sealed, w)) != 0)
		goto out;
	secret_aad(k, at, get_le(sealed.p + HEAD_LEN, 8), link, padded, aad);
	r = open_padded(
	    w->data, aad, sealed.p + SECRET_HEAD, padded, plain, &len);
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

bool
keys_is_old_secret(const struct customer_row *customer, struct slice sealed)
{
	return sealed.n > HEAD_LEN &&
	    get_le(sealed.p + 1, 4) != customer_epoch(customer);
}

int
keys_rewrap_secret(const struct keys *k, const struct customer_row *customer,
    const struct row_place *from, struct slice sealed,
    const struct row_place *at, uint8_t *out, size_t *ret_len)
{
	struct work *w;
	size_t padded;
	uint32_t epoch;
	int r;

	if ((r = check_head(sealed, SECRET_HEAD, &epoch, &padded)) != 0)
		return r;
	if ((w = (struct work *)secret_alloc(sizeof(*w))) == NULL)
		return VERR_NOMEM;
	if ((r = open_data_key(k, customer, from, epoch, sealed, w)) == 0 &&
	    (r = open_customer(k, customer, 0, w->customer)) == 0) {
		put_data_key(k, w, at, customer_epoch(customer),
		    get_le(sealed.p + HEAD_LEN, 8), out);
		memcpy(out + SECRET_HEAD, sealed.p + SECRET_HEAD,
		    sealed.n - SECRET_HEAD);
		*ret_len = sealed.n;
	}
	secret_free(w);
	return r;
}

/*
 * The root.
 */

int
keys_next(const struct keys *k, struct keys **ret)
{
	struct keys *n = (struct keys *)secret_alloc(sizeof(*n));

	if (n == NULL)
		return VERR_NOMEM;
	*n = *k;
	n->old = k->now;
	n->now.epoch++;
	randombytes_buf(n->now.root, KEY_LEN);
	derive(&n->now);
	*ret = n;
	return 0;
}

/* out = head || u32 its epoch || wrap. */
void
keys_seal_old(const struct keys *k, const struct row_place *at, uint8_t *out,
    size_t *ret_len)
{
	uint8_t aad[AAD_LEN];

	put_head(out, k->now.epoch);
	put_le(out + HEAD_LEN, k->old.epoch, 4);
	customer_aad(k, at, k->now.epoch, k->old.epoch, aad);
	wrap(k->now.wrap, aad, k->old.root, out + HEAD_LEN + 4);
	*ret_len = HEAD_LEN + 4 + WRAP_LEN;
}

int
keys_open_old(struct keys *k, const struct row_place *at, struct slice sealed)
{
	uint8_t aad[AAD_LEN];
	uint32_t epoch;
	int r;

	if (sealed.n != HEAD_LEN + 4 + WRAP_LEN || sealed.p[0] != FORMAT ||
	    get_le(sealed.p + 1, 4) != k->now.epoch)
		return VERR_FORMAT;
	epoch = (uint32_t)get_le(sealed.p + HEAD_LEN, 4);
	customer_aad(k, at, k->now.epoch, epoch, aad);
	if ((r = unwrap(
	         k->now.wrap, aad, sealed.p + HEAD_LEN + 4, k->old.root)) != 0)
		return r;
	k->old.epoch = epoch;
	derive(&k->old);
	return 0;
}

void
keys_drop_old(struct keys *k)
{
	sodium_memzero(&k->old, sizeof(k->old));
}
