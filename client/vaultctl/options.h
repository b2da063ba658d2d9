/*
 * options - the words and options of a command line.
 *
 *	--name VALUE  --name=VALUE  --flag  -H VALUE  -HVALUE  --
 *
 * Options may stand before, between and behind words.  What a person typed
 * may be a secret in the wrong place: messages name options, never values and
 * never words.
 */
#ifndef VAULTCTL_OPTIONS_H
#define VAULTCTL_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/verr.h"

#define OPTIONS_MAX     64 /* on one command line */
#define OPTIONS_WORDS   8
#define OPTIONS_WHY_MAX 256

struct option_spec {
	const char *name;  /* NULL ends a table */
	const char *value; /* what to call its value; NULL: a flag */
	const char *help;
	char letter; /* 0: none */
	bool repeat; /* may be given more than once */
};

struct options {
	size_t nwords;
	const char *words[OPTIONS_WORDS];
	size_t n;
	struct {
		const struct option_spec *spec;
		const char *value; /* "" for a flag */
	} given[OPTIONS_MAX];
};

/*
 * Read "argv", NULL-ended, by the tables "own" and "common" (either may be
 * NULL), and add what is there to *o.  With "first" it stops before the first
 * word.  Returns the number of arguments read, or VERR_FORMAT with a sentence
 * in "why".
 */
MUST_CHECK
int options_parse(struct options *o, const struct option_spec *own,
    const struct option_spec *common, char *const *argv, bool first,
    char why[static OPTIONS_WHY_MAX]);

/* The value of an option, or NULL if it was not given. */
const char *options_get(const struct options *o, const char *name);

/*
 * The value of a repeated option from *at (0 at first) on, or NULL at the end.
 */
const char *options_next(const struct options *o, const char *name, size_t *at);

/*
 * Read decimal digits alone, "min" to "max".  Returns 0 or VERR_FORMAT.
 */
MUST_CHECK
int options_number(
    const char *text, size_t n, uint64_t min, uint64_t max, uint64_t *ret);

/*
 * A word of the NULL-ended "names" is nearer to "text" than it is to nothing:
 * return it, or NULL.
 */
const char *options_nearest(const char *text, const char *const *names);

#endif /* VAULTCTL_OPTIONS_H */
