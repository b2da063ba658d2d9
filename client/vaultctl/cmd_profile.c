#include <string.h>

#include "client/vaultctl/ctl.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* clang-format off */
static const struct column list_columns[] = {
	{"profile", "PROFILE"},
	{"system", "SYSTEM"},
	{"status", "STATUS"},
	{"credential", "CREDENTIAL"},
	{"version", "VERSION"},
	{"account", "ACCOUNT"},
	{"expires", "EXPIRES"},
	{"verified", "VERIFIED"},
	{"title", "TITLE"},
};

static const struct column show_columns[] = {
	{"profile", "profile"},
	{"title", "title"},
	{"system", "system"},
	{"status", "status"},
	{"reason", "reason"},
	{"credential", "credential"},
	{"version", "version"},
	{"alg", "algorithm"},
	{"kid", "key id"},
	{"staged", "key staged"},
	{"signs", "signs as"},
	{"lifetime", "lifetime (seconds)"},
	{"user", "user name"},
	{"account", "account"},
	{"origin", "origin"},
	{"inject", "injection"},
	{"network", "network"},
	{"health", "health check"},
	{"created", "created"},
	{"changed", "changed"},
	{"verified", "verified"},
	{"expires", "expires"},
	{"rotate_every", "rotate every (days)"},
};
/* clang-format on */

static int
print_profiles(struct ctl *ctl, const struct vault_filter *filter,
    void (*print)(struct output *o, json_t *rows))
{
	struct vault_rows sink;
	struct rows rows;
	int status;

	ctl_rows(ctl, &rows);
	sink = rows_sink(&rows);
	if ((status = ctl_connect(ctl)) != STATUS_DONE)
		goto out;
	if (vault_profiles(ctl->vault, filter, &sink, &ctl->error) != 0)
		status = ctl_refused(ctl);
	else if (filter->profile != NULL && rows.count == 0)
		status = ctl_none(ctl, "profile");
	else
		print(&ctl->out, rows.list);
out:
	rows_free(&rows);
	return status;
}

static void
print_table(struct output *o, json_t *rows)
{
	output_table(o, list_columns, COUNT(list_columns), rows);
}

int
cmd_profile_list(struct ctl *ctl)
{
	const struct vault_filter filter = {
	    .customer = ctl_option(ctl, "customer"),
	    .system = ctl_option(ctl, "system"),
	    .status = ctl_option(ctl, "status"),
	};

	return print_profiles(ctl, &filter, print_table);
}

static void
print_details(struct output *o, json_t *rows)
{
	char text[OUTPUT_CELL_MAX];
	const char *key;
	json_t *row, *settings, *value;
	size_t i;

	json_array_foreach(rows, i, row)
	{
		output_list(o, show_columns, COUNT(show_columns), row);
		settings = json_object_get(row, "settings");
		if (json_object_size(settings) > 0)
			fprintf(o->f, "settings\n");
		json_object_foreach(settings, key, value)
		{
			if (output_value(settings, key, text))
				output_line(o, "  %s=%s", key, text);
		}
	}
}

int
cmd_profile_show(struct ctl *ctl)
{
	const struct vault_filter filter = {.profile = ctl_word(ctl, 0)};
	int status = ctl_check_profile(ctl, filter.profile);

	if (status != STATUS_DONE)
		return status;
	return print_profiles(ctl, &filter, print_details);
}
