#include "protocol/codec.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <tpl.h>
#include <unistd.h>

#include "protocol/bytes.h"

/* tpl's own length checks wrap on 32 bits, and it swaps on big-endian. */
#if UINTPTR_MAX != UINT64_MAX || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the client wire needs a 64-bit little-endian machine"
#endif

/* tpl.h does not declare it. */
extern tpl_hook_t tpl_hook;

/* clang-format off */
#define T_U32		"u"
#define T_U64		"U"
#define T_STR		"s"
#define T_BLOB		"B"
#define T_RAW		""

#define MESSAGE(NAME, name, number, sender, meaning)                           \
	static const struct codec_field fields_##name[] = {
#define FIELD(message, kind, name, min, max, meaning)                          \
	{#name, meaning, min, max,                                             \
	    offsetof(struct client_msg, message.name), CODEC_##kind},
#define MESSAGE_END };
#include "protocol/client.def"

#define MESSAGE(NAME, name, number, sender, meaning)                           \
	static const char format_##name[] = ""
#define FIELD(message, kind, name, min, max, meaning) T_##kind
#define MESSAGE_END ;
#include "protocol/client.def"

/* The most bytes of each body, to be known small enough when compiling. */
#define S_U32(max)	4
#define S_U64(max)	8
#define S_STR(max)	4 + (max)
#define S_BLOB(max)	4 + (max)
#define S_RAW(max)	(max)
#define MESSAGE(NAME, name, number, sender, meaning)                           \
	struct most_##name { char image[8 + sizeof(format_##name)];
#define FIELD(message, kind, name, min, max, meaning) char name[S_##kind(max)];
#define MESSAGE_END };
#include "protocol/client.def"

#define MESSAGE(NAME, name, number, sender, meaning)                           \
	_Static_assert(sizeof(struct most_##name) <= FRAME_BODY_MAX &&         \
	    sizeof(fields_##name) <= CODEC_FIELDS_MAX *                        \
	    sizeof(struct codec_field), #name " fits");
#include "protocol/client.def"
/* clang-format on */

const struct codec_message codec_messages[] = {
#define MESSAGE(NAME, name, number, sender, meaning)                           \
	{#NAME, meaning, format_##name, fields_##name, CLIENT_##NAME,          \
	    CODEC_##sender,                                                    \
	    sizeof(fields_##name) / sizeof(struct codec_field)},
#include "protocol/client.def"
};

const size_t codec_nmessages =
    sizeof(codec_messages) / sizeof(codec_messages[0]);

/* What tpl writes before the values: "tpl", flags, length, format and NUL. */
#define IMAGE_HEAD         8
#define IMAGE_FLAGS        3
#define IMAGE_LENGTH       4
#define IMAGE_FLAG_STRINGS 2 /* strings are stored as length + 1 */

/*
 * Allocations that tpl makes remember their size, to be wiped when freed.
 */
struct alloc {
	_Alignas(16) size_t n;
	uint8_t bytes[];
};

static void *
wiping_malloc(size_t n)
{
	struct alloc *a = NULL;

	if (n <= SIZE_MAX - sizeof(*a))
		a = malloc(sizeof(*a) + n);
	if (a == NULL)
		return NULL;
	a->n = n;
	return a->bytes;
}

static void
wiping_free(void *p)
{
	struct alloc *a;

	if (p == NULL)
		return;
	a = (struct alloc *)((uint8_t *)p - offsetof(struct alloc, bytes));
	explicit_bzero(a->bytes, a->n);
	free(a);
}

static void *
wiping_realloc(void *p, size_t n)
{
	struct alloc *a;
	void *q = wiping_malloc(n);

	if (p == NULL || q == NULL)
		return q;
	a = (struct alloc *)((uint8_t *)p - offsetof(struct alloc, bytes));
	memcpy(q, p, a->n < n ? a->n : n);
	wiping_free(p);
	return q;
}

static int
silent_oops(const char *fmt, ...)
{
	(void)fmt;
	return 0;
}

/* tpl goes on with NULL if this returns, and its text may hold data. */
_Noreturn static void
fatal_exit(const char *fmt, ...)
{
	static const char line[] = "codec: tpl cannot go on\n";

	(void)fmt;
	if (write(STDERR_FILENO, line, sizeof(line) - 1) < 0)
		_exit(71);
	_exit(70);
}

void
codec_init(void)
{
	tpl_hook.oops = silent_oops;
	tpl_hook.malloc = wiping_malloc;
	tpl_hook.realloc = wiping_realloc;
	tpl_hook.free = wiping_free;
	tpl_hook.fatal = fatal_exit;
	tpl_hook.gather_max = 1;
}

const struct codec_message *
codec_message(uint32_t type)
{
	for (size_t i = 0; i < codec_nmessages; i++)
		if (codec_messages[i].type == type)
			return &codec_messages[i];
	return NULL;
}

static int
has_image(const struct codec_message *d)
{
	return d->format[0] != '\0';
}

static size_t
head_size(const struct codec_message *d)
{
	return has_image(d) ? IMAGE_HEAD + strlen(d->format) + 1 : 0;
}

/*
 * Return the bytes that field "f" takes in a body if it holds "n".
 */
static size_t
field_size(const struct codec_field *f, size_t n)
{
	switch ((enum codec_kind)f->kind) {
	case CODEC_U32:
		return 4;
	case CODEC_U64:
		return 8;
	case CODEC_STR:
	case CODEC_BLOB:
		return 4 + n;
	case CODEC_RAW:
		return n;
	}
	return 0;
}

/*
 * Is a body of "n" bytes within what "d" allows at all?
 */
static int
check_size(const struct codec_message *d, size_t n)
{
	size_t min = head_size(d), max = head_size(d);

	for (size_t i = 0; i < d->nfields; i++) {
		min += field_size(&d->fields[i], d->fields[i].min);
		max += field_size(&d->fields[i], d->fields[i].max);
	}
	if (n < min)
		return VERR_TRUNCATED;
	if (n > max)
		return VERR_TOOBIG;
	return 0;
}

int
codec_admit(const struct frame *frame, enum codec_sender from)
{
	const struct codec_message *d = codec_message(frame->type);

	if (d == NULL)
		return VERR_UNKNOWN;
	if ((d->sender & from) == 0)
		return VERR_FORBIDDEN;
	if (frame->id == 0 && d->type != CLIENT_REFUSED)
		return VERR_FORBIDDEN;
	return check_size(d, frame->length);
}

/*
 * UTF-8 as RFC 3629 has it (no overlong forms, no surrogates, nothing above
 * U+10FFFF), and no NUL: what C reads must be what was checked.
 */
static int
is_text(struct slice s)
{
	size_t i = 0;

	while (i < s.n) {
		uint8_t lead = s.p[i++], low = 0x80, high = 0xbf;
		int more;

		if (lead < 0x80) {
			if (lead == 0)
				return 0;
			continue;
		}
		if (lead < 0xc2 || lead > 0xf4)
			return 0;
		more = lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
		if (lead == 0xe0)
			low = 0xa0;
		else if (lead == 0xed)
			high = 0x9f;
		else if (lead == 0xf0)
			low = 0x90;
		else if (lead == 0xf4)
			high = 0x8f;
		for (; more > 0; more--, i++) {
			if (i == s.n || s.p[i] < low || s.p[i] > high)
				return 0;
			low = 0x80;
			high = 0xbf;
		}
	}
	return 1;
}

/*
 * A field's value, whatever its kind.
 */
struct value {
	uint64_t number;
	struct slice bytes;
};

static struct value
get_value(const struct client_msg *m, const struct codec_field *f)
{
	const uint8_t *at = (const uint8_t *)m + f->offset;
	struct value v = {0};
	uint32_t u32;

	if (f->kind == CODEC_U32) {
		memcpy(&u32, at, sizeof(u32));
		v.number = u32;
	} else if (f->kind == CODEC_U64) {
		memcpy(&v.number, at, sizeof(v.number));
	} else {
		memcpy(&v.bytes, at, sizeof(v.bytes));
	}
	return v;
}

static void
set_value(struct client_msg *m, const struct codec_field *f, struct value v)
{
	uint8_t *at = (uint8_t *)m + f->offset;
	uint32_t u32 = (uint32_t)v.number;

	if (f->kind == CODEC_U32)
		memcpy(at, &u32, sizeof(u32));
	else if (f->kind == CODEC_U64)
		memcpy(at, &v.number, sizeof(v.number));
	else
		memcpy(at, &v.bytes, sizeof(v.bytes));
}

/*
 * The limits that client.def declares, for what is sent and what is taken.
 */
static int
check_value(const struct codec_field *f, struct value v)
{
	if (f->kind == CODEC_U32 || f->kind == CODEC_U64)
		return v.number < f->min || v.number > f->max ? VERR_FORMAT : 0;
	if (v.bytes.n < f->min)
		return VERR_TRUNCATED;
	if (v.bytes.n > f->max)
		return VERR_TOOBIG;
	if (f->kind == CODEC_STR && !is_text(v.bytes))
		return VERR_FORMAT;
	return 0;
}

/*
 * Take "n" bytes off "rest".
 */
static int
take(struct slice *rest, uint64_t n, struct slice *ret)
{
	if (n > rest->n)
		return VERR_TRUNCATED;
	*ret = slice_of(rest->p, (size_t)n);
	*rest = slice_of(rest->p + n, rest->n - (size_t)n);
	return 0;
}

static int
take_number(struct slice *rest, size_t n, uint64_t *ret)
{
	struct slice s;
	int r = take(rest, n, &s);

	if (r == 0)
		*ret = get_le(s.p, n);
	return r;
}

static int
take_value(struct slice *rest, const struct codec_field *f, struct value *ret)
{
	struct value v = {0};
	uint64_t n;
	int r;

	switch ((enum codec_kind)f->kind) {
	case CODEC_U32:
		r = take_number(rest, 4, &v.number);
		break;
	case CODEC_U64:
		r = take_number(rest, 8, &v.number);
		break;
	case CODEC_RAW:
		r = take(rest, rest->n, &v.bytes);
		break;
	default:
		if ((r = take_number(rest, 4, &n)) != 0)
			return r;
		/* tpl stores length + 1, and 0 for a NULL pointer */
		if (f->kind == CODEC_STR && n-- == 0)
			return VERR_FORMAT;
		r = take(rest, n, &v.bytes);
	}
	if (r == 0)
		r = check_value(f, v);
	if (r == 0)
		*ret = v;
	return r;
}

/*
 * Check the head of an image, byte for byte: the flags decide how tpl would
 * read every string, so there is one right value and no other.
 */
static int
take_head(struct slice *rest, const struct codec_message *d)
{
	int strings = strchr(d->format, 's') != NULL;
	size_t n = rest->n;
	struct slice head;
	int r = take(rest, head_size(d), &head);

	if (r != 0)
		return r;
	if (memcmp(head.p, "tpl", 3) != 0 ||
	    head.p[IMAGE_FLAGS] != (strings ? IMAGE_FLAG_STRINGS : 0) ||
	    get_le(head.p + IMAGE_LENGTH, 4) != n ||
	    memcmp(head.p + IMAGE_HEAD, d->format, strlen(d->format) + 1) != 0)
		return VERR_FORMAT;
	return 0;
}

int
codec_decode(
    uint32_t type, const uint8_t *body, size_t n, struct client_msg *ret_msg)
{
	const struct codec_message *d = codec_message(type);
	struct slice rest = slice_of(body, n);
	struct client_msg m = {0};
	struct value v;
	int r;

	if (d == NULL)
		return VERR_UNKNOWN;
	if ((r = check_size(d, n)) != 0)
		return r;
	if (has_image(d) && (r = take_head(&rest, d)) != 0)
		return r;
	m.type = d->type;
	for (size_t i = 0; i < d->nfields; i++) {
		if ((r = take_value(&rest, &d->fields[i], &v)) != 0)
			return r;
		set_value(&m, &d->fields[i], v);
	}
	if (rest.n != 0)
		return VERR_FORMAT;
	*ret_msg = m;
	return 0;
}

size_t
codec_size(const struct client_msg *msg)
{
	const struct codec_message *d = codec_message(msg->type);
	size_t n = FRAME_HEADER;

	if (d == NULL)
		return 0;
	n += head_size(d);
	for (size_t i = 0; i < d->nfields; i++) {
		const struct codec_field *f = &d->fields[i];

		n += field_size(f, get_value(msg, f).bytes.n);
	}
	return n;
}

/*
 * What tpl is given the address of, for one field.
 */
union packed {
	uint32_t u32;
	uint64_t u64;
	char *str;
	tpl_bin bin;
};

/*
 * Returns 0, or VERR_NOMEM.  A STR is copied, to have a NUL.
 */
static int
pack_value(const struct codec_field *f, struct value v, union packed *ret)
{
	if (f->kind == CODEC_U32) {
		ret->u32 = (uint32_t)v.number;
	} else if (f->kind == CODEC_U64) {
		ret->u64 = v.number;
	} else if (f->kind == CODEC_BLOB) {
		ret->bin.addr = (void *)v.bytes.p;
		ret->bin.sz = (uint32_t)v.bytes.n;
	} else {
		ret->str = wiping_malloc(v.bytes.n + 1);
		if (ret->str == NULL)
			return VERR_NOMEM;
		if (v.bytes.n > 0)
			memcpy(ret->str, v.bytes.p, v.bytes.n);
		ret->str[v.bytes.n] = '\0';
	}
	return 0;
}

/*
 * Have tpl write the image of a checked message: "n" bytes, as computed.
 */
static int
put_image(const struct codec_message *d, const struct client_msg *m,
    uint8_t *buf, size_t n)
{
	union packed at[CODEC_FIELDS_MAX] = {0};
	char format[CODEC_FIELDS_MAX + 1] = {0};
	tpl_node *tn = NULL;
	int r = VERR_INTERNAL;

	memcpy(format, d->format, strlen(d->format));
	for (size_t i = 0; i < d->nfields; i++) {
		const struct codec_field *f = &d->fields[i];

		if ((r = pack_value(f, get_value(m, f), &at[i])) != 0)
			goto out;
	}
	r = VERR_INTERNAL;
	/* it takes as many of them as the format has letters */
	tn = tpl_map(format, &at[0], &at[1], &at[2], &at[3], &at[4], &at[5],
	    &at[6], &at[7]);
	if (tn == NULL || tpl_pack(tn, 0) < 0 ||
	    tpl_dump(tn, TPL_MEM | TPL_PREALLOCD, buf, n) != 0 ||
	    get_le(buf + IMAGE_LENGTH, 4) != n)
		goto out;
	r = 0;
out:
	if (tn != NULL)
		tpl_free(tn);
	for (size_t i = 0; i < d->nfields; i++)
		if (d->fields[i].kind == CODEC_STR)
			wiping_free(at[i].str);
	if (r != 0)
		explicit_bzero(buf, n);
	return r;
}

int
codec_encode(uint64_t id, const struct client_msg *msg, uint8_t *buf,
    size_t size, size_t *ret_n)
{
	const struct codec_message *d = codec_message(msg->type);
	size_t n = codec_size(msg);
	struct frame frame = {.id = id, .type = (uint16_t)msg->type};
	int r;

	assert(tpl_hook.free == wiping_free); /* codec_init() */
	if (d == NULL)
		return VERR_UNKNOWN;
	for (size_t i = 0; i < d->nfields; i++) {
		const struct codec_field *f = &d->fields[i];

		if ((r = check_value(f, get_value(msg, f))) != 0)
			return r;
	}
	if (n > size)
		return VERR_TOOBIG;
	frame.length = (uint32_t)(n - FRAME_HEADER);
	if (has_image(d)) {
		r = put_image(d, msg, buf + FRAME_HEADER, frame.length);
		if (r != 0)
			return r;
	} else if (d->nfields == 1) { /* RAW */
		const struct slice raw = get_value(msg, d->fields).bytes;

		if (raw.p != NULL)
			memcpy(buf + FRAME_HEADER, raw.p, raw.n);
	}
	frame_put(buf, &frame);
	*ret_n = n;
	return 0;
}
