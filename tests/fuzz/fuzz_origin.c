/*
 * An origin: one spelling, and libcurl reads it as we do.  The same bytes as a
 * profile's name.
 */
#include <curl/curl.h>

#include "policy/origin.h"
#include "tests/fuzz/fuzz.h"
#include "vaultd/gate/route.h"

static void
check_curl(const struct origin *origin, const char *text)
{
	CURLU *u = curl_url();
	char *host = NULL, *port = NULL, want[ORIGIN_HOST_MAX + 3];

	CHECK(u != NULL);
	CHECK(curl_url_set(u, CURLUPART_URL, text, 0) == CURLUE_OK);
	CHECK(curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK);
	CHECK(curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) ==
	    CURLUE_OK);
	(void)snprintf(want, sizeof(want),
	    origin->kind == ORIGIN_IPV6 ? "[%s]" : "%s", origin->host);
	CHECK(strcmp(host, want) == 0);
	CHECK(strtoul(port, NULL, 10) == origin->port);
	curl_free(host);
	curl_free(port);
	curl_url_cleanup(u);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data, *why = NULL;
	char out[ORIGIN_TEXT_MAX + sizeof(":443")];
	struct origin origin, again;
	struct profile_id id;

	/* the keeper and the gate agree on names */
	CHECK((profile_parse(text, size, &id) == 0) ==
	    (route_is_profile(slice_of(data, size)) != 0));
	if (origin_parse(text, size, &origin, &why) != 0) {
		CHECK(why != NULL);
		return 0;
	}
	CHECK(origin.port != 0 && origin.host[0] != '\0');
	origin_format(&origin, out);
	CHECK(origin_parse(out, strlen(out), &again, &why) == 0);
	CHECK(origin_equal(&origin, &again));
	/* but for ":443", which may be there or not, it is the same text */
	if (strlen(out) != size)
		memcpy(out + strlen(out), ":443", sizeof(":443"));
	CHECK(strlen(out) == size && memcmp(out, text, size) == 0);
	check_curl(&origin, out);
	return 0;
}
