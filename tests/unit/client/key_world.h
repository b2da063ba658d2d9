/*
 * key_world - one command of vaultctl against a vault of the test's own, which
 *	       tells of key slots, opens the act, and shows a job's progress.
 */
#ifndef UNIT_KEY_WORLD_H
#define UNIT_KEY_WORLD_H

#include "tests/unit/client/fake_vault.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "client/vaultctl/ctl.h"
#include "protocol/act.h"
#include "protocol/pairs.h"
#include "protocol/refusal.h"

#define SALT   "000102030405060708090a0b0c0d0e0f"
#define STRONG "correct horse battery"

/* Argon2id of it with the salt above, 2 passes and 64 MiB, as libargon2 has it.
 */
static const uint8_t stretched[ACT_PASSPHRASE_LEN] = {0xf6, 0x4a, 0x52, 0x04,
    0x06, 0xa9, 0x0c, 0x6c, 0x53, 0x1f, 0x04, 0xf1, 0x8e, 0xb9, 0x9f, 0xf4,
    0xa9, 0xc5, 0xd7, 0x7b, 0xb4, 0xd1, 0xbf, 0xb7, 0xfe, 0xd4, 0xea, 0x93,
    0x74, 0x34, 0x4f, 0x6b, 0xf5, 0xe8, 0x5f, 0xf7, 0x58, 0xd7, 0x5f, 0x75,
    0x6c, 0xa7, 0x92, 0xe9, 0x47, 0x72, 0xb2, 0xea, 0x8c, 0xad, 0xfe, 0xc6,
    0xbc, 0x27, 0x46, 0x3e, 0xf6, 0x2d, 0x38, 0x82, 0x92, 0x51, 0xe4, 0x3d};

static const uint8_t a_key[ACT_KEY_LEN] = "a key of thirty-two bytes, yes.";

/* What the vault says, and what it heard. */
static struct {
	const char *slots[40]; /* rows */
	const char *status[8]; /* rows of one STATUS each, '\n' between them */
	size_t asked;          /* how many STATUS there were */
	int die;               /* after so many of them; 0: never */
	enum refusal refusal;  /* of the act */
	size_t acts;
	uint8_t act[ACT_MAX];
	size_t act_n;
	/* the command */
	char out[8192], err[8192];
} K;

static char folder[64], path[96], file[96], key_file[96];
static uint8_t public_key[crypto_box_PUBLICKEYBYTES];
static uint8_t secret_key[crypto_box_SECRETKEYBYTES];

static inline void
write_file(const char *name, const void *p, size_t n, mode_t mode)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, p, n), (ssize_t)n);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static inline int
key_world_begin(void **state)
{
	char text[64];

	(void)state;
	memset(&K, 0, sizeof(K));
	snprintf(folder, sizeof(folder), "/tmp/vaultctl-XXXXXX");
	if (mkdtemp(folder) == NULL || sodium_init() < 0 ||
	    crypto_box_keypair(public_key, secret_key) != 0)
		return -1;
	snprintf(path, sizeof(path), "%s/vaultd.sock", folder);
	snprintf(file, sizeof(file), "%s/keeper.pub", folder);
	snprintf(key_file, sizeof(key_file), "%s/key", folder);
	sodium_bin2base64(text, sizeof(text), public_key, sizeof(public_key),
	    sodium_base64_VARIANT_ORIGINAL);
	write_file(file, text, strlen(text), 0644);
	write_file(key_file, a_key, sizeof(a_key), 0600);
	return 0;
}

static inline int
key_world_end(void **state)
{
	(void)state;
	unlink(file);
	unlink(key_file);
	return rmdir(folder);
}

static inline void
say_rows(struct fake *f, const char *rows)
{
	while (rows != NULL && *rows != '\0') {
		size_t n = strcspn(rows, "\n");

		FAKE_SAY(f, f->id, ROW, row, .json = slice_of(rows, n));
		rows += n + (rows[n] == '\n');
	}
}

static inline void
take_act(struct fake *f)
{
	const struct refusal_info *why = refusal_info(K.refusal);

	K.acts++;
	K.act_n = f->m.act.sealed.n - crypto_box_SEALBYTES;
	if (crypto_box_seal_open(K.act, f->m.act.sealed.p, f->m.act.sealed.n,
	        public_key, secret_key) != 0)
		abort();
	if (K.refusal == REFUSED_NONE)
		FAKE_SAY(f, f->id, DONE, done, .audit = 41,
		    .text = slice_str("so it is"));
	else
		FAKE_SAY(f, f->id, REFUSED, refused,
		    .code = slice_str(why->code), .http = why->http,
		    .exit = why->exit, .sentence = slice_str(why->meaning));
}

static inline void
play_vault(struct fake *f)
{
	static const uint8_t nonce[ACT_NONCE_LEN] = "one act and no more";

	while (fake_hear(f) == 0) {
		switch (f->m.type) {
		case CLIENT_SLOTS:
			for (size_t i = 0; K.slots[i] != NULL; i++)
				say_rows(f, K.slots[i]);
			FAKE_SAY(f, f->id, DONE, done, .audit = 0);
			break;
		case CLIENT_STATUS:
			if (K.die != 0 && K.asked == (size_t)K.die)
				return;
			say_rows(f, K.status[K.asked++]);
			FAKE_SAY(f, f->id, DONE, done, .audit = 0);
			break;
		case CLIENT_NONCE:
			FAKE_SAY(f, f->id, NONCE_IS, nonce_is,
			    .nonce = slice_of(nonce, sizeof(nonce)));
			break;
		case CLIENT_ACT:
			take_act(f);
			break;
		default:
			abort();
		}
	}
}

static inline const struct command *
command_of(const char *name)
{
	const struct command *c = commands;

	while (strcmp(c->name, name) != 0)
		assert_non_null((++c)->name);
	return c;
}

/* What is read from stdin. */
static inline void
type(const char *text)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(
	    write(fds[1], text, strlen(text)), (ssize_t)strlen(text));
	close(fds[1]);
	assert_int_equal(dup2(fds[0], STDIN_FILENO), STDIN_FILENO);
	close(fds[0]);
}

static inline void
take_output(FILE *from, char *out, size_t size)
{
	size_t n;

	rewind(from);
	n = fread(out, 1, size - 1, from);
	out[n] = '\0';
	fclose(from);
}

/* Run a command with these arguments, NULL-ended; returns its exit status. */
static inline int
run(const char *name, const char *const *argv)
{
	struct ctl ctl = {.command = command_of(name)};
	char why[OPTIONS_WHY_MAX];
	struct fake f;
	int status;

	fake_start(&f, play_vault);
	f.vault->path = strdup(path);
	ctl.vault = f.vault;
	ctl.out.f = tmpfile();
	ctl.err.f = tmpfile();
	assert_true(options_parse(&ctl.options, ctl.command->options,
	                common_options, (char *const *)argv, false, why) >= 0);
	status = ctl.command->run(&ctl);
	/* or the leak checker cannot look */
	assert_int_equal(prctl(PR_SET_DUMPABLE, 1), 0);
	take_output(ctl.out.f, K.out, sizeof(K.out));
	take_output(ctl.err.f, K.err, sizeof(K.err));
	fake_stop(&f);
	return status;
}

#define RUN(name, ...) run(name, (const char *const[]){__VA_ARGS__, NULL})

static inline void
assert_said(const char *text)
{
	if (strstr(K.out, text) == NULL && strstr(K.err, text) == NULL)
		fail_msg("\"%s\" is not in:\n%s%s", text, K.out, K.err);
}

static inline void
assert_bytes(const char *name, const void *p, size_t n)
{
	struct slice found;

	assert_int_equal(pairs_find(slice_of(K.act, K.act_n), name, &found), 0);
	assert_int_equal(found.n, n);
	assert_memory_equal(found.p, p, n);
}

static inline void
assert_text(const char *name, const char *value)
{
	assert_bytes(name, value, strlen(value));
}

static inline void
assert_absent(const char *name)
{
	struct slice found;

	assert_int_equal(
	    pairs_find(slice_of(K.act, K.act_n), name, &found), VERR_NOTFOUND);
}

#endif /* UNIT_KEY_WORLD_H */
