#include <string.h>

#include "client/vaultctl/act.h"

/*
 * A change: what is known of profile and system, and the act that comes of it.
 */
struct change {
	struct rows profile, system;
	struct intake intake;
	struct act act;
};

static void
change_init(struct change *c)
{
	memset(c, 0, sizeof(*c));
	rows_init(&c->profile);
	rows_init(&c->system);
}

static void
change_free(struct change *c)
{
	intake_free(&c->intake);
	act_free(&c->act);
	rows_free(&c->profile);
	rows_free(&c->system);
}

static json_t *
only_row(const struct rows *rows)
{
	return json_array_get(rows->list, 0);
}

static const char *
text_of(json_t *row, const char *key)
{
	return json_string_value(json_object_get(row, key));
}

static int
ask_system(struct ctl *ctl, const char *system, struct change *c)
{
	struct vault_rows sink = rows_sink(&c->system);
	int status = ctl_connect(ctl);

	if (status != STATUS_DONE)
		return status;
	if (vault_catalog(ctl->vault, system, &sink, &ctl->error) != 0)
		return ctl_refused(ctl);
	if (c->system.count != 1)
		return ctl_none(ctl, "system");
	return STATUS_DONE;
}

/*
 * Ask for the profile, and then for its system.
 */
static int
ask_profile(struct ctl *ctl, struct change *c)
{
	const struct vault_filter filter = {.profile = ctl_word(ctl, 0)};
	struct vault_rows sink = rows_sink(&c->profile);
	const char *system;
	int status = ctl_connect(ctl);

	if (status != STATUS_DONE)
		return status;
	if (vault_profiles(ctl->vault, &filter, &sink, &ctl->error) != 0)
		return ctl_refused(ctl);
	if (c->profile.count != 1 ||
	    (system = text_of(only_row(&c->profile), "system")) == NULL)
		return ctl_none(ctl, "profile");
	return ask_system(ctl, system, c);
}

/*
 * The credential of this kind, or the system's first.
 */
static json_t *
find_credential(json_t *system, const char *kind)
{
	json_t *list = json_object_get(system, "credentials"), *item;
	const char *its;
	size_t i;

	json_array_foreach(list, i, item)
	{
		its = text_of(item, "kind");
		if (its != NULL && (kind == NULL || strcmp(its, kind) == 0))
			return item;
	}
	return NULL;
}

static int
add_generate(struct ctl *ctl, struct act *act)
{
	if (ctl_option(ctl, "stdin") != NULL || ctl_option(ctl, "file") != NULL)
		return ctl_usage(ctl,
		    "--generate makes the key; --stdin and --file give one");
	act_text(act, "", "generate", "1");
	act_text(act, "", "alg", ctl_option(ctl, "alg"));
	act_text(act, "", "bits", ctl_option(ctl, "bits"));
	return STATUS_DONE;
}

static int
add_credential(struct ctl *ctl, struct change *c, const char *kind)
{
	json_t *credential = find_credential(only_row(&c->system), kind);
	int status, r;

	if (credential == NULL)
		return ctl_usage(ctl,
		    "the system takes no such kind of "
		    "credential; \"vaultctl catalog show %s\" lists them",
		    text_of(only_row(&c->system), "system"));
	act_text(&c->act, "", "credential", text_of(credential, "kind"));
	if (ctl_option(ctl, "generate") != NULL)
		return add_generate(ctl, &c->act);
	if ((r = intake_init(&c->intake, credential)) != 0)
		return ctl_failed(
		    ctl, "the fields of the credential: %s", verr_text(r));
	c->intake.key = strcmp(text_of(credential, "kind"), "jwt") == 0;
	if ((status = intake_take(ctl, &c->intake)) != STATUS_DONE)
		return status;
	act_intake(&c->act, &c->intake);
	return STATUS_DONE;
}

static int
begin(struct ctl *ctl, struct change *c, const char *verb)
{
	const char *profile = ctl_word(ctl, 0);

	act_text(&c->act, "", "verb", verb);
	act_text(&c->act, "", "profile", profile);
	return ctl_check_profile(ctl, profile);
}

int
cmd_profile_add(struct ctl *ctl)
{
	const char *system = ctl_option(ctl, "system");
	struct change c;
	int status;

	change_init(&c);
	if ((status = begin(ctl, &c, "add")) != STATUS_DONE)
		goto out;
	if (system == NULL) {
		status = ctl_usage(ctl,
		    "--system is missing; \"vaultctl "
		    "catalog list\" lists the systems");
		goto out;
	}
	act_text(&c.act, "", "system", system);
	if ((status = act_options(ctl, &c.act)) != STATUS_DONE ||
	    (status = ask_system(ctl, system, &c)) != STATUS_DONE ||
	    (status = act_settings(ctl, &c.act, only_row(&c.system), true)) !=
	        STATUS_DONE ||
	    (status = add_credential(ctl, &c, ctl_option(ctl, "credential"))) !=
	        STATUS_DONE)
		goto out;
	status = act_send(ctl, &c.act);
out:
	change_free(&c);
	return status;
}

static bool
gives_credential(struct ctl *ctl)
{
	return ctl_option(ctl, "stdin") != NULL ||
	    ctl_option(ctl, "file") != NULL ||
	    ctl_option(ctl, "generate") != NULL;
}

/*
 * Where a credential goes changes only with the whole credential.
 */
static int
set_link(struct ctl *ctl, struct change *c)
{
	const char *kind = ctl_option(ctl, "credential");
	int status;

	if (ctl_option(ctl, "set") == NULL && kind == NULL &&
	    !gives_credential(ctl))
		return STATUS_DONE;
	if ((status = ask_profile(ctl, c)) != STATUS_DONE ||
	    (status = act_settings(
	         ctl, &c->act, only_row(&c->system), false)) != STATUS_DONE)
		return status;
	if (!c->act.sealed && kind == NULL && !gives_credential(ctl))
		return STATUS_DONE;
	if (kind == NULL)
		kind = text_of(only_row(&c->profile), "credential");
	return add_credential(ctl, c, kind);
}

int
cmd_profile_set(struct ctl *ctl)
{
	struct change c;
	size_t before;
	int status;

	change_init(&c);
	if ((status = begin(ctl, &c, "set")) != STATUS_DONE)
		goto out;
	before = c.act.n;
	if ((status = act_options(ctl, &c.act)) != STATUS_DONE ||
	    (status = set_link(ctl, &c)) != STATUS_DONE)
		goto out;
	if (c.act.n == before)
		status = ctl_usage(ctl, "there is nothing to change");
	else
		status = act_send(ctl, &c.act);
out:
	change_free(&c);
	return status;
}

/*
 * An act that needs nothing but the profile's name.
 */
static int
change_status(struct ctl *ctl, const char *verb)
{
	struct change c;
	int status;

	change_init(&c);
	if ((status = begin(ctl, &c, verb)) == STATUS_DONE)
		status = act_send(ctl, &c.act);
	change_free(&c);
	return status;
}

/*
 * Which of the ways of rotating it is: the act's verb.
 */
static const char *
rotate_verb(struct ctl *ctl)
{
	static const char *const ways[] = {"stage", "activate", "abort"};
	const char *verb = "rotate";
	size_t n = 0;

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (ctl_option(ctl, ways[i]) != NULL) {
			verb = ways[i];
			n++;
		}
	return n > 1 ? NULL : verb;
}

/*
 * The public half of what was staged, for whoever has to tell the upstream.
 */
static int
show_staged(struct ctl *ctl)
{
	struct rows rows;
	struct vault_rows sink;
	int status = STATUS_DONE;

	rows_init(&rows);
	sink = rows_sink(&rows);
	if (vault_pubkey(ctl->vault, ctl_word(ctl, 0), "pem", 1, &sink,
	        &ctl->error) != 0)
		status = ctl_refused(ctl);
	else if (!ctl->json)
		fputs(text_of(only_row(&rows), "text"), ctl->out.f);
	rows_free(&rows);
	return status;
}

int
cmd_rotate(struct ctl *ctl)
{
	const char *verb = rotate_verb(ctl);
	struct change c;
	int status;

	if (verb == NULL)
		return ctl_usage(
		    ctl, "--stage, --activate and --abort are alternatives");
	if (verb[0] == 'a')
		return change_status(ctl, verb);
	change_init(&c);
	if ((status = begin(ctl, &c, verb)) != STATUS_DONE ||
	    (status = act_options(ctl, &c.act)) != STATUS_DONE ||
	    (status = ask_profile(ctl, &c)) != STATUS_DONE ||
	    (status = add_credential(ctl, &c,
	         text_of(only_row(&c.profile), "credential"))) != STATUS_DONE)
		goto out;
	status = act_send(ctl, &c.act);
	if (status == STATUS_DONE && strcmp(verb, "stage") == 0)
		status = show_staged(ctl);
out:
	change_free(&c);
	return status;
}

int
cmd_profile_verify(struct ctl *ctl)
{
	return change_status(ctl, "verify");
}

int
cmd_profile_enable(struct ctl *ctl)
{
	return change_status(ctl, "enable");
}

int
cmd_profile_disable(struct ctl *ctl)
{
	return change_status(ctl, "disable");
}

int
cmd_profile_remove(struct ctl *ctl)
{
	return change_status(ctl, "remove");
}
