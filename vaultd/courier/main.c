/*
 * courier - TLS and HTTP for one customer, on sockets that it is handed.  It
 * knows rendered credentials while they are in flight, and no client.
 */
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <unistd.h>

#include "vaultd/base/log.h"
#include "vaultd/courier/account.h"
#include "vaultd/courier/allowlist.h"
#include "vaultd/courier/courier.h"
#include "vaultd/courier/trust.h"

/*
 * Let the libraries read, allocate and seed now what the walls will forbid:
 * error texts, algorithms, the random generators.  No configuration file is
 * read: it could load code.
 */
static int
warm_up(void)
{
	uint8_t byte;
	SSL_CTX *ctx;

	if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1 ||
	    curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
	    RAND_bytes(&byte, 1) != 1 ||
	    (ctx = SSL_CTX_new(TLS_client_method())) == NULL)
		return VERR_INTERNAL;
	SSL_CTX_free(ctx);
	account_init();
	return 0;
}

int
main(int argc, char **argv)
{
	static struct courier c;
	int r;

	room_begin(&c.life, ROOM_COURIER, argc, argv, 0, CHANNEL_TAKES_FD,
	    &courier_supervisor_ops, &c);
	if ((r = channel_new(c.life.loop, FD_KEEPER, ROOM_COURIER, ROOM_KEEPER,
	         0, &courier_keeper_ops, &c, &c.keeper)) != 0)
		room_cannot_start(10, r);
	if ((r = warm_up()) != 0)
		room_cannot_start(11, r);
	/* Without it, profiles with an authority of their own still work. */
	if ((r = trust_read(FD_CA, &c.pools.trust)) != 0)
		log_say(LOG_NO_CA, (uint64_t)-r, 0, 0);
	(void)close(FD_CA);
	pools_init(&c.pools, c.life.loop);
	room_landlock(&c.life, &courier_walls);
	room_confine(&c.life, &courier_walls);
	room_run(&c.life);
}
