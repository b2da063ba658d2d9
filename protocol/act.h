/*
 * act - what an admin wants changed, as vaultctl seals it for the keeper.
 *
 * An act is a list of pairs (pairs.h), at most ACT_MAX bytes, sealed as a
 * whole with crypto_box_seal() to the key in keeper.pub, so that no room
 * between the admin and the keeper can read the secret or bend a setting.  It
 * holds a nonce that the keeper issued to the same session and takes once.
 *
 *	verb		add set verify enable disable remove rotate stage
 *activate abort; or below nonce		the bytes of NONCE_IS profile
 *CUSTOMER/NAME system		add: the catalog's id of it credential	add,
 *rotate, set: kind; the system's first if absent title		for people; an
 *empty one removes it health		'GET /path', this profile's own check
 *	expires		YYYY-MM-DD or RFC 3339; empty: not known
 *	rotate-every	days, decimal; 0: no cadence
 *	set.NAME	a setting of the catalog's input NAME
 *	field.NAME	a field of the credential, say field.secret
 *	no-verify	"1": store it without the health check
 *	new-account	"1": the new credential may be another account's
 *	generate	"1": a private key is to be made; with alg (RS256,
 *ES256, EdDSA) and bits (of RSA), both of which may be absent
 *
 * Acts on the vault's own keys need the policy's verb "operate", and name no
 * profile:
 *
 *	unseal		 slot, unlock
 *	seal
 *	slot-add	 kind (keyfile, passphrase, credential), title (at most
 *			 ACT_TITLE_MAX bytes; may be absent), unlock; of a
 *			 passphrase also opslimit, memlimit and salt
 *	slot-remove	 slot
 *	rotate-root	 unlock.N for each slot N that the keeper cannot open
 *			 by itself; drop.N, "1": this one is left behind
 *	rotate-customer	 customer
 *	destroy-customer customer
 *	restore		 vault, generation; replace; unlock.N; a store comes
 *			 with it (RESTORE)
 *
 *	slot		decimal
 *	unlock		of a key file and a credential its ACT_KEY_LEN bytes; of
 *			a passphrase ACT_PASSPHRASE_LEN bytes, Argon2id version
 *			1.3 of passphrase and salt
 *	opslimit	passes of Argon2id, decimal
 *	memlimit	KiB for Argon2id, decimal
 *	salt		ACT_SALT_LEN bytes
 *	vault		the backup's vault, 32 hex digits; 0s: not known
 *	generation	of the store in it, decimal
 *	replace		the id of this vault, where another's store is to take
 *			the place of its own, 32 hex digits
 *
 * A passphrase never leaves the program that it was typed into.
 *
 * A sealed input (where the credential goes, and how) changes only together
 * with the whole credential, in "set" or "rotate".
 */
#ifndef PROTOCOL_ACT_H
#define PROTOCOL_ACT_H

#define ACT_MAX       61000 /* bytes of an act, before it is sealed */
#define ACT_NONCE_LEN 24
#define ACT_SET       "set."
#define ACT_FIELD     "field."
#define ACT_UNLOCK    "unlock."
#define ACT_DROP      "drop."

#define ACT_TITLE_MAX      32
#define ACT_KEY_LEN        32
#define ACT_PASSPHRASE_LEN 64 /* of what is made of it */
#define ACT_SALT_LEN       16

/* What Argon2id may cost: less is guessed too easily; more is refused, since
 * whoever answers SLOTS is not to exhaust the admin's machine. */
#define ACT_OPSLIMIT_MIN 2
#define ACT_OPSLIMIT_MAX 20
#define ACT_MEMLIMIT_MIN (64 * 1024) /* KiB */
#define ACT_MEMLIMIT_MAX (4 * 1024 * 1024)

#endif /* PROTOCOL_ACT_H */
