#include "client/vaultctl/doctor.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONFIG    "/etc/vaultd/vaultd.conf"
#define STATE_DIR "/var/lib/vaultd/state"

static void check_slots(struct doctor *d);

/* clang-format off */
static const struct check {
	const char *name;
	void (*run)(struct doctor *d);
} checks[] = {
	{"config", doctor_config},
	{"files", doctor_files},
	{"key", doctor_key},
	{"users", doctor_users},
	{"state", doctor_state},
	{"socket", doctor_socket},
	{"keeper.pub", doctor_keeper_key},
	{"vault", doctor_vault},
	{"key slots", check_slots},
	{"walls", doctor_walls},
	{"profiles", doctor_profiles},
	{"kernel", doctor_kernel},
	{"limits", doctor_limits},
	{"clock", doctor_clock},
};

static const struct {
	const char *name, *colour;
} grades[] = {
	[GRADE_OK] = {"ok", "\033[32m"},
	[GRADE_WARN] = {"warn", "\033[33m"},
	[GRADE_FAIL] = {"fail", "\033[31m"},
};
/* clang-format on */

static void
say_row(struct doctor *d, enum grade grade, const char *mend, const char *text)
{
	json_t *row = json_pack("{s:s, s:s, s:s, s:s*}", "check", d->check,
	    "result", grades[grade].name, "text", text, "mend", mend);

	if (row != NULL &&
	    json_dumpf(row, d->ctl->out.f, JSON_COMPACT | JSON_ENSURE_ASCII) ==
	        0)
		fputc('\n', d->ctl->out.f);
	json_decref(row);
}

void
doctor_say(
    struct doctor *d, enum grade grade, const char *mend, const char *fmt, ...)
{
	struct output *o = &d->ctl->out;
	char said[DOCTOR_TEXT_MAX], line[DOCTOR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(said, sizeof(said), fmt, ap);
	va_end(ap);
	output_clean(said, strlen(said), line, sizeof(line));
	if (grade == GRADE_FAIL)
		d->failed = true;
	if (d->ctl->json) {
		say_row(d, grade, mend, line);
		return;
	}
	if (o->colour)
		fputs(grades[grade].colour, o->f);
	fprintf(o->f, "%-4s", grades[grade].name);
	if (o->colour)
		fputs("\033[0m", o->f);
	output_line(o, "  %-10s  %s", d->check, line);
	if (mend != NULL)
		output_line(o, "                    %s", mend);
}

/*
 * Will the vault open by itself, and is there a second way to open it?
 */
static void
judge_slots(struct doctor *d, json_t *slots)
{
	size_t i, n = json_array_size(slots), unattended = 0;
	json_t *row;

	json_array_foreach(slots, i, row)
	{
		unattended += json_is_true(json_object_get(row, "unattended"));
	}
	if (unattended == 0)
		doctor_say(d, GRADE_WARN,
		    "vaultctl key slot add keyfile|credential",
		    "no slot is unattended: a restart at night needs a person");
	if (n == 1)
		doctor_say(d, GRADE_WARN, "vaultctl key slot add passphrase",
		    "there is one slot alone: whoever loses what opens it "
		    "loses the store");
	if (unattended > 0 && n > 1)
		doctor_say(d, GRADE_OK, NULL, "%zu, of which %zu unattended", n,
		    unattended);
}

static void
check_slots(struct doctor *d)
{
	struct vault_error error;
	struct vault_rows sink;
	struct rows rows;

	if (d->ctl->vault == NULL) {
		doctor_say(d, GRADE_OK, NULL,
		    "looked at when the vault can be reached");
		return;
	}
	rows_init(&rows);
	sink = rows_sink(&rows);
	if (vault_slots(d->ctl->vault, &sink, &error) == 0)
		judge_slots(d, rows.list);
	else if (strcmp(error.code, "denied") == 0)
		doctor_say(
		    d, GRADE_OK, NULL, "shown to who may operate the vault");
	else
		doctor_say(d, GRADE_WARN, "journalctl -u vaultd", "%s (%s)",
		    error.sentence, error.code);
	rows_free(&rows);
}

const char *
doctor_start(const struct doctor *d)
{
	if (strcmp(d->config, CONFIG) != 0)
		return "vaultd --config FILE";
	return access("/run/systemd/system", F_OK) == 0
	    ? "systemctl restart vaultd"
	    : "vaultd --config " CONFIG;
}

/*
 * "name" in the folder of "path".
 */
static char *
beside(const char *path, const char *name)
{
	const char *slash = strrchr(path, '/');
	int n = slash == NULL ? 1 : (int)(slash - path);
	char *out;

	return asprintf(&out, "%.*s/%s", n, slash == NULL ? "." : path, name) <
	        0
	    ? NULL
	    : out;
}

/*
 * Which vault is meant: that of the config, or that of the socket, which is
 * where "vaultd --dev" has its config.
 */
static int
find_config(struct doctor *d)
{
	const char *config = ctl_option(d->ctl, "config");
	const char *socket = ctl_option(d->ctl, "socket");

	if (socket == NULL)
		socket = getenv(VAULT_SOCKET_ENV);
	if (socket != NULL && socket[0] != '\0' &&
	    (d->socket = strdup(socket)) == NULL)
		return VERR_NOMEM;
	if (config != NULL)
		return (d->config = strdup(config)) == NULL ? VERR_NOMEM : 0;
	if (d->socket != NULL) {
		if ((d->config = beside(d->socket, "vaultd.conf")) == NULL)
			return VERR_NOMEM;
		if (access(d->config, F_OK) == 0)
			return 0;
		free(d->config);
	}
	return (d->config = strdup(CONFIG)) == NULL ? VERR_NOMEM : 0;
}

/*
 * What the config does not say.
 */
static int
fill_in(struct doctor *d)
{
	struct stat st;

	if (d->socket == NULL)
		d->socket = d->socket_dir == NULL
		    ? strdup(VAULT_SOCKET)
		    : (asprintf(&d->socket, "%s/vaultd.sock", d->socket_dir) < 0
		              ? NULL
		              : d->socket);
	if (d->socket != NULL && d->socket_dir == NULL)
		d->socket_dir = beside(d->socket, ".");
	if (d->state_dir == NULL)
		d->state_dir = strdup(STATE_DIR);
	if (d->key == NULL)
		d->key = beside(d->config, "key");
	if (d->policy == NULL)
		d->policy = beside(d->config, "policy.conf");
	if (d->socket == NULL || d->socket_dir == NULL ||
	    d->state_dir == NULL || d->key == NULL || d->policy == NULL)
		return VERR_NOMEM;
	if (stat(d->socket_dir, &st) == 0 || stat(d->config, &st) == 0)
		d->uid = st.st_uid;
	return 0;
}

/*
 * Ask the vault all that will be looked at.
 */
static json_t *
ask(struct doctor *d, bool profiles)
{
	static const struct vault_filter all = {0};
	struct vault_rows sink;
	struct rows rows;
	json_t *list = NULL;
	int r;

	rows_init(&rows);
	sink = rows_sink(&rows);
	r = profiles
	    ? vault_profiles(d->ctl->vault, &all, &sink, &d->ctl->error)
	    : vault_status(d->ctl->vault, &sink, &d->ctl->error);
	if (r == 0)
		list = json_incref(rows.list);
	rows_free(&rows);
	return list;
}

static void
connect_to(struct doctor *d)
{
	if (vault_open(d->socket, &d->ctl->vault, &d->ctl->error) != 0)
		return;
	d->profiles = ask(d, true);
	d->status = ask(d, false);
	d->answers =
	    d->status != NULL || strcmp(d->ctl->error.code, "denied") == 0;
}

int
cmd_doctor(struct ctl *ctl)
{
	struct doctor d = {.ctl = ctl};
	char why[DOCTOR_TEXT_MAX];
	int status = STATUS_FAILED;

	if (find_config(&d) != 0) {
		(void)ctl_failed(ctl, "%s", verr_text(VERR_NOMEM));
		goto out;
	}
	/* What is wrong with it is said by the first check. */
	(void)!doctor_read_config(&d, why);
	if (fill_in(&d) != 0) {
		(void)ctl_failed(ctl, "%s", verr_text(VERR_NOMEM));
		goto out;
	}
	connect_to(&d);
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		d.check = checks[i].name;
		checks[i].run(&d);
	}
	status = d.failed ? STATUS_FAILED : STATUS_DONE;
out:
	json_decref(d.status);
	json_decref(d.profiles);
	free(d.config);
	free(d.socket);
	free(d.socket_dir);
	free(d.state_dir);
	free(d.key);
	free(d.policy);
	free(d.socket_group);
	free(d.admin_group);
	free(d.sandbox);
	return status;
}
