#include "vaultd/supervisor/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LISTEN_DIR "/run/vaultd"
#define STATE_DIR  "/var/lib/vaultd/state"
#define CA_BUNDLE  "/etc/ssl/certs/ca-certificates.crt"

enum key {
	KEY_SOCKET_DIR,
	KEY_STATE_DIR,
	KEY_KEY,
	KEY_CREDENTIAL,
	KEY_POLICY,
	KEY_CATALOG,
	KEY_CA_BUNDLE,
	KEY_SANDBOX,
	KEY_ROOM_UIDS,
	KEY_ADMIN_GROUP,
	KEY_SOCKET_GROUP,
	KEY_SOCKET_MODE,
	KEY_AUDIT,
	KEY_COUNT,
};

static const struct lex_key keys[KEY_COUNT] = {
    [KEY_SOCKET_DIR] = {"socket-dir", 1, 1, 0},
    [KEY_STATE_DIR] = {"state-dir", 1, 1, 0},
    [KEY_KEY] = {"key", 1, 1, 0},
    [KEY_CREDENTIAL] = {"credential", 1, 1, 0},
    [KEY_POLICY] = {"policy", 1, 1, 0},
    [KEY_CATALOG] = {"catalog", 1, CONFIG_CATALOGS_MAX, 0},
    [KEY_CA_BUNDLE] = {"ca-bundle", 1, 1, 0},
    [KEY_SANDBOX] = {"sandbox", 1, 1, 0},
    [KEY_ROOM_UIDS] = {"room-uids", CONFIG_UIDS, CONFIG_UIDS, 0},
    [KEY_ADMIN_GROUP] = {"admin-group", 1, 1, 0},
    [KEY_SOCKET_GROUP] = {"socket-group", 1, 1, 0},
    [KEY_SOCKET_MODE] = {"socket-mode", 1, 1, 0},
    [KEY_AUDIT] = {"audit", 0, 0, LEX_BLOCK},
};

/* What is being read, and where to say what is wrong with it. */
struct reader {
	struct lex *lex;
	struct config *c;
	struct lex_error *error;
};

static char *
path_in(const char *folder, const char *path)
{
	char *out;

	if (path[0] == '/')
		return strdup(path);
	if (strcmp(path, ".") == 0)
		return strdup(folder);
	return asprintf(&out, "%s/%s", folder, path) < 0 ? NULL : out;
}

static int
set(char **at, char *value)
{
	if (value == NULL)
		return VERR_NOMEM;
	free(*at);
	*at = value;
	return 0;
}

static int
read_path(struct reader *rd, const struct lex_word *w, char **at)
{
	return set(at, path_in(rd->c->folder, w->text));
}

static int
read_catalogs(struct reader *rd, const struct lex_statement *st)
{
	struct config *c = rd->c;
	int r = 0;

	for (size_t i = 1; i < st->count && r == 0; i++)
		r = read_path(rd, &st->words[i], &c->catalogs[c->ncatalogs++]);
	return r;
}

static int
read_uids(struct reader *rd, const struct lex_statement *st)
{
	uint64_t v;
	int r;

	for (size_t i = 0; i < CONFIG_UIDS; i++) {
		const struct lex_word *w = &st->words[i + 1];

		if ((r = lex_number(
		         rd->lex, w, 1, UINT32_MAX - 1, &v, rd->error)) != 0)
			return r;
		for (size_t j = 0; j < i; j++)
			if (rd->c->room_uids[j] == v)
				return lex_fail(rd->lex, w, rd->error,
				    "no two rooms may share a uid");
		rd->c->room_uids[i] = (uint32_t)v;
	}
	return 0;
}

static int
read_mode(struct reader *rd, const struct lex_word *w)
{
	uint32_t mode = 0;

	for (const char *p = w->text; *p != '\0'; p++) {
		if (*p < '0' || *p > '7' || w->len > 4)
			return lex_fail(rd->lex, w, rd->error,
			    "not an octal mode such as 0660");
		mode = mode * 8 + (uint32_t)(*p - '0');
	}
	if (mode & ~0666u)
		return lex_fail(rd->lex, w, rd->error,
		    "a socket is only ever readable and writable: 0660");
	rd->c->socket_mode = mode;
	return 0;
}

/*
 * The word "yes" as 1 and the word "no" as 0, whatever the two are.
 */
static int
read_choice(struct reader *rd, const struct lex_word *w, const char *yes,
    const char *no, int *ret)
{
	if (lex_is(w, yes) || (no != NULL && lex_is(w, no))) {
		*ret = lex_is(w, yes);
		return 0;
	}
	if (no == NULL)
		return lex_fail(
		    rd->lex, w, rd->error, "'%s' is the only value", yes);
	return lex_fail(rd->lex, w, rd->error, "either '%s' or '%s'", yes, no);
}

/*
 * A file's name without a folder.
 */
static int
read_name(struct reader *rd, const struct lex_word *w, char **ret)
{
	if (w->text[0] == '\0' || w->text[0] == '.' ||
	    strchr(w->text, '/') != NULL)
		return lex_fail(rd->lex, w, rd->error,
		    "the name of a file in $CREDENTIALS_DIRECTORY");
	return set(ret, strdup(w->text));
}

static int
read_audit(struct reader *rd)
{
	static const struct lex_key audit[] = {{"sync", 1, 1, 0}};
	struct lex_statement st;
	uint64_t seen = 0;
	size_t key;
	int r;

	for (;;) {
		if ((r = lex_next(rd->lex, &st, rd->error)) != 0)
			return r;
		if (st.kind == LEX_CLOSE)
			return 0;
		if ((r = lex_key(
		         rd->lex, &st, audit, 1, &seen, &key, rd->error)) != 0)
			return r;
		if ((r = read_choice(rd, &st.words[1], "every", "interval",
		         &rd->c->sync_every)) != 0)
			return r;
	}
}

static int
read_key(struct reader *rd, enum key key, const struct lex_statement *st)
{
	struct config *c = rd->c;
	const struct lex_word *w = &st->words[1];

	switch (key) {
	case KEY_SOCKET_DIR:
		return read_path(rd, w, &c->socket_dir);
	case KEY_STATE_DIR:
		return read_path(rd, w, &c->state_dir);
	case KEY_KEY:
		return read_path(rd, w, &c->key);
	case KEY_CREDENTIAL:
		return read_name(rd, w, &c->credential);
	case KEY_POLICY:
		return read_path(rd, w, &c->policy);
	case KEY_CATALOG:
		return read_catalogs(rd, st);
	case KEY_CA_BUNDLE:
		return read_path(rd, w, &c->ca_bundle);
	case KEY_SANDBOX:
		return read_choice(rd, w, "relaxed", NULL, &c->relaxed);
	case KEY_ROOM_UIDS:
		return read_uids(rd, st);
	case KEY_ADMIN_GROUP:
		return set(&c->admin_group, strdup(w->text));
	case KEY_SOCKET_GROUP:
		return set(&c->socket_group, strdup(w->text));
	case KEY_SOCKET_MODE:
		return read_mode(rd, w);
	case KEY_AUDIT:
		return read_audit(rd);
	case KEY_COUNT:
		break;
	}
	return VERR_INTERNAL;
}

static int
defaults(struct config *c, const char *folder)
{
	*c = (struct config){.folder = strdup(folder),
	    .socket_dir = strdup(LISTEN_DIR),
	    .state_dir = strdup(STATE_DIR),
	    .key = path_in(folder, "key"),
	    .policy = path_in(folder, "policy.conf"),
	    .ca_bundle = strdup(CA_BUNDLE),
	    .socket_mode = 0660,
	    .room_uids = {64901, 64902, 64903, 64904, 64905, 64906}};
	if (c->folder == NULL || c->socket_dir == NULL ||
	    c->state_dir == NULL || c->key == NULL || c->policy == NULL ||
	    c->ca_bundle == NULL)
		return VERR_NOMEM;
	return 0;
}

static int
read_statements(struct reader *rd)
{
	struct lex_statement st;
	uint64_t seen = 0;
	size_t key;
	int r;

	for (;;) {
		if ((r = lex_next(rd->lex, &st, rd->error)) != 0)
			return r;
		if (st.kind == LEX_END)
			return 0;
		if ((r = lex_key(rd->lex, &st, keys, KEY_COUNT, &seen, &key,
		         rd->error)) != 0)
			return r;
		if ((r = read_key(rd, (enum key)key, &st)) != 0)
			return r;
	}
}

static void
say_no_memory(struct lex_error *error, const char *file)
{
	(void)snprintf(error->file, sizeof(error->file), "%s", file);
	(void)snprintf(error->message, sizeof(error->message), "%s",
	    verr_text(VERR_NOMEM));
	error->source[0] = '\0';
	error->line = error->column = 1;
	error->caret = 0;
}

int
config_parse(const char *file, const char *folder, const void *text, size_t len,
    struct config *ret, struct lex_error *ret_error)
{
	struct config c;
	struct reader rd = {.c = &c, .error = ret_error};
	int r;

	if ((r = defaults(&c, folder)) != 0)
		goto out;
	if ((r = lex_new(file, text, len, &rd.lex, ret_error)) != 0)
		goto out;
	if ((r = read_statements(&rd)) != 0)
		goto out;
	*ret = c;
	c = (struct config){0};
out:
	if (r == VERR_NOMEM)
		say_no_memory(ret_error, file);
	lex_free(rd.lex);
	config_free(&c);
	return r;
}

void
config_free(struct config *c)
{
	free(c->folder);
	free(c->socket_dir);
	free(c->state_dir);
	free(c->key);
	free(c->credential);
	free(c->policy);
	free(c->ca_bundle);
	for (size_t i = 0; i < c->ncatalogs; i++)
		free(c->catalogs[i]);
	free(c->admin_group);
	free(c->socket_group);
	*c = (struct config){0};
}
