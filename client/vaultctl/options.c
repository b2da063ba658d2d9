#include "client/vaultctl/options.h"

#include <stdio.h>
#include <string.h>

#define NAME_MAX_LEN 40
#define NAMES_MAX    64

/*
 * How many letters have to be added, dropped or changed (Levenshtein).
 */
static size_t
distance(const char *a, const char *b)
{
	size_t row[NAME_MAX_LEN + 1], n = strlen(b);

	if (strlen(a) > NAME_MAX_LEN || n > NAME_MAX_LEN)
		return NAME_MAX_LEN;
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1] != '\0'; i++) {
		size_t corner = row[0];

		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			size_t above = row[j];
			size_t best = corner + (a[i - 1] != b[j - 1]);

			if (above + 1 < best)
				best = above + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
			corner = above;
		}
	}
	return row[n];
}

const char *
options_nearest(const char *text, const char *const *names)
{
	size_t best = strlen(text) / 3 + 1;
	const char *found = NULL;

	for (; *names != NULL; names++) {
		size_t d = distance(text, *names);

		if (d <= best && (found == NULL || d < best)) {
			best = d;
			found = *names;
		}
	}
	return found;
}

static const struct option_spec *
find_letter(const struct option_spec *table, char letter)
{
	for (; table != NULL && table->name != NULL; table++)
		if (table->letter == letter)
			return table;
	return NULL;
}

static const struct option_spec *
find_name(const struct option_spec *table, const char *name, size_t n)
{
	for (; table != NULL && table->name != NULL; table++)
		if (strlen(table->name) == n &&
		    memcmp(table->name, name, n) == 0)
			return table;
	return NULL;
}

static size_t
list_names(const struct option_spec *table, const char **names, size_t n)
{
	for (; table != NULL && table->name != NULL && n < NAMES_MAX; table++)
		names[n++] = table->name;
	return n;
}

/*
 * The name may be part of a value that somebody mistyped, so it is shown only
 * where it looks like a name.
 */
static void
say_unknown(const char *text, size_t n, const struct option_spec *own,
    const struct option_spec *common, char why[static OPTIONS_WHY_MAX])
{
	static const char *const secrets[] = {"secret", "password", "passwd",
	    "token", "key", "api-key", "passphrase", "credential-value", NULL};
	const char *names[NAMES_MAX + 1] = {NULL}, *near;
	char name[NAME_MAX_LEN + 1];

	if (n == 0 || n > NAME_MAX_LEN ||
	    strspn(text, "abcdefghijklmnopqrstuvwxyz-") < n) {
		snprintf(why, OPTIONS_WHY_MAX, "unknown option");
		return;
	}
	memcpy(name, text, n);
	name[n] = '\0';
	for (size_t i = 0; secrets[i] != NULL; i++)
		if (strcmp(name, secrets[i]) == 0) {
			snprintf(why, OPTIONS_WHY_MAX,
			    "there is no --%s: a secret is never an argument, "
			    "where every process can read it; use the prompt, "
			    "--stdin or --file",
			    name);
			return;
		}
	(void)list_names(common, names, list_names(own, names, 0));
	near = options_nearest(name, names);
	snprintf(why, OPTIONS_WHY_MAX, "unknown option --%s%s%s%s", name,
	    near != NULL ? "; did you mean --" : "", near != NULL ? near : "",
	    near != NULL ? "?" : "");
}

static int
add(struct options *o, const struct option_spec *spec, const char *value,
    char why[static OPTIONS_WHY_MAX])
{
	if (!spec->repeat && options_get(o, spec->name) != NULL) {
		snprintf(
		    why, OPTIONS_WHY_MAX, "--%s is given twice", spec->name);
		return VERR_FORMAT;
	}
	if (o->n == OPTIONS_MAX) {
		snprintf(why, OPTIONS_WHY_MAX, "too many options");
		return VERR_FORMAT;
	}
	o->given[o->n].spec = spec;
	o->given[o->n++].value = value;
	return 0;
}

/*
 * One argument that begins with '-', and its value.  Returns how many
 * arguments it took.
 */
static int
take_option(struct options *o, const struct option_spec *own,
    const struct option_spec *common, char *const *argv,
    char why[static OPTIONS_WHY_MAX])
{
	const struct option_spec *spec;
	const char *text = argv[0] + 1, *value = NULL;
	int taken = 1;
	size_t n;

	if (*text == '-') {
		n = strcspn(++text, "=");
		if ((spec = find_name(own, text, n)) == NULL)
			spec = find_name(common, text, n);
		if (text[n] == '=')
			value = text + n + 1;
	} else {
		n = 0; /* a letter that is not known is not worth guessing */
		if ((spec = find_letter(own, *text)) == NULL)
			spec = find_letter(common, *text);
		if (text[1] != '\0')
			value = text + 1;
	}
	if (spec == NULL) {
		say_unknown(text, n, own, common, why);
		return VERR_FORMAT;
	}
	if (spec->value == NULL && value != NULL) {
		snprintf(
		    why, OPTIONS_WHY_MAX, "--%s takes no value", spec->name);
		return VERR_FORMAT;
	}
	if (spec->value != NULL && value == NULL && (value = argv[1]) == NULL) {
		snprintf(why, OPTIONS_WHY_MAX, "--%s needs a value: %s",
		    spec->name, spec->value);
		return VERR_FORMAT;
	}
	if (spec->value != NULL && value == argv[1])
		taken = 2;
	if (add(o, spec, value != NULL ? value : "", why) != 0)
		return VERR_FORMAT;
	return taken;
}

int
options_parse(struct options *o, const struct option_spec *own,
    const struct option_spec *common, char *const *argv, bool first,
    char why[static OPTIONS_WHY_MAX])
{
	bool words_alone = false;
	int i = 0, r;

	while (argv[i] != NULL) {
		const char *arg = argv[i];

		if (!words_alone && arg[0] == '-' && arg[1] != '\0') {
			if (strcmp(arg, "--") == 0) {
				words_alone = true;
				i++;
				continue;
			}
			r = take_option(o, own, common, argv + i, why);
			if (r < 0)
				return r;
			i += r;
			continue;
		}
		if (first)
			break;
		if (o->nwords == OPTIONS_WORDS) {
			snprintf(why, OPTIONS_WHY_MAX, "too many arguments");
			return VERR_FORMAT;
		}
		o->words[o->nwords++] = arg;
		i++;
	}
	return i;
}

const char *
options_next(const struct options *o, const char *name, size_t *at)
{
	while (*at < o->n) {
		size_t i = (*at)++;

		if (strcmp(o->given[i].spec->name, name) == 0)
			return o->given[i].value;
	}
	return NULL;
}

const char *
options_get(const struct options *o, const char *name)
{
	size_t at = 0;

	return options_next(o, name, &at);
}

int
options_number(
    const char *text, size_t n, uint64_t min, uint64_t max, uint64_t *ret)
{
	uint64_t value = 0;

	if (n == 0 || n > 18)
		return VERR_FORMAT;
	for (size_t i = 0; i < n; i++) {
		if (text[i] < '0' || text[i] > '9')
			return VERR_FORMAT;
		value = value * 10 + (uint64_t)(text[i] - '0');
	}
	if (value < min || value > max)
		return VERR_FORMAT;
	*ret = value;
	return 0;
}
