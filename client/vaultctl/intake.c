#include "client/vaultctl/intake.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "client/vaultctl/file.h"
#include "client/vaultctl/keyfile.h"
#include "client/vaultctl/prompt.h"

static int
add_field(struct intake *s, json_t *field)
{
	const char *name = json_string_value(json_object_get(field, "name"));
	const char *prompt =
	    json_string_value(json_object_get(field, "prompt"));
	struct intake_field *f = &s->fields[s->nfields];

	if (name == NULL || name[0] == '\0' || strlen(name) >= sizeof(f->name))
		return VERR_FORMAT;
	if (prompt == NULL || prompt[0] == '\0')
		prompt = name;
	output_clean(name, strlen(name), f->name, sizeof(f->name));
	output_clean(prompt, strlen(prompt), f->prompt, sizeof(f->prompt));
	/* what is not said to be harmless is not shown */
	f->hidden = !json_is_false(json_object_get(field, "secret"));
	s->nfields++;
	return 0;
}

int
intake_guard(void)
{
	const struct rlimit none = {0, 0};

	(void)prctl(PR_SET_DUMPABLE, 0);
	(void)setrlimit(RLIMIT_CORE, &none);
	return sodium_init() < 0 ? VERR_NOMEM : 0;
}

int
intake_init(struct intake *s, json_t *credential)
{
	json_t *fields = json_object_get(credential, "fields"), *field;
	size_t i;
	int r;

	memset(s, 0, sizeof(*s));
	if (json_array_size(fields) == 0 ||
	    json_array_size(fields) > INTAKE_FIELDS_MAX)
		return VERR_FORMAT;
	json_array_foreach(
	    fields, i, field) if ((r = add_field(s, field)) != 0) return r;
	if ((r = intake_guard()) != 0)
		return r;
	s->memory = sodium_malloc(INTAKE_MAX);
	return s->memory == NULL ? VERR_NOMEM : 0;
}

void
intake_free(struct intake *s)
{
	sodium_free(s->memory);
	s->memory = NULL;
}

static struct intake_field *
find_field(struct intake *s, const uint8_t *name, size_t n)
{
	for (size_t i = 0; i < s->nfields; i++)
		if (strlen(s->fields[i].name) == n &&
		    memcmp(s->fields[i].name, name, n) == 0)
			return &s->fields[i];
	return NULL;
}

/*
 * One FIELD=VALUE line.
 */
static int
take_line(struct intake *s, const uint8_t *p, size_t n, unsigned number,
    char why[static INTAKE_WHY_MAX])
{
	const uint8_t *equals = memchr(p, '=', n);
	struct intake_field *f = NULL;

	if (equals != NULL)
		f = find_field(s, p, (size_t)(equals - p));
	if (f == NULL) {
		snprintf(why, INTAKE_WHY_MAX,
		    "line %u does not begin with a "
		    "field of this credential and '='",
		    number);
		return VERR_FORMAT;
	}
	if (f->value != NULL) {
		snprintf(why, INTAKE_WHY_MAX,
		    "line %u: the field %s is there "
		    "twice",
		    number, f->name);
		return VERR_FORMAT;
	}
	f->value = equals + 1;
	f->len = n - (size_t)(equals + 1 - p);
	return 0;
}

static int
take_lines(struct intake *s, size_t n, char why[static INTAKE_WHY_MAX])
{
	const uint8_t *p = s->memory, *end = s->memory + n;

	for (unsigned number = 1; p < end; number++) {
		const uint8_t *newline = memchr(p, '\n', (size_t)(end - p));
		size_t len = (size_t)((newline ? newline : end) - p);
		size_t rest = len > 0 && p[len - 1] == '\r' ? 1 : 0;
		int r;

		if (len - rest > 0 &&
		    (r = take_line(s, p, len - rest, number, why)) != 0)
			return r;
		p += len + (newline != NULL);
	}
	return 0;
}

int
intake_parse(struct intake *s, size_t n, char why[static INTAKE_WHY_MAX])
{
	int r;

	for (size_t i = 0; i < s->nfields; i++)
		s->fields[i].value = NULL;
	if (n > 0 && s->memory[n - 1] == '\n')
		n--;
	if (n > 0 && s->memory[n - 1] == '\r')
		n--;
	if (s->nfields == 1) {
		s->fields[0].value = s->memory;
		s->fields[0].len = n;
	} else if ((r = take_lines(s, n, why)) != 0) {
		return r;
	}
	for (size_t i = 0; i < s->nfields; i++)
		if (s->fields[i].value == NULL || s->fields[i].len == 0) {
			snprintf(why, INTAKE_WHY_MAX,
			    s->nfields == 1 ? "there is nothing in it"
			                    : "the field %s is missing: give "
			                      "a line %s=VALUE",
			    s->fields[i].name, s->fields[i].name);
			return VERR_FORMAT;
		}
	return 0;
}

/*
 * The passphrase of a key file is asked for at the terminal.
 */
static int
ask_passphrase(void *arg, char *buf, size_t size, size_t *ret_n)
{
	int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY), r;

	(void)arg;
	if (tty < 0)
		return VERR_CLOSED;
	r = prompt_read(tty, "Passphrase of the key file: ", false,
	    (uint8_t *)buf, size, ret_n);
	close(tty);
	return r;
}

/*
 * The first "n" bytes of s->memory are a key file: the vault takes PKCS#8.
 */
static int
take_key(struct ctl *ctl, struct intake *s, size_t n, const char *what)
{
	static const struct keyfile_ask ask = {ask_passphrase, NULL};
	uint8_t *der = s->memory + INTAKE_MAX - KEYFILE_DER_MAX;
	const char *why = verr_text(VERR_NOMEM);
	struct intake_field *f = &s->fields[0];

	if (n > INTAKE_MAX - KEYFILE_DER_MAX)
		return ctl_failed(ctl, "%s: %s", what, verr_text(VERR_TOOBIG));
	if (keyfile_read(slice_of(s->memory, n), &ask, der, &f->len, &why) !=
	    0) {
		(void)ctl_failed(ctl, "the key in %s: %s", what, why);
		return STATUS_USAGE;
	}
	f->value = der;
	return STATUS_DONE;
}

static int
take_input(struct ctl *ctl, struct intake *s, int fd, const char *what)
{
	char why[INTAKE_WHY_MAX];
	size_t n;
	int r = file_fill(fd, s->memory, INTAKE_MAX, &n);

	if (r != 0)
		return ctl_failed(ctl, "%s: %s", what, file_why(r));
	if (s->key)
		return take_key(ctl, s, n, what);
	if (intake_parse(s, n, why) != 0) {
		(void)ctl_failed(ctl, "the credential in %s: %s", what, why);
		return STATUS_USAGE;
	}
	return STATUS_DONE;
}

static int
ask_fields(struct ctl *ctl, struct intake *s, int tty)
{
	char question[160];
	size_t used = 0;
	int r;

	for (size_t i = 0; i < s->nfields; i++) {
		struct intake_field *f = &s->fields[i];

		snprintf(question, sizeof(question), "%s: ", f->prompt);
		r = prompt_read(tty, question, !f->hidden, s->memory + used,
		    INTAKE_MAX - used, &f->len);
		if (r == VERR_TOOBIG)
			return ctl_failed(ctl,
			    "too long for a terminal: use "
			    "--stdin or --file");
		if (r != 0)
			return ctl_failed(
			    ctl, "nothing was entered: %s", verr_text(r));
		if (f->len == 0)
			return ctl_failed(ctl, "nothing was entered");
		f->value = s->memory + used;
		used += f->len;
	}
	return STATUS_DONE;
}

int
intake_take(struct ctl *ctl, struct intake *s)
{
	const char *file = ctl_option(ctl, "file");
	int fd, status;

	if (ctl_option(ctl, "stdin") != NULL)
		return take_input(ctl, s, STDIN_FILENO, "stdin");
	if (file != NULL) {
		if ((fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY)) < 0)
			return ctl_failed(ctl, "%s: %s", file, strerror(errno));
		status = take_input(ctl, s, fd, file);
		close(fd);
		return status;
	}
	if (s->key)
		return ctl_usage(ctl,
		    "a private key is given by --file FILE or --stdin, or made "
		    "in the vault by --generate");
	if ((fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY)) < 0)
		return ctl_usage(ctl,
		    "there is no terminal to ask for the "
		    "credential at: give it by --stdin or --file FILE");
	status = ask_fields(ctl, s, fd);
	close(fd);
	return status;
}
