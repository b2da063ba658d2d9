/*
 * signgen - signatures in a second, by each side of a comparison.
 *
 *	signgen KEY=VALUE...
 *
 *	what=vault	JWTs over the framed socket
 *	what=agent	an SSH agent's signatures (PROTOCOL.agent of OpenSSH)
 *	what=raw	the bare primitive in a loop, with the text of a JWT
 *	to=PATH		socket of vault or agent
 *	profile=CUSTOMER/NAME
 *	alg=RS256	or ES256, EdDSA; key=FILE its key, PEM: of raw
 *	depth=1		asked for before the first answer: of vault
 *	warm=50 ms=150	milliseconds before measuring, and measured
 *
 * Prints one line: ops per second, how many there were, and how many failed.
 */
#include <arpa/inet.h>
#include <err.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <sodium.h>

#include "protocol/codec.h"
#include "protocol/frame.h"

#define SECOND      UINT64_C(1000000000)
#define PAYLOAD_LEN 180 /* of claims: what the vault's JWTs have */

static const char *o_what = "vault", *o_to = "", *o_profile = "",
                  *o_alg = "ES256", *o_key = "";
static long o_depth = 1, o_warm = 50, o_ms = 150;

static const struct {
	const char *name;
	const char **text;
	long *number;
} options[] = {
    {"what", &o_what, NULL},
    {"to", &o_to, NULL},
    {"profile", &o_profile, NULL},
    {"alg", &o_alg, NULL},
    {"key", &o_key, NULL},
    {"depth", NULL, &o_depth},
    {"warm", NULL, &o_warm},
    {"ms", NULL, &o_ms},
};
#define NOPTIONS (sizeof(options) / sizeof(options[0]))

static uint64_t
now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * SECOND + (uint64_t)ts.tv_nsec;
}

static int
reach(void)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (strlen(o_to) >= sizeof(sun.sun_path))
		errx(1, "to: too long");
	memcpy(sun.sun_path, o_to, strlen(o_to) + 1);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sun, sizeof(sun)) != 0)
		err(1, "%s", o_to);
	return fd;
}

static void
put(int fd, const void *p, size_t n)
{
	if (write(fd, p, n) != (ssize_t)n)
		err(1, "write");
}

static void
get(int fd, void *p, size_t n)
{
	for (size_t have = 0; have < n;) {
		ssize_t r = read(fd, (uint8_t *)p + have, n - have);

		if (r <= 0)
			err(1, "read");
		have += (size_t)r;
	}
}

/*
 * The vault: so many requests are always under way.
 */

static struct {
	int fd;
	uint64_t id;
	uint8_t in[1 << 20], request[1024];
	size_t got, request_size;
} vault;

static void
vault_ask(void)
{
	struct frame f = {.id = ++vault.id,
	    .type = CLIENT_SIGN,
	    .length = (uint32_t)(vault.request_size - FRAME_HEADER)};

	frame_put(vault.request, &f);
	put(vault.fd, vault.request, vault.request_size);
}

static void
vault_begin(void)
{
	const struct client_msg m = {.type = CLIENT_SIGN,
	    .sign = {.profile = slice_str(o_profile),
	        .scheme = slice_str(""),
	        .wish = slice_of("", 0)}};

	codec_init();
	vault.fd = reach();
	if (codec_encode(1, &m, vault.request, sizeof(vault.request),
	        &vault.request_size) != 0)
		errx(1, "the request does not fit");
	for (long i = 0; i < o_depth; i++)
		vault_ask();
}

/*
 * Read what there is, and ask for as many as were answered.
 */
static long
vault_turn(void)
{
	size_t at = 0;
	struct frame f;
	long done = 0;
	ssize_t n =
	    read(vault.fd, vault.in + vault.got, sizeof(vault.in) - vault.got);

	if (n <= 0)
		err(1, "the vault is gone");
	vault.got += (size_t)n;
	while (vault.got - at >= FRAME_HEADER) {
		if (frame_parse(vault.in + at, &f) != 0)
			errx(1, "not a frame");
		if (vault.got - at < FRAME_HEADER + f.length)
			break;
		if (f.type == CLIENT_REFUSED)
			errx(1, "refused");
		done += f.type == CLIENT_DONE;
		at += FRAME_HEADER + f.length;
	}
	memmove(vault.in, vault.in + at, vault.got - at);
	vault.got -= at;
	for (long i = 0; i < done; i++)
		vault_ask();
	return done;
}

/*
 * The agent: the first key that it has.
 */

static struct {
	int fd;
	uint8_t request[4096];
	size_t size;
} agent;

static uint32_t
agent_say(uint8_t *answer, size_t cap)
{
	uint32_t n;

	put(agent.fd, agent.request, agent.size);
	get(agent.fd, &n, 4);
	n = ntohl(n);
	if (n > cap)
		errx(1, "a long answer");
	get(agent.fd, answer, n);
	return n;
}

static void
put_u32(uint8_t *p, uint32_t v)
{
	v = htonl(v);
	memcpy(p, &v, 4);
}

static void
agent_begin(void)
{
	static uint8_t answer[65536];
	uint32_t blob, data = 300;
	uint8_t *p = agent.request;

	agent.fd = reach();
	put_u32(p, 1);
	p[4] = 11; /* SSH_AGENTC_REQUEST_IDENTITIES */
	agent.size = 5;
	if (agent_say(answer, sizeof(answer)) < 13)
		errx(1, "the agent has no key");
	memcpy(&blob, answer + 5, 4);
	blob = ntohl(blob);
	if (blob > 2048)
		errx(1, "a long key");
	p[4] = 13; /* SSH_AGENTC_SIGN_REQUEST */
	put_u32(p + 5, blob);
	memcpy(p + 9, answer + 9, blob);
	put_u32(p + 9 + blob, data);
	memset(p + 13 + blob, 'd', data);
	put_u32(p + 13 + blob + data, 2); /* RSA: SHA-256 */
	agent.size = 17 + blob + data;
	put_u32(p, (uint32_t)agent.size - 4);
}

static long
agent_turn(void)
{
	uint8_t answer[4096];

	if (agent_say(answer, sizeof(answer)) == 0 || answer[0] != 14)
		errx(1, "the agent did not sign");
	return 1;
}

/*
 * The primitive, its key kept, and the text around it.
 */

static struct {
	EVP_PKEY *key;
	uint8_t secret[crypto_sign_SECRETKEYBYTES];
	bool ed25519;
} raw;

static void
raw_begin(void)
{
	uint8_t seed[32], public[32];
	size_t n = sizeof(seed);
	FILE *f = fopen(o_key, "re");

	if (sodium_init() < 0 || f == NULL)
		err(1, "%s", o_key);
	raw.key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
	(void)fclose(f);
	if (raw.key == NULL)
		errx(1, "%s is no key", o_key);
	raw.ed25519 = strcmp(o_alg, "EdDSA") == 0;
	if (raw.ed25519 &&
	    (EVP_PKEY_get_raw_private_key(raw.key, seed, &n) != 1 ||
	        crypto_sign_seed_keypair(public, raw.secret, seed) != 0))
		errx(1, "%s is no Ed25519 key", o_key);
}

static long
raw_turn(void)
{
	static uint8_t payload[PAYLOAD_LEN];
	uint8_t signature[512];
	char text[1024], encoded[1024];
	size_t n = sizeof(signature);
	EVP_MD_CTX *ctx;

	memset(payload, 'p', sizeof(payload));
	(void)sodium_bin2base64(text, sizeof(text), payload, sizeof(payload),
	    sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	if (raw.ed25519) {
		(void)crypto_sign_detached(signature, NULL,
		    (const uint8_t *)text, strlen(text), raw.secret);
		n = crypto_sign_BYTES;
	} else {
		ctx = EVP_MD_CTX_new();
		if (EVP_DigestSignInit(
		        ctx, NULL, EVP_sha256(), NULL, raw.key) != 1 ||
		    EVP_DigestSign(ctx, signature, &n, (const uint8_t *)text,
		        strlen(text)) != 1)
			errx(1, "cannot sign");
		EVP_MD_CTX_free(ctx);
	}
	(void)sodium_bin2base64(encoded, sizeof(encoded), signature, n,
	    sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	return encoded[0] != '\0';
}

static const struct {
	const char *name;
	void (*begin)(void);
	long (*turn)(void); /* how many signatures that was */
} sides[] = {
    {"vault", vault_begin, vault_turn},
    {"agent", agent_begin, agent_turn},
    {"raw", raw_begin, raw_turn},
};

static void
read_options(char **argv)
{
	for (; *argv != NULL; argv++) {
		const char *value = strchr(*argv, '=');
		size_t i = 0;

		while (value != NULL && i < NOPTIONS &&
		    strncmp(*argv, options[i].name, (size_t)(value - *argv)) !=
		        0)
			i++;
		if (value == NULL || i == NOPTIONS)
			errx(2, "%s: no such option", *argv);
		if (options[i].text != NULL)
			*options[i].text = value + 1;
		else
			*options[i].number = strtol(value + 1, NULL, 10);
	}
}

int
main(int argc, char **argv)
{
	uint64_t from, until;
	size_t i = 0;
	long n = 0;

	(void)argc;
	read_options(argv + 1);
	while (i < 3 && strcmp(sides[i].name, o_what) != 0)
		i++;
	if (i == 3)
		errx(2, "what=vault, agent or raw");
	sides[i].begin();
	for (until = now() + (uint64_t)o_warm * (SECOND / 1000); now() < until;)
		(void)sides[i].turn();
	from = now();
	until = from + (uint64_t)o_ms * (SECOND / 1000);
	while (now() < until)
		n += sides[i].turn();
	(void)printf("ops=%.0f n=%ld bad=0\n",
	    (double)n * SECOND / (double)(now() - from), n);
	return 0;
}
