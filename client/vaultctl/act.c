#include "client/vaultctl/act.h"

#include <stdlib.h>
#include <string.h>

#include "client/vaultctl/date.h"
#include "client/vaultctl/file.h"
#include "protocol/act.h"

void
act_free(struct act *act)
{
	for (size_t i = 0; i < act->nfiles; i++)
		free(act->files[i]);
	act->nfiles = 0;
}

void
act_bytes(struct act *act, const char *prefix, const char *name,
    const void *value, size_t len)
{
	char *full = act->names[act->n];

	snprintf(full, ACT_NAME_MAX, "%s%s", prefix, name);
	act->pairs[act->n++] = (struct vault_pair){full, value, len};
}

void
act_text(
    struct act *act, const char *prefix, const char *name, const char *value)
{
	if (value != NULL)
		act_bytes(act, prefix, name, value, strlen(value));
}

void
act_intake(struct act *act, const struct intake *intake)
{
	for (size_t i = 0; i < intake->nfields; i++)
		act_bytes(act, ACT_FIELD, intake->fields[i].name,
		    intake->fields[i].value, intake->fields[i].len);
}

int
act_options(struct ctl *ctl, struct act *act)
{
	const char *expires = ctl_option(ctl, "expires");
	const char *every = ctl_option(ctl, "rotate-every");
	const char *health = ctl_option(ctl, "health"), *why;
	struct health parsed;
	unsigned days;
	int64_t ms;

	if (expires != NULL && expires[0] != '\0' &&
	    date_parse(expires, true, &ms) != 0)
		return ctl_usage(
		    ctl, "--expires is a date: YYYY-MM-DD or RFC 3339");
	if (every != NULL && date_days(every, &days) != 0)
		return ctl_usage(ctl, "--rotate-every is days, say 90d");
	if (health != NULL &&
	    health_parse(health, strlen(health), &parsed, &why) != 0)
		return ctl_usage(ctl, "--health: %s", why);
	if (ctl_option(ctl, "stdin") != NULL && ctl_option(ctl, "file") != NULL)
		return ctl_usage(ctl, "--stdin and --file are alternatives");
	act_text(act, "", "title", ctl_option(ctl, "title"));
	act_text(act, "", "health", health);
	act_text(act, "", "expires", expires);
	if (every != NULL) {
		snprintf(act->days, sizeof(act->days), "%u", days);
		act_text(act, "", "rotate-every", act->days);
	}
	if (ctl_option(ctl, "no-verify") != NULL)
		act_text(act, "", "no-verify", "1");
	if (ctl_option(ctl, "new-account") != NULL)
		act_text(act, "", "new-account", "1");
	return STATUS_DONE;
}

/*
 * The catalog's input called "name", of "n" bytes, or NULL.
 */
static json_t *
find_input(json_t *system, const char *name, size_t n)
{
	json_t *inputs = json_object_get(system, "inputs"), *input;
	const char *its;
	size_t i;

	json_array_foreach(inputs, i, input)
	{
		its = json_string_value(json_object_get(input, "name"));
		if (its != NULL && strlen(its) == n &&
		    memcmp(its, name, n) == 0)
			return input;
	}
	return NULL;
}

static bool
is_set(const struct act *act, const char *name)
{
	for (size_t i = 0; i < act->n; i++)
		if (strncmp(act->names[i], ACT_SET, strlen(ACT_SET)) == 0 &&
		    strcmp(act->names[i] + strlen(ACT_SET), name) == 0)
			return true;
	return false;
}

static int
unknown_setting(struct ctl *ctl, json_t *system, const char *text, size_t n)
{
	const char *names[CATALOG_INPUTS_MAX + 1] = {NULL}, *near, *its;
	json_t *inputs = json_object_get(system, "inputs"), *input;
	char name[ACT_NAME_MAX];
	size_t i, count = 0;

	json_array_foreach(inputs, i, input)
	{
		its = json_string_value(json_object_get(input, "name"));
		if (its != NULL && count < CATALOG_INPUTS_MAX)
			names[count++] = its;
	}
	snprintf(name, sizeof(name), "%.*s", n < 60 ? (int)n : 60, text);
	near = options_nearest(name, names);
	its = json_string_value(json_object_get(system, "system"));
	if (near != NULL)
		return ctl_usage(ctl, "%s has no setting %s; did you mean %s?",
		    its, name, near);
	return ctl_usage(ctl,
	    "%s has no setting %s; \"vaultctl catalog show "
	    "%s\" lists them",
	    its, name, its);
}

/*
 * A certificate is too long for a command line: its file is named there.
 */
static int
add_file(struct ctl *ctl, struct act *act, const char *name, const char *path)
{
	size_t n;
	int r;

	if (act->nfiles == CATALOG_INPUTS_MAX)
		return ctl_usage(ctl, "too many settings");
	r = file_read(path, CATALOG_PEM_MAX, &act->files[act->nfiles], &n);
	if (r != 0)
		return ctl_failed(
		    ctl, "--set %s: %s: %s", name, path, file_why(r));
	act_bytes(act, ACT_SET, name, act->files[act->nfiles++], n);
	return STATUS_DONE;
}

static int
add_setting(struct ctl *ctl, struct act *act, json_t *system, const char *text)
{
	const char *value = strchr(text, '='), *name, *type;
	json_t *input;

	if (value == NULL || value == text)
		return ctl_usage(ctl, "--set takes KEY=VALUE");
	input = find_input(system, text, (size_t)(value - text));
	if (input == NULL)
		return unknown_setting(
		    ctl, system, text, (size_t)(value - text));
	name = json_string_value(json_object_get(input, "name"));
	type = json_string_value(json_object_get(input, "type"));
	if (is_set(act, name))
		return ctl_usage(ctl, "--set %s is given twice", name);
	if (act->n + INTAKE_FIELDS_MAX >= ACT_PAIRS_MAX)
		return ctl_usage(ctl, "too many settings");
	if (json_is_true(json_object_get(input, "sealed")))
		act->sealed = true;
	value++;
	if (type != NULL && strcmp(type, "pem") == 0 && *value != '\0')
		return add_file(ctl, act, name, value);
	act_text(act, ACT_SET, name, value);
	return STATUS_DONE;
}

static int
check_required(struct ctl *ctl, const struct act *act, json_t *system)
{
	json_t *inputs = json_object_get(system, "inputs"), *input;
	const char *name, *what, *example;
	size_t i;

	json_array_foreach(inputs, i, input)
	{
		name = json_string_value(json_object_get(input, "name"));
		if (name == NULL || is_set(act, name) ||
		    !json_is_true(json_object_get(input, "required")))
			continue;
		what = json_string_value(json_object_get(input, "what"));
		example = json_string_value(json_object_get(input, "example"));
		return ctl_usage(ctl, "--set %s=VALUE is missing%s%s%s%s%s",
		    name, what != NULL ? " (" : "", what != NULL ? what : "",
		    what != NULL ? ")" : "",
		    example != NULL ? ", for example " : "",
		    example != NULL ? example : "");
	}
	return STATUS_DONE;
}

int
act_settings(struct ctl *ctl, struct act *act, json_t *system, bool whole)
{
	const char *text;
	size_t at = 0;
	int status;

	while ((text = options_next(&ctl->options, "set", &at)) != NULL)
		if ((status = add_setting(ctl, act, system, text)) !=
		    STATUS_DONE)
			return status;
	return whole ? check_required(ctl, act, system) : STATUS_DONE;
}

int
act_send(struct ctl *ctl, const struct act *act)
{
	static const char wait[] = "waiting for the vault ...";
	char text[VAULT_TEXT_MAX + 1];
	uint64_t audit;
	json_t *row;
	int r;

	if ((r = ctl_connect(ctl)) != STATUS_DONE)
		return r;
	/* the upstream may be asked, and that may take a while */
	if (ctl->err.terminal) {
		fputs(wait, ctl->err.f);
		fflush(ctl->err.f);
	}
	r = vault_act(
	    ctl->vault, act->pairs, act->n, text, &audit, &ctl->error);
	if (ctl->err.terminal)
		fprintf(ctl->err.f, "\r%*s\r", (int)sizeof(wait), "");
	if (r != 0)
		return ctl_refused(ctl);
	if (!ctl->json) {
		if (text[0] != '\0')
			output_line(&ctl->out, "%s", text);
		return STATUS_DONE;
	}
	row = json_pack("{s:s, s:I}", "done", text, "audit", (json_int_t)audit);
	if (row == NULL || json_dumpf(row, ctl->out.f, JSON_COMPACT) != 0)
		r = ctl_failed(ctl, "the answer could not be printed");
	fputc('\n', ctl->out.f);
	json_decref(row);
	return r;
}
