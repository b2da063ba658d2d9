#include "vaultd/supervisor/texts.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vaultd/base/channel.h"
#include "vaultd/supervisor/load.h"
#include "vaultd/supervisor/notify.h"
#include "vaultd/supervisor/say.h"
#include "vaultd/supervisor/supervisor.h"

#define CATALOG_D "/etc/vaultd/catalog.d"
#define CHUNK     32768

struct names {
	size_t count;
	char *name[TEXTS_MAX];
};

void
texts_free(struct text_set *set)
{
	for (size_t i = 0; i < set->count; i++) {
		free(set->text[i].name);
		free(set->text[i].p);
	}
	free(set->text);
	*set = (struct text_set){0};
}

static int
add(struct text_set *set, enum text_kind kind, const char *path,
    enum file_trust trust, char why[WHY_MAX])
{
	struct text t = {.kind = kind};
	int r;

	if (set->count == TEXTS_MAX) {
		(void)snprintf(why, WHY_MAX, "more than %d files", TEXTS_MAX);
		return VERR_TOOBIG;
	}
	if ((t.name = strdup(path)) == NULL)
		return VERR_NOMEM;
	if ((r = file_read(path, trust, &t.p, &t.n, why)) != 0) {
		free(t.name);
		return r;
	}
	set->text[set->count++] = t;
	return 0;
}

/*
 * Is "name" that of a file that is meant?  Editors leave others about.
 */
static int
is_entry(const char *name)
{
	static const char ok[] = "abcdefghijklmnopqrstuvwxyz"
	                         "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	size_t n = strlen(name);

	return name[0] != '.' && strspn(name, ok) == n && n > 5 &&
	    strcmp(name + n - 5, ".conf") == 0;
}

/*
 * Keep the names sorted.  Not qsort(3): it may ask for the size of the
 * machine's memory, a call that the walls do not have.
 */
static int
insert_name(struct names *names, const char *name)
{
	size_t i = names->count;
	char *copy;

	if (i == TEXTS_MAX || (copy = strdup(name)) == NULL)
		return VERR_NOMEM;
	for (; i > 0 && strcmp(names->name[i - 1], copy) > 0; i--)
		names->name[i] = names->name[i - 1];
	names->name[i] = copy;
	names->count++;
	return 0;
}

static int
list_folder(const char *folder, struct names *names, char why[WHY_MAX])
{
	struct dirent *entry;
	DIR *dir;
	int r = 0;

	if ((dir = opendir(folder)) == NULL) {
		(void)snprintf(why, WHY_MAX, "%s: %s", folder, strerror(errno));
		return errno == ENOENT ? VERR_NOTFOUND : VERR_IO;
	}
	while (r == 0 && (entry = readdir(dir)) != NULL)
		if (is_entry(entry->d_name))
			r = insert_name(names, entry->d_name);
	(void)closedir(dir);
	if (r != 0)
		(void)snprintf(why, WHY_MAX, "%s: too many files", folder);
	return r;
}

static int
add_catalog(struct text_set *set, const char *folder, enum file_trust trust,
    char why[WHY_MAX])
{
	struct names names = {0};
	char *path;
	int r;

	r = list_folder(folder, &names, why);
	for (size_t i = 0; i < names.count; i++) {
		if (r == 0 &&
		    asprintf(&path, "%s/%s", folder, names.name[i]) < 0)
			r = VERR_NOMEM;
		if (r == 0) {
			r = add(set, TEXT_CATALOG, path, trust, why);
			free(path);
		}
		free(names.name[i]);
	}
	return r;
}

static int
read_set(struct text_set *set, const struct config *c, const char *catalog,
    char why[WHY_MAX])
{
	int r;

	if ((r = add(set, TEXT_PASSWD, "/etc/passwd", TRUST_ANY, why)) != 0)
		return r;
	if ((r = add(set, TEXT_GROUP, "/etc/group", TRUST_ANY, why)) != 0)
		return r;
	/* Built with vaultd, and as much to be trusted as its program is. */
	r = add_catalog(set, catalog, TRUST_ANY, why);
	if (r != 0 && r != VERR_NOTFOUND)
		return r;
	r = add_catalog(set, CATALOG_D, TRUST_CONFIG, why);
	if (r != 0 && r != VERR_NOTFOUND)
		return r;
	for (size_t i = 0; i < c->ncatalogs; i++)
		if ((r = add_catalog(set, c->catalogs[i], TRUST_CONFIG, why)) !=
		    0)
			return r;
	return add(set, TEXT_POLICY, c->policy, TRUST_CONFIG, why);
}

int
texts_read(struct text_set *ret, const struct config *c, const char *catalog,
    char why[WHY_MAX])
{
	struct text_set set = {0};
	int r = VERR_NOMEM;

	(void)snprintf(why, WHY_MAX, "%s", verr_text(VERR_NOMEM));
	if ((set.text = calloc(TEXTS_MAX, sizeof(*set.text))) == NULL)
		return r;
	if ((r = read_set(&set, c, catalog, why)) == 0)
		*ret = set;
	else
		texts_free(&set);
	return r;
}

static void
send_text(struct channel *ch, const struct text *t)
{
	size_t off = 0;

	do {
		size_t n = t->n - off < CHUNK ? t->n - off : CHUNK;

		channel_say(ch, TEXT, .kind = t->kind,
		    .name = slice_str(t->name), .offset = off, .total = t->n,
		    .bytes = slice_of(t->p + off, n));
		off += n;
	} while (off < t->n);
}

static void
send_set(struct supervisor *s, const struct text_set *set)
{
	for (size_t i = 0; i < set->count; i++)
		send_text(s->keeper->ch, &set->text[i]);
	channel_say(s->keeper->ch, TEXTS_END, .set = set->number);
}

void
texts_offer(struct supervisor *s, struct text_set *set)
{
	struct texts *t = &s->texts;

	texts_free(&t->offered);
	t->offered = *set;
	t->offered.number = ++t->last;
	*set = (struct text_set){0};
	if (s->keeper != NULL && s->keeper->ch != NULL)
		send_set(s, &t->offered);
}

void
texts_to_new_keeper(struct supervisor *s)
{
	struct texts *t = &s->texts;

	/* An offer that a keeper died over is not made to the next. */
	if (t->accepted.number != 0) {
		texts_free(&t->offered);
		send_set(s, &t->accepted);
	} else if (t->offered.number != 0) {
		send_set(s, &t->offered);
	}
}

static void
say_refusal(const struct rec_TEXTS_DONE *m)
{
	if (m->sentence.n > 0)
		say_text(SAY_VAULTD, LOG_ERR, m->sentence);
	else
		say(LOG_ERR, "policy or catalog: %s",
		    verr_text((int)-m->error));
}

static void
offer_settled(struct supervisor *s, const struct rec_TEXTS_DONE *m)
{
	struct texts *t = &s->texts;
	int first = t->accepted.number == 0;

	if (m->error == 0) {
		texts_free(&t->accepted);
		t->accepted = t->offered;
		t->offered = (struct text_set){0};
		if (!first)
			say(LOG_INFO, "policy and catalog reloaded");
	} else {
		say_refusal(m);
		texts_free(&t->offered);
		if (first) {
			supervisor_stop(
			    s, VAULTD_CONFIG, "policy or catalog is not good");
			return;
		}
		say(LOG_ERR,
		    "not reloaded: the old policy and catalog stay "
		    "in force");
	}
	if (!first)
		notify_send("READY=1");
	if (t->again) {
		t->again = 0;
		texts_reload(s);
	}
}

int
texts_answered(struct supervisor *s, const struct rec_TEXTS_DONE *m)
{
	struct texts *t = &s->texts;

	if (t->offered.number != 0 && m->set == t->offered.number) {
		offer_settled(s, m);
		return 0;
	}
	if (m->set == 0 || m->set != t->accepted.number)
		return VERR_FORBIDDEN;
	if (m->error != 0) {
		say_refusal(m);
		supervisor_stop(s, VAULTD_REFUSED,
		    "the keeper refuses what the last one accepted");
	}
	return 0;
}

static void
not_reloaded(const char *why)
{
	say_text(SAY_VAULTD, LOG_ERR, slice_str(why));
	say(LOG_ERR, "not reloaded: the old policy and catalog stay in force");
	notify_send("READY=1");
}

/*
 * Of a config that is read again, what the walls let this process follow.
 */
static void
take_over(struct config *c, struct config *fresh)
{
	char *policy = c->policy;

	c->policy = fresh->policy;
	fresh->policy = policy;
	for (size_t i = 0; i < CONFIG_CATALOGS_MAX; i++) {
		char *folder = c->catalogs[i];

		c->catalogs[i] = fresh->catalogs[i];
		fresh->catalogs[i] = folder;
	}
	size_t n = c->ncatalogs;

	c->ncatalogs = fresh->ncatalogs;
	fresh->ncatalogs = n;
}

void
texts_reload(struct supervisor *s)
{
	struct text_set set = {0};
	struct config fresh;
	char why[WHY_MAX];

	if (s->texts.offered.number != 0) {
		s->texts.again = 1;
		return;
	}
	notify_reloading();
	if (load_config(s->config_file, s->config.folder, &fresh, why) != 0) {
		not_reloaded(why);
		return;
	}
	if (texts_read(&set, &fresh, s->catalog, why) == 0) {
		take_over(&s->config, &fresh);
		texts_offer(s, &set);
	} else {
		not_reloaded(why);
	}
	config_free(&fresh);
}
