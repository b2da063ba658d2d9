#include "client/vaultctl/slots.h"

#include <inttypes.h>
#include <sodium.h>
#include <string.h>

static const char *const kinds[] = {
    [SLOT_KEYFILE] = "keyfile",
    [SLOT_PASSPHRASE] = "passphrase",
    [SLOT_CREDENTIAL] = "credential",
};

enum slot_kind
slot_kind(const char *name)
{
	for (int kind = 0; kind < SLOT_OTHER; kind++)
		if (strcmp(kinds[kind], name) == 0)
			return (enum slot_kind)kind;
	return SLOT_OTHER;
}

static int
number_of(json_t *row, const char *key, uint64_t *ret)
{
	json_t *value = json_object_get(row, key);

	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return VERR_FORMAT;
	*ret = (uint64_t)json_integer_value(value);
	return 0;
}

static int
parse_stretch(json_t *row, struct stretch *ret)
{
	const char *salt = json_string_value(json_object_get(row, "salt"));

	if (salt == NULL || strlen(salt) != 2 * (size_t)ACT_SALT_LEN ||
	    sodium_hex2bin(ret->salt, sizeof(ret->salt), salt, strlen(salt),
	        NULL, NULL, NULL) != 0 ||
	    number_of(row, "opslimit", &ret->passes) != 0)
		return VERR_FORMAT;
	return number_of(row, "memlimit", &ret->memory);
}

int
slot_parse(json_t *row, struct slot *ret)
{
	const char *kind = json_string_value(json_object_get(row, "kind"));
	const char *name = json_string_value(json_object_get(row, "name"));
	struct slot slot = {0};
	char text[SLOTS_NAME_MAX];

	if (kind == NULL || number_of(row, "slot", &slot.number) != 0)
		return VERR_FORMAT;
	slot.kind = slot_kind(kind);
	slot.unlocked = json_is_true(json_object_get(row, "unlocked"));
	if (slot.kind == SLOT_PASSPHRASE &&
	    parse_stretch(row, &slot.stretch) != 0)
		return VERR_FORMAT;
	snprintf(slot.digits, sizeof(slot.digits), "%" PRIu64, slot.number);
	if (name != NULL && name[0] != '\0')
		snprintf(text, sizeof(text), "slot %s (%.40s \"%.64s\")",
		    slot.digits, kind, name);
	else
		snprintf(
		    text, sizeof(text), "slot %s (%.40s)", slot.digits, kind);
	output_clean(text, strlen(text), slot.name, sizeof(slot.name));
	*ret = slot;
	return 0;
}

int
slots_ask(struct ctl *ctl, struct slots *ret)
{
	struct vault_rows sink;
	struct rows rows;
	json_t *row;
	int status;
	size_t i;

	rows_init(&rows);
	sink = rows_sink(&rows);
	ret->n = 0;
	if ((status = ctl_connect(ctl)) != STATUS_DONE)
		goto out;
	if (vault_slots(ctl->vault, &sink, &ctl->error) != 0) {
		status = ctl_refused(ctl);
		goto out;
	}
	json_array_foreach(rows.list, i, row)
	{
		if (ret->n < SLOTS_MAX &&
		    slot_parse(row, &ret->slot[ret->n]) == 0) {
			ret->n++;
			continue;
		}
		status = ctl_failed(
		    ctl, "the vault tells of a key slot that makes no sense");
		goto out;
	}
out:
	rows_free(&rows);
	return status;
}

int
slots_find(struct ctl *ctl, const struct slots *slots, const char *text,
    size_t n, const struct slot **ret)
{
	uint64_t number;

	if (options_number(text, n, 0, UINT32_MAX, &number) != 0)
		return ctl_usage(ctl,
		    "a slot is a number; \"vaultctl key slot list\" has them");
	for (size_t i = 0; i < slots->n; i++)
		if (slots->slot[i].number == number) {
			*ret = &slots->slot[i];
			return STATUS_DONE;
		}
	(void)ctl_failed(ctl,
	    "there is no slot %" PRIu64 "; \"vaultctl key slot list\" has them",
	    number);
	return STATUS_NOT_FOUND;
}
