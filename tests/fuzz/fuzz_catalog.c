/*
 * A catalog entry, on any bytes: what parses resolves with its examples, and
 * what an administrator may set by hand is parsed without harm.
 */
#include <assert.h>
#include <string.h>

#include "policy/catalog.h"
#include "policy/pattern.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
values(const char *text, size_t len)
{
	static const uint8_t loopback[4] = {127, 0, 0, 1};
	struct injection injection;
	struct network network;
	struct health health;
	struct origin origin;
	const char *why;

	if (origin_parse(text, len, &origin, &why) == 0) {
		char out[ORIGIN_TEXT_MAX + 1];
		struct origin again;

		origin_format(&origin, out);
		assert(origin_parse(out, strlen(out), &again, &why) == 0);
		assert(origin_equal(&origin, &again));
	}
	if (network_parse(text, len, &network, &why) == 0)
		assert(!network_permits(&network, loopback, 4) ||
		    network.count > 0);
	if (injection_parse(text, len, &injection, &why) == 0)
		assert(strpbrk(injection.template, "\r\n") == NULL);
	if (health_parse(text, len, &health, &why) == 0)
		assert(health.target[0] == '/');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct catalog_entry *entry;
	struct lex_error err;
	const char *why;

	values(text, size);
	if (catalog_parse("fuzz", text, size, &entry, &err) != 0) {
		assert(err.message[0] != '\0');
		return 0;
	}
	for (size_t i = 0; i < entry->ninputs; i++)
		if (entry->inputs[i].pattern != NULL)
			assert(
			    pattern_check(entry->inputs[i].pattern, &why) == 0);
	catalog_guards(entry, "/v1/keys", 8);
	catalog_free(entry);
	return 0;
}
