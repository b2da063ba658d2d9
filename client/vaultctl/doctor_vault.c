/*
 * The vault as a client meets it: its socket, its key, its rooms, and the
 * profiles that it will not use, or not for long.
 */
#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "client/vaultctl/date.h"
#include "client/vaultctl/doctor.h"

#define SOON_MS (14LL * 24 * 60 * 60 * 1000)

/* clang-format off */
static const struct {
	const char *wall, *mend;
} walls[] = {
	{"memfd-secret", "add secretmem.enable=1 to the kernel's command line"},
	{"landlock", "add lsm=landlock,... to the kernel's command line"},
	{"namespaces", "start vaultd as root, with CAP_SYS_ADMIN"},
	{"own-uid", "start vaultd as root"},
	{"locked-memory", "LimitMEMLOCK=64M in vaultd.service"},
	{"landlock-net", "a kernel from 6.7 on"},
	{"landlock-scope", "a kernel from 6.12 on"},
	{"peer-pidfd", "a kernel from 6.5 on"},
};

static const struct {
	const char *state;
	enum grade grade;
	const char *mend;
} states[] = {
	{"ready", GRADE_OK, NULL},
	{"sealed", GRADE_FAIL, "vaultctl unseal"},
};

static const struct {
	const char *status, *mend;
} statuses[] = {
	{"pending", "vaultctl profile verify"},
	{"degraded", "vaultctl profile verify"},
	{"disabled", "vaultctl profile enable"},
};
/* clang-format on */

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void
name_group(uint32_t gid, char *name, size_t size)
{
	FILE *f = fopen("/etc/group", "re");
	struct group *g = NULL;

	snprintf(name, size, "%u", gid);
	if (f == NULL)
		return;
	do
		g = fgetgrent(f);
	while (g != NULL && g->gr_gid != gid);
	if (g != NULL)
		snprintf(name, size, "%s", g->gr_name);
	fclose(f);
}

/*
 * It is a socket at its place.  May the caller connect?
 */
static void
check_socket(struct doctor *d, const struct stat *st)
{
	unsigned mode = (unsigned)st->st_mode & 0777;
	char group[64], mend[DOCTOR_TEXT_MAX];

	name_group(st->st_gid, group, sizeof(group));
	if (st->st_uid != 0 && st->st_uid != d->uid) {
		doctor_say(d, GRADE_FAIL, doctor_start(d),
		    "%s belongs to uid %u, who is not vaultd", d->socket,
		    (unsigned)st->st_uid);
	} else if (access(d->socket, W_OK) == 0) {
		doctor_say(d, GRADE_OK, NULL, "%s: mode %04o, group %s",
		    d->socket, mode, group);
	} else if (errno == EACCES && (mode & S_IWGRP)) {
		snprintf(mend, sizeof(mend),
		    "usermod -aG %s USER, and log in again", group);
		doctor_say(d, GRADE_FAIL, mend,
		    "%s is for members of the group %s, and you are none",
		    d->socket, group);
	} else {
		doctor_say(d, GRADE_FAIL,
		    "set socket-group and socket-mode 0660 in the config",
		    "%s: mode %04o, group %s: you may not connect", d->socket,
		    mode, group);
	}
}

void
doctor_socket(struct doctor *d)
{
	char mend[DOCTOR_TEXT_MAX];
	struct stat st;

	if (stat(d->socket_dir, &st) == 0 &&
	    (st.st_mode & (S_IWGRP | S_IWOTH))) {
		snprintf(mend, sizeof(mend), "chmod go-w %s", d->socket_dir);
		doctor_say(d, GRADE_FAIL, mend,
		    "%s can be written by others, who could put a socket of "
		    "theirs there",
		    d->socket_dir);
	}
	if (lstat(d->socket, &st) != 0)
		doctor_say(d, GRADE_FAIL, doctor_start(d), "%s: %s", d->socket,
		    errno == ENOENT ? "no vault has its socket there"
		                    : strerror(errno));
	else if (!S_ISSOCK(st.st_mode))
		doctor_say(d, GRADE_FAIL, "move it away", "%s is not a socket",
		    d->socket);
	else
		check_socket(d, &st);
}

void
doctor_keeper_key(struct doctor *d)
{
	struct vault_error error;
	uint8_t key[VAULT_KEY_LEN];

	if (d->ctl->vault == NULL)
		doctor_say(d, GRADE_OK, NULL,
		    "looked at when the vault can be reached");
	else if (vault_keeper_key(d->ctl->vault, key, &error) != 0)
		doctor_say(
		    d, GRADE_FAIL, doctor_start(d), "%s", error.sentence);
	else
		doctor_say(d, GRADE_OK, NULL, "%s/keeper.pub", d->socket_dir);
}

static json_t *
find_vault(const struct doctor *d)
{
	const char *kind;
	json_t *row;
	size_t i;

	json_array_foreach(d->status, i, row)
	{
		kind = json_string_value(json_object_get(row, "kind"));
		if (kind != NULL && strcmp(kind, "vault") == 0)
			return row;
	}
	return NULL;
}

void
doctor_vault(struct doctor *d)
{
	const struct vault_error *e = &d->ctl->error;
	const char *state;

	if (!d->answers) {
		doctor_say(d, GRADE_FAIL,
		    d->ctl->vault == NULL ? doctor_start(d)
		                          : "journalctl -u vaultd",
		    "%s (%s)", e->sentence, e->code);
		return;
	}
	if (d->status == NULL) {
		doctor_say(d, GRADE_OK, NULL,
		    "answers; no permit lets you read its status");
		return;
	}
	state = json_string_value(json_object_get(find_vault(d), "state"));
	for (size_t i = 0; i < COUNT(states); i++)
		if (state != NULL && strcmp(state, states[i].state) == 0) {
			doctor_say(d, states[i].grade, states[i].mend,
			    "the vault is %s", state);
			return;
		}
	doctor_say(d, GRADE_WARN, "journalctl -u vaultd", "the vault is %s",
	    state != NULL ? state : "in no known state");
}

/*
 * Does any room lack the wall?  Its name goes into "room".
 */
static bool
is_absent(const struct doctor *d, const char *wall, const char **ret_room)
{
	json_t *row, *absent;
	size_t i, j;

	json_array_foreach(d->status, i, row)
	{
		json_array_foreach(json_object_get(row, "absent"), j, absent)
		{
			const char *name = json_string_value(absent);

			if (name == NULL || strcmp(name, wall) != 0)
				continue;
			*ret_room =
			    json_string_value(json_object_get(row, "room"));
			return *ret_room != NULL;
		}
	}
	return false;
}

void
doctor_walls(struct doctor *d)
{
	const char *room;
	bool all = true;

	for (size_t i = 0; i < COUNT(walls); i++) {
		if (!is_absent(d, walls[i].wall, &room))
			continue;
		doctor_say(d, GRADE_WARN, walls[i].mend,
		    "the %s runs without the wall %s", room, walls[i].wall);
		all = false;
	}
	if (d->status == NULL)
		doctor_say(d, GRADE_OK, NULL,
		    "shown to who may read the vault's status");
	else if (all)
		doctor_say(
		    d, GRADE_OK, NULL, "every room has all of its walls");
}

/*
 * Returns true if there is nothing to object to.
 */
static bool
check_expiry(struct doctor *d, const char *name, const char *expires)
{
	char mend[DOCTOR_TEXT_MAX];
	struct timespec ts;
	int64_t at, now;

	if (expires == NULL || date_parse(expires, true, &at) != 0 ||
	    clock_gettime(CLOCK_REALTIME, &ts) != 0)
		return true;
	now = (int64_t)ts.tv_sec * 1000;
	if (at - now > SOON_MS)
		return true;
	snprintf(mend, sizeof(mend), "vaultctl rotate %s", name);
	doctor_say(d, at <= now ? GRADE_FAIL : GRADE_WARN, mend,
	    "the credential of %s %s %s", name,
	    at <= now ? "has expired:" : "expires soon:", expires);
	return false;
}

static bool
check_status(struct doctor *d, const char *name, const char *status)
{
	char mend[DOCTOR_TEXT_MAX];

	for (size_t i = 0; status != NULL && i < COUNT(statuses); i++) {
		if (strcmp(status, statuses[i].status) != 0)
			continue;
		snprintf(mend, sizeof(mend), "%s %s", statuses[i].mend, name);
		doctor_say(
		    d, GRADE_WARN, mend, "the profile %s is %s", name, status);
		return false;
	}
	return true;
}

void
doctor_profiles(struct doctor *d)
{
	bool good = true;
	json_t *row;
	size_t i;

	json_array_foreach(d->profiles, i, row)
	{
		const char *name =
		    json_string_value(json_object_get(row, "profile"));

		if (name == NULL)
			continue;
		good = check_status(d, name,
		           json_string_value(json_object_get(row, "status"))) &&
		    good;
		good =
		    check_expiry(d, name,
		        json_string_value(json_object_get(row, "expires"))) &&
		    good;
	}
	if (good)
		doctor_say(d, GRADE_OK, NULL, "%zu that you may read, all well",
		    json_array_size(d->profiles));
}
