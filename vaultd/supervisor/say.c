#include "vaultd/supervisor/say.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <seccomp.h>

#include "protocol/verr.h"

#define TEXT_MAX 4096

enum kind { NUMBERS, SYSCALL, START };

static const struct {
	const char *format;
	int level;
	enum kind kind;
} formats[LOG_CODES] = {
#define LOG(code, level, format, kind) [code] = {format, level, kind},
#include "vaultd/base/log.def"
#undef LOG
};

static int journal;

void
say_init(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;
	char *end;

	if (stream == NULL || fstat(STDERR_FILENO, &st) != 0)
		return;
	dev = strtoull(stream, &end, 10);
	if (*end != ':')
		return;
	ino = strtoull(end + 1, &end, 10);
	journal = *end == '\0' && st.st_dev == dev && st.st_ino == ino;
}

static void
put_line(const char *who, int level, const char *line, size_t n)
{
	char out[TEXT_MAX + 64];
	size_t len = 0;

	if (journal)
		len = (size_t)snprintf(out, sizeof(out), "<%d>", level);
	len += (size_t)snprintf(
	    out + len, sizeof(out) - len, "%s: %.*s\n", who, (int)n, line);
	if (len > sizeof(out) - 1)
		len = sizeof(out) - 1;
	/* There is nobody left to tell that stderr cannot be written. */
	if (write(STDERR_FILENO, out, len) < 0)
		return;
}

void
say_text(const char *who, int level, struct slice text)
{
	char line[TEXT_MAX];
	size_t n = 0;

	for (size_t i = 0; i < text.n; i++) {
		uint8_t c = text.p[i];

		if (c == '\n' || n == sizeof(line)) {
			put_line(who, level, line, n);
			n = 0;
		}
		if (c != '\n')
			line[n++] = c < 0x20 || c == 0x7f ? '?' : (char)c;
	}
	if (n > 0 || text.n == 0)
		put_line(who, level, line, n);
}

__attribute__((format(printf, 3, 0))) static void
say_list(const char *who, int level, const char *fmt, va_list ap)
{
	char text[TEXT_MAX];

	(void)vsnprintf(text, sizeof(text), fmt, ap);
	say_text(who, level, slice_str(text));
}

void
say(int level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say_list(SAY_VAULTD, level, fmt, ap);
	va_end(ap);
}

void
say_as(const char *who, int level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say_list(who, level, fmt, ap);
	va_end(ap);
}

/*
 * Write "v", the number "i" of a record of this kind.
 */
static size_t
put_value(enum kind kind, size_t i, uint64_t v, char *out, size_t size)
{
	char *name = NULL;
	int n;

	if (kind == SYSCALL)
		name =
		    seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, (int)v);
	if (name != NULL)
		n = snprintf(out, size, "%s", name);
	else if (kind == START && i == 1)
		n = snprintf(out, size, "%s", verr_text((int)-v));
	else if (kind == START && i == 2)
		n = snprintf(out, size, "%llu (%s)", (unsigned long long)v,
		    strerror((int)v));
	else
		n = snprintf(out, size, "%llu", (unsigned long long)v);
	free(name);
	return (size_t)n < size ? (size_t)n : size - 1;
}

void
say_format(const struct log_record *rec, char *out, size_t size)
{
	size_t len = 0, used = 0;
	const char *f;

	if (rec->code >= LOG_CODES || formats[rec->code].format == NULL) {
		(void)snprintf(
		    out, size, "log code %llu", (unsigned long long)rec->code);
		return;
	}
	for (f = formats[rec->code].format; *f != '\0' && len + 1 < size; f++) {
		if (*f != '%' || used == 3) {
			out[len++] = *f;
			continue;
		}
		len += put_value(formats[rec->code].kind, used, rec->n[used],
		    out + len, size - len);
		used++;
		f += f[1] == 's' ? 1 : 3; /* %s or %llu */
	}
	out[len] = '\0';
}

void
say_record(const char *who, const struct log_record *rec)
{
	int level = rec->code < LOG_CODES ? formats[rec->code].level : LOG_ERR;
	char text[512];

	say_format(rec, text, sizeof(text));
	say_as(who, level, "%s", text);
}

void
say_own_record(const struct log_record *rec)
{
	say_record(SAY_VAULTD, rec);
}
