/*
 * log - what a room may tell the operator: fixed records to the supervisor.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdint.h>

enum log_code {
	LOG_NOTHING,
#define LOG(code, level, format, kind) code,
#include "vaultd/base/log.def"
#undef LOG
	LOG_CODES,
};

/* What goes through the pipe, in one write(2), so that none are mixed. */
struct log_record {
	uint64_t code;
	uint64_t n[3];
};

/*
 * Say "code" with up to three numbers.  Async-signal-safe; never blocks: a
 * record that does not fit in the pipe is lost.
 */
void log_say(enum log_code code, uint64_t a, uint64_t b, uint64_t c);

/*
 * NULL: records go to the log pipe.  The supervisor, who has none, takes its
 * own here.
 */
extern void (*log_sink)(const struct log_record *rec);

#endif /* BASE_LOG_H */
