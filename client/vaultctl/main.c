#include <string.h>

#include "client/vaultctl/ctl.h"
#include "client/vaultctl/help.h"
#include "protocol/frame.h"

#define NAMES_MAX    64
#define NAME_MAX_LEN 64 /* of a command, with its end */

/*
 * How many of "words" are the whole of "name", which has one word or more;
 * 0 if they do not begin with it.
 */
static int
count_words(const char *name, char *const *words)
{
	for (int n = 0; words[n] != NULL; n++) {
		size_t len = strcspn(name, " ");

		if (strncmp(words[n], name, len) != 0 || words[n][len] != '\0')
			return 0;
		if (name[len] == '\0')
			return n + 1;
		name += len + 1;
	}
	return 0;
}

/*
 * The command that these words begin with, and how many of them name it.
 */
static const struct command *
find_command(char *const *words, int *ret_n)
{
	for (const struct command *c = commands; c->name != NULL; c++)
		if ((*ret_n = count_words(c->name, words)) > 0)
			return c;
	return NULL;
}

static bool
is_group(const char *text)
{
	size_t n = strlen(text);

	for (const struct command *c = commands; c->name != NULL; c++)
		if (strncmp(c->name, text, n) == 0 && c->name[n] == ' ')
			return true;
	return false;
}

/*
 * The words that lead to commands, but are none: "key slot".  Returns how many
 * there are.
 */
static int
find_group(char *const *words, char out[static NAME_MAX_LEN])
{
	char text[NAME_MAX_LEN];
	int n = 0;

	out[0] = '\0';
	for (; words[n] != NULL; n++) {
		if (snprintf(text, sizeof(text), "%s%s%s", out,
		        n > 0 ? " " : "", words[n]) >= (int)sizeof(text) ||
		    !is_group(text))
			break;
		memcpy(out, text, sizeof(text));
	}
	return n;
}

/*
 * Say which command may have been meant.
 */
static int
unknown_command(struct ctl *ctl, char *const *words)
{
	const char *names[NAMES_MAX + 1] = {NULL}, *near;
	char group[NAME_MAX_LEN], typed[2 * NAME_MAX_LEN];
	size_t n = 0;
	int led;

	if (words[0] == NULL)
		return ctl_usage(ctl, "which command?");
	led = find_group(words, group);
	if (words[led] == NULL) {
		help_all(&ctl->err, group);
		return STATUS_USAGE;
	}
	for (const struct command *c = commands; c->name && n < NAMES_MAX; c++)
		names[n++] = c->name;
	snprintf(typed, sizeof(typed), "%s%s%s", group, led > 0 ? " " : "",
	    words[led]);
	near = options_nearest(typed, names);
	if (near != NULL)
		return ctl_usage(ctl,
		    "there is no such command; did you mean "
		    "\"%s\"?",
		    near);
	return ctl_usage(ctl, "there is no such command");
}

static int
run_help(struct ctl *ctl, char *const *words)
{
	char group[NAME_MAX_LEN];
	const struct command *c;
	int n = find_group(words, group);

	if (words[n] == NULL) {
		help_all(&ctl->out, n > 0 ? group : NULL);
		return STATUS_DONE;
	}
	if ((c = find_command(words, &n)) == NULL)
		return unknown_command(ctl, words);
	help_command(&ctl->out, c);
	return STATUS_DONE;
}

static int
run_command(struct ctl *ctl, char *const *argv)
{
	const struct command *c = ctl->command;
	char why[OPTIONS_WHY_MAX];
	struct options *o = &ctl->options;

	if (options_parse(o, c->options, common_options, argv, false, why) < 0)
		return ctl_usage(ctl, "%s", why);
	if (options_get(o, "help") != NULL) {
		help_command(&ctl->out, c);
		return STATUS_DONE;
	}
	if (o->nwords < c->min)
		return ctl_usage(ctl, "an argument is missing");
	if (o->nwords > c->max)
		return ctl_usage(ctl, "too many arguments");
	ctl->json = options_get(o, "json") != NULL;
	return c->run(ctl);
}

static int
run(struct ctl *ctl, char *const *argv)
{
	char why[OPTIONS_WHY_MAX];
	int at, n = 0;

	at =
	    options_parse(&ctl->options, NULL, common_options, argv, true, why);
	if (at < 0)
		return ctl_usage(ctl, "%s", why);
	argv += at;
	if (ctl_option(ctl, "version") != NULL) {
		output_line(&ctl->out, "vaultctl %s, protocol %d",
		    VAULTCLIENT_VERSION, FRAME_VERSION);
		return STATUS_DONE;
	}
	if (argv[0] != NULL && strcmp(argv[0], "help") == 0)
		return run_help(ctl, argv + 1);
	if (ctl_option(ctl, "help") != NULL)
		return run_help(ctl, argv);
	if ((ctl->command = find_command(argv, &n)) == NULL)
		return unknown_command(ctl, argv);
	return run_command(ctl, argv + n);
}

int
main(int argc, char **argv)
{
	struct ctl ctl = {0};
	int status;

	output_init(&ctl.out, stdout);
	output_init(&ctl.err, stderr);
	status = run(&ctl, argv + (argc > 0));
	vault_close(ctl.vault);
	if (fflush(stdout) != 0 || ferror(stdout))
		status = ctl_failed(&ctl, "stdout could not be written");
	return status;
}
