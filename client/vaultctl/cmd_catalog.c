#include <stdlib.h>
#include <string.h>

#include "client/vaultctl/ctl.h"
#include "client/vaultctl/file.h"
#include "policy/catalog.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* clang-format off */
static const struct column list_columns[] = {
	{"system", "SYSTEM"},
	{"title", "TITLE"},
	{"categories", "CATEGORIES"},
	{"origin", "ORIGIN"},
};

static const struct column system_columns[] = {
	{"system", "system"},
	{"title", "title"},
	{"categories", "categories"},
	{"origin", "origin"},
	{"health", "health check"},
	{"account", "account"},
	{"rate", "rate limits"},
	{"expiry", "expiry"},
	{"entities", "entities"},
	{"latency", "latency"},
	{"verified", "verified"},
};

static const struct column input_columns[] = {
	{"name", "SETTING"},
	{"type", "TYPE"},
	{"required", "REQUIRED"},
	{"sealed", "SEALED"},
	{"default", "DEFAULT"},
	{"what", "WHAT"},
};

static const struct column field_columns[] = {
	{"name", "FIELD"},
	{"secret", "SECRET"},
	{"prompt", "WHAT"},
};
/* clang-format on */

static bool
has_category(const void *arg, json_t *row)
{
	json_t *item;
	size_t i;

	json_array_foreach(json_object_get(row, "categories"), i,
	    item) if (json_is_string(item) &&
	    strcmp(json_string_value(item), arg) == 0) return true;
	return false;
}

int
cmd_catalog_list(struct ctl *ctl)
{
	const char *category = ctl_option(ctl, "category");
	struct vault_rows sink;
	struct rows rows;
	int status;

	ctl_rows(ctl, &rows);
	if (category != NULL) {
		rows.keep = has_category;
		rows.keep_arg = category;
	}
	sink = rows_sink(&rows);
	if ((status = ctl_connect(ctl)) != STATUS_DONE)
		goto out;
	if (vault_catalog(ctl->vault, NULL, &sink, &ctl->error) != 0) {
		status = ctl_refused(ctl);
		goto out;
	}
	output_table(&ctl->out, list_columns, COUNT(list_columns), rows.list);
out:
	rows_free(&rows);
	return status;
}

static void
print_system(struct output *o, json_t *row)
{
	char text[OUTPUT_CELL_MAX];
	json_t *item;
	size_t i;

	output_list(o, system_columns, COUNT(system_columns), row);
	json_array_foreach(json_object_get(row, "credentials"), i, item)
	{
		if (!output_value(item, "kind", text))
			continue;
		fprintf(o->f, "\ncredential %s%s\n", text,
		    i == 0 ? " (unless --credential names another)" : "");
		output_table(o, field_columns, COUNT(field_columns),
		    json_object_get(item, "fields"));
	}
	item = json_object_get(row, "inputs");
	if (json_array_size(item) > 0)
		fprintf(o->f, "\nsettings (--set SETTING=VALUE)\n");
	output_table(o, input_columns, COUNT(input_columns), item);
	item = json_object_get(row, "guarded");
	if (json_array_size(item) > 0)
		fprintf(o->f,
		    "\nguarded paths: a permit has to name them "
		    "without stars\n");
	json_array_foreach(
	    json_object_get(row, "guarded"), i, item) if (json_is_string(item))
	    output_line(o, "  %s", json_string_value(item));
}

int
cmd_catalog_show(struct ctl *ctl)
{
	struct vault_rows sink;
	struct rows rows;
	json_t *row;
	int status;
	size_t i;

	ctl_rows(ctl, &rows);
	sink = rows_sink(&rows);
	if ((status = ctl_connect(ctl)) != STATUS_DONE)
		goto out;
	if (vault_catalog(ctl->vault, ctl_word(ctl, 0), &sink, &ctl->error) !=
	    0) {
		status = ctl_refused(ctl);
		goto out;
	}
	json_array_foreach(rows.list, i, row) print_system(&ctl->out, row);
out:
	rows_free(&rows);
	return status;
}

int
cmd_catalog_check(struct ctl *ctl)
{
	const char *path = ctl_word(ctl, 0);
	struct catalog_entry *entry;
	struct lex_error error;
	char where[LEX_FORMAT_MAX], *text;
	size_t n;
	int r = file_read(path, LEX_TEXT_MAX, &text, &n);

	if (r != 0)
		return ctl_failed(ctl, "%s: %s", path, file_why(r));
	r = catalog_parse(path, text, n, &entry, &error);
	free(text);
	if (r != 0) {
		lex_format(&error, where, sizeof(where));
		output_line(&ctl->err, "%s", where);
		return STATUS_FAILED;
	}
	output_line(
	    &ctl->out, "%s: system %s is well-formed", path, entry->system);
	catalog_free(entry);
	return STATUS_DONE;
}
