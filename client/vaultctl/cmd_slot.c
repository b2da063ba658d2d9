#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "client/vaultctl/act.h"
#include "client/vaultctl/unlock.h"

#define PASSES_USUAL 3
#define MIB_USUAL    256

/* clang-format off */
static const struct column columns[] = {
	{"slot", "SLOT"},
	{"kind", "KIND"},
	{"name", "NAME"},
	{"created", "CREATED"},
	{"opslimit", "PASSES"},
	{"memlimit", "KIB"},
	{"unlocked", "UNLOCKED"},
	{"unattended", "UNATTENDED"},
};
/* clang-format on */

int
cmd_slot_list(struct ctl *ctl)
{
	struct vault_rows sink;
	struct rows rows;
	int status;

	ctl_rows(ctl, &rows);
	sink = rows_sink(&rows);
	if ((status = ctl_connect(ctl)) != STATUS_DONE)
		goto out;
	if (vault_slots(ctl->vault, &sink, &ctl->error) != 0)
		status = ctl_refused(ctl);
	else
		output_table(&ctl->out, columns,
		    sizeof(columns) / sizeof(columns[0]), rows.list);
out:
	rows_free(&rows);
	return status;
}

/* A new slot, before it is one. */
struct fresh {
	enum slot_kind kind;
	struct unlock_from from;
	bool generate;
	struct stretch stretch;
	char passes[24], memory[24];
	struct unlock unlock;
	struct act act;
};

static int
number_option(struct ctl *ctl, const char *name, uint64_t min, uint64_t max,
    uint64_t usual, uint64_t *ret)
{
	const char *text = ctl_option(ctl, name);

	*ret = usual;
	if (text != NULL &&
	    options_number(text, strlen(text), min, max, ret) != 0)
		return ctl_usage(ctl,
		    "--%s is a number from %" PRIu64 " to %" PRIu64, name, min,
		    max);
	return STATUS_DONE;
}

static int
passphrase_options(struct ctl *ctl, struct fresh *f)
{
	uint64_t mib;
	int status;

	if (f->generate)
		return ctl_usage(ctl, "--generate makes a key file");
	if ((status = number_option(ctl, "passes", ACT_OPSLIMIT_MIN,
	         ACT_OPSLIMIT_MAX, PASSES_USUAL, &f->stretch.passes)) !=
	        STATUS_DONE ||
	    (status = number_option(ctl, "memory", ACT_MEMLIMIT_MIN / 1024,
	         ACT_MEMLIMIT_MAX / 1024, MIB_USUAL, &mib)) != STATUS_DONE)
		return status;
	f->stretch.memory = mib * 1024;
	return STATUS_DONE;
}

static int
key_options(struct ctl *ctl, const struct fresh *f)
{
	if (ctl_option(ctl, "passes") != NULL ||
	    ctl_option(ctl, "memory") != NULL)
		return ctl_usage(
		    ctl, "--passes and --memory are for passphrases");
	if (f->from.file == NULL && (f->generate || !f->from.in))
		return ctl_usage(ctl,
		    "name the key file: --file FILE, which --generate makes");
	return STATUS_DONE;
}

static int
read_options(struct ctl *ctl, struct fresh *f)
{
	const char *name = ctl_option(ctl, "name");
	int status = unlock_options(ctl, &f->from);

	if (status != STATUS_DONE)
		return status;
	if (name != NULL && strlen(name) > ACT_TITLE_MAX)
		return ctl_usage(
		    ctl, "--name has at most %d bytes", ACT_TITLE_MAX);
	f->generate = ctl_option(ctl, "generate") != NULL;
	f->kind = slot_kind(ctl_word(ctl, 0));
	if (f->kind == SLOT_OTHER)
		return ctl_usage(
		    ctl, "a slot is a keyfile, a passphrase or a credential");
	return f->kind == SLOT_PASSPHRASE ? passphrase_options(ctl, f)
	                                  : key_options(ctl, f);
}

static int
take_secret(struct ctl *ctl, struct fresh *f)
{
	const struct slot key = {.kind = f->kind};

	if (f->kind == SLOT_PASSPHRASE)
		return unlock_new_passphrase(
		    ctl, &f->from, &f->stretch, &f->unlock);
	if (f->generate)
		return unlock_make_file(ctl, f->from.file, &f->unlock);
	return unlock_take(ctl, &key, &f->from, &f->unlock);
}

static void
add_stretch(struct fresh *f)
{
	snprintf(f->passes, sizeof(f->passes), "%" PRIu64, f->stretch.passes);
	snprintf(f->memory, sizeof(f->memory), "%" PRIu64, f->stretch.memory);
	act_text(&f->act, "", "opslimit", f->passes);
	act_text(&f->act, "", "memlimit", f->memory);
	act_bytes(&f->act, "", "salt", f->stretch.salt, ACT_SALT_LEN);
}

/*
 * A file that was made for a slot that there is not is of no use; one whose
 * slot there may be is not ours to remove.
 */
static void
not_added(struct ctl *ctl, const struct fresh *f)
{
	if (!f->generate || f->unlock.bytes == NULL)
		return;
	if (ctl->error.http != 0 || strcmp(ctl->error.code, "keeper-key") == 0)
		unlink(f->from.file);
	else
		output_line(&ctl->err,
		    "vaultctl: %s is kept: whether the vault has a slot for it "
		    "is not known; see \"vaultctl key slot list\"",
		    f->from.file);
}

int
cmd_slot_add(struct ctl *ctl)
{
	struct fresh f = {0};
	int status;

	if ((status = read_options(ctl, &f)) != STATUS_DONE ||
	    (status = ctl_connect(ctl)) != STATUS_DONE)
		return status;
	if (intake_guard() != 0)
		return ctl_failed(ctl, "%s", verr_text(VERR_NOMEM));
	if ((status = take_secret(ctl, &f)) == STATUS_DONE) {
		act_text(&f.act, "", "verb", "slot-add");
		act_text(&f.act, "", "kind", ctl_word(ctl, 0));
		act_text(&f.act, "", "title", ctl_option(ctl, "name"));
		if (f.kind == SLOT_PASSPHRASE)
			add_stretch(&f);
		act_bytes(&f.act, "", "unlock", f.unlock.bytes, f.unlock.n);
		status = act_send(ctl, &f.act);
	}
	if (status != STATUS_DONE)
		not_added(ctl, &f);
	unlock_free(&f.unlock);
	return status;
}

int
cmd_slot_remove(struct ctl *ctl)
{
	const char *number = ctl_word(ctl, 0);
	char question[SLOTS_NAME_MAX + 64];
	const struct slot *slot = NULL;
	struct act act = {0};
	struct slots slots;
	int status;

	if ((status = slots_ask(ctl, &slots)) != STATUS_DONE ||
	    (status = slots_find(ctl, &slots, number, strlen(number), &slot)) !=
	        STATUS_DONE)
		return status;
	snprintf(question, sizeof(question),
	    "Remove %s? What opens it will open nothing. Type yes: ",
	    slot->name);
	if ((status = ctl_confirm(ctl, question, "yes")) != STATUS_DONE)
		return status;
	act_text(&act, "", "verb", "slot-remove");
	act_text(&act, "", "slot", slot->digits);
	return act_send(ctl, &act);
}
