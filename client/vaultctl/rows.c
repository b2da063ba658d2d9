#include "client/vaultctl/rows.h"

#include "client/vaultctl/output.h"

void
rows_init(struct rows *rows)
{
	*rows = (struct rows){.list = json_array()};
}

void
rows_free(struct rows *rows)
{
	json_decref(rows->list);
	rows->list = NULL;
}

json_t *
rows_parse(const char *json, size_t len)
{
	json_t *row;

	for (size_t i = 0; i < len; i++)
		if ((unsigned char)json[i] < 0x20)
			return NULL;
	row = json_loadb(json, len, JSON_REJECT_DUPLICATES, NULL);
	if (json_is_object(row))
		return row;
	json_decref(row);
	return NULL;
}

/*
 * As it came, but for what a terminal would obey.
 */
static int
print_row(const struct rows *rows, const char *json, size_t len, json_t *row)
{
	if (rows->terminal && !output_harmless(json, len))
		return json_dumpf(row, rows->print,
		           JSON_COMPACT | JSON_ENSURE_ASCII) == 0 &&
		        fputc('\n', rows->print) != EOF
		    ? 0
		    : VERR_IO;
	return fwrite(json, 1, len, rows->print) == len &&
	        fputc('\n', rows->print) != EOF
	    ? 0
	    : VERR_IO;
}

static int
on_row(void *arg, const char *json, size_t len)
{
	struct rows *rows = arg;
	json_t *row = rows_parse(json, len);
	int r;

	if (row == NULL)
		return VERR_FORMAT;
	r = 0;
	if (rows->keep != NULL && !rows->keep(rows->keep_arg, row))
		goto out;
	rows->count++;
	if (rows->print != NULL)
		r = print_row(rows, json, len, row);
	else if (rows->count > ROWS_MAX)
		r = VERR_TOOBIG;
	else if (json_array_append(rows->list, row) != 0)
		r = VERR_NOMEM;
out:
	json_decref(row);
	return r;
}

struct vault_rows
rows_sink(struct rows *rows)
{
	return (struct vault_rows){.on_row = on_row, .arg = rows};
}
