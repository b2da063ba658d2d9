#include "client/vaultctl/job.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#define PAUSE_MS 200

static const char *
text_of(json_t *row, const char *key)
{
	const char *text = json_string_value(json_object_get(row, key));

	return text != NULL ? text : "";
}

bool
job_row_is(json_t *row, const char *kind)
{
	return strcmp(text_of(row, "kind"), kind) == 0;
}

void
job_words(json_t *row, char out[static JOB_TEXT_MAX])
{
	static const struct {
		const char *job, *words;
	} names[] = {
	    {"rotate-root", "rotating the root key"},
	    {"rotate-customer", "rotating the key of"},
	    {"destroy-customer", "destroying the key and the profiles of"},
	};
	const char *job = text_of(row, "job"), *words = job;
	const char *customer = text_of(row, "customer");
	char text[JOB_TEXT_MAX];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(job, names[i].job) == 0)
			words = names[i].words;
	snprintf(text, sizeof(text),
	    "%.40s%s%.63s: %" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT
	    " rows",
	    words, customer[0] != '\0' ? " " : "", customer,
	    json_integer_value(json_object_get(row, "done")),
	    json_integer_value(json_object_get(row, "rows")));
	output_clean(text, strlen(text), out, JOB_TEXT_MAX);
}

/*
 * Look once.  *ret_text is what to show, empty if the job is not there.
 */
static int
look(struct ctl *ctl, const char *job, const char *customer, bool *ret_sealed,
    char ret_text[static JOB_TEXT_MAX])
{
	struct vault_rows sink;
	struct rows rows;
	json_t *row;
	size_t i;
	int r;

	rows_init(&rows);
	sink = rows_sink(&rows);
	ret_text[0] = '\0';
	*ret_sealed = false;
	r = vault_status(ctl->vault, &sink, &ctl->error);
	json_array_foreach(rows.list, i, row)
	{
		if (job_row_is(row, "vault"))
			*ret_sealed =
			    strcmp(text_of(row, "state"), "sealed") == 0;
		else if (job_row_is(row, "job") &&
		    strcmp(text_of(row, "job"), job) == 0 &&
		    strcmp(text_of(row, "customer"),
		        customer != NULL ? customer : "") == 0)
			job_words(row, ret_text);
	}
	rows_free(&rows);
	return r;
}

static void
show(struct ctl *ctl, const char *text, size_t *shown)
{
	size_t n = strlen(text);

	if (!ctl->err.terminal)
		return;
	fprintf(ctl->err.f, "\r%s%*s", text, n < *shown ? (int)(*shown - n) : 0,
	    "");
	if (n == 0)
		fputc('\r', ctl->err.f);
	fflush(ctl->err.f);
	*shown = n;
}

/*
 * It was begun, and is not known to be done.
 */
static int
goes_on(struct ctl *ctl)
{
	int status = ctl_refused(ctl);

	output_line(&ctl->err,
	    "vaultctl: this is no longer watched; the vault goes on with it by "
	    "itself, after a restart, too. \"vaultctl status\" tells how far "
	    "it is");
	/* who may not look has been told that it was begun */
	return status == STATUS_DENIED ? STATUS_DONE : status;
}

int
job_follow(struct ctl *ctl, const char *job, const char *customer)
{
	const struct timespec pause = {0, PAUSE_MS * 1000000L};
	char text[JOB_TEXT_MAX];
	bool sealed = false;
	size_t shown = 0;
	int r;

	fflush(ctl->out.f);
	for (;;) {
		r = look(ctl, job, customer, &sealed, text);
		if (r != 0 || sealed || text[0] == '\0')
			break;
		show(ctl, text, &shown);
		(void)nanosleep(&pause, NULL);
	}
	show(ctl, "", &shown);
	if (r != 0)
		return goes_on(ctl);
	if (sealed) {
		(void)ctl_failed(ctl,
		    "the vault was sealed meanwhile; it goes on when it is "
		    "unsealed");
		return STATUS_UNREACHABLE;
	}
	return STATUS_DONE;
}
