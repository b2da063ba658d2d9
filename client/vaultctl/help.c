#include "client/vaultctl/help.h"

#include <string.h>

#define HELP_COLUMN 28

static void
print_options(struct output *o, const struct option_spec *spec)
{
	char left[80], letter[8];

	for (; spec != NULL && spec->name != NULL; spec++) {
		snprintf(letter, sizeof(letter), "-%c, ", spec->letter);
		snprintf(left, sizeof(left), "%s--%s%s%s",
		    spec->letter != 0 ? letter : "", spec->name,
		    spec->value != NULL ? " " : "",
		    spec->value != NULL ? spec->value : "");
		output_line(o, "  %-*s %s", HELP_COLUMN, left, spec->help);
	}
}

void
help_all(struct output *o, const char *group)
{
	size_t n = group != NULL ? strlen(group) : 0;

	output_line(o, "usage: vaultctl COMMAND [ARGUMENT]... [OPTION]...\n");
	for (const struct command *c = commands; c->name != NULL; c++)
		if (n == 0 ||
		    (strncmp(c->name, group, n) == 0 && c->name[n] == ' '))
			output_line(o, "  %-*s %s", HELP_COLUMN / 2 + 2,
			    c->name, c->help);
	output_line(o, "\nwith every command:");
	print_options(o, common_options);
	output_line(o, "\n\"vaultctl help COMMAND\" tells more of one.");
}

void
help_command(struct output *o, const struct command *c)
{
	output_line(o, "usage: vaultctl %s%s%s%s\n\n%s", c->name,
	    c->arguments[0] != '\0' ? " " : "", c->arguments,
	    c->options != NULL ? " [OPTION]..." : "", c->help);
	if (c->verb != NULL)
		output_line(o, "The policy has to permit you: %s", c->verb);
	if (c->options != NULL) {
		output_line(o, "\noptions:");
		print_options(o, c->options);
	}
	output_line(o, "\nwith every command:");
	print_options(o, common_options);
}
