#include "vaultd/keeper/when.h"

#include <time.h>

/*
 * Read "digits" digits at *p, which moves behind them; -1 if they are none.
 */
static int
digits(const uint8_t **p, int n)
{
	int v = 0;

	for (; n > 0; n--, (*p)++) {
		if (**p < '0' || **p > '9')
			return -1;
		v = v * 10 + (**p - '0');
	}
	return v;
}

int
when_parse(struct slice text, uint64_t *ret_ms)
{
	static const char shape[] = "0000-00-00T00:00:00Z";
	struct tm tm = {.tm_isdst = 0}, given, back;
	const uint8_t *p = text.p;
	time_t t;

	if (text.n != 10 && text.n != sizeof(shape) - 1)
		return VERR_FORMAT;
	for (size_t i = 0; i < text.n; i++)
		if (shape[i] != '0' && text.p[i] != (uint8_t)shape[i])
			return VERR_FORMAT;
	tm.tm_year = digits(&p, 4) - 1900;
	p++;
	tm.tm_mon = digits(&p, 2) - 1;
	p++;
	tm.tm_mday = digits(&p, 2);
	if (text.n > 10) {
		p++;
		tm.tm_hour = digits(&p, 2);
		p++;
		tm.tm_min = digits(&p, 2);
		p++;
		tm.tm_sec = digits(&p, 2);
	}
	given = tm; /* timegm() makes it normal */
	if ((t = timegm(&tm)) < 0)
		return VERR_FORMAT;
	/* What does not exist comes back as something else. */
	(void)gmtime_r(&t, &back);
	if (back.tm_year != given.tm_year || back.tm_mon != given.tm_mon ||
	    back.tm_mday != given.tm_mday || back.tm_hour != given.tm_hour ||
	    back.tm_min != given.tm_min || back.tm_sec != given.tm_sec)
		return VERR_FORMAT;
	*ret_ms = (uint64_t)t * 1000;
	return 0;
}
