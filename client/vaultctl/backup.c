#include "client/vaultctl/backup.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "protocol/bytes.h"

#define STREAM(name) crypto_secretstream_xchacha20poly1305_##name

_Static_assert(STREAM(HEADERBYTES) == 24 && STREAM(KEYBYTES) == 32 &&
        crypto_box_SEALBYTES + STREAM(KEYBYTES) == 80 &&
        crypto_pwhash_argon2id_SALTBYTES == 16,
    "as the header has them");

static const char magic[8] = {'v', 'a', 'u', 'l', 't', 'd', 'B', 'K'};

static int
is_zero(const uint8_t *p, size_t n)
{
	return sodium_is_zero(p, n);
}

int
backup_header_parse(
    const uint8_t p[static BACKUP_HEADER], struct backup_header *ret)
{
	struct backup_header h;

	if (memcmp(p, magic, sizeof(magic)) != 0)
		return VERR_FORMAT;
	if (get_le(p + 8, 4) > BACKUP_FORMAT)
		return VERR_VERSION;
	if (get_le(p + 8, 4) != BACKUP_FORMAT)
		return VERR_FORMAT;
	h.kind = (uint32_t)get_le(p + 12, 4);
	h.time = get_le(p + 16, 8);
	memcpy(h.vault, p + 24, sizeof(h.vault));
	h.memory = (uint32_t)get_le(p + 40, 4);
	h.passes = (uint32_t)get_le(p + 44, 4);
	memcpy(h.salt, p + 48, sizeof(h.salt));
	memcpy(h.check, p + 64, sizeof(h.check));
	memcpy(h.sealed, p + 96, sizeof(h.sealed));
	memcpy(h.stream, p + 176, sizeof(h.stream));
	if (h.time > INT64_MAX)
		return VERR_FORMAT;
	if (h.kind == BACKUP_PASSPHRASE) {
		if (h.memory < BACKUP_MEMORY_MIN ||
		    h.memory > BACKUP_MEMORY_MAX || h.passes == 0 ||
		    h.passes > BACKUP_PASSES_MAX ||
		    !is_zero(h.sealed, sizeof(h.sealed)))
			return VERR_FORMAT;
	} else if (h.kind != BACKUP_PAIR || h.memory != 0 || h.passes != 0 ||
	    !is_zero(h.salt, sizeof(h.salt))) {
		return VERR_FORMAT;
	}
	*ret = h;
	return 0;
}

void
backup_header_write(
    const struct backup_header *h, uint8_t out[static BACKUP_HEADER])
{
	memcpy(out, magic, sizeof(magic));
	put_le(out + 8, BACKUP_FORMAT, 4);
	put_le(out + 12, h->kind, 4);
	put_le(out + 16, h->time, 8);
	memcpy(out + 24, h->vault, sizeof(h->vault));
	put_le(out + 40, h->memory, 4);
	put_le(out + 44, h->passes, 4);
	memcpy(out + 48, h->salt, sizeof(h->salt));
	memcpy(out + 64, h->check, sizeof(h->check));
	memcpy(out + 96, h->sealed, sizeof(h->sealed));
	memcpy(out + 176, h->stream, sizeof(h->stream));
}

void
backup_wipe(struct backup *b)
{
	sodium_memzero(b, sizeof(*b));
}

static int
write_all(int fd, const uint8_t *p, size_t n)
{
	while (n > 0) {
		ssize_t put = write(fd, p, n);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return VERR_IO;
		p += put;
		n -= (size_t)put;
	}
	return 0;
}

/*
 * Read until "n" bytes or the end.
 */
static int
read_all(int fd, uint8_t *p, size_t n, size_t *ret_n)
{
	size_t have = 0;

	while (have < n) {
		ssize_t got = read(fd, p + have, n - have);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return VERR_IO;
		if (got == 0)
			break;
		have += (size_t)got;
	}
	*ret_n = have;
	return 0;
}

/*
 * The stream's key, and what shows that it is the right one.
 */
static int
derive(const struct backup_header *h, struct slice passphrase, uint8_t out[64])
{
	if (crypto_pwhash_argon2id(out, 64, (const char *)passphrase.p,
	        passphrase.n, h->salt, h->passes, (size_t)h->memory * 1024,
	        crypto_pwhash_argon2id_ALG_ARGON2ID13) != 0)
		return VERR_NOMEM;
	return 0;
}

static int
begin(struct backup *b, const uint8_t *key)
{
	memset(&b->run, 0, sizeof(b->run));
	b->n = 0;
	(void)STREAM(init_push)(&b->state, b->header.stream, key);
	backup_header_write(&b->header, b->raw);
	return write_all(b->fd, b->raw, sizeof(b->raw));
}

int
backup_begin_passphrase(struct backup *b, struct slice passphrase)
{
	uint8_t keys[64];
	int r;

	b->header.kind = BACKUP_PASSPHRASE;
	memset(b->header.sealed, 0, sizeof(b->header.sealed));
	randombytes_buf(b->header.salt, sizeof(b->header.salt));
	if ((r = derive(&b->header, passphrase, keys)) == 0) {
		memcpy(b->header.check, keys + 32, 32);
		r = begin(b, keys);
	}
	sodium_memzero(keys, sizeof(keys));
	return r;
}

int
backup_begin_pair(struct backup *b, const uint8_t public_key[static 32])
{
	uint8_t key[32];
	int r = VERR_AUTH;

	b->header.kind = BACKUP_PAIR;
	b->header.memory = b->header.passes = 0;
	memset(b->header.salt, 0, sizeof(b->header.salt));
	memcpy(b->header.check, public_key, 32);
	STREAM(keygen)(key);
	if (crypto_box_seal(b->header.sealed, key, 32, public_key) == 0)
		r = begin(b, key);
	sodium_memzero(key, sizeof(key));
	return r;
}

static int
seal(struct backup *b, size_t n, uint8_t tag)
{
	(void)STREAM(push)(&b->state, b->sealed, NULL, b->plain, n, b->raw,
	    sizeof(b->raw), tag);
	return write_all(b->fd, b->sealed, n + BACKUP_SEAL);
}

static int
flush(struct backup *b)
{
	size_t n = b->n;

	b->n = 0;
	put_le(b->plain, n, 4);
	memset(b->plain + 4 + n, 0, BACKUP_DATA - n);
	return seal(b, BACKUP_CHUNK, STREAM(TAG_MESSAGE));
}

int
backup_put(struct backup *b, struct slice bytes)
{
	int r;

	if ((r = change_run_feed(&b->run, bytes)) != 0)
		return r;
	while (bytes.n > 0) {
		size_t n = BACKUP_DATA - b->n;

		n = bytes.n < n ? bytes.n : n;
		memcpy(b->plain + 4 + b->n, bytes.p, n);
		b->n += n;
		bytes = slice_of(bytes.p + n, bytes.n - n);
		if (b->n == BACKUP_DATA && (r = flush(b)) != 0)
			return r;
	}
	return 0;
}

static void
put_end(const struct change_run *run, uint8_t out[static BACKUP_END])
{
	put_le(out, run->rows, 8);
	put_le(out + 8, run->bytes, 8);
	put_le(out + 16, run->generation, 8);
}

int
backup_finish(struct backup *b)
{
	int r;

	if ((r = change_run_end(&b->run)) != 0)
		return r;
	if (b->run.generation == 0)
		return VERR_TRUNCATED;
	if (b->n > 0 && (r = flush(b)) != 0)
		return r;
	put_end(&b->run, b->plain);
	return seal(b, BACKUP_END, STREAM(TAG_FINAL));
}

int
backup_open(struct backup *b)
{
	size_t n;
	int r;

	memset(&b->run, 0, sizeof(b->run));
	b->last = 0;
	if ((r = read_all(b->fd, b->raw, sizeof(b->raw), &n)) != 0)
		return r;
	if (n < sizeof(magic) || memcmp(b->raw, magic, sizeof(magic)) != 0)
		return VERR_FORMAT;
	if (n < sizeof(b->raw))
		return VERR_TRUNCATED;
	return backup_header_parse(b->raw, &b->header);
}

static int
unlock(struct backup *b, const uint8_t *key)
{
	return STREAM(init_pull)(&b->state, b->header.stream, key) == 0
	    ? 0
	    : VERR_AUTH;
}

int
backup_unlock_passphrase(struct backup *b, struct slice passphrase)
{
	uint8_t keys[64];
	int r;

	if ((r = derive(&b->header, passphrase, keys)) == 0)
		r = sodium_memcmp(keys + 32, b->header.check, 32) == 0
		    ? unlock(b, keys)
		    : VERR_AUTH;
	sodium_memzero(keys, sizeof(keys));
	return r;
}

int
backup_unlock_pair(struct backup *b, const uint8_t secret_key[static 32])
{
	uint8_t key[32], public_key[32];
	int r = VERR_AUTH;

	if (crypto_scalarmult_base(public_key, secret_key) == 0 &&
	    sodium_memcmp(public_key, b->header.check, 32) == 0 &&
	    crypto_box_seal_open(
	        key, b->header.sealed, 80, public_key, secret_key) == 0)
		r = unlock(b, key);
	sodium_memzero(key, sizeof(key));
	return r;
}

/*
 * Open the first "n" of the bytes in b->sealed.
 */
static int
open_sealed(struct backup *b, size_t n, uint8_t want)
{
	unsigned char tag;

	if (STREAM(pull)(&b->state, b->plain, NULL, &tag, b->sealed, n, b->raw,
	        sizeof(b->raw)) != 0)
		return VERR_AUTH;
	return tag == want ? 0 : VERR_FORMAT;
}

/*
 * "n" bytes that are no chunk: are they the end?
 */
static int
take_end(struct backup *b, size_t n)
{
	uint8_t want[BACKUP_END];

	if (n < BACKUP_END + BACKUP_SEAL)
		return VERR_TRUNCATED;
	if (open_sealed(b, BACKUP_END + BACKUP_SEAL, STREAM(TAG_FINAL)) != 0)
		return n == BACKUP_END + BACKUP_SEAL || n == sizeof(b->sealed)
		    ? VERR_AUTH
		    : VERR_TRUNCATED;
	if (n > BACKUP_END + BACKUP_SEAL)
		return VERR_EXISTS;
	put_end(&b->run, want);
	if (change_run_end(&b->run) != 0 || b->run.generation == 0 ||
	    memcmp(want, b->plain, sizeof(want)) != 0)
		return VERR_FORMAT;
	return VERR_NOTFOUND;
}

int
backup_next(struct backup *b, struct slice *ret)
{
	size_t n, data;
	int r;

	if ((r = read_all(b->fd, b->sealed, sizeof(b->sealed), &n)) != 0)
		return r;
	if (n < sizeof(b->sealed))
		return take_end(b, n);
	if ((r = open_sealed(b, n, STREAM(TAG_MESSAGE))) == VERR_AUTH)
		return take_end(b, n);
	if (r != 0)
		return r;
	data = (size_t)get_le(b->plain, 4);
	if (b->last || data == 0 || data > BACKUP_DATA ||
	    !is_zero(b->plain + 4 + data, BACKUP_DATA - data))
		return VERR_FORMAT;
	b->last = data < BACKUP_DATA;
	*ret = slice_of(b->plain + 4, data);
	return change_run_feed(&b->run, *ret);
}

const char *
backup_why(int r)
{
	switch (r) {
	case VERR_VERSION:
		return "this backup has a newer format than this vaultctl "
		       "knows";
	case VERR_FORMAT:
		return "this is no backup of a vault";
	case VERR_TRUNCATED:
		return "the backup is cut short";
	case VERR_EXISTS:
		return "something was appended to the backup";
	case VERR_AUTH:
		return "the backup is damaged: it is not what was written";
	case VERR_TOOBIG:
		return "the backup has more rows or bytes than a vault may";
	case VERR_NOMEM:
		return "there is not enough memory for its passphrase";
	case VERR_IO:
		return strerror(errno);
	}
	return verr_text(r);
}
