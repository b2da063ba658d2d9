#include "vaultd/ledger/filter.h"

#include <stdio.h>
#include <time.h>

#include "protocol/pairs.h"

#define YEAR_9999 UINT64_C(253402300799999)

/* '0' is any digit. */
static const char time_shape[] = "0000-00-00T00:00:00.000Z";

static void
time_text(uint64_t ms, char ret[FILTER_TIME + 1])
{
	struct tm tm;
	time_t s;

	if (ms > YEAR_9999)
		ms = YEAR_9999;
	s = (time_t)(ms / 1000);
	(void)gmtime_r(&s, &tm);
	(void)strftime(ret, FILTER_TIME + 1, "%Y-%m-%dT%H:%M:%S.", &tm);
	(void)snprintf(ret + 20, 5, "%03uZ", (unsigned)(ms % 1000));
}

int
filter_init(struct filter *f, uint64_t from, uint64_t to, struct slice match)
{
	struct slice name, value;
	int r;

	*f = (struct filter){.n = 0};
	if (from != 0)
		time_text(from, f->from);
	if (to != 0)
		time_text(to, f->to);
	while ((r = pairs_next(&match, &name, &value)) == 0) {
		if (f->n == FILTER_LITERALS)
			return VERR_TOOBIG;
		f->literal[f->n++] = value;
	}
	return r == VERR_NOTFOUND ? 0 : r;
}

static int
eat(struct slice *s, const char *text)
{
	size_t n = strlen(text);

	if (s->n < n || memcmp(s->p, text, n) != 0)
		return 0;
	*s = slice_of(s->p + n, s->n - n);
	return 1;
}

static int
is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/*
 * Find the time in {"seq":N,"time":"...",  Returns 1 with it, or 0.
 */
static int
time_of(struct slice line, const char **ret)
{
	if (!eat(&line, "{\"seq\":"))
		return 0;
	while (line.n > 0 && is_digit(*line.p))
		line = slice_of(line.p + 1, line.n - 1);
	if (!eat(&line, ",\"time\":\"") || line.n < FILTER_TIME + 1 ||
	    line.p[FILTER_TIME] != '"')
		return 0;
	for (size_t i = 0; i < FILTER_TIME; i++)
		if (time_shape[i] == '0' ? !is_digit(line.p[i])
		                         : line.p[i] != (uint8_t)time_shape[i])
			return 0;
	*ret = (const char *)line.p;
	return 1;
}

int
filter_takes(const struct filter *f, struct slice line)
{
	const char *t;

	if (f->from[0] != '\0' || f->to[0] != '\0') {
		if (!time_of(line, &t))
			return 0;
		if (f->from[0] != '\0' && memcmp(t, f->from, FILTER_TIME) < 0)
			return 0;
		if (f->to[0] != '\0' && memcmp(t, f->to, FILTER_TIME) >= 0)
			return 0;
	}
	for (size_t i = 0; i < f->n; i++)
		if (memmem(line.p, line.n, f->literal[i].p, f->literal[i].n) ==
		    NULL)
			return 0;
	return 1;
}
