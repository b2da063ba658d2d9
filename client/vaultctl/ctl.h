/*
 * ctl - one run of vaultctl: a command, its arguments, and where its output
 *	 goes.  Commands return the exit status, having said what went wrong.
 */
#ifndef VAULTCTL_CTL_H
#define VAULTCTL_CTL_H

#include <stdbool.h>

#include "client/vaultclient.h"
#include "client/vaultctl/options.h"
#include "client/vaultctl/output.h"
#include "client/vaultctl/rows.h"

enum exit_status {
	STATUS_DONE = 0,
	STATUS_FAILED = 1,
	STATUS_USAGE = 2,
	STATUS_DENIED = 3,
	STATUS_NOT_FOUND = 4,
	STATUS_UNREACHABLE = 5,
};

struct ctl;

struct command {
	const char *name; /* one to three words */
	const char *arguments;
	const char *verb; /* of the policy; NULL: none is needed */
	const char *help; /* one line */
	const struct option_spec *options;
	int (*run)(struct ctl *ctl);
	unsigned char min, max; /* words */
};

/* NULL-named at the end.  In the order of the help. */
extern const struct command commands[];
extern const struct option_spec common_options[];

struct ctl {
	const struct command *command;
	struct options options;
	struct output out; /* stdout */
	struct output err; /* stderr */
	bool json;
	struct vault *vault; /* after ctl_connect() */
	struct vault_error error;
};

/* Connect, once.  Returns STATUS_DONE or what to exit with. */
MUST_CHECK
int ctl_connect(struct ctl *ctl);

/* Say what ctl->error says.  Returns its exit status. */
int ctl_refused(struct ctl *ctl);

/* Say it.  Returns STATUS_FAILED. */
int ctl_failed(struct ctl *ctl, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Say that there is no such thing.  Returns STATUS_NOT_FOUND. */
int ctl_none(struct ctl *ctl, const char *what);

/* Say it, and how the command is called.  Returns STATUS_USAGE. */
int ctl_usage(struct ctl *ctl, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Ready for an answer's rows: kept, or printed if --json was given. */
void ctl_rows(struct ctl *ctl, struct rows *ret);

/* STATUS_DONE if "word" is CUSTOMER/NAME, else as ctl_usage(). */
MUST_CHECK
int ctl_check_profile(struct ctl *ctl, const char *word);

/*
 * STATUS_DONE if --yes was given or "word" is typed in answer to "question",
 * which has to be harmless, else what to exit with, having said why.
 */
MUST_CHECK
int ctl_confirm(struct ctl *ctl, const char *question, const char *word);

/* What a word or an option's value is, or NULL if it was not given. */
const char *ctl_word(const struct ctl *ctl, size_t i);
const char *ctl_option(const struct ctl *ctl, const char *name);

/* Every command; cmd_*.c. */
int cmd_status(struct ctl *ctl);
int cmd_whoami(struct ctl *ctl);
int cmd_catalog_list(struct ctl *ctl);
int cmd_catalog_show(struct ctl *ctl);
int cmd_catalog_check(struct ctl *ctl);
int cmd_profile_list(struct ctl *ctl);
int cmd_profile_show(struct ctl *ctl);
int cmd_profile_add(struct ctl *ctl);
int cmd_profile_set(struct ctl *ctl);
int cmd_profile_verify(struct ctl *ctl);
int cmd_profile_enable(struct ctl *ctl);
int cmd_profile_disable(struct ctl *ctl);
int cmd_profile_remove(struct ctl *ctl);
int cmd_rotate(struct ctl *ctl);
int cmd_request(struct ctl *ctl);
int cmd_sign(struct ctl *ctl);
int cmd_pubkey(struct ctl *ctl);
int cmd_jwks(struct ctl *ctl);
int cmd_policy_check(struct ctl *ctl);
int cmd_policy_explain(struct ctl *ctl);
int cmd_audit_show(struct ctl *ctl);
int cmd_seal(struct ctl *ctl);
int cmd_unseal(struct ctl *ctl);
int cmd_slot_list(struct ctl *ctl);
int cmd_slot_add(struct ctl *ctl);
int cmd_slot_remove(struct ctl *ctl);
int cmd_key_rotate(struct ctl *ctl);
int cmd_key_destroy(struct ctl *ctl);
int cmd_backup(struct ctl *ctl);
int cmd_restore(struct ctl *ctl);
int cmd_doctor(struct ctl *ctl);
int cmd_completion(struct ctl *ctl);

#endif /* VAULTCTL_CTL_H */
