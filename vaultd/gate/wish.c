#include "vaultd/gate/wish.h"

#include <stdio.h>

#include <jansson.h>

#include "protocol/pairs.h"

#define VALUE_MAX 8192 /* of one claim */

static int
take_text(json_t *v, char *out, size_t size)
{
	size_t n = json_string_length(v);

	if (!json_is_string(v) || n >= size ||
	    strlen(json_string_value(v)) != n)
		return VERR_FORMAT;
	memcpy(out, json_string_value(v), n + 1);
	return 0;
}

static int
put_lifetime(json_t *v, struct pairs_writer *w)
{
	char text[24];
	int n;

	if (!json_is_integer(v) || json_integer_value(v) < 0)
		return VERR_FORMAT;
	n = snprintf(
	    text, sizeof(text), "%" JSON_INTEGER_FORMAT, json_integer_value(v));
	pairs_add(w, "lifetime", slice_of(text, (size_t)n));
	return 0;
}

static struct slice
text_of(json_t *v)
{
	return slice_of(json_string_value(v), json_string_length(v));
}

/*
 * A claim's value with its type before it, as vaultd/keeper/jwt.h has it.
 */
static int
put_claim(const char *name, json_t *v, struct pairs_writer *w)
{
	uint8_t bytes[VALUE_MAX];
	struct pairs_writer list = {.p = bytes + 1, .cap = sizeof(bytes) - 1};
	json_t *item;
	size_t i;

	if (json_is_string(v) && json_string_length(v) < list.cap) {
		bytes[0] = 's';
		list.n = json_string_length(v);
		memcpy(bytes + 1, json_string_value(v), list.n);
	} else if (json_is_integer(v)) {
		bytes[0] = 'i';
		list.n = (size_t)snprintf((char *)bytes + 1, 24,
		    "%" JSON_INTEGER_FORMAT, json_integer_value(v));
	} else if (json_is_boolean(v)) {
		bytes[0] = 'b';
		list.n = (size_t)snprintf((char *)bytes + 1, 8, "%s",
		    json_is_true(v) ? "true" : "false");
	} else if (json_is_array(v)) {
		bytes[0] = 'a';
		json_array_foreach(v, i, item)
		{
			if (!json_is_string(item))
				return VERR_FORMAT;
			pairs_add(&list, "", text_of(item));
		}
	} else {
		return VERR_FORMAT;
	}
	if (list.overflow)
		return VERR_TOOBIG;
	pairs_add(w, name, slice_of(bytes, list.n + 1));
	return 0;
}

static int
put_claims(json_t *claims, struct pairs_writer *w)
{
	static uint8_t bytes[WISH_PAIRS_MAX];
	struct pairs_writer list = {.p = bytes, .cap = sizeof(bytes)};
	const char *name;
	json_t *v;
	int r = json_is_object(claims) ? 0 : VERR_FORMAT;

	json_object_foreach(claims, name, v)
	{
		if (r == 0)
			r = put_claim(name, v, &list);
	}
	if (r == 0 && list.overflow)
		r = VERR_TOOBIG;
	if (r == 0)
		pairs_add(w, "claims", slice_of(bytes, list.n));
	return r;
}

static int
take_members(json_t *object, struct wish *ret, const char **ret_why)
{
	struct pairs_writer w = {.p = ret->pairs, .cap = sizeof(ret->pairs)};
	const char *name;
	json_t *v;
	int r = 0;

	json_object_foreach(object, name, v)
	{
		if (r != 0)
			break;
		*ret_why = "profile and scheme are strings";
		if (strcmp(name, "profile") == 0) {
			r = take_text(v, ret->profile, sizeof(ret->profile));
		} else if (strcmp(name, "scheme") == 0) {
			r = take_text(v, ret->scheme, sizeof(ret->scheme));
		} else if (strcmp(name, "lifetime") == 0) {
			*ret_why = "lifetime is a number of seconds";
			r = put_lifetime(v, &w);
		} else if (strcmp(name, "claims") == 0) {
			*ret_why = "claims is an object of strings, integers, "
			           "booleans and lists of strings";
			r = put_claims(v, &w);
		} else {
			*ret_why = "there is a member besides profile, scheme, "
			           "lifetime and claims";
			r = VERR_FORMAT;
		}
	}
	ret->len = w.n;
	return r == 0 && w.overflow ? VERR_TOOBIG : r;
}

int
wish_parse(struct slice json, struct wish *ret, const char **ret_why)
{
	json_t *object;
	int r;

	if (json.n > WISH_JSON_MAX)
		return VERR_TOOBIG;
	memset(ret, 0, sizeof(*ret));
	*ret_why = "the body is not one JSON object";
	object = json_loadb(
	    (const char *)json.p, json.n, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(object)) {
		json_decref(object);
		return VERR_FORMAT;
	}
	r = take_members(object, ret, ret_why);
	json_decref(object);
	return r;
}
