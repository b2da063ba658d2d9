/*
 * intake - a credential on its way in: from a prompt, stdin or a file, never
 *	    from an argument.
 *
 * Its bytes are in one piece of locked memory, which is wiped.
 */
#ifndef VAULTCTL_INTAKE_H
#define VAULTCTL_INTAKE_H

#include "client/vaultctl/ctl.h"

#define INTAKE_MAX        (32u * 1024)
#define INTAKE_FIELDS_MAX 8
#define INTAKE_NAME_MAX   64
#define INTAKE_WHY_MAX    160

struct intake_field {
	char name[INTAKE_NAME_MAX];
	char prompt[128];
	bool hidden;
	const uint8_t *value; /* within the memory; NULL: not there yet */
	size_t len;
};

struct intake {
	uint8_t *memory; /* INTAKE_MAX bytes */
	bool key;        /* it is a private key: keyfile.h reads it */
	size_t nfields;
	struct intake_field fields[INTAKE_FIELDS_MAX];
};

/*
 * From here on no dump and no debugger: before a secret is read, and after
 * ctl_connect(), since the vault looks at who comes.  Returns 0 or VERR_NOMEM.
 */
MUST_CHECK
int intake_guard(void);

/*
 * Begin with the fields of "credential", as a catalog's row has it.  Returns 0,
 * VERR_NOMEM, or VERR_FORMAT if it is not as it should be.  To be ended by
 * intake_free() in any case.
 */
MUST_CHECK
int intake_init(struct intake *s, json_t *credential);

/* Wipes. */
void intake_free(struct intake *s);

/*
 * Take the fields out of the first "n" bytes of s->memory: the bare value where
 * there is one field, else FIELD=VALUE lines; one newline at the end is none of
 * it.  Returns 0, or VERR_FORMAT with a sentence in "why" that holds no byte of
 * a value.
 */
MUST_CHECK
int intake_parse(struct intake *s, size_t n, char why[static INTAKE_WHY_MAX]);

/*
 * Have all fields: as --stdin or --file says, else ask at the terminal.
 * Returns STATUS_DONE, or what to exit with, having said why.
 */
MUST_CHECK
int intake_take(struct ctl *ctl, struct intake *s);

#endif /* VAULTCTL_INTAKE_H */
