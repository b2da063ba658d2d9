#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "client/vaultctl/ctl.h"

#define HEADERS_MAX 32768
#define TICK_NS     200000000 /* between two signs of progress */

struct download {
	struct ctl *ctl;
	const char *path; /* --output, or NULL */
	FILE *f;
	bool harmless; /* a terminal reads: let no control through */
	uint8_t last;
	uint64_t received;
	struct timespec shown;
	int error; /* errno of writing, or 0 */
};

static int
failed(struct download *d)
{
	d->error = errno;
	return VERR_IO;
}

/*
 * What an upstream sends to a terminal keeps its lines and loses the rest of
 * its controls, those of two bytes (C1) too.
 */
static int
write_terminal(struct download *d, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		uint8_t c = p[i];
		bool c1 = d->last == 0xc2 && c >= 0x80 && c < 0xa0;

		d->last = c;
		if (c1 || c == 0x7f || (c < 0x20 && c != '\n' && c != '\t'))
			c = c == '\r' ? ' ' : '?';
		if (fputc(c, d->f) == EOF)
			return failed(d);
	}
	return 0;
}

static int
write_out(struct download *d, const void *p, size_t len)
{
	if (d->harmless)
		return write_terminal(d, p, len);
	if (fwrite(p, 1, len, d->f) != len)
		return failed(d);
	return 0;
}

static int
on_response(
    void *arg, int status, const char *headers, size_t len, uint64_t audit)
{
	struct download *d = arg;
	char line[32];
	int n, r;

	(void)audit;
	if (d->path != NULL && (d->f = fopen(d->path, "we")) == NULL)
		return failed(d);
	if (ctl_option(d->ctl, "include") == NULL)
		return 0;
	n = snprintf(line, sizeof(line), "HTTP/1.1 %d\r\n", status);
	if ((r = write_out(d, line, (size_t)n)) != 0 ||
	    (r = write_out(d, headers, len)) != 0)
		return r;
	return write_out(d, "\r\n", 2);
}

static void
show_progress(struct download *d)
{
	struct timespec now;

	if (d->path == NULL || !d->ctl->err.terminal)
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (now.tv_sec == d->shown.tv_sec &&
	    now.tv_nsec - d->shown.tv_nsec < TICK_NS)
		return;
	d->shown = now;
	fprintf(d->ctl->err.f, "\r%" PRIu64 " KiB", d->received / 1024);
	fflush(d->ctl->err.f);
}

static int
on_body(void *arg, const uint8_t *p, size_t len)
{
	struct download *d = arg;
	int r;

	if ((r = write_out(d, p, len)) != 0)
		return r;
	/* who reads along sees each piece as it comes */
	if (d->path == NULL && fflush(d->f) != 0)
		return failed(d);
	d->received += len;
	show_progress(d);
	return 0;
}

/*
 * What --data says: a file, stdin, or the text itself.
 */
static int
open_body(struct ctl *ctl, struct vault_request *q)
{
	const char *data = ctl_option(ctl, "data");
	struct stat st;
	off_t at;

	if (data == NULL)
		return STATUS_DONE;
	if (data[0] != '@' && strcmp(data, "-") != 0) {
		q->body = VAULT_BODY_BYTES;
		q->bytes = data;
		q->length = strlen(data);
		return STATUS_DONE;
	}
	q->fd = STDIN_FILENO;
	if (data[0] == '@' &&
	    (q->fd = open(data + 1, O_RDONLY | O_CLOEXEC | O_NOCTTY)) < 0)
		return ctl_failed(ctl, "%s: %s", data + 1, strerror(errno));
	q->body = VAULT_BODY_STREAM;
	if (fstat(q->fd, &st) != 0 || !S_ISREG(st.st_mode))
		return STATUS_DONE;
	/* a plain file has a length, from where it is being read on */
	at = lseek(q->fd, 0, SEEK_CUR);
	if (at >= 0 && st.st_size > at) {
		q->body = VAULT_BODY_FILE;
		q->length = (uint64_t)(st.st_size - at);
	}
	return STATUS_DONE;
}

/*
 * A line that would end early, or begin another, is not one field.
 */
static bool
is_field(const char *text)
{
	size_t name = strspn(text,
	    "!#$%&'*+-.^_`|~0123456789"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");

	return name > 0 && text[name] == ':' && strpbrk(text, "\r\n") == NULL;
}

static int
join_headers(struct ctl *ctl, char out[static HEADERS_MAX + 1])
{
	const char *text;
	size_t at = 0, n = 0;

	out[0] = '\0';
	while ((text = options_next(&ctl->options, "header", &at)) != NULL) {
		if (!is_field(text))
			return ctl_usage(ctl, "--header takes 'NAME: VALUE'");
		if (strlen(text) + 2 > HEADERS_MAX - n)
			return ctl_usage(ctl,
			    "the header fields are longer "
			    "than %d bytes together",
			    HEADERS_MAX);
		n += (size_t)snprintf(
		    out + n, HEADERS_MAX + 1 - n, "%s\r\n", text);
	}
	return STATUS_DONE;
}

static int
finish(struct ctl *ctl, struct download *d, int r)
{
	int status = STATUS_DONE;

	if (d->path != NULL && d->ctl->err.terminal && d->received > 0)
		fputc('\n', ctl->err.f);
	if (d->f != NULL && fflush(d->f) != 0 && d->error == 0)
		d->error = errno;
	if (d->error != 0)
		status = ctl_failed(ctl, "%s: %s",
		    d->path != NULL ? d->path : "stdout", strerror(d->error));
	else if (r != 0)
		status = ctl_refused(ctl);
	if (d->path != NULL && d->f != NULL)
		fclose(d->f);
	return status;
}

int
cmd_request(struct ctl *ctl)
{
	char headers[HEADERS_MAX + 1];
	struct download d = {.ctl = ctl,
	    .path = ctl_option(ctl, "output"),
	    .f = ctl->out.f,
	    .harmless = ctl->out.terminal};
	struct vault_request q = {
	    .profile = ctl_word(ctl, 0),
	    .method = ctl_word(ctl, 1),
	    .target = ctl_word(ctl, 2),
	    .headers = headers,
	    .fd = -1,
	    .on_response = on_response,
	    .on_body = on_body,
	    .arg = &d,
	};
	int status;

	if (d.path != NULL) {
		d.f = NULL;
		d.harmless = false;
	}
	if ((status = ctl_check_profile(ctl, q.profile)) != STATUS_DONE ||
	    (status = join_headers(ctl, headers)) != STATUS_DONE ||
	    (status = open_body(ctl, &q)) != STATUS_DONE)
		return status;
	if ((status = ctl_connect(ctl)) == STATUS_DONE)
		status =
		    finish(ctl, &d, vault_request(ctl->vault, &q, &ctl->error));
	if (q.fd > STDIN_FILENO)
		close(q.fd);
	return status;
}
