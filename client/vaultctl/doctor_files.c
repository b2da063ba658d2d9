/*
 * The files of a vault: what they say, whose they are, and who can touch them.
 */
#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "client/vaultctl/doctor.h"
#include "client/vaultctl/file.h"
#include "client/vaultctl/names.h"
#include "protocol/lex.h"

#define KEY_SIZE    32
#define MIB         (1024ull * 1024)
#define ROOM_UID    64901
#define FREE_FAIL   (64 * MIB)
#define FREE_WARN   (1024 * MIB)
#define INODES_WARN 1000

/* clang-format off */
static const struct setting {
	const char *key;
	size_t at;
	bool path;
} settings[] = {
	{"socket-dir", offsetof(struct doctor, socket_dir), true},
	{"state-dir", offsetof(struct doctor, state_dir), true},
	{"key", offsetof(struct doctor, key), true},
	{"policy", offsetof(struct doctor, policy), true},
	{"socket-group", offsetof(struct doctor, socket_group), false},
	{"admin-group", offsetof(struct doctor, admin_group), false},
	{"sandbox", offsetof(struct doctor, sandbox), false},
};
/* clang-format on */

#define SETTINGS (sizeof(settings) / sizeof(settings[0]))

static int
take(struct doctor *d, const struct lex_statement *st)
{
	const char *slash = strrchr(d->config, '/'), *value;
	int folder = slash == NULL ? 1 : (int)(slash - d->config);

	for (size_t i = 0; i < SETTINGS && st->count > 1; i++) {
		char **at = (char **)((char *)d + settings[i].at);

		if (!lex_is(&st->words[0], settings[i].key) || *at != NULL)
			continue;
		value = st->words[1].text;
		if (!settings[i].path || value[0] == '/')
			*at = strdup(value);
		else if (asprintf(at, "%.*s/%s", folder,
		             slash == NULL ? "." : d->config, value) < 0)
			*at = NULL;
		return *at == NULL ? VERR_NOMEM : 0;
	}
	return 0;
}

int
doctor_read_config(struct doctor *d, char why[static DOCTOR_TEXT_MAX])
{
	struct lex_statement st;
	struct lex_error error = {0};
	struct lex *lex = NULL;
	char *text = NULL;
	size_t n, depth = 0;
	int r;

	if ((r = file_read(d->config, LEX_TEXT_MAX, &text, &n)) != 0)
		return r == VERR_IO && errno == ENOENT ? VERR_NOTFOUND : r;
	if ((r = lex_new(d->config, text, n, &lex, &error)) != 0)
		goto out;
	do {
		if ((r = lex_next(lex, &st, &error)) != 0)
			break;
		if (st.kind == LEX_STATEMENT && depth == 0)
			r = take(d, &st);
		depth += st.kind == LEX_STATEMENT && st.opens;
		depth -= st.kind == LEX_CLOSE;
	} while (r == 0 && st.kind != LEX_END);
out:
	if (r == VERR_FORMAT || r == VERR_TOOBIG)
		snprintf(why, DOCTOR_TEXT_MAX, "%s:%u:%u: %s", d->config,
		    (unsigned)error.line, (unsigned)error.column,
		    error.message);
	lex_free(lex);
	free(text);
	return r;
}

void
doctor_config(struct doctor *d)
{
	struct doctor again = {.config = d->config};
	char why[DOCTOR_TEXT_MAX] = "", mend[DOCTOR_TEXT_MAX];
	int r = doctor_read_config(&again, why);

	for (size_t i = 0; i < SETTINGS; i++)
		free(*(char **)((char *)&again + settings[i].at));
	snprintf(mend, sizeof(mend), "vaultd --check --config %s", d->config);
	if (r == VERR_NOTFOUND)
		doctor_say(d, d->answers ? GRADE_WARN : GRADE_FAIL,
		    "vaultctl doctor --config FILE, if it lies elsewhere",
		    "%s is not there", d->config);
	else if (r == VERR_FORMAT || r == VERR_TOOBIG)
		doctor_say(d, GRADE_FAIL, mend, "%s", why);
	else if (r != 0)
		doctor_say(d, GRADE_WARN, "sudo vaultctl doctor",
		    "%s cannot be read: %s", d->config, file_why(r));
	else if (d->sandbox != NULL)
		doctor_say(d, GRADE_WARN, "remove the line \"sandbox relaxed\"",
		    "%s lets vaultd run without required walls", d->config);
	else
		doctor_say(d, GRADE_OK, NULL, "%s", d->config);
}

/*
 * Whose is it, and who else can write (or, if it is secret, read) it?  Returns
 * true if that is as it has to be.
 */
static bool
check_trust(
    struct doctor *d, const char *path, const struct stat *st, bool secret)
{
	char mend[DOCTOR_TEXT_MAX];

	if (st->st_uid != 0 && st->st_uid != d->uid) {
		snprintf(mend, sizeof(mend), "chown root %s", path);
		doctor_say(d, GRADE_FAIL, mend,
		    "%s belongs to uid %u, neither root nor vaultd", path,
		    (unsigned)st->st_uid);
	} else if (secret && (st->st_mode & 077)) {
		snprintf(mend, sizeof(mend), "chmod 600 %s", path);
		doctor_say(d, GRADE_FAIL, mend,
		    "%s can be read by others: mode %04o", path,
		    (unsigned)st->st_mode & 07777);
	} else if (st->st_mode & (S_IWGRP | S_IWOTH)) {
		snprintf(mend, sizeof(mend), "chmod go-w %s", path);
		doctor_say(d, GRADE_FAIL, mend,
		    "%s can be written by others: mode %04o", path,
		    (unsigned)st->st_mode & 07777);
	} else {
		return true;
	}
	return false;
}

/*
 * Returns true if there is nothing to object to.
 */
static bool
check_file(struct doctor *d, const char *path, bool needed)
{
	struct stat st;

	if (stat(path, &st) == 0)
		return check_trust(d, path, &st, false);
	if (errno == ENOENT && !needed)
		return true;
	if (errno == ENOENT)
		doctor_say(d, GRADE_FAIL, "make one: man 5 policy.conf",
		    "%s is not there: nothing is permitted, and vaultd does "
		    "not start",
		    path);
	else
		doctor_say(d, GRADE_WARN, "sudo vaultctl doctor", "%s: %s",
		    path, strerror(errno));
	return false;
}

static bool
check_catalog(struct doctor *d, const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *e;
	bool good = true;
	char *path;

	if (dir == NULL)
		return true;
	while ((e = readdir(dir)) != NULL) {
		const char *end = strrchr(e->d_name, '.');

		if (end == NULL || strcmp(end, ".conf") != 0 ||
		    asprintf(&path, "%s/%s", folder, e->d_name) < 0)
			continue;
		good = check_file(d, path, false) && good;
		free(path);
	}
	closedir(dir);
	return good;
}

void
doctor_files(struct doctor *d)
{
	const char *slash = strrchr(d->config, '/');
	char *folder = NULL, *catalog = NULL;
	bool good;

	if (slash == NULL || slash == d->config
	        ? (folder = strdup(slash == NULL ? "." : "/")) == NULL
	        : (folder = strndup(d->config, (size_t)(slash - d->config))) ==
	            NULL)
		goto out;
	if (asprintf(&catalog, "%s/catalog.d", folder) < 0) {
		catalog = NULL;
		goto out;
	}
	if (access(folder, F_OK) != 0) {
		doctor_say(d, d->answers ? GRADE_WARN : GRADE_FAIL,
		    "make install", "%s is not there", folder);
		goto out;
	}
	good = check_file(d, folder, false);
	good = check_file(d, d->config, false) && good;
	good = check_file(d, d->policy, true) && good;
	good = check_file(d, catalog, false) && good;
	good = check_catalog(d, catalog) && good;
	if (good)
		doctor_say(d, GRADE_OK, NULL,
		    "%s: nobody else can change config, policy and catalog",
		    folder);
out:
	free(catalog);
	free(folder);
}

void
doctor_key(struct doctor *d)
{
	char mend[DOCTOR_TEXT_MAX];
	struct stat st, state;

	if (lstat(d->key, &st) != 0 && errno == ENOENT) {
		bool lost = stat(d->state_dir, &state) == 0;

		snprintf(mend, sizeof(mend),
		    lost ? "cp -p COPY %s"
		         : "(umask 077; head -c 32 /dev/urandom > %s)",
		    d->key);
		doctor_say(d, d->answers ? GRADE_WARN : GRADE_FAIL, mend,
		    lost ? "%s is not there: without it the store cannot be "
		           "read"
		         : "%s is not there",
		    d->key);
	} else if (lstat(d->key, &st) != 0) {
		doctor_say(d, GRADE_OK, NULL, "%s cannot be seen by you: %s",
		    d->key, strerror(errno));
	} else if (!S_ISREG(st.st_mode)) {
		doctor_say(d, GRADE_FAIL, "name the file itself in the config",
		    "%s is not a plain file", d->key);
	} else if (st.st_size != KEY_SIZE) {
		snprintf(mend, sizeof(mend), "cp -p COPY %s", d->key);
		doctor_say(d, GRADE_FAIL, mend,
		    "%s has %lld bytes; a key has exactly %d", d->key,
		    (long long)st.st_size, KEY_SIZE);
	} else if (check_trust(d, d->key, &st, true)) {
		doctor_say(d, GRADE_OK, NULL, "%s: %d bytes, mode %04o", d->key,
		    KEY_SIZE, (unsigned)st.st_mode & 07777);
	}
}

/*
 * The number "uid" is to be nobody's.
 */
static bool
check_number(struct doctor *d, uint32_t uid)
{
	FILE *f = fopen("/etc/passwd", "re");
	struct passwd *p = NULL;

	if (f == NULL)
		return true;
	do
		p = fgetpwent(f);
	while (p != NULL && p->pw_uid != uid);
	if (p != NULL)
		doctor_say(d, GRADE_FAIL,
		    "set room-uids in the config to numbers of nobody's",
		    "uid %u, under which a room runs, is that of user %s", uid,
		    p->pw_name);
	fclose(f);
	return p == NULL;
}

void
doctor_users(struct doctor *d)
{
	static const char *const rooms[] = {
	    "gate", "keeper", "ledger", "courier", "dialer"};
	const char *const groups[] = {d->socket_group, d->admin_group};
	bool good = true, all = true;
	char name[64], mend[DOCTOR_TEXT_MAX];
	uint32_t id;

	for (size_t i = 0; i < 2; i++) {
		if (groups[i] == NULL ||
		    names_local.group(NULL, groups[i], &id))
			continue;
		snprintf(mend, sizeof(mend), "groupadd --system %s", groups[i]);
		doctor_say(d, GRADE_FAIL, mend,
		    "the config names a group that is not in /etc/group: %s",
		    groups[i]);
		good = false;
	}
	for (size_t i = 0; d->uid == 0 && i < 5; i++) {
		snprintf(name, sizeof(name), "_vaultd-%s", rooms[i]);
		if (names_local.user(NULL, name, &id))
			continue;
		all = false;
		good = check_number(d, ROOM_UID + (uint32_t)i) && good;
	}
	if (!all)
		doctor_say(d, GRADE_WARN, "systemd-sysusers vaultd.conf",
		    "rooms without a user of their own run under numbers from "
		    "%u on",
		    ROOM_UID);
	else if (good)
		doctor_say(d, GRADE_OK, NULL, "%s",
		    d->uid == 0 ? "each room has a user of its own"
		                : "vaultd and all rooms run as one user");
}

void
doctor_state(struct doctor *d)
{
	unsigned long long left;
	struct statvfs vfs;
	char mend[DOCTOR_TEXT_MAX];
	enum grade grade;

	snprintf(mend, sizeof(mend), "install -d -m 755 $(dirname %s)",
	    d->state_dir);
	if (statvfs(d->state_dir, &vfs) != 0) {
		if (errno == ENOENT && !d->answers)
			doctor_say(d, GRADE_WARN, mend,
			    "%s is not there; vaultd makes it if its parent is",
			    d->state_dir);
		else
			doctor_say(d, GRADE_OK, NULL,
			    "%s cannot be seen by you: %s", d->state_dir,
			    strerror(errno));
		return;
	}
	left = (unsigned long long)vfs.f_bavail * vfs.f_frsize;
	grade = left < FREE_FAIL ? GRADE_FAIL
	    : left < FREE_WARN ||
	        (vfs.f_files > 0 && vfs.f_favail < INODES_WARN)
	    ? GRADE_WARN
	    : GRADE_OK;
	snprintf(mend, sizeof(mend), "df -h %s", d->state_dir);
	doctor_say(d, grade, grade == GRADE_OK ? NULL : mend,
	    "%s: %llu MiB are free%s", d->state_dir, left / MIB,
	    grade == GRADE_OK ? "" : "; when none are, requests are refused");
}
