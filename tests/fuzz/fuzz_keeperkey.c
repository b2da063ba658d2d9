/*
 * keeper.pub: the one text that the supervisor writes for a key is the one that
 * a client takes for it.
 */
#include "client/keeperkey.h"
#include "tests/fuzz/fuzz.h"
#include "vaultd/supervisor/pub.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t key[VAULT_KEY_LEN], again[VAULT_KEY_LEN];
	char line[PUB_BASE64];

	if (size == sizeof(key)) {
		pub_base64(data, line);
		CHECK(keeperkey_parse(line, sizeof(line), again) == 0);
		CHECK(memcmp(again, data, sizeof(again)) == 0);
	}
	if (keeperkey_parse((const char *)data, size, key) != 0)
		return 0;
	pub_base64(key, line);
	CHECK(size == sizeof(line) ||
	    (size == sizeof(line) + 1 && data[size - 1] == '\n'));
	CHECK(memcmp(line, data, sizeof(line)) == 0);
	return 0;
}
