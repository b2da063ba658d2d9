#include "vaultd/supervisor/load.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * The absolute folder that "file" lies in; NULL with a sentence.  Its name
 * travels between rooms, where text has no control bytes.
 */
static char *
folder_of(const char *file, char why[WHY_MAX])
{
	char *whole = realpath(file, NULL), *slash;

	if (whole == NULL) {
		(void)snprintf(why, WHY_MAX, "%s: %s", file, strerror(errno));
		return NULL;
	}
	for (const char *p = whole; *p != '\0'; p++)
		if ((uint8_t)*p < 0x20 || *p == 0x7f) {
			(void)snprintf(
			    why, WHY_MAX, "the path has a control character");
			free(whole);
			return NULL;
		}
	slash = strrchr(whole, '/');
	slash[slash == whole] = '\0';
	return whole;
}

int
load_config(
    const char *file, const char *folder, struct config *ret, char why[WHY_MAX])
{
	struct lex_error error;
	uint8_t *text = NULL;
	char *found = NULL;
	size_t len;
	int r;

	if ((r = file_read(file, TRUST_CONFIG, &text, &len, why)) != 0)
		return r;
	if (folder == NULL && (folder = found = folder_of(file, why)) == NULL) {
		r = VERR_IO;
		goto out;
	}
	if ((r = config_parse(file, folder, text, len, ret, &error)) != 0)
		lex_format(&error, why, WHY_MAX);
out:
	free(found);
	free(text);
	return r;
}
