#include "vaultd/keeper/slot.h"

#include <sodium.h>

#include "protocol/bytes.h"

#define FORMAT    2
#define NONCE_LEN crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_LEN   crypto_aead_xchacha20poly1305_ietf_ABYTES
#define HALF      (SLOT_KEY_LEN / 2)

_Static_assert(HALF == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "key");
_Static_assert(
    SLOT_BODY_LEN == SLOT_HEAD_LEN + NONCE_LEN + SLOT_ROOT_LEN + TAG_LEN,
    "slot");

static const struct {
	const char *name;
	const char *context; /* of the hash; NULL: stretched already */
} kinds[] = {
    [SLOT_KEYFILE] = {"keyfile", "vaultd key file 2"},
    [SLOT_PASSPHRASE] = {"passphrase", NULL},
    [SLOT_CREDENTIAL] = {"credential", "vaultd credential 2"},
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

const char *
slot_kind_name(enum slot_kind kind)
{
	return kinds[kind].name;
}

int
slot_kind_parse(struct slice name, enum slot_kind *ret)
{
	for (size_t i = SLOT_KEYFILE; i < KINDS; i++)
		if (slice_is(name, kinds[i].name)) {
			*ret = (enum slot_kind)i;
			return 0;
		}
	return VERR_NOTFOUND;
}

int
slot_key(
    enum slot_kind kind, struct slice secret, uint8_t ret[static SLOT_KEY_LEN])
{
	const char *context = kinds[kind].context;

	if (secret.n != (context == NULL ? SLOT_KEY_LEN : SLOT_FILE_LEN))
		return VERR_FORMAT;
	if (context == NULL)
		memcpy(ret, secret.p, SLOT_KEY_LEN);
	else
		(void)crypto_generichash(ret, SLOT_KEY_LEN,
		    (const uint8_t *)context, strlen(context), secret.p,
		    secret.n);
	return 0;
}

static void
put_head(const struct slot *s, const uint8_t *commitment, uint8_t *p)
{
	*p++ = FORMAT;
	*p++ = (uint8_t)s->kind;
	*p++ = (uint8_t)s->number;
	*p++ = 0;
	put_le(p, s->epoch, 4);
	put_le(p + 4, s->created, 8);
	memcpy(p + 12, s->vault_id, SLOT_ID_LEN);
	p += 12 + SLOT_ID_LEN;
	put_le(p, s->passes, 4);
	put_le(p + 4, s->memory, 4);
	memcpy(p + 8, s->salt, SLOT_SALT_LEN);
	p += 8 + SLOT_SALT_LEN;
	memset(p, 0, SLOT_NAME_MAX);
	memcpy(p, s->name, strnlen(s->name, SLOT_NAME_MAX));
	memcpy(p + SLOT_NAME_MAX, commitment, HALF);
}

void
slot_seal(const struct slot *s, const uint8_t key[static SLOT_KEY_LEN],
    const uint8_t root[static SLOT_ROOT_LEN],
    uint8_t ret_body[static SLOT_BODY_LEN])
{
	uint8_t *nonce = ret_body + SLOT_HEAD_LEN;

	put_head(s, key + HALF, ret_body);
	randombytes_buf(nonce, NONCE_LEN);
	(void)crypto_aead_xchacha20poly1305_ietf_encrypt(nonce + NONCE_LEN,
	    NULL, root, SLOT_ROOT_LEN, ret_body, SLOT_HEAD_LEN, NULL, nonce,
	    key);
}

static bool
is_stretched_well(const struct slot *s)
{
	if (s->kind != SLOT_PASSPHRASE)
		return s->passes == 0 && s->memory == 0;
	return s->passes >= SLOT_PASSES_MIN && s->passes <= SLOT_PASSES_MAX &&
	    s->memory >= SLOT_MEMORY_MIN && s->memory <= SLOT_MEMORY_MAX;
}

static bool
is_name(const char *name)
{
	for (size_t i = 0; name[i] != '\0'; i++)
		if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
			return false;
	return true;
}

int
slot_parse(struct slice body, struct slot *ret)
{
	const uint8_t *p = body.p;
	struct slot s = {0};

	if (body.n != SLOT_BODY_LEN || p[0] != FORMAT || p[1] < SLOT_KEYFILE ||
	    p[1] >= KINDS || p[2] >= SLOTS_MAX || p[3] != 0)
		return VERR_FORMAT;
	s.kind = (enum slot_kind)p[1];
	s.number = p[2];
	s.epoch = (uint32_t)get_le(p + 4, 4);
	s.created = get_le(p + 8, 8);
	memcpy(s.vault_id, p + 16, SLOT_ID_LEN);
	p += 16 + SLOT_ID_LEN;
	s.passes = (uint32_t)get_le(p, 4);
	s.memory = (uint32_t)get_le(p + 4, 4);
	memcpy(s.salt, p + 8, SLOT_SALT_LEN);
	memcpy(s.name, p + 8 + SLOT_SALT_LEN, SLOT_NAME_MAX);
	if (s.epoch == 0 || !is_stretched_well(&s) || !is_name(s.name))
		return VERR_FORMAT;
	*ret = s;
	return 0;
}

int
slot_open(const uint8_t body[static SLOT_BODY_LEN],
    const uint8_t key[static SLOT_KEY_LEN],
    uint8_t ret_root[static SLOT_ROOT_LEN])
{
	const uint8_t *nonce = body + SLOT_HEAD_LEN;

	if (sodium_memcmp(nonce - HALF, key + HALF, HALF) != 0 ||
	    crypto_aead_xchacha20poly1305_ietf_decrypt(ret_root, NULL, NULL,
	        nonce + NONCE_LEN, SLOT_ROOT_LEN + TAG_LEN, body, SLOT_HEAD_LEN,
	        nonce, key) != 0)
		return VERR_AUTH;
	return 0;
}
