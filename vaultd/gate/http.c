#include "vaultd/gate/http.h"

#include <assert.h>

/* A field line: the name, the value, the colon, a space on either side. */
#define FIELD_LINE_MAX (HTTP_NAME_MAX + HTTP_VALUE_MAX + 3)

static const struct {
	int verr;
	const char *text;
} faults[HTTP_FAULT_COUNT] = {
    [HTTP_FAULT_NONE] = {VERR_OK, "success"},
#define HTTP_FAULT(name, verr, text) [name] = {verr, text},
#include "vaultd/gate/http_fault.def"
#undef HTTP_FAULT
};

const char *
http_fault_text(enum http_fault fault)
{
	return faults[fault < HTTP_FAULT_COUNT ? fault : 0].text;
}

static int
refuse(enum http_fault fault, enum http_fault *ret_fault)
{
	*ret_fault = fault;
	return faults[fault].verr;
}

/* The classes of bytes: ASCII alone, whatever the locale says. */
enum {
	DIGIT = 1 << 0,
	UPPER = 1 << 1,
	LOWER = 1 << 2,
	HEX = 1 << 3,
	MARK = 1 << 4, /* of a token */
	PUNCT = 1 << 5,
	SPACE = 1 << 6,
	TAB = 1 << 7,
	HIGH = 1 << 8,
	ALNUM = DIGIT | UPPER | LOWER,
	TOKEN = ALNUM | MARK, /* RFC 9110, 5.6.2 */
	VISIBLE = TOKEN | PUNCT,
	VALUE = VISIBLE | SPACE,
	UPSTREAM_VALUE = VALUE | TAB | HIGH,
};

static const uint16_t classes[256] = {
    ['\t'] = TAB,
    [' '] = SPACE,
    ['!'] = MARK,
    ['"'] = PUNCT,
    ['#' ... '\''] = MARK,
    ['(' ... ')'] = PUNCT,
    ['*' ... '+'] = MARK,
    [','] = PUNCT,
    ['-' ... '.'] = MARK,
    ['/'] = PUNCT,
    ['0' ... '9'] = DIGIT | HEX,
    [':' ... '@'] = PUNCT,
    ['A' ... 'F'] = UPPER | HEX,
    ['G' ... 'Z'] = UPPER,
    ['[' ... ']'] = PUNCT,
    ['^' ... '`'] = MARK,
    ['a' ... 'f'] = LOWER | HEX,
    ['g' ... 'z'] = LOWER,
    ['{'] = PUNCT,
    ['|'] = MARK,
    ['}'] = PUNCT,
    ['~'] = MARK,
    [0x80 ... 0xff] = HIGH,
};

static bool
is(uint8_t c, unsigned class)
{
	return (classes[c] & class) != 0;
}

static bool
is_name(uint8_t c)
{
	return is(c, ALNUM) || c == '-' || c == '.' || c == '_';
}

static bool
is_address(uint8_t c)
{
	return is(c, HEX) || c == ':' || c == '.';
}

/* Return how many bytes at the start of "s" are such. */
static size_t
span(struct slice s, bool (*such)(uint8_t))
{
	size_t n = 0;

	while (n < s.n && such(s.p[n]))
		n++;
	return n;
}

static bool
all(struct slice s, unsigned class)
{
	size_t n = 0;

	while (n < s.n && is(s.p[n], class))
		n++;
	return n == s.n;
}

static struct slice
cut(struct slice s, size_t from, size_t n)
{
	return slice_of(s.p + from, n);
}

static struct slice
skip(struct slice s, size_t n)
{
	return cut(s, n, s.n - n);
}

static struct slice
trim(struct slice s)
{
	while (s.n > 0 && is(s.p[0], SPACE | TAB))
		s = skip(s, 1);
	while (s.n > 0 && is(s.p[s.n - 1], SPACE | TAB))
		s.n--;
	return s;
}

bool
http_list_has(struct slice list, struct slice item)
{
	while (list.n > 0) {
		const uint8_t *comma = memchr(list.p, ',', list.n);
		size_t n = comma != NULL ? (size_t)(comma - list.p) : list.n;

		if (http_same_name(trim(cut(list, 0, n)), item))
			return true;
		list = skip(list, comma != NULL ? n + 1 : n);
	}
	return false;
}

/*
 * Find the line that starts at "at", of "max" bytes at most.
 * Returns 0 with *ret_line set, without its CR LF; VERR_AGAIN if its end has
 * not come; or a refusal.
 */
static int
line_find(const uint8_t *buf, size_t len, size_t at, size_t max,
    struct slice *ret_line, enum http_fault *ret_fault)
{
	size_t left = HTTP_HEAD_MAX - at;
	size_t room = left < max + 2 ? left : max + 2;
	size_t n = len - at < room ? len - at : room;
	const uint8_t *start = buf + at;
	const uint8_t *lf = n > 0 ? memchr(start, '\n', n) : NULL;

	if (lf == NULL) {
		if (n < room)
			return VERR_AGAIN;
		if (room < max + 2)
			return refuse(HTTP_FAULT_HEAD_LONG, ret_fault);
		return refuse(max == HTTP_LINE_MAX ? HTTP_FAULT_LINE_LONG
		                                   : HTTP_FAULT_VALUE_LONG,
		    ret_fault);
	}
	if (lf == start || lf[-1] != '\r')
		return refuse(HTTP_FAULT_LINE_END, ret_fault);
	*ret_line = slice_of(start, lf - 1 - start);
	return 0;
}

static enum http_fault
check_method(struct slice method)
{
	static const char *const never[] = {"CONNECT", "TRACE", "TRACK", "PRI"};

	if (method.n == 0 || method.n > HTTP_METHOD_MAX ||
	    !is(method.p[0], UPPER))
		return HTTP_FAULT_METHOD;
	for (size_t i = 0; i < method.n; i++)
		if (!is(method.p[i], UPPER) && method.p[i] != '-')
			return HTTP_FAULT_METHOD;
	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		if (slice_is(method, never[i]))
			return HTTP_FAULT_METHOD_NEVER;
	return HTTP_FAULT_NONE;
}

static enum http_fault
check_target(struct slice target)
{
	if (target.n == 0 || target.p[0] != '/')
		return HTTP_FAULT_TARGET_FORM;
	if (!all(target, VISIBLE))
		return HTTP_FAULT_TARGET_BYTE;
	if (memchr(target.p, '#', target.n) != NULL)
		return HTTP_FAULT_FRAGMENT;
	return HTTP_FAULT_NONE;
}

static enum http_fault
parse_request_line(struct http_head *h, struct slice line)
{
	struct slice version = {NULL, 0};
	enum http_fault fault;
	size_t part = 0, from = 0;

	for (size_t i = 0; i <= line.n; i++) {
		if (i < line.n && line.p[i] != ' ')
			continue;
		if (part == 0)
			h->method = cut(line, from, i - from);
		else if (part == 1)
			h->target = cut(line, from, i - from);
		else
			version = cut(line, from, i - from);
		part++;
		from = i + 1;
	}
	if (part != 3)
		return HTTP_FAULT_REQUEST_LINE;
	if ((fault = check_method(h->method)) != HTTP_FAULT_NONE ||
	    (fault = check_target(h->target)) != HTTP_FAULT_NONE)
		return fault;
	return slice_is(version, "HTTP/1.1") ? HTTP_FAULT_NONE
	                                     : HTTP_FAULT_VERSION;
}

static enum http_fault
parse_field(struct slice line, struct http_field *ret_field)
{
	const uint8_t *colon;
	struct http_field f;

	if (line.n > 0 && is(line.p[0], SPACE | TAB))
		return HTTP_FAULT_FOLD;
	if (line.n == 0 || (colon = memchr(line.p, ':', line.n)) == NULL)
		return HTTP_FAULT_COLON;
	f.name = cut(line, 0, colon - line.p);
	f.value = skip(line, f.name.n + 1);
	if (f.name.n == 0)
		return HTTP_FAULT_NAME;
	if (is(f.name.p[f.name.n - 1], SPACE | TAB))
		return HTTP_FAULT_NAME_SPACE;
	if (!all(f.name, TOKEN))
		return HTTP_FAULT_NAME;
	if (!all(f.value, VALUE))
		return HTTP_FAULT_VALUE;
	f.value = trim(f.value);
	if (f.name.n > HTTP_NAME_MAX)
		return HTTP_FAULT_NAME_LONG;
	if (f.value.n > HTTP_VALUE_MAX)
		return HTTP_FAULT_VALUE_LONG;
	*ret_field = f;
	return HTTP_FAULT_NONE;
}

/* A name or an address, and perhaps a port.  No escapes, no user. */
static enum http_fault
take_host(struct http_head *h, struct slice value)
{
	struct slice rest = value;
	size_t n;

	if (h->host.p != NULL)
		return HTTP_FAULT_HOST_TWICE;
	if (rest.n > 0 && rest.p[0] == '[') {
		n = 1 + span(skip(rest, 1), is_address);
		if (n < 3 || n == rest.n || rest.p[n] != ']')
			return HTTP_FAULT_HOST;
		rest = skip(rest, n + 1);
	} else {
		n = span(rest, is_name);
		if (n == 0)
			return HTTP_FAULT_HOST;
		rest = skip(rest, n);
	}
	if (rest.n > 0 &&
	    (rest.p[0] != ':' || rest.n < 2 || rest.n > 6 ||
	        !all(skip(rest, 1), DIGIT)))
		return HTTP_FAULT_HOST;
	h->host = value;
	return HTTP_FAULT_NONE;
}

static enum http_fault
take_length(struct http_head *h, struct slice value)
{
	uint64_t length = 0;

	if (h->body == HTTP_BODY_LENGTH)
		return HTTP_FAULT_LENGTH_TWICE;
	if (h->body == HTTP_BODY_CHUNKED)
		return HTTP_FAULT_TWO_LENGTHS;
	if (value.n == 0 || !all(value, DIGIT) ||
	    (value.n > 1 && value.p[0] == '0'))
		return HTTP_FAULT_LENGTH;
	for (size_t i = 0; i < value.n; i++) {
		uint64_t digit = value.p[i] - '0';

		if (length > (INT64_MAX - digit) / 10)
			return HTTP_FAULT_LENGTH;
		length = length * 10 + digit;
	}
	h->body = HTTP_BODY_LENGTH;
	h->length = length;
	return HTTP_FAULT_NONE;
}

static enum http_fault
take_coding(struct http_head *h, struct slice value)
{
	if (h->body == HTTP_BODY_CHUNKED)
		return HTTP_FAULT_CODING_TWICE;
	if (h->body == HTTP_BODY_LENGTH)
		return HTTP_FAULT_TWO_LENGTHS;
	if (!slice_is(value, "chunked"))
		return HTTP_FAULT_CODING;
	h->body = HTTP_BODY_CHUNKED;
	return HTTP_FAULT_NONE;
}

static enum http_fault
take_connection(struct http_head *h, struct slice value)
{
	if (http_list_has(value, slice_str("close")))
		h->keep_alive = false;
	return HTTP_FAULT_NONE;
}

static enum http_fault
take_expect(struct http_head *h, struct slice value)
{
	if (h->expect_continue || !http_name_is(value, "100-continue"))
		return HTTP_FAULT_EXPECT;
	h->expect_continue = true;
	return HTTP_FAULT_NONE;
}

static enum http_fault
head_add_field(struct http_head *h, struct slice line)
{
	static const struct {
		struct slice name;
		enum http_fault (*take)(struct http_head *, struct slice);
	} framing[] = {
	    {SLICE("Host"), take_host},
	    {SLICE("Content-Length"), take_length},
	    {SLICE("Transfer-Encoding"), take_coding},
	    {SLICE("Connection"), take_connection},
	    {SLICE("Expect"), take_expect},
	};
	struct http_field f;
	enum http_fault fault;

	if (h->field_count == HTTP_FIELDS_MAX)
		return HTTP_FAULT_FIELDS_MANY;
	fault = parse_field(line, &f);
	for (size_t i = 0; fault == HTTP_FAULT_NONE &&
	     i < sizeof(framing) / sizeof(framing[0]);
	     i++)
		if (http_same_name(f.name, framing[i].name))
			fault = framing[i].take(h, f.value);
	if (fault == HTTP_FAULT_NONE)
		h->fields[h->field_count++] = f;
	return fault;
}

int
http_head_parse(const uint8_t *buf, size_t len, size_t *line,
    struct http_head *ret_head, enum http_fault *ret_fault)
{
	struct http_head h = {.keep_alive = true};
	struct slice l;
	enum http_fault fault;
	size_t max = *line == 0 ? HTTP_LINE_MAX : FIELD_LINE_MAX;
	int r;

	/* Until a line is complete there is nothing new to parse. */
	assert(*line <= len && *line <= HTTP_HEAD_MAX);
	if ((r = line_find(buf, len, *line, max, &l, ret_fault)) != 0)
		return r;
	for (max = HTTP_LINE_MAX;; max = FIELD_LINE_MAX) {
		r = line_find(buf, len, h.len, max, &l, ret_fault);
		if (r == VERR_AGAIN)
			*line = h.len;
		if (r != 0)
			return r;
		if (h.len == 0)
			fault = parse_request_line(&h, l);
		else if (l.n > 0)
			fault = head_add_field(&h, l);
		else
			break;
		if (fault != HTTP_FAULT_NONE)
			return refuse(fault, ret_fault);
		h.len += l.n + 2;
	}
	h.len += 2;
	if (h.host.p == NULL)
		return refuse(HTTP_FAULT_HOST_MISSING, ret_fault);
	/* Without a body there is nothing to wait for. */
	h.expect_continue = h.expect_continue && h.body != HTTP_BODY_NONE;
	*line = 0;
	*ret_head = h;
	return 0;
}

int
http_fields_parse(const uint8_t *text, size_t len, struct http_field *fields,
    size_t max, size_t *ret_count, enum http_fault *ret_fault)
{
	struct slice line;
	enum http_fault fault;
	size_t count = 0;
	size_t at = 0;
	int r;

	while (at < len) {
		r = line_find(text, len, at, FIELD_LINE_MAX, &line, ret_fault);
		if (r == VERR_AGAIN)
			return refuse(HTTP_FAULT_LINE_END, ret_fault);
		if (r != 0)
			return r;
		if (count == max)
			return refuse(HTTP_FAULT_FIELDS_MANY, ret_fault);
		fault = parse_field(line, &fields[count]);
		if (fault != HTTP_FAULT_NONE)
			return refuse(fault, ret_fault);
		count++;
		at += line.n + 2;
	}
	*ret_count = count;
	return 0;
}

static const char *
reason(unsigned int status)
{
	static const struct {
		unsigned int status;
		const char *text;
	} reasons[] = {
	    {100, "Continue"},
	    {200, "OK"},
	    {201, "Created"},
	    {202, "Accepted"},
	    {203, "Non-Authoritative Information"},
	    {204, "No Content"},
	    {205, "Reset Content"},
	    {206, "Partial Content"},
	    {300, "Multiple Choices"},
	    {301, "Moved Permanently"},
	    {302, "Found"},
	    {303, "See Other"},
	    {304, "Not Modified"},
	    {307, "Temporary Redirect"},
	    {308, "Permanent Redirect"},
	    {400, "Bad Request"},
	    {401, "Unauthorized"},
	    {402, "Payment Required"},
	    {403, "Forbidden"},
	    {404, "Not Found"},
	    {405, "Method Not Allowed"},
	    {406, "Not Acceptable"},
	    {408, "Request Timeout"},
	    {409, "Conflict"},
	    {410, "Gone"},
	    {411, "Length Required"},
	    {412, "Precondition Failed"},
	    {413, "Content Too Large"},
	    {414, "URI Too Long"},
	    {415, "Unsupported Media Type"},
	    {416, "Range Not Satisfiable"},
	    {417, "Expectation Failed"},
	    {421, "Misdirected Request"},
	    {422, "Unprocessable Content"},
	    {424, "Failed Dependency"},
	    {426, "Upgrade Required"},
	    {428, "Precondition Required"},
	    {429, "Too Many Requests"},
	    {431, "Request Header Fields Too Large"},
	    {451, "Unavailable For Legal Reasons"},
	    {500, "Internal Server Error"},
	    {501, "Not Implemented"},
	    {502, "Bad Gateway"},
	    {503, "Service Unavailable"},
	    {504, "Gateway Timeout"},
	};

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].status == status)
			return reasons[i].text;
	return "";
}

/* Put the parts, or none of them. */
static int
put(struct http_out *o, const struct slice *parts, size_t count)
{
	size_t room = o->cap - o->len;

	for (size_t i = 0; i < count; i++) {
		if (parts[i].n > room)
			return VERR_TOOBIG;
		room -= parts[i].n;
	}
	for (size_t i = 0; i < count; i++) {
		if (parts[i].n > 0)
			memcpy(o->p + o->len, parts[i].p, parts[i].n);
		o->len += parts[i].n;
	}
	return 0;
}

static int
put_text(struct http_out *o, const char *text)
{
	struct slice s = slice_str(text);

	return put(o, &s, 1);
}

/*
 * Write "n" to the end of "text", which has room for any, in base 10 or 16.
 */
#define NUMBER_MAX 20
static struct slice
number(uint8_t text[NUMBER_MAX], uint64_t n, unsigned base)
{
	size_t at = NUMBER_MAX;

	do {
		text[--at] = (uint8_t) "0123456789abcdef"[n % base];
		n /= base;
	} while (n > 0);
	return slice_of(text + at, NUMBER_MAX - at);
}

int
http_put_status(struct http_out *o, unsigned int status)
{
	uint8_t digits[NUMBER_MAX];
	const struct slice parts[] = {slice_str("HTTP/1.1 "),
	    number(digits, status, 10), slice_str(" "),
	    slice_str(reason(status)), slice_str("\r\n")};

	if (status < 100 || status > 599)
		return VERR_FORMAT;
	return put(o, parts, sizeof(parts) / sizeof(parts[0]));
}

int
http_put_field(struct http_out *o, struct slice name, struct slice value)
{
	const struct slice parts[] = {
	    name, slice_str(": "), value, slice_str("\r\n")};

	if (name.n == 0 || !all(name, TOKEN) || !all(value, UPSTREAM_VALUE) ||
	    trim(value).n != value.n)
		return VERR_FORMAT;
	return put(o, parts, sizeof(parts) / sizeof(parts[0]));
}

int
http_put_number(struct http_out *o, struct slice name, uint64_t value)
{
	uint8_t digits[NUMBER_MAX];

	return http_put_field(o, name, number(digits, value, 10));
}

int
http_put_crlf(struct http_out *o)
{
	return put_text(o, "\r\n");
}

int
http_put_chunk_size(struct http_out *o, uint64_t n)
{
	uint8_t digits[NUMBER_MAX];
	const struct slice parts[] = {
	    number(digits, n, 16), slice_str(n > 0 ? "\r\n" : "\r\n\r\n")};

	return put(o, parts, sizeof(parts) / sizeof(parts[0]));
}
