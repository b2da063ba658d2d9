#include "policy/glob.h"

#include <stdlib.h>
#include <string.h>

enum { STAR = 0x100, STARS = 0x101 }; /* what is no byte */

struct glob {
	size_t nprefix;   /* literal bytes before the first star */
	size_t n;         /* tokens after them */
	char *prefix;     /* behind the tokens, in the same memory */
	uint16_t token[]; /* bytes, STAR or STARS */
};

static const char *
check_profile(const char *text, size_t len)
{
	const char *slash = strchr(text, '/');

	if (strcmp(text, "**") == 0)
		return NULL;
	if (slash == NULL || slash == text || slash[1] == '\0' ||
	    strchr(slash + 1, '/') != NULL)
		return "must be CUSTOMER/PROFILE, or ** alone for everything";
	for (size_t i = 0; i < len; i++)
		if (strchr("abcdefghijklmnopqrstuvwxyz0123456789-*/",
		        text[i]) == NULL)
			return "names are a-z, 0-9 and '-'";
	return NULL;
}

/* Stars are legal in a path, so that a pattern can be checked as one. */
static const char *
check_path(const char *text, size_t len)
{
	char normal[PATH_TARGET_MAX + 1];
	size_t n, path_len;
	const char *why;

	if (path_normalise(text, len, normal, &n, &path_len, &why) != 0)
		return why;
	if (n != len || memcmp(normal, text, len) != 0)
		return "write the path in its normal form: letters, digits "
		       "and -._~ without escapes, escapes in upper case";
	if (path_len != len)
		return "a path pattern ends before the query";
	return NULL;
}

/*
 * Turn the pattern into tokens.  What stands between stars is unescaped by
 * itself, so that an escaped star stays a star of the path.
 */
static const char *
compile(const char *text, size_t len, bool fold, struct glob *glob)
{
	size_t i = 0;

	while (i < len) {
		size_t stars = strspn(text + i, "*");
		size_t run = strcspn(text + i + stars, "*");
		char copy[GLOB_MAX];

		if (stars > 2)
			return "at most two stars may stand side by side";
		if (stars > 0)
			glob->token[glob->n++] = stars == 1 ? STAR : STARS;
		i += stars;
		memcpy(copy, text + i, run);
		i += run;
		if (fold)
			run = path_unescape(copy, run, copy);
		if (fold && i == len && i > 1 && run > 0 &&
		    copy[run - 1] == '/')
			run--;
		if (glob->n == 0) {
			memcpy(glob->prefix, copy, run);
			glob->nprefix = run;
		} else
			for (size_t k = 0; k < run; k++)
				glob->token[glob->n++] = (unsigned char)copy[k];
	}
	return NULL;
}

int
glob_new(const char *text, enum glob_kind kind, struct glob **ret,
    const char **ret_why)
{
	struct glob *glob = NULL;
	size_t len = strlen(text);
	const char *why;

	if (len > GLOB_MAX)
		why = "the pattern is too long";
	else
		why = kind == GLOB_PROFILE ? check_profile(text, len)
		                           : check_path(text, len);
	if (why == NULL) {
		glob = calloc(1, sizeof(*glob) + len * sizeof(uint16_t) + len);
		if (glob == NULL) {
			*ret_why = verr_text(VERR_NOMEM);
			return VERR_NOMEM;
		}
		glob->prefix = (char *)(glob->token + len);
		why = compile(text, len, kind == GLOB_FOLDED, glob);
	}
	if (why != NULL) {
		free(glob);
		*ret_why = why;
		return VERR_FORMAT;
	}
	*ret = glob;
	return 0;
}

void
glob_free(struct glob *glob)
{
	free(glob);
}

bool
glob_literal(const struct glob *glob)
{
	return glob->n == 0;
}

/* A star may match nothing: what it reaches, the token after it reaches too. */
static void
step_over_stars(const uint16_t *token, size_t n, bool *reached)
{
	for (size_t i = 0; i < n; i++)
		if (reached[i] && token[i] >= STAR)
			reached[i + 1] = true;
}

/* Walk all readings at once: reached[i] says that i tokens match so far. */
static bool
match_tokens(const uint16_t *token, size_t n, const char *text, size_t len)
{
	bool reached[GLOB_MAX + 1] = {true};

	step_over_stars(token, n, reached);
	for (size_t k = 0; k < len; k++) {
		bool next[GLOB_MAX + 1] = {false}, any = false;
		unsigned char c = (unsigned char)text[k];

		for (size_t i = 0; i < n; i++) {
			if (!reached[i])
				continue;
			if (token[i] == c)
				any = next[i + 1] = true;
			else if (token[i] == STARS ||
			    (token[i] == STAR && c != '/'))
				any = next[i] = true;
		}
		if (!any)
			return false;
		step_over_stars(token, n, next);
		memcpy(reached, next, n + 1);
	}
	return reached[n];
}

bool
glob_match(const struct glob *glob, const char *text, size_t len)
{
	if (len < glob->nprefix ||
	    memcmp(glob->prefix, text, glob->nprefix) != 0)
		return false;
	if (glob->n == 1 && glob->token[0] == STARS)
		return true;
	return match_tokens(
	    glob->token, glob->n, text + glob->nprefix, len - glob->nprefix);
}

static bool
match_slash(const struct glob *glob, const char *text, size_t len)
{
	return glob_match(glob, text, len) ||
	    (len > 1 && text[len - 1] == '/' &&
	        glob_match(glob, text, len - 1));
}

bool
glob_match_folded(const struct glob *glob, const struct path_folded *path)
{
	return match_slash(glob, path->whole, path->nwhole) ||
	    match_slash(glob, path->cut, path->ncut);
}
