/*
 * "pointer\nJSON": the account is a line of plain text, or it is none; and a
 * document that is given twice is none.
 */
#include <jansson.h>

#include "tests/fuzz/fuzz.h"
#include "vaultd/courier/account.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_of(data, size), pointer = fuzz_line(&text);
	char out[ACCOUNT_MAX + 1], again[ACCOUNT_MAX + 1];
	json_error_t error;
	json_t *root;
	size_t n;

	memset(out, 'x', sizeof(out));
	if (pointer.n == 0 || account_find(text, pointer, out) != 0) {
		CHECK(out[0] == 'x' && out[ACCOUNT_MAX] == 'x');
		return 0;
	}
	n = strnlen(out, sizeof(out));
	CHECK(n > 0 && n <= ACCOUNT_MAX);
	for (size_t i = 0; i < n; i++)
		CHECK((uint8_t)out[i] >= ' ' && out[i] != 0x7f);
	CHECK(pointer.p[0] == '/');
	for (size_t i = 0; i < pointer.n; i++)
		CHECK(pointer.p[i] != '~' ||
		    (i + 1 < pointer.n &&
		        (pointer.p[i + 1] == '0' || pointer.p[i + 1] == '1')));
	/* it is one document, no name twice */
	root = json_loadb((const char *)text.p, text.n,
	    JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
	CHECK(root != NULL);
	json_decref(root);
	CHECK(account_find(text, pointer, again) == 0);
	CHECK(strcmp(out, again) == 0);
	return 0;
}
