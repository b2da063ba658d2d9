/*
 * completion - scripts for shells, made from the table of commands.
 */
#include <string.h>

#include "client/vaultctl/ctl.h"

/* clang-format off */
static const char before[] =
"	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
"	local command= kind= options= valued= w= i= words=0\n"
"	for ((i = 1; i < COMP_CWORD; i++)); do\n"
"		w=${COMP_WORDS[i]}\n"
"		case $w in\n"
"		-*) [[ $valued == *\" $w \"* ]] && ((i++)); continue ;;\n"
"		esac\n"
"		((++words))\n"
"		[[ -z $kind ]] || continue\n"
"		command=${command:+$command }$w\n"
"		_vaultctl_command\n"
"	done\n"
"	if [[ -z $kind ]]; then\n"
"		_vaultctl_command\n"
"	elif [[ $command == *\\ * ]]; then\n"
"		((words > 2)) && kind=-\n"
"	else\n"
"		((words > 1)) && kind=-\n"
"	fi\n"
"	case $cur in -*) kind=options ;; esac\n"
"	[[ $valued == *\" $prev \"* ]] && kind=-\n"
"	case $command:$prev in\n";

static const char after[] =
"	esac\n"
"	case $kind in\n"
"	'') w=$(_vaultctl_commands | sed -n \"s/^${command:+$command }//p\" | cut -d' ' -f1) ;;\n"
"	options) w=$options ;;\n"
"	profiles) w=$(vaultctl profile list --json 2>/dev/null |\n"
"	    sed -n 's/.*\"profile\":\"\\([^\"]*\\)\".*/\\1/p') ;;\n"
"	systems) w=$(vaultctl catalog list --json 2>/dev/null |\n"
"	    sed -n 's/.*\"system\":\"\\([^\"]*\\)\".*/\\1/p') ;;\n"
"	files) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n"
"	-) w= ;;\n"
"	*) w=$kind ;;\n"
"	esac\n"
"	COMPREPLY=($(compgen -W \"$w\" -- \"$cur\"))\n"
"}\n"
"complete -o filenames -o bashdefault -F _vaultctl vaultctl\n";

/* What stands for a word or a value, and how it is completed. */
static const struct {
	const char *word, *kind, *fish;
} kinds[] = {
	{"CUSTOMER/NAME", "profiles", "(__vaultctl_profiles)"},
	{"SYSTEM", "systems", "(__vaultctl_systems)"},
	{"FILE", "files", NULL},
	{"PATH", "files", NULL},
	{"bash|zsh|fish", "'bash zsh fish'", "bash zsh fish"},
};

/* True where the words of the line so far are these, or begin with them. */
static const char fish_before[] =
"# Completion of vaultctl for fish: vaultctl completion fish | source\n"
"function __vaultctl_line\n"
"	string match -v -- '-*' (commandline -opc)[2..]\n"
"end\n"
"function __vaultctl_words\n"
"	set -l line (__vaultctl_line)\n"
"	test \"$argv\" = \"$line\"\n"
"end\n"
"function __vaultctl_begins\n"
"	set -l line (__vaultctl_line)\n"
"	string match -q -- \"$argv*\" \"$line\"\n"
"end\n"
"function __vaultctl_profiles\n"
"	vaultctl profile list --json 2>/dev/null | string match -rg '\"profile\":\"([^\"]*)\"'\n"
"end\n"
"function __vaultctl_systems\n"
"	vaultctl catalog list --json 2>/dev/null | string match -rg '\"system\":\"([^\"]*)\"'\n"
"end\n"
"complete -c vaultctl -f\n";
/* clang-format on */

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

/*
 * The kind that the first word of "text" is of, or KINDS.
 */
static size_t
kind_of(const char *text)
{
	size_t n = strcspn(text, " "), i;

	for (i = 0; i < KINDS; i++)
		if (strlen(kinds[i].word) == n &&
		    memcmp(text, kinds[i].word, n) == 0)
			break;
	return i;
}

static void
sh_names(FILE *f, const struct option_spec *o, bool valued)
{
	for (; o != NULL && o->name != NULL; o++) {
		if (valued && o->value == NULL)
			continue;
		fprintf(f, " --%s", o->name);
		if (valued && o->letter != 0)
			fprintf(f, " -%c", o->letter);
	}
}

static void
sh_command(FILE *f, const struct command *c)
{
	size_t kind = kind_of(c->arguments);

	fprintf(f, "	'%s') kind=%s options='", c->name,
	    kind < KINDS ? kinds[kind].kind : "-");
	sh_names(f, c->options, false);
	sh_names(f, common_options, false);
	fputs("' valued='", f);
	sh_names(f, c->options, true);
	sh_names(f, common_options, true);
	fputs(" ' ;;\n", f);
}

static void
sh_values(FILE *f, const char *command, const struct option_spec *o)
{
	for (; o != NULL && o->name != NULL; o++) {
		size_t kind = o->value != NULL ? kind_of(o->value) : KINDS;

		if (kind < KINDS)
			fprintf(f, "	%s%s%s:--%s) kind=%s ;;\n",
			    command[0] == '*' ? "" : "'", command,
			    command[0] == '*' ? "" : "'", o->name,
			    kinds[kind].kind);
	}
}

static void
print_sh(FILE *f)
{
	fputs("_vaultctl_commands()\n{\n	printf '%s\\n'", f);
	for (const struct command *c = commands; c->name != NULL; c++)
		fprintf(f, " \\\n	    '%s'", c->name);
	fputs("\n}\n_vaultctl_command()\n{\n	case $command in\n", f);
	for (const struct command *c = commands; c->name != NULL; c++)
		sh_command(f, c);
	fputs("	*) kind= options='", f);
	sh_names(f, common_options, false);
	fputs("' valued='", f);
	sh_names(f, common_options, true);
	fputs(" ' ;;\n	esac\n}\n_vaultctl()\n{\n", f);
	fputs(before, f);
	for (const struct command *c = commands; c->name != NULL; c++)
		sh_values(f, c->name, c->options);
	sh_values(f, "*", common_options);
	fputs(after, f);
}

static void
print_bash(FILE *f)
{
	fputs("# Completion of vaultctl for bash: \"vaultctl completion "
	      "bash\".\n",
	    f);
	print_sh(f);
}

static void
print_zsh(FILE *f)
{
	fputs("#compdef vaultctl\n"
	      "# Completion of vaultctl for zsh: \"vaultctl completion "
	      "zsh\".\n"
	      "autoload -Uz compinit bashcompinit\n"
	      "(( $+functions[compdef] )) || compinit\nbashcompinit\n",
	    f);
	print_sh(f);
}

/*
 * In single quotes.
 */
static void
fish_text(FILE *f, const char *text)
{
	for (fputs(" -d '", f); *text != '\0'; text++) {
		if (*text == '\'' || *text == '\\')
			fputc('\\', f);
		fputc(*text, f);
	}
	fputc('\'', f);
}

static void
fish_options(FILE *f, const char *when, const struct option_spec *o)
{
	for (; o != NULL && o->name != NULL; o++) {
		size_t kind = o->value != NULL ? kind_of(o->value) : KINDS;

		fprintf(f, "complete -c vaultctl%s -l %s", when, o->name);
		if (o->letter != 0)
			fprintf(f, " -s %c", o->letter);
		if (o->value != NULL)
			fputs(kind < KINDS && kinds[kind].fish == NULL
			        ? " -r -F"
			        : " -x",
			    f);
		if (kind < KINDS && kinds[kind].fish != NULL)
			fprintf(f, " -a '%s'", kinds[kind].fish);
		fish_text(f, o->help);
		fputc('\n', f);
	}
}

/*
 * Two words are offered one by one; "when" holds behind all of them.
 */
static void
fish_command(FILE *f, const struct command *c)
{
	int n = (int)strcspn(c->name, " ");
	const char *second = c->name[n] == ' ' ? c->name + n + 1 : NULL;
	size_t kind = kind_of(c->arguments);
	char when[160];

	fprintf(f, "complete -c vaultctl -n '__vaultctl_words' -a '%.*s'", n,
	    c->name);
	if (second == NULL)
		fish_text(f, c->help);
	fputc('\n', f);
	if (second != NULL) {
		fprintf(f,
		    "complete -c vaultctl -n '__vaultctl_words %.*s' -a '%s'",
		    n, c->name, second);
		fish_text(f, c->help);
		fputc('\n', f);
	}
	snprintf(when, sizeof(when), " -n '__vaultctl_words %s'", c->name);
	if (kind < KINDS && kinds[kind].fish == NULL)
		fprintf(f, "complete -c vaultctl%s -F\n", when);
	else if (kind < KINDS)
		fprintf(f, "complete -c vaultctl%s -a '%s'\n", when,
		    kinds[kind].fish);
	snprintf(when, sizeof(when), " -n '__vaultctl_begins %s'", c->name);
	fish_options(f, when, c->options);
}

static void
print_fish(FILE *f)
{
	fputs(fish_before, f);
	for (const struct command *c = commands; c->name != NULL; c++)
		fish_command(f, c);
	fish_options(f, "", common_options);
}

int
cmd_completion(struct ctl *ctl)
{
	static const struct {
		const char *name;
		void (*print)(FILE *f);
	} shells[] = {
	    {"bash", print_bash}, {"zsh", print_zsh}, {"fish", print_fish}};

	for (size_t i = 0; i < sizeof(shells) / sizeof(shells[0]); i++)
		if (strcmp(ctl_word(ctl, 0), shells[i].name) == 0) {
			shells[i].print(ctl->out.f);
			return STATUS_DONE;
		}
	return ctl_usage(ctl, "a shell is bash, zsh or fish");
}
