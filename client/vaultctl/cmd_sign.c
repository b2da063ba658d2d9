#include <stdlib.h>
#include <string.h>

#include "client/vaultctl/ctl.h"

#define CLAIMS_MAX 32
#define WISH_MAX   12288

/* The claims of a command line, as long as they are needed. */
struct claims {
	size_t n;
	struct vault_claim claim[CLAIMS_MAX];
	char *name[CLAIMS_MAX];
	char *text[CLAIMS_MAX];
	const char **list[CLAIMS_MAX];
	json_t *json[CLAIMS_MAX]; /* which lists borrow from */
};

static void
claims_free(struct claims *c)
{
	for (size_t i = 0; i < c->n; i++) {
		free(c->name[i]);
		free(c->text[i]);
		free(c->list[i]);
		json_decref(c->json[i]);
	}
}

/*
 * A value given as JSON: a string, an integer, a boolean or a list of strings.
 */
static int
take_json(struct claims *c, size_t i, const char *text)
{
	struct vault_claim *claim = &c->claim[i];
	json_t *v =
	    json_loads(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
	size_t n = json_array_size(v);

	c->json[i] = v;
	claim->type = json_is_string(v) ? VAULT_CLAIM_STRING
	    : json_is_integer(v)        ? VAULT_CLAIM_INTEGER
	    : json_is_boolean(v)        ? VAULT_CLAIM_BOOL
	                                : VAULT_CLAIM_LIST;
	if (!json_is_array(v)) {
		c->text[i] = json_is_string(v) ? strdup(json_string_value(v))
		                               : json_dumps(v, JSON_ENCODE_ANY);
		claim->value = c->text[i];
		return claim->type == VAULT_CLAIM_LIST || c->text[i] == NULL
		    ? VERR_FORMAT
		    : 0;
	}
	if ((c->list[i] = calloc(n + 1, sizeof(*c->list[i]))) == NULL)
		return VERR_NOMEM;
	for (size_t k = 0; k < n; k++)
		if ((c->list[i][k] = json_string_value(json_array_get(v, k))) ==
		    NULL)
			return VERR_FORMAT;
	claim->list = c->list[i];
	return 0;
}

/*
 * NAME=TEXT or NAME:=JSON.
 */
static int
take_claim(struct ctl *ctl, struct claims *c, const char *given)
{
	const char *equals = strchr(given, '=');
	size_t i = c->n, n = equals == NULL ? 0 : (size_t)(equals - given);
	bool json = n > 0 && given[n - 1] == ':';

	if (c->n == CLAIMS_MAX)
		return ctl_usage(ctl, "at most %d claims", CLAIMS_MAX);
	c->n++;
	n -= json;
	if (n == 0)
		return ctl_usage(ctl, "--claim takes NAME=TEXT or NAME:=JSON");
	if ((c->name[i] = strndup(given, n)) == NULL)
		return ctl_failed(ctl, "%s", verr_text(VERR_NOMEM));
	c->claim[i].name = c->name[i];
	c->claim[i].type = VAULT_CLAIM_STRING;
	c->claim[i].value = equals + 1;
	if (json && take_json(c, i, equals + 1) != 0)
		return ctl_usage(ctl,
		    "--claim NAME:=JSON takes a string, an integer, true, "
		    "false, or a list of strings");
	return STATUS_DONE;
}

/*
 * The result alone, for people and shells.
 */
static int
print_member(struct ctl *ctl, const struct rows *rows, const char *name)
{
	json_t *row = json_array_get(rows->list, 0);
	const char *text = json_string_value(json_object_get(row, name));

	if (text == NULL)
		return ctl_failed(ctl, "the vault's answer has no %s", name);
	fputs(text, ctl->out.f);
	if (text[0] == '\0' || text[strlen(text) - 1] != '\n')
		fputc('\n', ctl->out.f);
	return STATUS_DONE;
}

static int
send_wish(struct ctl *ctl, const struct claims *c)
{
	const char *lifetime = ctl_option(ctl, "lifetime");
	const char *scheme = ctl_option(ctl, "scheme");
	struct vault_pair wish[2];
	uint8_t claims[WISH_MAX];
	struct vault_rows sink;
	struct rows rows;
	size_t n = 0;
	int status;

	if (lifetime != NULL)
		wish[n++] =
		    (struct vault_pair){"lifetime", lifetime, strlen(lifetime)};
	wish[n] = (struct vault_pair){"claims", claims,
	    vault_claims(c->claim, c->n, claims, sizeof(claims))};
	if (c->n > 0 && wish[n++].len == 0)
		return ctl_usage(ctl, "the claims are too long");
	if ((status = ctl_connect(ctl)) != STATUS_DONE)
		return status;
	ctl_rows(ctl, &rows);
	sink = rows_sink(&rows);
	if (vault_sign(ctl->vault, ctl_word(ctl, 0), scheme, wish, n, &sink,
	        &ctl->error) != 0)
		status = ctl_refused(ctl);
	else if (!ctl->json)
		status =
		    print_member(ctl, &rows, scheme != NULL ? scheme : "jwt");
	rows_free(&rows);
	return status;
}

int
cmd_sign(struct ctl *ctl)
{
	struct claims claims = {0};
	const char *given;
	size_t at = 0;
	int status = ctl_check_profile(ctl, ctl_word(ctl, 0));

	while (status == STATUS_DONE &&
	    (given = options_next(&ctl->options, "claim", &at)) != NULL)
		status = take_claim(ctl, &claims, given);
	if (status == STATUS_DONE)
		status = send_wish(ctl, &claims);
	claims_free(&claims);
	return status;
}

int
cmd_pubkey(struct ctl *ctl)
{
	const char *format = ctl_option(ctl, "format");
	struct vault_rows sink;
	struct rows rows;
	int status = ctl_check_profile(ctl, ctl_word(ctl, 0));

	if (status != STATUS_DONE || (status = ctl_connect(ctl)) != STATUS_DONE)
		return status;
	ctl_rows(ctl, &rows);
	sink = rows_sink(&rows);
	if (vault_pubkey(ctl->vault, ctl_word(ctl, 0),
	        format != NULL ? format : "pem",
	        ctl_option(ctl, "staged") != NULL, &sink, &ctl->error) != 0)
		status = ctl_refused(ctl);
	else if (!ctl->json)
		status = print_member(ctl, &rows, "text");
	rows_free(&rows);
	return status;
}

/*
 * One JWK set of all rows, as an upstream would fetch it.
 */
static int
print_set(struct ctl *ctl, const struct rows *rows)
{
	json_t *set = json_array(), *row, *keys, *whole;
	size_t i;
	int r = set == NULL ? -1 : 0;

	json_array_foreach(rows->list, i, row)
	{
		keys = json_object_get(row, "keys");
		if (r == 0 && json_is_array(keys))
			r = json_array_extend(set, keys);
	}
	whole = json_pack("{s:o}", "keys", set);
	if (r != 0 || whole == NULL ||
	    json_dumpf(whole, ctl->out.f, JSON_INDENT(2)) != 0)
		r = ctl_failed(ctl, "the key set could not be printed");
	fputc('\n', ctl->out.f);
	json_decref(whole);
	return r;
}

int
cmd_jwks(struct ctl *ctl)
{
	const char *profile = ctl_word(ctl, 0);
	int status =
	    profile == NULL ? STATUS_DONE : ctl_check_profile(ctl, profile);
	struct vault_rows sink;
	struct rows rows;

	if (status != STATUS_DONE || (status = ctl_connect(ctl)) != STATUS_DONE)
		return status;
	rows_init(&rows);
	sink = rows_sink(&rows);
	if (vault_jwks(ctl->vault, profile, &sink, &ctl->error) != 0)
		status = ctl_refused(ctl);
	else
		status = print_set(ctl, &rows);
	rows_free(&rows);
	return status;
}
