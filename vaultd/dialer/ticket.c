#include "vaultd/dialer/ticket.h"

#include <stdlib.h>

/* Where the ticket is, or would be: numbers count up, so they spread. */
static struct ticket **
find(struct tickets *all, uint64_t id)
{
	struct ticket **at = &all->bucket[id % TICKET_BUCKETS];

	while (*at != NULL && (*at)->id != id)
		at = &(*at)->next;
	return at;
}

int
ticket_add(struct tickets *all, uint64_t id, uint64_t courier,
    struct slice host, uint64_t port, struct slice network)
{
	struct ticket **at = find(all, id), *t;
	const char *why;

	if (*at != NULL)
		return VERR_EXISTS;
	if (host.n == 0 || host.n > TICKET_HOST_MAX || port == 0 ||
	    port > UINT16_MAX)
		return VERR_FORMAT;
	if (all->count == TICKETS_MAX)
		return VERR_BUSY;
	if ((t = calloc(1, sizeof(*t) + host.n + 1)) == NULL)
		return VERR_NOMEM;
	t->id = id;
	t->courier = (uint32_t)courier;
	t->port = (uint16_t)port;
	if (network_parse(
	        (const char *)network.p, network.n, &t->network, &why) != 0)
		t->network = (struct network){0};
	memcpy(t->host, host.p, host.n);
	*at = t;
	all->count++;
	return 0;
}

void
ticket_remove(struct tickets *all, uint64_t id)
{
	struct ticket **at = find(all, id), *t = *at;

	if (t == NULL)
		return;
	*at = t->next;
	free(t);
	all->count--;
}

int
ticket_use(struct tickets *all, uint64_t id, uint32_t courier,
    const struct ticket **ret)
{
	struct ticket *t = *find(all, id);

	if (t == NULL)
		return VERR_NOTFOUND;
	if (t->courier != courier || t->dials == TICKET_DIALS_MAX)
		return VERR_FORBIDDEN;
	t->dials++;
	*ret = t;
	return 0;
}
