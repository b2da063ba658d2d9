#include <string.h>

#include "client/vaultctl/act.h"
#include "client/vaultctl/job.h"
#include "client/vaultctl/unlock.h"
#include "policy/origin.h"

/* What becomes of each slot of slots, by its place there. */
struct rotation {
	struct slots slots;
	bool drop[SLOTS_MAX];
	const char *file[SLOTS_MAX]; /* that opens it */
	struct unlock unlock[SLOTS_MAX];
	struct act act;
};

_Static_assert(SLOTS_MAX + 1 <= ACT_PAIRS_MAX, "one pair a slot, and the verb");

static int
take_drops(struct ctl *ctl, struct rotation *r)
{
	const struct slot *slot;
	const char *text;
	size_t at = 0;
	int status;

	while ((text = options_next(&ctl->options, "drop-slot", &at)) != NULL) {
		status = slots_find(ctl, &r->slots, text, strlen(text), &slot);
		if (status != STATUS_DONE)
			return status;
		r->drop[slot - r->slots.slot] = true;
	}
	for (size_t i = 0; i < r->slots.n; i++)
		if (!r->drop[i])
			return STATUS_DONE;
	return ctl_usage(ctl, "one key slot at least has to stay");
}

static int
take_files(struct ctl *ctl, struct rotation *r)
{
	const struct slot *slot;
	const char *text, *file;
	size_t at = 0, i;
	int status;

	while ((text = options_next(&ctl->options, "slot-file", &at)) != NULL) {
		file = strchr(text, '=');
		if (file == NULL || file[1] == '\0')
			return ctl_usage(ctl, "--slot-file takes N=FILE");
		status = slots_find(
		    ctl, &r->slots, text, (size_t)(file - text), &slot);
		if (status != STATUS_DONE)
			return status;
		i = (size_t)(slot - r->slots.slot);
		if (r->drop[i] || r->file[i] != NULL || slot->unlocked)
			return ctl_usage(ctl, "%s: %s", slot->name,
			    r->drop[i]           ? "it is to be dropped"
			        : slot->unlocked ? "the vault can open it by "
			                           "itself, it needs no file"
			                         : "it is given twice");
		r->file[i] = file + 1;
	}
	return STATUS_DONE;
}

/*
 * Have what opens each slot that stays and that the vault cannot open.
 */
static int
take_unlocks(struct ctl *ctl, struct rotation *r)
{
	int status;

	for (size_t i = 0; i < r->slots.n; i++) {
		const struct slot *slot = &r->slots.slot[i];
		const struct unlock_from from = {r->file[i], false};

		if (r->drop[i]) {
			act_text(&r->act, ACT_DROP, slot->digits, "1");
			continue;
		}
		if (slot->unlocked)
			continue;
		if (slot->kind != SLOT_PASSPHRASE && from.file == NULL)
			return ctl_usage(ctl,
			    "%s has to be opened: --slot-file %s=FILE, or "
			    "leave "
			    "it behind by --drop-slot %s",
			    slot->name, slot->digits, slot->digits);
		status = unlock_take(ctl, slot, &from, &r->unlock[i]);
		if (status != STATUS_DONE)
			return status;
		act_bytes(&r->act, ACT_UNLOCK, slot->digits, r->unlock[i].bytes,
		    r->unlock[i].n);
	}
	return STATUS_DONE;
}

static int
send_and_follow(struct ctl *ctl, const struct act *act, const char *job,
    const char *customer)
{
	int status = act_send(ctl, act);

	if (status != STATUS_DONE || ctl_option(ctl, "no-wait") != NULL)
		return status;
	return job_follow(ctl, job, customer);
}

static int
rotate_root(struct ctl *ctl)
{
	struct rotation r = {0};
	int status;

	act_text(&r.act, "", "verb", "rotate-root");
	if ((status = slots_ask(ctl, &r.slots)) != STATUS_DONE ||
	    (status = take_drops(ctl, &r)) != STATUS_DONE ||
	    (status = take_files(ctl, &r)) != STATUS_DONE)
		return status;
	if (intake_guard() != 0)
		return ctl_failed(ctl, "%s", verr_text(VERR_NOMEM));
	if ((status = take_unlocks(ctl, &r)) == STATUS_DONE)
		status = send_and_follow(ctl, &r.act, "rotate-root", NULL);
	for (size_t i = 0; i < r.slots.n; i++)
		unlock_free(&r.unlock[i]);
	return status;
}

static int
check_customer(struct ctl *ctl, const char *customer)
{
	if (profile_id_valid(customer, strlen(customer)))
		return STATUS_DONE;
	return ctl_usage(
	    ctl, "a customer's name has lower-case letters, digits and '-'");
}

static int
act_on_customer(struct ctl *ctl, const char *verb, const char *customer)
{
	struct act act = {0};

	act_text(&act, "", "verb", verb);
	act_text(&act, "", "customer", customer);
	return send_and_follow(ctl, &act, verb, customer);
}

int
cmd_key_rotate(struct ctl *ctl)
{
	const char *customer = ctl_option(ctl, "customer");
	bool root = ctl_option(ctl, "root") != NULL;
	int status;

	if (root == (customer != NULL))
		return ctl_usage(
		    ctl, "which key? --root, or --customer CUSTOMER");
	if (root)
		return rotate_root(ctl);
	if (ctl_option(ctl, "drop-slot") != NULL ||
	    ctl_option(ctl, "slot-file") != NULL)
		return ctl_usage(
		    ctl, "--drop-slot and --slot-file go with --root");
	if ((status = check_customer(ctl, customer)) != STATUS_DONE)
		return status;
	return act_on_customer(ctl, "rotate-customer", customer);
}

int
cmd_key_destroy(struct ctl *ctl)
{
	const char *customer = ctl_option(ctl, "customer");
	char question[PROFILE_ID_MAX + 128];
	int status;

	if (customer == NULL)
		return ctl_usage(ctl, "whose key? --customer CUSTOMER");
	if ((status = check_customer(ctl, customer)) != STATUS_DONE)
		return status;
	snprintf(question, sizeof(question),
	    "All profiles and credentials of %s will be lost for good. Type "
	    "its name: ",
	    customer);
	if ((status = ctl_confirm(ctl, question, customer)) != STATUS_DONE)
		return status;
	return act_on_customer(ctl, "destroy-customer", customer);
}
