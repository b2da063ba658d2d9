/*
 * http - HTTP/1.1 as http.sock speaks it: request heads and chunked bodies
 *	  in, response heads and chunks out.
 *
 * WHO		gate only: http.c, and http_chunk.c for the bodies.
 * PURE		no descriptor, no clock, no allocation, no global.  Parsed
 *		slices borrow the caller's buffer: they live as long as it does
 *		and move when it moves.
 * STRICT	RFC 9112 and RFC 9110, less everything on which two parsers
 *		could disagree: one way to end a line, one way to say how long
 *		a body is, no repair.  A head is taken whole or refused; after
 *		a refusal the connection has no defined next byte and must be
 *		closed.
 * NOT HERE	what a target or a header means.  The policy normalises the
 *		path; the gate's tables say which headers pass.
 */
#ifndef GATE_HTTP_H
#define GATE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "protocol/slice.h"
#include "protocol/verr.h"

#define HTTP_METHOD_MAX 20
#define HTTP_LINE_MAX   (8 * 1024) /* the request line, without CR LF */
#define HTTP_NAME_MAX   256
#define HTTP_VALUE_MAX  (8 * 1024)
#define HTTP_FIELDS_MAX 64
#define HTTP_HEAD_MAX   (32 * 1024) /* all of it, the blank line included */

/*
 * What a request was refused for, from http_fault.def.
 */
enum http_fault {
	HTTP_FAULT_NONE = 0,
#define HTTP_FAULT(name, verr, text) name,
#include "vaultd/gate/http_fault.def"
#undef HTTP_FAULT
	HTTP_FAULT_COUNT,
};

struct http_field {
	struct slice name;  /* as sent, in any case */
	struct slice value; /* without the spaces around it */
};

enum http_body {
	HTTP_BODY_NONE,
	HTTP_BODY_LENGTH,  /* "length" bytes follow the head, perhaps 0 */
	HTTP_BODY_CHUNKED, /* struct http_chunk finds the end */
};

struct http_head {
	struct slice method;
	struct slice target; /* origin-form: begins with a slash */
	struct slice host;   /* not empty */
	struct http_field fields[HTTP_FIELDS_MAX];
	size_t field_count; /* every header, Host and the like included */
	enum http_body body;
	uint64_t length;      /* HTTP_BODY_LENGTH only; at most INT64_MAX */
	bool keep_alive;      /* the client did not say "Connection: close" */
	bool expect_continue; /* it waits for a 100 before it sends the body */
	size_t len;           /* bytes of the head; the body begins here */
};

/*
 * Return the fixed sentence for "fault", fit for the client.  Never NULL.
 */
const char *http_fault_text(enum http_fault fault);

/*
 * Parse the request head at the start of "buf".
 *
 * *line is the caller's, one per connection: 0 for a new head, and otherwise
 * what the last VERR_AGAIN left there: where the unfinished line starts.  Lines
 * are parsed when they are complete, so that a head that comes a byte at a time
 * costs little more than one that does not.  Between the calls "buf" may move
 * and grow, but not change.
 *
 * Returns 0 with *ret_head filled and *line 0; VERR_AGAIN while the blank line
 * has not come (never with HTTP_HEAD_MAX bytes or more); or VERR_FORMAT or
 * VERR_TOOBIG with *ret_fault set, as soon as the line at fault is complete or
 * too long.  Which fault does not depend on how the bytes were split.  What is
 * not named is untouched.
 */
MUST_CHECK
int http_head_parse(const uint8_t *buf, size_t len, size_t *line,
    struct http_head *ret_head, enum http_fault *ret_fault);

/*
 * Parse "text", field lines ("Name: value" CR LF) and nothing else, into
 * "fields", whose room is "max"; the rules and limits are those of a head.
 *
 * Returns 0 with *ret_count set; or VERR_FORMAT or VERR_TOOBIG with *ret_fault
 * set, *ret_count untouched and "fields" undefined.
 */
MUST_CHECK
int http_fields_parse(const uint8_t *text, size_t len,
    struct http_field *fields, size_t max, size_t *ret_count,
    enum http_fault *ret_fault);

/*
 * Return whether "name" is "want", in any case.
 */
static inline bool
http_same_name(struct slice name, struct slice want)
{
	return name.n == want.n &&
	    strncasecmp((const char *)name.p, (const char *)want.p, want.n) ==
	    0;
}

static inline bool
http_name_is(struct slice name, const char *want)
{
	return http_same_name(name, slice_str(want));
}

/*
 * Return whether the comma-separated "list" has the member "item", in any
 * case: "Connection: close, x-private" has both.
 */
bool http_list_has(struct slice list, struct slice item);

/*
 * A decoder for a chunked body.  Zero it to begin.
 */
struct http_chunk {    /* private to http_chunk.c */
	uint64_t left; /* bytes of this chunk to come */
	uint8_t state;
	uint8_t digits;
	uint8_t fault;
};

/*
 * Feed "buf", split anywhere.  On success *ret_used bytes were consumed and
 * *ret_data, perhaps empty, is a part of them: body bytes, to be taken before
 * the next call.  Call again with the rest until it is empty or the body is
 * done; nothing behind the body is consumed.
 *
 * Returns 0, or VERR_FORMAT with *ret_fault set and the rest untouched; so
 * does every call after that.
 */
MUST_CHECK
int http_chunk_feed(struct http_chunk *c, const uint8_t *buf, size_t len,
    size_t *ret_used, struct slice *ret_data, enum http_fault *ret_fault);

/*
 * Return whether the last chunk and its blank line have been consumed.
 */
bool http_chunk_done(const struct http_chunk *c);

/*
 * What is to be sent: "len" of "cap" bytes are filled.  Each http_put_* adds
 * all it has to say, or nothing and returns VERR_TOOBIG.
 */
struct http_out {
	uint8_t *p;
	size_t cap;
	size_t len;
};

/*
 * Put "HTTP/1.1 STATUS REASON"; the reason is empty for a status not known.
 * Returns 0, VERR_TOOBIG, or VERR_FORMAT: not between 100 and 599.
 */
MUST_CHECK
int http_put_status(struct http_out *o, unsigned int status);

/*
 * Put one header.  The value may hold tabs and bytes beyond ASCII, which
 * upstreams send, and no other control byte.
 * Returns 0, VERR_TOOBIG, or VERR_FORMAT: the name is not a token, or the value
 * holds such a byte or begins or ends with white space.
 */
MUST_CHECK
int http_put_field(struct http_out *o, struct slice name, struct slice value);

/*
 * The same with a number.
 */
MUST_CHECK
int http_put_number(struct http_out *o, struct slice name, uint64_t value);

/*
 * Put CR LF: ends a head, and the data of a chunk.
 */
MUST_CHECK
int http_put_crlf(struct http_out *o);

/*
 * Put the size line of a chunk of "n" bytes; with 0, all that ends the body.
 */
MUST_CHECK
int http_put_chunk_size(struct http_out *o, uint64_t n);

#endif /* GATE_HTTP_H */
