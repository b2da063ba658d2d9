/*
 * exchange - an order's request and the answer to it, on a connection.
 *
 * Nothing is done here but to move bytes as far as connection and stream let
 * them move; what follows from the result is order.c's.
 */
#ifndef COURIER_EXCHANGE_H
#define COURIER_EXCHANGE_H

#include "vaultd/courier/order.h"

enum exchange {
	EXCHANGE_WAITS,
	EXCHANGE_DONE,    /* the answer was passed on whole */
	EXCHANGE_FAILED,  /* see *ret_fault */
	EXCHANGE_UNHEARD, /* a used connection died before an answer began */
};

/* Begin, or begin again, with the request's first byte. */
void exchange_begin(struct order *o);

/* Move what can be moved. */
enum exchange exchange_go_on(struct order *o, enum fault *ret_fault);

/* Whether it is the client for whom nothing moves. */
int exchange_awaits_client(const struct order *o);

/* Whether the connection may carry another. */
int exchange_keeps_connection(const struct order *o);

#endif /* COURIER_EXCHANGE_H */
