#include "vaultd/keeper/slots.h"

#include <stdlib.h>
#include <unistd.h>

#include <sodium.h>

#include "vaultd/base/secret.h"

#define FILES 2 /* key file, credential */

struct entry {
	bool there;
	struct slot slot;
	uint8_t body[SLOT_BODY_LEN];
	uint8_t *key; /* in the arena, or NULL: not known */
};

struct slots {
	struct entry at[SLOTS_MAX];
	uint8_t *file[FILES]; /* slot keys, in the arena; NULL: not given */
};

static const enum slot_kind file_kinds[FILES] = {SLOT_KEYFILE, SLOT_CREDENTIAL};

/*
 * *ret stays NULL if there is nothing to read.
 */
static int
read_file(int fd, enum slot_kind kind, uint8_t **ret)
{
	uint8_t *bytes = secret_alloc(SLOT_FILE_LEN + 1), *key = NULL;
	ssize_t n;
	int r = VERR_NOMEM;

	if (bytes == NULL)
		return VERR_NOMEM;
	n = pread(fd, bytes, SLOT_FILE_LEN + 1, 0);
	(void)close(fd);
	if (n <= 0)
		r = 0;
	else if ((key = secret_alloc(SLOT_KEY_LEN)) != NULL)
		r = slot_key(kind, slice_of(bytes, (size_t)n), key);
	secret_free(bytes);
	if (r != 0) {
		secret_free(key);
		return r;
	}
	*ret = key;
	return 0;
}

int
slots_new(int key_file, int credential, struct slots **ret)
{
	struct slots *ss = calloc(1, sizeof(*ss));
	int r;

	if (ss == NULL)
		return VERR_NOMEM;
	if ((r = read_file(key_file, SLOT_KEYFILE, &ss->file[0])) != 0 ||
	    (r = read_file(credential, SLOT_CREDENTIAL, &ss->file[1])) != 0) {
		secret_free(ss->file[0]);
		free(ss);
		return r;
	}
	*ret = ss;
	return 0;
}

int
slots_like(const struct slots *ss, struct slots **ret)
{
	struct slots *other = calloc(1, sizeof(*other));

	if (other == NULL)
		return VERR_NOMEM;
	for (size_t i = 0; i < FILES; i++) {
		if (ss->file[i] == NULL)
			continue;
		if ((other->file[i] = secret_alloc(SLOT_KEY_LEN)) == NULL) {
			slots_free(other);
			return VERR_NOMEM;
		}
		memcpy(other->file[i], ss->file[i], SLOT_KEY_LEN);
	}
	*ret = other;
	return 0;
}

void
slots_free(struct slots *ss)
{
	if (ss == NULL)
		return;
	slots_clear(ss);
	for (size_t i = 0; i < FILES; i++)
		secret_free(ss->file[i]);
	free(ss);
}

void
slots_remove(struct slots *ss, uint32_t number)
{
	secret_free(ss->at[number].key);
	memset(&ss->at[number], 0, sizeof(ss->at[number]));
}

void
slots_clear(struct slots *ss)
{
	for (uint32_t i = 0; i < SLOTS_MAX; i++)
		slots_remove(ss, i);
}

int
slots_set(struct slots *ss, struct slice body)
{
	struct entry *e;
	struct slot s;
	int r;

	if ((r = slot_parse(body, &s)) != 0)
		return r;
	e = &ss->at[s.number];
	e->there = true;
	e->slot = s;
	memcpy(e->body, body.p, SLOT_BODY_LEN);
	return 0;
}

const struct slot *
slots_get(const struct slots *ss, uint32_t number)
{
	return number < SLOTS_MAX && ss->at[number].there ? &ss->at[number].slot
	                                                  : NULL;
}

const uint8_t *
slots_vault_id(const struct slots *ss)
{
	size_t i = 0;

	while (i < SLOTS_MAX - 1 && !ss->at[i].there)
		i++;
	return ss->at[i].slot.vault_id;
}

size_t
slots_count(const struct slots *ss)
{
	size_t n = 0;

	for (size_t i = 0; i < SLOTS_MAX; i++)
		n += ss->at[i].there;
	return n;
}

uint32_t
slots_free_number(const struct slots *ss)
{
	uint32_t i = 0;

	while (i < SLOTS_MAX && ss->at[i].there)
		i++;
	return i;
}

const uint8_t *
slots_file(const struct slots *ss, enum slot_kind kind)
{
	for (size_t i = 0; i < FILES; i++)
		if (file_kinds[i] == kind)
			return ss->file[i];
	return NULL;
}

const uint8_t *
slots_key(const struct slots *ss, uint32_t number)
{
	return ss->at[number].key;
}

int
slots_learn(
    struct slots *ss, uint32_t number, const uint8_t key[static SLOT_KEY_LEN])
{
	struct entry *e = &ss->at[number];

	if (e->key == NULL && (e->key = secret_alloc(SLOT_KEY_LEN)) == NULL)
		return VERR_NOMEM;
	memcpy(e->key, key, SLOT_KEY_LEN);
	return 0;
}

/*
 * Whether the file that was handed over opens the slot.
 */
static bool
fits(const struct slots *ss, uint32_t number)
{
	const struct entry *e = &ss->at[number];
	const uint8_t *file;

	if (!e->there || (file = slots_file(ss, e->slot.kind)) == NULL)
		return false;
	return sodium_memcmp(file + SLOT_KEY_LEN / 2,
	           e->body + SLOT_HEAD_LEN - SLOT_KEY_LEN / 2,
	           SLOT_KEY_LEN / 2) == 0;
}

bool
slots_is_unattended(const struct slots *ss, uint32_t number)
{
	return fits(ss, number);
}

bool
slots_file_fits(const struct slots *ss, enum slot_kind kind)
{
	for (uint32_t i = 0; i < SLOTS_MAX; i++)
		if (ss->at[i].slot.kind == kind && fits(ss, i))
			return true;
	return false;
}

/*
 * Every slot that a file fits, so that all their keys are known.
 */
int
slots_open(struct slots *ss, struct keys **ret)
{
	struct keys *keys = NULL;
	int r;

	for (uint32_t i = 0; i < SLOTS_MAX; i++) {
		struct keys *again;
		const uint8_t *file;

		file = slots_file(ss, ss->at[i].slot.kind);
		if (file == NULL || !fits(ss, i))
			continue;
		if ((r = keys_open(ss->at[i].body, file, &again)) == VERR_AUTH)
			continue;
		if (r == 0) {
			r = slots_learn(ss, i, file);
			keys_free(keys == NULL && r == 0 ? NULL : again);
		}
		if (r != 0) {
			keys_free(keys);
			return r;
		}
		if (keys == NULL)
			keys = again;
	}
	if (keys == NULL)
		return VERR_NOTFOUND;
	*ret = keys;
	return 0;
}

int
slots_open_as(struct slots *ss, const struct slots *known, struct keys **ret)
{
	struct keys *keys;
	int r;

	for (uint32_t i = 0; i < SLOTS_MAX; i++) {
		const uint8_t *key = known->at[i].key;

		if (!ss->at[i].there || key == NULL ||
		    keys_open(ss->at[i].body, key, &keys) != 0)
			continue;
		if ((r = slots_learn(ss, i, key)) != 0) {
			keys_free(keys);
			return r;
		}
		*ret = keys;
		return 0;
	}
	return VERR_NOTFOUND;
}

int
slots_unseal(
    struct slots *ss, uint32_t number, struct slice secret, struct keys **ret)
{
	const struct slot *s = slots_get(ss, number);
	struct keys *keys;
	uint8_t *key;
	int r;

	if (s == NULL)
		return VERR_NOTFOUND;
	if ((key = secret_alloc(SLOT_KEY_LEN)) == NULL)
		return VERR_NOMEM;
	if ((r = slot_key(s->kind, secret, key)) == 0 &&
	    (r = keys_open(ss->at[number].body, key, &keys)) == 0 &&
	    (r = slots_learn(ss, number, key)) != 0)
		keys_free(keys);
	if (r == 0)
		*ret = keys;
	secret_free(key);
	return r;
}

void
slots_json(const struct slots *ss, uint32_t number, struct json *j)
{
	const struct entry *e = &ss->at[number];
	char salt[2 * SLOT_SALT_LEN + 1];

	json_open(j, NULL, '{');
	json_number(j, "slot", number);
	json_text(j, "kind", slot_kind_name(e->slot.kind));
	json_text(j, "name", e->slot.name);
	json_time(j, "created", e->slot.created);
	if (e->slot.kind == SLOT_PASSPHRASE) {
		json_number(j, "opslimit", e->slot.passes);
		json_number(j, "memlimit", e->slot.memory);
		json_text(j, "salt",
		    sodium_bin2hex(
		        salt, sizeof(salt), e->slot.salt, SLOT_SALT_LEN));
	}
	json_bool(j, "unlocked", e->key != NULL);
	json_bool(j, "unattended", fits(ss, number));
	json_close(j, '}');
}
