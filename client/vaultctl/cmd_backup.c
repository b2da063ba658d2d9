#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "client/vaultctl/backup.h"
#include "client/vaultctl/ctl.h"
#include "client/vaultctl/file.h"
#include "client/vaultctl/intake.h"
#include "client/vaultctl/unlock.h"

#define TICK_MS       200 /* between two signs of progress */
#define KEY_LEN       32
#define KEY_FILES_MAX 8 /* key slots of a vault */
#define KEY_B64                                                                \
	sodium_base64_ENCODED_LEN(KEY_LEN, sodium_base64_VARIANT_ORIGINAL)

static uint64_t
now_ms(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Progress, on a terminal alone. */
struct progress {
	struct ctl *ctl;
	const char *what;
	uint64_t shown;
};

static void
show(struct progress *p, uint64_t bytes, uint64_t rows)
{
	uint64_t now = now_ms(CLOCK_MONOTONIC);

	if (!p->ctl->err.terminal || now - p->shown < TICK_MS)
		return;
	p->shown = now;
	fprintf(p->ctl->err.f, "\r%s %" PRIu64 " KiB, %" PRIu64 " rows ",
	    p->what, bytes / 1024, rows);
	fflush(p->ctl->err.f);
}

static void
show_end(const struct progress *p)
{
	if (p->ctl->err.terminal && p->shown != 0)
		fprintf(p->ctl->err.f, "\r%60s\r", "");
}

static struct backup *
backup_new(struct ctl *ctl)
{
	struct backup *b;

	if (sodium_init() < 0 || (b = sodium_malloc(sizeof(*b))) == NULL) {
		(void)ctl_failed(ctl, "%s", verr_text(VERR_NOMEM));
		return NULL;
	}
	backup_wipe(b);
	b->fd = -1;
	return b;
}

/* The passphrase */

static int
ask_passphrase(struct ctl *ctl, struct intake *s, const char *prompt)
{
	json_t *form = json_pack("{s:[{s:s, s:s}]}", "fields", "name",
	    "passphrase", "prompt", prompt);
	int r = form == NULL ? VERR_NOMEM : intake_init(s, form);

	json_decref(form);
	if (r != 0)
		return ctl_failed(ctl, "the passphrase: %s", verr_text(r));
	return intake_take(ctl, s);
}

/*
 * A new one is asked for twice, where a person types it.
 */
static int
take_passphrase(struct ctl *ctl, struct intake *s, bool new)
{
	struct intake again = {0};
	const char *why;
	int status;

	status = ask_passphrase(ctl, s, "Passphrase of the backup");
	if (status == STATUS_DONE && new &&
	    (why = unlock_weakness(s->fields[0].value, s->fields[0].len)) !=
	        NULL)
		return ctl_usage(ctl, "%s", why);
	if (status != STATUS_DONE || !new || ctl_option(ctl, "stdin") != NULL ||
	    ctl_option(ctl, "file") != NULL)
		return status;
	status = ask_passphrase(ctl, &again, "The same again");
	if (status == STATUS_DONE &&
	    (s->fields[0].len != again.fields[0].len ||
	        sodium_memcmp(s->fields[0].value, again.fields[0].value,
	            again.fields[0].len) != 0))
		status = ctl_failed(ctl, "the two are not the same");
	intake_free(&again);
	return status;
}

static struct slice
passphrase_of(const struct intake *s)
{
	return slice_of(s->fields[0].value, s->fields[0].len);
}

/* Key pairs */

static int
parse_key(const char *text, size_t n, uint8_t key[static KEY_LEN])
{
	size_t len = 0;

	if (n > 0 && text[n - 1] == '\n')
		n--;
	if (sodium_base642bin(key, KEY_LEN, text, n, NULL, &len, NULL,
	        sodium_base64_VARIANT_ORIGINAL) != 0 ||
	    len != KEY_LEN)
		return VERR_FORMAT;
	return 0;
}

static int
read_key(struct ctl *ctl, const char *path, uint8_t key[static KEY_LEN])
{
	char text[KEY_B64 + 1];
	size_t n = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), r;

	if (fd < 0)
		return ctl_failed(ctl, "%s: %s", path, strerror(errno));
	if ((r = file_fill(fd, text, sizeof(text), &n)) == 0)
		r = parse_key(text, n, key);
	close(fd);
	sodium_memzero(text, sizeof(text));
	if (r != 0)
		return ctl_failed(
		    ctl, "%s: no key of \"vaultctl backup --keygen\"", path);
	return STATUS_DONE;
}

/*
 * Make a pair: the secret half in a new file, the public one for all to see.
 */
static int
keygen(struct ctl *ctl, const char *path)
{
	uint8_t public_key[KEY_LEN], secret[KEY_LEN];
	char text[KEY_B64];
	int fd, r = 0;

	if (sodium_init() < 0)
		return ctl_failed(ctl, "%s", verr_text(VERR_NOMEM));
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return ctl_failed(ctl, "%s: %s", path, strerror(errno));
	crypto_box_keypair(public_key, secret);
	sodium_bin2base64(text, sizeof(text), secret, KEY_LEN,
	    sodium_base64_VARIANT_ORIGINAL);
	text[KEY_B64 - 1] = '\n';
	if (write(fd, text, KEY_B64) != KEY_B64 || fsync(fd) != 0)
		r = ctl_failed(ctl, "%s: %s", path, strerror(errno));
	close(fd);
	sodium_memzero(secret, sizeof(secret));
	sodium_bin2base64(text, sizeof(text), public_key, KEY_LEN,
	    sodium_base64_VARIANT_ORIGINAL);
	if (r != 0)
		(void)unlink(path);
	else
		output_line(&ctl->out, "%s", text);
	sodium_memzero(text, sizeof(text));
	return r;
}

/* Backup */

struct taking {
	struct backup *b;
	struct progress progress;
	int r;
};

static int
on_data(void *arg, const uint8_t *p, size_t len)
{
	struct taking *t = arg;

	if ((t->r = backup_put(t->b, slice_of(p, len))) == 0)
		show(&t->progress, t->b->run.bytes, t->b->run.rows);
	return t->r;
}

/*
 * Which vault it is, if the caller may know: for whoever finds the file.
 */
static void
ask_vault(struct ctl *ctl, uint8_t vault[static 16])
{
	struct rows rows;
	struct vault_rows sink;
	struct vault_error ignored;
	const char *text;
	size_t i, n;
	json_t *row;

	rows_init(&rows);
	sink = rows_sink(&rows);
	if (vault_status(ctl->vault, &sink, &ignored) == 0)
		json_array_foreach(rows.list, i, row)
		{
			text = json_string_value(json_object_get(row, "vault"));
			if (text != NULL &&
			    (sodium_hex2bin(vault, 16, text, strlen(text), NULL,
			         &n, NULL) != 0 ||
			        n != 16))
				memset(vault, 0, 16);
		}
	rows_free(&rows);
}

static int
fill(struct ctl *ctl, struct backup *b)
{
	struct taking t = {.b = b, .progress = {.ctl = ctl, .what = "backup:"}};
	int r;

	r = vault_backup(ctl->vault, on_data, &t, NULL, &ctl->error);
	show_end(&t.progress);
	if (r != 0 && t.r == 0)
		return ctl_refused(ctl);
	if (t.r == 0)
		t.r = backup_finish(b);
	if (t.r == VERR_IO)
		return ctl_failed(ctl, "the backup: %s", strerror(errno));
	if (t.r != 0)
		return ctl_failed(ctl, "the vault sent no whole store");
	return STATUS_DONE;
}

/*
 * Begin the file with the key that the options name.
 */
static int
begin(struct ctl *ctl, struct backup *b, const struct intake *s)
{
	const char *to = ctl_option(ctl, "to");
	uint8_t key[KEY_LEN];
	int r;

	b->header.time = now_ms(CLOCK_REALTIME);
	b->header.memory = BACKUP_MEMORY;
	b->header.passes = BACKUP_PASSES;
	ask_vault(ctl, b->header.vault);
	if (to == NULL)
		r = backup_begin_passphrase(b, passphrase_of(s));
	else if ((r = parse_key(to, strlen(to), key)) == 0)
		r = backup_begin_pair(b, key);
	if (r == VERR_FORMAT || r == VERR_AUTH)
		return ctl_usage(ctl,
		    "--to takes the line that \"vaultctl "
		    "backup --keygen FILE\" printed");
	return r == 0 ? STATUS_DONE : ctl_failed(ctl, "%s", backup_why(r));
}

/*
 * Give the finished file its name, on the disk.
 */
static int
publish(struct ctl *ctl, int fd, const char *part, const char *path)
{
	bool force = ctl_option(ctl, "force") != NULL;
	char *folder;
	int dir;

	if (fsync(fd) != 0 ||
	    renameat2(AT_FDCWD, part, AT_FDCWD, path,
	        force ? 0 : RENAME_NOREPLACE) != 0)
		return ctl_failed(ctl, "%s: %s", path, strerror(errno));
	if ((folder = strdup(path)) != NULL) {
		char *slash = strrchr(folder, '/');

		if (slash != NULL)
			slash[slash == folder] = '\0';
		dir = open(slash != NULL ? folder : ".",
		    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (dir >= 0) {
			(void)fsync(dir);
			close(dir);
		}
		free(folder);
	}
	return STATUS_DONE;
}

static int
write_file(
    struct ctl *ctl, struct backup *b, const struct intake *s, const char *path)
{
	char *part = NULL;
	int status;

	if (strcmp(path, "-") == 0) {
		b->fd = STDOUT_FILENO;
		status = begin(ctl, b, s);
		return status == STATUS_DONE ? fill(ctl, b) : status;
	}
	if (asprintf(&part, "%s.part-XXXXXX", path) < 0)
		return ctl_failed(ctl, "%s", verr_text(VERR_NOMEM));
	if ((b->fd = mkostemp(part, O_CLOEXEC)) < 0) {
		status = ctl_failed(ctl, "%s: %s", part, strerror(errno));
		free(part);
		return status;
	}
	if ((status = begin(ctl, b, s)) == STATUS_DONE &&
	    (status = fill(ctl, b)) == STATUS_DONE)
		status = publish(ctl, b->fd, part, path);
	if (status != STATUS_DONE)
		(void)unlink(part);
	close(b->fd);
	free(part);
	return status;
}

int
cmd_backup(struct ctl *ctl)
{
	const char *path = ctl_word(ctl, 0), *pair = ctl_option(ctl, "keygen");
	struct intake passphrase = {0};
	struct backup *b;
	struct stat st;
	int status;

	if ((path == NULL) == (pair == NULL))
		return ctl_usage(ctl, "name the file to write");
	if (pair != NULL)
		return keygen(ctl, pair);
	if (strcmp(path, "-") == 0 && ctl->out.terminal)
		return ctl_usage(ctl, "a backup is not for a terminal");
	if (ctl_option(ctl, "force") == NULL && lstat(path, &st) == 0)
		return ctl_failed(
		    ctl, "%s is there already; --force replaces it", path);
	if ((b = backup_new(ctl)) == NULL)
		return STATUS_FAILED;
	if ((status = ctl_connect(ctl)) != STATUS_DONE)
		goto out;
	if (ctl_option(ctl, "to") == NULL &&
	    (status = take_passphrase(ctl, &passphrase, true)) != STATUS_DONE)
		goto out;
	if ((status = write_file(ctl, b, &passphrase, path)) == STATUS_DONE &&
	    strcmp(path, "-") != 0)
		output_line(&ctl->out,
		    "%s: %" PRIu64 " rows, generation %" PRIu64, path,
		    b->run.rows, b->run.generation);
out:
	intake_free(&passphrase);
	sodium_free(b);
	return status;
}

/* Restore */

/* The file once more, after all of it was in order. */
struct giving {
	struct backup *b;
	struct progress progress;
	struct slice rest;
	uint64_t rows, bytes; /* as the first time */
	int r;
};

static int
on_read(void *arg, uint8_t *p, size_t size, size_t *ret_n)
{
	struct giving *g = arg;
	size_t n;

	if (g->rest.n == 0)
		g->r = backup_next(g->b, &g->rest);
	if (g->r == VERR_NOTFOUND && g->b->run.bytes == g->bytes) {
		*ret_n = 0;
		return 0;
	}
	if (g->r != 0)
		return g->r;
	n = g->rest.n < size ? g->rest.n : size;
	memcpy(p, g->rest.p, n);
	g->rest = slice_of(g->rest.p + n, g->rest.n - n);
	show(&g->progress, g->b->run.bytes, g->b->run.rows);
	*ret_n = n;
	return 0;
}

/*
 * Have the key of the backup.
 */
static int
unlock(struct ctl *ctl, struct backup *b, const char *path)
{
	const char *file = ctl_option(ctl, "key");
	struct intake passphrase = {0};
	uint8_t key[KEY_LEN];
	int status = STATUS_DONE, r = 0;

	if (b->header.kind == BACKUP_PAIR && file == NULL)
		return ctl_usage(
		    ctl, "%s needs a key: name its file with --key", path);
	if (b->header.kind == BACKUP_PASSPHRASE && file != NULL)
		return ctl_usage(
		    ctl, "%s has a passphrase, and is for no --key", path);
	if (file != NULL) {
		if ((status = read_key(ctl, file, key)) == STATUS_DONE)
			r = backup_unlock_pair(b, key);
		sodium_memzero(key, sizeof(key));
	} else {
		status = take_passphrase(ctl, &passphrase, false);
		if (status == STATUS_DONE)
			r = backup_unlock_passphrase(
			    b, passphrase_of(&passphrase));
		intake_free(&passphrase);
	}
	if (r == VERR_AUTH)
		return ctl_failed(ctl,
		    file != NULL ? "%s was made for another key"
		                 : "%s: this is not its passphrase",
		    path);
	return r == 0 ? status : ctl_failed(ctl, "%s: %s", path, backup_why(r));
}

/*
 * Read all of it, and go back to where its chunks begin.
 */
static int
check(struct ctl *ctl, struct backup *b, const char *path)
{
	struct progress progress = {.ctl = ctl, .what = "checking:"};
	crypto_secretstream_xchacha20poly1305_state begin = b->state;
	struct slice data;
	int r;

	while ((r = backup_next(b, &data)) == 0)
		show(&progress, b->run.bytes, b->run.rows);
	show_end(&progress);
	b->state = begin;
	sodium_memzero(&begin, sizeof(begin));
	if (r != VERR_NOTFOUND)
		return ctl_failed(ctl, "%s: %s", path, backup_why(r));
	if (lseek(b->fd, BACKUP_HEADER, SEEK_SET) != BACKUP_HEADER)
		return ctl_failed(ctl, "%s: %s", path, strerror(errno));
	return STATUS_DONE;
}

/* Key files that open slots of the backup: --slot-file N=FILE. */
struct key_files {
	size_t n;
	struct unlock key[KEY_FILES_MAX];
	char name[KEY_FILES_MAX][16]; /* of the pair */
};

static void
key_files_free(struct key_files *f)
{
	for (size_t i = 0; i < f->n; i++)
		unlock_free(&f->key[i]);
}

static int
take_key_files(struct ctl *ctl, struct key_files *f)
{
	const struct slot slot = {.kind = SLOT_KEYFILE};
	const char *text;
	size_t at = 0;
	int status;

	while ((text = options_next(&ctl->options, "slot-file", &at)) != NULL) {
		const char *equals = strchr(text, '=');
		struct unlock_from from = {
		    .file = equals == NULL ? NULL : equals + 1};

		if (equals == NULL || equals != text + 1 || text[0] < '0' ||
		    text[0] > '7')
			return ctl_usage(ctl,
			    "--slot-file takes N=FILE, the number of a key "
			    "slot and its key file");
		if (f->n == KEY_FILES_MAX)
			return ctl_usage(ctl, "too many key files");
		if ((status = unlock_take(ctl, &slot, &from, &f->key[f->n])) !=
		    STATUS_DONE)
			return status;
		snprintf(
		    f->name[f->n], sizeof(f->name[0]), "unlock.%c", text[0]);
		f->n++;
	}
	return STATUS_DONE;
}

static int
give(struct ctl *ctl, struct backup *b, const char *path)
{
	char vault[2 * sizeof(b->header.vault) + 1], generation[24];
	struct vault_pair pairs[4 + KEY_FILES_MAX] = {
	    {"verb", "restore", 7},
	    {"vault", vault, sizeof(vault) - 1},
	    {"generation", generation, 0},
	};
	const char *replace = ctl_option(ctl, "replace-vault");
	struct key_files files = {0};
	size_t n = 3;
	struct giving g = {.b = b,
	    .progress = {.ctl = ctl, .what = "restore:"},
	    .rows = b->run.rows,
	    .bytes = b->run.bytes};
	char text[VAULT_TEXT_MAX + 1];
	int r;

	sodium_bin2hex(
	    vault, sizeof(vault), b->header.vault, sizeof(b->header.vault));
	pairs[2].len = (size_t)snprintf(
	    generation, sizeof(generation), "%" PRIu64, b->run.generation);
	if (replace != NULL)
		pairs[n++] =
		    (struct vault_pair){"replace", replace, strlen(replace)};
	if ((r = take_key_files(ctl, &files)) != STATUS_DONE)
		goto out;
	for (size_t i = 0; i < files.n; i++)
		pairs[n++] = (struct vault_pair){
		    files.name[i], files.key[i].bytes, files.key[i].n};
	memset(&b->run, 0, sizeof(b->run));
	b->last = 0;
	r = vault_restore(
	    ctl->vault, pairs, n, on_read, &g, text, NULL, &ctl->error);
	show_end(&g.progress);
	if (r != 0 && g.r != 0 && g.r != VERR_NOTFOUND)
		r = ctl_failed(ctl, "%s: %s", path, backup_why(g.r));
	else if (r != 0)
		r = ctl_refused(ctl);
	else
		output_line(&ctl->out, "%s",
		    text[0] != '\0' ? text : "the store was restored");
out:
	key_files_free(&files);
	return r;
}

int
cmd_restore(struct ctl *ctl)
{
	const char *path = ctl_word(ctl, 0);
	struct backup *b;
	int status, r;

	if ((b = backup_new(ctl)) == NULL)
		return STATUS_FAILED;
	if ((b->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY)) < 0) {
		status = ctl_failed(ctl, "%s: %s", path, strerror(errno));
		goto out;
	}
	if ((r = backup_open(b)) != 0)
		status = ctl_failed(ctl, "%s: %s", path, backup_why(r));
	else if ((status = unlock(ctl, b, path)) == STATUS_DONE)
		status = check(ctl, b, path);
	if (status != STATUS_DONE)
		goto out;
	if (ctl_option(ctl, "verify") != NULL)
		output_line(&ctl->out,
		    "%s is whole: %" PRIu64 " rows, generation %" PRIu64, path,
		    b->run.rows, b->run.generation);
	else if ((status = ctl_connect(ctl)) == STATUS_DONE)
		status = give(ctl, b, path);
out:
	if (b->fd >= 0)
		close(b->fd);
	sodium_free(b);
	return status;
}
