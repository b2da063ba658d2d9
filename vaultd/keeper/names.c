#include "vaultd/keeper/names.h"

#include <stdlib.h>

#define ENTRIES_MAX 65536

struct entry {
	char *name;
	uint32_t id;
	uint32_t gid;  /* of a user */
	char *members; /* of a group: "a,b" */
};

struct table {
	struct entry *entries;
	size_t n, cap;
};

struct names {
	char *passwd, *group; /* the texts, cut up in place */
	struct table users, groups;
};

static char *
copy(struct slice text)
{
	char *s = malloc(text.n + 1);

	if (s != NULL) {
		memcpy(s, text.p, text.n);
		s[text.n] = '\0';
	}
	return s;
}

/*
 * Cut the next field off *line, which ends at ':' or with the line.
 */
static char *
field(char **line)
{
	char *start = *line, *colon;

	if (start == NULL)
		return NULL;
	if ((colon = strchr(start, ':')) != NULL)
		*colon++ = '\0';
	*line = colon;
	return start;
}

static int
number(const char *text, uint32_t *ret)
{
	unsigned long v;
	char *end;

	if (text == NULL || *text < '0' || *text > '9')
		return VERR_FORMAT;
	v = strtoul(text, &end, 10);
	if (*end != '\0' || v > UINT32_MAX)
		return VERR_FORMAT;
	*ret = (uint32_t)v;
	return 0;
}

static int
table_add(struct table *t, const struct entry *e)
{
	if (t->n == ENTRIES_MAX)
		return 0;
	if (t->n == t->cap) {
		size_t cap = t->cap == 0 ? 64 : t->cap * 2;
		struct entry *p = realloc(t->entries, cap * sizeof(*p));

		if (p == NULL)
			return VERR_NOMEM;
		t->entries = p;
		t->cap = cap;
	}
	t->entries[t->n++] = *e;
	return 0;
}

/*
 * name:password:number:..., of users with the group's number fourth, of
 * groups with the members.
 */
static int
table_read(struct table *t, char *text, int users)
{
	char *next;
	int r = 0;

	for (char *line = text; line != NULL && r == 0; line = next) {
		struct entry e = {NULL, 0, 0, NULL};

		if ((next = strchr(line, '\n')) != NULL)
			*next++ = '\0';
		line += strspn(line, " \t");
		if (*line == '#')
			continue;
		e.name = field(&line);
		(void)field(&line);
		if (e.name == NULL || *e.name == '\0' ||
		    number(field(&line), &e.id) != 0)
			continue;
		if (users && number(field(&line), &e.gid) != 0)
			continue;
		if (!users)
			e.members = field(&line);
		r = table_add(t, &e);
	}
	return r;
}

int
names_new(struct slice passwd, struct slice group, struct names **ret)
{
	struct names *n = calloc(1, sizeof(*n));

	if (n == NULL)
		return VERR_NOMEM;
	if ((n->passwd = copy(passwd)) == NULL ||
	    (n->group = copy(group)) == NULL ||
	    table_read(&n->users, n->passwd, 1) != 0 ||
	    table_read(&n->groups, n->group, 0) != 0) {
		names_free(n);
		return VERR_NOMEM;
	}
	*ret = n;
	return 0;
}

void
names_free(struct names *n)
{
	if (n == NULL)
		return;
	free(n->users.entries);
	free(n->groups.entries);
	free(n->passwd);
	free(n->group);
	free(n);
}

static const struct entry *
by_name(const struct table *t, const char *name)
{
	for (size_t i = 0; i < t->n; i++)
		if (strcmp(t->entries[i].name, name) == 0)
			return &t->entries[i];
	return NULL;
}

static const char *
by_id(const struct table *t, uint32_t id)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->entries[i].id == id)
			return t->entries[i].name;
	return "";
}

static bool
ask(const struct table *t, const char *name, uint32_t *ret_id)
{
	const struct entry *e = by_name(t, name);

	if (e != NULL)
		*ret_id = e->id;
	return e != NULL;
}

static bool
ask_user(void *ctx, const char *name, uint32_t *ret_id)
{
	return ask(&((struct names *)ctx)->users, name, ret_id);
}

static bool
ask_group(void *ctx, const char *name, uint32_t *ret_id)
{
	return ask(&((struct names *)ctx)->groups, name, ret_id);
}

struct policy_names
names_for_policy(struct names *n)
{
	return (struct policy_names){ask_user, ask_group, n};
}

const char *
names_user(const struct names *n, uint32_t uid)
{
	return by_id(&n->users, uid);
}

const char *
names_group(const struct names *n, uint32_t gid)
{
	return by_id(&n->groups, gid);
}

static bool
is_member(const char *members, const char *user)
{
	size_t len = strlen(user);

	while (members != NULL && *members != '\0') {
		if (strncmp(members, user, len) == 0 &&
		    (members[len] == ',' || members[len] == '\0'))
			return true;
		if ((members = strchr(members, ',')) != NULL)
			members++;
	}
	return false;
}

int
names_principal(const struct names *n, const char *user, uint32_t *ret_uid,
    uint32_t *ret_gid, uint32_t *groups, size_t cap, size_t *ret_ngroups)
{
	const struct entry *u = by_name(&n->users, user);
	size_t count = 0;

	if (u == NULL)
		return VERR_NOTFOUND;
	for (size_t i = 0; i < n->groups.n && count < cap; i++)
		if (is_member(n->groups.entries[i].members, user))
			groups[count++] = n->groups.entries[i].id;
	*ret_uid = u->id;
	*ret_gid = u->gid;
	*ret_ngroups = count;
	return 0;
}
