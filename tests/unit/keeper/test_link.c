#include "tests/unit/keeper/ledger.h"
#include "vaultd/base/secret.h"

/* A profile's rows, as the ledger has them. */
static struct {
	struct commit commit;
	uint8_t body[COMMIT_CHANGES][SEALED_MAX];
	bool done;
} put;

static const uint8_t bound[LINK_LEN] = {7};

static void
on_committed(void *arg, int r)
{
	(void)arg;
	assert_int_equal(r, 0);
	put.done = true;
}

static struct row_place
add(enum row_kind kind, const char *name)
{
	struct change *c = &put.commit.changes[put.commit.n];
	struct row_place at = {.kind = kind};

	*c = (struct change){.kind = kind};
	keys_row_id(k->keys, kind, slice_str(name), c->id);
	rows_next_generation(k->rows, c);
	memcpy(at.id, c->id, ROW_ID_LEN);
	at.generation = c->generation;
	c->body.p = put.body[put.commit.n++];
	return at;
}

static uint8_t *
body_of_last(void)
{
	return put.body[put.commit.n - 1];
}

static void
send_commit(void)
{
	rows_commit(k->rows, &put.commit);
	for (int i = 0; i < 20 && !put.done; i++)
		ledger_play(); /* long records come in pieces */
	assert_true(put.done);
}

static void
begin(void)
{
	put.commit = (struct commit){.done = on_committed};
	put.done = false;
}

/*
 * Prepare the rows of "acme/NAME", with a new key of the customer's.
 */
static void
seal_profile(const char *name, struct slice secret)
{
	const struct profile p = {.name = name,
	    .system = "none",
	    .status = STATUS_ACTIVE,
	    .version = 1};
	struct customer_row customer;
	struct row_place at;
	uint8_t plain[1024];
	size_t len;

	begin();
	at = add(ROW_PROFILE, name);
	assert_int_equal(profile_encode(&p, plain, sizeof(plain), &len), 0);
	assert_int_equal(keys_seal_row(k->keys, &at, slice_of(plain, len),
	                     body_of_last(), &len),
	    0);
	put.commit.changes[0].body.n = len;
	customer.at = add(ROW_CUSTOMER, "acme");
	assert_int_equal(
	    keys_make_customer(k->keys, &customer.at, body_of_last(), &len), 0);
	put.commit.changes[1].body.n = len;
	customer.sealed = put.commit.changes[1].body;
	at = add(ROW_CREDENTIAL, name);
	assert_int_equal(keys_seal_secret(k->keys, &customer, &at, bound,
	                     secret, body_of_last(), &len),
	    0);
	put.commit.changes[2].body.n = len;
}

static void
put_profile(const char *name, struct slice secret)
{
	seal_profile(name, secret);
	send_commit();
}

/*
 * Remove all of "acme/NAME", and with it the customer.
 */
static void
remove_profile(const char *name)
{
	begin();
	(void)add(ROW_PROFILE, name);
	(void)add(ROW_CREDENTIAL, name);
	(void)add(ROW_CUSTOMER, "acme");
	for (size_t i = 0; i < put.commit.n; i++) {
		put.commit.changes[i].generation = 0;
		put.commit.changes[i].body.n = 0;
	}
	send_commit();
}

static struct {
	const struct link *link;
	size_t calls;
} got;

static void
on_fetched(void *arg, const struct link *link)
{
	(void)arg;
	got.link = link;
	got.calls++;
}

/*
 * Get the link of "name", which costs "fetches" rows.
 */
static const struct link *
get(const char *name, size_t fetches)
{
	static struct link_wait wait;
	size_t before = ledger.fetches;

	got.calls = 0;
	link_fetch(&wait, k, name, on_fetched, NULL);
	assert_int_equal(got.calls, 0); /* never from within */
	for (int i = 0; i < 20 && got.calls == 0; i++)
		ledger_play();
	assert_int_equal(got.calls, 1);
	assert_non_null(got.link);
	assert_int_equal(ledger.fetches - before, fetches);
	return got.link;
}

static void
opens_to(const struct link *l, const char *text)
{
	uint8_t *secret = NULL;
	size_t len = 0;

	assert_int_equal(link_open(k, l, bound, &secret, &len), 0);
	assert_int_equal(len, strlen(text));
	assert_memory_equal(secret, text, len);
	secret_free(secret);
}

static void
keys_link_is_fetched_once(void **state)
{
	const struct link *a, *b;

	(void)state;
	put_profile("acme/shop", slice_str("one"));
	put_profile("acme/mail", slice_str("two"));
	a = get("acme/mail", 3);
	b = get("acme/mail", 0);
	assert_ptr_equal(a, b);
	assert_string_equal(b->profile.name, "acme/mail");
	assert_string_equal(b->id.customer, "acme");
	opens_to(b, "two");
	link_release(a);
	link_release(b);
	/* What nobody holds is kept, too. */
	a = get("acme/mail", 0);
	opens_to(a, "two");
	link_release(a);
	/* Of a ledger that has just come: its rows are the same. */
	ledger_begin(&ledger.disk);
	link_release(get("acme/mail", 0));
	/* After a reload of the catalog all is resolved anew. */
	links_forget(k->links);
	link_release(get("acme/mail", 3));
}

/* Nothing but the rows last committed is ever taken. */
static void
hostile_link_rows_that_were_replaced(void **state)
{
	const struct link *old, *l;

	(void)state;
	put_profile("acme/shop", slice_str("one"));
	old = get("acme/shop", 3);
	put_profile("acme/shop", slice_str("two"));
	assert_false(link_is_current(k, old));
	l = get("acme/shop", 3);
	opens_to(l, "two");
	/* Made anew it has the generations that it began with. */
	remove_profile("acme/shop");
	assert_false(link_is_current(k, l));
	link_release(l);
	l = get("acme/shop", 3);
	assert_int_equal(l->row[LINK_PROFILE].r, VERR_NOTFOUND);
	assert_int_equal(l->row[LINK_CREDENTIAL].r, VERR_NOTFOUND);
	link_release(l);
	for (int i = 0; i < 2; i++) {
		const char *text = i == 0 ? "three" : "four";

		put_profile("acme/shop", slice_str(text));
		l = get("acme/shop", 3);
		for (size_t part = 0; part < LINK_PARTS; part++)
			assert_int_equal(l->row[part].at.generation, 1);
		opens_to(l, text);
		remove_profile("acme/shop");
		put_profile("acme/shop", slice_str("other"));
		assert_false(link_is_current(k, l));
		link_release(l);
		link_release(get("acme/shop", 3));
		remove_profile("acme/shop");
	}
	/* Who holds it still has what he got, and nobody else. */
	assert_false(link_is_current(k, old));
	opens_to(old, "one");
	link_release(old);
}

/*
 * A commit is confirmed between the answers: they do not belong together, and
 * are asked for again.
 */
static void
keys_link_rows_of_one_time(void **state)
{
	static struct link_wait wait;
	static struct heard h;

	(void)state;
	put_profile("acme/shop", slice_str("one"));
	ledger.hold_commits = true;
	seal_profile("acme/shop", slice_str("two"));
	rows_commit(k->rows, &put.commit);
	got.calls = 0;
	link_fetch(&wait, k, "acme/shop", on_fetched, NULL);
	peer_rounds(k->life.loop, 2);
	assert_int_equal(peer_hear(ledger.fd, &h), REC_COMMIT);
	ledger_hear(&h);
	for (int i = 0; i < LINK_PARTS; i++) {
		assert_int_equal(peer_hear(ledger.fd, &h), REC_FETCH);
		ledger.fetch = h.m.FETCH.fetch;
		ledger_answer_fetch(disk_find(&ledger.disk, h.m.FETCH.id.p), 0);
		peer_rounds(k->life.loop, 1);
		if (i == 0) {
			ledger_write_commit();
			ledger_answer_commit(0);
		}
	}
	assert_true(put.done);
	assert_int_equal(got.calls, 0);
	ledger_play();
	assert_int_equal(got.calls, 1);
	opens_to(got.link, "two");
	link_release(got.link);
}

static void
keys_links_are_bounded(void **state)
{
	static uint8_t large[32000];
	const size_t n = LINKS_BYTES / sizeof(large) + 20;
	char name[32];

	(void)state;
	for (size_t i = 0; i < n; i++) {
		(void)snprintf(name, sizeof(name), "acme/p%zu", i);
		put_profile(name, slice_of(large, sizeof(large)));
	}
	/* The customer's row is the last one's: so all are read now. */
	for (size_t i = 0; i < n; i++) {
		(void)snprintf(name, sizeof(name), "acme/p%zu", i);
		link_release(get(name, 3));
		if (i == 100)
			link_release(get("acme/p0", 0));
	}
	/* What was used last is there, what was not is not. */
	link_release(get(name, 0));
	link_release(get("acme/p200", 0));
	link_release(get("acme/p0", 0));
	link_release(get("acme/p1", 3));
}

int
main(void)
{
#define T(name)                                                                \
	cmocka_unit_test_setup_teardown(name, ledger_setup, ledger_teardown)
	const struct CMUnitTest tests[] = {
	    T(keys_link_is_fetched_once),
	    T(hostile_link_rows_that_were_replaced),
	    T(keys_link_rows_of_one_time),
	    T(keys_links_are_bounded),
	};

	return cmocka_run_group_tests_name("link", tests, world_memory, NULL);
}
