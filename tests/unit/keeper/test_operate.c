#include "protocol/pairs.h"
#include "tests/unit/keeper/vault.h"
#include "vaultd/keeper/act.h"
#include "vaultd/keeper/sweep.h"
#include "vaultd/keeper/work.h"

#define GATE    1
#define SESSION 7
#define RIGHT   "unlock=the thirty-two bytes of a file.."
#define WRONG   "unlock=the thirty-two bytes of a file.,"

/* What the threads have opened comes back on a loop of its own. */
static struct loop *threads;
static int gate = -1; /* our end of it */
static uint64_t number;
static uint8_t stretched[SLOT_KEY_LEN + 1] =
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/* The answer to the last act. */
static struct {
	enum refusal refusal;
	uint32_t retry_after;
	uint64_t audit;
	char sentence[ACT_SENTENCE_MAX];
} got;

static bool
no_name(void *ctx, const char *name, uint32_t *ret_id)
{
	(void)ctx, (void)name, (void)ret_id;
	return false;
}

/* A gate, and the session of somebody who may operate the vault. */
static void
join(void)
{
	static const char rules[] =
	    "client ops { uid 1000 }\npermit ops to operate on **\n";
	static const struct policy_names none = {no_name, no_name, NULL};
	static struct policy *policy;
	const struct rec_SESSION who = {.session = SESSION,
	    .gate = GATE,
	    .face = FACE_HTTP,
	    .uid = 1000,
	    .gid = 100,
	    .known = KNOWN_GROUPS,
	    .groups = slice_str(""),
	    .exe = slice_str("/usr/bin/vaultctl"),
	    .cgroup = slice_str("/"),
	    .label = slice_str("")};
	static struct names *names;
	struct lex_error err;
	int sv[2];

	if (policy == NULL) {
		assert_int_equal(policy_parse("p", rules, strlen(rules), &none,
		                     &policy, &err),
		    0);
		assert_int_equal(
		    names_new(slice_str(""), slice_str(""), &names), 0);
	}
	k->rules.policy = policy;
	k->rules.names = names;
	if (k->secret_key == NULL) {
		k->secret_key = secret_alloc(crypto_box_SECRETKEYBYTES);
		assert_non_null(k->secret_key);
		(void)crypto_box_keypair(k->public_key, k->secret_key);
	}
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	gate = sv[1];
	number = 0;
	assert_int_equal(gate_attach(k, GATE, sv[0]), 0);
	assert_int_equal(session_begin(k, &who), 0);
}

static void
leave(void)
{
	if (gate >= 0)
		close(gate);
	gate = -1;
	if (k != NULL)
		peer_rounds(k->life.loop, 3);
}

/* Everything dies, and "d" is what there is. */
static void
restart(const struct disk *d, bool sealed)
{
	leave();
	if (sealed)
		given.key_file = NULL;
	restart_with(d);
	given.key_file = world_key_file;
	assert_int_equal(world.ready, 1);
	join();
}

static void
hear(void)
{
	static struct heard h;

	while (peer_hear(gate, &h) != 0) {
		memset(&got, 0, sizeof(got));
		if (h.type == REC_DONE) {
			got.audit = h.m.DONE.audit;
			memcpy(got.sentence, h.m.DONE.sentence.p,
			    h.m.DONE.sentence.n);
			continue;
		}
		assert_int_equal(h.type, REC_REFUSE);
		got.refusal = (enum refusal)h.m.REFUSE.refusal;
		got.retry_after = (uint32_t)h.m.REFUSE.retry_after;
		got.audit = h.m.REFUSE.audit;
		memcpy(
		    got.sentence, h.m.REFUSE.sentence.p, h.m.REFUSE.sentence.n);
	}
}

/*
 * Ask for it, sealed as vaultctl does: "name=value" lines, the verb first.
 * "stretched" stands for those bytes.
 */
static void
ask(const char *lines)
{
	static uint8_t plain[4096], sealed[4096 + crypto_box_SEALBYTES];
	struct pairs_writer w = {.p = plain, .cap = sizeof(plain)};
	char text[1024], *at = text, *line, *eq;
	uint64_t held = ledger.commit;
	struct session *s;

	assert_int_equal(session_find(k, SESSION, GATE, &s), 0);
	pairs_add(&w, "nonce", slice_of(session_make_nonce(s), 24));
	strncpy(text, lines, sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	while ((line = strsep(&at, "\n")) != NULL) {
		eq = strchr(line, '=');
		assert_non_null(eq);
		*eq++ = '\0';
		pairs_add(&w, line,
		    strcmp(eq, "stretched") == 0
		        ? slice_of(stretched, SLOT_KEY_LEN)
		        : slice_str(eq));
	}
	assert_false(w.overflow);
	assert_int_equal(crypto_box_seal(sealed, plain, w.n, k->public_key), 0);
	memset(&got, 0, sizeof(got));
	got.refusal = (enum refusal)REFUSAL_COUNT;
	peer_say(gate, ACT, .session = SESSION, .number = ++number,
	    .sealed = slice_of(sealed, w.n + crypto_box_SEALBYTES));
	for (int i = 0; i < 5000 && got.refusal == REFUSAL_COUNT; i++) {
		ledger_play();
		peer_rounds(threads, 1);
		ledger_play();
		hear();
		if (ledger.commit > held)
			return; /* its own is held */
		(void)usleep(100);
	}
	if (got.refusal == REFUSAL_COUNT)
		fail_msg("no answer to %s", lines);
}

static void
is_done(const char *lines, const char *words)
{
	ask(lines);
	if (got.refusal != REFUSED_NONE || strstr(got.sentence, words) == NULL)
		fail_msg("%s: %u, %s", lines, got.refusal, got.sentence);
}

static void
is_refused(const char *lines, enum refusal refusal, const char *words)
{
	uint64_t generation = rows_generation(k->rows);

	ask(lines);
	if (got.refusal != refusal || strstr(got.sentence, words) == NULL)
		fail_msg("%s: %u, %s", lines, got.refusal, got.sentence);
	assert_true(rows_generation(k->rows) == generation);
	/* It is on record. */
	assert_true(got.audit > 0 && got.audit < ledger.disk.nlines);
}

static void
sweep_ends(void)
{
	for (int i = 0; i < 5000 && sweep_is_on(k); i++) {
		ledger_play();
		(void)usleep(500);
	}
	ledger_play();
	assert_false(sweep_is_on(k));
}

static int
operate_memory(void **state)
{
	return world_memory(state) != 0 || loop_new(&threads) != 0 ||
	        work_start(threads) != 0
	    ? -1
	    : 0;
}

static int
operate_setup(void **state)
{
	leave();
	(void)ledger_setup(state);
	join();
	vault_put("acme/shop", "hunter2");
	vault_put("globex/shop", "hunter3");
	return 0;
}

static int
operate_teardown(void **state)
{
	leave();
	return ledger_teardown(state);
}

static void
keys_operate_unseal(void **state)
{
	static struct disk d;

	(void)state;
	is_refused("verb=unseal\nslot=0\n" RIGHT, REFUSED_EXISTS, "not sealed");
	disk_copy(&d, &ledger.disk);
	restart(&d, true);
	assert_null(k->keys);
	is_refused("verb=rotate-root", REFUSED_SEALED, "sealed");
	is_refused("verb=slot-remove\nslot=0", REFUSED_SEALED, "sealed");
	is_refused("verb=unseal\nslot=0", REFUSED_BAD_REQUEST, "missing");
	is_refused("verb=unseal\n" RIGHT, REFUSED_NOT_FOUND, "no such");
	is_refused("verb=unseal\nslot=1\n" RIGHT, REFUSED_NOT_FOUND, "no such");
	is_refused("verb=unseal\nslot=8\n" RIGHT, REFUSED_NOT_FOUND, "no such");
	is_done("verb=unseal\nslot=0\n" RIGHT, "unsealed by key slot 0");
	assert_non_null(k->keys);
	assert_string_equal(vault_secret("acme/shop"), "hunter2");
	disk_free(&d);
}

/* Each wrong secret makes the next try wait longer, up to a minute. */
static void
keys_operate_unseal_too_soon(void **state)
{
	static const uint32_t waits[] = {2, 4, 8, 16, 32, 60, 60};
	static struct disk d;

	(void)state;
	disk_copy(&d, &ledger.disk);
	restart(&d, true);
	for (size_t i = 0; i < sizeof(waits) / sizeof(*waits); i++) {
		is_refused("verb=unseal\nslot=0\n" WRONG, REFUSED_UNSEAL,
		    "does not open key slot 0");
		assert_null(k->keys);
		assert_true(
		    k->unseal_after == WORLD_TIME + waits[i] * UINT64_C(1000));
		/* The right one has to wait as well: nothing is tried. */
		is_refused("verb=unseal\nslot=0\n" RIGHT, REFUSED_BUDGET,
		    "a moment ago");
		assert_int_equal(got.retry_after, waits[i] + 1);
		assert_null(k->keys);
		k->unseal_after = WORLD_TIME; /* the time has come */
	}
	is_refused("verb=unseal\nslot=0\nunlock=short", REFUSED_UNSEAL, "");
	k->unseal_after = WORLD_TIME;
	is_done("verb=unseal\nslot=0\n" RIGHT, "unsealed");
	assert_int_equal(k->unseal_failures, 0);
	disk_free(&d);
}

/* The right secret, and a store that is not what was written. */
static void
keys_operate_unseal_of_another_store(void **state)
{
	static struct disk d;

	(void)state;
	disk_copy(&d, &ledger.disk);
	disk_kind(&d, ROW_PROFILE)->body[60] ^= 1;
	restart(&d, true);
	is_refused("verb=unseal\nslot=0\n" RIGHT, REFUSED_STORE, "sealed root");
	assert_null(k->keys);
	disk_free(&d);
}

static void
keys_operate_slots(void **state)
{
	static const char passphrase[] =
	    "verb=slot-add\nkind=passphrase\nunlock=stretched\n"
	    "salt=0123456789abcdef\nopslimit=3\nmemlimit=65536\ntitle=safe";
	static struct disk d;

	(void)state;
	is_refused("verb=slot-remove\nslot=0", REFUSED_EXISTS, "last key slot");
	is_refused("verb=slot-remove\nslot=3", REFUSED_NOT_FOUND, "no such");
	is_refused("verb=slot-add\nkind=tpm\n" RIGHT, REFUSED_BAD_REQUEST, "");
	is_refused("verb=slot-add\nkind=keyfile", REFUSED_BAD_REQUEST, "32");
	is_refused("verb=slot-add\nkind=keyfile\nunlock=short",
	    REFUSED_BAD_REQUEST, "32");
	is_refused("verb=slot-add\nkind=keyfile\ntitle=a\tb\n" RIGHT,
	    REFUSED_BAD_REQUEST, "control");
	is_refused("verb=slot-add\nkind=keyfile\n"
	           "title=012345678901234567890123456789012\n" RIGHT,
	    REFUSED_BAD_REQUEST, "at most 32");
	is_refused("verb=slot-add\nkind=passphrase\nunlock=stretched\n"
	           "salt=0123456789abcdef\nopslimit=3\nmemlimit=65535",
	    REFUSED_BAD_REQUEST, "64 MiB");
	is_refused("verb=slot-add\nkind=passphrase\nunlock=stretched\n"
	           "salt=0123456789abcdef\nopslimit=1\nmemlimit=65536",
	    REFUSED_BAD_REQUEST, "64 MiB");
	is_refused("verb=slot-add\nkind=passphrase\nunlock=stretched\n"
	           "salt=0123456789abcde\nopslimit=3\nmemlimit=65536",
	    REFUSED_BAD_REQUEST, "salt");
	is_done(passphrase, "key slot 1 was added, passphrase: safe");
	assert_int_equal(slots_count(k->slots), 2);
	/* Now the first may go, and what opened it opens nothing. */
	is_done("verb=slot-remove\nslot=0", "key slot 0 was removed");
	assert_true(ledger.erase);
	is_refused("verb=slot-remove\nslot=1", REFUSED_EXISTS, "last");
	disk_copy(&d, &ledger.disk);
	restart(&d, false); /* with the file that has no slot any more */
	assert_null(k->keys);
	is_refused("verb=unseal\nslot=0\n" RIGHT, REFUSED_NOT_FOUND, "");
	is_done("verb=unseal\nslot=1\nunlock=stretched", "unsealed");
	assert_string_equal(vault_secret("acme/shop"), "hunter2");
	/* All of them: eight, and no more. */
	for (int i = 0; i < SLOTS_MAX - 1; i++)
		is_done("verb=slot-add\nkind=keyfile\n" RIGHT, "was added");
	is_refused("verb=slot-add\nkind=keyfile\n" RIGHT, REFUSED_TOO_LARGE,
	    "all 8 key slots");
	disk_free(&d);
}

/* Every slot gets the new root: its secret is asked for, or it is dropped. */
static void
keys_operate_rotate_root(void **state)
{
	static struct disk d;

	(void)state;
	is_done("verb=slot-add\nkind=passphrase\nunlock=stretched\n"
	        "salt=0123456789abcdef\nopslimit=3\nmemlimit=65536",
	    "key slot 1");
	is_done("verb=slot-add\nkind=credential\n" WRONG, "key slot 2");
	disk_copy(&d, &ledger.disk);
	restart(&d, false); /* so that only the file's key is known */
	is_refused("verb=rotate-root", REFUSED_BAD_REQUEST,
	    "secret of key slot 1 is needed");
	is_refused("verb=rotate-root\ndrop.1=1", REFUSED_BAD_REQUEST,
	    "secret of key slot 2 is needed");
	is_refused("verb=rotate-root\nunlock.1=x\ndrop.2=1", REFUSED_UNSEAL,
	    "does not open key slot 1");
	is_refused("verb=rotate-root\ndrop.0=1\ndrop.1=1\ndrop.2=1",
	    REFUSED_BAD_REQUEST, "at least one");
	assert_int_equal(keys_epoch(k->keys), 1);
	is_done("verb=rotate-root\nunlock.1=stretched\ndrop.2=1", "epoch 2");
	assert_int_equal(keys_epoch(k->keys), 2);
	assert_null(slots_get(k->slots, 2));
	sweep_ends();
	assert_string_equal(vault_secret("acme/shop"), "hunter2");
	/* Both that were kept open the new root. */
	disk_copy(&d, &ledger.disk);
	restart(&d, false);
	assert_int_equal(keys_epoch(k->keys), 2);
	restart(&d, true);
	is_done("verb=unseal\nslot=1\nunlock=stretched", "unsealed");
	assert_int_equal(keys_epoch(k->keys), 2);
	assert_string_equal(vault_secret("globex/shop"), "hunter3");
	/* And it can be done again. */
	restart(&d, false);
	is_done("verb=rotate-root\nunlock.1=stretched", "epoch 3");
	sweep_ends();
	assert_string_equal(vault_secret("acme/shop"), "hunter2");
	disk_free(&d);
}

static void
keys_operate_customer(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		const char *verb =
		    i ? "verb=destroy-customer" : "verb=rotate-customer";
		char lines[128];

		is_refused(verb, REFUSED_BAD_REQUEST, "a customer is named");
		(void)snprintf(lines, sizeof(lines), "%s\ncustomer=", verb);
		is_refused(lines, REFUSED_BAD_REQUEST, "a customer is named");
		(void)snprintf(
		    lines, sizeof(lines), "%s\ncustomer=nobody", verb);
		is_refused(lines, REFUSED_NOT_FOUND, "no such customer");
	}
	is_done("verb=rotate-customer\ncustomer=acme", "was replaced");
	sweep_ends();
	assert_string_equal(vault_secret("acme/shop"), "hunter2");
	is_done("verb=rotate-customer\ncustomer=acme", "was replaced");
	sweep_ends();
	assert_string_equal(vault_secret("acme/shop"), "hunter2");
	is_done("verb=destroy-customer\ncustomer=acme", "level 1");
	sweep_ends();
	assert_null(vault_secret("acme/shop"));
	assert_string_equal(vault_secret("globex/shop"), "hunter3");
	is_refused("verb=destroy-customer\ncustomer=acme", REFUSED_NOT_FOUND,
	    "no such customer");
}

/* One thing at a time: the first one's old key must be gone. */
static void
keys_operate_one_sweep_at_a_time(void **state)
{
	static const char *const firsts[] = {"verb=rotate-root",
	    "verb=rotate-customer\ncustomer=acme",
	    "verb=destroy-customer\ncustomer=acme"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		is_done(firsts[i], "");
		assert_true(sweep_is_on(k));
		ledger.hold_commits = true;
		for (int n = 0; n < 200 && ledger.commit == 0; n++) {
			ledger_play();
			(void)usleep(500);
		}
		assert_true(ledger.commit != 0);
		is_refused("verb=rotate-root", REFUSED_STALE, "under way");
		is_refused("verb=rotate-customer\ncustomer=globex",
		    REFUSED_STALE, "under way");
		is_refused("verb=destroy-customer\ncustomer=globex",
		    REFUSED_STALE, "under way");
		ledger_write_commit();
		ledger_answer_commit(0);
		ledger.hold_commits = false;
		sweep_ends();
		assert_string_equal(vault_secret("globex/shop"), "hunter3");
	}
}

static void
keys_operate_seal(void **state)
{
	static struct heard h;
	bool told = false;

	(void)state;
	is_done("verb=seal", "was sealed");
	peer_rounds(k->life.loop, 2);
	while (peer_hear(supervisor, &h) != 0)
		told = told || h.type == REC_KEEPER_SEALS;
	assert_true(told);
}

/* The store fails: nothing has changed, and all goes on as it was. */
static void
keys_operate_store_fails(void **state)
{
	static const char *const acts[] = {"verb=rotate-root",
	    "verb=rotate-customer\ncustomer=acme",
	    "verb=destroy-customer\ncustomer=acme",
	    "verb=slot-add\nkind=credential\n" RIGHT};

	(void)state;
	for (size_t i = 0; i < sizeof(acts) / sizeof(*acts); i++) {
		ledger.hold_commits = true;
		ask(acts[i]);
		assert_true(ledger.commit != 0);
		/* What was destroyed leaves every file. */
		assert_int_equal(ledger.erase, i == 0 || i == 2);
		ledger_answer_commit(VERR_NOSPACE);
		ledger.hold_commits = false;
		ledger_play();
		hear();
		assert_int_equal(got.refusal, REFUSED_STORE);
		assert_false(sweep_is_on(k));
		assert_int_equal(keys_epoch(k->keys), 1);
		assert_int_equal(slots_count(k->slots), 1);
		assert_string_equal(vault_secret("acme/shop"), "hunter2");
		vault_put("acme/other", "x");
	}
	restart_with(&ledger.disk);
	assert_int_equal(world.ready, 1);
	join();
}

/*
 * Everything dies in the middle of it.  The old root is still needed: another
 * rotation has to wait, or what is under the first one is lost.
 */
static void
keys_operate_second_root_after_a_restart(void **state)
{
	static struct disk d;

	(void)state;
	ledger.hold_commits = true;
	ask("verb=rotate-root");
	assert_true(ledger.commit != 0);
	ledger_write_commit();
	disk_copy(&d, &ledger.disk);
	restart(&d, false);
	assert_int_equal(keys_epoch(k->keys), 2);
	ask("verb=rotate-root");
	if (got.refusal != REFUSED_NONE)
		assert_int_equal(got.refusal, REFUSED_STALE);
	sweep_ends();
	disk_copy(&d, &ledger.disk);
	restart(&d, false);
	sweep_ends();
	for (int i = 0; i < 2; i++) {
		const char *text =
		    vault_secret(i ? "globex/shop" : "acme/shop");

		if (text == NULL)
			fail_msg("a secret is lost");
		assert_string_equal(text, i ? "hunter3" : "hunter2");
	}
	disk_free(&d);
}

int
main(void)
{
#define T(name)                                                                \
	cmocka_unit_test_setup_teardown(name, operate_setup, operate_teardown)
	const struct CMUnitTest tests[] = {
	    T(keys_operate_unseal),
	    T(keys_operate_unseal_too_soon),
	    T(keys_operate_unseal_of_another_store),
	    T(keys_operate_slots),
	    T(keys_operate_rotate_root),
	    T(keys_operate_customer),
	    T(keys_operate_one_sweep_at_a_time),
	    T(keys_operate_seal),
	    T(keys_operate_store_fails),
	    T(keys_operate_second_root_after_a_restart),
	};

	return cmocka_run_group_tests_name(
	    "operate", tests, operate_memory, NULL);
}
