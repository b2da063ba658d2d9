/*
 * fault - why an order failed, in our own words.
 */
#ifndef COURIER_FAULT_H
#define COURIER_FAULT_H

#include <curl/curl.h>

#include "protocol/refusal.h"
#include "protocol/verr.h"

enum fault {
#define FAULT(name, refusal, error, sentence) name,
#include "vaultd/courier/fault.def"
#undef FAULT
	FAULT_COUNT,
};

struct fault_info {
	enum refusal refusal;
	int error; /* a VERR_* */
	const char *sentence;
};

extern const struct fault_info fault_info[FAULT_COUNT];

/*
 * The fault behind libcurl's result; FAULT_NONE only for CURLE_OK.
 */
enum fault fault_of_curl(CURLcode code);

/*
 * The fault behind the dialer's VERR_*.
 */
enum fault fault_of_dial(int error);

#endif /* COURIER_FAULT_H */
