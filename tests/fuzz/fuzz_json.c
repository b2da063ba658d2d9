/*
 * What the keeper writes as JSON, from any bytes: jansson reads the same text
 * back, U+FFFD where it was not UTF-8.  The first byte is the room there is.
 */
#include <jansson.h>

#include "protocol/lex.h"
#include "tests/fuzz/fuzz.h"
#include "vaultd/keeper/json.h"

static void
check_text(const json_t *root, struct slice want)
{
	const json_t *value = json_object_get(root, "text");
	const char *got = json_string_value(value);
	size_t at = 0, n, len = json_string_length(value);

	CHECK(got != NULL);
	for (size_t i = 0; i < want.n; i += n) {
		uint32_t code;
		size_t k = lex_utf8(want.p + i, want.n - i, &code);
		const void *p = k == 0 ? "\xef\xbf\xbd" : (void *)(want.p + i);
		size_t w = k == 0 ? 3 : k;

		CHECK(len - at >= w && memcmp(got + at, p, w) == 0);
		at += w;
		n = k == 0 ? 1 : k;
	}
	CHECK(at == len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text;
	struct json j;
	json_t *root;
	size_t cap;
	char *p;

	if (size == 0)
		return 0;
	cap = data[0] == 'x' ? 6 * size + 200 : data[0];
	CHECK((p = malloc(cap + 1)) != NULL);
	text = slice_of(data + 1, size - 1);
	json_begin(&j, p, cap);
	json_open(&j, NULL, '{');
	json_slice(&j, "text", text);
	json_open(&j, "list", '[');
	json_bool(&j, NULL, size & 1);
	json_number(&j, NULL, size);
	json_time(&j, NULL, size * UINT64_C(86400123));
	json_close(&j, ']');
	json_close(&j, '}');
	CHECK(j.overflow || j.n <= cap);
	CHECK(data[0] != 'x' || !j.overflow);
	if (!j.overflow) {
		for (size_t i = 0; i < j.n; i++)
			CHECK((uint8_t)p[i] >= ' ' && p[i] != 0x7f);
		root = json_loadb(
		    p, j.n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
		CHECK(root != NULL);
		check_text(root, text);
		json_decref(root);
	}
	free(p);
	return 0;
}
