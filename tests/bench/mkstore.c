/*
 * mkstore - the store of a vault that has many profiles already.
 *
 *	mkstore KEY=VALUE...
 *
 *	store=FILE	to be made; no audit log belongs to it yet
 *	key=FILE	the key file that opens it
 *	system=FILE	the catalog's entry for custom-rest
 *	profiles=1000	cN/pI for I from 0, N being I modulo "customers"
 *	customers=50
 *	url=https://... network=public ca=FILE secret=TEXT
 *	rows=FILE	the same rows one after the other (protocol/change.h),
 *			for what else can be done with them
 *
 * The rows are sealed, indexed and stored by the code of keeper and ledger;
 * what is here is only in which order.
 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <sodium.h>

#include "protocol/pairs.h"
#include "vaultd/base/secret.h"
#include "vaultd/keeper/profile.h"
#include "vaultd/keeper/super.h"
#include "vaultd/ledger/store.h"

#define ARENA     (64 << 10)
#define BATCH     (8 << 20) /* bytes of changes that are committed at once */
#define TEXT_MAX  (64 << 10)
#define SECRET_OF "mkstore-0123456789abcdef"

static const char *o_store, *o_key, *o_system, *o_url, *o_ca, *o_rows;
static const char *o_network = "public", *o_secret = SECRET_OF;
static const char *o_profiles = "1000", *o_customers = "50";

static const struct {
	const char *name;
	const char **text;
} options[] = {
    {"store", &o_store},
    {"key", &o_key},
    {"system", &o_system},
    {"profiles", &o_profiles},
    {"customers", &o_customers},
    {"url", &o_url},
    {"network", &o_network},
    {"ca", &o_ca},
    {"secret", &o_secret},
    {"rows", &o_rows},
};
#define NOPTIONS (sizeof(options) / sizeof(options[0]))

static struct keys *keys;
static struct index *ix;
static struct store *store;
static FILE *rows;
static struct catalog_entry *entry;
static uint8_t *batch;
static size_t batch_len;

/* What all profiles have alike. */
static struct profile pattern;
static struct catalog_link to;

struct customer {
	char name[32];
	uint8_t body[KEYS_CUSTOMER_MAX];
	struct customer_row row;
};

static void
ok(int r, const char *what)
{
	if (r != 0)
		errx(1, "%s: %s", what, verr_text(r));
}

static void
read_option(const char *arg)
{
	for (size_t i = 0; i < NOPTIONS; i++) {
		size_t n = strlen(options[i].name);

		if (strncmp(options[i].name, arg, n) == 0 && arg[n] == '=') {
			*options[i].text = arg + n + 1;
			return;
		}
	}
	errx(2, "%s: not KEY=VALUE of mkstore", arg);
}

static struct slice
read_file(const char *path)
{
	uint8_t *p = malloc(TEXT_MAX);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (p == NULL || fd < 0 || (n = read(fd, p, TEXT_MAX)) < 0 ||
	    n == TEXT_MAX)
		err(1, "%s", path);
	(void)close(fd);
	p[n] = '\0';
	return slice_of(p, (size_t)n);
}

static void
write_batch(void)
{
	ok(store_commit(store, slice_of(batch, batch_len)), o_store);
	if (rows != NULL && fwrite(batch, 1, batch_len, rows) != batch_len)
		err(1, "%s", o_rows);
	batch_len = 0;
}

/*
 * One new row, which the index has from now on unless it is the super row.
 */
static void
put(const struct row_place *at, struct slice body)
{
	struct change c = {
	    .kind = at->kind, .generation = at->generation, .body = body};

	memcpy(c.id, at->id, ROW_ID_LEN);
	if (batch_len + CHANGE_OVERHEAD + body.n > BATCH)
		write_batch();
	change_encode(&c, batch + batch_len);
	batch_len += CHANGE_OVERHEAD + body.n;
	if (at->kind != ROW_SUPER)
		ok(index_set(ix, &c), "index");
}

static struct row_place
place(enum row_kind kind, const char *name)
{
	struct row_place at = {.kind = kind, .generation = 1};

	keys_row_id(keys, kind, slice_str(name), at.id);
	return at;
}

static void
put_slot(void)
{
	uint8_t key[SLOT_KEY_LEN], body[SLOT_BODY_LEN];
	struct slot s = {.kind = SLOT_KEYFILE, .created = pattern.created};
	struct row_place at = {.kind = ROW_SLOT, .generation = 1};

	ok(slot_key(SLOT_KEYFILE, read_file(o_key), key), o_key);
	keys_seal_slot(keys, &s, key, body);
	keys_slot_id(s.number, at.id);
	put(&at, slice_of(body, sizeof(body)));
}

static struct customer *
put_customers(size_t n)
{
	struct customer *all = calloc(n, sizeof(*all));
	size_t len;

	if (all == NULL)
		err(1, NULL);
	for (size_t i = 0; i < n; i++) {
		struct customer *c = &all[i];

		(void)snprintf(c->name, sizeof(c->name), "c%zu", i);
		c->row.at = place(ROW_CUSTOMER, c->name);
		ok(keys_make_customer(keys, &c->row.at, c->body, &len),
		    c->name);
		c->row.sealed = slice_of(c->body, len);
		put(&c->row.at, c->row.sealed);
	}
	return all;
}

static void
put_profile(const struct customer *customer, size_t number)
{
	static uint8_t plain[SECRET_MAX], sealed[SEALED_MAX];
	struct pairs_writer w = {.p = plain, .cap = sizeof(plain)};
	struct profile p = pattern;
	uint8_t bound[LINK_LEN];
	struct row_place at;
	char name[64];
	size_t len;

	(void)snprintf(name, sizeof(name), "%s/p%zu", customer->name, number);
	p.name = name;
	at = place(ROW_PROFILE, name);
	ok(profile_encode(&p, plain, sizeof(plain), &len), name);
	ok(keys_seal_row(keys, &at, slice_of(plain, len), sealed, &len), name);
	put(&at, slice_of(sealed, len));

	at = place(ROW_CREDENTIAL, name);
	profile_link(&p, &to, bound);
	pairs_add(&w, "secret", slice_str(o_secret));
	ok(keys_seal_secret(keys, &customer->row, &at, bound,
	       slice_of(plain, w.n), sealed, &len),
	    name);
	put(&at, slice_of(sealed, len));
}

static void
put_super(void)
{
	static uint8_t sealed[SEALED_MAX];
	struct row_place at = {.kind = ROW_SUPER, .generation = 1};
	struct super s = {.generation = at.generation};
	const struct tree no_log = {.size = 0};
	size_t len;

	super_id(keys, at.id);
	memcpy(s.vault_id, keys_vault_id(keys), VAULT_ID_LEN);
	index_root(ix, s.root);
	tree_root(&no_log, s.audit_root);
	ok(super_seal(keys, &s, sealed, &len), "super row");
	put(&at, slice_of(sealed, len));
}

/*
 * Read the entry and what the settings come to under it.
 */
static void
read_settings(void)
{
	struct slice text = read_file(o_system);
	char why[CATALOG_WHY_MAX] = "";
	struct lex_error error;

	if (catalog_parse(o_system, text.p, text.n, &entry, &error) != 0)
		errx(1, "%s: not the catalog's entry", o_system);
	pattern = (struct profile){.system = entry->system,
	    .status = STATUS_ACTIVE,
	    .kind = entry->credentials[0].kind,
	    .version = 1,
	    .created = UINT64_C(1767225600000)};
	pattern.changed = pattern.created;
	pattern.health = "";
	pattern.settings[0] = (struct catalog_setting){"url", o_url};
	pattern.settings[1] = (struct catalog_setting){"network", o_network};
	pattern.nsettings = 2;
	if (o_ca != NULL)
		pattern.settings[pattern.nsettings++] =
		    (struct catalog_setting){
		        "ca", (const char *)read_file(o_ca).p};
	if (profile_resolve(&pattern, entry, &to, why) != 0)
		errx(1, "%s", why);
}

int
main(int argc, char **argv)
{
	enum secret_kind kind;
	struct customer *customers;
	size_t n, m;

	for (int i = 1; i < argc; i++)
		read_option(argv[i]);
	n = strtoul(o_profiles, NULL, 10);
	m = strtoul(o_customers, NULL, 10);
	if (o_store == NULL || o_key == NULL || o_system == NULL ||
	    o_url == NULL || m == 0)
		errx(2, "usage: mkstore store= key= system= url= ...");
	if (sodium_init() < 0 || (batch = malloc(BATCH)) == NULL)
		errx(1, "cannot begin");
	read_settings();
	ok(secret_init(ARENA, &kind), "locked memory");
	ok(keys_make(&keys), "keys");
	ok(index_new(&ix), "index");
	ok(store_open(o_store, &store), o_store);
	if (o_rows != NULL && (rows = fopen(o_rows, "we")) == NULL)
		err(1, "%s", o_rows);
	put_slot();
	customers = put_customers(m);
	for (size_t i = 0; i < n; i++)
		put_profile(&customers[i % m], i);
	put_super();
	write_batch();
	store_close(store);
	if (rows != NULL && fclose(rows) != 0)
		err(1, "%s", o_rows);
	return 0;
}
