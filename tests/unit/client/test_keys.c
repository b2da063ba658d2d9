#include "tests/unit/client/key_world.h"

#include "client/vaultctl/unlock.h"

#define FILE_SLOT(n, unlocked)                                                 \
	"{\"slot\":" #n ",\"kind\":\"keyfile\",\"name\":\"disk\","             \
	"\"unlocked\":" #unlocked ",\"unattended\":true}"
#define CREDENTIAL_SLOT                                                        \
	"{\"slot\":4,\"kind\":\"credential\",\"name\":\"root\","               \
	"\"unlocked\":false,\"unattended\":true}"
#define PASS_SLOT_OF(n, passes, kib)                                           \
	"{\"slot\":" #n ",\"kind\":\"passphrase\",\"name\":\"ops\","           \
	"\"opslimit\":" #passes ",\"memlimit\":" #kib ",\"salt\":\"" SALT      \
	"\",\"unlocked\":false,\"unattended\":false}"
#define PASS_SLOT(n) PASS_SLOT_OF(n, 2, 65536)

static void
keys_passphrase_becomes_what_argon2id_says(void **state)
{
	struct stretch how = {.passes = 2, .memory = 65536};
	uint8_t out[ACT_PASSPHRASE_LEN];

	(void)state;
	for (int i = 0; i < ACT_SALT_LEN; i++)
		how.salt[i] = (uint8_t)i;
	assert_int_equal(
	    unlock_stretch((const uint8_t *)STRONG, strlen(STRONG), &how, out),
	    0);
	assert_memory_equal(out, stretched, sizeof(out));
}

static void
keys_passphrase_has_a_least_length(void **state)
{
	static const struct {
		const char *text;
		bool fit;
	} cases[] = {
	    {"elevenchars", false},
	    {"twelve chars", true},
	    {"\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4", false},
	    {"\xc3\xa4\xc3\xb6\xc3\xbc twelve!!!", true},
	    {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(unlock_weakness((const uint8_t *)cases[i].text,
		                     strlen(cases[i].text)) == NULL,
		    cases[i].fit);
}

static void
keys_unseal_takes_the_only_passphrase(void **state)
{
	(void)state;
	K.slots[0] = FILE_SLOT(0, false);
	K.slots[1] = PASS_SLOT(7);
	type(STRONG "\n");
	assert_int_equal(RUN("unseal", "--stdin"), STATUS_DONE);
	assert_text("verb", "unseal");
	assert_text("slot", "7");
	assert_bytes("unlock", stretched, sizeof(stretched));
	assert_int_equal(K.acts, 1);
	assert_null(memmem(K.act, K.act_n, STRONG, strlen(STRONG)));
}

static void
keys_unseal_by_file(void **state)
{
	(void)state;
	K.slots[0] = PASS_SLOT(1);
	K.slots[1] = FILE_SLOT(3, false);
	assert_int_equal(RUN("unseal", "--file", key_file), STATUS_DONE);
	assert_text("slot", "3");
	assert_bytes("unlock", a_key, sizeof(a_key));
}

static void
keys_unseal_says_which_slot_if_several_would_do(void **state)
{
	(void)state;
	K.slots[0] = FILE_SLOT(0, false);
	K.slots[1] = CREDENTIAL_SLOT;
	assert_int_equal(RUN("unseal", "--file", key_file), STATUS_USAGE);
	assert_said("--slot N");
	type(STRONG);
	assert_int_equal(RUN("unseal", "--stdin"), STATUS_USAGE);
	assert_said("--file FILE");
	assert_int_equal(K.acts, 0);
	assert_int_equal(
	    RUN("unseal", "--slot", "4", "--file", key_file), STATUS_DONE);
	assert_text("slot", "4");
	assert_int_equal(
	    RUN("unseal", "--slot", "9", "--file", key_file), STATUS_NOT_FOUND);
	assert_int_equal(
	    RUN("unseal", "--slot", "x", "--file", key_file), STATUS_USAGE);
	assert_int_equal(K.acts, 1);
}

static void
keys_wrong_or_loose_key_files_are_not_sent(void **state)
{
	static const uint8_t longer[ACT_KEY_LEN + 2];

	(void)state;
	K.slots[0] = FILE_SLOT(0, false);
	for (size_t n = 0; n < sizeof(longer); n++) {
		if (n == ACT_KEY_LEN)
			continue;
		write_file(key_file, longer, n, 0600);
		assert_int_equal(
		    RUN("unseal", "--file", key_file), STATUS_FAILED);
	}
	write_file(key_file, a_key, sizeof(a_key), 0640);
	assert_int_equal(RUN("unseal", "--file", key_file), STATUS_FAILED);
	assert_said("chmod 600");
	write_file(key_file, a_key, sizeof(a_key), 0604);
	assert_int_equal(RUN("unseal", "--file", key_file), STATUS_FAILED);
	assert_int_equal(
	    RUN("unseal", "--file", "/nonexistent"), STATUS_FAILED);
	assert_int_equal(K.acts, 0);
}

static void
keys_empty_passphrase_is_not_sent(void **state)
{
	(void)state;
	K.slots[0] = PASS_SLOT(1);
	for (int i = 0; i < 3; i++) {
		type((const char *const[]){"", "\n", "\r\n"}[i]);
		assert_int_equal(RUN("unseal", "--stdin"), STATUS_USAGE);
	}
	assert_int_equal(K.acts, 0);
}

static void
keys_work_that_is_too_little_or_too_much_is_refused(void **state)
{
	static const char *const rows[] = {
	    PASS_SLOT_OF(1, 1, 65536),
	    PASS_SLOT_OF(1, 2, 65535),
	    PASS_SLOT_OF(1, 21, 65536),
	    PASS_SLOT_OF(1, 2, 4194305),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		K.slots[0] = rows[i];
		type(STRONG);
		assert_int_equal(RUN("unseal", "--stdin"), STATUS_FAILED);
		assert_said(i < 2 ? "less work" : "more work");
	}
	assert_int_equal(K.acts, 0);
}

static void
keys_slots_that_make_no_sense_are_refused(void **state)
{
	static const char *const rows[] = {
	    "{\"slot\":1}",
	    "{\"kind\":\"keyfile\"}",
	    "{\"slot\":-1,\"kind\":\"keyfile\"}",
	    "{\"slot\":\"1\",\"kind\":\"keyfile\"}",
	    "{\"slot\":1,\"kind\":\"passphrase\",\"salt\":\"" SALT "\"}",
	    PASS_SLOT_OF(1, -2, 65536),
	    "{\"slot\":1,\"kind\":\"passphrase\",\"opslimit\":2,"
	    "\"memlimit\":65536,\"salt\":\"" SALT "00\"}",
	    "{\"slot\":1,\"kind\":\"passphrase\",\"opslimit\":2,"
	    "\"memlimit\":65536,\"salt\":\"zz0102030405060708090a0b0c0d0e0f\"}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		K.slots[0] = rows[i];
		assert_int_equal(
		    RUN("unseal", "--file", key_file), STATUS_FAILED);
		assert_said("no sense");
	}
	for (size_t i = 0; i < 39; i++)
		K.slots[i] = FILE_SLOT(0, true);
	assert_int_equal(RUN("unseal", "--file", key_file), STATUS_FAILED);
	assert_int_equal(K.acts, 0);
}

static void
keys_slot_names_cannot_reach_the_terminal(void **state)
{
	struct slot slot;
	json_t *row = json_pack("{s:i, s:s, s:s}", "slot", 1, "kind", "keyfile",
	    "name", "\x1b[2J\xe2\x80\xae");

	(void)state;
	assert_int_equal(slot_parse(row, &slot), 0);
	assert_true(output_harmless(slot.name, strlen(slot.name)));
	json_decref(row);
}

static void
keys_add_a_passphrase(void **state)
{
	uint8_t first[ACT_SALT_LEN];
	struct slice unlock, salt;

	(void)state;
	type(STRONG "\n");
	assert_int_equal(RUN("key slot add", "passphrase", "--stdin", "--name",
	                     "ops", "--memory", "64", "--passes", "2"),
	    STATUS_DONE);
	assert_text("verb", "slot-add");
	assert_text("kind", "passphrase");
	assert_text("title", "ops");
	assert_text("opslimit", "2");
	assert_text("memlimit", "65536");
	assert_int_equal(
	    pairs_find(slice_of(K.act, K.act_n), "salt", &salt), 0);
	assert_int_equal(salt.n, ACT_SALT_LEN);
	assert_int_equal(
	    pairs_find(slice_of(K.act, K.act_n), "unlock", &unlock), 0);
	assert_int_equal(unlock.n, ACT_PASSPHRASE_LEN);
	assert_null(memmem(K.act, K.act_n, STRONG, strlen(STRONG)));
	/* another salt each time, so another key */
	memcpy(first, salt.p, sizeof(first));
	type(STRONG "\n");
	assert_int_equal(RUN("key slot add", "passphrase", "--stdin",
	                     "--memory", "64", "--passes", "2"),
	    STATUS_DONE);
	assert_int_equal(
	    pairs_find(slice_of(K.act, K.act_n), "salt", &salt), 0);
	assert_memory_not_equal(salt.p, first, sizeof(first));
}

static void
keys_add_refuses_what_is_weak_or_makes_no_sense(void **state)
{
	static const char *const wrong[][6] = {
	    {"tpm"},
	    {"passphrase", "--stdin", "--memory", "63"},
	    {"passphrase", "--stdin", "--memory", "4097"},
	    {"passphrase", "--stdin", "--memory", "64k"},
	    {"passphrase", "--stdin", "--passes", "1"},
	    {"passphrase", "--stdin", "--passes", "21"},
	    {"passphrase", "--generate"},
	    {"passphrase", "--stdin", "--file", "x"},
	    {"keyfile"},
	    {"keyfile", "--generate"},
	    {"keyfile", "--generate", "--stdin"},
	    {"keyfile", "--file", "x", "--passes", "3"},
	    {"credential", "--file", "x", "--memory", "64"},
	    {"keyfile", "--file", "x", "--name",
	        "a name of more than thirty-two bytes"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(run("key slot add", wrong[i]), STATUS_USAGE);
	type("elevenchars\n");
	assert_int_equal(
	    RUN("key slot add", "passphrase", "--stdin"), STATUS_FAILED);
	assert_said("12 characters");
	assert_int_equal(K.acts, 0);
}

static void
keys_add_makes_a_key_file_once(void **state)
{
	char made[96];
	uint8_t bytes[ACT_KEY_LEN + 1];
	struct stat st;
	int fd;

	(void)state;
	snprintf(made, sizeof(made), "%s/made", folder);
	assert_int_equal(
	    RUN("key slot add", "keyfile", "--file", made, "--generate"),
	    STATUS_DONE);
	assert_int_equal(stat(made, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_true((fd = open(made, O_RDONLY)) >= 0);
	assert_int_equal(read(fd, bytes, sizeof(bytes)), ACT_KEY_LEN);
	close(fd);
	assert_bytes("unlock", bytes, ACT_KEY_LEN);
	assert_text("kind", "keyfile");
	assert_absent("title");
	assert_absent("salt");
	/* never over a file that is there */
	assert_int_equal(
	    RUN("key slot add", "credential", "--file", made, "--generate"),
	    STATUS_FAILED);
	assert_int_equal(K.acts, 1);
	assert_int_equal(unlink(made), 0);
	/* nor left behind for a slot that is not */
	K.refusal = REFUSED_SEALED;
	assert_int_equal(
	    RUN("key slot add", "credential", "--file", made, "--generate"),
	    STATUS_UNREACHABLE);
	assert_said("the vault is sealed (vaultctl unseal)");
	assert_int_equal(access(made, F_OK), -1);
}

static void
keys_remove_needs_a_yes(void **state)
{
	(void)state;
	K.slots[0] = FILE_SLOT(0, true);
	K.slots[1] = PASS_SLOT(1);
	assert_int_equal(
	    RUN("key slot remove", "2", "--yes"), STATUS_NOT_FOUND);
	assert_int_equal(RUN("key slot remove", "0x1", "--yes"), STATUS_USAGE);
	assert_int_equal(K.acts, 0);
	assert_int_equal(RUN("key slot remove", "1", "--yes"), STATUS_DONE);
	assert_text("verb", "slot-remove");
	assert_text("slot", "1");
}

static void
keys_rotate_root_opens_what_the_vault_cannot(void **state)
{
	static const uint8_t newline[] = STRONG "\n";
	char with_pass[128], with_key[128], pass[96];

	(void)state;
	K.slots[0] = FILE_SLOT(0, true);
	K.slots[1] = PASS_SLOT(1);
	K.slots[2] = PASS_SLOT(2);
	K.slots[3] = CREDENTIAL_SLOT;
	snprintf(pass, sizeof(pass), "%s/pass", folder);
	write_file(pass, newline, sizeof(newline) - 1, 0600);
	snprintf(with_pass, sizeof(with_pass), "1=%s", pass);
	snprintf(with_key, sizeof(with_key), "4=%s", key_file);
	assert_int_equal(RUN("key rotate", "--root", "--drop-slot", "2",
	                     "--slot-file", with_pass),
	    STATUS_USAGE);
	assert_said("--slot-file 4=FILE");
	assert_int_equal(K.acts, 0);
	assert_int_equal(RUN("key rotate", "--root", "--drop-slot", "2",
	                     "--slot-file", with_pass, "--slot-file", with_key),
	    STATUS_DONE);
	unlink(pass);
	assert_text("verb", "rotate-root");
	assert_absent("unlock.0");
	assert_absent("drop.0");
	assert_bytes("unlock.1", stretched, sizeof(stretched));
	assert_text("drop.2", "1");
	assert_absent("unlock.2");
	assert_bytes("unlock.4", a_key, sizeof(a_key));
}

static void
keys_rotate_refuses_what_makes_no_sense(void **state)
{
	static const char *const wrong[][6] = {
	    {NULL}, {"--root", "--customer", "acme"}, {"--customer", "Acme"},
	    {"--customer", "acme/demo"}, {"--customer", ""},
	    {"--customer", "acme", "--drop-slot", "0"},
	    {"--root", "--drop-slot", "x"}, {"--root", "--drop-slot", "0"},
	    {"--root", "--slot-file", "0"}, {"--root", "--slot-file", "0="},
	    {"--root", "--slot-file", "0=/dev/null"}, /* needs none */
	};

	(void)state;
	K.slots[0] = FILE_SLOT(0, true);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(run("key rotate", wrong[i]), STATUS_USAGE);
	assert_int_equal(
	    RUN("key rotate", "--root", "--drop-slot", "3"), STATUS_NOT_FOUND);
	assert_int_equal(RUN("key destroy", "--yes"), STATUS_USAGE);
	assert_int_equal(
	    RUN("key destroy", "--yes", "--customer", "A"), STATUS_USAGE);
	assert_int_equal(K.acts, 0);
}

#define JOB(done)                                                              \
	"{\"kind\":\"vault\",\"state\":\"ready\"}\n"                           \
	"{\"kind\":\"job\",\"job\":\"rotate-customer\",\"customer\":\"acme\"," \
	"\"done\":" #done ",\"rows\":9}"
#define OTHER_JOB                                                              \
	"{\"kind\":\"job\",\"job\":\"rotate-customer\",\"customer\":"          \
	"\"other\","                                                           \
	"\"done\":1,\"rows\":9}"

static void
keys_rotate_waits_until_the_job_is_gone(void **state)
{
	(void)state;
	K.status[0] = JOB(0);
	K.status[1] = JOB(5);
	K.status[2] = OTHER_JOB;
	assert_int_equal(RUN("key rotate", "--customer", "acme"), STATUS_DONE);
	assert_text("verb", "rotate-customer");
	assert_text("customer", "acme");
	assert_int_equal(K.asked, 3);
	assert_string_equal(K.out, "so it is\n");
	assert_string_equal(K.err, ""); /* no terminal, no progress */
	K.asked = 0;
	assert_int_equal(
	    RUN("key destroy", "--customer", "acme", "--yes", "--no-wait"),
	    STATUS_DONE);
	assert_text("verb", "destroy-customer");
	assert_int_equal(K.asked, 0);
}

static void
keys_lost_connection_is_no_lost_job(void **state)
{
	(void)state;
	K.status[0] = JOB(0);
	K.die = 1;
	assert_int_equal(
	    RUN("key rotate", "--customer", "acme"), STATUS_UNREACHABLE);
	assert_said("so it is");
	assert_said("by itself");
	K.die = 0;
	K.asked = 0;
	K.status[1] = "{\"kind\":\"vault\",\"state\":\"sealed\"}\n"
	              "{\"kind\":\"job\",\"job\":\"rotate-customer\","
	              "\"customer\":\"acme\",\"done\":1,\"rows\":9}";
	assert_int_equal(
	    RUN("key rotate", "--customer", "acme"), STATUS_UNREACHABLE);
	assert_said("when it is unsealed");
}

static void
keys_status_tells_of_jobs_and_seals(void **state)
{
	(void)state;
	K.status[0] = JOB(5);
	K.status[1] = "{\"kind\":\"vault\",\"state\":\"sealed\"}";
	assert_int_equal(RUN("status", NULL), STATUS_DONE);
	assert_said("rotating the key of acme: 5 of 9 rows");
	K.asked = 1;
	assert_int_equal(RUN("status", NULL), STATUS_DONE);
	assert_said("vaultctl unseal");
}

static void
keys_refusals_have_their_exit_statuses(void **state)
{
	(void)state;
	K.slots[0] = FILE_SLOT(0, false);
	K.refusal = REFUSED_UNSEAL;
	assert_int_equal(RUN("unseal", "--file", key_file), STATUS_DENIED);
	assert_said("unseal-failed");
	K.refusal = REFUSED_SEALED;
	assert_int_equal(RUN("seal", NULL), STATUS_UNREACHABLE);
	assert_text("verb", "seal");
}

#define T(name)                                                                \
	cmocka_unit_test_setup_teardown(name, key_world_begin, key_world_end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    T(keys_passphrase_becomes_what_argon2id_says),
	    T(keys_passphrase_has_a_least_length),
	    T(keys_unseal_takes_the_only_passphrase),
	    T(keys_unseal_by_file),
	    T(keys_unseal_says_which_slot_if_several_would_do),
	    T(keys_wrong_or_loose_key_files_are_not_sent),
	    T(keys_empty_passphrase_is_not_sent),
	    T(keys_work_that_is_too_little_or_too_much_is_refused),
	    T(keys_slots_that_make_no_sense_are_refused),
	    T(keys_slot_names_cannot_reach_the_terminal),
	    T(keys_add_a_passphrase),
	    T(keys_add_refuses_what_is_weak_or_makes_no_sense),
	    T(keys_add_makes_a_key_file_once),
	    T(keys_remove_needs_a_yes),
	    T(keys_rotate_root_opens_what_the_vault_cannot),
	    T(keys_rotate_refuses_what_makes_no_sense),
	    T(keys_rotate_waits_until_the_job_is_gone),
	    T(keys_lost_connection_is_no_lost_job),
	    T(keys_status_tells_of_jobs_and_seals),
	    T(keys_refusals_have_their_exit_statuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
