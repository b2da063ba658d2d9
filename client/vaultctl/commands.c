#include "client/vaultctl/ctl.h"

/*
 * The table of what vaultctl can do.
 */

/* clang-format off */
const struct option_spec common_options[] = {
	{"socket", "PATH", "the vault's socket (else $" VAULT_SOCKET_ENV ", else " VAULT_SOCKET ")", 0, 0},
	{"json", NULL, "print rows for programs, one JSON object a line", 0, 0},
	{"help", NULL, "show this", 'h', 0},
	{"version", NULL, "show the version", 0, 0},
	{0},
};

#define CREDENTIAL_INPUT						    \
	{"stdin", NULL, "read the credential from stdin: the bare value, or FIELD=VALUE lines if it has several fields", 0, 0}, \
	{"file", "FILE", "read the credential from a file, as --stdin does", 0, 0}
#define EXPIRES								    \
	{"expires", "DATE", "when the credential lapses: YYYY-MM-DD or RFC 3339; '' if that is not known", 0, 0}
#define SETTINGS							    \
	{"set", "KEY=VALUE", "a setting that \"catalog show SYSTEM\" lists; a certificate is named by its file", 0, 1}, \
	{"title", "TEXT", "a name for people", 0, 0},			    \
	{"credential", "KIND", "the kind of credential, where the system takes several", 0, 0}, \
	EXPIRES,							    \
	{"rotate-every", "DAYS", "how often it is to be rotated, say 90d; 0: no cadence", 0, 0}, \
	{"health", "'GET /path'", "a request that proves the credential", 0, 0}, \
	CREDENTIAL_INPUT

static const struct option_spec catalog_list[] = {
	{"category", "CATEGORY", "only systems of this category", 0, 0},
	{0},
};
static const struct option_spec profile_add[] = {
	{"system", "SYSTEM", "the catalog's id of the system", 0, 0},
	SETTINGS,
	{0},
};
static const struct option_spec profile_list[] = {
	{"customer", "CUSTOMER", "only of this customer", 0, 0},
	{"system", "SYSTEM", "only of this system", 0, 0},
	{"status", "STATUS", "pending, active, degraded or disabled", 0, 0},
	{0},
};
static const struct option_spec profile_set[] = {
	SETTINGS,
	{0},
};
static const struct option_spec rotate[] = {
	CREDENTIAL_INPUT,
	EXPIRES,
	{"no-verify", NULL, "replace it without proving the new one", 0, 0},
	{"new-account", NULL, "it may belong to another upstream account", 0, 0},
	{0},
};
static const struct option_spec request[] = {
	{"header", "'NAME: VALUE'", "a header field to send", 'H', 1},
	{"data", "DATA", "the body: @FILE, - for stdin, or the text itself", 'd', 0},
	{"include", NULL, "print status and header fields before the body", 'i', 0},
	{"output", "FILE", "write the body to a file", 'o', 0},
	{0},
};
static const struct option_spec policy_explain[] = {
	{"user", "USER", "about another user (needs the verb audit)", 0, 0},
	{0},
};
static const struct option_spec audit_show[] = {
	{"profile", "CUSTOMER/NAME", "only of this profile", 0, 0},
	{"customer", "CUSTOMER", "only of this customer", 0, 0},
	{"system", "SYSTEM", "only of this system", 0, 0},
	{"user", "USER", "only of this user", 0, 0},
	{"verb", "VERB", "only of this verb of the policy", 0, 0},
	{"decision", "DECISION", "permit or deny", 0, 0},
	{"id", "ID", "the record of this number, and its outcome", 0, 0},
	{"since", "DATE", "from then on: YYYY-MM-DD (UTC) or RFC 3339", 0, 0},
	{"until", "DATE", "up to then; a day is meant to its end", 0, 0},
	{"last", "N", "the last N that match", 0, 0},
	{0},
};

const struct command commands[] = {
	{"status", "", "read", "the vault, its rooms and their walls", NULL, cmd_status, 0, 0},
	{"whoami", "", NULL, "what the vault sees of you", NULL, cmd_whoami, 0, 0},
	{"catalog list", "", "read", "the systems that the vault knows", catalog_list, cmd_catalog_list, 0, 0},
	{"catalog show", "SYSTEM", "read", "a system: its settings, credentials and rules", NULL, cmd_catalog_show, 1, 1},
	{"catalog check", "FILE", NULL, "check a catalog entry, without a vault", NULL, cmd_catalog_check, 1, 1},
	{"profile add", "CUSTOMER/NAME --system SYSTEM", "manage", "store a credential as a new profile", profile_add, cmd_profile_add, 1, 1},
	{"profile list", "", "read", "the profiles that you may read", profile_list, cmd_profile_list, 0, 0},
	{"profile show", "CUSTOMER/NAME", "read", "a profile, never its secret", NULL, cmd_profile_show, 1, 1},
	{"profile set", "CUSTOMER/NAME", "manage", "change a profile; where its credential goes changes only with the credential", profile_set, cmd_profile_set, 1, 1},
	{"profile verify", "CUSTOMER/NAME", "manage", "prove the credential with its health check", NULL, cmd_profile_verify, 1, 1},
	{"profile enable", "CUSTOMER/NAME", "manage", "let a disabled profile be used again", NULL, cmd_profile_enable, 1, 1},
	{"profile disable", "CUSTOMER/NAME", "manage", "let a profile be used no more", NULL, cmd_profile_disable, 1, 1},
	{"profile remove", "CUSTOMER/NAME", "manage", "destroy a profile and its credential", NULL, cmd_profile_remove, 1, 1},
	{"rotate", "CUSTOMER/NAME", "manage", "prove a new credential, then destroy the old", rotate, cmd_rotate, 1, 1},
	{"request", "CUSTOMER/NAME METHOD PATH", "request", "make an HTTP request with a profile's credential; any HTTP status exits with 0", request, cmd_request, 3, 3},
	{"policy check", "FILE", NULL, "check a policy, without a vault", NULL, cmd_policy_check, 1, 1},
	{"policy explain", "CUSTOMER/NAME VERB [METHOD PATH]", NULL, "how the policy decides, and by which line; exits with 3 if it denies", policy_explain, cmd_policy_explain, 2, 4},
	{"audit show", "", "audit", "records of the audit log", audit_show, cmd_audit_show, 0, 0},
	{0},
};
/* clang-format on */
