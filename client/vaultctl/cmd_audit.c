#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "client/vaultctl/ctl.h"
#include "client/vaultctl/date.h"
#include "policy/policy.h"

#define FILTERS_MAX 16

/* clang-format off */
/* What a record has of these is printed in this order. */
static const struct piece {
	const char *before;
	const char *keys[3]; /* the first that is there */
} pieces[] = {
	{"", {"time"}},
	{"#", {"seq"}},
	{"", {"event"}},
	{"of #", {"of"}},
	{"", {"principal.user", "principal.uid"}},
	{"", {"verb"}},
	{"", {"act"}},
	{"", {"profile"}},
	{"", {"method"}},
	{"", {"host"}},
	{"", {"path"}},
	{"", {"decision"}},
	{"", {"outcome"}},
	{"", {"refusal"}},
	{"HTTP ", {"status"}},
	{"by ", {"rule"}},
	{"ms ", {"duration_ms"}},
};
/* clang-format on */

static void
print_record(struct output *o, json_t *row)
{
	char text[OUTPUT_CELL_MAX];
	bool first = true;

	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		const char *const *key = pieces[i].keys;

		while (*key != NULL && !output_value(row, *key, text))
			key++;
		if (*key == NULL)
			continue;
		fprintf(
		    o->f, "%s%s%s", first ? "" : "  ", pieces[i].before, text);
		first = false;
	}
	fputc('\n', o->f);
}

/*
 * For people; printed as it comes, for a log is long.
 */
static int
on_record(void *arg, const char *json, size_t len)
{
	struct ctl *ctl = arg;
	json_t *row = rows_parse(json, len);

	if (row == NULL)
		return VERR_FORMAT;
	print_record(&ctl->out, row);
	json_decref(row);
	return 0;
}

/*
 * An option as a filter, a date as decimal milliseconds.
 */
struct filters {
	size_t n;
	struct vault_pair pairs[FILTERS_MAX];
	char since[24], until[24];
};

static int
add_date(struct ctl *ctl, const char *name, bool last, char out[static 24])
{
	const char *text = ctl_option(ctl, name);
	int64_t ms;

	if (text == NULL)
		return STATUS_DONE;
	if (date_parse(text, last, &ms) != 0)
		return ctl_usage(
		    ctl, "--%s is a date: YYYY-MM-DD or RFC 3339", name);
	snprintf(out, 24, "%" PRId64, ms);
	return STATUS_DONE;
}

static bool
is_number(const char *text)
{
	return text[0] != '\0' && strlen(text) < 19 &&
	    strspn(text, "0123456789") == strlen(text);
}

/* A misspelt one would find nothing, which looks like an answer. */
static int
check_filter(struct ctl *ctl, const char *name, const char *value)
{
	enum policy_verb verb;

	if ((strcmp(name, "id") == 0 || strcmp(name, "last") == 0) &&
	    !is_number(value))
		return ctl_usage(ctl, "--%s is a number", name);
	if (strcmp(name, "verb") == 0 && policy_verb_parse(value, &verb) != 0)
		return ctl_usage(ctl,
		    "--verb is a verb of the policy, as in "
		    "\"permit CLIENT to VERB on ...\"");
	if (strcmp(name, "decision") == 0 && strcmp(value, "permit") != 0 &&
	    strcmp(value, "deny") != 0)
		return ctl_usage(ctl, "--decision is permit or deny");
	return STATUS_DONE;
}

static int
collect(struct ctl *ctl, struct filters *f)
{
	int status;

	if ((status = add_date(ctl, "since", false, f->since)) != STATUS_DONE ||
	    (status = add_date(ctl, "until", true, f->until)) != STATUS_DONE)
		return status;
	for (const struct option_spec *s = ctl->command->options;
	     s->name != NULL && f->n < FILTERS_MAX; s++) {
		const char *value = ctl_option(ctl, s->name);

		if (value == NULL)
			continue;
		if ((status = check_filter(ctl, s->name, value)) != STATUS_DONE)
			return status;
		if (strcmp(s->name, "since") == 0)
			value = f->since;
		else if (strcmp(s->name, "until") == 0)
			value = f->until;
		f->pairs[f->n++] =
		    (struct vault_pair){s->name, value, strlen(value)};
	}
	return STATUS_DONE;
}

int
cmd_audit_show(struct ctl *ctl)
{
	struct vault_rows sink = {on_record, ctl};
	struct filters filters = {0};
	struct rows rows;
	int status;

	ctl_rows(ctl, &rows);
	if (ctl->json)
		sink = rows_sink(&rows);
	if ((status = collect(ctl, &filters)) != STATUS_DONE ||
	    (status = ctl_connect(ctl)) != STATUS_DONE)
		goto out;
	if (vault_audit(
	        ctl->vault, filters.pairs, filters.n, &sink, &ctl->error) != 0)
		status = ctl_refused(ctl);
out:
	rows_free(&rows);
	return status;
}
