/*
 * link - a profile with its rows: fetched together, resolved, opened.
 *
 * What request and act have in common.  A link is shared by all who use the
 * profile, and never changed.  While its rows are those last committed it is
 * kept for the next who asks, so that a profile in use costs the ledger
 * nothing.  What is kept are rows as the ledger has them, sealed, and what is
 * no secret; the secret is opened for each use.
 */
#ifndef KEEPER_LINK_H
#define KEEPER_LINK_H

#include "vaultd/keeper/courier.h"
#include "vaultd/keeper/render.h"
#include "vaultd/keeper/rows.h"

#define LINKS_BYTES (16U << 20) /* kept, at most */

struct link_row {
	int r; /* as in struct fetch */
	struct row_place at;
	uint8_t hash[INDEX_HASH_LEN]; /* of the sealed bytes, by the index */
	uint8_t *body;                /* sealed, "len" bytes */
	size_t len;
};

enum link_part { LINK_PROFILE, LINK_CREDENTIAL, LINK_CUSTOMER, LINK_PARTS };

struct link {
	char name[PROFILE_MAX + 1]; /* customer/profile */
	struct profile_id id;
	struct link_row row[LINK_PARTS];
	/* If row[LINK_PROFILE].r is 0: */
	struct profile profile;
	uint64_t pool; /* order_pool() */
	/* Where it goes under the catalog in force; NULL if it does not fit. */
	struct catalog_link *to;
	uint8_t bound[LINK_LEN]; /* profile_link() */
	/* What link.c keeps of it */
	size_t refs, bytes;
	bool kept;
	struct link *same;          /* the next in its bucket */
	struct link *newer, *older; /* by last use */
};

/* One who waits for a link; embedded in what does. */
struct link_wait {
	struct keeper *k;
	const char *name;
	void (*fetched)(void *arg, const struct link *link);
	void *arg;
	struct task task;
	struct link *link; /* whose rows are on their way */
	struct fetch fetch[LINK_PARTS];
	size_t fetching;
};

struct links;

MUST_CHECK
int links_new(struct links **ret);

/*
 * Get the link of "name", a valid CUSTOMER/NAME that is the caller's until
 * then.  fetched() is called once, never from within: with a link that is to
 * be given to link_release(), or with NULL when memory is out.
 */
void link_fetch(struct link_wait *w, struct keeper *k, const char *name,
    void (*fetched)(void *arg, const struct link *link), void *arg);
void link_release(const struct link *l); /* NULL is a no-op */

/*
 * Work out where "p" goes under the catalog in force: *ret outlives that, and
 * is to be given to free().  Returns 0, VERR_NOMEM, VERR_NOTFOUND (no such
 * system), or VERR_FORMAT with a sentence in "why".
 */
MUST_CHECK
int link_resolve(const struct keeper *k, const struct profile *p,
    struct catalog_link **ret, char why[static CATALOG_WHY_MAX]);

/*
 * True if the rows are still those in force.
 */
bool link_is_current(const struct keeper *k, const struct link *l);

/*
 * Open the credential, which was sealed for "bound": *ret_secret are pairs in
 * the arena, to be given to secret_free().  Returns 0, or VERR_AUTH and the
 * like: the rows do not belong together.
 */
MUST_CHECK
int link_open(const struct keeper *k, const struct link *l,
    const uint8_t bound[static LINK_LEN], uint8_t **ret_secret,
    size_t *ret_len);

/*
 * Keep no link of "name" any longer, since its rows were replaced; or none of
 * all, since the catalog was.
 */
void link_forget(struct links *ls, const char *name);
void links_forget(struct links *ls);

#endif /* KEEPER_LINK_H */
