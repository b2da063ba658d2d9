#include "vaultd/courier/account.h"

#include <jansson.h>
#include <stdlib.h>

#include "vaultd/courier/syntax.h"

void
account_init(void)
{
	json_object_seed(0);
}

/* One reference token with "~1" and "~0" undone.  Returns 0 or VERR_FORMAT. */
static int
unescape(struct slice token, char *out)
{
	for (size_t i = 0; i < token.n; i++) {
		char c = (char)token.p[i];

		if (c == '~') {
			if (++i == token.n ||
			    (token.p[i] != '0' && token.p[i] != '1'))
				return VERR_FORMAT;
			c = token.p[i] == '0' ? '~' : '/';
		}
		*out++ = c;
	}
	*out = '\0';
	return 0;
}

static json_t *
step(json_t *at, const char *name)
{
	char *end;
	unsigned long index;

	if (json_is_object(at))
		return json_object_get(at, name);
	if (!json_is_array(at) || name[0] < '0' || name[0] > '9' ||
	    (name[0] == '0' && name[1] != '\0'))
		return NULL;
	index = strtoul(name, &end, 10);
	return *end == '\0' ? json_array_get(at, index) : NULL;
}

static json_t *
follow(json_t *at, struct slice pointer)
{
	char name[ACCOUNT_MAX + 1];

	while (at != NULL && pointer.n > 0) {
		const uint8_t *slash;
		size_t n;

		if (pointer.p[0] != '/')
			return NULL;
		pointer = slice_of(pointer.p + 1, pointer.n - 1);
		slash = memchr(pointer.p, '/', pointer.n);
		n = slash == NULL ? pointer.n : (size_t)(slash - pointer.p);
		if (n >= sizeof(name) ||
		    unescape(slice_of(pointer.p, n), name) != 0)
			return NULL;
		at = step(at, name);
		pointer = slice_of(pointer.p + n, pointer.n - n);
	}
	return at;
}

static int
text_of(const json_t *value, char out[ACCOUNT_MAX + 1])
{
	char *dumped = NULL;
	struct slice s;
	int r = 0;

	if (json_is_string(value)) {
		s = slice_of(
		    json_string_value(value), json_string_length(value));
	} else if (json_is_number(value) || json_is_boolean(value)) {
		if ((dumped = json_dumps(value, JSON_ENCODE_ANY)) == NULL)
			return VERR_NOMEM;
		s = slice_str(dumped);
	} else {
		return VERR_NOTFOUND;
	}
	if (s.n > ACCOUNT_MAX)
		r = VERR_TOOBIG;
	else if (s.n == 0 || !syntax_is_value(s) ||
	    memchr(s.p, '\t', s.n) != NULL)
		r = VERR_FORMAT;
	if (r == 0) {
		memcpy(out, s.p, s.n);
		out[s.n] = '\0';
	}
	free(dumped);
	return r;
}

int
account_find(struct slice text, struct slice pointer, char out[ACCOUNT_MAX + 1])
{
	json_t *root, *value;
	int r;

	root = json_loadb((const char *)text.p, text.n,
	    JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
	if (root == NULL)
		return VERR_FORMAT;
	value = follow(root, pointer);
	r = value == NULL ? VERR_NOTFOUND : text_of(value, out);
	json_decref(root);
	return r;
}
