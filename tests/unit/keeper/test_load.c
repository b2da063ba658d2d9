#include "tests/unit/keeper/vault.h"
#include "vaultd/keeper/super.h"

static const uint8_t credential[] = "and those of another: the system";
static struct disk good, bad, older;

static struct {
	size_t calls;
	const char *why;
} opened;

static void
on_opened(void *arg, const char *why)
{
	(void)arg;
	opened.calls++;
	opened.why = why;
}

/*
 * A decision and its outcome, which names the store's generation.
 */
static void
record_change(void)
{
	struct audit_note note = {NULL, NULL, 0};
	struct json j;

	audit_begin(k->audit, AUDIT_DECISION, 0, &j);
	audit_end(k->audit, &j, true, &note);
	ledger_play();
	audit_begin(k->audit, AUDIT_OUTCOME, note.seq, &j);
	json_number(&j, "store", rows_generation(k->rows));
	audit_end(k->audit, &j, true, NULL);
	ledger_play();
}

static void
record_access(void)
{
	struct json j;

	audit_begin(k->audit, AUDIT_ACCESS, 0, &j);
	json_text(&j, "act", "status");
	audit_end(k->audit, &j, true, NULL);
	ledger_play();
}

/* The vault as "d" has it, and nothing to open it with. */
static void
start_sealed(const struct disk *d)
{
	size_t commits = ledger.commits, lines = d->nlines;

	given.key_file = NULL;
	restart_with(d);
	given.key_file = world_key_file;
	assert_int_equal(world.refusals, 0);
	assert_int_equal(world.ready, 1);
	assert_true(k->loaded);
	assert_null(k->keys);
	/* Nothing is written of what could not be held against anything. */
	assert_int_equal(ledger.commits, commits);
	assert_int_equal(ledger.disk.nlines, lines);
}

/*
 * Open it with the key file.  Returns NULL, or the sentence.
 */
static const char *
unseal(void)
{
	assert_int_equal(slots_unseal(k->slots, 0,
	                     slice_of(world_key_file, SLOT_FILE_LEN), &k->keys),
	    0);
	memset(&opened, 0, sizeof(opened));
	rows_open(k->rows, on_opened, NULL);
	ledger_play();
	assert_int_equal(opened.calls, 1);
	if (opened.why != NULL) {
		keys_free(k->keys); /* as operate.c has it */
		k->keys = NULL;
	}
	return opened.why;
}

static void
keys_load_new_vault_of_the_files(void **state)
{
	const uint8_t *const files[] = {NULL, credential};

	(void)state;
	for (int i = 0; i < 4; i++) {
		size_t n = (size_t)(i & 1) + (size_t)(i >> 1);

		disk_free(&ledger.disk);
		given.key_file = i & 1 ? world_key_file : NULL;
		given.credential = files[i >> 1];
		keeper_begin();
		ledger_begin(&ledger.disk);
		if (i == 0) {
			refused_because("begins with a key file");
			assert_int_equal(ledger.disk.nrows, 0);
			continue;
		}
		assert_int_equal(world.ready, 1);
		assert_int_equal(slots_count(k->slots), n);
		assert_int_equal(ledger.disk.nrows, n + 1);
		/* Either of them opens it again. */
		if (i & 1)
			given.credential = NULL;
		restart_with(&ledger.disk);
		assert_int_equal(world.ready, 1);
		assert_non_null(k->keys);
		given.key_file = NULL;
		given.credential = credential;
		if (!(i >> 1))
			continue;
		restart_with(&ledger.disk);
		assert_int_equal(world.ready, 1);
		assert_non_null(k->keys);
	}
	given.key_file = world_key_file;
	given.credential = NULL;
}

static void
keys_load_sealed(void **state)
{
	uint64_t generation;

	(void)state;
	vault_put("acme/shop", "hunter2");
	record_change();
	generation = rows_generation(k->rows);
	disk_copy(&good, &ledger.disk);
	start_sealed(&good);
	/* It has a log; and no commit comes out of the vouching. */
	record_access();
	assert_int_equal(ledger.disk.nlines, good.nlines + 1);
	/* Another ledger comes, with the same. */
	ledger_begin(&ledger.disk);
	assert_int_equal(world.refusals, 0);
	assert_non_null(rows_channel(k->rows));

	assert_null(unseal());
	assert_true(rows_generation(k->rows) == generation);
	assert_string_equal(vault_secret("acme/shop"), "hunter2");
	vault_put("acme/other", "two");
	assert_string_equal(vault_secret("acme/other"), "two");
	restart_with(&ledger.disk);
	assert_int_equal(world.ready, 1);
	assert_string_equal(vault_secret("acme/other"), "two");
	disk_free(&good);
}

static void
opens_not(const char *words)
{
	const char *why;

	start_sealed(&bad);
	why = unseal();
	if (why == NULL || strstr(why, words) == NULL)
		fail_msg("not \"%s\" but \"%s\"", words, why);
	assert_null(k->keys);
	assert_int_equal(rows_generation(k->rows), 0);
	disk_copy(&bad, &good);
}

/* Until it is opened nobody can know; then it shows. */
static void
keys_load_sealed_and_changed(void **state)
{
	static char line[AUDIT_LINE_MAX];
	const struct change more = {.id = {7},
	    .kind = ROW_PROFILE,
	    .generation = 1,
	    .body = {(const uint8_t *)"x", 1}};
	char words[64], *last;

	(void)state;
	vault_put("acme/shop", "one");
	record_change();
	disk_copy(&older, &ledger.disk);
	vault_put("acme/shop", "two");
	record_change();
	record_access();
	vault_put("acme/other", "x");
	disk_copy(&good, &ledger.disk);
	disk_copy(&bad, &good);
	for (uint32_t kind = ROW_CUSTOMER; kind <= ROW_CREDENTIAL; kind++) {
		disk_remove(&bad, disk_kind(&bad, kind));
		opens_not("sealed root");
		disk_kind(&bad, kind)->body[60] ^= 1;
		opens_not("sealed root");
		disk_kind(&bad, kind)->generation++;
		opens_not("sealed root");
	}
	disk_put(&bad, &more);
	opens_not("sealed root");
	for (size_t at = 0; at < disk_kind(&good, ROW_SUPER)->len; at += 3) {
		disk_kind(&bad, ROW_SUPER)->body[at] ^= 1;
		opens_not("super row");
	}
	disk_kind(&bad, ROW_SUPER)->generation++;
	opens_not("super row");
	disk_kind(&bad, ROW_SUPER)->id[0] ^= 1;
	opens_not("super row");

	/* The log: cut off, and another word in a record. */
	(void)snprintf(words, sizeof(words), "vaultd --accept-rollback %u",
	    (unsigned)disk_kind(&good, ROW_SUPER)->generation);
	free(bad.lines[--bad.nlines]);
	opens_not("shorter");
	free(bad.lines[--bad.nlines]);
	opens_not(words);
	last = strstr(bad.lines[0], "created");
	assert_non_null(last);
	last[0] = 'h';
	opens_not("not what was written");

	/* An older store with the log as it is. */
	disk_copy(&bad, &older);
	for (size_t i = older.nlines; i < good.nlines; i++) {
		strncpy(line, good.lines[i], sizeof(line) - 1);
		disk_line(&bad, line);
	}
	opens_not("put back from a copy");
	start_sealed(&good);
	assert_null(unseal());
	disk_free(&good);
	disk_free(&bad);
	disk_free(&older);
}

static void
keys_load_sealed_and_anothers_keys(void **state)
{
	(void)state;
	vault_put("acme/shop", "one");
	disk_copy(&good, &ledger.disk);
	start_sealed(&good);
	assert_int_equal(keys_make(&k->keys), 0);
	memset(&opened, 0, sizeof(opened));
	rows_open(k->rows, on_opened, NULL);
	assert_int_equal(opened.calls, 1);
	assert_non_null(strstr(opened.why, "another vault's"));
	keys_free(k->keys);
	k->keys = NULL;
	assert_null(unseal());
	disk_free(&good);
}

static void
keys_load_sealed_and_another_store_later(void **state)
{
	(void)state;
	vault_put("acme/shop", "one");
	disk_copy(&older, &ledger.disk);
	vault_put("acme/shop", "two");
	disk_copy(&good, &ledger.disk);
	start_sealed(&good);
	world.ready = 0;
	ledger_begin(&older);
	refused_because("a moment ago");
	disk_free(&good);
	disk_free(&older);
}

/* No record is number 0 but that of the creation, whoever comes first. */
static void
keys_load_sealed_before_the_first_record(void **state)
{
	(void)state;
	free(ledger.disk.lines[--ledger.disk.nlines]);
	disk_copy(&good, &ledger.disk);
	given.key_file = NULL;
	restart_with(&good);
	given.key_file = world_key_file;
	assert_int_equal(world.ready, 1);
	record_access();
	assert_null(unseal());
	assert_non_null(strstr(ledger.disk.lines[0], "created"));
	disk_free(&good);
}

/* Add a passphrase's slot, number 1. */
static void
add_passphrase(void)
{
	struct slot s = {.kind = SLOT_PASSPHRASE,
	    .number = 1,
	    .passes = 3,
	    .memory = SLOT_MEMORY_MIN};
	uint8_t key[SLOT_KEY_LEN] = "stretched", id[ROW_ID_LEN];
	struct row_place at;
	struct change *c;

	vault_begin();
	keys_slot_id(1, id);
	c = vault_add(ROW_SLOT, id, &at);
	keys_seal_slot(k->keys, &s, key, vault_last_body());
	c->body.n = SLOT_BODY_LEN;
	assert_int_equal(vault_commit(), 0);
}

/* With a file that does not fit: a person may have the passphrase, if any. */
static void
keys_load_wrong_file(void **state)
{
	(void)state;
	given.key_file = credential;
	restart_with(&ledger.disk);
	given.key_file = world_key_file;
	refused_because("key file does not open");

	restart_with(&ledger.disk);
	add_passphrase();
	given.key_file = credential;
	restart_with(&ledger.disk);
	given.key_file = world_key_file;
	assert_int_equal(world.refusals, 0);
	assert_int_equal(world.ready, 1);
	assert_null(k->keys);
	assert_int_equal(slots_count(k->slots), 2);
	assert_null(unseal());
}

static void
keys_load_damaged_slot(void **state)
{
	(void)state;
	add_passphrase();
	disk_copy(&good, &ledger.disk);
	for (int at = 0; at < 4; at++) {
		disk_copy(&bad, &good);
		disk_kind(&bad, ROW_SLOT)->body[at] ^= 0x80;
		restart_with(&bad);
		refused_because("key slot of the store is damaged");
		given.key_file = NULL;
		restart_with(&bad);
		given.key_file = world_key_file;
		refused_because("key slot of the store is damaged");
	}
	/* The slot that nobody opened is held against the root, too. */
	disk_copy(&bad, &good);
	for (size_t i = 0; i < bad.nrows; i++)
		if (bad.rows[i].kind == ROW_SLOT && bad.rows[i].body[2] == 1)
			bad.rows[i].body[60] ^= 1;
	restart_with(&bad);
	refused_because("sealed root");
	disk_free(&good);
	disk_free(&bad);
}

/*
 * What an admin may accept: for the store of this generation, and no other.
 */

static void
start_accepting(const struct disk *d, uint64_t generation)
{
	keeper_begin();
	k->accepted = generation;
	ledger_begin(d);
}

static size_t
count_lines(const char *words)
{
	size_t n = 0;

	for (size_t i = 0; i < ledger.disk.nlines; i++)
		n += strstr(ledger.disk.lines[i], words) != NULL;
	return n;
}

static void
accepted_by_its_number(const char *why, uint64_t named)
{
	uint64_t generation = disk_kind(&bad, ROW_SUPER)->generation;
	char words[64];

	(void)snprintf(words, sizeof(words), "vaultd --accept-rollback %u",
	    (unsigned)generation);
	for (int d = -2; d <= 2; d++)
		if (d != 0) {
			start_accepting(&bad, generation + (uint64_t)d);
			refused_because(why);
		}
	start_accepting(&bad, 0);
	refused_because(why);
	start_accepting(&bad, generation);
	assert_int_equal(world.refusals, 0);
	assert_int_equal(world.ready, 1);
	assert_int_equal(count_lines("a rollback was accepted"), 1);
	assert_int_equal(count_lines(why), 1);
	assert_true(rows_generation(k->rows) > named);
	assert_true(rows_generation(k->rows) > generation);
	vault_put("acme/after", "it goes on");
	/* It is the vault as it is now: nothing to be accepted any more. */
	disk_copy(&bad, &ledger.disk);
	start_accepting(&bad, 0);
	assert_int_equal(world.ready, 1);
	assert_int_equal(count_lines("a rollback was accepted"), 1);
	assert_string_equal(vault_secret("acme/after"), "it goes on");
}

static void
keys_load_accepted_older_store(void **state)
{
	uint64_t named;

	(void)state;
	vault_put("acme/shop", "one");
	record_change();
	disk_copy(&bad, &ledger.disk);
	for (int i = 0; i < 5; i++)
		vault_put("acme/shop", "two");
	record_change();
	named = rows_generation(k->rows);
	for (size_t i = bad.nlines; i < ledger.disk.nlines; i++)
		disk_line(&bad, ledger.disk.lines[i]);
	restart_with(&bad);
	refused_because("--accept-rollback 2");
	accepted_by_its_number("put back from a copy", named);
	assert_string_equal(vault_secret("acme/shop"), "one");
	disk_free(&bad);
}

static void
keys_load_accepted_shorter_log(void **state)
{
	uint64_t named;

	(void)state;
	record_change();
	vault_put("acme/shop", "one");
	disk_copy(&bad, &ledger.disk);
	named = rows_generation(k->rows);
	while (bad.nlines > 1)
		free(bad.lines[--bad.nlines]);
	accepted_by_its_number("shorter", named);
	disk_free(&bad);
}

static void
keys_load_shorter_log_names_the_words(void **state)
{
	(void)state;
	record_change();
	vault_put("acme/shop", "one");
	disk_copy(&bad, &ledger.disk);
	free(bad.lines[--bad.nlines]);
	restart_with(&bad);
	refused_because("vaultd --accept-rollback 2");
	disk_free(&bad);
}

static void
keys_load_accepted_when_sealed(void **state)
{
	uint64_t named;

	(void)state;
	vault_put("acme/shop", "one");
	disk_copy(&bad, &ledger.disk);
	vault_put("acme/shop", "two");
	vault_put("acme/shop", "three");
	record_change();
	named = rows_generation(k->rows);
	for (size_t i = bad.nlines; i < ledger.disk.nlines; i++)
		disk_line(&bad, ledger.disk.lines[i]);
	disk_copy(&good, &bad);
	start_sealed(&bad);
	k->accepted = 3;
	assert_non_null(strstr(unseal(), "--accept-rollback 2"));
	start_sealed(&bad);
	k->accepted = 2;
	assert_null(unseal());
	assert_int_equal(count_lines("a rollback was accepted"), 1);
	assert_true(rows_generation(k->rows) > named);
	assert_string_equal(vault_secret("acme/shop"), "one");
	disk_free(&bad);
	disk_free(&good);
}

/* What nobody can have meant is not accepted; what is well needs no word. */
static void
keys_load_never_accepted(void **state)
{
	uint64_t generation;

	(void)state;
	vault_put("acme/shop", "one");
	record_change();
	vault_put("acme/shop", "two");
	generation = rows_generation(k->rows);
	disk_copy(&good, &ledger.disk);
	start_accepting(&good, generation);
	assert_int_equal(world.ready, 1);
	assert_int_equal(count_lines("rollback"), 0);
	disk_copy(&bad, &good);
	disk_kind(&bad, ROW_PROFILE)->body[60] ^= 1;
	start_accepting(&bad, generation);
	refused_because("sealed root");
	disk_copy(&bad, &good);
	disk_kind(&bad, ROW_SUPER)->body[60] ^= 1;
	start_accepting(&bad, generation);
	refused_because("super row");
	disk_free(&good);
	disk_free(&bad);
}

/*
 * The root is replaced.
 */

/* Whose super row is it? */
static bool
super_is_of(const struct keys *keys)
{
	const struct stored *row = disk_kind(&ledger.disk, ROW_SUPER);
	struct super super;

	return super_open(keys, row->generation, slice_of(row->body, row->len),
	           &super) == 0;
}

static void
keys_load_root_is_replaced(void **state)
{
	struct keys *next;

	(void)state;
	vault_put("acme/shop", "hunter2");
	next = vault_seal_next_root();
	assert_int_equal(vault_commit(), 0);
	assert_true(super_is_of(next));
	assert_false(super_is_of(k->keys));
	vault_take_root(next);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(keys_epoch(k->keys), 2);
		assert_string_equal(vault_secret("acme/shop"), "hunter2");
		if (i == 0)
			restart_with(&ledger.disk);
		if (i == 1) {
			disk_copy(&good, &ledger.disk);
			start_sealed(&good);
			assert_null(unseal());
		}
		assert_int_equal(world.refusals, 0);
	}
	/* The row by which the old root comes back is one of the store's. */
	disk_copy(&bad, &good);
	disk_kind(&bad, ROW_OLD_ROOT)->body[40] ^= 1;
	restart_with(&bad);
	refused_because("sealed root");
	disk_copy(&bad, &good);
	disk_remove(&bad, disk_kind(&bad, ROW_OLD_ROOT));
	restart_with(&bad);
	refused_because("sealed root");
	disk_free(&good);
	disk_free(&bad);
}

/*
 * The ledger dies between COMMIT and COMMITTED, and comes back with either
 * state, before or after a death of the keeper's, too.
 */
static void
keys_load_ledger_dies_over_a_root(void **state)
{
	(void)state;
	for (int written = 0; written < 2; written++) {
		uint32_t epoch = keys_epoch(k->keys);
		struct keys *next;

		vault_put("acme/shop", "hunter2");
		next = vault_seal_next_root();
		ledger.hold_commits = true;
		rows_commit(k->rows, &vault.commit);
		ledger_play();
		if (written)
			ledger_write_commit();
		assert_int_equal(vault.calls, 0);
		disk_copy(&good, &ledger.disk);
		ledger_begin(&ledger.disk);
		assert_int_equal(world.refusals, 0);
		assert_int_equal(offence(), 0);
		assert_int_equal(vault.calls, 1);
		assert_int_equal(vault.r, 0);
		assert_true(super_is_of(next));
		vault_take_root(next);
		assert_string_equal(vault_secret("acme/shop"), "hunter2");
		/* And as if the keeper had died with it. */
		restart_with(&good);
		assert_int_equal(world.ready, 1);
		assert_int_equal(
		    keys_epoch(k->keys), epoch + (uint32_t)written);
		assert_string_equal(vault_secret("acme/shop"), "hunter2");
	}
	disk_free(&good);
}

/* Another store in that moment is not taken, whichever keys there are. */
static void
keys_load_ledger_lies_over_a_root(void **state)
{
	struct keys *next;

	(void)state;
	for (int written = 0; written < 2; written++) {
		vault_put("acme/shop", "hunter2");
		disk_copy(&older, &ledger.disk);
		vault_put("acme/shop", "hunter3");
		next = vault_seal_next_root();
		ledger.hold_commits = true;
		rows_commit(k->rows, &vault.commit);
		ledger_play();
		if (written)
			ledger_write_commit();
		disk_copy(&bad, written ? &ledger.disk : &older);
		if (written)
			disk_kind(&bad, ROW_OLD_ROOT)->body[40] ^= 1;
		disk_copy(&good, &ledger.disk);
		world.ready = 0;
		ledger_begin(&bad);
		refused_because("a moment ago");
		assert_int_equal(vault.calls, 0);
		keys_free(next);
		restart_with(&good);
		if (written)
			continue;
	}
	disk_free(&good);
	disk_free(&bad);
	disk_free(&older);
}

/* It fails: what was in force is, and what comes next is sealed with that. */
static void
keys_load_root_is_not_replaced(void **state)
{
	struct keys *next;

	(void)state;
	vault_put("acme/shop", "hunter2");
	next = vault_seal_next_root();
	ledger.hold_commits = true;
	rows_commit(k->rows, &vault.commit);
	ledger_play();
	ledger_answer_commit(VERR_NOSPACE);
	ledger.hold_commits = false;
	assert_int_equal(vault.r, VERR_NOSPACE);
	keys_free(next);
	vault_put("acme/shop", "hunter3");
	assert_true(super_is_of(k->keys));
	restart_with(&ledger.disk);
	assert_int_equal(world.ready, 1);
	assert_int_equal(keys_epoch(k->keys), 1);
	assert_string_equal(vault_secret("acme/shop"), "hunter3");
}

int
main(void)
{
#define T(name)                                                                \
	cmocka_unit_test_setup_teardown(name, ledger_setup, ledger_teardown)
	const struct CMUnitTest tests[] = {
	    T(keys_load_new_vault_of_the_files),
	    T(keys_load_sealed),
	    T(keys_load_sealed_and_changed),
	    T(keys_load_sealed_and_anothers_keys),
	    T(keys_load_sealed_and_another_store_later),
	    T(keys_load_sealed_before_the_first_record),
	    T(keys_load_wrong_file),
	    T(keys_load_damaged_slot),
	    T(keys_load_accepted_older_store),
	    T(keys_load_accepted_shorter_log),
	    T(keys_load_shorter_log_names_the_words),
	    T(keys_load_accepted_when_sealed),
	    T(keys_load_never_accepted),
	    T(keys_load_root_is_replaced),
	    T(keys_load_ledger_dies_over_a_root),
	    T(keys_load_ledger_lies_over_a_root),
	    T(keys_load_root_is_not_replaced),
	};

	return cmocka_run_group_tests_name("load", tests, world_memory, NULL);
}
