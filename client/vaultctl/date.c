#include "client/vaultctl/date.h"

#include <string.h>
#include <time.h>

#define DAY_MS   86400000
#define DAYS_MAX 36500

/*
 * Read "n" digits, and then the character "then" unless that is 0.
 */
static bool
digits(const char **text, int n, char then, int *ret)
{
	int v = 0;

	while (n-- > 0) {
		if (**text < '0' || **text > '9')
			return false;
		v = v * 10 + (*(*text)++ - '0');
	}
	if (then != '\0' && *(*text)++ != then)
		return false;
	*ret = v;
	return true;
}

static bool
is_date(const struct tm *tm)
{
	static const int days[] = {
	    31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int y = tm->tm_year + 1900;
	bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;

	return y >= 1970 && tm->tm_mon >= 0 && tm->tm_mon < 12 &&
	    tm->tm_mday >= 1 &&
	    tm->tm_mday <= days[tm->tm_mon] + (tm->tm_mon == 1 && leap);
}

/*
 * "Z" or "+HH:MM" and the end of the text: what to take off, in minutes.
 */
static bool
zone(const char *p, int *ret_minutes)
{
	int sign = *p == '-' ? -1 : 1, hours, minutes;

	*ret_minutes = 0;
	if (*p == 'Z' || *p == 'z')
		return p[1] == '\0';
	if (*p != '+' && *p != '-')
		return false;
	p++;
	if (!digits(&p, 2, ':', &hours) || !digits(&p, 2, '\0', &minutes) ||
	    *p != '\0' || hours > 23 || minutes > 59)
		return false;
	*ret_minutes = sign * (hours * 60 + minutes);
	return true;
}

int
date_parse(const char *text, bool last, int64_t *ret_ms)
{
	struct tm tm = {0};
	int64_t ms = 0;
	int minutes, scale = 100;

	if (!digits(&text, 4, '-', &tm.tm_year) ||
	    !digits(&text, 2, '-', &tm.tm_mon) ||
	    !digits(&text, 2, '\0', &tm.tm_mday))
		return VERR_FORMAT;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	if (!is_date(&tm))
		return VERR_FORMAT;
	if (*text == '\0') {
		*ret_ms = (int64_t)timegm(&tm) * 1000 + (last ? DAY_MS - 1 : 0);
		return 0;
	}
	if (strchr("Tt ", *text++) == NULL ||
	    !digits(&text, 2, ':', &tm.tm_hour) ||
	    !digits(&text, 2, ':', &tm.tm_min) ||
	    !digits(&text, 2, '\0', &tm.tm_sec) || tm.tm_hour > 23 ||
	    tm.tm_min > 59 || tm.tm_sec > 60)
		return VERR_FORMAT;
	if (*text == '.') {
		if (text[1] < '0' || text[1] > '9')
			return VERR_FORMAT;
		for (text++; *text >= '0' && *text <= '9'; text++) {
			ms += (*text - '0') * scale;
			scale /= 10;
		}
	}
	if (!zone(text, &minutes))
		return VERR_FORMAT;
	*ret_ms = ((int64_t)timegm(&tm) - minutes * 60) * 1000 + ms;
	return 0;
}

int
date_days(const char *text, unsigned *ret)
{
	unsigned n = 0;

	if (*text < '0' || *text > '9')
		return VERR_FORMAT;
	for (; *text >= '0' && *text <= '9'; text++)
		if ((n = n * 10 + (unsigned)(*text - '0')) > DAYS_MAX)
			return VERR_FORMAT;
	if (text[0] == 'd')
		text++;
	if (*text != '\0')
		return VERR_FORMAT;
	*ret = n;
	return 0;
}
