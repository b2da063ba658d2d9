#include <string.h>

#include "client/vaultctl/act.h"
#include "client/vaultctl/unlock.h"

int
cmd_seal(struct ctl *ctl)
{
	struct act act = {0};

	act_text(&act, "", "verb", "seal");
	return act_send(ctl, &act);
}

/*
 * The only slot of the kind that was given: a key in a file, or a passphrase.
 */
static int
pick(struct ctl *ctl, const struct slots *slots, bool key,
    const struct slot **ret)
{
	const struct slot *found = NULL;
	size_t n = 0;

	for (size_t i = 0; i < slots->n; i++) {
		enum slot_kind kind = slots->slot[i].kind;

		if (key ? kind == SLOT_KEYFILE || kind == SLOT_CREDENTIAL
		        : kind == SLOT_PASSPHRASE) {
			found = &slots->slot[i];
			n++;
		}
	}
	if (n == 1) {
		*ret = found;
		return STATUS_DONE;
	}
	if (n == 0)
		return ctl_usage(ctl,
		    key ? "no key slot is opened by a file"
		        : "no key slot is opened by a passphrase: --file FILE "
		          "names a key file");
	return ctl_usage(ctl,
	    "more than one key slot is opened by a %s: say which by --slot N; "
	    "\"vaultctl key slot list\" has them",
	    key ? "file" : "passphrase");
}

int
cmd_unseal(struct ctl *ctl)
{
	const char *number = ctl_option(ctl, "slot");
	const struct slot *slot = NULL;
	struct unlock unlock = {0};
	struct unlock_from from;
	struct act act = {0};
	struct slots slots;
	int status;

	if ((status = unlock_options(ctl, &from)) != STATUS_DONE ||
	    (status = slots_ask(ctl, &slots)) != STATUS_DONE ||
	    (status = number != NULL
	            ? slots_find(ctl, &slots, number, strlen(number), &slot)
	            : pick(ctl, &slots, from.file != NULL, &slot)) !=
	        STATUS_DONE)
		return status;
	if (intake_guard() != 0)
		return ctl_failed(ctl, "%s", verr_text(VERR_NOMEM));
	status = unlock_take(ctl, slot, &from, &unlock);
	if (status == STATUS_DONE) {
		act_text(&act, "", "verb", "unseal");
		act_text(&act, "", "slot", slot->digits);
		act_bytes(&act, "", "unlock", unlock.bytes, unlock.n);
		status = act_send(ctl, &act);
	}
	unlock_free(&unlock);
	return status;
}
