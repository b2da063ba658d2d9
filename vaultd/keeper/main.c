/*
 * keeper - has the keys, decides, signs and renders.  No file, no network, no
 *	    way to make either.
 */
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <sodium.h>

#include "vaultd/keeper/allowlist.h"
#include "vaultd/keeper/audit.h"
#include "vaultd/keeper/courier.h"
#include "vaultd/keeper/dispatch.h"
#include "vaultd/keeper/link.h"
#include "vaultd/keeper/rows.h"
#include "vaultd/keeper/session.h"
#include "vaultd/keeper/sign.h"
#include "vaultd/keeper/slots.h"
#include "vaultd/keeper/texts.h"
#include "vaultd/keeper/work.h"

#define ARENA_SIZE (2 * 1024 * 1024)

enum step { STEP_SODIUM = 10, STEP_MEMORY, STEP_KEY_FILE, STEP_THREADS };

uint64_t
keeper_time(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

const struct catalog_entry *
keeper_system(const struct keeper *k, struct slice name)
{
	for (size_t i = 0; i < k->rules.nsystems; i++)
		if (slice_is(name, k->rules.systems[i]->system))
			return k->rules.systems[i];
	return NULL;
}

void
keeper_ready(struct keeper *k)
{
	if (k->ready || !k->loaded || !k->ruled)
		return;
	k->ready = true;
	k->since = keeper_time();
	channel_say(k->life.supervisor, KEEPER_READY,
	    .public_key = slice_of(k->public_key, KEY_LEN));
}

void
keeper_refuses(struct keeper *k, const char *sentence)
{
	if (k->draining)
		return;
	k->draining = true; /* said once */
	channel_say(k->life.supervisor, KEEPER_REFUSES,
	    .sentence = slice_str(sentence));
}

/*
 * What opens key slots, and the rollback that was accepted, if any was.
 */
static void
take_over(struct keeper *k, int argc, char **argv)
{
	int r = slots_new(FD_KEY, FD_CREDENTIAL, &k->slots);

	if (r != 0)
		room_cannot_start(STEP_KEY_FILE, r);
	if (argc > ARG_OWN)
		k->accepted = strtoull(argv[ARG_OWN], NULL, 10);
}

/*
 * Everything that would open files or make threads later on.
 */
static void
warm_up(struct keeper *k)
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	int r;

	/* A configuration file could load code. */
	if (sodium_init() < 0 ||
	    OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
		room_cannot_start(STEP_SODIUM, VERR_INTERNAL);
	(void)EVP_Digest("", 0, digest, NULL, EVP_sha256(), NULL);
	k->secret_key = secret_alloc(crypto_box_SECRETKEYBYTES);
	if (k->secret_key == NULL || (r = sessions_new(&k->sessions)) != 0 ||
	    (r = texts_new(&k->texts)) != 0 ||
	    (r = audit_new(k, &k->audit)) != 0 ||
	    (r = rows_new(k, &k->rows)) != 0 ||
	    (r = links_new(&k->links)) != 0 ||
	    (r = couriers_new(k, &k->couriers)) != 0 ||
	    (r = signer_new(k, &k->signer)) != 0)
		room_cannot_start(STEP_MEMORY, VERR_NOMEM);
	(void)crypto_box_keypair(k->public_key, k->secret_key);
}

int
main(int argc, char **argv)
{
	static struct keeper k;
	int r;

	room_begin(&k.life, ROOM_KEEPER, argc, argv, ARENA_SIZE,
	    CHANNEL_TAKES_FD, &supervisor_ops, &k);
	warm_up(&k);
	take_over(&k, argc, argv);
	room_landlock(&k.life, &keeper_walls);
	if ((r = work_start(k.life.loop)) != 0)
		room_cannot_start(STEP_THREADS, r);
	room_confine(&k.life, &keeper_walls);
	room_run(&k.life);
}
