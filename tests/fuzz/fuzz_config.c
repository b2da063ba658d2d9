/*
 * vaultd.conf, on any bytes: what is taken is absolute, distinct and modest.
 */
#include "tests/fuzz/fuzz.h"
#include "vaultd/supervisor/config.h"

static void
check_path(const char *path)
{
	CHECK(path != NULL && path[0] == '/');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[LEX_FORMAT_MAX];
	struct lex_error err;
	struct config c;

	if (config_parse("fuzz", "/etc/vaultd", data, size, &c, &err) != 0) {
		CHECK(err.message[0] != '\0');
		lex_format(&err, text, sizeof(text));
		return 0;
	}
	check_path(c.socket_dir);
	check_path(c.state_dir);
	check_path(c.key);
	check_path(c.policy);
	check_path(c.ca_bundle);
	CHECK(c.ncatalogs <= CONFIG_CATALOGS_MAX);
	for (size_t i = 0; i < c.ncatalogs; i++)
		check_path(c.catalogs[i]);
	CHECK((c.socket_mode & ~0666U) == 0);
	for (size_t i = 0; i < CONFIG_UIDS; i++) {
		CHECK(c.room_uids[i] != 0 && c.room_uids[i] != UINT32_MAX);
		for (size_t j = 0; j < i; j++)
			CHECK(c.room_uids[i] != c.room_uids[j]);
	}
	config_free(&c);
	return 0;
}
