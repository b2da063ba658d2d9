/*
 * say - the daemon's log: lines on stderr, with journald's priorities where
 *	 stderr is the journal.
 */
#ifndef SUPERVISOR_SAY_H
#define SUPERVISOR_SAY_H

#include <syslog.h>

#include "protocol/slice.h"
#include "vaultd/base/log.h"

#define SAY_VAULTD "vaultd"

/*
 * Find out where stderr goes.  Before it, and if never called, lines are
 * plain.
 */
void say_init(void);

/*
 * One line: "vaultd: " and the text.  Several lines, if the text has some.
 */
void say(int level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * The same for "who".
 */
void say_as(const char *who, int level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * Text of a room: control bytes other than newline become '?'.
 */
void say_text(const char *who, int level, struct slice text);

/*
 * What a room wrote to its log pipe.
 */
void say_record(const char *who, const struct log_record *rec);

/*
 * Write the text of "rec" to "out"; an unknown code becomes "log code N".
 */
void say_format(const struct log_record *rec, char *out, size_t size);

/*
 * Receives log_say() in this process.
 */
void say_own_record(const struct log_record *rec);

#endif /* SUPERVISOR_SAY_H */
