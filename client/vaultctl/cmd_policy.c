#include <stdlib.h>
#include <string.h>

#include "client/vaultctl/ctl.h"
#include "client/vaultctl/file.h"
#include "client/vaultctl/names.h"
#include "policy/path.h"

int
cmd_policy_check(struct ctl *ctl)
{
	const char *path = ctl_word(ctl, 0);
	struct policy *policy;
	struct lex_error error;
	char where[LEX_FORMAT_MAX], *text;
	size_t n;
	int r = file_read(path, LEX_TEXT_MAX, &text, &n);

	if (r != 0)
		return ctl_failed(ctl, "%s: %s", path, file_why(r));
	r = policy_parse(path, text, n, &names_local, &policy, &error);
	free(text);
	if (r != 0) {
		lex_format(&error, where, sizeof(where));
		output_line(&ctl->err, "%s", where);
		return STATUS_FAILED;
	}
	policy_free(policy);
	output_line(&ctl->out, "%s: the policy is well-formed", path);
	return STATUS_DONE;
}

/*
 * Keeps the row for the exit status even where it is printed as it came.
 */
struct verdict {
	bool permitted;
};

static bool
keep_verdict(const void *arg, json_t *row)
{
	((struct verdict *)arg)->permitted =
	    json_is_true(json_object_get(row, "permitted"));
	return true;
}

static void
print_verdict(struct output *o, const struct vault_case *q, json_t *row)
{
	char ground[OUTPUT_CELL_MAX], rule[OUTPUT_CELL_MAX];
	char reason[OUTPUT_CELL_MAX];
	bool permitted = json_is_true(json_object_get(row, "permitted"));

	(void)output_value(row, "ground", ground);
	output_line(o, "%s: %s on %s%s%s%s%s",
	    permitted ? "permitted" : "denied", q->verb, q->profile,
	    q->method != NULL ? " " : "", q->method != NULL ? q->method : "",
	    q->path != NULL ? " " : "", q->path != NULL ? q->path : "");
	if (output_value(row, "rule", rule))
		output_line(o, "  by %s (%s)", rule, ground);
	else
		output_line(o, "  by no rule: what no rule permits is denied");
	if (output_value(row, "reason", reason))
		output_line(o, "  %s", reason);
}

static int
check_case(struct ctl *ctl, const struct vault_case *q)
{
	enum policy_verb verb;
	int status = ctl_check_profile(ctl, q->profile);

	if (status != STATUS_DONE)
		return status;
	if (policy_verb_parse(q->verb, &verb) != 0)
		return ctl_usage(ctl,
		    "VERB is one of request, sign, verify, "
		    "token, read, manage, audit, operate");
	if (q->method != NULL && q->path == NULL)
		return ctl_usage(ctl, "METHOD comes with a PATH");
	if (q->method != NULL &&
	    path_method(q->method, strlen(q->method)) == NULL)
		return ctl_usage(ctl, "METHOD is an HTTP method, in capitals");
	return STATUS_DONE;
}

int
cmd_policy_explain(struct ctl *ctl)
{
	const struct vault_case q = {
	    .profile = ctl_word(ctl, 0),
	    .verb = ctl_word(ctl, 1),
	    .method = ctl_word(ctl, 2),
	    .path = ctl_word(ctl, 3),
	    .user = ctl_option(ctl, "user"),
	};
	struct verdict verdict = {false};
	struct vault_rows sink;
	struct rows rows;
	json_t *row;
	int status;
	size_t i;

	if ((status = check_case(ctl, &q)) != STATUS_DONE)
		return status;
	ctl_rows(ctl, &rows);
	rows.keep = keep_verdict;
	rows.keep_arg = &verdict;
	sink = rows_sink(&rows);
	if ((status = ctl_connect(ctl)) != STATUS_DONE)
		goto out;
	if (vault_explain(ctl->vault, &q, &sink, &ctl->error) != 0) {
		status = ctl_refused(ctl);
		goto out;
	}
	json_array_foreach(rows.list, i, row) print_verdict(&ctl->out, &q, row);
	status = verdict.permitted ? STATUS_DONE : STATUS_DENIED;
out:
	rows_free(&rows);
	return status;
}
