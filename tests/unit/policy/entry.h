/*
 * entry - an entry of the catalog, from a file.  Tests run in the root of the
 *	   tree.  After <cmocka.h>.
 */
#ifndef TESTS_UNIT_POLICY_ENTRY_H
#define TESTS_UNIT_POLICY_ENTRY_H

#include <stdio.h>
#include <string.h>

#include "policy/catalog.h"

static struct catalog_entry *
load(const char *file)
{
	static char text[LEX_TEXT_MAX / 16];
	struct catalog_entry *entry = NULL;
	char message[LEX_FORMAT_MAX];
	struct lex_error err;
	FILE *f = fopen(file, "r");
	size_t n;

	assert_non_null(f);
	n = fread(text, 1, sizeof(text), f);
	fclose(f);
	if (catalog_parse(file, text, n, &entry, &err) != 0) {
		lex_format(&err, message, sizeof(message));
		fail_msg("%s", message);
	}
	memset(text, 0, n); /* the entry keeps nothing of it */
	return entry;
}

#endif /* TESTS_UNIT_POLICY_ENTRY_H */
