#include "tests/unit/keeper/vault.h"
#include "vaultd/keeper/sweep.h"

/* More than a sweep looks at together, of customers with names alike. */
static const char *const profiles[] = {"acme/a", "acme/b", "acme/c", "acme/d",
    "acme/e", "acme/f", "acme/g", "acme/h", "acme/i", "acme/j", "acme/k",
    "acm/a", "acme-two/a", "globex/a", "globex/b"};

#define PROFILES (sizeof(profiles) / sizeof(profiles[0]))

static struct disk before, begun, died;

static bool
is_acme(const char *profile)
{
	return strncmp(profile, "acme/", 5) == 0;
}

/*
 * The row of "kind" and "name" on "d", or NULL.
 */
static struct stored *
row_of(struct disk *d, enum row_kind kind, const char *name)
{
	uint8_t id[ROW_ID_LEN];

	keys_row_id(k->keys, kind, slice_str(name), id);
	return disk_find(d, id);
}

static bool
is_same(const struct stored *a, const struct stored *b)
{
	return a != NULL && b != NULL && a->generation == b->generation &&
	    a->len == b->len && memcmp(a->body, b->body, a->len) == 0;
}

/* The epoch of the key that sealed it. */
static uint32_t
epoch_of(const struct stored *row)
{
	return (uint32_t)get_le(row->body + 1, 4);
}

/*
 * Until it is over, or there is a commit that is held.
 */
static void
play(void)
{
	for (int i = 0; i < 5000 && sweep_is_on(k) && ledger.commit == 0; i++) {
		ledger_play();
		(void)usleep(500);
	}
	ledger_play();
}

static void
start_root(void)
{
	struct keys *next = vault_seal_next_root();

	vault.commit.erase = true;
	assert_int_equal(vault_commit(), 0);
	vault_take_root(next);
	sweep_start(k, SWEEP_ROOT, NULL);
}

static void
add_sweep(enum sweep_kind kind)
{
	struct row_place at;
	struct change *c = vault_add_named(ROW_SWEEP, SWEEP_NAME, &at);

	assert_int_equal(sweep_seal(k->keys, &at, kind, "acme",
	                     vault_last_body(), &c->body.n),
	    0);
}

static void
start_customer(void)
{
	struct customer_row acme;
	struct row_place at;
	struct change *c;

	assert_int_equal(vault_fetch(0, ROW_CUSTOMER, "acme"), 0);
	acme.at = vault.fetch[0].at;
	acme.sealed = slice_of(vault.fetch[0].body, vault.fetch[0].len);
	vault_begin();
	c = vault_add_named(ROW_CUSTOMER, "acme", &at);
	assert_int_equal(keys_change_customer(k->keys, &acme, CUSTOMER_NEW_KEY,
	                     &at, vault_last_body(), &c->body.n),
	    0);
	fetch_release(&vault.fetch[0]);
	add_sweep(SWEEP_CUSTOMER);
	assert_int_equal(vault_commit(), 0);
	sweep_start(k, SWEEP_CUSTOMER, "acme");
}

static void
start_destroy(void)
{
	struct row_place at;

	vault_begin();
	vault_add_named(ROW_CUSTOMER, "acme", &at)->generation = 0;
	vault.commit.changes[0].body.n = 0;
	add_sweep(SWEEP_DESTROY);
	vault.commit.erase = true;
	assert_int_equal(vault_commit(), 0);
	sweep_start(k, SWEEP_DESTROY, "acme");
}

/* What a sweep has done when it is done: to which rows, and to no other. */

static void
root_was_swept(struct disk *d)
{
	assert_null(disk_kind(d, ROW_OLD_ROOT));
	for (size_t i = 0; i < d->nrows; i++)
		if (d->rows[i].kind == ROW_PROFILE ||
		    d->rows[i].kind == ROW_CUSTOMER)
			assert_int_equal(epoch_of(&d->rows[i]), 2);
	for (size_t i = 0; i < PROFILES; i++)
		assert_true(is_same(row_of(d, ROW_CREDENTIAL, profiles[i]),
		    row_of(&before, ROW_CREDENTIAL, profiles[i])));
}

static void
customer_was_swept(struct disk *d)
{
	assert_null(disk_kind(d, ROW_SWEEP));
	for (size_t i = 0; i < PROFILES; i++) {
		const char *name = profiles[i];
		const struct stored *now = row_of(d, ROW_CREDENTIAL, name);
		const struct stored *then =
		    row_of(&before, ROW_CREDENTIAL, name);

		assert_non_null(now);
		assert_true(is_same(row_of(d, ROW_PROFILE, name),
		    row_of(&before, ROW_PROFILE, name)));
		if (!is_acme(name)) {
			assert_true(is_same(now, then));
			continue;
		}
		assert_int_equal(epoch_of(now), 2);
		assert_true(now->generation == then->generation + 1);
		assert_int_equal(now->len, then->len);
		/* The secret itself stays where it is. */
		assert_memory_equal(now->body + now->len - 296,
		    then->body + then->len - 296, 296);
	}
	/* One key, as at first. */
	assert_int_equal(row_of(d, ROW_CUSTOMER, "acme")->len,
	    row_of(&before, ROW_CUSTOMER, "acme")->len);
	assert_false(is_same(row_of(d, ROW_CUSTOMER, "acme"),
	    row_of(&before, ROW_CUSTOMER, "acme")));
	assert_true(is_same(row_of(d, ROW_CUSTOMER, "globex"),
	    row_of(&before, ROW_CUSTOMER, "globex")));
}

static void
customer_is_gone(struct disk *d)
{
	assert_null(disk_kind(d, ROW_SWEEP));
	assert_null(row_of(d, ROW_CUSTOMER, "acme"));
	for (size_t i = 0; i < PROFILES; i++)
		for (int kind = ROW_PROFILE; kind <= ROW_CREDENTIAL; kind++) {
			struct stored *now =
			    row_of(d, (enum row_kind)kind, profiles[i]);

			if (is_acme(profiles[i]))
				assert_null(now);
			else
				assert_true(is_same(now,
				    row_of(&before, (enum row_kind)kind,
				        profiles[i])));
		}
}

static const struct {
	enum sweep_kind kind;
	enum row_kind says_so; /* the row that goes last */
	void (*start)(void);
	void (*is_done)(struct disk *d);
	const char *text; /* in the log */
	const char *rows;
} cases[] = {
    {SWEEP_ROOT, ROW_OLD_ROOT, start_root, root_was_swept,
        "\"act\":\"rotate-root\",\"change\":\"the old root key is gone\"",
        "\"rows\":19"},
    {SWEEP_CUSTOMER, ROW_SWEEP, start_customer, customer_was_swept,
        "\"act\":\"rotate-customer\",\"customer\":\"acme\",\"change\":"
        "\"the customer's old key is gone\"",
        "\"rows\":11"},
    {SWEEP_DESTROY, ROW_SWEEP, start_destroy, customer_is_gone,
        "\"act\":\"destroy-customer\",\"customer\":\"acme\",\"change\":"
        "\"the customer's rows are gone\"",
        "\"rows\":11"},
};

#define CASES (sizeof(cases) / sizeof(cases[0]))

static void
secrets_are_there(bool destroyed)
{
	for (size_t i = 0; i < PROFILES; i++) {
		const char *text = vault_secret(profiles[i]);

		if (destroyed && is_acme(profiles[i]))
			assert_null(text);
		else if (text == NULL)
			fail_msg("%s is lost", profiles[i]);
		else
			assert_string_equal(text, profiles[i]);
	}
}

static void
make_vault(void)
{
	disk_free(&ledger.disk);
	(void)ledger_setup(NULL);
	for (size_t i = 0; i < PROFILES; i++)
		vault_put(profiles[i], profiles[i]);
	disk_copy(&before, &ledger.disk);
}

static int
sweep_setup(void **state)
{
	(void)state;
	make_vault();
	return 0;
}

static int
sweep_teardown(void **state)
{
	disk_free(&before);
	disk_free(&begun);
	disk_free(&died);
	return ledger_teardown(state);
}

/* Is the key gone that sealed what there was before? */
static void
old_root_is_gone(void)
{
	const struct stored *row = row_of(&before, ROW_PROFILE, "acme/a");
	struct row_place at = {
	    .kind = ROW_PROFILE, .generation = row->generation};
	uint8_t *plain;
	size_t len;

	memcpy(at.id, row->id, ROW_ID_LEN);
	assert_int_equal(keys_open_row(k->keys, &at,
	                     slice_of(row->body, row->len), &plain, &len),
	    VERR_FORMAT);
}

static void
is_done(size_t c)
{
	assert_false(sweep_is_on(k));
	cases[c].is_done(&ledger.disk);
	secrets_are_there(cases[c].kind == SWEEP_DESTROY);
	if (cases[c].kind == SWEEP_ROOT) {
		assert_int_equal(keys_epoch(k->keys), 2);
		old_root_is_gone();
	}
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
keys_sweep_does_its_work(void **state)
{
	(void)state;
	for (size_t c = 0; c < CASES; c++) {
		make_vault();
		assert_false(sweep_is_on(k));
		cases[c].start();
		assert_true(sweep_is_on(k));
		assert_true(sweep_destroys(k, "acme/a") ==
		    (cases[c].kind == SWEEP_DESTROY));
		assert_false(sweep_destroys(k, "acme-two/a"));
		assert_false(sweep_destroys(k, "acm/a"));
		play();
		is_done(c);
		assert_false(sweep_destroys(k, "acme/a"));
		assert_int_equal(count_lines(cases[c].text), 1);
		assert_non_null(strstr(
		    ledger.disk.lines[ledger.disk.nlines - 1], cases[c].rows));
		/* The vault is as good as any. */
		vault_put("acme/a", "another");
		restart_with(&ledger.disk);
		assert_int_equal(world.ready, 1);
		assert_false(sweep_is_on(k));
		assert_string_equal(vault_secret("acme/a"), "another");
	}
}

/* What an old key opens is all gone before the key is. */
static bool
is_the_last(const struct slice *changes, enum row_kind kind)
{
	struct slice rest = *changes;
	struct change c;
	bool removed = false;

	while (change_next(&rest, &c) == 0)
		removed = removed || (c.kind == kind && c.generation == 0);
	return removed;
}

static void
keys_sweep_old_key_goes_last(void **state)
{
	(void)state;
	for (size_t c = 0; c < CASES; c++) {
		size_t commits = 0;
		bool last = false;

		make_vault();
		cases[c].start();
		ledger.hold_commits = true;
		while (sweep_is_on(k)) {
			struct slice changes;

			play();
			if (ledger.commit == 0)
				break;
			assert_false(last);
			changes = slice_of(ledger.changes, ledger.changes_len);
			last = is_the_last(&changes, cases[c].says_so);
			assert_int_equal(ledger.erase, last);
			if (last && cases[c].kind == SWEEP_CUSTOMER) {
				/* Both keys, so far. */
				secrets_are_there(false);
				assert_non_null(
				    disk_kind(&ledger.disk, ROW_SWEEP));
			}
			ledger_write_commit();
			if (last)
				cases[c].is_done(&ledger.disk);
			ledger_answer_commit(0);
			commits++;
		}
		assert_true(last && commits > 2);
		ledger.hold_commits = false;
		is_done(c);
	}
}

/* By itself, as the vault is opened: by a file here, as is usual. */
static void
keys_sweep_goes_on_after_a_restart(void **state)
{
	(void)state;
	for (size_t c = 0; c < CASES; c++) {
		make_vault();
		ledger.hold_commits = false;
		cases[c].start();
		disk_copy(&begun, &ledger.disk);
		restart_with(&begun);
		assert_int_equal(world.ready, 1);
		assert_true(sweep_is_on(k));
		play();
		is_done(c);
	}
}

static void
go_on(void)
{
	assert_int_equal(world.ready, 1);
	assert_int_equal(world.refusals, 0);
	if (!sweep_is_on(k))
		sweep_resume(k);
}

/*
 * Everything dies over commit number "n" of the sweep, which was written or
 * not.  Returns false if there is no such commit.
 */
static bool
dies_at(size_t c, size_t n, bool written)
{
	restart_with(&begun);
	ledger.hold_commits = true;
	go_on();
	for (size_t i = 0;; i++) {
		play();
		if (ledger.commit == 0)
			return false;
		if (i == n)
			break;
		ledger_write_commit();
		ledger_answer_commit(0);
	}
	if (written)
		ledger_write_commit();
	disk_copy(&died, &ledger.disk);
	/* Half way, everything can be had. */
	restart_with(&died);
	if (cases[c].kind != SWEEP_DESTROY)
		secrets_are_there(false);
	if (disk_kind(&died, cases[c].says_so) != NULL)
		go_on();
	play();
	is_done(c);
	return true;
}

static void
keys_sweep_dies_at_every_step(void **state)
{
	(void)state;
	for (size_t c = 0; c < CASES; c++)
		for (int written = 0; written < 2; written++) {
			size_t n = 0;

			make_vault();
			cases[c].start();
			disk_copy(&begun, &ledger.disk);
			while (dies_at(c, n, written != 0))
				n++;
			assert_true(n > 2);
		}
}

/* The ledger alone dies over each commit, and gets it again. */
static void
keys_sweep_outlives_its_ledger(void **state)
{
	(void)state;
	for (size_t c = 0; c < CASES; c++) {
		size_t commits = 0;

		make_vault();
		cases[c].start();
		ledger.hold_commits = true;
		while (sweep_is_on(k) && commits < 100) {
			play();
			if (ledger.commit == 0)
				break;
			if (commits++ % 2 == 0)
				ledger_write_commit();
			ledger_begin(&ledger.disk);
			assert_int_equal(world.refusals, 0);
			ledger.hold_commits = true;
		}
		ledger.hold_commits = false;
		play();
		is_done(c);
	}
}

/*
 * Rows that change while the sweep has them in its hands: its own commit is
 * stale then, and what was changed stays.
 */
static void
keys_sweep_loses_no_change(void **state)
{
	static const char *const changed[] = {"acme/a", "acme/e", "acme/k"};

	(void)state;
	for (size_t c = 0; c < CASES - 1; c++) {
		make_vault();
		cases[c].start();
		for (size_t i = 0; i < 3; i++) {
			/* Prepared before the sweep's next, committed first. */
			vault_seal_profile(changed[i], "changed meanwhile");
			ledger.hold_commits = true;
			rows_commit(k->rows, &vault.commit);
			play();
			for (int n = 0; n < 50; n++) {
				ledger_play();
				(void)usleep(500);
			}
			assert_int_equal(vault.calls, 0);
			ledger_write_commit();
			ledger_answer_commit(0);
			ledger.hold_commits = false;
			assert_int_equal(vault.calls, 1);
			assert_int_equal(vault.r, 0);
		}
		play();
		assert_false(sweep_is_on(k));
		for (size_t i = 0; i < PROFILES; i++) {
			bool other = i == 0 || i == 4 || i == 10;
			const char *text = vault_secret(profiles[i]);

			assert_non_null(text);
			assert_string_equal(
			    text, other ? "changed meanwhile" : profiles[i]);
		}
		restart_with(&ledger.disk);
		assert_string_equal(
		    vault_secret("acme/e"), "changed meanwhile");
	}
}

/* Profiles that were sealed before, and are committed while it goes on. */
static struct {
	struct commit commit;
	uint8_t body[2][2048];
	char name[16];
} late[4];

static void
seal_late(size_t i)
{
	(void)snprintf(late[i].name, sizeof(late[i].name), "acme/late%zu", i);
	vault_seal_profile(late[i].name, late[i].name);
	assert_int_equal(vault.commit.n, 2);
	late[i].commit = vault.commit;
	for (size_t n = 0; n < 2; n++) {
		struct slice *body = &late[i].commit.changes[n].body;

		assert_true(body->n <= sizeof(late[i].body[n]));
		memcpy(late[i].body[n], body->p, body->n);
		body->p = late[i].body[n];
	}
}

static void
keys_sweep_sees_what_comes_meanwhile(void **state)
{
	(void)state;
	for (size_t c = 0; c < CASES - 1; c++) {
		size_t i = 0;

		make_vault();
		for (i = 0; i < 4; i++)
			seal_late(i);
		cases[c].start();
		ledger.hold_commits = true;
		for (i = 0; i < 4;) {
			struct slice changes;

			play();
			if (ledger.commit == 0)
				break;
			changes = slice_of(ledger.changes, ledger.changes_len);
			if (is_the_last(&changes, cases[c].says_so))
				break;
			vault.calls = 0;
			rows_commit(k->rows, &late[i++].commit);
			ledger_write_commit();
			ledger_answer_commit(0);
			ledger_play();
			ledger_write_commit();
			ledger_answer_commit(0);
			assert_int_equal(vault.calls, 1);
			assert_int_equal(vault.r, 0);
		}
		assert_true(i >= 2);
		if (ledger.commit != 0) {
			ledger_write_commit();
			ledger_answer_commit(0);
		}
		ledger.hold_commits = false;
		play();
		is_done(c);
		while (i-- > 0) {
			const char *text = vault_secret(late[i].name);

			if (text == NULL)
				fail_msg("%s is lost", late[i].name);
			assert_string_equal(text, late[i].name);
		}
	}
}

/* The next credential that waits beside the one in force is a secret, too. */
static void
keys_sweep_takes_staged_ones_along(void **state)
{
	struct customer_row acme;
	struct row_place at;
	struct change *c;
	struct stored *row;
	uint8_t *secret;
	size_t len;

	(void)state;
	for (size_t i = 0; i < CASES; i++) {
		make_vault();
		assert_int_equal(vault_fetch(0, ROW_CUSTOMER, "acme"), 0);
		acme.at = vault.fetch[0].at;
		acme.sealed = slice_of(vault.fetch[0].body, vault.fetch[0].len);
		vault_begin();
		c = vault_add_named(ROW_STAGED, "acme/a", &at);
		assert_int_equal(
		    keys_seal_secret(k->keys, &acme, &at, vault_link,
		        slice_str("staged"), vault_last_body(), &c->body.n),
		    0);
		fetch_release(&vault.fetch[0]);
		assert_int_equal(vault_commit(), 0);
		cases[i].start();
		play();
		is_done(i);
		row = row_of(&ledger.disk, ROW_STAGED, "acme/a");
		assert_true((row == NULL) == (cases[i].kind == SWEEP_DESTROY));
		if (row == NULL)
			continue;
		assert_int_equal(vault_fetch(0, ROW_CUSTOMER, "acme"), 0);
		acme.at = vault.fetch[0].at;
		acme.sealed = slice_of(vault.fetch[0].body, vault.fetch[0].len);
		at.generation = row->generation;
		assert_int_equal(
		    keys_open_secret(k->keys, &acme, &at, vault_link,
		        slice_of(row->body, row->len), &secret, &len),
		    0);
		assert_true(slice_is(slice_of(secret, len), "staged"));
		secret_free(secret);
		fetch_release(&vault.fetch[0]);
	}
}

/*
 * A commit that fails is made again; the old key stays until all is done.
 */
static void
keys_sweep_tries_again(void **state)
{
	(void)state;
	for (size_t c = 0; c < CASES; c++) {
		make_vault();
		cases[c].start();
		ledger.hold_commits = true;
		for (int i = 0; i < 4; i++) {
			play();
			assert_true(ledger.commit != 0);
			assert_non_null(
			    disk_kind(&ledger.disk, cases[c].says_so));
			ledger_answer_commit(VERR_NOSPACE);
		}
		ledger.hold_commits = false;
		play();
		is_done(c);
	}
}

/* A row that says what nobody does is left alone, and is no end of it all. */
static void
keys_sweep_row_of_nonsense(void **state)
{
	static const char *const texts[] = {
	    "", "what\nrotate-customer", "no pairs at all"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct row_place at;
		struct change *c;

		make_vault();
		vault_begin();
		c = vault_add_named(ROW_SWEEP, SWEEP_NAME, &at);
		assert_int_equal(
		    keys_seal_row(k->keys, &at, slice_str(texts[i]),
		        vault_last_body(), &c->body.n),
		    0);
		assert_int_equal(vault_commit(), 0);
		disk_copy(&begun, &ledger.disk);
		restart_with(&begun);
		go_on();
		play();
		assert_false(sweep_is_on(k));
		secrets_are_there(false);
		for (size_t n = 0; n < PROFILES; n++)
			assert_true(is_same(
			    row_of(&ledger.disk, ROW_CREDENTIAL, profiles[n]),
			    row_of(&before, ROW_CREDENTIAL, profiles[n])));
	}
}

static void
keys_sweep_row_lengths(void **state)
{
	struct row_place at = {.kind = ROW_SWEEP, .generation = 1};
	static uint8_t out[SEALED_MAX];
	char name[200];
	size_t n, first = 0;

	(void)state;
	for (size_t m = 1; m < sizeof(name); m++) {
		int r;

		memset(name, 'c', m);
		name[m] = '\0';
		n = 77;
		r = sweep_seal(k->keys, &at, SWEEP_DESTROY, name, out, &n);
		assert_int_equal(r, m < 64 || n != 77 ? 0 : VERR_TOOBIG);
		if (m == 1)
			first = n;
		if (r == 0)
			assert_int_equal(n, first); /* tells nothing */
	}
	assert_string_equal(sweep_name(SWEEP_ROOT), "rotate-root");
	assert_string_equal(sweep_name(SWEEP_CUSTOMER), "rotate-customer");
	assert_string_equal(sweep_name(SWEEP_DESTROY), "destroy-customer");
}

int
main(void)
{
#define T(name)                                                                \
	cmocka_unit_test_setup_teardown(name, sweep_setup, sweep_teardown)
	const struct CMUnitTest tests[] = {
	    T(keys_sweep_does_its_work),
	    T(keys_sweep_old_key_goes_last),
	    T(keys_sweep_goes_on_after_a_restart),
	    T(keys_sweep_dies_at_every_step),
	    T(keys_sweep_outlives_its_ledger),
	    T(keys_sweep_loses_no_change),
	    T(keys_sweep_sees_what_comes_meanwhile),
	    T(keys_sweep_takes_staged_ones_along),
	    T(keys_sweep_tries_again),
	    T(keys_sweep_row_of_nonsense),
	    T(keys_sweep_row_lengths),
	};

	return cmocka_run_group_tests_name("sweep", tests, world_memory, NULL);
}
