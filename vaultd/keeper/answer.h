/*
 * answer - rows of answers that need no store: the vault, rooms, systems,
 *	    oneself, and what the policy would say.
 */
#ifndef KEEPER_ANSWER_H
#define KEEPER_ANSWER_H

#include "protocol/refusal.h"
#include "vaultd/keeper/session.h"

void answer_vault(const struct keeper *k, struct json *j);
void answer_room(const struct room_state *s, struct json *j);
void answer_system(const struct catalog_entry *e, struct json *j);
void answer_session(
    const struct keeper *k, const struct session *s, struct json *j);

/* What is asked of "policy explain"; empty where not given. */
struct explain {
	struct slice verb, profile, method, path, user;
	const struct catalog_entry *entry; /* of the profile, or NULL */
};

/*
 * Write the verdict.  Returns REFUSED_NONE, or a refusal and its sentence.
 */
enum refusal answer_policy(struct keeper *k, struct session *s,
    const struct explain *ex, struct json *j, char *sentence, size_t size);

#endif /* KEEPER_ANSWER_H */
