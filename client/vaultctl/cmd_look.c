#include <string.h>

#include "client/vaultctl/ctl.h"
#include "client/vaultctl/job.h"

/* clang-format off */
static const struct column vault_columns[] = {
	{"state", "state"},
	{"vault", "vault"},
	{"since", "since"},
	{"generation", "generation"},
	{"key_epoch", "root key epoch"},
	{"profiles", "profiles"},
	{"customers", "customers"},
	{"systems", "systems"},
	{"audit", "audit records"},
	{"sync", "audit sync"},
};

static const struct column room_columns[] = {
	{"room", "ROOM"},
	{"number", "NO"},
	{"up", "UP"},
	{"pid", "PID"},
	{"uid", "UID"},
	{"proofs", "PROOFS"},
	{"starts", "STARTS"},
	{"since", "SINCE"},
	{"walls", "WALLS"},
	{"absent", "ABSENT"},
};

static const struct column whoami_columns[] = {
	{"user", "user"},
	{"uid", "uid"},
	{"group", "group"},
	{"gid", "gid"},
	{"groups", "groups"},
	{"pid", "pid"},
	{"exe", "executable"},
	{"cgroup", "cgroup"},
	{"label", "security label"},
	{"loginuid", "login uid"},
	{"class", "class"},
};
/* clang-format on */

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static bool
is_sealed(json_t *row)
{
	const char *state = json_string_value(json_object_get(row, "state"));

	return state != NULL && strcmp(state, "sealed") == 0;
}

static void
print_vault(struct output *o, json_t *row)
{
	output_list(o, vault_columns, COUNT(vault_columns), row);
	if (is_sealed(row))
		output_line(
		    o, "\nNothing works until it is unsealed: vaultctl unseal");
	fputc('\n', o->f);
}

static void
print_job(struct output *o, json_t *row)
{
	char text[JOB_TEXT_MAX];

	job_words(row, text);
	output_line(o, "%s\n", text);
}

int
cmd_status(struct ctl *ctl)
{
	struct vault_rows sink;
	struct rows rows;
	json_t *rooms = json_array(), *row;
	int status;
	size_t i;

	ctl_rows(ctl, &rows);
	sink = rows_sink(&rows);
	if ((status = ctl_connect(ctl)) != STATUS_DONE)
		goto out;
	if (vault_status(ctl->vault, &sink, &ctl->error) != 0) {
		status = ctl_refused(ctl);
		goto out;
	}
	json_array_foreach(rows.list, i, row)
	{
		if (job_row_is(row, "vault"))
			print_vault(&ctl->out, row);
		else if (job_row_is(row, "job"))
			print_job(&ctl->out, row);
		else if (job_row_is(row, "room"))
			(void)json_array_append(rooms, row);
	}
	output_table(&ctl->out, room_columns, COUNT(room_columns), rooms);
out:
	json_decref(rooms);
	rows_free(&rows);
	return status;
}

int
cmd_whoami(struct ctl *ctl)
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
	if (vault_whoami(ctl->vault, &sink, &ctl->error) != 0) {
		status = ctl_refused(ctl);
		goto out;
	}
	json_array_foreach(rows.list, i, row)
	    output_list(&ctl->out, whoami_columns, COUNT(whoami_columns), row);
out:
	rows_free(&rows);
	return status;
}
