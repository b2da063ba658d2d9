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
#define GENERATE							    \
	{"generate", NULL, "have a private key made in the vault, which it never leaves", 0, 0}, \
	{"alg", "ALG", "of the key to be made: RS256, ES256 or EdDSA; else as the one before, or the system's first", 0, 0}, \
	{"bits", "BITS", "of an RSA key to be made: 2048, 3072 (if not given) or 4096", 0, 0}
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

static const struct option_spec doctor[] = {
	{"config", "FILE", "the vault's config (else vaultd.conf beside the socket, else /etc/vaultd/vaultd.conf)", 0, 0},
	{0},
};
static const struct option_spec catalog_list[] = {
	{"category", "CATEGORY", "only systems of this category", 0, 0},
	{0},
};
static const struct option_spec profile_add[] = {
	{"system", "SYSTEM", "the catalog's id of the system", 0, 0},
	SETTINGS,
	GENERATE,
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
	GENERATE,
	{0},
};
static const struct option_spec rotate[] = {
	CREDENTIAL_INPUT,
	GENERATE,
	{"stage", NULL, "keep the new key beside the one in force, and print its public half for the upstream", 0, 0},
	{"activate", NULL, "put the staged key in force", 0, 0},
	{"abort", NULL, "destroy the staged key", 0, 0},
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
static const struct option_spec sign[] = {
	{"scheme", "SCHEME", "how to sign, where the credential can do several", 0, 0},
	{"claim", "NAME=TEXT", "a claim that the profile leaves to clients; NAME:=JSON for a number, a boolean or a list", 0, 1},
	{"lifetime", "SECONDS", "shorter than the profile's", 0, 0},
	{0},
};
static const struct option_spec pubkey[] = {
	{"format", "FORMAT", "jwk, pem (if not given), x509, csr or ssh", 0, 0},
	{"staged", NULL, "of the key that is staged", 0, 0},
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
#define NO_WAIT								    \
	{"no-wait", NULL, "do not wait until the vault is done", 0, 0}
#define YES								    \
	{"yes", NULL, "do not ask whether it is meant", 0, 0}

static const struct option_spec unseal[] = {
	{"slot", "N", "the key slot to open, if more than one would do", 0, 0},
	{"stdin", NULL, "read the passphrase from stdin", 0, 0},
	{"file", "FILE", "the key file, or with --slot a file with its passphrase", 0, 0},
	{0},
};
static const struct option_spec slot_add[] = {
	{"name", "TEXT", "a name for people, at most 32 bytes", 0, 0},
	{"file", "FILE", "the key file of 32 bytes, or a file with the passphrase", 0, 0},
	{"stdin", NULL, "read it from stdin", 0, 0},
	{"generate", NULL, "make the key, and FILE with it", 0, 0},
	{"memory", "MIB", "what a try at the passphrase takes of memory; 256 if not given", 0, 0},
	{"passes", "N", "and how often it is gone through; 3 if not given", 0, 0},
	{0},
};
static const struct option_spec slot_remove[] = {
	YES,
	{0},
};
static const struct option_spec key_rotate[] = {
	{"root", NULL, "the root key, which the key slots open", 0, 0},
	{"customer", "CUSTOMER", "the key of this customer", 0, 0},
	{"slot-file", "N=FILE", "the key file, or a file with the passphrase, of slot N", 0, 1},
	{"drop-slot", "N", "leave slot N behind: it opens nothing any more", 0, 1},
	NO_WAIT,
	{0},
};
static const struct option_spec key_destroy[] = {
	{"customer", "CUSTOMER", "whose key", 0, 0},
	YES,
	NO_WAIT,
	{0},
};

static const struct option_spec backup[] = {
	{"to", "PUBLICKEY", "seal it to this key instead of a passphrase", 0, 0},
	{"keygen", "FILE", "make such a key: its secret half goes to a new file, the public one is printed", 0, 0},
	{"stdin", NULL, "read the passphrase from stdin", 0, 0},
	{"file", "FILE", "read the passphrase from a file", 0, 0},
	{"force", NULL, "replace a file that is there", 0, 0},
	{0},
};
static const struct option_spec restore[] = {
	{"key", "FILE", "the secret half of the key that it was sealed to", 0, 0},
	{"stdin", NULL, "read the passphrase from stdin", 0, 0},
	{"file", "FILE", "read the passphrase from a file", 0, 0},
	{"verify", NULL, "check the file, and restore nothing", 0, 0},
	{"slot-file", "N=FILE", "a key file that opens slot N of the backup, where none of this vault's does", 0, 1},
	{"replace-vault", "ID", "this vault's id: its store may be replaced by another vault's", 0, 0},
	{0},
};

const struct command commands[] = {
	{"status", "", "read", "the vault, its rooms and their walls", NULL, cmd_status, 0, 0},
	{"doctor", "", NULL, "what is wrong on this machine, and the command that mends it; exits with 1 if something fails", doctor, cmd_doctor, 0, 0},
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
	{"sign", "CUSTOMER/NAME", "sign", "a signature with a profile's key; with the verb token where the result is a credential", sign, cmd_sign, 1, 1},
	{"pubkey", "CUSTOMER/NAME", "read", "the public half of a profile's key", pubkey, cmd_pubkey, 1, 1},
	{"jwks", "[CUSTOMER/NAME]", "read", "the JWK set that signatures are verified with", NULL, cmd_jwks, 0, 1},
	{"policy check", "FILE", NULL, "check a policy, without a vault", NULL, cmd_policy_check, 1, 1},
	{"policy explain", "CUSTOMER/NAME VERB [METHOD PATH]", NULL, "how the policy decides, and by which line; exits with 3 if it denies", policy_explain, cmd_policy_explain, 2, 4},
	{"audit show", "", "audit", "records of the audit log", audit_show, cmd_audit_show, 0, 0},
	{"seal", "", "operate", "forget all keys; nothing works until it is unsealed", NULL, cmd_seal, 0, 0},
	{"unseal", "", "operate", "open a sealed vault with a passphrase or a key file", unseal, cmd_unseal, 0, 0},
	{"key slot list", "", "operate", "what opens the vault", NULL, cmd_slot_list, 0, 0},
	{"key slot add", "keyfile|passphrase|credential", "operate", "let something else open the vault, too", slot_add, cmd_slot_add, 1, 1},
	{"key slot remove", "N", "operate", "let it open the vault no more", slot_remove, cmd_slot_remove, 1, 1},
	{"key rotate", "--root | --customer CUSTOMER", "operate", "replace a key by a new one, while the vault works", key_rotate, cmd_key_rotate, 0, 0},
	{"key destroy", "--customer CUSTOMER", "operate", "destroy a customer's key, and with it all profiles", key_destroy, cmd_key_destroy, 0, 0},
	{"backup", "FILE", "operate", "write the whole store to an encrypted file; - is stdout", backup, cmd_backup, 0, 1},
	{"restore", "FILE", "operate", "check a backup, then put it in place of the store", restore, cmd_restore, 1, 1},
	{"completion", "bash|zsh|fish", NULL, "print a script that completes commands in that shell", NULL, cmd_completion, 1, 1},
	{0},
};
/* clang-format on */
