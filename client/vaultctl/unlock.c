#include "client/vaultctl/unlock.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/vaultctl/file.h"
#include "client/vaultctl/prompt.h"
#include "protocol/lex.h"

#define FOR_OTHERS (S_IRWXG | S_IRWXO)

int
unlock_options(struct ctl *ctl, struct unlock_from *ret)
{
	ret->file = ctl_option(ctl, "file");
	ret->in = ctl_option(ctl, "stdin") != NULL;
	if (ret->in && ret->file != NULL)
		return ctl_usage(ctl, "--stdin and --file are alternatives");
	return STATUS_DONE;
}

void
unlock_free(struct unlock *u)
{
	sodium_free(u->bytes);
	*u = (struct unlock){0};
}

static int
no_memory(struct ctl *ctl)
{
	return ctl_failed(ctl, "%s", verr_text(VERR_NOMEM));
}

static int
open_file(struct ctl *ctl, const char *path, int *ret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), status;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0)
		status = ctl_failed(ctl, "%s: %s", path, strerror(errno));
	else if (st.st_mode & FOR_OTHERS)
		status = ctl_failed(ctl,
		    "%s: others than its owner can use it: chmod 600 it", path);
	else {
		*ret = fd;
		return STATUS_DONE;
	}
	if (fd >= 0)
		close(fd);
	return status;
}

/*
 * All of file or stdin, into the "size" bytes at "p".
 */
static int
fill(struct ctl *ctl, const struct unlock_from *from, uint8_t *p, size_t size,
    size_t *ret_n)
{
	const char *what = from->in ? "stdin" : from->file;
	int fd = STDIN_FILENO, status = STATUS_DONE, r;

	if (!from->in &&
	    (status = open_file(ctl, from->file, &fd)) != STATUS_DONE)
		return status;
	if ((r = file_fill(fd, p, size, ret_n)) != 0)
		status = ctl_failed(ctl, "%s: %s", what, file_why(r));
	if (!from->in)
		close(fd);
	return status;
}

static int
take_key(struct ctl *ctl, const struct unlock_from *from, struct unlock *ret)
{
	/* one more than fits, to tell what is wrong with a longer one */
	struct unlock u = {sodium_malloc(ACT_KEY_LEN + 1), 0};
	int status;

	if (u.bytes == NULL)
		return no_memory(ctl);
	status = fill(ctl, from, u.bytes, ACT_KEY_LEN + 1, &u.n);
	if (status == STATUS_DONE && u.n != ACT_KEY_LEN)
		status = ctl_failed(ctl,
		    "%s: a key file has exactly %d bytes, and nothing else",
		    from->in ? "stdin" : from->file, ACT_KEY_LEN);
	if (status != STATUS_DONE)
		unlock_free(&u);
	else
		*ret = u;
	return status;
}

static int
ask(struct ctl *ctl, const char *question, uint8_t *p, size_t *ret_n)
{
	int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY), r;

	if (tty < 0)
		return ctl_usage(ctl,
		    "there is no terminal to ask for a passphrase at: give it "
		    "by stdin or a file");
	r = prompt_read(tty, question, false, p, UNLOCK_PASSPHRASE_MAX, ret_n);
	close(tty);
	if (r != 0)
		return ctl_failed(
		    ctl, "no passphrase was entered: %s", verr_text(r));
	return STATUS_DONE;
}

/*
 * A passphrase, into the UNLOCK_PASSPHRASE_MAX bytes at "p"; one newline at the
 * end of a file is none of it.
 */
static int
take_passphrase(struct ctl *ctl, const struct unlock_from *from,
    const char *question, uint8_t *p, size_t *ret_n)
{
	int status = from->in || from->file != NULL
	    ? fill(ctl, from, p, UNLOCK_PASSPHRASE_MAX, ret_n)
	    : ask(ctl, question, p, ret_n);

	if (status != STATUS_DONE)
		return status;
	if (*ret_n > 0 && p[*ret_n - 1] == '\n')
		--*ret_n;
	if (*ret_n > 0 && p[*ret_n - 1] == '\r')
		--*ret_n;
	return *ret_n > 0 ? STATUS_DONE
	                  : ctl_usage(ctl, "the passphrase is empty");
}

int
unlock_stretch(const uint8_t *passphrase, size_t n,
    const struct stretch *stretch, uint8_t ret[static ACT_PASSPHRASE_LEN])
{
	_Static_assert(crypto_pwhash_SALTBYTES == ACT_SALT_LEN, "its salt");

	if (stretch->passes < ACT_OPSLIMIT_MIN ||
	    stretch->memory < ACT_MEMLIMIT_MIN)
		return VERR_FORBIDDEN;
	if (stretch->passes > ACT_OPSLIMIT_MAX ||
	    stretch->memory > ACT_MEMLIMIT_MAX)
		return VERR_TOOBIG;
	if (crypto_pwhash(ret, ACT_PASSPHRASE_LEN, (const char *)passphrase, n,
	        stretch->salt, stretch->passes, stretch->memory * 1024,
	        crypto_pwhash_ALG_ARGON2ID13) != 0)
		return VERR_NOMEM;
	return 0;
}

static int
stretch(struct ctl *ctl, const uint8_t *passphrase, size_t n,
    const struct stretch *how, struct unlock *ret)
{
	static const char wait[] = "working on the passphrase ...";
	struct unlock u = {
	    sodium_malloc(ACT_PASSPHRASE_LEN), ACT_PASSPHRASE_LEN};
	int r;

	if (u.bytes == NULL)
		return no_memory(ctl);
	if (ctl->err.terminal) {
		fputs(wait, ctl->err.f);
		fflush(ctl->err.f);
	}
	r = unlock_stretch(passphrase, n, how, u.bytes);
	if (ctl->err.terminal)
		fprintf(ctl->err.f, "\r%*s\r", (int)sizeof(wait), "");
	if (r == 0) {
		*ret = u;
		return STATUS_DONE;
	}
	unlock_free(&u);
	if (r == VERR_NOMEM)
		return ctl_failed(ctl,
		    "there are no %llu MiB of memory to work on the passphrase "
		    "with",
		    (unsigned long long)how->memory / 1024);
	return ctl_failed(ctl,
	    "the vault asks for %s work on the passphrase than is %s; nothing "
	    "was sent",
	    r == VERR_TOOBIG ? "more" : "less",
	    r == VERR_TOOBIG ? "reasonable" : "safe");
}

int
unlock_take(struct ctl *ctl, const struct slot *slot,
    const struct unlock_from *from, struct unlock *ret)
{
	char question[SLOTS_NAME_MAX + 24];
	uint8_t *p;
	size_t n = 0;
	int status;

	if (slot->kind == SLOT_OTHER)
		return ctl_failed(ctl,
		    "%s: this vaultctl does not know how to open it",
		    slot->name);
	if (slot->kind != SLOT_PASSPHRASE)
		return take_key(ctl, from, ret);
	if ((p = sodium_malloc(UNLOCK_PASSPHRASE_MAX)) == NULL)
		return no_memory(ctl);
	snprintf(question, sizeof(question), "Passphrase of %s: ", slot->name);
	status = take_passphrase(ctl, from, question, p, &n);
	if (status == STATUS_DONE)
		status = stretch(ctl, p, n, &slot->stretch, ret);
	sodium_free(p);
	return status;
}

const char *
unlock_weakness(const uint8_t *passphrase, size_t n)
{
	_Static_assert(UNLOCK_PASSPHRASE_MIN == 12, "as it says");
	size_t count = 0;
	uint32_t code;

	for (size_t at = 0; at < n; count++) {
		size_t len =
		    lex_utf8((const char *)passphrase + at, n - at, &code);

		at += len > 0 ? len : 1;
	}
	return count >= UNLOCK_PASSPHRASE_MIN
	    ? NULL
	    : "a passphrase has 12 characters at least: whoever gets a copy "
	      "of the store can try as many as he likes, and nobody slows him";
}

/*
 * The same again, to be sure of what was typed.
 */
static int
ask_again(struct ctl *ctl, const uint8_t *p, size_t n)
{
	uint8_t *again = sodium_malloc(UNLOCK_PASSPHRASE_MAX);
	size_t len = 0;
	int status;

	if (again == NULL)
		return no_memory(ctl);
	status = ask(ctl, "The same again: ", again, &len);
	if (status == STATUS_DONE &&
	    (len != n || sodium_memcmp(again, p, n) != 0))
		status = ctl_failed(ctl, "these are two different passphrases");
	sodium_free(again);
	return status;
}

int
unlock_new_passphrase(struct ctl *ctl, const struct unlock_from *from,
    struct stretch *how, struct unlock *ret)
{
	uint8_t *p = sodium_malloc(UNLOCK_PASSPHRASE_MAX);
	const char *why;
	size_t n = 0;
	int status;

	if (p == NULL)
		return no_memory(ctl);
	status = take_passphrase(ctl, from, "New passphrase: ", p, &n);
	if (status == STATUS_DONE && (why = unlock_weakness(p, n)) != NULL)
		status = ctl_failed(ctl, "%s", why);
	if (status == STATUS_DONE && !from->in && from->file == NULL)
		status = ask_again(ctl, p, n);
	if (status == STATUS_DONE) {
		randombytes_buf(how->salt, sizeof(how->salt));
		status = stretch(ctl, p, n, how, ret);
	}
	sodium_free(p);
	return status;
}

/*
 * The entry of a new file is on the disk only when its folder is.
 */
static int
sync_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	size_t n = slash == NULL ? 0
	    : slash == path      ? 1
	                         : (size_t)(slash - path);
	char *folder = n > 0 ? strndup(path, n) : strdup(".");
	int fd, r;

	if (folder == NULL)
		return -1;
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(folder);
	if (fd < 0)
		return -1;
	r = fsync(fd);
	close(fd);
	return r;
}

int
unlock_make_file(struct ctl *ctl, const char *path, struct unlock *ret)
{
	struct unlock u = {sodium_malloc(ACT_KEY_LEN), ACT_KEY_LEN};
	int fd, bad;

	if (u.bytes == NULL)
		return no_memory(ctl);
	randombytes_buf(u.bytes, u.n);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0) {
		unlock_free(&u);
		return ctl_failed(ctl, "%s: %s", path, strerror(errno));
	}
	bad = write(fd, u.bytes, u.n) != (ssize_t)u.n || fsync(fd) != 0;
	bad |= close(fd) != 0;
	if (bad || sync_folder(path) != 0) {
		(void)ctl_failed(ctl, "%s: it could not be written: %s", path,
		    strerror(errno));
		unlink(path);
		unlock_free(&u);
		return STATUS_FAILED;
	}
	*ret = u;
	return STATUS_DONE;
}
