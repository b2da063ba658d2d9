#include "policy/catalog.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "policy/glob.h"
#include "policy/path.h"
#include "policy/pattern.h"
#include "protocol/pairs.h"

static const char *const kind_names[CREDENTIAL_KIND_COUNT] = {
    [CREDENTIAL_API_KEY] = "api_key",
    [CREDENTIAL_BEARER] = "bearer",
    [CREDENTIAL_BASIC] = "basic",
    [CREDENTIAL_JWT] = "jwt",
};

const char *
credential_kind_name(enum credential_kind kind)
{
	return kind_names[kind];
}

int
credential_kind_parse(const char *name, enum credential_kind *ret)
{
	for (enum credential_kind k = 0; k < CREDENTIAL_KIND_COUNT; k++)
		if (strcmp(name, kind_names[k]) == 0) {
			*ret = k;
			return 0;
		}
	return VERR_NOTFOUND;
}

const struct catalog_input *
catalog_input(const struct catalog_entry *entry, const char *name)
{
	for (size_t i = 0; i < entry->ninputs; i++)
		if (strcmp(entry->inputs[i].name, name) == 0)
			return &entry->inputs[i];
	return NULL;
}

const struct catalog_credential *
catalog_credential(const struct catalog_entry *entry, enum credential_kind kind)
{
	for (size_t i = 0; i < entry->ncredentials; i++)
		if (entry->credentials[i].kind == kind)
			return &entry->credentials[i];
	return NULL;
}

bool
catalog_guards(const struct catalog_entry *entry, const char *path, size_t len)
{
	struct path_folded folded;

	if (entry->nguarded == 0)
		return false;
	path_fold(path, len, &folded);
	for (size_t i = 0; i < entry->nguarded; i++)
		if (glob_match_folded(entry->globs[i], &folded))
			return true;
	return false;
}

bool
catalog_alive(const struct catalog_entry *entry, unsigned status)
{
	for (size_t i = 0; i < entry->nalive; i++)
		if (entry->alive[i] == status)
			return true;
	return status >= 200 && status <= 299;
}

int
health_parse(
    const char *text, size_t len, struct health *ret, const char **ret_why)
{
	const char *blank = memchr(text, ' ', len);
	size_t n = blank == NULL ? 0 : (size_t)(blank - text), path_len;
	const char *method = path_method(text, n);
	char target[PATH_TARGET_MAX + 1];

	if (method == NULL ||
	    (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)) {
		*ret_why = "a health check is \"GET /path\" or \"HEAD /path\"";
		return VERR_FORMAT;
	}
	if (path_normalise(
	        text + n + 1, len - n - 1, target, &n, &path_len, ret_why) != 0)
		return VERR_FORMAT;
	if (n > HEALTH_PATH_MAX) {
		*ret_why = "the path is too long";
		return VERR_FORMAT;
	}
	ret->method = method;
	memcpy(ret->target, target, n + 1);
	return 0;
}

/*
 * True if the text is UTF-8 without control characters; newlines may be
 * allowed.
 */
static bool
is_plain(const char *text, size_t len, bool newlines)
{
	for (size_t i = 0, n; i < len; i += n) {
		uint32_t code;

		n = lex_utf8(text + i, len - i, &code);
		if (n == 0 || (code < ' ' && !(newlines && code == '\n')) ||
		    (code >= 0x7f && code < 0xa0))
			return false;
	}
	return true;
}

int
catalog_field_check(const struct catalog_field *field, const char *value,
    size_t len, size_t max, const char **ret_why)
{
	const char *why = NULL;

	if (len == 0)
		why = "it is empty";
	else if (len > max)
		why = "it is too long";
	else if (!is_plain(value, len, false))
		why = "it holds a control character, or is not UTF-8";
	else if (field->pattern != NULL &&
	    !pattern_match(field->pattern, value, len))
		why = "it does not look like one: see the catalog entry";
	if (why == NULL)
		return 0;
	*ret_why = why;
	return VERR_FORMAT;
}

/* The checks of each type: what is wrong with a value, or NULL. */

static const char *
check_text(const char *value, size_t len)
{
	if (!is_plain(value, len, false))
		return "a control character, or not UTF-8";
	return memchr(value, '{', len) != NULL ||
	        memchr(value, '}', len) != NULL
	    ? "braces may not stand in it"
	    : NULL;
}

static const char *
check_url(const char *value, size_t len)
{
	struct origin origin;
	const char *why = NULL;

	return origin_parse(value, len, &origin, &why) == 0 ? NULL : why;
}

static const char *
check_injection(const char *value, size_t len)
{
	struct injection inj;
	const char *why = NULL;

	return injection_parse(value, len, &inj, &why) == 0 ? NULL : why;
}

/* RFC 6901: '/' before every token, "~0" and "~1" the only escapes. */
static const char *
check_pointer(const char *value, size_t len)
{
	if (value[0] != '/' || len > CATALOG_ACCOUNT_MAX ||
	    !is_plain(value, len, false))
		return "not a JSON pointer such as /id";
	for (size_t i = 0; i < len; i++)
		if (value[i] == '~' && value[i + 1] != '0' &&
		    value[i + 1] != '1')
			return "after '~' only 0 or 1 may stand";
	return NULL;
}

static const char *
check_pem(const char *value, size_t len)
{
	static const char begin[] = "-----BEGIN CERTIFICATE-----\n";

	return strncmp(value, begin, sizeof(begin) - 1) == 0 &&
	        is_plain(value, len, true) &&
	        strstr(value, "PRIVATE KEY") == NULL
	    ? NULL
	    : "not certificates in PEM form, and nothing else";
}

static const char *
check_pin(const char *value, size_t len)
{
	return len == 52 &&
	        pattern_match("sha256//[A-Za-z0-9+/]{43}=", value, len)
	    ? NULL
	    : "must be sha256// and 44 characters of base64";
}

static const char *
check_network(const char *value, size_t len)
{
	struct network net;
	const char *why = NULL;

	return network_parse(value, len, &net, &why) == 0 ? NULL : why;
}

static const struct {
	const char *(*check)(const char *value, size_t len);
	size_t max;
} types[] = {
    [TYPE_TEXT] = {check_text, CATALOG_VALUE_MAX},
    [TYPE_URL] = {check_url, ORIGIN_TEXT_MAX},
    [TYPE_INJECTION] = {check_injection, INJECTION_TEXT_MAX},
    [TYPE_POINTER] = {check_pointer, CATALOG_ACCOUNT_MAX},
    [TYPE_PEM] = {check_pem, CATALOG_PEM_MAX},
    [TYPE_PIN] = {check_pin, CATALOG_PIN_MAX},
    [TYPE_NETWORK] = {check_network, NETWORK_TEXT_MAX},
};

static const char *
check_value(const struct catalog_input *input, const char *value)
{
	size_t len = strlen(value);

	if (len == 0)
		return "it is empty";
	if (len > types[input->type].max)
		return "it is too long";
	if (input->pattern != NULL &&
	    !pattern_match(input->pattern, value, len))
		return "it does not look like one: see the catalog entry";
	return types[input->type].check(value, len);
}

/* What catalog_resolve() works with. */
struct resolver {
	const struct catalog_entry *entry;
	const struct catalog_credential *credential;
	const struct catalog_setting *settings;
	size_t n;
	char *why;
};

static int __attribute__((format(printf, 2, 3)))
fail(struct resolver *rs, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(rs->why, CATALOG_WHY_MAX, fmt, ap);
	va_end(ap);
	return VERR_FORMAT;
}

static const char *
setting_value(const struct resolver *rs, const char *name)
{
	for (size_t i = 0; i < rs->n; i++)
		if (strcmp(rs->settings[i].name, name) == 0)
			return rs->settings[i].value;
	return NULL;
}

static int
check_settings(struct resolver *rs)
{
	for (size_t i = 0; i < rs->n; i++) {
		const struct catalog_setting *s = &rs->settings[i];
		const struct catalog_input *input =
		    catalog_input(rs->entry, s->name);
		const char *why;

		if (input == NULL)
			return fail(rs, "%s has no setting \"%.32s\"",
			    rs->entry->system, s->name);
		if (setting_value(rs, s->name) != s->value)
			return fail(
			    rs, "setting \"%s\" is given twice", s->name);
		why = check_value(input, s->value);
		if (why != NULL)
			return fail(rs, "setting \"%s\": %s", s->name, why);
	}
	for (size_t i = 0; i < rs->entry->ninputs; i++) {
		const struct catalog_input *input = &rs->entry->inputs[i];
		const char *why;

		if (setting_value(rs, input->name) != NULL)
			continue;
		if (input->required)
			return fail(rs, "setting \"%s\" is missing: %s",
			    input->name, input->what);
		why = input->fallback == NULL
		    ? NULL
		    : check_value(input, input->fallback);
		if (why != NULL)
			return fail(
			    rs, "default of \"%s\": %s", input->name, why);
	}
	return 0;
}

/* The value of the input in braces, "" if it has none, NULL if no input. */
static const char *
piece_value(const struct resolver *rs, const struct template_piece *piece)
{
	for (size_t i = 0; i < rs->entry->ninputs; i++) {
		const struct catalog_input *input = &rs->entry->inputs[i];
		const char *value;

		if (strlen(input->name) != piece->len ||
		    memcmp(input->name, piece->text, piece->len) != 0)
			continue;
		value = setting_value(rs, input->name);
		if (value == NULL)
			value = input->fallback;
		return value == NULL ? "" : value;
	}
	return NULL;
}

static bool
is_field(const struct resolver *rs, const struct template_piece *piece)
{
	for (size_t i = 0; i < rs->credential->nfields; i++) {
		const struct catalog_field *f = &rs->credential->fields[i];

		if (!f->secret && strlen(f->name) == piece->len &&
		    memcmp(f->name, piece->text, piece->len) == 0)
			return true;
	}
	return piece->len == 6 && memcmp(piece->text, "secret", 6) == 0;
}

/*
 * Replace the inputs in a template.  Where fields are allowed their names stay
 * for whoever has the credential.
 */
static int
expand(struct resolver *rs, const char *template, bool fields, char *out,
    size_t size)
{
	struct template_piece piece;
	size_t at = 0, n = 0;
	int r;

	while ((r = template_next(template, &at, &piece)) > 0) {
		const char *text = piece.text;
		size_t len = piece.len;

		if (piece.is_name) {
			text = piece_value(rs, &piece);
			len = text == NULL ? 0 : strlen(text);
		}
		if (text == NULL && fields && is_field(rs, &piece)) {
			text = piece.text - 1;
			len = piece.len + 2;
		}
		if (text == NULL)
			return fail(rs, "unknown name in \"%.64s\"", template);
		if (len >= size - n)
			return fail(rs, "\"%.64s\" becomes too long", template);
		memcpy(out + n, text, len);
		n += len;
	}
	if (r < 0)
		return fail(rs, "a bad template: \"%.64s\"", template);
	out[n] = '\0';
	return 0;
}

static int
resolve_origin(struct resolver *rs, struct catalog_link *link)
{
	char text[ORIGIN_TEXT_MAX + 1];
	const char *why;
	int r;

	link->sends = rs->credential->inject != NULL;
	memset(&link->origin, 0, sizeof(link->origin));
	if (!link->sends)
		return 0;
	r = expand(rs, rs->entry->origin, false, text, sizeof(text));
	if (r == 0 &&
	    origin_parse(text, strlen(text), &link->origin, &why) != 0)
		r = fail(rs, "origin: %s", why);
	return r;
}

static int
resolve_injection(struct resolver *rs, struct catalog_link *link)
{
	char text[INJECTION_TEXT_MAX + 1];
	struct template_piece piece;
	const char *why;
	size_t at = 0;
	int r;

	memset(&link->injection, 0, sizeof(link->injection));
	if (!link->sends)
		return 0;
	r = expand(rs, rs->credential->inject, true, text, sizeof(text));
	if (r != 0)
		return r;
	if (injection_parse(text, strlen(text), &link->injection, &why) != 0)
		return fail(rs, "inject: %s", why);
	while ((r = template_next(link->injection.template, &at, &piece)) > 0)
		if (piece.is_name && !is_field(rs, &piece))
			return fail(rs,
			    "inject: {%.*s} is no field of this credential",
			    (int)(piece.len > 32 ? 32 : piece.len), piece.text);
	return r;
}

static int
resolve_health(struct resolver *rs, struct catalog_link *link)
{
	const struct catalog_entry *entry = rs->entry;
	char path[HEALTH_PATH_MAX + 1], text[HEALTH_PATH_MAX + 16];
	const char *why;
	int n, r;

	link->health.method = NULL;
	if (entry->health_method == NULL || !link->sends)
		return 0;
	r = expand(rs, entry->health_path, false, path, sizeof(path));
	if (r != 0)
		return r;
	n = snprintf(text, sizeof(text), "%.7s %s", entry->health_method, path);
	if (health_parse(text, (size_t)n, &link->health, &why) != 0)
		return fail(rs, "health: %s", why);
	return 0;
}

static int
resolve_headers(struct resolver *rs, struct catalog_link *link)
{
	link->nheaders = 0;
	for (size_t i = 0; i < rs->entry->nheaders; i++) {
		char *text = link->headers[i];
		size_t name;
		int r;

		r = expand(rs, rs->entry->headers[i], false, text,
		    sizeof(link->headers[i]));
		if (r != 0)
			return r;
		name = strcspn(text, ":");
		if (text[name] != ':' || !injection_token(text, name) ||
		    injection_header_reserved(text, name) ||
		    !is_plain(text, strlen(text), false))
			return fail(rs, "a bad header: \"%.64s\"",
			    rs->entry->headers[i]);
		link->nheaders++;
	}
	return 0;
}

/* A template that may come to nothing: check what it comes to as "type". */
static int
resolve_optional(struct resolver *rs, const char *template,
    enum catalog_type type, char *out, size_t size)
{
	const char *why = NULL;
	int r;

	out[0] = '\0';
	if (template == NULL)
		return 0;
	r = expand(rs, template, false, out, size);
	if (r == 0 && out[0] != '\0')
		why = types[type].check(out, strlen(out));
	return why == NULL ? r : fail(rs, "\"%.64s\": %s", template, why);
}

/* A CA is an input and nothing else: too long to be copied around. */
static int
resolve_ca(struct resolver *rs, struct catalog_link *link)
{
	const char *template = rs->entry->ca;
	struct template_piece piece;
	size_t at = 0;

	link->ca = NULL;
	if (template == NULL)
		return 0;
	if (template_next(template, &at, &piece) == 1 && piece.is_name &&
	    template[at] == '\0')
		link->ca = piece_value(rs, &piece);
	if (link->ca == NULL)
		return fail(rs, "\"ca\" must name an input in braces");
	if (link->ca[0] == '\0')
		link->ca = NULL;
	else if (check_pem(link->ca, strlen(link->ca)) != NULL)
		return fail(rs, "\"ca\" is no certificate in PEM form");
	return 0;
}

static int
resolve_network(struct resolver *rs, struct catalog_link *link)
{
	char *text = link->network_text;
	const char *why;
	int r;

	r = resolve_optional(rs, rs->entry->network, TYPE_NETWORK, text,
	    sizeof(link->network_text));
	if (r != 0)
		return r;
	if (text[0] == '\0')
		memcpy(text, "public", sizeof("public"));
	if (network_parse(text, strlen(text), &link->network, &why) != 0)
		return fail(rs, "network: %s", why);
	return 0;
}

/* What "template" comes to, "out" if that is nothing; a bounded text that may
 * stand in a header of a JWT. */
static int
resolve_word(struct resolver *rs, const char *template, const char *key,
    const char *fallback, char *out, size_t size)
{
	int r;

	out[0] = '\0';
	if (template != NULL &&
	    (r = expand(rs, template, false, out, size)) != 0)
		return r;
	if (out[0] == '\0')
		(void)snprintf(out, size, "%s", fallback);
	return is_plain(out, strlen(out), false)
	    ? 0
	    : fail(rs, "%s: a control character, or not UTF-8", key);
}

static int
resolve_lifetime(struct resolver *rs, struct claims_bounds *b)
{
	const char *template = rs->credential->jwt.lifetime;
	char text[8] = "";
	uint32_t n = 0;
	int r = expand(rs, template, false, text, sizeof(text));

	if (r != 0)
		return r;
	for (const char *p = text; *p >= '0' && *p <= '9'; p++)
		n = n * 10 + (uint32_t)(*p - '0');
	if (text[0] == '0' || text[strspn(text, "0123456789")] != '\0' ||
	    n < 1 || n > CLAIMS_LIFETIME_MAX)
		return fail(
		    rs, "lifetime is 1 to %d seconds", CLAIMS_LIFETIME_MAX);
	b->lifetime = n;
	return 0;
}

/* Add a claim to a list, in which nobody has named it yet. */
static int
add_claim(struct resolver *rs, struct claims_bounds *b, bool client,
    struct slice name, struct slice text)
{
	struct pairs_writer w = {.p = client ? b->client : b->fixed,
	    .cap = CLAIMS_TEXT_MAX,
	    .n = client ? b->nclient : b->nfixed};
	const char *why = claims_name_fault((const char *)name.p, name.n);
	struct slice lists[] = {
	    slice_of(b->fixed, b->nfixed), slice_of(b->client, b->nclient)};
	struct slice other, ignored;

	if (why != NULL)
		return fail(rs, "claim: %s", why);
	for (size_t i = 0; i < 2; i++)
		while (pairs_next(&lists[i], &other, &ignored) == 0)
			if (slice_equal(other, name))
				return fail(rs, "a claim is there twice");
	pairs_put(&w, name, text);
	if (w.overflow)
		return fail(rs, "the claims become too long");
	if (client)
		b->nclient = w.n;
	else
		b->nfixed = w.n;
	return 0;
}

static int
resolve_fixed(struct resolver *rs, struct claims_bounds *b)
{
	const struct catalog_jwt *jwt = &rs->credential->jwt;
	char text[CLAIM_VALUE_MAX + 1];
	int r = 0;

	for (size_t i = 0; i < jwt->nfixed && r == 0; i++) {
		r = resolve_word(rs, jwt->fixed[i].text, jwt->fixed[i].name, "",
		    text, sizeof(text));
		if (r == 0 && text[0] != '\0')
			r = add_claim(rs, b, false,
			    slice_str(jwt->fixed[i].name), slice_str(text));
	}
	return r;
}

/* Whom a JWT is from, about and for is a client's only within a pattern. */
static bool
needs_pattern(struct slice name)
{
	return slice_is(name, "iss") || slice_is(name, "sub") ||
	    slice_is(name, "aud");
}

static int
resolve_client(struct resolver *rs, struct claims_bounds *b)
{
	const struct catalog_jwt *jwt = &rs->credential->jwt;
	char names[CLAIMS_TEXT_MAX];
	int r = 0;

	for (size_t i = 0; i < jwt->nclient && r == 0; i++) {
		const char *pattern = jwt->client[i].text;
		struct slice text = slice_of(
		    pattern, pattern == NULL ? 0 : strlen(pattern) + 1);
		const char *p = names;

		r = expand(
		    rs, jwt->client[i].name, false, names, sizeof(names));
		while (r == 0 && *(p += strspn(p, " ")) != '\0') {
			struct slice name = slice_of(p, strcspn(p, " "));

			if (pattern == NULL && needs_pattern(name))
				return fail(rs,
				    "a client sets iss, sub and aud only "
				    "where a pattern bounds them");
			r = add_claim(rs, b, true, name, text);
			p += name.n;
		}
	}
	return r;
}

static int
resolve_jwt(struct resolver *rs, struct catalog_link *link)
{
	const struct catalog_jwt *jwt = &rs->credential->jwt;
	struct claims_bounds *b = &link->jwt;
	char output[8];
	int r;

	memset(b, 0, sizeof(*b));
	if (rs->credential->kind != CREDENTIAL_JWT)
		return 0;
	b->algs = jwt->algs;
	b->jti = jwt->jti;
	b->nbf = jwt->nbf;
	if ((r = resolve_word(
	         rs, jwt->typ, "typ", "JWT", b->typ, sizeof(b->typ))) != 0 ||
	    (r = resolve_word(
	         rs, jwt->kid, "kid", "", b->kid, sizeof(b->kid))) != 0 ||
	    (r = resolve_word(rs, jwt->output, "output", "sign", output,
	         sizeof(output))) != 0 ||
	    (r = resolve_lifetime(rs, b)) != 0 ||
	    (r = resolve_fixed(rs, b)) != 0 || (r = resolve_client(rs, b)) != 0)
		return r;
	b->token = strcmp(output, "token") == 0;
	return b->token || strcmp(output, "sign") == 0
	    ? 0
	    : fail(rs, "output is token or sign");
}

int
catalog_resolve(const struct catalog_entry *entry, enum credential_kind kind,
    const struct catalog_setting *settings, size_t n, struct catalog_link *ret,
    char why[static CATALOG_WHY_MAX])
{
	struct resolver rs = {
	    .entry = entry,
	    .credential = catalog_credential(entry, kind),
	    .settings = settings,
	    .n = n,
	    .why = why,
	};
	int r;

	if (rs.credential == NULL) {
		fail(&rs, "%s has no credential of kind %s", entry->system,
		    kind_names[kind]);
		return VERR_NOTFOUND;
	}
	if ((r = check_settings(&rs)) != 0 ||
	    (r = resolve_origin(&rs, ret)) != 0 ||
	    (r = resolve_injection(&rs, ret)) != 0 ||
	    (r = resolve_jwt(&rs, ret)) != 0 ||
	    (r = resolve_health(&rs, ret)) != 0 ||
	    (r = resolve_headers(&rs, ret)) != 0 ||
	    (r = resolve_network(&rs, ret)) != 0 ||
	    (r = resolve_ca(&rs, ret)) != 0 ||
	    (r = resolve_optional(&rs, entry->account, TYPE_POINTER,
	         ret->account, sizeof(ret->account))) != 0)
		return r;
	return resolve_optional(
	    &rs, entry->pin, TYPE_PIN, ret->pin, sizeof(ret->pin));
}
