#include "client/vaultctl/ctl.h"

#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "client/vaultctl/prompt.h"
#include "policy/origin.h"

#define SAID_MAX 4096

const char *
ctl_word(const struct ctl *ctl, size_t i)
{
	return i < ctl->options.nwords ? ctl->options.words[i] : NULL;
}

const char *
ctl_option(const struct ctl *ctl, const char *name)
{
	return options_get(&ctl->options, name);
}

int
ctl_connect(struct ctl *ctl)
{
	if (ctl->vault != NULL ||
	    vault_open(ctl_option(ctl, "socket"), &ctl->vault, &ctl->error) ==
	        0)
		return STATUS_DONE;
	return ctl_refused(ctl);
}

int
ctl_refused(struct ctl *ctl)
{
	const struct vault_error *e = &ctl->error;
	char audit[40] = "", again[48] = "";

	if (e->audit != 0)
		snprintf(audit, sizeof(audit), ", audit %llu",
		    (unsigned long long)e->audit);
	if (e->retry_after != 0)
		snprintf(again, sizeof(again), "; try again in %u s",
		    (unsigned)e->retry_after);
	fflush(ctl->out.f);
	if (strcmp(e->code, "sealed") == 0)
		output_line(&ctl->err,
		    "vaultctl: the vault is sealed (vaultctl unseal)");
	else
		output_line(&ctl->err, "vaultctl: %s%s (%s%s)", e->sentence,
		    again, e->code, audit);
	if (ctl->vault == NULL && strcmp(e->code, "not-reachable") == 0)
		output_line(&ctl->err,
		    "vaultctl: name another socket with "
		    "--socket PATH or " VAULT_SOCKET_ENV "=PATH");
	return e->exit > 0 && e->exit < 256 ? e->exit : STATUS_FAILED;
}

static void __attribute__((format(printf, 2, 0)))
say(struct ctl *ctl, const char *fmt, va_list ap)
{
	char text[SAID_MAX];

	vsnprintf(text, sizeof(text), fmt, ap);
	fflush(ctl->out.f);
	output_line(&ctl->err, "vaultctl: %s", text);
}

int
ctl_failed(struct ctl *ctl, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(ctl, fmt, ap);
	va_end(ap);
	return STATUS_FAILED;
}

int
ctl_none(struct ctl *ctl, const char *what)
{
	(void)ctl_failed(ctl, "there is no such %s that you may read", what);
	return STATUS_NOT_FOUND;
}

int
ctl_usage(struct ctl *ctl, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(ctl, fmt, ap);
	va_end(ap);
	if (ctl->command != NULL)
		output_line(&ctl->err, "usage: vaultctl %s%s%s%s",
		    ctl->command->name,
		    ctl->command->arguments[0] != '\0' ? " " : "",
		    ctl->command->arguments,
		    ctl->command->options != NULL ? " [OPTION]..." : "");
	else
		output_line(&ctl->err,
		    "usage: vaultctl COMMAND ...; "
		    "\"vaultctl help\" lists the commands");
	return STATUS_USAGE;
}

void
ctl_rows(struct ctl *ctl, struct rows *ret)
{
	rows_init(ret);
	if (ctl->json)
		ret->print = ctl->out.f;
	ret->terminal = ctl->out.terminal;
}

int
ctl_check_profile(struct ctl *ctl, const char *word)
{
	struct profile_id id;

	if (profile_parse(word, strlen(word), &id) == 0)
		return STATUS_DONE;
	return ctl_usage(ctl,
	    "a profile is named CUSTOMER/NAME, each of lower-"
	    "case letters, digits and '-'");
}

int
ctl_confirm(struct ctl *ctl, const char *question, const char *word)
{
	uint8_t typed[128];
	size_t n = 0;
	int tty, r;

	if (ctl_option(ctl, "yes") != NULL)
		return STATUS_DONE;
	if ((tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY)) < 0)
		return ctl_usage(ctl,
		    "there is no terminal to ask at whether this is meant: "
		    "say so with --yes");
	r = prompt_read(tty, question, true, typed, sizeof(typed), &n);
	close(tty);
	if (r == 0 && n == strlen(word) && memcmp(typed, word, n) == 0)
		return STATUS_DONE;
	return ctl_failed(ctl, "that is not \"%s\": nothing was changed", word);
}
