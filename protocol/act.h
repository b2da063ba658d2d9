/*
 * act - what an admin wants changed, as vaultctl seals it for the keeper.
 *
 * An act is a list of pairs (pairs.h), at most ACT_MAX bytes, sealed as a
 * whole with crypto_box_seal() to the key in keeper.pub, so that no room
 * between the admin and the keeper can read the secret or bend a setting.  It
 * holds a nonce that the keeper issued to the same session and takes once.
 *
 *	verb		add set verify enable disable remove rotate
 *	nonce		the bytes of NONCE_IS
 *	profile		CUSTOMER/NAME
 *	system		add: the catalog's id of it
 *	credential	add, rotate, set: kind; the system's first if absent
 *	title		for people; an empty one removes it
 *	health		'GET /path', this profile's own check
 *	expires		YYYY-MM-DD or RFC 3339; empty: not known
 *	rotate-every	days, decimal; 0: no cadence
 *	set.NAME	a setting of the catalog's input NAME
 *	field.NAME	a field of the credential, say field.secret
 *	no-verify	"1": store it without the health check
 *	new-account	"1": the new credential may be another account's
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

#endif /* PROTOCOL_ACT_H */
