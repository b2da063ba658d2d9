/*
 * backup - the file that a backup is: a run of changes (protocol/change.h),
 *	    sealed once more, so that who has the file alone has nothing.
 *
 * HEADER	200 bytes, little-endian; all of it is authenticated with every
 *		chunk.
 *
 *	  0   8	magic "vaultdBK"
 *	  8   4	format, 1
 *	 12   4	kind of key: 1 passphrase, 2 key pair
 *	 16   8	when, in milliseconds since 1970
 *	 24  16	the vault's id; zero: not known
 *	 40   4	Argon2id's memory in KiB, and
 *	 44   4	passes; 0 for a key pair
 *	 48  16	salt; zero for a key pair
 *	 64  32	commitment to the key, or the public key of the pair
 *	 96  80	the stream's key for the pair (crypto_box_seal); else zero
 *	176  24	crypto_secretstream_xchacha20poly1305's own
 *
 * CHUNKS	of that stream, each 65536 bytes before it is sealed: u32 how
 *		many of them are data, the data, zeros.  All but the last are
 *		full.
 * END		24 bytes, sealed with TAG_FINAL: u64 rows, u64 bytes of the run,
 *		u64 generation of the store.  Nothing follows.
 */
#ifndef VAULTCTL_BACKUP_H
#define VAULTCTL_BACKUP_H

#include <sodium.h>

#include "protocol/change.h"

#define BACKUP_FORMAT 1
#define BACKUP_HEADER 200
#define BACKUP_CHUNK  65536
#define BACKUP_DATA   (BACKUP_CHUNK - 4)
#define BACKUP_END    24
#define BACKUP_SEAL   crypto_secretstream_xchacha20poly1305_ABYTES

#define BACKUP_MEMORY     (256u * 1024) /* KiB, when we write */
#define BACKUP_MEMORY_MIN (64u * 1024)
#define BACKUP_MEMORY_MAX (1024u * 1024)
#define BACKUP_PASSES     3
#define BACKUP_PASSES_MAX 16

enum backup_kind { BACKUP_PASSPHRASE = 1, BACKUP_PAIR = 2 };

struct backup_header {
	uint32_t kind;
	uint64_t time;
	uint8_t vault[16];
	uint32_t memory, passes;
	uint8_t salt[16];
	uint8_t check[32];
	uint8_t sealed[80];
	uint8_t stream[24];
};

/*
 * Returns 0, VERR_FORMAT (no backup, or one that we would not write),
 * VERR_VERSION (a newer format).
 */
MUST_CHECK
int backup_header_parse(
    const uint8_t p[static BACKUP_HEADER], struct backup_header *ret);
void backup_header_write(
    const struct backup_header *h, uint8_t out[static BACKUP_HEADER]);

/* A file being written or read.  The caller wipes it: backup_wipe(). */
struct backup {
	int fd;
	struct backup_header header;
	uint8_t raw[BACKUP_HEADER];
	crypto_secretstream_xchacha20poly1305_state state;
	struct change_run run;
	size_t n; /* of the data in "plain" */
	int last; /* reading: a chunk that was not full has come */
	uint8_t plain[BACKUP_CHUNK];
	uint8_t sealed[BACKUP_CHUNK + BACKUP_SEAL];
};

void backup_wipe(struct backup *b);

/*
 * Begin to write to b->fd.  The caller has set "time" and "vault" of b->header,
 * and for the first "memory" and "passes".
 * Returns 0, VERR_NOMEM, VERR_AUTH (no key that can be sealed to) or VERR_IO
 * with errno set.
 */
MUST_CHECK
int backup_begin_passphrase(struct backup *b, struct slice passphrase);
MUST_CHECK
int backup_begin_pair(struct backup *b, const uint8_t public_key[static 32]);

/*
 * Add the next bytes of the run, and its end.  Returns 0, VERR_FORMAT or
 * VERR_TOOBIG (it is no run), VERR_TRUNCATED (it has no end, or no super row)
 * or VERR_IO with errno set.
 */
MUST_CHECK
int backup_put(struct backup *b, struct slice bytes);
MUST_CHECK
int backup_finish(struct backup *b);

/*
 * Read the header from b->fd.  Returns 0, VERR_FORMAT, VERR_VERSION,
 * VERR_TRUNCATED or VERR_IO with errno set.
 */
MUST_CHECK
int backup_open(struct backup *b);

/*
 * Have the key.  Returns 0, VERR_NOMEM, or VERR_AUTH: it is another one.
 */
MUST_CHECK
int backup_unlock_passphrase(struct backup *b, struct slice passphrase);
MUST_CHECK
int backup_unlock_pair(struct backup *b, const uint8_t secret_key[static 32]);

/*
 * The next bytes of the run, until the next call.  What came before an error
 * is of no use.
 * Returns 0, VERR_NOTFOUND at the end, and then all of it was in order;
 * VERR_AUTH (changed), VERR_TRUNCATED (cut short), VERR_EXISTS (something
 * follows the end), VERR_FORMAT or VERR_TOOBIG (authentic, and no run), or
 * VERR_IO with errno set.
 */
MUST_CHECK
int backup_next(struct backup *b, struct slice *ret);

/* What such an error says of a file, for people. */
const char *backup_why(int r);

#endif /* VAULTCTL_BACKUP_H */
