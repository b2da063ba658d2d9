/*
 * A row of an answer, as vaultctl prints it: an object or nothing, and no byte
 * of it reaches a terminal that the terminal would obey.
 */
#include "client/vaultctl/output.h"
#include "client/vaultctl/rows.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const keys[] = {"profile", "status", "a.b", "a.b.c"};
	const char *text = (const char *)data;
	char cell[OUTPUT_CELL_MAX], *clean = malloc(3 * size + 1);
	json_t *row;

	CHECK(clean != NULL);
	output_clean(text, size, clean, 3 * size + 1);
	CHECK(output_harmless(clean, strlen(clean)));
	for (const char *p = clean; *p != '\0'; p++)
		CHECK((uint8_t)*p >= ' ' && *p != 0x7f);
	CHECK(strstr(clean, "\xe2\x80\xae") == NULL); /* U+202E */
	CHECK(strstr(clean, "\xc2\x9b") == NULL);     /* CSI */
	if (output_harmless(text, size))
		CHECK(strlen(clean) == size && memcmp(clean, text, size) == 0);
	output_clean(text, size, clean, size / 2 + 1);
	CHECK(strlen(clean) <= size / 2);
	CHECK(output_harmless(clean, strlen(clean)));
	free(clean);
	if ((row = rows_parse(text, size)) == NULL)
		return 0;
	CHECK(json_is_object(row) && memchr(text, '\n', size) == NULL);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		CHECK(output_value(row, keys[i], cell) == (cell[0] != '\0'));
		CHECK(strlen(cell) < sizeof(cell));
	}
	json_decref(row);
	return 0;
}
