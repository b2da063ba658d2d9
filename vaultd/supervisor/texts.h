/*
 * texts - policy, catalog, users and groups: read here, judged by the keeper.
 *
 * What it accepted last is kept, so that a new keeper gets the same whatever
 * the files say by then.
 */
#ifndef SUPERVISOR_TEXTS_H
#define SUPERVISOR_TEXTS_H

#include "protocol/record.h"
#include "vaultd/supervisor/files.h"

struct supervisor;
struct config;

#define TEXTS_MAX 512

struct text {
	enum text_kind kind;
	char *name; /* its path */
	uint8_t *p;
	size_t n;
};

struct text_set {
	uint64_t number; /* 0: there is none */
	size_t count;
	struct text *text;
};

struct texts {
	struct text_set accepted;
	struct text_set offered; /* to the keeper, who has not yet answered */
	uint64_t last;           /* number of a set */
	int again;               /* SIGHUP came while one was offered */
};

/*
 * Read them all.  Returns 0, or VERR_IO or VERR_NOMEM with a sentence.
 */
MUST_CHECK
int texts_read(struct text_set *ret, const struct config *c,
    const char *catalog, char why[WHY_MAX]);

void texts_free(struct text_set *set);

/*
 * Offer the set to the keeper, which takes it over.
 */
void texts_offer(struct supervisor *s, struct text_set *set);

/*
 * A new keeper: what was accepted, else what is offered.
 */
void texts_to_new_keeper(struct supervisor *s);

/*
 * The keeper's answer.  Returns 0, or VERR_FORBIDDEN: to no offer of ours.
 */
MUST_CHECK
int texts_answered(struct supervisor *s, const struct rec_TEXTS_DONE *m);

/*
 * SIGHUP: read the config and the texts again.
 */
void texts_reload(struct supervisor *s);

#endif /* SUPERVISOR_TEXTS_H */
